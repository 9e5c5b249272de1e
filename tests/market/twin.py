"""A market and its reference twin, sent the same messages and compared in full after each."""

from __future__ import annotations

from typing import Any, NamedTuple

from lobenv.market.tables import CANCEL, CANCEL_ALL, GTC, HIDDEN, LIMIT, POST_ONLY, REDUCE, REPLACE, SLOT_BITS
from lobenv.scenario.build import External, Template
from lobenv.scenario.config import Fees, Halts
from tests.market.driver import ORDER, Market, Report, best_prices, resting_orders, small_template, trader
from tests.reference.exchange import Exchange, Rules, Trader

STALE, NEVER_SENT = -1, -2
UNKNOWN = (1 << 40) + 3  # an id that was never issued


class Message(NamedTuple):
    """One message; `target` picks the order it is about among the live ones, or is STALE (first sent) or NEVER_SENT."""

    op: int = ORDER
    agent: int = 1
    side: int = 1
    price: int = 1_000
    qty: int = 1
    kind: int = LIMIT
    tif: int = GTC
    flags: int = 0
    peak: int = 0
    target: int = 0
    is_owners: bool = True
    wait: int = 0


def differential_template(traders: tuple[External, ...], **changes: Any) -> Template:
    """A market whose every rule is in force; see `small_template`."""
    settings: dict[str, Any] = {
        "fees": Fees(maker_per_share=-0.002, taker_per_share=0.003, maker_bps=0.3, taker_bps=0.7),
        "halts": Halts(band_ticks=12, pause_s=2.0, memory_s=20.0),
    }
    return small_template(*traders, **(settings | changes))


def four_traders() -> tuple[External, ...]:
    """One for each self-trade rule, some of them limited."""
    return (
        trader(1, stp=0, inventory_cap=400),
        trader(2, stp=1, order_rate=3),
        trader(3, stp=2, allowed=0b0111),
        trader(4, stp=3),
    )


class Twins:
    """The compiled market and the reference exchange side by side."""

    def __init__(self, template: Template) -> None:
        world, book = template.world, template.world.books[0]
        self.market = Market(template)
        rules = Rules(
            base=int(book["base"]),
            width=world.levels.shape[1],
            capacity=len(world.orders),
            maker_fee=int(book["maker_fee"]),
            taker_fee=int(book["taker_fee"]),
            maker_ppm=int(book["maker_ppm"]),
            taker_ppm=int(book["taker_ppm"]),
            band=int(book["halt_band"]),
            pause=int(book["halt_pause"]),
            memory=int(book["halt_memory"]),
        )
        fields = ("inventory_cap", "order_rate", "allowed", "stp")
        self.exchange = Exchange(rules, [Trader(*(int(row[name]) for name in fields)) for row in world.agents])
        self.exchange.open()
        self.sent: dict[int, tuple[int, int]] = {}  # the reference's id -> (id, owner)
        self.last_reports: list[Report] = []

    def send(self, message: Message) -> None:
        """Send a message to both, then compare everything."""
        self.exchange.advance(self.exchange.now + message.wait)
        if message.op == ORDER:
            self._order(message)
        elif message.op == CANCEL_ALL:
            self.market.cancel_all(message.agent, after=message.wait)
            self.exchange.cancel_all(message.agent)
        else:
            self._request(message)
        self.compare()

    def _order(self, message: Message) -> None:
        _, agent, side, price, qty, kind, tif, flags, peak, *_ = message
        order_id = self.market.order(
            agent, side, price, qty, kind=kind, tif=tif, flags=flags, peak=peak, after=message.wait
        )
        twin_id = self.exchange.order(
            agent, side, price, qty, kind, tif, bool(flags & POST_ONLY), bool(flags & HIDDEN), peak
        )
        assert order_id >> SLOT_BITS == twin_id
        if order_id:
            self.sent[twin_id] = (order_id, agent)

    def _target(self, message: Message) -> tuple[int, int]:
        live = list(self.exchange.orders)
        if message.target >= 0 and live:
            return self.sent[live[message.target % len(live)]]
        if message.target == STALE and self.sent:
            return next(iter(self.sent.values()))
        return UNKNOWN, message.agent

    def _request(self, message: Message) -> None:
        order_id, owner = self._target(message)
        agent = owner if message.is_owners else message.agent
        twin_id = order_id >> SLOT_BITS
        if message.op == CANCEL:
            self.market.cancel(agent, order_id, after=message.wait)
            self.exchange.cancel(agent, twin_id)
        elif message.op == REDUCE:
            self.market.reduce(agent, order_id, message.qty, after=message.wait)
            self.exchange.reduce(agent, twin_id, message.qty)
        elif message.op == REPLACE:
            self.market.replace(agent, order_id, message.price, message.qty, after=message.wait)
            self.exchange.replace(agent, twin_id, message.price, message.qty)

    # ------------------------------------------------------------ comparing

    def compare(self) -> None:
        """Hold reports, book, accounts and the book's own figures to the reference."""
        self._compare_reports()
        self._compare_queues()
        self._compare_book()
        for agent in range(len(self.exchange.accounts)):
            self._compare_account(agent)

    def _compare_reports(self) -> None:
        reports = [report._replace(order_id=report.order_id >> SLOT_BITS) for report in self.market.reports()]
        self.last_reports = [Report(*report) for report in self.exchange.reports]
        self.exchange.reports.clear()
        assert reports == self.last_reports

    def _compare_queues(self) -> None:
        expected = {
            price: tuple([(o.id, o.left, o.reserve) for o in orders] for orders in (queue.displayed, queue.hidden))
            for side in (1, -1)
            for price, queue in self.exchange.queues[side].items()
            if queue.displayed or queue.hidden
        }
        found = {
            price: tuple([(i >> SLOT_BITS, left, reserve) for i, left, reserve in orders] for orders in queues)
            for price, queues in self.market.queues().items()
        }
        assert found == expected

    def _compare_book(self) -> None:
        record, twin = self.market.book(), self.exchange
        for displayed in (False, True):
            best = best_prices(self.market.world, displayed=displayed)
            assert best == tuple(twin.best(side, displayed=displayed) for side in (1, -1))
        names = ("base", "last_price", "halts", "revenue", "trades", "buy_volume", "sell_volume", "state")
        assert {name: int(record[name]) for name in names} == {name: getattr(twin, name) for name in names}
        assert record["reference"] == (0.0 if twin.reference is None else twin.reference)

    def _compare_account(self, agent: int) -> None:
        account, twin = self.market.account(agent), self.exchange.accounts[agent]
        names = ("position", "cash", "fees", "cost", "volume", "maker_volume", "rejected")
        assert {name: int(account[name]) for name in names} == {name: getattr(twin, name) for name in names}
        assert account["open_qty"].tolist() == [twin.open_qty(1), twin.open_qty(-1)]
        resting = [int(order["id"]) >> SLOT_BITS for order in resting_orders(self.market.world, agent)]
        assert resting == [order.id for order in reversed(twin.resting)]
        if agent:
            known = (int(account["known_position"]), int(account["known_cash"]), int(account["known_cost"]))
            assert known == (twin.position, twin.cash - twin.fees, twin.cost)
