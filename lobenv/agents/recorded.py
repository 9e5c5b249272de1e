"""Recorded flow: sends a recording's messages at their times, without delay, into a market that others trade in too.

Additions and cancellations are sent as they were. An execution is sent as a marketable order that may trade at the
recorded price or better, so that it meets whoever is first in the book now; the rest of it is cancelled. Where that
was not the recorded order, the recorded order is brought down to what it had left. A message about an order that is
no longer there is dropped. Both are counted.
"""

from __future__ import annotations

from lobenv.compiled import kernel
from lobenv.market import order_entry
from lobenv.market.order_book import slot_of
from lobenv.market.tables import NEVER, World
from lobenv.tape.schema import ADD, DELETE, EXECUTE, EXECUTE_HIDDEN, REDUCE


@kernel
def wake(world: World, agent, next_wake):
    """Send the row of the recording that is due, and sleep until the next, which may be at the same time."""
    clock = world.clock[0]
    row = clock["recording_next"]
    if row > 0:
        _trim(world, agent, world.recording[row - 1])
    if row < world.recording.shape[0]:
        _send(world, agent, row)
        clock["recording_next"] = row + 1
    return next_row_time(world)


@kernel
def next_row_time(world: World):
    """When the next row of the recording is due [ns], NEVER after the last."""
    row = world.clock[0]["recording_next"]
    return world.recording[row]["time"] if row < world.recording.shape[0] else NEVER


@kernel
def _send(world: World, agent, i):
    """Send one recorded message."""
    row = world.recording[i]
    book, kind, side = world.agents[agent]["book"], row["kind"], row["side"]
    if kind == ADD:
        row["order_id"] = order_entry.send_limit(world, agent, book, side, row["price"], row["qty"])
    elif kind == EXECUTE or kind == EXECUTE_HIDDEN:
        order_entry.send_marketable(world, agent, book, -side, row["price"], row["qty"])
    elif kind == DELETE or kind == REDUCE:
        _withdraw(world, agent, book, row)


@kernel
def _trim(world: World, agent, row):
    """Bring the order of a recorded execution down to what it had left, where another was filled in its place."""
    if row["kind"] != EXECUTE or row["reference"] < 0:
        return
    slot = slot_of(world, world.recording[row["reference"]]["order_id"])
    if slot >= 0 and world.orders[slot]["qty"] > row["left"]:
        world.clock[0]["recording_trimmed"] += 1
        surplus = world.orders[slot]["qty"] - row["left"]
        order_entry.send_reduce(world, agent, world.agents[agent]["book"], world.orders[slot]["id"], surplus)


@kernel
def _withdraw(world: World, agent, book, row):
    """Cancel or reduce the order that an earlier row added, if it is still there."""
    order_id = world.recording[row["reference"]]["order_id"] if row["reference"] >= 0 else 0
    if slot_of(world, order_id) < 0:
        world.clock[0]["recording_dropped"] += 1
    elif row["kind"] == DELETE:
        order_entry.send_cancel(world, agent, book, order_id)
    else:
        order_entry.send_reduce(world, agent, book, order_id, row["qty"])
