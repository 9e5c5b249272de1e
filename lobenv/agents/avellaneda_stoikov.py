"""Market makers that quote by Avellaneda and Stoikov (2008): one bid and one ask about a reservation price.

Equations (29) and (30) of the paper: the reservation price is s - q gamma sigma^2 (T - t), the total spread
gamma sigma^2 (T - t) + (2 / gamma) ln(1 + gamma / k). Here q counts lots, prices are ticks and time is seconds. Both
are linear in the inventory and in the time left: `theory` gives the coefficients, and a decision combines them.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from pydantic import Field

from lobenv.agents.base import AgentConfig, AgentKind, Place
from lobenv.agents.quote_ladder import LADDER, apply_report, quote, withdraw_side
from lobenv.compiled import kernel
from lobenv.market import feed
from lobenv.market.memory import own
from lobenv.market.tables import World
from lobenv.settings import SECOND, OrderSize, SecondsOrNone
from lobenv.theory.quoting import avellaneda_stoikov_half_spread, avellaneda_stoikov_shift

STATE = np.dtype(
    [
        ("ladder", LADDER),
        ("shift", "f8"),  # of the reservation price a lot held and a second left [ticks]
        ("constant", "f8"),  # the half-spread with no time left [ticks]
        ("horizon", "f8"),  # s; 0 to use the time left in the session
        ("qty", "i8"),
    ],
    align=True,
)
SIZE = STATE.itemsize


class AvellanedaStoikovMaker(AgentConfig):
    """Makers quoting by Avellaneda and Stoikov (2008).

    Attributes:
        risk_aversion: gamma [1 / (ticks x lots)].
        arrival_decay: k, the decay of fill intensity with distance [1 / tick].
        volatility_ticks: sigma [ticks per sqrt(s)].
        horizon_s: T - t held constant [s]; 0 for the time left in the session.
        quote_shares: Size of each quote; a lot in the formula.
    """

    kind: Literal["avellaneda_stoikov"] = "avellaneda_stoikov"
    risk_aversion: float = Field(default=0.1, ge=1e-9, le=10)
    arrival_decay: float = Field(default=0.5, ge=1e-6, le=100)
    volatility_ticks: float = Field(default=1.0, ge=1e-6, le=1_000)
    horizon_s: SecondsOrNone = 5.0
    quote_shares: OrderSize = 100

    def write(self, state: np.ndarray, place: Place) -> None:
        gamma, sigma = self.risk_aversion, self.volatility_ticks
        state["shift"] = avellaneda_stoikov_shift(1.0, 1.0, gamma=gamma, sigma=sigma)
        state["constant"] = avellaneda_stoikov_half_spread(0.0, gamma=gamma, sigma=sigma, k=self.arrival_decay)
        state["horizon"] = self.horizon_s
        state["qty"] = self.quote_shares


@kernel
def wake(world: World, agent, next_wake):
    """Move both quotes to the formula's distances from the mid seen."""
    book = world.agents[agent]["book"]
    state = own(world, agent, STATE, SIZE)
    view = feed.look(world, agent, book)
    touch = world.feed[book, view]["price"]
    left = state["horizon"]
    if left == 0.0:
        left = max(world.clock[0]["session_close"] - world.clock[0]["now"], 0) / SECOND
    held = world.accounts[agent, book]["known_position"]
    reservation = feed.mid_of(world, book, view) + held / state["qty"] * state["shift"] * left
    half = state["constant"] - 0.5 * state["shift"] * left
    bid = min(int(math.floor(reservation - half)), touch[1] - 1)
    ask = max(int(math.ceil(reservation + half)), touch[0] + 1)
    _quote_side(world, agent, book, state, held, 1, bid)
    _quote_side(world, agent, book, state, held, -1, ask)
    return next_wake


@kernel
def _quote_side(world: World, agent, book, state, held, side, price):
    """Quote a side unless the inventory cap forbids it."""
    cap = world.agents[agent]["inventory_cap"]
    if cap > 0 and side * held + state["qty"] > cap:
        withdraw_side(world, agent, book, state["ladder"], side)
    else:
        quote(world, agent, book, state["ladder"], side, price, 1, 1, state["qty"])


@kernel
def on_report(world: World, agent, message):
    """Take in which quotes still stand."""
    apply_report(own(world, agent, STATE, SIZE)["ladder"], message)


KIND = AgentKind(AvellanedaStoikovMaker, STATE, wake, on_report)
