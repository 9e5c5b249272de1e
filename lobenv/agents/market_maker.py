"""Adaptive market makers: a ladder of quotes about the mid, as wide as the spread has lately been.

After the adaptive participation maker of ABIDES (Byrd, Hybinette and Balch 2020): sizes follow recent volume, the
centre leans with signed flow, and against the maker's inventory. Unlike there, a quote that stands where it should is
left alone.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from lobenv.agents.base import AgentConfig, AgentKind, Place
from lobenv.agents.quote_ladder import LADDER, MOST_LEVELS, apply_report, quote, withdraw_side
from lobenv.compiled import kernel
from lobenv.market import feed
from lobenv.market.memory import own
from lobenv.market.tables import World
from lobenv.settings import SECOND, OrderSize, Seconds, Share, SignedTicks, Ticks, WholeTicks

STATE = np.dtype(
    [
        ("ladder", LADDER),
        ("levels", "i8"),
        ("spread", "f8"),  # exponentially weighted [ticks]
        ("spread_weight", "f8"),
        ("least_half_spread", "f8"),  # ticks
        ("step_factor", "f8"),
        ("step", "i8"),  # ticks; 0 to follow the spread
        ("participation", "f8"),
        ("least_qty", "i8"),
        ("most_qty", "i8"),
        ("skew", "f8"),  # ticks a lot of 100 shares
        ("lean", "f8"),  # ticks at full one-sidedness of flow
        ("volume_window", "f8"),  # s
        ("volume_rate", "f8"),  # shares per window, exponentially weighted
        ("signed_rate", "f8"),
        ("buy_volume", "i8"),
        ("sell_volume", "i8"),
        ("updated", "i8"),
    ],
    align=True,
)
SIZE = STATE.itemsize


class MarketMaker(AgentConfig):
    """Adaptive ladder makers.

    Attributes:
        levels: Quotes a side.
        initial_spread_ticks: Spread assumed at first [ticks].
        spread_weight: Weight of the spread seen now in the moving average.
        least_half_spread_ticks: Never quote nearer to the centre than this [ticks].
        step_ticks: Distance between levels [ticks]; 0 for `step_of_spread` times the average spread.
        step_of_spread: See `step_ticks`.
        participation: Shares a level, as a fraction of the recent volume.
        least_shares: Never fewer than this a level [shares].
        most_shares: Never more than this a level [shares].
        volume_window_s: Time constant of the recent volume [s].
        skew_ticks_per_lot: How far the centre moves against each 100 shares held [ticks].
        lean_ticks: How far the centre moves when all recent volume was on one side [ticks].
    """

    kind: Literal["market_maker"] = "market_maker"
    levels: int = Field(default=10, ge=1, le=MOST_LEVELS)
    initial_spread_ticks: float = Field(default=50.0, gt=0, le=1_000_000)
    spread_weight: Share = 0.75
    least_half_spread_ticks: Ticks = 0.5
    step_ticks: WholeTicks = 0
    step_of_spread: float = Field(default=5.0, ge=0, le=100)
    participation: Share = 0.025
    least_shares: OrderSize = 1
    most_shares: OrderSize = 1_000
    volume_window_s: Seconds = 60.0
    skew_ticks_per_lot: float = Field(default=0.0, ge=0, le=1_000)
    lean_ticks: SignedTicks = 4.0

    @model_validator(mode="after")
    def _least_is_no_more_than_most(self) -> MarketMaker:
        if self.least_shares > self.most_shares:
            raise ValueError(f"least_shares must be <= most_shares ({self.most_shares}), got {self.least_shares}")
        return self

    def write(self, state: np.ndarray, place: Place) -> None:
        state["levels"] = self.levels
        state["spread"] = self.initial_spread_ticks
        state["spread_weight"] = self.spread_weight
        state["least_half_spread"] = self.least_half_spread_ticks
        state["step"] = self.step_ticks
        state["step_factor"] = self.step_of_spread
        state["participation"] = self.participation
        state["least_qty"] = self.least_shares
        state["most_qty"] = self.most_shares
        state["skew"] = self.skew_ticks_per_lot
        state["lean"] = self.lean_ticks
        state["volume_window"] = self.volume_window_s


@kernel
def wake(world: World, agent, next_wake):
    """Move the ladder to where the view of the market says."""
    book = world.agents[agent]["book"]
    state = own(world, agent, STATE, SIZE)
    view = feed.look(world, agent, book)
    _follow_volume(state, world.feed[book, view], world.clock[0]["now"])
    touch = world.feed[book, view]["price"]
    if feed.has_both_sides(world, book, view):
        state["spread"] += state["spread_weight"] * (touch[1] - touch[0] - state["spread"])
    lots = world.accounts[agent, book]["known_position"] / 100.0
    one_sided = state["signed_rate"] / state["volume_rate"] if state["volume_rate"] > 1.0 else 0.0
    centre = feed.mid_of(world, book, view) + state["lean"] * one_sided - state["skew"] * lots
    half = max(0.5 * state["spread"], state["least_half_spread"])
    qty = int(state["participation"] * state["volume_rate"])
    qty = min(max(qty, state["least_qty"]), state["most_qty"])
    step = state["step"] if state["step"] > 0 else max(int(state["step_factor"] * state["spread"] + 0.5), 1)
    bid = min(int(math.floor(centre - half)), touch[1] - 1)
    ask = max(int(math.ceil(centre + half)), touch[0] + 1)
    _quote_both(world, agent, book, state["ladder"], bid, max(ask, bid + 1), step, state["levels"], qty)
    return next_wake


@kernel
def _quote_both(world: World, agent, book, ladder, bid, ask, step, levels, qty):
    """Quote each side that the inventory cap still allows."""
    cap = world.agents[agent]["inventory_cap"]
    held = world.accounts[agent, book]["known_position"]
    for side, price in ((1, bid), (-1, ask)):
        if cap > 0 and side * held + levels * qty > cap:
            withdraw_side(world, agent, book, ladder, side)
        else:
            quote(world, agent, book, ladder, side, price, step, levels, qty)


@kernel
def _follow_volume(state, view, now):
    """Bring the moving sums of volume up to date with a view."""
    elapsed = (now - state["updated"]) / (state["volume_window"] * SECOND)
    decay = math.exp(-elapsed)
    bought = view["buy_volume"] - state["buy_volume"]
    sold = view["sell_volume"] - state["sell_volume"]
    state["volume_rate"] = decay * state["volume_rate"] + bought + sold
    state["signed_rate"] = decay * state["signed_rate"] + bought - sold
    state["buy_volume"] = view["buy_volume"]
    state["sell_volume"] = view["sell_volume"]
    state["updated"] = now


@kernel
def on_report(world: World, agent, message):
    """Take in which quotes still stand."""
    apply_report(own(world, agent, STATE, SIZE)["ladder"], message)


KIND = AgentKind(MarketMaker, STATE, wake, on_report)
