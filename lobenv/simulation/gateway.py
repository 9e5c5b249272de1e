"""What a strategy acts through: it tells what has reached the strategy, and sends its orders."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, NoReturn, TypedDict, TypeGuard, Unpack

import numpy as np

from lobenv.engine.requests import NEW
from lobenv.market.tables import CANCEL, CANCEL_ALL, HIDDEN, POST_ONLY, REDUCE, REPLACE
from lobenv.registry import did_you_mean
from lobenv.settings import SECOND, shortened
from lobenv.simulation.records import ORDER_TYPES, TIMES_IN_FORCE, Depth, OpenOrder, View, depth_of
from lobenv.simulation.strategy import Terms
from lobenv.simulation.units import Units

if TYPE_CHECKING:
    from lobenv.engine.batch import Batch
    from lobenv.simulation.delivery import Delivery


class OrderTerms(TypedDict, total=False):
    """What an order may say beyond its type, as in `Gateway.send`."""

    time_in_force: str
    post_only: bool
    hidden: bool
    display: int
    book: str


class Gateway:
    """A strategy's access to the market: prices in ticks, quantities in shares, times in ns since the first instant.

    Everything it tells has reached the strategy. Whatever it sends leaves `computation_us` later and arrives a link's
    delay after that, or never where the link loses it. What is not told a book means the home book.
    """

    def __init__(self, batch: Batch, row: int, terms: Terms, delivery: Delivery) -> None:
        self.terms = terms
        self._delivery = delivery
        self._units = Units(batch.scenario.tick_size)
        self._batch, self._row = batch, row
        self._world = batch.market(row)
        self._own = self._world.externals[delivery.external]
        self._accounts = self._world.accounts[delivery.agent]
        self._names = [book.name for book in batch.scenario.books]
        self._home = terms.books_in(batch.scenario)[0]

    def __repr__(self) -> str:
        return f"<Gateway of {self.terms.name} at {self.now_ns / SECOND:.6f} s>"

    def __deepcopy__(self, memo: dict[int, object]) -> Gateway:
        """A gateway belongs to its market: the copy of a strategy that kept it acts through the same one."""
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Gateway cannot be pickled: a strategy should not keep it, every callback is handed it")

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
        return dict(self._delivery.knowledge.orders)

    def position_in(self, book: str = "") -> int:
        """Shares held in a book, as reported."""
        return int(self._accounts[self._book(book)]["known_position"])

    def cash_in(self, book: str = "") -> float:
        """Cash from trading in a book, after fees, as reported [$]."""
        return self._units.dollars(self._accounts[self._book(book)]["known_cash"])

    def view_of(self, book: str = "") -> View:
        """The touch of a book: the last one delivered, or what the feed has by now where nothing is delivered."""
        return self._delivery.look(self._book(book))

    def depth(self) -> Depth:
        """Displayed levels of the home book, as photographed for the last `on_timer` (or `on_start`).

        Raises:
            ValueError: The strategy has no timer.
        """
        own = self._own
        if own["interval"] == 0:
            raise ValueError("depth: is photographed for timers, set timer_interval_s > 0")
        last = min((self.now_ns - int(own["first_decision"])) // int(own["interval"]), int(own["capture"]) - 1)
        captures = self._world.captures[self._delivery.external]
        return depth_of(captures[last % len(captures)], self._names[self._home])

    def to_ticks(self, price: float) -> int:
        """The whole number of ticks nearest to a price in $."""
        return self._units.to_ticks(price)

    def to_price(self, ticks: float) -> float:
        """A price in ticks as one in $."""
        return self._units.to_price(ticks)

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
            TypeError: A price or quantity is no whole number: `to_ticks` makes whole ticks of $.
            ValueError: There is no such side, type, time in force or book, or a number does not fit a message.
        """
        if not _is_whole(side) or side not in (1, -1):
            raise ValueError(f"side must be +1 (buy) or -1 (sell), got {shortened(side)}")
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
            self._delivery.knowledge.orders[order_id] = OpenOrder(
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
        order = self._delivery.knowledge.orders.get(_integer("order_id", order_id, 64))
        book = self._book("") if order is None else self._names.index(order.book)
        self._ask(request, book, order_id=int(order_id), price=price, qty=qty)

    def _ask(self, request: int, book: int, **fields: int) -> int:
        return self._batch.request(self._row, request=request, agent=self._delivery.agent, book=book, **fields)

    def _book(self, name: str) -> int:
        if not name:
            return self._home
        if name not in self._names:
            raise ValueError(f"book: {name!r} is not one of {', '.join(self._names)}{did_you_mean(name, self._names)}")
        return self._names.index(name)


UNITS = {"price": " of ticks", "qty": " of shares", "display": " of shares"}


def _integer(name: str, value: object, bits: int = 32) -> int:
    if not _is_whole(value):
        hint = f"; market.to_ticks({value}) makes ticks of $" if name == "price" and _is_fraction(value) else ""
        raise TypeError(f"{name} must be a whole number{UNITS.get(name, '')}, got {shortened(value)}{hint}")
    if not -(1 << bits - 1) <= value < 1 << bits - 1:
        raise ValueError(f"{name} must fit {bits} bits, got {shortened(value)}")
    return int(value)


def _is_whole(value: object) -> TypeGuard[int | np.integer]:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _is_fraction(value: object) -> bool:
    return isinstance(value, float | np.floating) and isfinite(value)


def _code(name: str, value: str, allowed: tuple[str, ...]) -> int:
    if not isinstance(value, str) or value not in allowed:
        hint = did_you_mean(value, allowed)
        raise ValueError(f"{name}: {shortened(value)} is not one of {', '.join(allowed)}{hint}")
    return allowed.index(value)
