"""Noise traders of zero intelligence: a random side and price, whatever the market does.

After Farmer, Patelli and Zovko (2005): limit orders at a random distance, market orders, and cancellation, each at a
constant rate. One trader has at most one order in the book: a decision first withdraws the last.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from lobenv.agents.base import AgentConfig, AgentKind, Place
from lobenv.agents.sizes import draw_side, draw_size
from lobenv.compiled import kernel
from lobenv.market import feed, order_entry, streams
from lobenv.market.memory import own
from lobenv.market.tables import ONCE, POISSON, World
from lobenv.settings import Share

STATE = np.dtype(
    [
        ("order", "i8"),  # last order sent, 0 for none
        ("market_share", "f8"),
        ("cancel_share", "f8"),
        ("stop", "f8"),  # 1 / (1 + mean distance) of the geometric distance
        ("touch_only", "i8"),
    ],
    align=True,
)
SIZE = STATE.itemsize


class Noise(AgentConfig):
    """Zero-intelligence traders.

    Attributes:
        market_share: Probability that a decision is a market order.
        cancel_share: Probability that a decision only withdraws the last order.
        distance_mean_ticks: Mean distance of a limit order from one tick inside the far touch [ticks], geometric.
        at_far_touch: Place every limit order at the far touch, as ABIDES' noise agents do.
        once: One decision a session, at a uniformly drawn time.
    """

    kind: Literal["noise"] = "noise"
    market_share: Share = 0.1
    cancel_share: Share = 0.2
    distance_mean_ticks: float = Field(default=5.0, ge=1e-3, le=1_000_000)
    at_far_touch: bool = False
    once: bool = False

    @property
    def rhythm(self) -> int:
        return ONCE if self.once else POISSON

    def write(self, state: np.ndarray, place: Place) -> None:
        state["market_share"] = self.market_share
        state["cancel_share"] = self.cancel_share
        state["stop"] = 1.0 / (1.0 + self.distance_mean_ticks)
        state["touch_only"] = self.at_far_touch


@kernel
def wake(world: World, agent, next_wake):
    """Withdraw the last order, then trade at a random side and price."""
    state = own(world, agent, STATE, SIZE)
    book, stream = world.agents[agent]["book"], world.agents[agent]["stream"]
    if state["order"] != 0:
        order_entry.send_cancel(world, agent, book, state["order"])
        state["order"] = 0
    action = streams.uniform(world.streams, stream)
    side = draw_side(world, stream)
    qty = draw_size(world, stream)
    view = feed.look(world, agent, book)
    if action >= state["cancel_share"]:
        if action < state["cancel_share"] + state["market_share"]:
            order_entry.send_market(world, agent, book, side, qty)
        else:
            state["order"] = _send_limit(world, agent, book, side, qty, view)
    return next_wake


@kernel
def _send_limit(world: World, agent, book, side, qty, view):
    state = own(world, agent, STATE, SIZE)
    far = feed.price_of(world, book, view, -side)
    if state["touch_only"]:
        return order_entry.send_limit(world, agent, book, side, far, qty)
    distance = 1 + streams.geometric(world.streams, world.agents[agent]["stream"], state["stop"])
    return order_entry.send_limit(world, agent, book, side, far - side * distance, qty)


KIND = AgentKind(Noise, STATE, wake)
