"""A slow and obvious exchange for one book, written from the rules of trading, to hold the compiled one to.

Everything is lists, dicts and objects; a best price is found by looking at all prices. Prices are ticks, an empty side
has the best price None, side is +1 bid / -1 ask, money is milliticks x shares, time is ns. Codes of reports, of reasons
and of order types are the market's own; no rule is taken from it.

The rules, in the order in which a message meets them:

1. A new order is refused when the book is halted or closed, its sender's rate limit is used up, its size is not
   positive, its price is outside the window, its type is not allowed to the sender, or position + open shares + size of
   that side would exceed the sender's inventory cap. A market order is worth any price of the window. A peg without a
   reference price is refused, and so is a post-only order that would execute. The rest is acknowledged.
2. It executes against the best price first, there against displayed orders first, there in order of arrival. An iceberg
   that has sold its displayed part goes to the back of the displayed queue with its next. A fill-or-kill order executes
   wholly or not at all. Two orders of one owner never trade when that owner wants self-trade prevention. A trade
   further from the trailing reference price than the band halts the book instead.
3. What is left rests, if it is good till cancelled, neither a market order nor stopped by rule 2; else it is cancelled.
4. Pegged orders whose reference moved follow it, those waiting longest first, and go to the back of the queue; they
   execute where they can. They stand still while the book is halted.
5. The window of prices is centred anew when the mid has left its middle half; orders outside it are cancelled.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import NamedTuple

from lobenv.market.tables import (
    ACK,
    CANCELLED,
    CLOSED,
    FILL,
    FOK,
    GTC,
    HALTED,
    LIMIT,
    MARKET,
    OPEN,
    PARTIAL,
    PEG_PRIMARY,
    REJECTED,
    REPLACED,
    STP_CANCEL_BOTH,
    STP_CANCEL_NEWEST,
    STP_CANCEL_OLDEST,
    STP_OFF,
)
from lobenv.tape.reasons import (
    REASON_BAD_QUANTITY,
    REASON_CLOSED,
    REASON_HALTED,
    REASON_LIMIT_BREACHED,
    REASON_NO_REFERENCE,
    REASON_NONE,
    REASON_NOT_FILLABLE,
    REASON_ON_REQUEST,
    REASON_ORDER_TYPE,
    REASON_OUT_OF_WINDOW,
    REASON_PRICE_BAND,
    REASON_RATE_LIMIT,
    REASON_SELF_TRADE,
    REASON_TABLE_FULL,
    REASON_UNFILLED,
    REASON_UNKNOWN_ORDER,
    REASON_WOULD_CROSS,
    REASON_WRONG_OWNER,
)

SECOND = 1_000_000_000


class Rules(NamedTuple):
    """Rules of a book.

    Attributes:
        base: Lowest price of the window [ticks].
        width: Prices in the window.
        capacity: Orders that may be live at once.
        maker_fee: Of the resting side [milliticks a share].
        taker_fee: Of the aggressor [milliticks a share].
        maker_ppm: Of the resting side [millionths of the value].
        taker_ppm: Of the aggressor [millionths of the value].
        band: Allowed distance of a trade from the reference [ticks]; 0 for any.
        pause: Length of a halt [ns].
        memory: Time constant of the reference [ns].
    """

    base: int
    width: int
    capacity: int
    maker_fee: int = 0
    taker_fee: int = 0
    maker_ppm: int = 0
    taker_ppm: int = 0
    band: int = 0
    pause: int = 0
    memory: int = 1


class Trader(NamedTuple):
    """What a trader may do: inventory cap [shares], messages a second, bits of order types; 0 for no limit."""

    cap: int = 0
    rate: int = 0
    allowed: int = 0
    stp: int = STP_OFF


class Report(NamedTuple):
    """An execution report."""

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


@dataclass(eq=False)
class Order:
    """An order; an iceberg's open shares are `qty` displayed ones and `reserve` others."""

    id: int
    owner: int
    side: int
    price: int
    qty: int
    kind: int
    tif: int
    post_only: bool
    hidden: bool
    peak: int
    limit: int
    reserve: int = 0

    @property
    def is_displayed(self) -> bool:
        return not self.hidden and self.kind in (LIMIT, MARKET)

    @property
    def left(self) -> int:
        return self.qty + self.reserve


@dataclass
class Account:
    """A trader's account, and its resting orders in the order in which they came to rest."""

    position: int = 0
    cash: int = 0
    fees: int = 0
    cost: int = 0
    volume: int = 0
    maker_volume: int = 0
    rejected: int = 0
    resting: list[Order] = field(default_factory=list)
    second: int = 0
    messages: int = 0

    def open_qty(self, side: int) -> int:
        return sum(order.left for order in self.resting if order.side == side)

    def trade(self, side: int, price: int, qty: int, fee: int) -> None:
        opposite = min(qty, abs(self.position)) if self.position * side < 0 else 0
        if opposite:
            self.cost -= self.cost // abs(self.position) * opposite
            if opposite == abs(self.position):
                self.cost = 0
        self.cost += side * (qty - opposite) * price * 1000
        self.position += side * qty
        self.cash -= side * qty * price * 1000
        self.fees += fee
        self.volume += qty


@dataclass
class Queue:
    """The orders at one price."""

    displayed: list[Order] = field(default_factory=list)
    hidden: list[Order] = field(default_factory=list)

    def of(self, order: Order) -> list[Order]:
        return self.displayed if order.is_displayed else self.hidden

    def first(self) -> Order:
        return (self.displayed + self.hidden)[0]


class Exchange:
    """One book, its traders' accounts, and the reports since `reports` was last emptied."""

    def __init__(self, rules: Rules, traders: list[Trader]) -> None:
        self.rules, self.traders = rules, traders
        self.accounts = [Account() for _ in traders]
        self.reports: list[Report] = []
        self.queues: dict[int, dict[int, Queue]] = {1: {}, -1: {}}
        self.orders: dict[int, Order] = {}
        self.pegged: list[Order] = []
        self.state, self.now, self.issued = CLOSED, 0, 0
        self.base = rules.base
        self.last_price = rules.base + rules.width // 2
        self.reference: float | None = None
        self.reference_time, self.standing_mid, self.resumes = 0, None, 0
        self.halts = self.revenue = self.trades = self.buy_volume = self.sell_volume = 0
        self.book_changed = False

    # ------------------------------------------------------------ looking

    def best(self, side: int, *, displayed: bool = False) -> int | None:
        """Best price of a side, of all orders or of the displayed ones."""
        prices = [p for p, queue in self.queues[side].items() if queue.displayed or (queue.hidden and not displayed)]
        if not prices:
            return None
        return max(prices) if side > 0 else min(prices)

    def in_window(self, price: int) -> bool:
        return self.base <= price < self.base + self.rules.width

    def crosses(self, order: Order) -> bool:
        other = self.best(-order.side)
        return other is not None and order.side * (order.price - other) >= 0

    def twice_mid(self) -> int:
        bid, ask = self.best(1, displayed=True), self.best(-1, displayed=True)
        if bid is None and ask is None:
            return 2 * self.last_price
        return (ask if bid is None else bid) + (bid if ask is None else ask)  # type: ignore[operator]

    def peg_price(self, order: Order) -> int | None:
        bid, ask = self.best(1, displayed=True), self.best(-1, displayed=True)
        own = bid if order.side > 0 else ask
        if order.kind == PEG_PRIMARY:
            target = own
        elif bid is None or ask is None:
            target = None
        else:
            target = (bid + ask) // 2 if order.side > 0 else -(-(bid + ask) // 2)
        if target is None:
            return None
        return min(target, order.limit) if order.side > 0 else max(target, order.limit)

    # ------------------------------------------------------------ time

    def open(self) -> None:
        self.state = OPEN
        self.book_changed = True
        self._settle()

    def advance(self, now: int) -> None:
        """Let time pass; a halt may end on the way."""
        if self.state == HALTED and self.resumes <= now:
            self.now = self.reference_time = self.resumes
            self.state = OPEN
            self.book_changed = True
            self._settle()
        self.now = now

    # ------------------------------------------------------------ messages

    def order(self, owner, side, price, qty, kind, tif, post_only, hidden, peak) -> int:
        """A new order arrives; its id, 0 where the table of orders is full."""
        if len(self.orders) == self.rules.capacity:
            self.accounts[owner].rejected += 1
            self.reports.append(Report(owner, 0, REJECTED, REASON_TABLE_FULL, side, price, qty, 0, 0, 0))
            return 0
        self.issued += 1
        order = Order(self.issued, owner, side, price, qty, kind, tif, post_only, hidden, peak, price)
        reason = self._reason_to_refuse(order)
        if reason != REASON_NONE:
            self.accounts[owner].rejected += 1
            self._report_end(order, REJECTED, reason)
            return order.id
        self._report(order, ACK)
        if tif == FOK and not self._can_fill(order):
            self._report_end(order, CANCELLED, REASON_NOT_FILLABLE)
            return order.id
        self._match_and_rest(order)
        self._settle()
        return order.id

    def cancel(self, owner: int, order_id: int) -> None:
        order = self._own_order(owner, order_id)
        if order is not None:
            self._remove(order, REASON_ON_REQUEST)
        self._settle()

    def cancel_all(self, owner: int) -> None:
        for order in reversed(self.accounts[owner].resting[:]):
            self._remove(order, REASON_ON_REQUEST)
        self._settle()

    def reduce(self, owner: int, order_id: int, qty: int) -> None:
        order = self._order_to_change(owner, order_id, qty)
        if order is not None and qty >= order.left:
            self._remove(order, REASON_ON_REQUEST)
        elif order is not None:
            self._lower(order, qty)
            self._report(order, REPLACED)
        self._settle()

    def replace(self, owner: int, order_id: int, price: int, qty: int) -> None:
        order = self._order_to_change(owner, order_id, qty)
        if order is None:
            return
        if price == order.price and qty <= order.left:
            self._lower(order, order.left - qty)
            self._report(order, REPLACED)
        else:
            self._move(order, price, qty)
        self._settle()

    # ------------------------------------------------------------ checks

    def _reason_to_refuse(self, order: Order) -> int:
        trader, account = self.traders[order.owner], self.accounts[order.owner]
        if self.state != OPEN:
            return REASON_HALTED if self.state == HALTED else REASON_CLOSED
        if not self._within_rate(order.owner):
            return REASON_RATE_LIMIT
        if order.qty <= 0:
            return REASON_BAD_QUANTITY
        if order.kind == LIMIT and not self.in_window(order.price):
            return REASON_PRICE_BAND
        if trader.allowed and not trader.allowed & (1 << order.kind):
            return REASON_ORDER_TYPE
        exposure = order.side * account.position + account.open_qty(order.side) + order.qty
        if trader.cap and exposure > trader.cap:
            return REASON_LIMIT_BREACHED
        return self._reason_of_price(order)

    def _reason_of_price(self, order: Order) -> int:
        if order.kind == MARKET:
            order.price = self.base + self.rules.width - 1 if order.side > 0 else self.base
        elif order.kind != LIMIT:
            target = self.peg_price(order)
            if target is None:
                return REASON_NO_REFERENCE
            if not self.in_window(target):
                return REASON_PRICE_BAND
            order.price = target
        return REASON_WOULD_CROSS if order.post_only and self.crosses(order) else REASON_NONE

    def _within_rate(self, owner: int) -> bool:
        account, rate = self.accounts[owner], self.traders[owner].rate
        if account.second != self.now // SECOND:
            account.second, account.messages = self.now // SECOND, 0
        account.messages += 1
        return rate == 0 or account.messages <= rate

    def _own_order(self, owner: int, order_id: int) -> Order | None:
        order = self.orders.get(order_id)
        if order is not None and order.owner == owner:
            return order
        reason = REASON_UNKNOWN_ORDER if order is None else REASON_WRONG_OWNER
        self.accounts[owner].rejected += 1
        self.reports.append(Report(owner, order_id, REJECTED, reason, 0, 0, 0, 0, 0, 0))
        return None

    def _order_to_change(self, owner: int, order_id: int, qty: int) -> Order | None:
        order = self._own_order(owner, order_id)
        if order is None:
            return None
        if not self._within_rate(owner):
            return self._refuse(order, REASON_RATE_LIMIT)
        if qty <= 0:
            return self._refuse(order, REASON_BAD_QUANTITY)
        return order

    def _refuse(self, order: Order, reason: int) -> None:
        self.accounts[order.owner].rejected += 1
        self._report(order, REJECTED, reason)

    # ------------------------------------------------------------ changing a resting order

    def _lower(self, order: Order, qty: int) -> None:
        from_reserve = min(qty, order.reserve)
        order.reserve -= from_reserve
        order.qty -= qty - from_reserve
        if order.is_displayed and qty > from_reserve:
            self.book_changed = True

    def _move(self, order: Order, price: int, qty: int) -> None:
        account, cap = self.accounts[order.owner], self.traders[order.owner].cap
        growth = qty - order.left
        moved = copy.copy(order)
        moved.price, moved.qty, moved.reserve = price, qty, 0
        exposure = order.side * account.position + account.open_qty(order.side) + growth
        reason = REASON_NONE
        if self.state != OPEN:
            reason = REASON_HALTED if self.state == HALTED else REASON_CLOSED
        elif order.kind != LIMIT:
            reason = REASON_ORDER_TYPE
        elif not self.in_window(price):
            reason = REASON_PRICE_BAND
        elif growth > 0 and cap and exposure > cap:
            reason = REASON_LIMIT_BREACHED
        elif order.post_only and self.crosses(moved):
            reason = REASON_WOULD_CROSS
        if reason != REASON_NONE:
            self._refuse(order, reason)
            return
        self._leave(order)
        self._report(moved, REPLACED)
        self._match_and_rest(moved)

    # ------------------------------------------------------------ trading

    def _can_fill(self, order: Order) -> bool:
        trial, copied = copy.deepcopy((self, order))
        trial._take(copied)
        return copied.qty == 0

    def _match_and_rest(self, order: Order) -> None:
        reason = self._take(order)
        if order.qty == 0:
            return
        if reason != REASON_NONE:
            self._report_end(order, CANCELLED, reason)
        elif order.tif != GTC or order.kind == MARKET:
            self._report_end(order, CANCELLED, REASON_UNFILLED)
        else:
            self._rest(order)

    def _take(self, order: Order) -> int:
        while order.qty > 0 and self.crosses(order):
            price = self.best(-order.side)
            assert price is not None
            resting = self.queues[-order.side][price].first()
            rule = self.traders[order.owner].stp
            if resting.owner == order.owner and rule != STP_OFF:
                if rule in (STP_CANCEL_OLDEST, STP_CANCEL_BOTH):
                    self._remove(resting, REASON_SELF_TRADE)
                if rule in (STP_CANCEL_NEWEST, STP_CANCEL_BOTH):
                    return REASON_SELF_TRADE
            elif self.rules.band and self.reference is not None and abs(price - self.reference) > self.rules.band:
                self._halt(price)
                return REASON_HALTED
            else:
                self._trade(order, resting)
        return REASON_NONE

    def _halt(self, price: int) -> None:
        self.state, self.resumes, self.reference = HALTED, self.now + self.rules.pause, float(price)
        self.halts += 1
        self.book_changed = True

    def _trade(self, order: Order, resting: Order) -> None:
        price, rules = resting.price, self.rules
        qty = self._fill(order, resting)
        value = price * qty * 1000
        taker_fee = rules.taker_fee * qty + rules.taker_ppm * value // 1_000_000
        maker_fee = rules.maker_fee * qty + rules.maker_ppm * value // 1_000_000
        self.accounts[order.owner].trade(order.side, price, qty, taker_fee)
        self.accounts[resting.owner].trade(resting.side, price, qty, maker_fee)
        self.accounts[resting.owner].maker_volume += qty
        self.revenue += taker_fee + maker_fee
        self.trades, self.last_price, self.book_changed = self.trades + 1, price, True
        self.buy_volume += qty if order.side > 0 else 0
        self.sell_volume += qty if order.side < 0 else 0
        self._report_trade(order, order.qty, price, qty, taker_fee, 0)
        self._report_trade(resting, resting.left, price, qty, maker_fee, 1)
        if resting.qty == 0:
            self._leave(resting)

    def _fill(self, order: Order, resting: Order) -> int:
        """Fill both, and on from peak to peak as long as an iceberg has nobody behind it; the shares traded."""
        traded = 0
        is_alone = self.queues[resting.side][resting.price].displayed == [resting]
        while order.qty > 0 and resting.qty > 0:
            qty = min(order.qty, resting.qty)
            order.qty, resting.qty, traded = order.qty - qty, resting.qty - qty, traded + qty
            if resting.qty == 0 and resting.reserve > 0:
                self._refresh(resting)
                if not is_alone:
                    break
        return traded

    def _refresh(self, order: Order) -> None:
        queue = self.queues[order.side][order.price].displayed
        queue.remove(order)
        order.qty = min(order.peak, order.reserve)
        order.reserve -= order.qty
        queue.append(order)

    # ------------------------------------------------------------ coming and going

    def _rest(self, order: Order) -> None:
        if order.is_displayed:
            self.book_changed = True
            if 0 < order.peak < order.qty:
                order.qty, order.reserve = order.peak, order.qty - order.peak
        elif order.kind != LIMIT:
            self.pegged.append(order)
        self.queues[order.side].setdefault(order.price, Queue()).of(order).append(order)
        self.accounts[order.owner].resting.append(order)
        self.orders[order.id] = order

    def _leave(self, order: Order) -> None:
        self.queues[order.side][order.price].of(order).remove(order)
        self.accounts[order.owner].resting.remove(order)
        del self.orders[order.id]
        if order in self.pegged:
            self.pegged.remove(order)
        if order.is_displayed:
            self.book_changed = True

    def _remove(self, order: Order, reason: int) -> None:
        self._leave(order)
        self._report_end(order, CANCELLED, reason)

    # ------------------------------------------------------------ after every message that changed what is displayed

    def _settle(self) -> None:
        if not self.book_changed:
            return
        self._reprice()
        self._slide()
        self._follow_reference()
        self.book_changed = False

    def _reprice(self) -> None:
        while self.state == OPEN:
            order = next((order for order in self.pegged if self._is_misplaced(order)), None)
            if order is None:
                return
            self._leave(order)
            order.price = self.peg_price(order) or 0
            if order.post_only and self.crosses(order):
                self._report_end(order, CANCELLED, REASON_WOULD_CROSS)
            else:
                self._match_and_rest(order)

    def _is_misplaced(self, order: Order) -> bool:
        target = self.peg_price(order)
        return target is not None and target != order.price and self.in_window(target)

    def _slide(self) -> None:
        width, middle = self.rules.width, self.base + self.rules.width / 2
        mid = self.twice_mid() / 2
        if abs(mid - middle) <= width / 4:
            return
        base = max(int(mid // 1) - width // 2, 1)
        for price in range(self.base, self.base + width):
            if not base <= price < base + width:
                for side in (1, -1):
                    queue = self.queues[side].get(price, Queue())
                    for order in queue.displayed + queue.hidden:
                        self._remove(order, REASON_OUT_OF_WINDOW)
        self.base = base

    def _follow_reference(self) -> None:
        """The reference trails the mid that stood since the last change; time with an empty side does not count."""
        bid, ask = self.best(1, displayed=True), self.best(-1, displayed=True)
        if self.rules.band and self.state == OPEN:
            elapsed = self.now - self.reference_time
            if self.reference is None:
                self.reference = self.twice_mid() / 2
            elif self.standing_mid is not None:
                self.reference += (self.standing_mid - self.reference) * elapsed / (elapsed + self.rules.memory)
            self.reference_time = self.now
        self.standing_mid = None if bid is None or ask is None else (bid + ask) / 2

    # ------------------------------------------------------------ reports

    def _report(self, order: Order, kind: int, reason: int = REASON_NONE) -> None:
        self.reports.append(Report(order.owner, order.id, kind, reason, order.side, order.price, 0, order.left, 0, 0))

    def _report_end(self, order: Order, kind: int, reason: int) -> None:
        self.reports.append(Report(order.owner, order.id, kind, reason, order.side, order.price, order.left, 0, 0, 0))

    def _report_trade(self, order: Order, remaining: int, price: int, qty: int, fee: int, maker: int) -> None:
        kind = FILL if remaining == 0 else PARTIAL
        self.reports.append(
            Report(order.owner, order.id, kind, REASON_NONE, order.side, price, qty, remaining, fee, maker)
        )
