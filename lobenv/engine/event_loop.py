"""The event loop of one market: wakeups, arrivals, deliveries and the rest, in causal order.

Events come in order of time; those of equal time in the order in which they were put in the queue. The loop stands
above the agents because it wakes them.
"""

from __future__ import annotations

from lobenv.agents import dispatch
from lobenv.compiled import kernel
from lobenv.market import events, exchange, feed, halts, reports, streams
from lobenv.market.recorder import ROOM
from lobenv.market.tables import (
    ATTENTION,
    CAPTURE,
    CLOSED,
    FUNDAMENTAL_JUMP,
    FUNDAMENTAL_STEP,
    HALT_END,
    NEVER,
    NEW_ORDER,
    NONE,
    OPEN,
    REACHED,
    REPORT,
    REQUEST,
    RESTING,
    RISK_CHECK,
    RUNNING,
    SESSION_CLOSE,
    SESSION_OPEN,
    TAPE_FULL,
    World,
)
from lobenv.roles import dispatch as roles
from lobenv.tape.reasons import (
    REASON_SESSION_END,
)


@kernel
def run(world: World, until):
    """Handle every event up to and including a time.

    Args:
        world: The market, advanced in place.
        until: Time to stop at [ns].

    Returns:
        REACHED, TAPE_FULL when the tape has to be drained first, or ATTENTION when a report has reached an external
        agent that asked to be told. After the latter two, call again.
    """
    clock = world.clock[0]
    while True:
        if world.tape.shape[0] > 0 and clock["tape_count"] > world.tape.shape[0] - ROOM:
            return TAPE_FULL
        time = world.events[0]["time"] if clock["events_size"] > 0 else NEVER
        wake_time = world.wakes[0]["time"] if clock["wakes_size"] > 0 else NEVER
        if time > until and wake_time > until:
            clock["now"] = until
            return REACHED
        if _wake_is_first(world, time, wake_time):
            clock["now"] = wake_time
            next_time = dispatch.wake(world, world.wakes[0]["subject"])
            events.reschedule_first_wake(world, next_time)
        else:
            clock["now"] = time
            _handle(world)
        clock["events"] += 1
        if clock["attention"] != NONE:
            return ATTENTION


@kernel
def _wake_is_first(world: World, time, wake_time):
    if wake_time != time:
        return wake_time < time
    return world.wakes[0]["sequence"] < world.events[0]["sequence"]


@kernel
def _handle(world: World):
    """Take the first event off the queue and let it happen."""
    kind, subject = world.events[0]["kind"], world.events[0]["subject"]
    events.pop_event(world)
    if kind == NEW_ORDER:
        exchange.arrive_order(world, subject)
    elif kind == REPORT:
        dispatch.on_report(world, subject)
        roles.on_report(world, subject)
        reports.deliver(world, subject)
    elif kind == REQUEST:
        exchange.arrive_request(world, subject)
    else:
        _handle_rare(world, kind, subject)


@kernel
def _handle_rare(world: World, kind, subject):
    if kind == CAPTURE:
        _capture(world, subject)
    elif kind == FUNDAMENTAL_STEP:
        _step_fundamental(world, subject)
    elif kind == FUNDAMENTAL_JUMP:
        _jump_fundamental(world, subject)
    elif kind == HALT_END:
        halts.end_halt(world, subject)
        exchange.settle_book(world, subject)
    elif kind == RISK_CHECK:
        count = world.books.shape[0]
        exchange.check_risk(world, subject // count, subject % count)
    elif kind == SESSION_OPEN:
        _open_session(world)
    elif kind == SESSION_CLOSE:
        close_session(world)


@kernel
def _capture(world: World, external):
    """Photograph the book for the decision it is meant for, and see to the next photograph."""
    feed.capture(world, external)
    roles.photograph(world, external)
    world.externals[external]["capture"] += 1
    schedule_capture(world, external)


@kernel
def schedule_capture(world: World, external):
    """Have the book photographed one feed delay before the next decision without a view, if decisions are regular."""
    agent = world.externals[external]
    if agent["interval"] == 0 or agent["status"] != RUNNING:
        return
    decision = agent["first_decision"] + agent["capture"] * agent["interval"]
    time = decision - feed.feed_delay(world, agent["agent"], agent["book"])
    events.schedule(world, max(time, world.clock[0]["now"]), CAPTURE, external)


@kernel
def _step_fundamental(world: World, symbol):
    """Move the fundamental value by one exact step of its Ornstein-Uhlenbeck process."""
    record = world.fundamentals[symbol]
    away = record["value"] - record["mean"]
    noise = record["deviation"] * streams.normal(world.streams, record["stream"])
    record["value"] = record["mean"] + record["decay"] * away + noise
    events.schedule(world, world.clock[0]["now"] + record["step"], FUNDAMENTAL_STEP, symbol)


@kernel
def _jump_fundamental(world: World, symbol):
    """Let news move the fundamental value and its mean, up or down with equal probability."""
    record = world.fundamentals[symbol]
    stream = record["jump_stream"]
    size = abs(record["jump_mean"] + record["jump_deviation"] * streams.normal(world.streams, stream))
    size = size if streams.uniform(world.streams, stream) < 0.5 else -size
    record["value"] += size
    record["mean"] += size
    schedule_jump(world, symbol)


@kernel
def schedule_jump(world: World, symbol):
    """Draw when the next news comes."""
    record = world.fundamentals[symbol]
    if record["jump_interval"] > 0.0:
        wait = int(min(streams.exponential(world.streams, record["jump_stream"], record["jump_interval"]), 1.0 * NEVER))
        events.schedule(world, world.clock[0]["now"] + wait, FUNDAMENTAL_JUMP, symbol)


@kernel
def _open_session(world: World):
    for book in range(world.books.shape[0]):
        world.books[book]["state"] = OPEN
        world.books[book]["changed"] = 1
        exchange.settle_book(world, book)


@kernel
def close_session(world: World):
    """Cancel everything that rests and take no more orders."""
    for book in range(world.books.shape[0]):
        for slot in range(world.orders.shape[0]):
            order = world.orders[slot]
            if order["state"] == RESTING and order["book"] == book:
                exchange.matching.remove_order(world, slot, REASON_SESSION_END)
        world.books[book]["state"] = CLOSED
        exchange.settle_book(world, book)
