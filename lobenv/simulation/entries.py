"""The compiled side of the plain market: runs it until a strategy sees something, and lets one use its gateway."""

from __future__ import annotations

import numpy as np

from lobenv.compiled import kernel
from lobenv.engine.event_loop import run
from lobenv.engine.start import start
from lobenv.market import feed, order_entry
from lobenv.market.tables import ATTENTION, CANCEL, CANCEL_ALL, NEVER, REACHED, REDUCE, REPLACE, World

# What a gateway is asked for; 0 to 3 are the requests of `tables`
NEW, LOOK = 4, 5

WATCH = np.dtype(
    [
        ("next", "i8"),  # index of the view that reaches the agent next, counted from the book's first
        ("arrival", "i8"),  # when it does [ns]; NEVER while it is not known
        ("agent", "i4"),
        ("book", "i4"),
    ],
    align=True,
)


@kernel(entry=True)
def advance(
    world: World, watches: np.ndarray, until: int, seed: np.uint64, opening: tuple[float, int, int, int]
) -> int:
    """Run a market on, up to and including a time; a market in which nothing is scheduled yet is started first.

    Args:
        world: The market, changed in place.
        watches: (W,) WATCH, the books that an agent follows, changed in place.
        until: Time to stop at [ns].
        seed: Of everything random in this market.
        opening: Of the template: what `start` takes after the seed.

    Returns:
        What `run` returns, where ATTENTION may also mean that a view has reached an agent.
    """
    clock = world.clock[0]
    if clock["sequence"] == 0:
        start(world, seed, opening[0], opening[1], opening[2], opening[3])
    while True:
        arrival = _next_arrival(world, watches)
        if arrival <= clock["now"]:
            return ATTENTION
        stop = min(until, arrival)
        if watches.shape[0] > 0:
            # One instant at a time: what is published at it may reach somebody before the next.
            stop = min(stop, max(_next_instant(world), clock["now"]))
        status = run(world, stop)
        if status != REACHED:
            return status
        if stop == until:
            _next_arrival(world, watches)  # what was published last may be seen without delay
            return status


@kernel
def _next_instant(world: World) -> np.int64:
    """Time of the next event [ns], or NEVER."""
    clock = world.clock[0]
    time = NEVER
    if clock["events_size"] > 0:
        time = min(time, world.events[0]["time"])
    if clock["wakes_size"] > 0:
        time = min(time, world.wakes[0]["time"])
    return time


@kernel
def _next_arrival(world: World, watches: np.ndarray) -> np.int64:
    """When the next of the views published so far reaches its agent [ns], or NEVER."""
    first = NEVER
    for i in range(watches.shape[0]):
        if watches[i]["arrival"] == NEVER:
            _time_next_view(world, watches[i])
        first = min(first, watches[i]["arrival"])
    return first


@kernel
def _time_next_view(world: World, watch: np.ndarray) -> None:
    """Draw when the next view that differs from the one before it reaches the agent, if it is published.

    Raises:
        OverflowError: The book's ring no longer holds that view.
    """
    agent, book, ring = watch["agent"], watch["book"], world.feed.shape[1]
    count = world.books[book]["feed_count"]
    while watch["next"] < count:
        if count - watch["next"] >= ring:
            raise OverflowError("feed history too short for the feed delay: raise capacity.feed of the scenario")
        view = world.feed[book, watch["next"] & (ring - 1)]
        if _differs(view, world.feed[book, (watch["next"] - 1) & (ring - 1)]):
            # The view before has arrived by now: this one cannot overtake it, even where it should have come earlier.
            watch["arrival"] = view["time"] + feed.feed_delay(world, agent, book)
            return
        watch["next"] += 1


@kernel
def _differs(view: np.ndarray, before: np.ndarray) -> bool:
    """Whether a view shows another touch, another trade or another trading state than the one before."""
    for i in range(2):
        if view["price"][i] != before["price"][i] or view["qty"][i] != before["qty"][i]:
            return True
    return view["trades"] != before["trades"] or view["state"] != before["state"]


@kernel(entry=True)
def use_gateway(
    world: World,
    request: int,
    agent: int,
    book: int,
    order_id: int,
    side: int,
    price: int,
    qty: int,
    kind: int,
    tif: int,
    flags: int,
    peak: int,
) -> int:
    """Put one message of an agent on its link, or look at what its feed has brought.

    Args:
        world: The market, changed in place.
        request: NEW, LOOK, CANCEL, CANCEL_ALL, REDUCE or REPLACE.
        agent: Who asks.
        book: About which book.
        order_id: About which order.
        side: +1 buy, -1 sell.
        price: Ticks.
        qty: Shares.
        kind: Order type.
        tif: Time in force.
        flags: POST_ONLY and HIDDEN, as bits.
        peak: Shares an iceberg displays at a time; 0 for all.

    Returns:
        The id of a new order, the place in the feed's ring of the view, or 0.
    """
    if request == NEW:
        return order_entry.send_order(world, agent, book, side, price, qty, kind, tif, flags, peak)  # pyright: ignore[reportReturnType]
    if request == LOOK:
        return feed.look(world, agent, book)
    if request == CANCEL:
        order_entry.send_cancel(world, agent, book, order_id)
    elif request == CANCEL_ALL:
        order_entry.send_cancel_all(world, agent, book)
    elif request == REDUCE:
        order_entry.send_reduce(world, agent, book, order_id, qty)
    elif request == REPLACE:
        order_entry.send_replace(world, agent, book, order_id, price, qty)
    return 0
