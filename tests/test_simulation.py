"""The plain face of a market: strategies see and do what their links allow, and one seed gives one market."""

import doctest
import os
import pickle
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import lobenv.simulation
from lobenv.agents.noise import Noise
from lobenv.scenario.config import Book, Capacity, Fees, Latency, Link, OpeningBook, Scenario, Session
from lobenv.simulation import Market, Strategy, simulate
from lobenv.tape.schema import ADD, DELETE, FIELDS

MICROSECOND, MILLISECOND, SECOND = 1_000, 1_000_000, 1_000_000_000
ORDER_ENTRY, REPORT, FEED, COMPUTATION = 1 * MILLISECOND, 2 * MILLISECOND, 3 * MILLISECOND, 50 * MICROSECOND
START = 1 * SECOND
METRO_BASE, METRO_JITTER = 90 * MICROSECOND, 100 * MICROSECOND

EXACT = Latency(
    order_entry=Link(base_us=ORDER_ENTRY / 1e3),
    report=Link(base_us=REPORT / 1e3),
    feed=Link(base_us=FEED / 1e3),
)
FEES = Fees(maker_per_share=-0.002, taker_per_share=0.003)


def empty_market(**changes):
    """A scenario in which nobody trades but the strategies, over links without jitter."""
    settings = {
        "session": Session(warm_up_s=1, duration_s=4),
        "books": (Book(fees=FEES),),
        "opening": OpeningBook(levels=0),
        "latencies": {"exact": EXACT, "lossy": EXACT.model_copy(update={"order_entry": Link(base_us=1, drop=0.999)})},
    }
    return Scenario(**(settings | changes))


def busy_market(**changes):
    """A scenario with a small population."""
    settings = {
        "session": Session(warm_up_s=1, duration_s=4),
        "agents": {"crowd": Noise(count=40, mean_interval_s=0.5)},
        "opening": OpeningBook(withdraw_s=60),
    }
    return Scenario(**(settings | changes))


class Seller(Strategy):
    """Offers 100 shares at 100.05 when it starts."""

    latency = "exact"

    def on_start(self, market):
        self.order_id = market.sell(10_005, 100)


class Buyer(Strategy):
    """Buys once, a second after the start, and writes down what it is told."""

    latency = "exact"
    timer_interval_s = 1.0

    def __init__(self, *, side=1, price=10_005, qty=60, order_type="limit", terms=None, **options):
        super().__init__(**options)
        self.side, self.price, self.qty, self.order_type, self.terms = side, price, qty, order_type, terms or {}

    def on_start(self, market):
        self.reports, self.fills, self.known, self.order_id = [], [], [], None

    def on_timer(self, market):
        if self.order_id is None:
            self.order_id = market.send(self.side, self.price, self.qty, self.order_type, **self.terms)

    def on_report(self, market, report):
        self.reports.append(report)
        self.known.append((market.now_ns, market.position, market.cash, dict(market.open_orders)))

    def on_fill(self, market, fill):
        self.fills.append(fill)


class Taker(Strategy):
    """Buys and sells at random moments of a busy market, by what it sees."""

    timer_interval_s = 0.05

    def on_start(self, market):
        self.sent, self.reports, self.timers = {}, [], 0

    def on_timer(self, market):
        self.timers += 1
        view = market.view
        if view.bid is None or view.ask is None:
            return
        if market.position > 0:
            order_id = market.sell(view.bid, 5, time_in_force="ioc")
        elif self.timers % 2:
            order_id = market.buy(view.ask, 5, time_in_force="ioc")
        else:
            order_id = market.buy(view.bid, 7, post_only=True, display=3)
        self.sent[order_id] = market.now_ns

    def on_report(self, market, report):
        self.reports.append(report)


class Watcher(Strategy):
    """Does nothing but look: between two deliveries it knows the last one."""

    timer_interval_s = 0.1

    def on_start(self, market):
        self.seen = []
        self.first = market.view

    def on_book_update(self, market, view):
        assert market.view == view
        self.seen.append((market.now_ns, view))

    def on_timer(self, market):
        assert market.view == (self.seen[-1][1] if self.seen else self.first)


def row_of(result, name):
    return result.accounts.filter(result.accounts["name"] == name).row(0, named=True)


def records_of(run):
    """The records of a market's or a result's tape."""
    assert run.tape is not None
    return run.tape.records


def same(first, second):
    """Whether two results tell the same, tapes field by field."""
    return (
        all(np.array_equal(records_of(first)[name], records_of(second)[name]) for name in FIELDS)
        and first.accounts.equals(second.accounts)
        and first.reports.equals(second.reports)
    )


# ---------------------------------------------------------------- trading, and when it is heard of


def test_a_buyer_that_holds_has_the_position_cash_and_fees_of_its_one_trade():
    buyer = Buyer()
    result = simulate(empty_market(), [Seller(), buyer])
    bought, sold = row_of(result, "Buyer"), row_of(result, "Seller")
    assert (bought["position"], bought["cash"], bought["fees"]) == (60, -6003.0, 0.18)
    assert (sold["position"], sold["cash"], sold["fees"]) == (-60, 6003.0, -0.12)
    assert (bought["realised"], bought["unrealised"], bought["pnl"]) == (0.0, 0.0, -0.18)
    assert (bought["volume"], bought["maker_volume"], sold["maker_volume"]) == (60, 0, 60)
    assert [(fill.price, fill.qty, fill.remaining, fill.fee, fill.is_maker) for fill in buyer.fills] == [
        (10_005, 60, 0, 0.18, False)
    ]


def test_a_fill_is_reported_after_computation_order_entry_and_report_delay_and_not_known_before():
    buyer = Buyer()
    simulate(empty_market(), [Seller(), buyer])
    sent = START + SECOND
    at_exchange = sent + COMPUTATION + ORDER_ENTRY
    assert [(report.kind, report.exchange_ns, report.delivered_ns) for report in buyer.reports] == [
        ("ack", at_exchange, at_exchange + REPORT),
        ("fill", at_exchange, at_exchange + REPORT),
    ]
    (acknowledged_at, before, _, open_orders), (filled_at, after, cash, none_open) = buyer.known
    assert acknowledged_at == filled_at == at_exchange + REPORT
    assert (before, after, cash) == (0, 60, -6003.18)
    assert [(order.qty, order.is_acknowledged) for order in open_orders.values()] == [(60, True)]
    assert none_open == {}


def test_links_without_delay_tell_in_the_same_instant():
    class Eager(Strategy):
        latency, computation_us = "none", 0.0

        def on_start(self, market):
            self.heard = []
            market.sell(10_005, 10)

        def on_book_update(self, market, view):
            self.heard.append(("view", market.now_ns - view.time_ns, view.ask))

        def on_report(self, market, report):
            self.heard.append((report.kind, market.now_ns - START, report.remaining))

    eager = Eager()
    market = Market(empty_market(), [eager])
    market.run(until_s=START / SECOND)
    assert eager.heard == [("ack", 0, 10), ("view", 0, 10_005)]


def test_no_report_comes_before_the_shortest_way_there_and_back_where_delays_vary():
    taker = Taker()
    result = simulate(busy_market(), [taker], seed=3)
    assert len(taker.reports) > 50
    assert len({report.delivered_ns - report.exchange_ns for report in taker.reports}) > 10
    for report in taker.reports:
        assert report.exchange_ns >= taker.sent[report.order_id] + COMPUTATION + METRO_BASE
        assert report.delivered_ns >= report.exchange_ns + METRO_BASE
    delivered = result.reports["delivered_ns"]
    assert delivered.is_sorted()
    assert result.reports.height == len(taker.reports)


def test_a_lost_order_is_never_answered_and_stays_unacknowledged():
    class Unlucky(Seller):
        latency = "lossy"

    market = Market(empty_market(), [Unlucky()])
    market.run()
    result = market.result()
    assert (result.counters.lost, result.counters.messages, result.reports.height) == (1, 0, 0)
    assert [order.is_acknowledged for order in market.gateways[0].open_orders.values()] == [False]


def test_open_orders_follow_the_reports_through_partial_fill_replacement_reduction_and_cancellation():
    class Careful(Strategy):
        latency = "exact"

        def on_start(self, market):
            self.order_id = market.sell(10_005, 100)
            self.steps = []

        def on_report(self, market, report):
            known = market.open_orders.get(self.order_id)
            self.steps.append((report.kind, known and (known.price, known.qty)))
            if report.kind == "partial":
                market.replace(self.order_id, 10_007, 30)
            elif report.kind == "replaced" and report.remaining == 30:
                market.reduce(self.order_id, 10)
            elif report.kind in ("replaced", "cancelled"):
                market.cancel(self.order_id)

    careful = Careful()
    simulate(empty_market(), [careful, Buyer()])
    assert careful.steps == [
        ("ack", (10_005, 100)),
        ("partial", (10_005, 40)),
        ("replaced", (10_007, 30)),
        ("replaced", (10_007, 20)),
        ("cancelled", None),
        ("rejected", None),
    ]


def test_an_open_order_keeps_its_own_price_where_part_of_it_was_executed_at_a_better_one():
    buyer = Buyer(price=10_006, qty=120)
    simulate(empty_market(), [Seller(), buyer], until_s=4)
    assert [(fill.price, fill.qty, fill.remaining) for fill in buyer.fills] == [(10_005, 100, 20)]
    (order,) = buyer.known[-1][3].values()
    assert (order.price, order.qty) == (10_006, 20)


def test_cancel_all_ends_every_resting_order():
    class Changeable(Strategy):
        latency, timer_interval_s = "exact", 1.0

        def on_start(self, market):
            for price in (10_005, 10_006, 10_007):
                market.sell(price, 10, hidden=price == 10_006)

        def on_timer(self, market):
            market.cancel_all()

    market = Market(empty_market(), [Changeable()])
    market.run(until_s=2.5)
    assert market.gateways[0].open_orders == {}
    assert market.result().reports["reason"].to_list() == ["none"] * 3 + ["on request"] * 3


# ---------------------------------------------------------------- market data


def test_a_change_of_the_touch_reaches_a_follower_the_feed_delay_after_it_happened_and_nothing_else_does():
    watcher = Watcher(latency="exact")
    behind = Buyer(name="Behind", timer_interval_s=1.5, price=10_006, side=-1)
    simulate(empty_market(), [Seller(), watcher, Buyer(), behind], until_s=4.5)
    offered = START + COMPUTATION + ORDER_ENTRY
    traded = START + SECOND + COMPUTATION + ORDER_ENTRY
    assert [(now, view.time_ns, view.ask, view.ask_qty, view.bid) for now, view in watcher.seen] == [
        (offered + FEED, offered, 10_005, 100, None),
        (traded + FEED, traded, 10_005, 40, None),
    ]


def test_views_come_in_order_each_once_and_never_younger_than_the_feed():
    watcher = Watcher()
    market = Market(busy_market(), [watcher], seed=5)
    market.run(until_s=4.9)
    tape = records_of(market)
    published = [view.time_ns for _, view in watcher.seen]
    assert published == sorted(published)
    assert all(METRO_BASE <= now - view.time_ns <= METRO_BASE + METRO_JITTER for now, view in watcher.seen)
    assert [now for now, _ in watcher.seen] == sorted(now for now, _ in watcher.seen)
    assert all(view.spread > 0 and view.bid < view.mid < view.ask for _, view in watcher.seen)
    touches = [tuple(row[["best_bid", "bid_qty", "best_ask", "ask_qty"]].tolist()) for row in tape]
    times = tape["time"].tolist()
    assert {(view.time_ns, (view.bid, view.bid_qty, view.ask, view.ask_qty)) for _, view in watcher.seen} <= set(
        zip(times, touches, strict=True)
    )
    # Every instant after which the touch is another one than before is among those seen.
    last = dict(zip(times, touches, strict=True))
    changed = {time for (_, before), (time, after) in pairwise(last.items()) if after != before}
    first, horizon = watcher.first.time_ns, published[-1]
    assert {time for time in changed if first < time <= horizon} <= set(published)


def test_what_is_published_at_the_last_instant_is_seen_at_it_where_there_is_no_delay():
    watcher = Watcher(latency="none")
    offered = START + COMPUTATION + ORDER_ENTRY
    Market(empty_market(), [Seller(), watcher]).run(until_s=offered / SECOND)
    assert [(now, view.ask) for now, view in watcher.seen] == [(offered, 10_005)]


def test_a_strategy_that_looks_sees_what_its_feed_has_by_then_and_no_more():
    class Looker(Strategy):
        latency, timer_interval_s = "exact", 0.0005

        def on_start(self, market):
            self.seen = []

        def on_timer(self, market):
            assert market.view is market.view
            self.seen.append((market.now_ns, market.view.ask))

    looker = Looker()
    simulate(empty_market(session=Session(warm_up_s=1, duration_s=0.01)), [Seller(), looker])
    visible = START + COMPUTATION + ORDER_ENTRY + FEED
    assert looker.seen == [
        (time, 10_005 if time >= visible else None)
        for time in range(START + 500_000, START + 10 * MILLISECOND + 1, 500_000)
    ]


def test_depth_is_the_book_as_it_was_a_feed_delay_before_the_timer():
    class Ladder(Strategy):
        latency, timer_interval_s = "exact", 0.005

        def on_start(self, market):
            self.depths = [market.depth()]
            market.sell(10_007, 30)
            market.sell(10_005, 10)
            market.buy(10_001, 20)

        def on_timer(self, market):
            self.depths.append(market.depth())

    ladder = Ladder()
    simulate(empty_market(), [ladder], until_s=1.006)
    assert [(depth.time_ns, depth.bids, depth.asks) for depth in ladder.depths] == [
        (START - FEED, (), ()),
        (START + 5 * MILLISECOND - FEED, ((10_001, 20),), ((10_005, 10), (10_007, 30))),
    ]
    with pytest.raises(ValueError, match="timer_interval_s"):
        Market(empty_market(), [Seller()]).gateways[0].depth()


def test_a_timer_comes_last_in_its_instant_and_has_the_depth_of_its_own_time():
    class Echo(Strategy):
        latency, timer_interval_s, computation_us = "echo", 0.005, 0.0

        def on_start(self, market):
            self.heard = []
            market.sell(10_005, 10)

        def on_report(self, market, report):
            self.heard.append((report.kind, market.now_ns - START, market.depth().time_ns - START))

        def on_timer(self, market):
            self.heard.append(("timer", market.now_ns - START, market.depth().time_ns - START))

    echo = Echo()
    at_once = Link(base_us=0)
    # The report is put on its way before the photograph of the instant at which both arrive.
    latencies = {"echo": Latency(order_entry=at_once, report=Link(base_us=10_000), feed=at_once)}
    simulate(empty_market(latencies=latencies), [echo], until_s=1.012)
    first, second = 5 * MILLISECOND, 10 * MILLISECOND
    assert echo.heard == [("timer", first, first), ("ack", second, first), ("timer", second, second)]


def test_a_feed_history_shorter_than_the_feed_delay_is_an_error_that_names_the_setting():
    scenario = busy_market(capacity=Capacity(feed=16))
    with pytest.raises(OverflowError, match=r"capacity\.feed"):
        simulate(scenario, [Watcher(latency="geo")])


# ---------------------------------------------------------------- what is refused, and by whom


@pytest.mark.parametrize(
    ("options", "order", "reason"),
    [
        ({}, {"qty": 0}, "quantity not positive"),
        ({}, {"qty": -5}, "quantity not positive"),
        ({}, {"price": 1_000_000}, "price outside the band"),
        ({}, {"price": -1}, "price outside the band"),
        ({"inventory_cap_shares": 50}, {}, "inventory cap breached"),
        ({"order_types": ("limit", "peg_midpoint")}, {"order_type": "market", "price": None}, "order type not allowed"),
        ({}, {"terms": {"post_only": True}}, "post-only order would cross"),
        ({}, {"order_type": "peg_midpoint"}, "no price to peg to"),
    ],
)
def test_the_exchange_rejects_what_the_terms_or_the_rules_forbid(options, order, reason):
    buyer = Buyer(**options, **order)
    result = simulate(empty_market(), [Seller(), buyer])
    assert [(report.kind, report.reason) for report in buyer.reports] == [("rejected", reason)]
    assert buyer.known[0][3] == {}
    assert row_of(result, "Buyer")["rejected"] == 1
    assert row_of(result, "Buyer")["position"] == 0


def test_fill_or_kill_is_cancelled_where_it_cannot_be_filled_and_a_rate_limit_rejects_the_excess():
    class Hasty(Strategy):
        latency, order_rate_per_s = "exact", 2

        def on_start(self, market):
            market.buy(10_001, 10, time_in_force="fok")
            market.buy(10_001, 10)
            market.buy(10_002, 10)

    result = simulate(empty_market(), [Hasty()], until_s=2)
    assert list(zip(result.reports["kind"], result.reports["reason"], strict=True)) == [
        ("ack", "none"),
        ("cancelled", "fill-or-kill order not fillable"),
        ("ack", "none"),
        ("rejected", "order rate limit breached"),
    ]


def test_the_close_cancels_what_rests_and_later_orders_are_rejected():
    class Late(Seller):
        def on_report(self, market, report):
            if report.reason == "session end":
                market.sell(10_005, 1)

    market = Market(empty_market(), [Late()])
    market.run()
    assert market.result().reports["reason"].to_list() == ["none", "session end"]
    market.run(until_s=6)
    assert market.result().reports["reason"].to_list() == ["none", "session end", "session closed"]


def test_the_close_needs_no_room_for_reports_on_the_opening_book_which_nobody_reads():
    opening, capacity = OpeningBook(levels=300, withdraw_s=60), Capacity(messages=64, events=64)
    result = simulate(empty_market(opening=opening, capacity=capacity))
    assert result.tape is not None
    assert result.tape.records["kind"].tolist() == [ADD] * 600 + [DELETE] * 600


@pytest.mark.parametrize(
    ("arguments", "options", "error", "names"),
    [
        ((1, 100.05, 10), {}, TypeError, r"price .* of ticks, got 100\.05; market\.to_ticks\(100\.05\)"),
        ((1, None, 10), {}, TypeError, "price must be a whole number of ticks, got None$"),
        ((1, True, 10), {}, TypeError, "price must be a whole number of ticks, got True$"),
        ((1, float("nan"), 10), {}, TypeError, "price must be a whole number of ticks, got nan$"),
        ((True, 10_005, 10), {}, ValueError, "side must be"),
        ((1, 10_005, 10.0), {}, TypeError, r"qty must be a whole number of shares, got 10\.0$"),
        ((1, 10_005, 2**31), {}, ValueError, "qty must fit 32 bits"),
        ((0, 10_005, 10), {}, ValueError, "side must be"),
        ((1, 10_005, 10, "stop"), {}, ValueError, "order_type: 'stop' is not one of limit, market"),
        ((1, 10_005, 10, "limit", "day"), {}, ValueError, "time_in_force: 'day'"),
        ((1, 10_005, 10), {"display": -1}, ValueError, "display must be >= 0, got -1"),
        ((1, 10_005, 10), {"book": "dark"}, ValueError, "book: 'dark' is not one of main"),
    ],
)
def test_what_is_no_message_at_all_is_an_error_at_once(arguments, options, error, names):
    market = Market(empty_market(), [Seller()])
    with pytest.raises(error, match=names):
        market.gateways[0].send(*arguments, **options)
    assert market.gateways[0].open_orders == {}


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"latency": "telepathy"}, "strategy Seller: latency: 'telepathy' is not one of"),
        ({"books": ("dark",)}, "strategy Seller: books: 'dark' is not one of main"),
        ({"computation_us": -1.0}, r"strategy Seller: computation_us: .* got -1\.0"),
        ({"order_types": ("stop",)}, "strategy Seller: order_types.0: .*'limit'"),
    ],
)
def test_impossible_terms_are_one_line_with_strategy_and_field(options, names):
    with pytest.raises(ValueError, match=names) as caught:
        Market(empty_market(), [Seller(**options)])
    assert "\n" not in str(caught.value)


def test_unknown_options_names_seeds_and_times_are_refused():
    with pytest.raises(TypeError, match="Seller: 'speed' is not one of name, books"):
        Seller(speed=3)
    with pytest.raises(ValueError, match="name 'Seller' is taken"):
        Market(empty_market(), [Seller(), Seller()])
    with pytest.raises(ValueError, match="name 'crowd' is taken"):
        Market(busy_market(), [Seller(name="crowd", latency="metro")])
    with pytest.raises(ValueError, match="name 'opening' is taken"):
        Market(empty_market(), [Seller(name="opening")])
    with pytest.raises(ValueError, match="seed must lie in"):
        Market(empty_market(), seed=-1)
    market = Market(empty_market(), [Seller(), Seller(name="another")])
    market.run(until_s=2)
    with pytest.raises(ValueError, match=r"until_s must be >= 2\.0"):
        market.run(until_s=1)


# ---------------------------------------------------------------- the same seed, the same market


def test_the_same_seed_gives_the_same_market_and_another_seed_another():
    first, again, other = (simulate(busy_market(), [Taker(), Watcher()], seed=seed) for seed in (7, 7, 8))
    assert len(records_of(first)) > 500
    assert same(first, again)
    assert not np.array_equal(records_of(first), records_of(other))


def test_a_strategy_that_only_looks_leaves_the_market_as_it_is_without_it():
    alone = records_of(simulate(busy_market(), seed=11))
    watched = records_of(simulate(busy_market(), [Watcher(), Watcher(name="second", latency="retail")], seed=11))
    assert len(alone) > 500
    for name in set(FIELDS) - {"owner", "aggressor"}:
        assert np.array_equal(alone[name], watched[name])
    for name in ("owner", "aggressor"):
        # The two strategies stand between the opening book, agent 0, and the population.
        assert np.array_equal(np.where(alone[name] > 0, alone[name] + 2, alone[name]), watched[name])


def test_adding_a_strategy_does_not_change_the_delays_of_another():
    alone, joined = Watcher(), Watcher()
    simulate(busy_market(), [alone], seed=2)
    simulate(busy_market(), [Watcher(name="before"), joined], seed=2)
    assert alone.seen == joined.seen


def test_a_market_run_in_parts_is_the_one_run_at_once():
    at_once = simulate(busy_market(), [Taker(), Watcher()], seed=4)
    market = Market(busy_market(), [Taker(), Watcher()], seed=4)
    for until in (0.5, 1.0, 1.0, 2.2225, 4.0):
        market.run(until_s=until)
        assert market.now_ns == round(until * SECOND)
    market.run()
    assert same(at_once, market.result())


def test_a_full_tape_buffer_is_drained_without_a_trace():
    def run(**changes):
        agents = {"crowd": Noise(count=40, mean_interval_s=0.05)}
        return simulate(busy_market(agents=agents, **changes), [Taker()], seed=6)

    small, large = run(capacity=Capacity(tape=4_096)), run()
    assert len(records_of(large)) > 4_096
    assert same(small, large)


def test_a_market_without_a_tape_is_the_same_market():
    kept = simulate(busy_market(), [Taker()], seed=9)
    dropped = simulate(busy_market(), [Taker()], seed=9, tape=False)
    assert dropped.tape is None
    assert dropped.accounts.equals(kept.accounts)
    assert dropped.reports.equals(kept.reports)
    assert dropped.counters == kept.counters


def test_shares_and_money_are_conserved_over_all_accounts():
    result = simulate(busy_market(), [Taker()], seed=10)
    assert result.accounts["volume"].sum() > 0
    assert result.accounts["position"].sum() == 0
    assert result.accounts["cash"].sum() == pytest.approx(0.0, abs=1e-6)
    assert result.accounts.height == 42
    assert set(result.accounts["kind"]) == {"opening", "strategy", "noise"}


# ---------------------------------------------------------------- going back, and going on


def test_a_restored_market_goes_on_as_it_did_with_its_strategies_as_they_were():
    taker, watcher = Taker(), Watcher()
    market = Market(busy_market(), [taker, watcher], seed=12)
    market.run(until_s=2.5)
    snapshot = market.snapshot()
    timers, views = taker.timers, len(watcher.seen)
    market.run()
    first, seen = market.result(), list(watcher.seen)
    market.restore(snapshot)
    assert (market.now_ns, taker.timers, len(watcher.seen)) == (2_500_000_000, timers, views)
    market.run()
    assert same(first, market.result())
    assert watcher.seen == seen


def test_a_snapshot_travels_to_another_market_of_the_same_scenario():
    market = Market(busy_market(), [Taker(), Watcher()], seed=13)
    market.run(until_s=2.5)
    parcel = pickle.dumps(market.snapshot())
    market.run()
    elsewhere = Market(busy_market(), [Taker(), Watcher()], seed=13)
    elsewhere.restore(pickle.loads(parcel))
    elsewhere.run()
    assert same(market.result(), elsewhere.result())


def test_a_snapshot_of_another_market_is_refused_and_a_gateway_is_not_pickled():
    snapshot = Market(busy_market(), [Watcher()]).snapshot()
    with pytest.raises(ValueError, match="snapshot"):
        Market(busy_market(), [Watcher(), Taker()]).restore(snapshot)
    with pytest.raises(TypeError, match="Gateway"):
        pickle.dumps(Market(busy_market(), [Watcher()]).gateways[0])


@pytest.mark.parametrize("callback", ["on_start", "on_timer", "on_report", "on_fill", "on_book_update"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, LookupError])
def test_after_an_exception_in_a_callback_the_market_goes_on_as_if_there_had_been_none(callback, error):
    class Fragile(Taker):
        failures = 0

        def fail(self, name):
            if name == callback and self.failures < 1:
                self.failures += 1
                raise error("stop here")

        def on_start(self, market):
            super().on_start(market)
            self.fail("on_start")

        def on_book_update(self, market, view):
            self.fail("on_book_update")

        def on_timer(self, market):
            super().on_timer(market)
            self.fail("on_timer")

        def on_report(self, market, report):
            super().on_report(market, report)
            if not report.is_fill:
                self.fail("on_report")

        def on_fill(self, market, fill):
            self.fail("on_fill")

    unbroken = simulate(busy_market(), [Sturdy()], seed=14)
    market = Market(busy_market(), [Fragile(name="Sturdy")], seed=14)
    with pytest.raises(error, match="stop here") as caught:
        market.run()
    notes = getattr(caught.value, "__notes__", [])
    if error is LookupError:
        assert len(notes) == 1
        assert notes[0].startswith(f"in {callback} of strategy 'Sturdy' at ")
    market.run()
    assert same(unbroken, market.result())


class Sturdy(Taker):
    """The strategy above without its failures."""

    def on_book_update(self, market, view):
        pass


def test_a_callback_cannot_run_its_own_market():
    class Recursive(Strategy):
        owner: Market

        def on_start(self, market):
            self.owner.run()

    recursive = Recursive()
    recursive.owner = Market(busy_market(), [recursive])
    with pytest.raises(RuntimeError, match="a callback cannot run it"):
        recursive.owner.run()


# ---------------------------------------------------------------- several books, units, the example


def test_a_strategy_trades_the_books_it_names_and_the_first_is_its_home():
    class Abroad(Strategy):
        latency, books, timer_interval_s = "exact", ("east", "west"), 1.0

        def on_start(self, market):
            market.sell(10_005, 10)
            self.away = market.sell(10_009, 20, book="west")

        def on_book_update(self, market, view):
            self.seen = [*getattr(self, "seen", []), (view.book, view.ask)]

        def on_timer(self, market):
            self.views = [*getattr(self, "views", []), (market.view.ask, market.view_of("west").ask)]
            market.cancel(self.away)

    abroad = Abroad()
    books = (Book(name="west", venue="west"), Book(name="east", venue="east"))
    result = simulate(empty_market(books=books), [abroad], until_s=3)
    assert abroad.seen == [("east", 10_005), ("west", 10_009), ("west", None)]
    assert abroad.views == [(10_005, 10_009), (10_005, None)]
    assert result.reports.select("book", "kind").rows() == [("east", "ack"), ("west", "ack"), ("west", "cancelled")]
    assert result.accounts.select("name", "book", "orders_sent").rows() == [
        ("opening", "west", 0),
        ("opening", "east", 0),
        ("Abroad", "west", 1),
        ("Abroad", "east", 1),
    ]
    assert result.tape is not None
    assert result.tape.venue == "west+east"


def test_prices_in_dollars_and_ticks_are_rounded_once():
    gateway = Market(empty_market(), [Seller()]).gateways[0]
    assert [gateway.to_ticks(price) for price in (100.05, 0.29, 1.15, 100.054)] == [10_005, 29, 115, 10_005]
    assert [gateway.to_price(ticks) for ticks in (10_005, 35, 10_005.5)] == [100.05, 0.35, 100.055]


def test_a_scenario_may_be_named_by_its_preset():
    result = simulate("calm", until_s=0.2)
    assert (result.scenario.name, result.end_ns) == ("calm", SECOND // 5)
    with pytest.raises(ValueError, match="calm"):
        simulate("clam")


def test_strategies_trade_in_recorded_flow():
    folder = os.environ.get("LOBENV_DATA")
    if not folder:
        pytest.skip("LOBENV_DATA does not name the folder of recorded days")
    replay = {"data": str(Path(folder) / "lobster"), "symbol": "AMZN"}
    source = {"base": "replay", "replay": replay, "session": {"warm_up_s": 1, "duration_s": 9}}
    first, again = (simulate(source, [Taker(), Watcher()], seed=1) for _ in range(2))
    assert same(first, again)
    assert first.accounts["name"].to_list() == ["recording", "Taker", "Watcher"]
    assert row_of(first, "Taker")["volume"] > 0
    assert row_of(first, "recording")["position"] == -row_of(first, "Taker")["position"]


def test_the_example_of_the_documentation_does_what_it_says():
    results = doctest.testmod(lobenv.simulation)
    assert results.attempted > 5
    assert results.failed == 0
