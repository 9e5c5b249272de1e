"""Execution reports: written at the exchange, delivered to the agent a link's delay later."""

from __future__ import annotations

from lobenv.compiled import kernel
from lobenv.market import events, ledger
from lobenv.market.network import travel
from lobenv.market.tables import (
    FILL,
    NONE,
    PARTIAL,
    REJECTED,
    REPORT,
    REPORTING,
    World,
)
from lobenv.tape.reasons import (
    REASON_SESSION_END,
)


@kernel
def allocate_message(world: World):
    """Take a free message slot.

    Raises:
        OverflowError: All are under way.
    """
    slot = world.clock[0]["free_message"]
    if slot < 0:
        raise OverflowError("message table full: raise capacity.messages of the scenario")
    world.clock[0]["free_message"] = world.messages[slot]["next"]
    return slot


@kernel
def release_message(world: World, slot):
    """Give a message slot back."""
    world.messages[slot]["next"] = world.clock[0]["free_message"]
    world.clock[0]["free_message"] = slot


@kernel
def send_report(world: World, owner, book, kind, reason, order_id, side, price, qty, remaining, fee, maker):
    """Put an execution report on its owner's link; agent 0, opening book or recorded flow, reads none."""
    if owner == 0:
        return
    now = world.clock[0]["now"]
    delivery = travel(world, owner, book, REPORTING, now)
    if delivery < 0:
        world.clock[0]["lost"] += 1
        return
    slot = allocate_message(world)
    message = world.messages[slot]
    message["order_id"] = order_id
    message["time"] = now
    message["fee"] = fee
    message["owner"] = owner
    message["price"] = price
    message["qty"] = qty
    message["remaining"] = remaining
    message["book"] = book
    message["kind"] = kind
    message["reason"] = reason
    message["side"] = side
    message["maker"] = maker
    events.schedule(world, delivery, REPORT, slot)


@kernel
def report_order(world: World, slot, kind, reason):
    """Report on a live order as it stands: accepted, replaced, or left as it was by a request that was refused."""
    order = world.orders[slot]
    owner, book = order["owner"], order["book"]
    if kind == REJECTED:
        world.accounts[owner, book]["rejected"] += 1
    remaining = order["qty"] + order["reserve"]
    send_report(world, owner, book, kind, reason, order["id"], order["side"], order["price"], 0, remaining, 0, 0)


@kernel
def report_end(world: World, slot, kind, reason):
    """Report that an order is no more, cancelled or refused, with the shares it still had.

    At the end of the session only external agents are told: nobody else is there to act on it.
    """
    order = world.orders[slot]
    owner, book = order["owner"], order["book"]
    if reason == REASON_SESSION_END and world.agents[owner]["external"] == NONE:
        return
    if kind == REJECTED:
        world.accounts[owner, book]["rejected"] += 1
    left = order["qty"] + order["reserve"]
    send_report(world, owner, book, kind, reason, order["id"], order["side"], order["price"], left, 0, 0, 0)


@kernel
def deliver(world: World, slot):
    """Let a report take effect on what its owner knows."""
    message = world.messages[slot]
    owner, book = message["owner"], message["book"]
    if message["kind"] == PARTIAL or message["kind"] == FILL:
        ledger.learn_trade(world, owner, book, message["side"], message["price"], message["qty"], message["fee"])
    external = world.agents[owner]["external"]
    if external >= 0:
        _receive(world, external, slot)
    release_message(world, slot)


@kernel
def _receive(world: World, external, slot):
    """Copy a report to the inbox of the external agents, and see to it that one that asked is told."""
    message = world.messages[slot]
    count = world.clock[0]["inbox_count"]
    row = world.inbox[count % world.inbox.shape[0]]
    row["delivered"] = world.clock[0]["now"]
    row["time"] = message["time"]
    row["order_id"] = message["order_id"]
    row["fee"] = message["fee"]
    row["external"] = external
    row["price"] = message["price"]
    row["qty"] = message["qty"]
    row["remaining"] = message["remaining"]
    row["book"] = message["book"]
    row["kind"] = message["kind"]
    row["reason"] = message["reason"]
    row["side"] = message["side"]
    row["maker"] = message["maker"]
    world.clock[0]["inbox_count"] = count + 1
    if world.externals[external]["wants_reports"]:
        world.clock[0]["attention"] = external
