"""Drives one market from tests: an entry kernel that carries out instructions, and helpers to build and read small markets."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from lobenv.compiled import kernel
from lobenv.kernel import run
from lobenv.market import exchange, feed, gateway
from lobenv.market.tables import ATTENTION, GTC, LIMIT, NONE, REACHED, World
from lobenv.opening import start as start_market
from lobenv.scenario.build import External, Template, build
from lobenv.scenario.config import Book, Capacity, Fees, Fundamental, Halts, OpeningBook, Scenario, Session

SECOND = 1_000_000_000
MIDDLE = 1_000  # middle of the window of prices of a small market [ticks]

START, RUN, RUN_ON, ORDER, CANCEL, REDUCE, REPLACE, CANCEL_ALL, LOOK, KILL = range(10)

INSTRUCTION = np.dtype(
    [
        ("time", "i8"),  # RUN, RUN_ON: until when; START: when the opening book is withdrawn [ns]
        ("order_id", "i8"),  # START: the seed
        ("answer", "i8"),  # the order's id, the place of the view in the feed, or why the kernel handed back control
        ("op", "i4"),
        ("agent", "i4"),
        ("book", "i4"),
        ("side", "i4"),
        ("price", "i4"),  # START: half-spread of the opening book
        ("qty", "i4"),  # START: its mean shares
        ("kind", "i4"),
        ("tif", "i4"),
        ("flags", "i4"),
        ("peak", "i4"),  # START: its levels
    ],
    align=True,
)


@kernel
def _run(world: World, line):
    """Run once, or on and on past every report that asks for attention."""
    while True:
        line["answer"] = run(world, line["time"])
        if line["answer"] != ATTENTION or line["op"] == RUN:
            return
        world.clock[0]["attention"] = NONE


@kernel
def _send(world: World, line):
    op, agent, book = line["op"], line["agent"], line["book"]
    if op == ORDER:
        line["answer"] = gateway.send_order(
            world,
            agent,
            book,
            line["side"],
            line["price"],
            line["qty"],
            line["kind"],
            line["tif"],
            line["flags"],
            line["peak"],
        )
    elif op == CANCEL:
        gateway.send_cancel(world, agent, book, line["order_id"])
    elif op == REDUCE:
        gateway.send_reduce(world, agent, book, line["order_id"], line["qty"])
    elif op == REPLACE:
        gateway.send_replace(world, agent, book, line["order_id"], line["price"], line["qty"])
    elif op == CANCEL_ALL:
        gateway.send_cancel_all(world, agent, book)
    elif op == LOOK:
        line["answer"] = feed.look(world, agent, book)
    elif op == KILL:
        exchange.pull_kill_switch(world, agent, book)
        exchange.settle_book(world, book)


@kernel(entry=True)
def drive(world: World, instructions):
    """Carry out INSTRUCTIONs one after another."""
    for i in range(instructions.shape[0]):
        line = instructions[i]
        if line["op"] == START:
            seed = np.uint64(line["order_id"])
            start_market(world, seed, float(line["qty"]), line["peak"], line["price"], line["time"])
        elif line["op"] == RUN or line["op"] == RUN_ON:
            _run(world, line)
        else:
            _send(world, line)


class Report(NamedTuple):
    """A report as it stands in the inbox."""

    agent: int
    order_id: int
    kind: int
    reason: int
    side: int
    price: int
    qty: int
    remaining: int
    fee: int
    maker: int


Queues = dict[int, tuple[list[tuple[int, int, int]], list[tuple[int, int, int]]]]


def small_scenario(**changes: Any) -> Scenario:
    """One book about price 1,000, no opening orders, no background traders, one session that does not end soon.

    Args:
        **changes: Fields of the scenario; besides `fees` and `halts` of its only book, and `width` of its window.
    """
    fees, halts = changes.pop("fees", Fees()), changes.pop("halts", Halts())
    settings: dict[str, Any] = {
        "books": (Book(fees=fees, halts=halts),),
        "fundamentals": {"SIM": Fundamental(price=MIDDLE * 0.01, step_s=1e6)},
        "opening": OpeningBook(levels=0),
        "session": Session(warm_up_s=0.0, duration_s=1e6),
        "capacity": Capacity(
            orders=64, messages=512, events=512, ladder_ticks=changes.pop("width", 64), feed=64, inbox=512
        ),
    }
    return Scenario(**settings | changes)


def trader(index: int, **fields: Any) -> External:
    """An external agent without delays."""
    return External(f"trader {index}", **{"latency": "none", "computation_ns": 0} | fields)


def small_template(*traders: External, tape: bool = False, **changes: Any) -> Template:
    """A small market with these external agents, two without limits if none is given."""
    return build(small_scenario(**changes), traders or (trader(1), trader(2)), tape=tape)


class Market:
    """One market that has been opened; external agents are numbered from 1."""

    def __init__(self, template: Template, seed: int = 1, *, opened: bool = True) -> None:
        self.template = template
        self.world = World(*(table.copy() for table in template.world))
        self._lines = np.zeros(3, INSTRUCTION)
        self._read = 0
        mean, levels, half_spread, withdraw = template.opening
        self._do(START, order_id=seed, qty=int(mean), peak=levels, price=half_spread, time=withdraw)
        if opened:
            self.run(int(self.world.clock["session_open"][0]))

    def _do(self, op: int, **fields: int) -> int:
        line = self._lines[:1]
        line[:] = 0
        line["op"] = op
        for name, value in fields.items():
            line[name] = value
        drive(self.world, line)
        return int(line["answer"][0])

    def _send(self, op: int, after: int, fields: dict[str, int]) -> int:
        """Wait [ns], send, and see through what happens at that very time."""
        lines, time = self._lines, self.now + after
        lines[:] = 0
        lines["op"] = (RUN_ON, op, RUN_ON)
        lines["time"] = time
        for name, value in fields.items():
            lines[name][1] = value
        drive(self.world, lines)
        assert lines["answer"][2] == REACHED
        return int(lines["answer"][1])

    # ------------------------------------------------------------ acting

    def order(self, agent, side, price, qty, *, kind=LIMIT, tif=GTC, flags=0, peak=0, book=0, after=0) -> int:
        """Send an order after a wait [ns] and see through what happens at that time; its id."""
        fields = {"agent": agent, "side": side, "price": price, "qty": qty, "kind": kind, "tif": tif, "flags": flags}
        return self._send(ORDER, after, fields | {"peak": peak, "book": book})

    def cancel(self, agent, order_id, *, book=0, after=0) -> None:
        self._send(CANCEL, after, {"agent": agent, "order_id": order_id, "book": book})

    def cancel_all(self, agent, *, book=0, after=0) -> None:
        self._send(CANCEL_ALL, after, {"agent": agent, "book": book})

    def reduce(self, agent, order_id, qty, *, book=0, after=0) -> None:
        self._send(REDUCE, after, {"agent": agent, "order_id": order_id, "qty": qty, "book": book})

    def replace(self, agent, order_id, price, qty, *, book=0, after=0) -> None:
        self._send(REPLACE, after, {"agent": agent, "order_id": order_id, "price": price, "qty": qty, "book": book})

    def kill(self, agent, *, book=0) -> None:
        self._send(KILL, 0, {"agent": agent, "book": book})

    def look(self, agent, *, book=0) -> np.void:
        """The view that has reached an agent."""
        return self.world.feed[book, self._do(LOOK, agent=agent, book=book)]

    def run(self, until: int) -> int:
        """Let time pass up to and including an instant [ns]; why the kernel handed back control."""
        return self._do(RUN, time=until)

    def wait(self, duration: int) -> None:
        """Let time pass [ns]."""
        assert self.run(self.now + duration) == REACHED

    # ------------------------------------------------------------ looking

    @property
    def now(self) -> int:
        return int(self.world.clock["now"][0])

    def book(self, index: int = 0) -> np.void:
        return self.world.books[index]

    def account(self, agent: int, book: int = 0) -> np.void:
        return self.world.accounts[agent, book]

    def inbox(self) -> np.ndarray:
        """The reports that reached external agents since the last call, as RECEIVED rows in order of delivery."""
        count, size = int(self.world.clock["inbox_count"][0]), len(self.world.inbox)
        assert count - self._read <= size, "the inbox was overwritten before it was read"
        rows = self.world.inbox[np.arange(self._read, count) % size]
        self._read = count
        return rows

    def reports(self) -> list[Report]:
        """The reports that reached external agents since the last call, in order of delivery."""
        first = self.template.first_external
        rows = self.inbox()
        columns = [(rows["external"] + first).tolist(), *(rows[name].tolist() for name in Report._fields[1:])]
        return [Report(*row) for row in zip(*columns, strict=True)]

    def queues(self, book: int = 0) -> Queues:
        """Every order in the book: price -> (displayed, hidden), each a list of (id, open shares, of them in reserve)."""
        return read_queues(self.world, book)

    def displayed_ids(self, price: int, book: int = 0) -> list[int]:
        return [order_id for order_id, _, _ in self.queues(book).get(price, ([], []))[0]]

    def hidden_ids(self, price: int, book: int = 0) -> list[int]:
        return [order_id for order_id, _, _ in self.queues(book).get(price, ([], []))[1]]


def read_queues(world: World, book: int = 0) -> Queues:
    """Every order in a book, by walking the queues; see `Market.queues`."""
    base, width = int(world.books["base"][book]), world.levels.shape[1]
    following, ids = world.orders["next"].tolist(), world.orders["id"].tolist()
    qty, reserve = world.orders["qty"].tolist(), world.orders["reserve"].tolist()

    def walk(slot: int) -> list[tuple[int, int, int]]:
        queue = []
        while slot >= 0:
            queue.append((ids[slot], qty[slot] + reserve[slot], reserve[slot]))
            slot = following[slot]
        return queue

    queues: Queues = {}
    level = world.levels[book]
    for index in np.flatnonzero((level["head"] >= 0) | (level["hidden_head"] >= 0)).tolist():
        price = base + (index - base) % width
        queues[price] = (walk(int(level["head"][index])), walk(int(level["hidden_head"][index])))
    return queues


def best_prices(world: World, book: int = 0, *, displayed: bool = False) -> tuple[int | None, int | None]:
    """Best bid and ask as the book record has them, None for an empty side."""
    record = world.books[book]
    low, high = int(record["base"]), int(record["base"]) + world.levels.shape[1]
    prices: Iterable[int] = record["shown" if displayed else "best"].tolist()
    bid, ask = (price if low <= price < high else None for price in prices)
    return bid, ask


def resting_orders(world: World, agent: int, book: int = 0) -> list[np.void]:
    """An agent's orders as its own list has them, the latest first."""
    orders, slot = [], int(world.accounts["first_order"][agent, book])
    while slot >= 0:
        orders.append(world.orders[slot])
        slot = int(world.orders["next_own"][slot])
    return orders
