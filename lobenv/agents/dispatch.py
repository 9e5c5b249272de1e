"""Lets an agent wake and tells it of a report, whatever its kind: two kernels written out from the table of kinds.

The market is one compiled program, so the choice between the kinds is a chain of comparisons. It is written by
`source`, which is there to be read: `print(dispatch.source())`. The chain is made when the market is first compiled;
from then on no kind can be added.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lobenv.agents import opening, recorded
from lobenv.agents.base import PARAMETERS
from lobenv.agents.kinds import KINDS, OPENING_BOOK, RECORDED_FLOW, number_of
from lobenv.compiled import choices, kernel
from lobenv.compiled.choices import Choice, Entry
from lobenv.market.streams import GOLDEN, exponential, mix
from lobenv.market.tables import NEVER, ONCE, REGULAR, World

CHOICES = (
    Choice(
        "wake",
        '''
def wake(world, agent):
    """Let an agent decide; when it wakes next [ns], or NEVER."""
    kind = world.agents[agent]["kind"]
    next_wake = begin(world, agent)
''',
        "kind",
        PARAMETERS["wake"],
        "NEVER",
    ),
    Choice(
        "on_report",
        '''
def on_report(world, message_slot):
    """Tell the owner of an order of a report that has just reached it."""
    message = world.messages[message_slot]
    agent = message["owner"]
    kind = world.agents[agent]["kind"]
''',
        "kind",
        PARAMETERS["on_report"],
    ),
)
WRITTEN = tuple(choice.rule for choice in CHOICES)


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


def _entries() -> dict[str, Entry]:
    """Every kind, and the agents that no scenario configures."""
    kinds = {name: Entry(number_of(name), kind.rules) for name, kind in KINDS.entries().items()}
    return kinds | {
        "recorded_flow": Entry(RECORDED_FLOW, {"wake": recorded.wake}),
        "opening_book": Entry(OPENING_BOOK, {"wake": opening.wake}),
    }


def source() -> str:
    """The text of `wake` and `on_report` as they are compiled."""
    return choices.source(CHOICES, _entries())


def __getattr__(name: str) -> Any:
    """Write and compile `wake` and `on_report` when the market first asks for one of them."""
    if name not in WRITTEN:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    KINDS.close("the market has been compiled in this process; add it before the first market runs")
    globals().update(choices.written(__name__, CHOICES, _entries(), {"begin": begin, "NEVER": NEVER}))
    return globals()[name]
