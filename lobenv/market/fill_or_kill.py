"""Fill or kill: whether an order would execute wholly, asked before any of it executes."""

from __future__ import annotations

from lobenv.compiled import kernel
from lobenv.market import order_book
from lobenv.market.halts import outside_band
from lobenv.market.tables import STP_CANCEL_BOTH, STP_CANCEL_NEWEST, STP_CANCEL_OLDEST, World


@kernel
def can_fill(world: World, slot):
    """Whether an incoming order would execute wholly within its price, the band and its owner's self-trade rule."""
    order = world.orders[slot]
    book, side, missing = order["book"], order["side"], order["qty"]
    price = world.books[book]["best"][order_book.column(-side)]
    last = order_book.outside(world, book, -side)
    while price != last and side * (price - order["price"]) <= 0:
        shares, ended = _on_offer(world, book, price, order["owner"])
        if shares > 0 and outside_band(world, book, price):
            return False
        missing -= shares
        if missing <= 0 or ended:
            return missing <= 0
        price += side
    return False


@kernel
def _on_offer(world: World, book, price, taker):
    """Shares that a taker would get at a price, and whether an order of its own would end the taking there."""
    level = world.levels[book, order_book.level_index(world, price)]
    shares, reserve, ended = _in_queue(world, level["head"], taker)
    if not ended:
        hidden, _, ended = _in_queue(world, level["hidden_head"], taker)
        shares += reserve + hidden
    return shares, ended


@kernel
def _in_queue(world: World, slot, taker):
    """Shares of one queue up to the taker's own order, what icebergs hold back, and whether there is such an order."""
    rule = world.agents[taker]["stp"]
    shares, reserve = 0, 0
    while slot >= 0:
        order = world.orders[slot]
        is_own = order["owner"] == taker
        if is_own and (rule == STP_CANCEL_NEWEST or rule == STP_CANCEL_BOTH):
            return shares, reserve, True
        if not (is_own and rule == STP_CANCEL_OLDEST):
            shares += order["qty"]
            reserve += order["reserve"]
        slot = order["next"]
    return shares, reserve, False
