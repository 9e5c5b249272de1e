"""Momentum traders: they buy while a short average of the mids they polled is above a long one, and sell otherwise."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from lobenv.agents.base import AgentConfig, AgentKind, Place
from lobenv.agents.sizes import draw_size
from lobenv.compiled import kernel
from lobenv.market import feed, order_entry
from lobenv.market.memory import own
from lobenv.market.order_book import column
from lobenv.market.tables import World

LONGEST = 64  # polled mids that a trader remembers
STATE = np.dtype(
    [
        ("polled", "i8"),  # mids polled so far
        ("short", "i8"),
        ("long", "i8"),
        ("short_sum", "i8"),  # of the last `short` twice-mids
        ("long_sum", "i8"),
        ("twice_mid", "i4", (LONGEST,)),  # ring
    ],
    align=True,
)
SIZE = STATE.itemsize


class Momentum(AgentConfig):
    """Momentum traders.

    Attributes:
        short_window: Polls in the short average.
        long_window: Polls in the long average.
    """

    kind: Literal["momentum"] = "momentum"
    short_window: int = Field(default=20, ge=1, le=LONGEST)
    long_window: int = Field(default=50, ge=2, le=LONGEST)

    @model_validator(mode="after")
    def _short_is_shorter(self) -> Momentum:
        if self.short_window >= self.long_window:
            raise ValueError(f"short_window must be below long_window ({self.long_window}), got {self.short_window}")
        return self

    def write(self, state: np.ndarray, place: Place) -> None:
        state["short"] = self.short_window
        state["long"] = self.long_window


@kernel
def wake(world: World, agent, next_wake):
    """Poll the mid; once both averages are full, trade at the far touch in the direction of the shorter."""
    book = world.agents[agent]["book"]
    qty = draw_size(world, world.agents[agent]["stream"])
    view = feed.look(world, agent, book)
    if not feed.has_both_sides(world, book, view):
        return next_wake
    touch = world.feed[book, view]["price"]
    state = own(world, agent, STATE, SIZE)
    _poll(state, touch[0] + touch[1])
    if state["polled"] >= state["long"]:
        rising = state["short_sum"] * state["long"] >= state["long_sum"] * state["short"]
        side = 1 if rising else -1
        order_entry.send_marketable(world, agent, book, side, touch[column(-side)], qty)
    return next_wake


@kernel
def _poll(state, twice_mid):
    """Bring both moving sums up to date."""
    polled, ring = state["polled"], state["twice_mid"]
    if polled >= state["short"]:
        state["short_sum"] -= ring[(polled - state["short"]) % LONGEST]
    if polled >= state["long"]:
        state["long_sum"] -= ring[(polled - state["long"]) % LONGEST]
    ring[polled % LONGEST] = twice_mid
    state["short_sum"] += twice_mid
    state["long_sum"] += twice_mid
    state["polled"] = polled + 1


KIND = AgentKind(Momentum, STATE, wake)
