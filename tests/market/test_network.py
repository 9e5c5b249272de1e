"""Links: when messages and reports arrive, that nothing overtakes on a link, and what becomes of what is lost."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lobenv.compiled import JIT_ENABLED
from lobenv.market.network import PROFILES, slowest_ns
from lobenv.market.tables import (
    ACK,
    CANCELLED,
    FILL,
    LOGNORMAL,
    REACHED,
    REJECTED,
)
from lobenv.scenario.config import Capacity, Latency, Link, Session
from lobenv.tape.reasons import (
    REASON_CLOSED,
)
from tests.market.driver import SECOND, Market, small_template, trader
from tests.market.invariants import check_all

MICROSECOND, MILLISECOND = 1_000, 1_000_000
AT_ONCE = Link(base_us=0)
MESSAGES = 2_000 if JIT_ENABLED else 300


def linked_market(order_entry=AT_ONCE, report=AT_ONCE, feed=AT_ONCE, *, seed=1, computation_us=0, **changes):
    """Trader 1 is behind the links, trader 2 is not."""
    latencies = {"link": Latency(order_entry=order_entry, report=report, feed=feed)}
    capacity = Capacity(orders=4_096, messages=8_192, events=8_192, ladder_ticks=64, feed=64, inbox=8_192)
    behind = trader(1, latency="link", computation_ns=round(computation_us * MICROSECOND))
    settings = {"latencies": latencies, "capacity": capacity} | changes
    return Market(small_template(behind, trader(2), **settings), seed)


def acknowledgements(market, count, gap):
    """Send `count` orders, `gap` ns apart; when they were sent, reached the exchange, and were heard of again [ns]."""
    sent = []
    for _ in range(count):
        sent.append(market.now)
        market.order(1, 1, 990, 1)
        market.wait(gap)
    market.wait(10 * SECOND)
    rows = market.inbox()
    assert set(rows["kind"].tolist()) <= {ACK}
    return np.array(sent), rows["time"], rows["delivered"]


def test_an_order_arrives_after_computation_and_link_and_its_report_a_link_later():
    market = linked_market(Link(base_us=300), Link(base_us=200), computation_us=50)
    market.order(1, 1, 1_000, 5, after=7)
    assert market.queues() == {}
    market.wait(350 * MICROSECOND - 1)
    assert market.queues() == {}
    market.wait(1)
    assert 1_000 in market.queues()
    assert len(market.inbox()) == 0
    market.wait(200 * MICROSECOND)
    row = market.inbox()[0]
    assert (row["time"], row["delivered"]) == (7 + 350 * MICROSECOND, 7 + 550 * MICROSECOND)


def test_requests_travel_as_long_as_orders_do():
    market = linked_market(Link(base_us=300))
    order = market.order(1, 1, 1_000, 5)
    market.cancel(1, order, after=MILLISECOND)
    market.wait(299 * MICROSECOND)
    assert 1_000 in market.queues()
    market.wait(MICROSECOND)
    assert market.queues() == {}


def test_a_trader_knows_of_its_fill_when_the_report_has_arrived():
    market = linked_market(report=Link(base_us=400))
    market.order(1, 1, 1_000, 5)
    market.order(2, -1, 1_000, 5)
    account = market.account(1)
    assert (account["position"], account["known_position"], account["known_cash"]) == (5, 0, 0)
    market.wait(400 * MICROSECOND - 1)
    assert account["known_position"] == 0
    market.wait(1)
    assert (account["known_position"], account["known_cash"]) == (5, -5_000_000)


@pytest.mark.parametrize("jitter", ["uniform", "lognormal"])
def test_nothing_overtakes_on_a_link_with_jitter(jitter):
    link = Link(base_us=50, jitter=jitter, scale_us=500, shape=1.5)
    market = linked_market(link, link)
    _, arrived, delivered = acknowledgements(market, MESSAGES, 10 * MICROSECOND)
    assert len(arrived) == MESSAGES
    assert (np.diff(arrived) >= 0).all()
    assert (np.diff(delivered) >= 0).all()
    assert (np.diff(arrived) == 0).any()  # messages that caught up with a slow one
    check_all(market.world)


def test_orders_that_catch_up_on_a_link_keep_their_order_at_the_exchange():
    market = linked_market(Link(base_us=50, jitter="lognormal", scale_us=500, shape=1.5))
    ids = []
    for _ in range(50):
        ids.append(market.order(1, 1, 1_000, 1))
        market.wait(10 * MICROSECOND)
    market.wait(SECOND)
    assert market.displayed_ids(1_000) == ids


def test_uniform_jitter_is_even_between_the_base_and_its_width():
    market = linked_market(Link(base_us=50, jitter="uniform", scale_us=100))
    sent, arrived, _ = acknowledgements(market, MESSAGES, MILLISECOND)
    jitter = (arrived - sent - 50 * MICROSECOND) / (100 * MICROSECOND)
    assert jitter.min() >= 0
    assert jitter.max() < 1
    assert abs(jitter.mean() - 0.5) < 4.5 * math.sqrt(1 / 12 / MESSAGES)
    assert np.histogram(jitter, bins=4, range=(0, 1))[0].min() > MESSAGES / 8


def test_lognormal_jitter_has_its_median_and_sigma():
    market = linked_market(Link(base_us=50, jitter="lognormal", scale_us=100, shape=0.8))
    sent, arrived, _ = acknowledgements(market, MESSAGES, 50 * MILLISECOND)
    logs = np.log((arrived - sent - 50 * MICROSECOND) / (100 * MICROSECOND))
    assert abs(logs.mean()) < 4.5 * 0.8 / math.sqrt(MESSAGES)
    assert abs(logs.std() - 0.8) < 4.5 * 0.8 / math.sqrt(2 * MESSAGES)


def test_a_lost_order_is_answered_by_nothing_and_leaves_no_trace():
    market = linked_market(Link(base_us=50, drop=0.3))
    ids = []
    for _ in range(MESSAGES):
        ids.append(market.order(1, 1, 990, 1))
        market.wait(MILLISECOND)
    acknowledged = {r.order_id for r in market.reports()}
    lost = int(market.world.clock["lost"][0])
    assert all(ids)
    assert abs(lost - 0.3 * MESSAGES) < 4.5 * math.sqrt(0.21 * MESSAGES)
    assert len(acknowledged) == MESSAGES - lost
    assert set(market.displayed_ids(990)) == acknowledged
    check_all(market.world)


def test_a_lost_cancel_leaves_the_order_where_it_is():
    market = linked_market(Link(base_us=50, drop=0.5))
    for _ in range(50):
        market.order(1, 1, 990, 1)
    market.wait(SECOND)
    orders = set(market.displayed_ids(990))
    market.reports()
    for order in orders:
        market.cancel(1, order)
    market.wait(SECOND)
    cancelled = {r.order_id for r in market.reports() if r.kind == CANCELLED}
    assert set(market.displayed_ids(990)) == orders - cancelled
    assert 0 < len(cancelled) < len(orders)


def test_an_order_that_is_under_way_at_the_close_is_refused():
    market = linked_market(Link(base_us=1_000_000), session=Session(warm_up_s=0.0, duration_s=2.0))
    market.order(1, 1, 1_000, 5, after=3 * SECOND // 2)
    market.wait(2 * SECOND)
    report = market.reports()[-1]
    assert (report.kind, report.reason) == (REJECTED, REASON_CLOSED)


def test_a_cancel_that_comes_after_the_fill_is_too_late():
    market = linked_market(Link(base_us=300))
    order = market.order(1, 1, 1_000, 5)
    market.cancel(1, order, after=MILLISECOND)
    market.order(2, -1, 1_000, 5)
    market.wait(MILLISECOND)
    assert [r.kind for r in market.reports() if r.order_id == order] == [ACK, FILL, REJECTED]


def test_the_jitter_of_one_direction_does_not_shift_that_of_another():
    jitter = Link(base_us=50, jitter="uniform", scale_us=100)
    entry_only = acknowledgements(linked_market(jitter), 40, MILLISECOND)
    both = acknowledgements(linked_market(jitter, jitter, jitter), 40, MILLISECOND)
    np.testing.assert_array_equal(entry_only[1], both[1])
    assert (both[2] > both[1]).all()


def test_a_seed_decides_the_jitter():
    link = Link(base_us=50, jitter="uniform", scale_us=100)
    runs = [acknowledgements(linked_market(link, seed=seed), 20, MILLISECOND)[1] for seed in (1, 1, 2)]
    assert runs[0].tolist() == runs[1].tolist()
    assert runs[0].tolist() != runs[2].tolist()


def test_a_report_that_asks_for_attention_hands_back_control_when_it_is_delivered():
    market = Market(small_template(trader(1, wants_reports=True, latency="metro"), trader(2)))
    market.order(1, 1, 1_000, 5)
    assert market.run(SECOND) != REACHED
    row = market.inbox()[0]
    assert (row["kind"], row["delivered"]) == (ACK, market.now)


@pytest.mark.parametrize("name", PROFILES)
def test_every_profile_orders_its_delays_sensibly(name):
    for model in PROFILES[name]:
        assert slowest_ns(model) >= model.base_ns >= 0
        assert 0 <= model.drop < 1
        assert (model.shape > 0) == (model.jitter == LOGNORMAL)
    assert PROFILES[name].report.drop == PROFILES[name].feed.drop == 0
