"""Cross-venue arbitrageurs: they take a quote on one venue that another venue's touch has already left behind.

A pair of marketable orders is sent, one to each venue, when one venue bids more than the other asks by more than the
fees and a margin. Latency makes the race: by the time they arrive, either leg may be gone, and inventory is left to
work off.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from lobenv.agents.base import AgentConfig, AgentKind, Place
from lobenv.compiled import kernel
from lobenv.market import feed, order_entry
from lobenv.market.memory import own
from lobenv.market.order_book import column
from lobenv.market.tables import MILLITICKS, World
from lobenv.settings import OrderSize, Ticks

STATE = np.dtype([("other", "i8"), ("margin", "f8"), ("qty", "i8"), ("cap", "i8")], align=True)
SIZE = STATE.itemsize


class Arbitrageur(AgentConfig):
    """Cross-venue arbitrageurs; need two books of one symbol.

    Attributes:
        margin_ticks: Gap wanted beyond both fees [ticks].
        clip_shares: Largest size of one leg [shares].
        hedge_shares: Net position over both venues beyond which it is reduced at once [shares].
    """

    kind: Literal["arbitrageur"] = "arbitrageur"
    latency: str = "colo"
    margin_ticks: Ticks = 1.0
    clip_shares: OrderSize = 200
    hedge_shares: OrderSize = 200

    def check(self, symbols: Sequence[str]) -> str | None:
        if len(symbols) < 2:
            return f"an arbitrageur needs two books, it has {'one' if symbols else 'none'}"
        if len(set(symbols)) > 1:
            return f"an arbitrageur needs books of one symbol, it has {', '.join(symbols)}"
        return None

    def write(self, state: np.ndarray, place: Place) -> None:
        state["other"] = place.books[(place.number + 1) % len(place.books)]
        state["margin"] = self.margin_ticks
        state["qty"] = self.clip_shares
        state["cap"] = self.hedge_shares


@kernel
def wake(world: World, agent, next_wake):
    """Compare the two touches and take a gap; else work off what is left of earlier pairs."""
    home = world.agents[agent]["book"]
    state = own(world, agent, STATE, SIZE)
    other = state["other"]
    here, there = feed.look(world, agent, home), feed.look(world, agent, other)
    if not (feed.has_both_sides(world, home, here) and feed.has_both_sides(world, other, there)):
        return next_wake
    if _take_gap(world, agent, state, home, here, other, there):
        return next_wake
    if not _take_gap(world, agent, state, other, there, home, here):
        _hedge(world, agent, state, home, here, other)
    return next_wake


@kernel
def _take_gap(world: World, agent, state, cheap, cheap_view, dear, dear_view):
    """Buy on one venue and sell on the other if that pays; whether it did."""
    ask = world.feed[cheap, cheap_view]["price"][1]
    bid = world.feed[dear, dear_view]["price"][0]
    fees = (world.books[cheap]["taker_fee"] + world.books[dear]["taker_fee"]) / MILLITICKS
    if bid - ask <= fees + state["margin"]:
        return False
    offered = min(world.feed[cheap, cheap_view]["qty"][1], world.feed[dear, dear_view]["qty"][0])
    qty = min(state["qty"], offered)
    order_entry.send_marketable(world, agent, cheap, 1, ask, qty)
    order_entry.send_marketable(world, agent, dear, -1, bid, qty)
    return True


@kernel
def _hedge(world: World, agent, state, home, view, other):
    net = world.accounts[agent, home]["known_position"] + world.accounts[agent, other]["known_position"]
    if abs(net) > state["cap"]:
        side = -1 if net > 0 else 1
        order_entry.send_marketable(world, agent, home, side, world.feed[home, view]["price"][column(-side)], abs(net))


KIND = AgentKind(Arbitrageur, STATE, wake)
