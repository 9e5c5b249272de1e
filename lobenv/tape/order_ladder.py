"""A book of orders at price levels that is brought to what an orderbook file shows, by records it writes down itself.

Orders that the messages name keep their id. Quantity that is known only from the orderbook file stands in the queue as
orders of our own, with ids below every recorded one; each change made on our own account is a `Supplied` record.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from dataclasses import dataclass, field
from typing import NamedTuple

from lobenv.tape.schema import ADD, DELETE, EXECUTE, REDUCE


class Supplied(NamedTuple):
    """A record that no message file holds."""

    row: int  # the message it precedes
    kind: int
    order_id: int
    side: int
    price: int
    qty: int


@dataclass
class Level:
    """Orders at one price, in the order of their queue."""

    total: int = 0
    orders: dict[int, int] = field(default_factory=dict)


class LadderSide:
    """One side of the book; a level's rank, -side * price, is lower the better it is."""

    def __init__(self, side: int) -> None:
        self.side = side
        self.levels: dict[int, Level] = {}
        self.ranks: list[int] = []

    def total(self, price: int) -> int:
        """Quantity at a price, 0 if there is no level."""
        level = self.levels.get(price)
        return level.total if level is not None else 0

    def rest(self, order_id: int, price: int, qty: int) -> None:
        """Put an order at the back of its price's queue."""
        level = self.levels.get(price)
        if level is None:
            level = self.levels[price] = Level()
            insort(self.ranks, -self.side * price)
        level.orders[order_id] = qty
        level.total += qty

    def take(self, order_id: int, price: int, qty: int) -> int:
        """Take quantity from an order; returns what is left of it."""
        level = self.levels[price]
        left = level.orders[order_id] - qty
        level.total -= qty
        if left:
            level.orders[order_id] = left
            return left
        del level.orders[order_id]
        if not level.orders:
            del self.levels[price]
            del self.ranks[bisect_left(self.ranks, -self.side * price)]
        return 0

    def prices_to(self, rank: float) -> list[int]:
        """Prices of the levels up to and including a rank, best first."""
        return [-self.side * r for r in self.ranks[: bisect_right(self.ranks, rank)]]


class OrderLadder:
    """Both sides, where each order rests, and the records supplied so far.

    Args:
        last_rows: For each recorded order id the last message that names it.
        first_own_id: Own orders get this id and those below; no recorded id may be as low.
    """

    def __init__(self, last_rows: dict[int, int], first_own_id: int) -> None:
        self.sides = {1: LadderSide(1), -1: LadderSide(-1)}
        self.places: dict[int, tuple[int, int]] = {}  # order id -> (side, price)
        self.supplied: list[Supplied] = []
        self.row = 0
        self.ghosts = 0
        self.exchanged = 0
        self._last_rows = last_rows
        self._first_own_id = first_own_id
        self._next_own_id = first_own_id

    def apply(self, kind: int, order_id: int, side: int, price: int, qty: int) -> tuple[int, int]:
        """Apply a message at the level it names, which must hold enough; returns the kind and order id to record."""
        if kind == ADD:
            if order_id in self.places:
                self._exchange([(order_id, self._quantity(order_id))], 0, *self.places[order_id])
            self._rest(order_id, side, price, qty)
            return kind, order_id
        order_id = self._order_to_act_on(kind, order_id, side, price, qty)
        left = self._take(order_id, qty)
        if kind == EXECUTE:
            return kind, order_id
        return (REDUCE if left else DELETE), order_id

    def set_level(self, side: int, price: int, target: int) -> None:
        """Bring a level to the quantity the file shows.

        A level that had to be set right was out of sight for a while. Orders there that no later message names were
        most likely cancelled meanwhile: they go first, and what is then missing is adopted at the back of the queue.
        (Keeping them when the quantity allows it leaves them in front of orders that are executed before them.)
        """
        surplus = self.sides[side].total(price) - target
        for order_id, qty in self._likely_gone_first(side, price):
            part = qty if self._is_silent(order_id) else min(qty, surplus)
            if part <= 0:
                break
            self.ghosts += 1
            self._withdraw(order_id, part)
            surplus -= part
        if surplus < 0:
            self._supply(side, price, -surplus)

    def _order_to_act_on(self, kind: int, order_id: int, side: int, price: int, qty: int) -> int:
        """The order a removal is recorded against: the one it names, if that rests here with the right quantity."""
        if self.places.get(order_id) != (side, price):
            return self._stand_in(side, price, qty)
        resting = self._quantity(order_id)
        if resting < qty:
            return self._exchange([(order_id, resting)], qty - resting, side, price)
        if kind == DELETE and resting > qty:
            self._exchange([(order_id, resting - qty)], 0, side, price)
        return order_id

    def _stand_in(self, side: int, price: int, qty: int) -> int:
        """An own order of at least this quantity, for a message about an order that no ADD has brought."""
        level = self.sides[side].levels.get(price)
        for order_id, resting in level.orders.items() if level else ():
            if self._is_own(order_id) and resting >= qty:
                return order_id
        return self._exchange([], qty, side, price)

    def _exchange(self, orders: list[tuple[int, int]], more: int, side: int, price: int) -> int:
        """Replace quantities of `orders`, and `more` from others of their level, by one own order; returns its id."""
        given = list(orders)
        named = {order_id for order_id, _ in orders}
        own_first = sorted(self._likely_gone_first(side, price), key=lambda order: not self._is_own(order[0]))
        for order_id, resting in own_first:
            if more <= 0:
                break
            if order_id not in named:
                given.append((order_id, resting if self._is_own(order_id) else min(resting, more)))
                more -= given[-1][1]
        for order_id, part in given:
            self.exchanged += 1
            self._withdraw(order_id, part)
        return self._supply(side, price, sum(part for _, part in given))

    def _likely_gone_first(self, side: int, price: int) -> list[tuple[int, int]]:
        """Orders (id, quantity) of a level: silent ones, oldest first; own ones; then the others, newest first."""
        level = self.sides[side].levels.get(price)
        orders = list(level.orders.items()) if level else []
        own = [order for order in orders if self._is_own(order[0])]
        silent = [order for order in orders if self._is_silent(order[0])]
        others = [order for order in reversed(orders) if not (self._is_own(order[0]) or self._is_silent(order[0]))]
        return silent + own + others

    def _is_own(self, order_id: int) -> bool:
        return order_id <= self._first_own_id

    def _is_silent(self, order_id: int) -> bool:
        """Whether a recorded order is named by no message from the present one on."""
        return not self._is_own(order_id) and self._last_rows.get(order_id, -1) < self.row

    def _supply(self, side: int, price: int, qty: int) -> int:
        order_id = self._next_own_id
        self._next_own_id -= 1
        self._rest(order_id, side, price, qty)
        self.supplied.append(Supplied(self.row, ADD, order_id, side, price, qty))
        return order_id

    def _withdraw(self, order_id: int, qty: int) -> None:
        side, price = self.places[order_id]
        left = self._take(order_id, qty)
        self.supplied.append(Supplied(self.row, REDUCE if left else DELETE, order_id, side, price, qty))

    def _quantity(self, order_id: int) -> int:
        side, price = self.places[order_id]
        return self.sides[side].levels[price].orders[order_id]

    def _rest(self, order_id: int, side: int, price: int, qty: int) -> None:
        self.sides[side].rest(order_id, price, qty)
        self.places[order_id] = (side, price)

    def _take(self, order_id: int, qty: int) -> int:
        side, price = self.places[order_id]
        left = self.sides[side].take(order_id, price, qty)
        if not left:
            del self.places[order_id]
        return left
