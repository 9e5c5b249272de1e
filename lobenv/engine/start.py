"""Starts a market: streams from the seed, first wakeups, the opening book, and the session's own events."""

from __future__ import annotations

import numpy as np

from lobenv.agents.kinds import EXTERNAL_AGENT, OPENING_BOOK, RECORDED_FLOW
from lobenv.agents.recorded import next_row_time
from lobenv.compiled import kernel
from lobenv.engine.event_loop import schedule_capture, schedule_jump
from lobenv.market import events, feed, order_book, streams
from lobenv.market.resting import rest
from lobenv.market.tables import (
    FEED,
    FUNDAMENTAL_STEP,
    GTC,
    LIMIT,
    NONE,
    ONCE,
    ORDER_ENTRY,
    POISSON,
    REPORTING,
    SESSION_CLOSE,
    SESSION_OPEN,
    World,
)
from lobenv.roles import dispatch as roles
from lobenv.tape.labels import NO_INTENT

MOST_OPENING_SHARES = 2**20  # at a level: as many levels as there can be fit a side of a book


@kernel
def start(world: World, seed):
    """Bring a market built from the template to its first instant.

    Args:
        world: A copy of the template, changed in place.
        seed: Of everything random in this market (uint64).
    """
    _key_streams(world, seed)
    clock = world.clock[0]
    clock["seed"] = seed
    clock["attention"] = NONE
    events.schedule(world, clock["session_open"], SESSION_OPEN, 0)
    events.schedule(world, clock["session_close"], SESSION_CLOSE, 0)
    for symbol in range(world.fundamentals.shape[0]):
        events.schedule(world, world.fundamentals[symbol]["step"], FUNDAMENTAL_STEP, symbol)
        schedule_jump(world, symbol)
    for book in range(world.books.shape[0]):
        _fill_book(world, book, seed)
        feed.publish(world, book)
    for agent in range(world.agents.shape[0]):
        _first_wake(world, agent)
    for external in range(world.externals.shape[0]):
        roles.begin(world, external)
        schedule_capture(world, external)


@kernel
def _key_streams(world: World, seed):
    """Give every stream its key: each depends on the seed, the role and the index of its owner alone."""
    books = world.books.shape[0]
    for agent in range(world.agents.shape[0]):
        record = world.agents[agent]
        record["key"] = streams.key_of(seed, streams.AGENT_ROLE, record["identity"])
        world.streams[record["stream"]] = record["key"]
        for book in range(books):
            index = record["identity"] * 1024 + book
            session = world.sessions[agent, book]["stream"]
            world.streams[session[ORDER_ENTRY]] = streams.key_of(seed, streams.ORDER_LINK_ROLE, index)
            world.streams[session[REPORTING]] = streams.key_of(seed, streams.REPORT_LINK_ROLE, index)
            world.streams[session[FEED]] = streams.key_of(seed, streams.FEED_LINK_ROLE, index)
    for symbol in range(world.fundamentals.shape[0]):
        record = world.fundamentals[symbol]
        world.streams[record["stream"]] = streams.key_of(seed, streams.FUNDAMENTAL_ROLE, symbol)
        world.streams[record["jump_stream"]] = streams.key_of(seed, streams.JUMP_ROLE, symbol)


@kernel
def _first_wake(world: World, agent):
    """Draw an agent's first wakeup: within its usual interval after the open, or anywhere in the session."""
    record = world.agents[agent]
    opened, closed = world.clock[0]["session_open"], world.clock[0]["session_close"]
    stream = record["stream"]
    if record["kind"] == EXTERNAL_AGENT:
        return
    if record["kind"] == OPENING_BOOK:
        time = world.opening[0]["withdraw_at"]
    elif record["kind"] == RECORDED_FLOW:
        time = next_row_time(world)
    elif record["rhythm"] == ONCE:
        time = opened + np.int64(streams.uniform(world.streams, stream) * (closed - opened))
    elif record["rhythm"] == POISSON:
        time = opened + np.int64(streams.exponential(world.streams, stream, record["interval"]))
    else:
        time = opened + np.int64(streams.uniform(world.streams, stream) * record["interval"])
    events.schedule_wake(world, time, agent)


@kernel
def _fill_book(world: World, book, seed):
    """Put resting orders on both sides about the fundamental value; they belong to agent 0.

    The opening book ends where the window of prices does.
    """
    opening = world.opening[0]
    stream = world.agents[0]["stream"]
    world.streams[stream] = streams.key_of(seed, streams.OPENING_ROLE, book)
    mid = int(world.fundamentals[world.books[book]["symbol"]]["value"] + 0.5)
    for i in range(opening["levels"]):
        for side in (1, -1):
            qty = 1 + int(streams.exponential(world.streams, stream, opening["mean_shares"]))
            price = mid - side * (opening["half_spread"] + i)
            if order_book.in_window(world, book, price):
                _rest_opening_order(world, book, side, price, min(qty, MOST_OPENING_SHARES))
    world.books[book]["changed"] = 0


@kernel
def _rest_opening_order(world: World, book, side, price, qty):
    slot = order_book.allocate(world)
    if slot == NONE:
        raise OverflowError("order table full: raise capacity.orders of the scenario")
    order_book.write_order(world, slot, 0, book, side, price, qty, LIMIT, GTC, 0, 0, NO_INTENT)
    rest(world, slot)
