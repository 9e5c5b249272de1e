"""Lets an agent wake and tells it of a report, whatever its kind: two kernels written out from the table of kinds.

The market is one compiled program, so the choice between the kinds is a chain of comparisons. It is written by
`source`, which is there to be read: `print(dispatch.source())`. The chain is made when the market is first compiled;
from then on no kind can be added.
"""

from __future__ import annotations

import linecache
from typing import Any

import numpy as np

from lobenv.agents import opening, recorded
from lobenv.agents.kinds import KINDS, OPENING_BOOK, RECORDED_FLOW, number_of
from lobenv.compiled import kernel
from lobenv.market.streams import GOLDEN, exponential, mix
from lobenv.market.tables import NEVER, ONCE, REGULAR, World

WRITTEN = ("wake", "on_report")
FILE = "<lobenv.agents.dispatch.source()>"

_WAKE = '''
def wake(world, agent):
    """Let an agent decide; when it wakes next [ns], or NEVER."""
    kind = world.agents[agent]["kind"]
    next_wake = begin(world, agent)
{branches}
    return NEVER
'''

_ON_REPORT = '''
def on_report(world, message_slot):
    """Tell the owner of an order of a report that has just reached it."""
    message = world.messages[message_slot]
    agent = message["owner"]
    kind = world.agents[agent]["kind"]
{branches}
'''


@kernel
def begin(world: World, agent):
    """Set the agent's stream for this wakeup and draw when the next is [ns], which is NEVER for who wakes once."""
    record = world.agents[agent]
    record["wakes"] += 1
    stream = record["stream"]
    world.streams[stream] = mix(record["key"] + GOLDEN * np.uint64(record["wakes"]))
    now = world.clock[0]["now"]
    if record["rhythm"] == REGULAR:
        return now + int(record["interval"])
    wait = int(exponential(world.streams, stream, record["interval"]))  # drawn for all: what follows is the same
    return NEVER if record["rhythm"] == ONCE else now + wait


def source() -> str:
    """The text of `wake` and `on_report` as they are compiled."""
    kinds = KINDS.entries()
    waking = [*kinds, "recorded_flow", "opening_book"]
    told = [name for name, kind in kinds.items() if kind.on_report is not None]
    wakes = "\n".join(
        f"    if kind == {name.upper()}:\n        return {name}_wake(world, agent, next_wake)" for name in waking
    )
    reports = "\n".join(
        f"    {'elif' if k else 'if'} kind == {name.upper()}:\n        {name}_on_report(world, agent, message)"
        for k, name in enumerate(told)
    )
    return f"{_WAKE.format(branches=wakes)}\n{_ON_REPORT.format(branches=reports)}".lstrip()


def _names() -> dict[str, Any]:
    """What the names in `source` mean."""
    names: dict[str, Any] = {"__name__": __name__, "begin": begin, "NEVER": NEVER}
    names |= {"OPENING_BOOK": OPENING_BOOK, "opening_book_wake": opening.wake}
    names |= {"RECORDED_FLOW": RECORDED_FLOW, "recorded_flow_wake": recorded.wake}
    for name, kind in KINDS.entries().items():
        names[name.upper()] = number_of(name)
        names[f"{name}_wake"], names[f"{name}_on_report"] = kind.wake, kind.on_report
    return names


def __getattr__(name: str) -> Any:
    """Write and compile `wake` and `on_report` when the market first asks for one of them."""
    if name not in WRITTEN:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    KINDS.close("the market has been compiled in this process; add it before the first market runs")
    text, names = source(), _names()
    linecache.cache[FILE] = (len(text), None, text.splitlines(keepends=True), FILE)  # so that a traceback shows lines
    exec(compile(text, FILE, "exec"), names)
    globals().update({written: kernel(names[written]) for written in WRITTEN})
    return globals()[name]
