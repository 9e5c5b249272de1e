"""Executes an incoming order against the book: price first, then displayed before hidden, then time."""

from __future__ import annotations

from lobenv.compiled import kernel
from lobenv.market import events, ledger, order_book
from lobenv.market.halts import halt, outside_band
from lobenv.market.recorder import record_execution, record_order
from lobenv.market.reports import report_end, send_report
from lobenv.market.tables import (
    CANCELLED,
    FILL,
    LIMIT,
    NONE,
    PARTIAL,
    RISK_CHECK,
    STP_CANCEL_BOTH,
    STP_CANCEL_NEWEST,
    STP_OFF,
    World,
)
from lobenv.tape.reasons import (
    REASON_HALTED,
    REASON_NONE,
    REASON_SELF_TRADE,
)
from lobenv.tape.schema import ADD, DELETE, EXECUTE, EXECUTE_HIDDEN


@kernel
def take(world: World, slot):
    """Execute an incoming order as far as its price, the band and self-trade prevention allow.

    Returns:
        REASON_NONE when its price or its size ended the taking, else the reason why the rest must not rest.
    """
    order = world.orders[slot]
    book, side, limit = order["book"], order["side"], order["price"]
    while order["qty"] > 0:
        maker = order_book.first_at_best(world, book, -side)
        if maker == NONE or side * (world.orders[maker]["price"] - limit) > 0:
            break
        if world.orders[maker]["owner"] == order["owner"] and world.agents[order["owner"]]["stp"] != STP_OFF:
            if _prevent_self_trade(world, order["owner"], maker):
                return REASON_SELF_TRADE
            continue
        if outside_band(world, book, world.orders[maker]["price"]):
            halt(world, book, world.orders[maker]["price"])
            return REASON_HALTED
        _execute(world, slot, maker)
    return REASON_NONE


@kernel
def _prevent_self_trade(world: World, owner, maker):
    """Cancel what the owner's rule says; whether that includes the incoming order."""
    rule = world.agents[owner]["stp"]
    if rule != STP_CANCEL_NEWEST:
        remove_order(world, maker, REASON_SELF_TRADE)
    return rule == STP_CANCEL_NEWEST or rule == STP_CANCEL_BOTH


@kernel
def remove_order(world: World, slot, reason):
    """Take a resting order out of the book, tell the tape and its owner, and free its slot."""
    order = world.orders[slot]
    order_book.leave(world, slot)
    ledger.unlist_order(world, slot)
    if order["kind"] > LIMIT:
        unlist_pegged(world, slot)
    if order_book.is_displayed(order):
        record_order(world, DELETE, slot, order["qty"], reason)
        world.books[order["book"]]["changed"] = 1
    report_end(world, slot, CANCELLED, reason)
    order_book.release(world, slot)


@kernel
def _execute(world: World, slot, maker):
    """Trade the incoming order with the first resting one, at the resting one's price."""
    order, resting = world.orders[slot], world.orders[maker]
    book, side, price = order["book"], order["side"], resting["price"]
    displayed = min(order["qty"], resting["qty"])
    undisplayed = _from_reserve(world, slot, maker)
    qty = displayed + undisplayed
    record_book = world.books[book]
    twice_mid = ledger.twice_mid_of(world, book)
    taker_fee = ledger.fee_of(record_book, 0, price, qty)
    maker_fee = ledger.fee_of(record_book, 1, price, qty)
    ledger.book_trade(world, order["owner"], book, side, price, qty, taker_fee, 0, twice_mid)
    ledger.book_trade(world, resting["owner"], book, -side, price, qty, maker_fee, 1, twice_mid)
    order["qty"] -= qty
    _count_trade(world, book, side, price, qty)
    remaining = order["qty"]
    kind = FILL if remaining == 0 else PARTIAL
    send_report(world, order["owner"], book, kind, REASON_NONE, order["id"], side, price, qty, remaining, taker_fee, 0)
    schedule_risk_check(world, order["owner"], book)
    schedule_risk_check(world, resting["owner"], book)
    _serve(world, maker, slot, displayed, undisplayed, maker_fee)


@kernel
def _from_reserve(world: World, slot, maker):
    """Shares that the incoming order takes of an iceberg beyond what it displays.

    An iceberg that stands alone in its queue would be first again after every peak: what the order still wants is
    traded in one piece, so that a small peak does not make a thousand executions of one.
    """
    order, resting = world.orders[slot], world.orders[maker]
    level = world.levels[resting["book"], order_book.level_index(world, resting["price"])]
    if resting["reserve"] == 0 or level["head"] != maker or level["tail"] != maker:
        return 0
    return min(max(order["qty"] - resting["qty"], 0), resting["reserve"])


@kernel
def schedule_risk_check(world: World, agent, book):
    """Have the loss limit of a trader looked at once this message is dealt with."""
    if world.agents[agent]["loss_limit"] > 0:
        events.schedule(world, world.clock[0]["now"], RISK_CHECK, agent * world.books.shape[0] + book)


@kernel
def _count_trade(world: World, book, side, price, qty):
    record_book = world.books[book]
    record_book["last_price"] = price
    record_book["trades"] += 1
    record_book["changed"] = 1
    if side > 0:
        record_book["buy_volume"] += qty
    else:
        record_book["sell_volume"] += qty
    world.clock[0]["trades"] += 1


@kernel
def _serve(world: World, maker, taker, displayed, undisplayed, fee):
    """Take executed shares off a resting order; an iceberg shows its next peak at the back of the queue."""
    resting = world.orders[maker]
    book, side, owner, price = resting["book"], resting["side"], resting["owner"], resting["price"]
    kind = EXECUTE if order_book.is_displayed(resting) else EXECUTE_HIDDEN
    qty = displayed + undisplayed
    remaining = resting["qty"] + resting["reserve"] - qty
    ledger.take_off_open(world, maker, qty)
    is_exhausted = displayed == resting["qty"]
    if is_exhausted:
        order_book.leave(world, maker)
        resting["qty"] = 0
        resting["reserve"] -= undisplayed
    else:
        order_book.shrink(world, maker, displayed)
    record_execution(world, kind, maker, taker, displayed)
    if undisplayed > 0:
        record_execution(world, EXECUTE_HIDDEN, maker, taker, undisplayed)
    report = PARTIAL if remaining > 0 else FILL
    send_report(world, owner, book, report, REASON_NONE, resting["id"], side, price, qty, remaining, fee, 1)
    if remaining == 0:
        _end_maker(world, maker)
    elif is_exhausted:
        _refresh(world, maker, undisplayed)


@kernel
def _end_maker(world: World, slot):
    """Free the slot of a resting order that has executed wholly."""
    ledger.unlist_order(world, slot)
    if world.orders[slot]["kind"] > LIMIT:
        unlist_pegged(world, slot)
    order_book.release(world, slot)


@kernel
def _refresh(world: World, slot, undisplayed):
    """Show the next peak of an iceberg at the back of the queue, less what has been taken of that peak already."""
    order = world.orders[slot]
    order["qty"] = min(order["peak"] - undisplayed % order["peak"], order["reserve"])
    order["reserve"] -= order["qty"]
    order_book.enter(world, slot)
    record_order(world, ADD, slot, order["qty"], REASON_NONE)


# ---------------------------------------------------------------- pegged orders


@kernel
def list_pegged(world: World, slot):
    """Add an order to the end of the book's pegged orders: they follow the touch in the order of their queues."""
    order = world.orders[slot]
    record_book = world.books[order["book"]]
    order["previous_pegged"] = record_book["last_pegged"]
    order["next_pegged"] = NONE
    if record_book["last_pegged"] >= 0:
        world.orders[record_book["last_pegged"]]["next_pegged"] = slot
    else:
        record_book["first_pegged"] = slot
    record_book["last_pegged"] = slot


@kernel
def unlist_pegged(world: World, slot):
    """Take an order off the book's pegged orders."""
    order = world.orders[slot]
    before, after = order["previous_pegged"], order["next_pegged"]
    if before >= 0:
        world.orders[before]["next_pegged"] = after
    else:
        world.books[order["book"]]["first_pegged"] = after
    if after >= 0:
        world.orders[after]["previous_pegged"] = before
    else:
        world.books[order["book"]]["last_pegged"] = before
