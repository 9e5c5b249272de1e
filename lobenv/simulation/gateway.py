"""A strategy's own gateway: what it has been told, and how it acts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn, TypedDict, Unpack

import numpy as np

from lobenv.engine.requests import LOOK, NEW
from lobenv.market.tables import (
    CANCEL,
    CANCEL_ALL,
    FEED,
    HIDDEN,
    NEVER,
    POST_ONLY,
    REDUCE,
    REPLACE,
)
from lobenv.simulation.records import (
    ORDER_TYPES,
    REPORT_KINDS,
    TIMES_IN_FORCE,
    Depth,
    OpenOrder,
    Report,
    View,
    depth_of,
    view_of,
)
from lobenv.simulation.strategy import Terms
from lobenv.simulation.units import Units
from lobenv.tape.reasons import (
    REASON_NAMES,
)

if TYPE_CHECKING:
    from lobenv.engine.batch import Batch


class OrderTerms(TypedDict, total=False):
    """What an order may say beyond its type, as in `Gateway.send`."""

    time_in_force: str
    post_only: bool
    hidden: bool
    display: int
    book: str


@dataclass
class Knowledge:
    """What a strategy has been told and the tables do not hold.

    Attributes:
        orders: Id to open order.
        views: Index of a book to the last view of it, and when that was looked at [ns].
    """

    orders: dict[int, OpenOrder] = field(default_factory=dict)
    views: dict[int, tuple[View, int]] = field(default_factory=dict)

    def copy(self) -> Knowledge:
        """An independent copy."""
        return Knowledge(dict(self.orders), dict(self.views))


class Gateway:
    """A strategy's access to the market: prices in ticks, quantities in shares, times in ns since the first instant.

    Everything it tells has reached the strategy. Whatever it sends leaves `computation_us` later and arrives a link's
    delay after that, or never where the link loses it. What is not told a book means the home book.
    """

    def __init__(self, batch: Batch, row: int, terms: Terms) -> None:
        self.terms = terms
        self.units = Units(batch.scenario.tick_size)
        self.knowledge = Knowledge()
        self.external = [agent.name for agent in batch.externals].index(terms.name)
        self._batch, self._row = batch, row
        self._world = batch.market(row)
        self.agent = int(self._world.externals[self.external]["agent"])
        self._names = [book.name for book in batch.scenario.books]
        self._books = terms.books_in(batch.scenario)
        self._watched: frozenset[int] = frozenset()

    def __repr__(self) -> str:
        return f"<Gateway of {self.terms.name} at {self.now_ns / 1e9:.6f} s>"

    def __deepcopy__(self, memo: dict[int, object]) -> Gateway:
        """A gateway belongs to its market: the copy of a strategy that kept it acts through the same one."""
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Gateway cannot be pickled: a strategy should not keep it, every callback is handed it")

    # ---------------------------------------------------------------- what is known

    @property
    def now_ns(self) -> int:
        """The present."""
        return int(self._world.clock[0]["now"])

    @property
    def close_ns(self) -> int:
        """When the session closes."""
        return int(self._world.clock[0]["session_close"])

    @property
    def position(self) -> int:
        """Shares held in the home book, as reported."""
        return self.position_in()

    @property
    def cash(self) -> float:
        """Cash from trading in the home book, after fees, as reported [$]."""
        return self.cash_in()

    @property
    def view(self) -> View:
        """The touch of the home book, as last seen."""
        return self.view_of()

    @property
    def open_orders(self) -> dict[int, OpenOrder]:
        """Id to order, of all orders sent whose end has not been reported."""
        return dict(self.knowledge.orders)

    def position_in(self, book: str = "") -> int:
        """Shares held in a book, as reported."""
        return int(self._world.accounts[self.agent, self._book(book)]["known_position"])

    def cash_in(self, book: str = "") -> float:
        """Cash from trading in a book, after fees, as reported [$]."""
        return self.units.dollars(self._world.accounts[self.agent, self._book(book)]["known_cash"])

    def view_of(self, book: str = "") -> View:
        """The touch of a book: the last one delivered, or what the feed has by now where nothing is delivered."""
        index = self._book(book)
        known = self.knowledge.views.get(index)
        if known is not None and (index in self._watched or known[1] == self.now_ns):
            # Looking twice at one instant would draw a second, perhaps shorter, delay.
            return known[0]
        place = self._ask(LOOK, index)
        return self._see(index, self._world.feed[index, place])

    def depth(self) -> Depth:
        """Displayed levels of the home book, as photographed for the last `on_timer` (or `on_start`).

        Raises:
            ValueError: The strategy has no timer.
        """
        own = self._world.externals[self.external]
        if own["interval"] == 0:
            raise ValueError("depth: is photographed for timers, set timer_interval_s > 0")
        last = min((self.now_ns - int(own["first_decision"])) // int(own["interval"]), int(own["capture"]) - 1)
        captures = self._world.captures[self.external]
        return depth_of(captures[last % len(captures)], self._names[self._books[0]])

    def to_ticks(self, price: float) -> int:
        """The whole number of ticks nearest to a price in $."""
        return self.units.to_ticks(price)

    def to_price(self, ticks: float) -> float:
        """A price in ticks as one in $."""
        return self.units.to_price(ticks)

    # ---------------------------------------------------------------- acting

    def buy(self, price: int | None, qty: int, order_type: str = "limit", **terms: Unpack[OrderTerms]) -> int:
        """Send an order to buy; the rest as in `send`."""
        return self.send(1, price, qty, order_type, **terms)

    def sell(self, price: int | None, qty: int, order_type: str = "limit", **terms: Unpack[OrderTerms]) -> int:
        """Send an order to sell; the rest as in `send`."""
        return self.send(-1, price, qty, order_type, **terms)

    def send(
        self,
        side: int,
        price: int | None,
        qty: int,
        order_type: str = "limit",
        time_in_force: str = "gtc",
        *,
        post_only: bool = False,
        hidden: bool = False,
        display: int = 0,
        book: str = "",
    ) -> int:
        """Send an order.

        Args:
            side: +1 buy, -1 sell.
            price: Ticks; of a pegged order, the worst price it may take; None for a market order.
            qty: Shares.
            order_type: "limit", "market", "peg_primary" or "peg_midpoint".
            time_in_force: "gtc", "ioc" or "fok".
            post_only: It is refused where it would execute on arrival.
            hidden: It is not displayed.
            display: Shares an iceberg displays at a time; 0 for all.
            book: Name of the book; the home book if empty.

        Returns:
            Its id; 0 where the exchange has no room for another order, and a rejection is on its way.

        Raises:
            TypeError: A price or quantity is not an int.
            ValueError: There is no such side, type, time in force or book, or a number does not fit a message.
        """
        if side not in (1, -1):
            raise ValueError(f"side must be +1 (buy) or -1 (sell), got {side!r}")
        kind = _code("order_type", order_type, ORDER_TYPES)
        tif = _code("time_in_force", time_in_force, TIMES_IN_FORCE)
        ticks = 0 if price is None and order_type == "market" else _integer("price", price)
        shares, peak = _integer("qty", qty), _integer("display", display)
        if peak < 0:
            raise ValueError(f"display must be >= 0, got {peak}")
        flags = POST_ONLY * bool(post_only) | HIDDEN * bool(hidden)
        index = self._book(book)
        order_id = self._ask(
            NEW, index, side=int(side), price=ticks, qty=shares, kind=kind, tif=tif, flags=flags, peak=peak
        )
        if order_id:
            name = self._names[index]
            self.knowledge.orders[order_id] = OpenOrder(
                order_id, name, int(side), ticks, shares, order_type, self.now_ns
            )
        return order_id

    def cancel(self, order_id: int) -> None:
        """Ask for an order to be cancelled."""
        self._request(CANCEL, order_id, 0, 0)

    def replace(self, order_id: int, price: int, qty: int) -> None:
        """Ask for another price or open size of an order; only a smaller size alone keeps its place in the queue."""
        self._request(REPLACE, order_id, _integer("price", price), _integer("qty", qty))

    def reduce(self, order_id: int, qty: int) -> None:
        """Ask for `qty` shares to be taken off an order, which keeps its place in the queue."""
        self._request(REDUCE, order_id, 0, _integer("qty", qty))

    def cancel_all(self, book: str = "") -> None:
        """Ask for all orders that rest in a book to be cancelled."""
        self._ask(CANCEL_ALL, self._book(book))

    def _request(self, request: int, order_id: int, price: int, qty: int) -> None:
        order = self.knowledge.orders.get(_integer("order_id", order_id, 64))
        book = self._book("") if order is None else self._names.index(order.book)
        self._ask(request, book, order_id=int(order_id), price=price, qty=qty)

    def _ask(self, request: int, book: int, **fields: int) -> int:
        return self._batch.request(self._row, request=request, agent=self.agent, book=book, **fields)

    # ---------------------------------------------------------------- what the market tells it

    def watch(self) -> None:
        """Begin to follow the strategy's books, from the first view on that has not reached it."""
        before = sum(len(agent.follows) for agent in self._batch.externals[: self.external])
        for place, index in enumerate(self._books, start=before):
            watch = self._world.watches[place]
            self.view_of(self._names[index])
            seen = self._world.sessions[self.agent, index]["last"][FEED]
            ring, first = self._world.feed[index], int(self._world.books[index]["feed_count"])
            while first > 0 and ring[(first - 1) % len(ring)]["time"] > seen:
                first -= 1
            watch["agent"], watch["book"] = self.agent, index
            # A view is compared with the one before it, and the very first has none.
            watch["next"], watch["arrival"] = max(first, 1), NEVER
        self._watched = frozenset(self._books)

    def receive_view(self, watch: Any) -> View:
        """Take in the view that arrives now and let its successor follow; `watch` (WATCH) changes in place."""
        index = int(watch["book"])
        ring = self._world.feed[index]
        view = self._see(index, ring[int(watch["next"]) % len(ring)])
        watch["next"] += 1
        watch["arrival"] = NEVER
        return view

    def receive_report(self, row: np.void) -> Report:
        """Take in a report: a RECEIVED record."""
        report = Report(
            REPORT_KINDS[row["kind"]],
            REASON_NAMES[row["reason"]],
            int(row["order_id"]),
            self._names[row["book"]],
            int(row["side"]),
            int(row["price"]),
            int(row["qty"]),
            int(row["remaining"]),
            self.units.dollars(row["fee"]),
            bool(row["maker"]),
            int(row["time"]),
            int(row["delivered"]),
        )
        self._follow_order(report)
        return report

    def restore(self, knowledge: Knowledge, *, watches: bool) -> None:
        """Know what was known at a snapshot, and follow the books where the strategy did then."""
        self.knowledge = knowledge.copy()
        self._watched = frozenset(self._books) if watches else frozenset()

    def _follow_order(self, report: Report) -> None:
        orders = self.knowledge.orders
        order = orders.get(report.order_id)
        if order is None:
            return
        if report.remaining == 0 and report.kind != "ack":
            del orders[report.order_id]
            return
        price = order.price if report.kind == "partial" else report.price
        orders[report.order_id] = order._replace(price=price, qty=report.remaining, is_acknowledged=True)

    def _see(self, index: int, record: np.void) -> View:
        view = view_of(record, self._names[index])
        self.knowledge.views[index] = (view, self.now_ns)
        return view

    def _book(self, name: str) -> int:
        if not name:
            return self._books[0]
        if name not in self._names:
            raise ValueError(f"book: {name!r} is not one of {', '.join(self._names)}")
        return self._names.index(name)


def _integer(name: str, value: object, bits: int = 32) -> int:
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name} must be an int, got {value!r}")
    if not -(1 << bits - 1) <= value < 1 << bits - 1:
        raise ValueError(f"{name} must fit {bits} bits, got {value!r}")
    return int(value)


def _code(name: str, value: str, allowed: tuple[str, ...]) -> int:
    if value not in allowed:
        raise ValueError(f"{name}: {value!r} is not one of {', '.join(allowed)}")
    return allowed.index(value)
