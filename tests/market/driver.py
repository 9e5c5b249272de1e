"""Drives one market from tests, message by message, and reads it back: queues, accounts and reports."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from lobenv.engine.batch import Batch
from lobenv.engine.requests import LOOK, NEW
from lobenv.engine.step import CONTINUE, IGNORED, RESET
from lobenv.market.tables import ATTENTION, CANCEL, CANCEL_ALL, GTC, LIMIT, REACHED, REDUCE, REPLACE, World
from lobenv.scenario.build import External, Template, build
from lobenv.scenario.config import Book, Capacity, Fees, Fundamental, Halts, OpeningBook, Scenario, Session

SECOND = 1_000_000_000
MIDDLE = 1_000  # middle of the window of prices of a small market [ticks]

ORDER = NEW
FIRST_EXTERNAL = 1


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

    def __init__(self, template: Template, seed: int = 1) -> None:
        self.template, self.seed = template, seed
        self.batch = Batch.of_template(template, threads=1)
        self.batch.begin(np.zeros(1, np.int64), np.array([seed], np.uint64))
        self.world: World = self.batch.market()
        self._read = 0
        self.batch.run_row(0, RESET, 0, IGNORED)

    # ------------------------------------------------------------ acting

    def _send(
        self, request, agent, book, after, order_id=0, side=0, price=0, qty=0, kind=0, tif=0, flags=0, peak=0
    ) -> int:
        """Wait [ns], send, and see through what happens at that very time."""
        self.wait(after)
        asked = {"order_id": order_id, "side": side, "price": price, "qty": qty, "kind": kind, "tif": tif}
        answer = self.batch.request(0, request=request, agent=agent, book=book, flags=flags, peak=peak, **asked)
        self.wait(0)
        return answer

    def order(self, agent, side, price, qty, *, kind=LIMIT, tif=GTC, flags=0, peak=0, book=0, after=0) -> int:
        """Send an order after a wait [ns]; its id."""
        return self._send(ORDER, agent, book, after, 0, side, price, qty, kind, tif, flags, peak)

    def cancel(self, agent, order_id, *, book=0, after=0) -> None:
        self._send(CANCEL, agent, book, after, order_id)

    def cancel_all(self, agent, *, book=0, after=0) -> None:
        self._send(CANCEL_ALL, agent, book, after)

    def reduce(self, agent, order_id, qty, *, book=0, after=0) -> None:
        self._send(REDUCE, agent, book, after, order_id, qty=qty)

    def replace(self, agent, order_id, price, qty, *, book=0, after=0) -> None:
        self._send(REPLACE, agent, book, after, order_id, price=price, qty=qty)

    def look(self, agent, *, book=0) -> np.void:
        """The view that has reached an agent."""
        return self.world.feed[book, self._send(LOOK, agent, book, 0)].copy()

    def run(self, until: int) -> int:
        """Let time pass up to and including an instant [ns]; why the kernel handed back control."""
        return self.batch.run_row(0, CONTINUE, until, IGNORED)

    def wait(self, duration: int) -> None:
        """Let time pass [ns], past every report that asks for attention."""
        until = self.now + duration
        while (status := self.run(until)) == ATTENTION:
            pass
        assert status == REACHED

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
        rows = self.inbox()
        columns = [(rows["external"] + FIRST_EXTERNAL).tolist(), *(rows[name].tolist() for name in Report._fields[1:])]
        return [Report(*row) for row in zip(*columns, strict=True)]

    def queues(self, book: int = 0) -> Queues:
        """Every order in the book: price -> (displayed, hidden), each a list of (id, open shares, reserve)."""
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
