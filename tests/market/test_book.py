"""Price-time priority: the best price first, at one price the first to arrive, each at the resting order's price."""

from __future__ import annotations

import pytest

from lobenv.market.tables import FILL, PARTIAL
from tests.market.driver import Market, best_prices, small_template, trader
from tests.market.invariants import check_all

TEMPLATE = small_template(trader(1), trader(2), trader(3))


@pytest.fixture
def market():
    return Market(TEMPLATE)


def fills(market, *, maker):
    return [
        (r.agent, r.order_id, r.price, r.qty)
        for r in market.reports()
        if r.kind in (FILL, PARTIAL) and r.maker == maker
    ]


def test_orders_at_one_price_are_served_in_order_of_arrival(market):
    first = market.order(1, 1, 1_000, 10)
    second = market.order(2, 1, 1_000, 10)
    third = market.order(1, 1, 1_000, 10)
    assert market.displayed_ids(1_000) == [first, second, third]
    market.order(3, -1, 1_000, 25)
    assert fills(market, maker=1) == [(1, first, 1_000, 10), (2, second, 1_000, 10), (1, third, 1_000, 5)]
    assert market.queues() == {1_000: ([(third, 5, 0)], [])}


def test_a_better_price_is_served_before_an_earlier_order(market):
    market.order(1, -1, 1_002, 10)
    better = market.order(2, -1, 1_001, 10)
    market.order(3, 1, 1_005, 10)
    assert fills(market, maker=1) == [(2, better, 1_001, 10)]


def test_an_aggressor_trades_at_the_resting_prices_and_rests_with_what_is_left(market):
    market.order(1, -1, 1_001, 10)
    market.order(1, -1, 1_003, 10)
    taker = market.order(2, 1, 1_003, 35)
    assert fills(market, maker=0) == [(2, taker, 1_001, 10), (2, taker, 1_003, 10)]
    assert market.queues() == {1_003: ([(taker, 15, 0)], [])}
    assert best_prices(market.world) == (1_003, None)


def test_a_limit_order_does_not_trade_beyond_its_price(market):
    market.order(1, -1, 1_001, 10)
    market.order(1, -1, 1_002, 10)
    market.order(2, 1, 1_001, 20)
    assert best_prices(market.world) == (1_001, 1_002)


def test_the_last_partial_fill_is_reported_as_a_fill(market):
    market.order(1, 1, 1_000, 10)
    market.order(2, -1, 1_000, 4)
    market.reports()
    market.order(2, -1, 1_000, 6)
    _, taker, maker = market.reports()
    assert (taker.kind, taker.qty, taker.remaining, taker.maker) == (FILL, 6, 0, 0)
    assert (maker.kind, maker.qty, maker.remaining, maker.maker) == (FILL, 6, 0, 1)


def test_cancelling_in_the_middle_of_a_queue_leaves_the_others_in_place(market):
    ids = [market.order(1, 1, 1_000, 10) for _ in range(4)]
    market.cancel(1, ids[1])
    market.cancel(1, ids[3])
    market.cancel(1, ids[0])
    assert market.displayed_ids(1_000) == [ids[2]]
    check_all(market.world)


@pytest.mark.parametrize("side", [1, -1])
def test_the_best_price_falls_back_over_empty_levels(market, side):
    market.order(1, side, 1_000 - 30 * side, 10)
    best = market.order(1, side, 1_000, 10)
    market.cancel(1, best)
    column = 0 if side > 0 else 1
    assert best_prices(market.world)[column] == 1_000 - 30 * side
    market.cancel_all(1)
    assert best_prices(market.world) == (None, None)


def test_a_slot_that_is_used_again_has_another_id(market):
    first = market.order(1, 1, 1_000, 10)
    market.cancel(1, first)
    second = market.order(1, 1, 1_000, 10)
    assert second & 0xFFFFF == first & 0xFFFFF
    assert second != first
