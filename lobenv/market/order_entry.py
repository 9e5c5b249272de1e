"""How an agent acts: a message is put on its link and arrives at the exchange later, or never."""

from __future__ import annotations

import numpy as np

from lobenv.compiled import kernel
from lobenv.market import events, order_book
from lobenv.market.network import travel
from lobenv.market.reports import allocate_message, send_report
from lobenv.market.tables import (
    CANCEL,
    CANCEL_ALL,
    GTC,
    HIGHEST_PRICE,
    IOC,
    LIMIT,
    MARKET,
    MOST_SHARES,
    NEW_ORDER,
    NONE,
    ORDER_ENTRY,
    POST_ONLY,
    REDUCE,
    REJECTED,
    REPLACE,
    REQUEST,
    TRAVELLING,
    World,
)
from lobenv.tape.reasons import REASON_TABLE_FULL


@kernel
def send_order(world: World, agent, book, side, price, qty, kind, tif, flags, peak):
    """Send a new order.

    Args:
        world: The market.
        agent: Who sends it.
        book: Where to.
        side: +1 buy, -1 sell.
        price: Ticks; of a pegged order, the worst price it may take; ignored for a market order.
        qty: Shares.
        kind: LIMIT, MARKET, PEG_PRIMARY or PEG_MIDPOINT.
        tif: GTC, IOC or FOK.
        flags: POST_ONLY and HIDDEN, as bits.
        peak: Shares an iceberg displays at a time; 0 for all.

    Returns:
        The id of the order, or 0 where the exchange has no room for another order; a rejection is then on its way.
    """
    price, qty = _fitting(price, HIGHEST_PRICE), _fitting(qty, MOST_SHARES)
    account = world.accounts[agent, book]
    account["orders_sent"] += 1
    account["quantity_sent"] += qty
    if kind == MARKET or tif != GTC:
        account["quantity_taking"] += qty
    slot = order_book.allocate(world)
    if slot == NONE:
        account["rejected"] += 1
        send_report(world, agent, book, REJECTED, REASON_TABLE_FULL, 0, side, price, qty, 0, 0, 0)
        return 0
    label, peak = world.agents[agent]["label"], _fitting(peak, MOST_SHARES)
    order_book.write_order(world, slot, agent, book, side, price, qty, kind, tif, flags, peak, label)
    world.orders[slot]["state"] = TRAVELLING
    order_id = world.orders[slot]["id"]
    arrival = travel(world, agent, book, ORDER_ENTRY, world.clock[0]["now"] + world.agents[agent]["computation"])
    if arrival < 0:
        world.clock[0]["lost"] += 1
        order_book.release(world, slot)
    else:
        events.schedule(world, arrival, NEW_ORDER, slot)
    return order_id


@kernel
def _fitting(number, most):
    """A number that fits its field of a message: one beyond `most` stays beyond it, so that the exchange refuses it."""
    return min(max(np.int64(number), -most - 2), most + 1)


@kernel
def send_limit(world: World, agent, book, side, price, qty):
    """Send a limit order that rests until it is filled or cancelled."""
    return send_order(world, agent, book, side, price, qty, LIMIT, GTC, 0, 0)


@kernel
def send_post_only(world: World, agent, book, side, price, qty):
    """Send a limit order that is refused where it would execute on arrival."""
    return send_order(world, agent, book, side, price, qty, LIMIT, GTC, POST_ONLY, 0)


@kernel
def send_market(world: World, agent, book, side, qty):
    """Send a market order; what finds no other side is cancelled."""
    return send_order(world, agent, book, side, 0, qty, MARKET, IOC, 0, 0)


@kernel
def send_marketable(world: World, agent, book, side, price, qty):
    """Send a limit order that executes at once as far as its price allows; the rest is cancelled."""
    return send_order(world, agent, book, side, price, qty, LIMIT, IOC, 0, 0)


@kernel
def _send_request(world: World, agent, book, kind, order_id, price, qty):
    arrival = travel(world, agent, book, ORDER_ENTRY, world.clock[0]["now"] + world.agents[agent]["computation"])
    if arrival < 0:
        world.clock[0]["lost"] += 1
        return
    slot = allocate_message(world)
    message = world.messages[slot]
    message["order_id"] = order_id
    message["owner"] = agent
    message["book"] = book
    message["kind"] = kind
    message["price"] = _fitting(price, HIGHEST_PRICE)
    message["qty"] = _fitting(qty, MOST_SHARES)
    events.schedule(world, arrival, REQUEST, slot)


@kernel
def send_cancel(world: World, agent, book, order_id):
    """Ask for one order to be cancelled."""
    world.accounts[agent, book]["cancels_sent"] += 1
    _send_request(world, agent, book, CANCEL, order_id, 0, 0)


@kernel
def send_cancel_all(world: World, agent, book):
    """Ask for all of one's orders in a book to be cancelled."""
    world.accounts[agent, book]["cancels_sent"] += 1
    _send_request(world, agent, book, CANCEL_ALL, 0, 0, 0)


@kernel
def send_reduce(world: World, agent, book, order_id, qty):
    """Ask for `qty` shares to be taken off an order, which keeps its place."""
    world.accounts[agent, book]["replaces_sent"] += 1
    _send_request(world, agent, book, REDUCE, order_id, 0, qty)


@kernel
def send_replace(world: World, agent, book, order_id, price, qty):
    """Ask for an order to have another price or open size; only a smaller size alone keeps its place."""
    account = world.accounts[agent, book]
    account["replaces_sent"] += 1
    account["quantity_sent"] += qty
    _send_request(world, agent, book, REPLACE, order_id, price, qty)
