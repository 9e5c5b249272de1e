"""Value traders: each has a noisy view of a common fundamental value and trades towards it.

The view is a Kalman filter of the Ornstein-Uhlenbeck fundamental (Kalman 1960; the update that ABIDES' value agent
intends): between decisions the estimate reverts to the mean and its variance grows, at a decision one noisy observation
is weighed in. The trader then forecasts the value at its horizon.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from pydantic import Field

from lobenv.agents.base import AgentConfig, AgentKind, Place
from lobenv.agents.sizes import draw_size
from lobenv.compiled import kernel
from lobenv.market import feed, order_entry, streams
from lobenv.market.memory import own
from lobenv.market.order_book import column
from lobenv.market.tables import World
from lobenv.settings import SECOND, SecondsFromZero, Share, SignedTicks

STATE = np.dtype(
    [
        ("estimate", "f8"),  # ticks; 0 before the first observation
        ("variance", "f8"),  # ticks^2
        ("updated", "i8"),  # ns
        ("noise", "f8"),  # ticks
        ("margin", "f8"),  # ticks
        ("aggression", "f8"),
        ("horizon", "f8"),  # s
        ("symbol", "i8"),
    ],
    align=True,
)
SIZE = STATE.itemsize


class Value(AgentConfig):
    """Value traders.

    Attributes:
        noise_ticks: Standard deviation of one observation of the fundamental [ticks].
        margin_ticks: The forecast must be this far beyond the far touch for an order to take it [ticks].
        aggression: Probability of taking when it is; without it, and otherwise, an order is placed less deep.
        horizon_s: How far ahead the value is forecast [s].
    """

    kind: Literal["value"] = "value"
    noise_ticks: float = Field(default=5.0, ge=1e-3, le=1_000_000)
    margin_ticks: SignedTicks = 0.0
    aggression: Share = 0.1
    horizon_s: SecondsFromZero = 0.0

    def write(self, state: np.ndarray, place: Place) -> None:
        state["noise"] = self.noise_ticks
        state["margin"] = self.margin_ticks
        state["aggression"] = self.aggression
        state["horizon"] = self.horizon_s


@kernel
def update_forecast(world: World, agent):
    """Update the trader's estimate of the fundamental and forecast it at the horizon [ticks]."""
    state = own(world, agent, STATE, SIZE)
    value = world.fundamentals[world.books[world.agents[agent]["book"]]["symbol"]]
    now = world.clock[0]["now"]
    noise = state["noise"]
    seen = value["value"] + noise * streams.normal(world.streams, world.agents[agent]["stream"])
    if state["estimate"] == 0.0:
        state["estimate"] = seen
        state["variance"] = noise * noise
    else:
        elapsed = (now - state["updated"]) / SECOND
        _predict(state, value, elapsed)
        gain = state["variance"] / (state["variance"] + noise * noise)
        state["estimate"] += gain * (seen - state["estimate"])
        state["variance"] *= 1.0 - gain
    state["updated"] = now
    ahead = math.exp(-value["reversion"] * state["horizon"])
    return value["mean"] + ahead * (state["estimate"] - value["mean"])


@kernel
def _predict(state, value, elapsed):
    """Let the estimate revert and its variance grow over the time since the last observation."""
    reversion, volatility = value["reversion"], value["volatility"]
    decay = math.exp(-reversion * elapsed)
    growth = (1.0 - decay * decay) / (2.0 * reversion) if reversion > 0.0 else elapsed
    state["estimate"] = value["mean"] + decay * (state["estimate"] - value["mean"])
    state["variance"] = decay * decay * state["variance"] + volatility * volatility * growth


@kernel
def wake(world: World, agent, next_wake):
    """Withdraw what rests, then buy below or sell above the forecast value."""
    book, stream = world.agents[agent]["book"], world.agents[agent]["stream"]
    state = own(world, agent, STATE, SIZE)
    forecast = update_forecast(world, agent)
    takes = streams.uniform(world.streams, stream) < state["aggression"]
    depth = streams.uniform(world.streams, stream)
    qty = draw_size(world, stream)
    if world.accounts[agent, book]["orders_sent"] > 0:
        order_entry.send_cancel_all(world, agent, book)
    view = feed.look(world, agent, book)
    if feed.has_both_sides(world, book, view):
        _trade(world, agent, book, world.feed[book, view]["price"], forecast, takes, depth, qty)
    return next_wake


@kernel
def _trade(world: World, agent, book, touch, forecast, takes, depth, qty):
    """Take the far touch where the forecast is far enough beyond it, else place an order within twice the spread."""
    side = 1 if 2.0 * forecast >= touch[0] + touch[1] else -1
    near, far = touch[column(side)], touch[column(-side)]
    margin = own(world, agent, STATE, SIZE)["margin"]
    if takes and side * (forecast - far) >= margin:
        order_entry.send_limit(world, agent, book, side, far, qty)
        return
    spread = max(side * (far - near), 1)
    price = far - side * (1 + int(depth * 2 * spread))
    order_entry.send_limit(world, agent, book, side, price, qty)


KIND = AgentKind(Value, STATE, wake)
