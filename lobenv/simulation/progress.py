"""Tells standard error how far a market has been run, how fast, and for how long it still takes."""

from __future__ import annotations

import sys
import time
from collections.abc import Generator

from lobenv.settings import SECOND

PARTS = 200  # a run is stopped so often to look at the clock
PERIOD_S = 0.2
PERIOD_OF_LINES_S = 10.0  # where standard error is no terminal


def told_stops(label: str, now: int, until: int) -> Generator[int]:
    """Times to stop at on the way; how far it is by then is told when the next one is asked for.

    Args:
        label: What is run.
        now: Where it stands [ns].
        until: Where it ends [ns]; the last one given.
    """
    is_terminal = sys.stderr.isatty()
    began = told = time.monotonic()
    length = 0
    for part in range(1, PARTS + 1):
        stop = now + (until - now) * part // PARTS
        yield stop
        present = time.monotonic()
        if present - told >= (PERIOD_S if is_terminal else PERIOD_OF_LINES_S) or part == PARTS:
            told = present
            line = _line(label, now, stop, until, max(present - began, 1e-9))
            sys.stderr.write(f"\r{line:<{length}}" if is_terminal else f"{line}\n")
            sys.stderr.flush()
            length = len(line)
    if is_terminal:
        sys.stderr.write("\n")


def _line(label: str, now: int, stop: int, until: int, spent_s: float) -> str:
    """How far it is: seconds of the market, how many of them to one of ours, and ours that are left."""
    rate = (stop - now) / SECOND / spent_s
    left = (until - stop) / SECOND / rate if rate > 0 else 0.0
    end = f"{left:,.0f} s left" if stop < until else f"in {spent_s:,.1f} s"
    return f"{label}: {stop / SECOND:,.1f} of {until / SECOND:,.1f} s, {rate:,.1f} x real time, {end}"
