"""Runs a market so that every view of a book that somebody follows is told when it reaches them, in order."""

from __future__ import annotations

from lobenv.compiled import kernel
from lobenv.engine.event_loop import run
from lobenv.market import feed
from lobenv.market.tables import ATTENTION, NEVER, NONE, REACHED, World


@kernel
def run_telling_views(world: World, until):
    """Handle every event up to and including a time, or to the next view that reaches somebody who follows its book.

    Args:
        world: The market, advanced in place.
        until: Time to stop at [ns].

    Returns:
        What `run` returns, where ATTENTION may also mean that a view has reached an agent.
    """
    clock = world.clock[0]
    while True:
        arrival = _next_arrival(world)
        if arrival <= clock["now"]:
            return ATTENTION
        stop = min(until, arrival)
        if _is_followed(world):
            # One instant at a time: what is published at it may reach somebody before the next.
            stop = min(stop, max(_next_instant(world), clock["now"]))
        status = run(world, stop)
        if status != REACHED:
            return status
        if stop == until:
            _next_arrival(world)  # what was published last may be seen without delay
            return status


@kernel
def _is_followed(world: World):
    for i in range(world.watches.shape[0]):
        if world.watches[i]["agent"] != NONE:
            return True
    return False


@kernel
def _next_instant(world: World):
    """Time of the next event [ns], or NEVER."""
    clock = world.clock[0]
    time = NEVER
    if clock["events_size"] > 0:
        time = min(time, world.events[0]["time"])
    if clock["wakes_size"] > 0:
        time = min(time, world.wakes[0]["time"])
    return time


@kernel
def _next_arrival(world: World):
    """When the next of the views published so far reaches its agent [ns], or NEVER."""
    first = NEVER
    for i in range(world.watches.shape[0]):
        watch = world.watches[i]
        if watch["agent"] == NONE:
            continue
        if watch["arrival"] == NEVER:
            _time_next_view(world, watch)
        first = min(first, watch["arrival"])
    return first


@kernel
def _time_next_view(world: World, watch):
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
def _differs(view, before):
    """Whether a view shows another touch, another trade or another trading state than the one before."""
    for i in range(2):
        if view["price"][i] != before["price"][i] or view["qty"][i] != before["qty"][i]:
            return True
    return view["trades"] != before["trades"] or view["state"] != before["state"]
