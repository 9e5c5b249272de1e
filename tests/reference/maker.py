"""A market maker in plain Python, written from its documentation: what it sees, sends, may choose and is paid.

It keeps every view and every report that reached it and computes each number anew from all of them, in dollars, ticks,
lots and seconds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

SPOONER_PAIRS = ((1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (1, 3), (3, 1), (2, 5), (5, 2))
CLOSE_POSITION = 9
TICKS_BEHIND = (0, 1, 2, 3, 5, 8, 12)
LOTS = (1, 2, 3)
WINDOWS_S = (1, 5, 30)
BID, ASK = 1, -1
SIDES = (BID, ASK)

NEW_QUOTE, MARKET, MOVE, CANCEL = "new quote", "market order", "move", "cancel"
ACCEPTED, PARTLY_FILLED, FILLED, CANCELLED, MOVED, REFUSED = range(6)  # what a report can say


@dataclass(frozen=True)
class Terms:
    """What a maker is told before the session."""

    action: str
    reward: str
    lot: int  # shares
    cap: int  # shares
    timeout_ns: int
    max_offset: float  # ticks
    interval_s: float
    session_s: float
    decisions: int
    tick: float  # $
    inventory_aversion: float  # $ per lot^2 per s
    terminal_aversion: float  # $ per lot^2
    dampening: float


class View(NamedTuple):
    """The book as it was when the view left the exchange; the first price and depth are the bid's."""

    time_ns: int
    price: tuple[int, int]  # best [ticks]
    depth: tuple[tuple[int, ...], tuple[int, ...]]  # shares at 0, 1, … 4 ticks from the best; all 0 on an empty side
    bought: int  # shares that aggressors have bought since the open
    sold: int
    trades: int
    ahead: tuple[int, int]  # shares ahead of the own bid and ask
    is_halted: bool

    @property
    def has_both_sides(self) -> bool:
        return self.depth[0][0] > 0 and self.depth[1][0] > 0


class Report(NamedTuple):
    """What the exchange says of one of the maker's orders."""

    order_id: int
    says: int
    side: int
    price: int
    qty: int
    left: int  # open shares after it


class Message(NamedTuple):
    """What the maker sends."""

    what: str
    side: int
    price: int  # ticks; 0 where it has none
    qty: int  # shares; 0 where it has none


class Account(NamedTuple):
    """How the exchange has the maker's account, after everything up to now."""

    position: int  # shares
    cash: float  # $ before fees
    fees: float  # $
    mid: float  # ticks


@dataclass
class Quote:
    """One side as the maker knows it."""

    stage: str = "none"  # none, asked for, standing or being cancelled
    order_id: int = 0
    price: int = 0
    qty: int = 0
    asked_ns: int = 0


@dataclass
class Maker:
    """The maker; `mid` is the fundamental value until it has seen a book with two sides."""

    terms: Terms
    mid: float
    views: list[View] = field(default_factory=list)
    mids: list[float] = field(default_factory=list)  # at each view
    quotes: dict[int, Quote] = field(default_factory=lambda: {side: Quote() for side in SIDES})
    position: int = 0  # shares, as reported
    cost: int = 0  # of it, at average cost [thousandths of a tick x shares]
    last: Account = field(default_factory=lambda: Account(0, 0.0, 0.0, 0.0))

    # What it hears

    def hear(self, report: Report) -> None:
        """Take in a report."""
        if report.says in (PARTLY_FILLED, FILLED):
            self._trade(report.side, report.price, report.qty)
        for quote in self.quotes.values():
            if quote.stage != "none" and quote.order_id == report.order_id:
                self._update(quote, report)

    def _trade(self, side: int, price: int, qty: int) -> None:
        before = self.position
        self.position += side * qty
        if before * side >= 0:
            self.cost += side * price * 1000 * qty
        elif qty < abs(before):
            self.cost -= math.floor(Fraction(self.cost, abs(before))) * qty  # money is whole
        else:
            self.cost = self.position * price * 1000

    def _update(self, quote: Quote, report: Report) -> None:
        rests_on = report.says in (ACCEPTED, MOVED) or (report.says == REFUSED and report.left > 0)
        if report.says == PARTLY_FILLED:
            quote.qty = report.left
        elif rests_on:
            quote.price, quote.qty = report.price, report.left
            if quote.stage == "asked for":
                quote.stage = "standing"
        else:
            quote.stage, quote.qty = "none", 0

    # What it sees

    def see(self, view: View, now_ns: int, decision: int) -> dict[str, float]:
        """The observation at a decision, counted from 0, by the names of its fields."""
        self.mid = 0.5 * sum(view.price) if view.has_both_sides else self.mid
        self.views.append(view)
        self.mids.append(self.mid)
        left = (self.terms.decisions - decision) * self.terms.interval_s
        return {
            "inventory": self.position / self.terms.lot,
            "time_left": left / self.terms.session_s,
            "seconds_left": left,
            **self._own_quotes(view),
            **self._book(view),
            **self._past(),
            "unrealised": (self.position * self.mid - self.cost / 1000) / self.terms.lot,
            "view_age": (now_ns - view.time_ns) / 1e6,
            "halted": float(view.is_halted),
        }

    def _own_quotes(self, view: View) -> dict[str, float]:
        seen = {}
        for name, side, ahead in (("bid", BID, view.ahead[0]), ("ask", ASK, view.ahead[1])):
            quote = self.quotes[side]
            stands = quote.stage == "standing"
            seen[f"{name}_live"] = float(stands)
            seen[f"{name}_distance"] = side * (self.mid - quote.price) if stands else 0.0
            seen[f"{name}_queue_ahead"] = max(ahead, 0) / self.terms.lot if stands else 0.0
        return seen

    def _book(self, view: View) -> dict[str, float]:
        (bid, ask), (bids, asks) = view.price, view.depth
        seen = {"spread": 0.0, "microprice": 0.0}
        if view.has_both_sides:
            seen["spread"] = ask - bid
            seen["microprice"] = (bid * asks[0] + ask * bids[0]) / (bids[0] + asks[0]) - self.mid
        for ticks in (1, 3, 5):
            below, above = sum(bids[:ticks]), sum(asks[:ticks])
            seen[f"imbalance_{ticks}"] = (below - above) / (below + above) if below + above else 0.0
        for i in range(5):
            seen[f"bid_depth_{i + 1}"] = bids[i] / self.terms.lot
            seen[f"ask_depth_{i + 1}"] = asks[i] / self.terms.lot
        return seen

    def _past(self) -> dict[str, float]:
        """Sums and averages over all views, each with the weight that is left of it."""
        seen = {}
        for window in WINDOWS_S:
            seen[f"signed_flow_{window}s"] = sum(
                self._left(k, window) * self._bought_less_sold(k) for k in range(1, len(self.views))
            )
            seen[f"signed_flow_{window}s"] /= self.terms.lot
            seen[f"return_{window}s"] = self.mid - self._average(
                [float(mid) for mid in self.mids], window, self.mids[0]
            )
        moves, rates = [0.0], [0.0]
        for k in range(1, len(self.views)):
            elapsed = self._elapsed(k)
            moves.append((self.mids[k] - self.mids[k - 1]) ** 2 / elapsed if elapsed > 0 else 0.0)
            rates.append((self.views[k].trades - self.views[k - 1].trades) / elapsed if elapsed > 0 else 0.0)
        seen["volatility"] = math.sqrt(max(self._average(moves, 30, 0.0), 0.0))
        seen["trade_rate"] = self._average(rates, 30, 0.0)
        return seen

    def _left(self, k: int, window: float) -> float:
        """What is left now of something that was seen at view k."""
        return math.exp(-(self.views[-1].time_ns - self.views[k].time_ns) / 1e9 / window)

    def _elapsed(self, k: int) -> float:
        """Between view k and the one before [s]."""
        return (self.views[k].time_ns - self.views[k - 1].time_ns) / 1e9

    def _average(self, values: list[float], window: float, first: float) -> float:
        """Average that forgets over a window; each value holds for the time up to its view."""
        total = self._left(0, window) * first
        for k in range(1, len(values)):
            total += self._left(k, window) * (1.0 - math.exp(-self._elapsed(k) / window)) * values[k]
        return total

    def _bought_less_sold(self, k: int) -> int:
        now, before = self.views[k], self.views[k - 1]
        return (now.bought - before.bought) - (now.sold - before.sold)

    def mask(self) -> list[int]:
        """Which choices make sense; empty for the continuous action."""
        if self.terms.action == "continuous":
            return []
        if self.terms.action == "discrete":
            return [1] * CLOSE_POSITION + [int(self.position != 0)]
        rooms = [self.terms.cap - side * self.position for side in SIDES]
        prices = [[int(room > 0)] * len(TICKS_BEHIND) + [1] for room in rooms]
        sizes = [[1, *(int(room >= lots * self.terms.lot) for lots in LOTS[1:])] for room in rooms]
        return [entry for entries in (*prices, *sizes) for entry in entries]

    # What it does

    def act(self, action: list[float], now_ns: int) -> list[Message]:
        """The messages that an action comes to; `name` tells it the ids of its new orders."""
        if self.terms.action == "discrete" and action[0] == CLOSE_POSITION:
            return self._close(now_ns)
        view = self.views[-1]
        wanted = {"continuous": self._distances, "discrete": self._pair, "multidiscrete": self._behind}[
            self.terms.action
        ]
        prices = wanted(action, view)
        bid, ask = prices[BID], prices[ASK]
        if bid is not None and ask is not None and bid >= ask:
            bid, ask = min(bid, math.ceil(self.mid) - 1), max(ask, math.floor(self.mid) + 1)
        if bid is not None and view.depth[1][0] > 0:
            bid = min(bid, view.price[1] - 1)
        if ask is not None and view.depth[0][0] > 0:
            ask = max(ask, view.price[0] + 1)
        lots = [LOTS[int(choice)] for choice in action[2:4]] if self.terms.action == "multidiscrete" else [1, 1]
        bids = self._quote(BID, bid, lots[0] * self.terms.lot, now_ns)
        return bids + self._quote(ASK, ask, lots[1] * self.terms.lot, now_ns)

    def _distances(self, action: list[float], view: View) -> dict[int, int | None]:
        bid, ask = ((max(number, -1.0) + 1.0) / 2.0 * self.terms.max_offset for number in action[:2])
        return {
            BID: math.floor(self.mid - bid) if action[0] < 1.0 else None,
            ASK: math.ceil(self.mid + ask) if action[1] < 1.0 else None,
        }

    def _pair(self, action: list[float], view: View) -> dict[int, int | None]:
        half_spread = (view.price[1] - view.price[0]) / 2 if view.has_both_sides else 1.0
        bid, ask = SPOONER_PAIRS[int(action[0])]
        return {BID: math.floor(self.mid - bid * half_spread), ASK: math.ceil(self.mid + ask * half_spread)}

    def _behind(self, action: list[float], view: View) -> dict[int, int | None]:
        best = [
            view.price[i] if view.depth[i][0] > 0 else rounded(self.mid)
            for i, rounded in enumerate((math.floor, math.ceil))
        ]
        behind = [None if choice == len(TICKS_BEHIND) else TICKS_BEHIND[int(choice)] for choice in action[:2]]
        return {
            side: None if ticks is None else price - side * ticks
            for side, price, ticks in zip(SIDES, best, behind, strict=True)
        }

    def _quote(self, side: int, price: int | None, qty: int, now_ns: int) -> list[Message]:
        """Messages that have a side's quote stand there, as far as the inventory cap leaves room."""
        quote = self.quotes[side]
        qty = min(qty, self.terms.cap - side * self.position)
        if self._is_lost(quote, now_ns):
            return self._cancel(side, now_ns)
        if price is None or qty <= 0:
            return self._cancel(side, now_ns) if quote.stage in ("asked for", "standing") else []
        if quote.stage == "none":
            self.quotes[side] = Quote("asked for", 0, price, qty, now_ns)
            return [Message(NEW_QUOTE, side, price, qty)]
        if quote.stage == "being cancelled" or (price == quote.price and qty >= quote.qty):
            return []
        self.quotes[side] = Quote("asked for", quote.order_id, price, qty, now_ns)
        return [Message(MOVE, side, price, qty)]

    def _is_lost(self, quote: Quote, now_ns: int) -> bool:
        return quote.stage in ("asked for", "being cancelled") and now_ns - quote.asked_ns > self.terms.timeout_ns

    def _cancel(self, side: int, now_ns: int) -> list[Message]:
        self.quotes[side].stage, self.quotes[side].asked_ns = "being cancelled", now_ns
        return [Message(CANCEL, side, 0, 0)]

    def _close(self, now_ns: int) -> list[Message]:
        sent = []
        for side, quote in self.quotes.items():
            if quote.stage in ("asked for", "standing") or self._is_lost(quote, now_ns):
                sent += self._cancel(side, now_ns)
        if self.position:
            sent.append(Message(MARKET, -1 if self.position > 0 else 1, 0, abs(self.position)))
        return sent

    # What it is paid

    def pay(self, account: Account, liquidated: int | None) -> dict[str, float]:
        """The parts of the reward since the last call [$].

        Args:
            account: As the exchange has it now.
            liquidated: Shares held before the liquidation; None while the session goes on.
        """
        terms, before, self.last = self.terms, self.last, account
        parts: dict[str, float] = dict.fromkeys(("pnl", "inventory", "terminal", "dampening"), 0.0)
        parts["pnl"] = _worth(account, terms.tick) - _worth(before, terms.tick)
        lots = (account.position if liquidated is None else liquidated) / terms.lot
        if terms.reward == "inventory":
            parts["inventory"] = -terms.inventory_aversion * lots**2 * terms.interval_s
            parts["terminal"] = 0.0 if liquidated is None else -terms.terminal_aversion * lots**2
        elif terms.reward == "dampened":
            gained = before.position * (account.mid - before.mid) * terms.tick
            parts["dampening"] = -max(0.0, terms.dampening * gained)
        return parts


def _worth(account: Account, tick: float) -> float:
    """Cash less fees and the position at the mid [$]."""
    return account.cash - account.fees + account.position * account.mid * tick
