"""What becomes of an order once it has been let in: it is executed as far as it goes, and the rest rests or ends."""

from __future__ import annotations

from lobenv.compiled import kernel
from lobenv.market import ledger, matching, order_book
from lobenv.market.recorder import record_order
from lobenv.market.reports import report_end
from lobenv.market.tables import (
    CANCELLED,
    GTC,
    LIMIT,
    MARKET,
    RESTING,
    World,
)
from lobenv.tape.reasons import (
    REASON_NONE,
    REASON_UNFILLED,
)
from lobenv.tape.schema import ADD


@kernel
def crosses(world: World, slot):
    """Whether an order would execute on arrival."""
    order = world.orders[slot]
    best = world.books[order["book"]]["best"][order_book.column(-order["side"])]
    return order["side"] * (order["price"] - best) >= 0


@kernel
def match_and_rest(world: World, slot):
    """Execute what can be executed, then rest, cancel or end the remainder."""
    order = world.orders[slot]
    reason = matching.take(world, slot) if crosses(world, slot) else REASON_NONE
    if order["qty"] == 0:
        order_book.release(world, slot)
    elif reason != REASON_NONE:
        end_taker(world, slot, reason)
    elif order["tif"] != GTC or order["kind"] == MARKET:
        end_taker(world, slot, REASON_UNFILLED)
    else:
        rest(world, slot)


@kernel
def end_taker(world: World, slot, reason):
    """Cancel what is left of an incoming order."""
    report_end(world, slot, CANCELLED, reason)
    order_book.release(world, slot)


@kernel
def rest(world: World, slot):
    """Put an incoming order in the book."""
    order = world.orders[slot]
    order["state"] = RESTING
    if order_book.is_displayed(order) and order["peak"] > 0 and order["peak"] < order["qty"]:
        order["reserve"] = order["qty"] - order["peak"]
        order["qty"] = order["peak"]
    order_book.enter(world, slot)
    ledger.list_order(world, slot)
    if order["kind"] > LIMIT:
        matching.list_pegged(world, slot)
    elif order_book.is_displayed(order):
        record_order(world, ADD, slot, order["qty"], REASON_NONE)
        world.books[order["book"]]["changed"] = 1
