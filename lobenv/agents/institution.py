"""Institutions: they work large parent orders in pieces, by time, by volume, or behind an iceberg.

Schedules: TWAP sends equal slices at jittered times; VWAP follows a U-shaped curve of the session's volume; POV keeps
to a fraction of the volume seen, catching up with what it missed; an iceberg rests at the near touch and shows a
little at a time.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from lobenv.agents.base import AgentConfig, AgentKind, Place
from lobenv.agents.sizes import draw_side
from lobenv.compiled import kernel
from lobenv.market import feed, order_entry, streams
from lobenv.market.memory import own
from lobenv.market.order_book import column
from lobenv.market.tables import CANCELLED, FILL, GTC, LIMIT, PARTIAL, REJECTED, World
from lobenv.settings import SECOND, MeanOrderSize, Seconds, WholeTicks

TWAP, VWAP, POV, ICEBERG = 0, 1, 2, 3
STYLES = {"twap": TWAP, "vwap": VWAP, "pov": POV, "iceberg": ICEBERG}
JITTER = 0.2  # of a slice's interval, to either side
EDGE_WEIGHT = 2.0  # of the volume curve: rate 1 in the middle of a session, 1 + this at both ends

STATE = np.dtype(
    [
        ("style", "i8"),
        ("side", "i8"),  # of the parent at work; 0 while there is none
        ("target", "i8"),  # shares of the parent
        ("sent", "i8"),  # shares sent in children and not come back unfilled
        ("started", "i8"),  # ns
        ("volume", "i8"),  # traded in the book when the parent started
        ("order", "i8"),  # iceberg in the book, 0 for none
        ("order_price", "i8"),
        ("duration", "i8"),  # ns
        ("mean_shares", "f8"),
        ("slices", "f8"),
        ("participation", "f8"),
        ("peak", "i8"),
        ("pause", "f8"),  # ns
        ("slippage", "i8"),
    ],
    align=True,
)
SIZE = STATE.itemsize


class Institution(AgentConfig):
    """Institutions working parent orders one after another.

    Attributes:
        styles: Dealt out in turn over the group.
        parent_mean_shares: Mean size of a parent, exponential [shares].
        duration_s: Time a parent is worked over [s].
        slices: Children of a TWAP or VWAP parent.
        participation: Fraction of volume of a POV parent (0.05 to 0.2 is usual).
        peak_fraction: Displayed part of an iceberg (0.02 to 0.1 is usual).
        slippage_ticks: How far beyond the far touch a child may execute [ticks].
        mean_interval_s: Mean pause between two parents [s].
    """

    kind: Literal["institution"] = "institution"
    styles: tuple[Literal["twap", "vwap", "pov", "iceberg"], ...] = Field(default=("twap", "vwap", "pov"), min_length=1)
    parent_mean_shares: MeanOrderSize = 5_000.0
    duration_s: Seconds = 120.0
    slices: int = Field(default=20, ge=1, le=1_000_000)
    participation: float = Field(default=0.1, gt=0, lt=1)
    peak_fraction: float = Field(default=0.05, gt=0, le=1)
    slippage_ticks: WholeTicks = 2
    mean_interval_s: Seconds = 120.0

    @model_validator(mode="after")
    def _slices_take_time(self) -> Institution:
        if self.duration_s / self.slices < 1e-6:
            raise ValueError(
                f"slices must be <= {self.duration_s * 1e6:.10g}, one a microsecond of duration_s, got {self.slices}"
            )
        return self

    def write(self, state: np.ndarray, place: Place) -> None:
        state["style"] = STYLES[self.styles[place.number % len(self.styles)]]
        state["duration"] = round(self.duration_s * SECOND)
        state["mean_shares"] = self.parent_mean_shares
        state["slices"] = self.slices
        state["participation"] = self.participation
        state["peak"] = max(round(self.peak_fraction * self.parent_mean_shares), 1)
        state["pause"] = self.mean_interval_s * SECOND
        state["slippage"] = self.slippage_ticks


@kernel
def wake(world: World, agent, next_wake):
    """Start a parent, or send what its schedule asks for by now; at its end pause before the next."""
    state = own(world, agent, STATE, SIZE)
    book, now = world.agents[agent]["book"], world.clock[0]["now"]
    stream = world.agents[agent]["stream"]
    view = feed.look(world, agent, book)
    if state["side"] == 0:
        _start(world, agent, state, world.feed[book, view], now)
    elapsed = (now - state["started"]) / state["duration"]
    if elapsed >= 1.0 or state["sent"] >= state["target"]:
        _finish(world, agent, book, state)
        return next_wake
    if feed.has_both_sides(world, book, view):
        if state["style"] == ICEBERG:
            _work_iceberg(world, agent, book, state, world.feed[book, view]["price"])
        else:
            _send_child(world, agent, book, state, _due(state, world.feed[book, view], elapsed), view)
    step = state["duration"] / state["slices"]
    return now + np.int64(step * (1.0 + JITTER * (2.0 * streams.uniform(world.streams, stream) - 1.0)))


@kernel
def _start(world: World, agent, state, view, now):
    stream = world.agents[agent]["stream"]
    state["side"] = draw_side(world, stream)
    state["target"] = 1 + np.int64(streams.exponential(world.streams, stream, state["mean_shares"]))
    state["sent"] = 0
    state["started"] = now
    state["volume"] = view["buy_volume"] + view["sell_volume"]


@kernel
def _finish(world: World, agent, book, state):
    if state["order"] != 0:
        order_entry.send_cancel(world, agent, book, state["order"])
        state["order"] = 0
    state["side"] = 0


@kernel
def _due(state, view, elapsed):
    """Shares that the schedule has reached by now."""
    done = min(elapsed + 1.0 / state["slices"], 1.0)
    if state["style"] == VWAP:
        done = volume_curve(done)
    elif state["style"] == POV:
        traded = view["buy_volume"] + view["sell_volume"] - state["volume"]
        return min(np.int64(state["participation"] * traded) + 1, state["target"])
    return int(math.ceil(done * state["target"]))


@kernel
def volume_curve(x):
    """Fraction of a session's volume traded by fraction x of its time: a rate of 1 + w (2x - 1)^2, normalised."""
    return (x + EDGE_WEIGHT * ((2.0 * x - 1.0) ** 3 + 1.0) / 6.0) / (1.0 + EDGE_WEIGHT / 3.0)


@kernel
def _send_child(world: World, agent, book, state, due, view):
    qty = due - state["sent"]
    if qty > 0:
        side = state["side"]
        far = world.feed[book, view]["price"][column(-side)]
        order_entry.send_marketable(world, agent, book, side, far + side * state["slippage"], qty)
        state["sent"] += qty


@kernel
def _work_iceberg(world: World, agent, book, state, touch):
    """Rest what is left at the near touch, following it when it moves away."""
    side = state["side"]
    price = touch[column(side)]
    left = state["target"] - state["sent"]
    if state["order"] == 0:
        state["order"] = order_entry.send_order(world, agent, book, side, price, left, LIMIT, GTC, 0, state["peak"])
        state["order_price"] = price
    elif side * (price - state["order_price"]) > 0:
        order_entry.send_replace(world, agent, book, state["order"], price, left)
        state["order_price"] = price


@kernel
def on_report(world: World, agent, message):
    """Count what an iceberg has filled, and what children brought back unfilled."""
    state = own(world, agent, STATE, SIZE)
    kind = message["kind"]
    if state["style"] == ICEBERG:
        if kind == FILL or kind == PARTIAL:
            state["sent"] += message["qty"]
        if message["order_id"] == state["order"] and (kind == FILL or kind == CANCELLED or kind == REJECTED):
            state["order"] = 0
    elif kind == CANCELLED or kind == REJECTED:
        state["sent"] = max(state["sent"] - message["qty"], 0)


KIND = AgentKind(Institution, STATE, wake, on_report)
