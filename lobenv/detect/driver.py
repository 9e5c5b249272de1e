"""Shows the records of a tape to a detector, one after the other: a compiled program for each, written from its rule.

The program is there to be read: `print(driver.source("quote_stuffing"))`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from lobenv.compiled import kernel
from lobenv.compiled.text import define
from lobenv.detect.alerts import prepare
from lobenv.detect.base import DetectorKind
from lobenv.detect.detectors import number_of

NEW_BOOK = -1  # in place of a row: nobody watches that book yet

_TEXT = '''
def run_{name}(states, rows, events, alerts, first):
    """Show (N,) events to the detector from `first` on; to which they were shown, and how many alerts it raised.

    It stops early where the book of an event has no row of `states` yet, and where `alerts` is full.
    """
    count = 0
    for k in range(first, len(events)):
        event = events[k]
        row = rows[event["book"]]
        if row == NEW_BOOK or count == len(alerts):
            return k, count
        prepare(alerts[count], NUMBER, event)
        if watch(states[row], event, alerts[count]):
            count += 1
    return len(events), count
'''


def source(name: str) -> str:
    """The text of a detector's program as it is compiled."""
    return _TEXT.format(name=name).lstrip()


@cache
def program(kind: DetectorKind) -> Callable[..., tuple[int, int]]:
    """The program of a detector, compiled when it is first called."""
    known = {"prepare": prepare, "watch": kind.watch, "NEW_BOOK": NEW_BOOK, "NUMBER": number_of(kind.name)}
    names: dict[str, Any] = {"__name__": kind.config.__module__, **known}
    define(source(kind.name), f"<{__name__}.source({kind.name!r})>", names)
    return kernel(entry=True)(names[f"run_{kind.name}"])
