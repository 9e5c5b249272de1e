"""Retail traders: small, slow, mostly marketable orders with no information about the price."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from lobenv.agents.base import AgentConfig, AgentKind, Place
from lobenv.agents.sizes import draw_odd_lot, draw_side
from lobenv.compiled import kernel
from lobenv.market import feed, order_entry, streams
from lobenv.market.memory import own
from lobenv.market.order_book import column
from lobenv.market.tables import World
from lobenv.settings import Share, WholeTicks

STATE = np.dtype(
    [
        ("order", "i8"),  # last resting order sent, 0 for none
        ("marketable_share", "f8"),
        ("size_mean", "f8"),
        ("round_share", "f8"),
        ("slippage", "i8"),
    ],
    align=True,
)
SIZE = STATE.itemsize


class Retail(AgentConfig):
    """Retail traders.

    Attributes:
        marketable_share: Probability that an order is marketable (0.7 to 0.9 for retail flow).
        size_mean_shares: Mean of the odd lots [shares].
        round_share: Probability of a round lot of 100 shares instead.
        slippage_ticks: How far beyond the far touch a marketable order may execute [ticks].
    """

    kind: Literal["retail"] = "retail"
    latency: str = "retail"
    marketable_share: Share = 0.8
    size_mean_shares: float = Field(default=40.0, gt=1, le=1_000_000)
    round_share: Share = 0.5
    slippage_ticks: WholeTicks = 5

    def write(self, state: np.ndarray, place: Place) -> None:
        state["marketable_share"] = self.marketable_share
        state["size_mean"] = self.size_mean_shares
        state["round_share"] = self.round_share
        state["slippage"] = self.slippage_ticks


@kernel
def wake(world: World, agent, next_wake):
    """Buy or sell at random: mostly at once, else by joining the near touch until the next decision."""
    state = own(world, agent, STATE, SIZE)
    book, stream = world.agents[agent]["book"], world.agents[agent]["stream"]
    if state["order"] != 0:
        order_entry.send_cancel(world, agent, book, state["order"])
        state["order"] = 0
    side = draw_side(world, stream)
    marketable = streams.uniform(world.streams, stream) < state["marketable_share"]
    round_lot = streams.uniform(world.streams, stream) < state["round_share"]
    qty = 100 if round_lot else draw_odd_lot(world, stream, state["size_mean"])
    view = feed.look(world, agent, book)
    if feed.has_both_sides(world, book, view):
        if marketable:
            far = world.feed[book, view]["price"][column(-side)]
            order_entry.send_marketable(world, agent, book, side, far + side * state["slippage"], qty)
        else:
            near = world.feed[book, view]["price"][column(side)]
            state["order"] = order_entry.send_limit(world, agent, book, side, near, qty)
    return next_wake


KIND = AgentKind(Retail, STATE, wake)
