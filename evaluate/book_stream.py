"""The reference stream of messages for timing the book alone, and the kernels that make and replay it.

2,000 limit orders first, then adds (side at random, one tick inside the own best less a geometric distance, never
crossing, 1 to 100 shares), cancels of a uniformly drawn live order, and market orders of 1 to 60 shares. Drawn as 45
%, 45 % and 10 %, where a cancel becomes an add while fewer than 2,000 orders rest.
"""

from __future__ import annotations

import numpy as np

from lobenv.compiled import kernel
from lobenv.market import order_book, streams
from lobenv.market.tables import NONE, RESTING, World
from lobenv.scenario.build import build
from lobenv.scenario.config import Capacity, OpeningBook, Scenario

ADD, CANCEL, MARKET = 0, 1, 2
RESTING_ORDERS = 2_000
ADD_SHARE, CANCEL_SHARE = 0.45, 0.45
DISTANCE_STOP = 0.25
LARGEST_ADD, LARGEST_MARKET = 100, 60

MESSAGE = np.dtype(
    [
        ("price", "i4"),
        ("qty", "i4"),
        ("added", "i4"),  # message that added the order to cancel
        ("kind", "i1"),
        ("side", "i1"),
    ],
    align=True,
)


def empty_book(ladder_ticks: int = 8_192) -> World:
    """Tables of one market with an empty book and room for the stream."""
    capacity = Capacity(orders=16_384, ladder_ticks=ladder_ticks)
    return build(Scenario(capacity=capacity, opening=OpeningBook(levels=0))).world


@kernel
def _add(world: World, side, price, qty):
    slot = order_book.allocate(world)
    order = world.orders[slot]
    order["side"] = side
    order["price"] = price
    order["qty"] = qty
    order["state"] = RESTING
    order_book.enter(world, slot)
    return slot


@kernel
def _remove(world: World, slot):
    order_book.leave(world, slot)
    order_book.release(world, slot)


@kernel
def _take(world: World, side, qty):
    """Execute a market order; the number of executions."""
    executions = 0
    while qty > 0:
        maker = order_book.first_at_best(world, 0, -side)
        if maker == NONE:
            break
        executions += 1
        if qty < world.orders[maker]["qty"]:
            order_book.shrink(world, maker, qty)
            break
        qty -= world.orders[maker]["qty"]
        _remove(world, maker)
    return executions


@kernel(entry=True)
def make_stream(world, random, messages, live, place):
    """Draw the stream by running it.

    Args:
        world: An empty book.
        random: (1,) uint64 state of the generator.
        messages: (n,) MESSAGE, written.
        live: (orders,) int32 scratch: message that added the i-th live order.
        place: (n,) int64 scratch: id of the order that a message added.
    """
    count = 0
    for i in range(messages.shape[0]):
        row = messages[i]
        draw = streams.uniform(random, 0)
        if i < RESTING_ORDERS or draw < ADD_SHARE:
            count = _draw_add(world, random, messages, live, place, i, count)
        elif draw < ADD_SHARE + CANCEL_SHARE:
            count = _draw_cancel(world, random, messages, live, place, i, count)
        else:
            row["kind"] = MARKET
            row["side"] = 1 if streams.uniform(random, 0) < 0.5 else -1
            row["qty"] = 1 + streams.integer(random, 0, LARGEST_MARKET)
            _take(world, row["side"], row["qty"])


@kernel
def _draw_add(world: World, random, messages, live, place, i, count):
    """Draw and carry out an add; the number of entries of `live` after it."""
    row = messages[i]
    side = 1 if streams.uniform(random, 0) < 0.5 else -1
    record = world.books[0]
    own, other = record["best"][order_book.column(side)], record["best"][order_book.column(-side)]
    if own == order_book.outside(world, 0, side):
        own = record["base"] + world.levels.shape[1] // 2 - side
    price = own + side - side * streams.geometric(random, 0, DISTANCE_STOP)
    row["price"] = price if side * (price - other) < 0 else other - side
    row["kind"], row["side"] = ADD, side
    row["qty"] = 1 + streams.integer(random, 0, LARGEST_ADD)
    place[i] = world.orders[_add(world, side, row["price"], row["qty"])]["id"]
    live[count] = i
    return count + 1


@kernel
def _draw_cancel(world: World, random, messages, live, place, i, count):
    """Draw a live order to cancel, forgetting those found dead; an add while too few rest."""
    while count >= RESTING_ORDERS:
        j = streams.integer(random, 0, count)
        added = live[j]
        live[j] = live[count - 1]
        count -= 1
        slot = order_book.slot_of(world, place[added])
        if slot != NONE:
            messages[i]["kind"] = CANCEL
            messages[i]["added"] = added
            _remove(world, slot)
            return count
    return _draw_add(world, random, messages, live, place, i, count)


@kernel(entry=True)
def replay_stream(world, messages, place):
    """Run a stream.

    Args:
        world: An empty book.
        messages: (n,) MESSAGE.
        place: (n,) int64 scratch: id of the order that a message added.

    Returns:
        Number of executions.
    """
    executions = 0
    for i in range(messages.shape[0]):
        row = messages[i]
        if row["kind"] == ADD:
            slot = _add(world, row["side"], row["price"], row["qty"])
            place[i] = world.orders[slot]["id"]
        elif row["kind"] == CANCEL:
            slot = order_book.slot_of(world, place[row["added"]])
            if slot != NONE:
                _remove(world, slot)
        else:
            executions += _take(world, row["side"], row["qty"])
    return executions
