"""Writes what happens in a book on the market's tape."""

from __future__ import annotations

from lobenv.compiled import kernel
from lobenv.market.feed import shown_qty
from lobenv.market.tables import NONE, World
from lobenv.tape.labels import NO_INTENT
from lobenv.tape.reasons import REASON_NONE
from lobenv.tape.schema import HALT, NO_ASK, NO_BID

ROOM = 2048  # rows that one message may need; the kernel hands control back while this much is left


@kernel
def record(world: World, kind, book, side, price, qty, order_id, owner, label, reason):
    """Append one event to the tape, with the touch after it; does nothing when the tape is off.

    Raises:
        OverflowError: One message needed more rows than the tape has.
    """
    if world.tape.shape[0] == 0:
        return
    count = world.clock[0]["tape_count"]
    if count >= world.tape.shape[0]:
        raise OverflowError("one message filled the tape: raise capacity.tape of the scenario")
    row = world.tape[count]
    row["time"] = world.clock[0]["now"]
    row["order_id"] = order_id
    row["price"] = price
    row["qty"] = qty
    row["owner"] = owner
    row["aggressor"] = NONE
    row["book"] = book
    row["kind"] = kind
    row["side"] = side
    row["label"] = label
    row["aggressor_label"] = NO_INTENT
    row["reason"] = reason
    row["source"] = 0
    bid_qty, ask_qty = shown_qty(world, book, 0), shown_qty(world, book, 1)
    row["bid_qty"] = bid_qty
    row["ask_qty"] = ask_qty
    row["best_bid"] = world.books[book]["shown"][0] if bid_qty > 0 else NO_BID
    row["best_ask"] = world.books[book]["shown"][1] if ask_qty > 0 else NO_ASK
    world.clock[0]["tape_count"] = count + 1


@kernel
def record_order(world: World, kind, slot, qty, reason):
    """Append an event about a resting order: added, or taken away in whole or in part for a reason."""
    order = world.orders[slot]
    book, side, price = order["book"], order["side"], order["price"]
    record(world, kind, book, side, price, qty, order["id"], order["owner"], order["label"], reason)


@kernel
def record_execution(world: World, kind, maker, taker, qty):
    """Append an execution of a resting order, with who took it and with which intent.

    Args:
        world: The market.
        kind: EXECUTE or EXECUTE_HIDDEN.
        maker: Slot of the resting order.
        taker: Slot of the incoming order.
        qty: Shares.
    """
    record_order(world, kind, maker, qty, REASON_NONE)
    if world.tape.shape[0] > 0:
        row = world.tape[world.clock[0]["tape_count"] - 1]
        row["aggressor"] = world.orders[taker]["owner"]
        row["aggressor_label"] = world.orders[taker]["label"]


@kernel
def record_halt(world: World, book, code):
    """Append a change of trading state: -1 halted, 0 quoting resumes, 1 trading resumes."""
    record(world, HALT, book, -1, code, 0, 0, NONE, NO_INTENT, REASON_NONE)
