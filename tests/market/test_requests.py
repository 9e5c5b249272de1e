"""Cancel, reduce, replace and cancel-all: what keeps its place, what loses it, and what is refused."""

from __future__ import annotations

import pytest

from lobenv.market.tables import (
    CANCELLED,
    FILL,
    HIDDEN,
    PEG_PRIMARY,
    POST_ONLY,
    REJECTED,
    REPLACED,
)
from lobenv.tape.reasons import (
    REASON_BAD_QUANTITY,
    REASON_LIMIT_BREACHED,
    REASON_NONE,
    REASON_ON_REQUEST,
    REASON_ORDER_TYPE,
    REASON_PRICE_BAND,
    REASON_UNKNOWN_ORDER,
    REASON_WOULD_CROSS,
    REASON_WRONG_OWNER,
)
from tests.market.driver import Market, small_template, trader
from tests.market.invariants import check_all

TEMPLATE = small_template(trader(1), trader(2))
UNKNOWN = 12_345 << 20


@pytest.fixture
def market():
    return Market(TEMPLATE)


def last(market):
    """Kind, reason, shares and remaining shares of the latest report."""
    report = market.reports()[-1]
    return report.kind, report.reason, report.qty, report.remaining


def two_in_a_queue(market):
    return market.order(1, 1, 1_000, 10), market.order(1, 1, 1_000, 10)


# ---------------------------------------------------------------- cancel


def test_a_cancelled_order_is_reported_with_the_shares_it_still_had(market):
    order = market.order(1, 1, 1_000, 10)
    market.order(2, -1, 1_000, 4)
    market.cancel(1, order)
    assert last(market) == (CANCELLED, REASON_ON_REQUEST, 6, 0)
    assert market.account(1)["open_orders"] == 0


@pytest.mark.parametrize("order_id", [0, -1, UNKNOWN, 1 << 62])
def test_a_request_about_an_unknown_order_is_refused(market, order_id):
    market.cancel(1, order_id)
    assert last(market) == (REJECTED, REASON_UNKNOWN_ORDER, 0, 0)


def test_an_order_that_is_no_more_is_unknown_even_when_its_slot_is_used_again(market):
    order = market.order(1, 1, 1_000, 10)
    market.cancel(1, order)
    reused = market.order(1, 1, 1_000, 10)
    for request in (
        lambda: market.cancel(1, order),
        lambda: market.reduce(1, order, 5),
        lambda: market.replace(1, order, 1_001, 5),
    ):
        request()
        assert last(market) == (REJECTED, REASON_UNKNOWN_ORDER, 0, 0)
    assert market.queues() == {1_000: ([(reused, 10, 0)], [])}


def test_nobody_can_touch_the_order_of_another(market):
    order = market.order(1, 1, 1_000, 10)
    for request in (
        lambda: market.cancel(2, order),
        lambda: market.reduce(2, order, 5),
        lambda: market.replace(2, order, 1_001, 5),
    ):
        request()
        assert last(market) == (REJECTED, REASON_WRONG_OWNER, 0, 0)
    assert market.queues() == {1_000: ([(order, 10, 0)], [])}
    assert market.account(2)["rejected"] == 3
    assert market.account(1)["rejected"] == 0


def test_cancel_all_cancels_all_kinds_of_order_of_one_trader_only(market):
    market.order(1, 1, 1_000, 10)
    market.order(1, 1, 999, 10, flags=HIDDEN)
    market.order(1, 1, 1_010, 10, kind=PEG_PRIMARY)
    market.order(1, -1, 1_005, 30, peak=10)
    other = market.order(2, 1, 1_000, 10)
    market.reports()
    market.cancel_all(1)
    reports = market.reports()
    assert [(r.agent, r.kind, r.reason) for r in reports] == [(1, CANCELLED, REASON_ON_REQUEST)] * 4
    assert sorted(r.qty for r in reports) == [10, 10, 10, 30]
    assert market.queues() == {1_000: ([(other, 10, 0)], [])}
    check_all(market.world)


# ---------------------------------------------------------------- reduce


def test_a_reduced_order_keeps_its_place(market):
    first, second = two_in_a_queue(market)
    market.reduce(1, first, 7)
    assert last(market) == (REPLACED, REASON_NONE, 0, 3)
    assert market.queues() == {1_000: ([(first, 3, 0), (second, 10, 0)], [])}


@pytest.mark.parametrize("qty", [10, 11])
def test_an_order_reduced_by_all_it_has_is_cancelled(market, qty):
    first, second = two_in_a_queue(market)
    market.reduce(1, first, qty)
    assert last(market) == (CANCELLED, REASON_ON_REQUEST, 10, 0)
    assert market.displayed_ids(1_000) == [second]


def test_a_reduction_takes_what_an_iceberg_does_not_display_first(market):
    iceberg = market.order(1, 1, 1_000, 30, peak=10)
    market.reduce(1, iceberg, 15)
    assert market.queues() == {1_000: ([(iceberg, 15, 5)], [])}
    market.reduce(1, iceberg, 8)
    assert market.queues() == {1_000: ([(iceberg, 7, 0)], [])}
    assert market.book()["shown_qty"][0] == 7


@pytest.mark.parametrize("qty", [0, -4])
def test_a_reduction_must_be_positive(market, qty):
    order = market.order(1, 1, 1_000, 10)
    market.reduce(1, order, qty)
    assert last(market) == (REJECTED, REASON_BAD_QUANTITY, 0, 10)


# ---------------------------------------------------------------- replace


def test_a_smaller_size_at_the_same_price_keeps_the_place(market):
    first, second = two_in_a_queue(market)
    market.replace(1, first, 1_000, 4)
    assert last(market) == (REPLACED, REASON_NONE, 0, 4)
    assert market.queues() == {1_000: ([(first, 4, 0), (second, 10, 0)], [])}


def test_the_same_size_at_the_same_price_keeps_the_place(market):
    first, second = two_in_a_queue(market)
    market.replace(1, first, 1_000, 10)
    assert last(market) == (REPLACED, REASON_NONE, 0, 10)
    assert market.displayed_ids(1_000) == [first, second]


def test_a_larger_size_loses_the_place_and_keeps_the_id(market):
    first, second = two_in_a_queue(market)
    market.replace(1, first, 1_000, 11)
    assert market.queues() == {1_000: ([(second, 10, 0), (first, 11, 0)], [])}
    assert market.account(1)["open_qty"].tolist() == [21, 0]


def test_another_price_loses_the_place_even_on_the_way_back(market):
    first, second = two_in_a_queue(market)
    market.replace(1, first, 1_001, 10)
    market.replace(1, first, 1_000, 10)
    assert market.displayed_ids(1_000) == [second, first]


def test_a_replaced_iceberg_shows_a_full_peak_again(market):
    iceberg = market.order(1, 1, 1_000, 30, peak=10)
    market.order(2, -1, 1_000, 4)
    market.replace(1, iceberg, 999, 25)
    assert market.queues() == {999: ([(iceberg, 25, 15)], [])}


def test_a_replaced_order_executes_where_it_meets_the_other_side(market):
    market.order(2, -1, 1_005, 6)
    order = market.order(1, 1, 1_000, 10)
    market.reports()
    market.replace(1, order, 1_005, 10)
    kinds = [(r.agent, r.kind, r.qty, r.remaining) for r in market.reports()]
    assert kinds == [(1, REPLACED, 0, 10), (1, 1, 6, 4), (2, FILL, 6, 0)]
    assert market.queues() == {1_005: ([(order, 4, 0)], [])}


def test_a_post_only_replacement_that_would_cross_is_refused_and_the_order_stays(market):
    market.order(2, -1, 1_005, 6)
    order = market.order(1, 1, 1_000, 10, flags=POST_ONLY)
    behind = market.order(2, 1, 1_000, 1)
    market.replace(1, order, 1_005, 10)
    assert last(market) == (REJECTED, REASON_WOULD_CROSS, 0, 10)
    assert market.displayed_ids(1_000) == [order, behind]


@pytest.mark.parametrize(
    ("price", "qty", "reason"),
    [(1_000, 0, REASON_BAD_QUANTITY), (1_000, -1, REASON_BAD_QUANTITY), (1_100, 10, REASON_PRICE_BAND)],
)
def test_an_impossible_replacement_is_refused_and_the_order_stays(market, price, qty, reason):
    first, second = two_in_a_queue(market)
    market.replace(1, first, price, qty)
    assert last(market) == (REJECTED, reason, 0, 10)
    assert market.displayed_ids(1_000) == [first, second]


def test_a_pegged_order_cannot_be_given_another_price(market):
    market.order(1, 1, 1_000, 10)
    peg = market.order(1, 1, 1_010, 10, kind=PEG_PRIMARY)
    market.replace(1, peg, 1_001, 10)
    assert last(market) == (REJECTED, REASON_ORDER_TYPE, 0, 10)
    market.replace(1, peg, 1_000, 6)
    assert last(market) == (REPLACED, REASON_NONE, 0, 6)


def test_a_replacement_may_grow_to_the_inventory_cap_and_no_further():
    market = Market(small_template(trader(1, inventory_cap=20), trader(2)))
    order = market.order(1, 1, 1_000, 19)
    market.replace(1, order, 1_001, 20)
    assert last(market) == (REPLACED, REASON_NONE, 0, 20)
    market.replace(1, order, 1_001, 21)
    assert last(market) == (REJECTED, REASON_LIMIT_BREACHED, 0, 20)
