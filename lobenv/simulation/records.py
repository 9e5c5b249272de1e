"""What a strategy is shown: the touch and the depth of a book, reports, and its own open orders."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lobenv.market.tables import DEPTH

ORDER_TYPES = ("limit", "market", "peg_primary", "peg_midpoint")
TIMES_IN_FORCE = ("gtc", "ioc", "fok")
REPORT_KINDS = ("ack", "partial", "fill", "cancelled", "replaced", "rejected")
STATES = ("closed", "open", "halted")


class View(NamedTuple):
    """The touch of a book as it was published.

    Attributes:
        book: Name of the book.
        time_ns: When it was published; the age of the view is the present less this.
        bid: Best displayed bid [ticks]; None where there is none.
        ask: Best displayed ask [ticks]; None where there is none.
        bid_qty: Displayed there [shares].
        ask_qty: Displayed there [shares].
        last_price: Of the last trade [ticks]; the opening price before the first.
        trades: Executions so far.
        buy_volume: Buyer-initiated shares so far.
        sell_volume: Seller-initiated shares so far.
        state: "closed", "open" or "halted".
    """

    book: str
    time_ns: int
    bid: int | None
    ask: int | None
    bid_qty: int
    ask_qty: int
    last_price: int
    trades: int
    buy_volume: int
    sell_volume: int
    state: str

    @property
    def mid(self) -> float | None:
        """Middle of bid and ask [ticks]; None where a side is empty."""
        return None if self.bid is None or self.ask is None else (self.bid + self.ask) / 2

    @property
    def spread(self) -> int | None:
        """Ask less bid [ticks]; None where a side is empty."""
        return None if self.bid is None or self.ask is None else self.ask - self.bid


class Depth(NamedTuple):
    """Displayed levels near the touch, best first.

    Attributes:
        book: Name of the book.
        time_ns: When the book looked like this.
        bids: (price [ticks], shares) of every level within 10 ticks of the best.
        asks: The same of the other side.
    """

    book: str
    time_ns: int
    bids: tuple[tuple[int, int], ...]
    asks: tuple[tuple[int, int], ...]


class Report(NamedTuple):
    """An execution report, as it reached the strategy.

    Attributes:
        kind: "ack", "partial", "fill", "cancelled", "replaced" or "rejected".
        reason: Why, where it was cancelled or rejected; "none" otherwise.
        order_id: Of the order it is about.
        book: Name of the book.
        side: +1 bid, -1 ask; 0 where the order is not known.
        price: Of the execution, or of the order [ticks].
        qty: Executed, cancelled or rejected [shares].
        remaining: Still open after it [shares].
        fee: Of the execution, negative for a rebate [$].
        is_maker: Whether the order rested when it was executed.
        exchange_ns: When it was written at the exchange.
        delivered_ns: When it reached the strategy.
    """

    kind: str
    reason: str
    order_id: int
    book: str
    side: int
    price: int
    qty: int
    remaining: int
    fee: float
    is_maker: bool
    exchange_ns: int
    delivered_ns: int

    @property
    def is_fill(self) -> bool:
        """Whether it is about an execution, of part of the order or of all of it."""
        return self.kind in ("partial", "fill")


class OpenOrder(NamedTuple):
    """An order of a strategy, as far as the reports that have reached it tell.

    Attributes:
        order_id: Given at sending.
        book: Name of the book.
        side: +1 bid, -1 ask.
        price: As sent or last reported [ticks].
        qty: Open, as sent or last reported [shares].
        order_type: One of "limit", "market", "peg_primary", "peg_midpoint".
        sent_ns: When the strategy decided to send it.
        is_acknowledged: Whether any report about it has come; an order that a link lost stays without one.
    """

    order_id: int
    book: str
    side: int
    price: int
    qty: int
    order_type: str
    sent_ns: int
    is_acknowledged: bool = False


def view_of(record: np.void, book: str) -> View:
    """A VIEW record as a strategy sees it."""
    (bid, ask), (bid_qty, ask_qty) = record["price"].tolist(), record["qty"].tolist()
    return View(
        book,
        int(record["time"]),
        bid if bid_qty else None,
        ask if ask_qty else None,
        bid_qty,
        ask_qty,
        int(record["last_price"]),
        int(record["trades"]),
        int(record["buy_volume"]),
        int(record["sell_volume"]),
        STATES[record["state"]],
    )


def depth_of(record: np.void, book: str) -> Depth:
    """A CAPTURED record as a strategy sees it."""
    levels = [
        tuple((int(best) - sign * i, int(qtys[i])) for i in range(DEPTH) if qtys[i])
        for best, sign, qtys in zip(record["price"], (1, -1), record["depth"], strict=True)
    ]
    return Depth(book, int(record["time"]), levels[0], levels[1])
