"""Pegged orders: not displayed, priced by the displayed touch, and moved to the back of the queue when it moves."""

from __future__ import annotations

from lobenv.compiled import kernel
from lobenv.market import ledger, matching, order_book
from lobenv.market.feed import has_touch
from lobenv.market.resting import crosses, end_taker, match_and_rest
from lobenv.market.tables import (
    NO_PRICE,
    NONE,
    OPEN,
    PEG_PRIMARY,
    POST_ONLY,
    TAKING,
    World,
)
from lobenv.tape.reasons import (
    REASON_NO_REFERENCE,
    REASON_NONE,
    REASON_PRICE_BAND,
    REASON_WOULD_CROSS,
)

MOST_MOVES = 1024  # of pegged orders after one message, against two that would chase each other


@kernel
def peg_price(world: World, slot):
    """Where a pegged order belongs now [ticks], or NO_PRICE where the book gives no reference.

    A primary peg stands at its own side's best; a midpoint peg at the mid, rounded away from the other side. Neither
    goes beyond the order's limit.
    """
    order = world.orders[slot]
    book, side = order["book"], order["side"]
    shown = world.books[book]["shown"]
    own = shown[order_book.column(side)]
    if order["kind"] == PEG_PRIMARY:
        if own == order_book.outside(world, book, side):
            return NO_PRICE
        target = own
    else:
        if not has_touch(world, book):
            return NO_PRICE
        total = shown[0] + shown[1]
        target = total // 2 if side > 0 else (total + 1) // 2
    return target if side * (target - order["limit"]) <= 0 else order["limit"]


@kernel
def price_pegged(world: World, slot):
    """Price a pegged order on arrival; the reason to refuse it, or REASON_NONE."""
    target = peg_price(world, slot)
    if target == NO_PRICE:
        return REASON_NO_REFERENCE
    if not order_book.in_window(world, world.orders[slot]["book"], target):
        return REASON_PRICE_BAND
    world.orders[slot]["price"] = target
    return REASON_NONE


@kernel
def reprice(world: World, book):
    """Move every pegged order whose reference has moved; it may execute where it arrives, unless it is post-only.

    While the book is halted they stand still.
    """
    for _ in range(MOST_MOVES):
        if world.books[book]["state"] != OPEN:
            return
        slot = _first_misplaced(world, book)
        if slot == NONE:
            return
        order = world.orders[slot]
        target = peg_price(world, slot)
        order_book.leave(world, slot)
        ledger.unlist_order(world, slot)
        matching.unlist_pegged(world, slot)
        order["state"] = TAKING
        order["price"] = target
        if order["flags"] & POST_ONLY and crosses(world, slot):
            end_taker(world, slot, REASON_WOULD_CROSS)
        else:
            match_and_rest(world, slot)


@kernel
def _first_misplaced(world: World, book):
    slot = world.books[book]["first_pegged"]
    while slot >= 0:
        target = peg_price(world, slot)
        if target != NO_PRICE and target != world.orders[slot]["price"] and order_book.in_window(world, book, target):
            return slot
        slot = world.orders[slot]["next_pegged"]
    return NONE
