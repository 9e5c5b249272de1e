"""Every reason for which the exchange refuses a new order, with the order given back as it was sent."""

from __future__ import annotations

import pytest

from lobenv.market.tables import (
    ACK,
    FOK,
    IOC,
    LIMIT,
    MARKET,
    PEG_MIDPOINT,
    PEG_PRIMARY,
    REJECTED,
)
from lobenv.scenario.config import Capacity, Session
from lobenv.tape.reasons import (
    REASON_BAD_QUANTITY,
    REASON_CLOSED,
    REASON_KILLED,
    REASON_LIMIT_BREACHED,
    REASON_NAMES,
    REASON_ORDER_TYPE,
    REASON_PRICE_BAND,
    REASON_RATE_LIMIT,
    REASON_TABLE_FULL,
)
from tests.market.driver import MIDDLE, SECOND, Market, Report, small_template, trader
from tests.market.invariants import check_all


def market_with(**fields):
    return Market(small_template(trader(1, **fields), trader(2)))


def answer(market):
    report = market.reports()[-1]
    return report.kind, report.reason


@pytest.mark.parametrize("qty", [0, -1, -(2**31)])
def test_a_size_that_is_not_positive_is_refused(qty):
    market = market_with()
    order = market.order(1, 1, 1_000, qty)
    assert market.reports() == [Report(1, order, REJECTED, REASON_BAD_QUANTITY, 1, 1_000, qty, 0, 0, 0)]
    assert market.account(1)["rejected"] == 1
    check_all(market.world)


@pytest.mark.parametrize("tif", [0, IOC, FOK])
def test_a_price_outside_the_window_is_refused_and_the_outermost_inside_accepted(tif):
    market = market_with()
    market.order(2, 1, MIDDLE - 1, 5)
    market.order(2, -1, MIDDLE + 1, 5)
    low, high = MIDDLE - 32, MIDDLE + 31
    for price in (low - 1, high + 1, 0, -5):
        market.order(1, 1, price, 5, tif=tif)
        assert answer(market) == (REJECTED, REASON_PRICE_BAND)
    orders = market.order(1, 1, low, 5), market.order(1, -1, high, 5)
    assert (market.displayed_ids(low), market.displayed_ids(high)) == ([orders[0]], [orders[1]])


@pytest.mark.parametrize("kind", [LIMIT, MARKET, PEG_PRIMARY, PEG_MIDPOINT])
def test_a_type_of_order_that_is_not_allowed_is_refused(kind):
    market = market_with(allowed=0b1111 & ~(1 << kind))
    market.order(2, 1, 999, 5)
    market.order(2, -1, 1_001, 5)
    market.order(1, 1, 1_000, 5, kind=kind)
    assert answer(market) == (REJECTED, REASON_ORDER_TYPE)
    only = market_with(allowed=1 << kind)
    only.order(2, 1, 999, 5)
    only.order(2, -1, 1_001, 5)
    order = only.order(1, 1, 1_000, 5, kind=kind)
    assert next(r.kind for r in only.reports() if r.order_id == order) == ACK


@pytest.mark.parametrize("side", [1, -1])
def test_the_inventory_cap_counts_the_position_and_the_open_shares_of_that_side(side):
    market = market_with(inventory_cap=100)
    market.order(2, -side, 1_000, 60)
    market.order(1, side, 1_000, 60)
    market.order(1, side, 1_000 - 5 * side, 30)
    market.order(1, side, 1_000 - 5 * side, 11)
    assert answer(market) == (REJECTED, REASON_LIMIT_BREACHED)
    market.order(1, side, 1_000 - 5 * side, 10)
    assert answer(market) == (ACK, 0)
    assert market.account(1)["open_qty"].sum() == 40


def test_the_inventory_cap_lets_a_position_be_turned_round():
    market = market_with(inventory_cap=100)
    market.order(2, -1, 1_000, 100)
    market.order(1, 1, 1_000, 100)
    market.order(1, -1, 1_001, 201)
    assert answer(market) == (REJECTED, REASON_LIMIT_BREACHED)
    market.order(1, -1, 1_001, 200)
    assert answer(market) == (ACK, 0)


def test_the_order_rate_limit_counts_new_orders_and_changes_in_each_second():
    market = market_with(order_rate=3)
    order = market.order(1, 1, 1_000, 10, after=SECOND // 2)
    market.reduce(1, order, 1)
    market.replace(1, order, 1_000, 5)
    market.replace(1, order, 1_000, 4)
    assert answer(market) == (REJECTED, REASON_RATE_LIMIT)
    market.order(1, 1, 1_000, 10, after=SECOND // 2 - 1)
    assert answer(market) == (REJECTED, REASON_RATE_LIMIT)
    market.order(1, 1, 1_000, 10, after=1)
    assert answer(market) == (ACK, 0)


def test_the_order_rate_limit_does_not_hinder_cancelling():
    market = market_with(order_rate=1)
    order = market.order(1, 1, 1_000, 10)
    market.cancel(1, order)
    assert market.queues() == {}
    for _ in range(3):
        market.cancel_all(1)
    assert market.account(1)["rejected"] == 0


def test_orders_before_the_open_and_after_the_close_are_refused():
    market = Market(small_template(session=Session(open_s=2.0, warm_up_s=0.0, duration_s=3.0)))
    market.order(1, 1, 1_000, 5, after=SECOND)
    assert answer(market) == (REJECTED, REASON_CLOSED)
    market.order(1, 1, 1_000, 5, after=SECOND)
    assert answer(market) == (ACK, 0)
    market.order(1, 1, 1_000, 5, after=4 * SECOND)
    assert answer(market) == (REJECTED, REASON_CLOSED)


def test_orders_after_the_kill_switch_are_refused():
    market = market_with(loss_limit=0.01)
    market.order(2, 1, 990, 1)
    market.order(2, -1, 1_010, 10)
    market.order(1, 1, 1_010, 10)
    market.order(1, 1, 1_000, 5)
    assert answer(market) == (REJECTED, REASON_KILLED)


def test_an_order_that_finds_the_table_full_is_refused_and_nothing_is_overwritten():
    capacity = Capacity(orders=16, messages=64, events=64, ladder_ticks=64, feed=64, inbox=64)
    market = Market(small_template(capacity=capacity))
    orders = [market.order(1, 1, 990, 1) for _ in range(16)]
    market.reports()
    assert market.order(2, -1, 1_000, 7) == 0
    assert market.reports() == [Report(2, 0, REJECTED, REASON_TABLE_FULL, -1, 1_000, 7, 0, 0, 0)]
    assert market.displayed_ids(990) == orders
    market.cancel(1, orders[3])
    assert market.order(2, -1, 1_000, 7) > 0
    check_all(market.world)


def test_every_reason_has_a_name():
    assert len(set(REASON_NAMES)) == len(REASON_NAMES)
