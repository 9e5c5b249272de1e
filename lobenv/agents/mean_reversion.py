"""Mean-reversion traders: they buy what has fallen unusually far below its average, and close when it is back."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from pydantic import Field

from lobenv.agents.base import AgentConfig, AgentKind, Place
from lobenv.agents.sizes import draw_size
from lobenv.compiled import kernel
from lobenv.market import feed, order_entry
from lobenv.market.memory import own
from lobenv.market.order_book import column
from lobenv.market.tables import World
from lobenv.settings import SECOND, Seconds

STATE = np.dtype(
    [
        ("mean", "f8"),  # exponentially weighted mid [ticks]; 0 before the first
        ("variance", "f8"),  # of the mid about it [ticks^2]
        ("updated", "i8"),  # ns
        ("window", "f8"),  # s
        ("threshold", "f8"),
    ],
    align=True,
)
SIZE = STATE.itemsize


class MeanReversion(AgentConfig):
    """Mean-reversion traders.

    Attributes:
        window_s: Time constant of the average and of the deviation [s].
        threshold: Deviations from the average at which a position is opened.
    """

    kind: Literal["mean_reversion"] = "mean_reversion"
    window_s: Seconds = 300.0
    threshold: float = Field(default=2.0, gt=0, le=1_000_000)

    def write(self, state: np.ndarray, place: Place) -> None:
        state["window"] = self.window_s
        state["threshold"] = self.threshold


@kernel
def wake(world: World, agent, next_wake):
    """Open against a deviation beyond the threshold; close when the mid has come back to its average."""
    book = world.agents[agent]["book"]
    qty = draw_size(world, world.agents[agent]["stream"])
    view = feed.look(world, agent, book)
    if not feed.has_both_sides(world, book, view):
        return next_wake
    touch = world.feed[book, view]["price"]
    score = _score(own(world, agent, STATE, SIZE), 0.5 * (touch[0] + touch[1]), world.clock[0]["now"])
    position = world.accounts[agent, book]["known_position"]
    threshold = own(world, agent, STATE, SIZE)["threshold"]
    if position == 0 and abs(score) > threshold:
        side = -1 if score > 0.0 else 1
        order_entry.send_marketable(world, agent, book, side, touch[column(-side)], qty)
    elif position != 0 and score * position >= 0.0:
        side = -1 if position > 0 else 1
        order_entry.send_marketable(world, agent, book, side, touch[column(-side)], abs(position))
    return next_wake


@kernel
def _score(state, mid, now):
    """Distance of the mid from its average in deviations, before the average takes it in."""
    if state["mean"] == 0.0:
        state["mean"] = mid
        state["updated"] = now
        return 0.0
    weight = 1.0 - math.exp(-(now - state["updated"]) / (state["window"] * SECOND))
    distance = mid - state["mean"]
    deviation = math.sqrt(state["variance"])
    state["variance"] += weight * (distance * distance - state["variance"])
    state["mean"] += weight * distance
    state["updated"] = now
    return distance / deviation if deviation > 0.5 else 0.0


KIND = AgentKind(MeanReversion, STATE, wake)
