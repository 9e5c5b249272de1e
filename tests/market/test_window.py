"""The window of prices follows the touch; what falls out of it is cancelled with a report."""

from __future__ import annotations

import pytest

from lobenv.market.tables import (
    CANCELLED,
    HIDDEN,
    PEG_PRIMARY,
    REJECTED,
)
from lobenv.scenario.config import Fundamental
from lobenv.tape.reasons import (
    REASON_OUT_OF_WINDOW,
    REASON_PRICE_BAND,
)
from tests.market.driver import MIDDLE, Market, best_prices, small_template, trader
from tests.market.invariants import check_all

TEMPLATE = small_template(trader(1), trader(2))
LOW, HIGH = MIDDLE - 32, MIDDLE + 31


def climb(market, side, touch):
    """Move the touch up (side +1) or down, with one order of trader 2 a side."""
    market.cancel_all(2)
    market.order(2, side, touch, 1)
    market.order(2, -side, touch + 2 * side, 1)


def cancelled(market):
    return [(r.order_id, r.price) for r in market.reports() if (r.kind, r.reason) == (CANCELLED, REASON_OUT_OF_WINDOW)]


@pytest.mark.parametrize(("side", "edge"), [(1, LOW), (-1, HIGH)])
def test_orders_that_fall_out_of_the_window_are_cancelled_with_a_report(side, edge):
    market = Market(TEMPLATE)
    kept = market.order(1, side, edge + 20 * side, 3)
    displayed = market.order(1, side, edge, 3)
    hidden = market.order(1, side, edge, 5, flags=HIDDEN)
    iceberg = market.order(1, side, edge + side, 9, peak=2)
    market.reports()
    climb(market, side, MIDDLE + 17 * side)
    order = [displayed, hidden, iceberg] if side > 0 else [iceberg, displayed, hidden]
    assert [order_id for order_id, _ in cancelled(market)] == order
    assert market.displayed_ids(edge + 20 * side) == [kept]
    assert market.account(1)["open_qty"].sum() == 3
    check_all(market.world)


def test_the_window_stays_while_the_mid_is_in_its_middle_half():
    market = Market(TEMPLATE)
    climb(market, 1, MIDDLE + 15)
    assert market.book()["base"] == LOW
    climb(market, 1, MIDDLE + 16)
    assert market.book()["base"] == MIDDLE + 17 - 32


def test_prices_that_came_into_the_window_can_be_used_and_others_no_longer():
    market = Market(TEMPLATE)
    market.order(1, -1, HIGH + 5, 5)
    assert market.reports()[-1].reason == REASON_PRICE_BAND
    climb(market, 1, MIDDLE + 20)
    market.reports()
    market.order(1, -1, HIGH + 5, 5)
    assert market.reports()[-1].kind != REJECTED
    market.order(1, 1, LOW, 5)
    assert market.reports()[-1].reason == REASON_PRICE_BAND
    assert best_prices(market.world) == (MIDDLE + 20, MIDDLE + 22)


def test_pegged_orders_fall_out_too():
    market = Market(TEMPLATE)
    climb(market, 1, MIDDLE)
    peg = market.order(1, 1, LOW + 1, 5, kind=PEG_PRIMARY)
    market.reports()
    climb(market, 1, MIDDLE + 20)
    assert (peg, LOW + 1) in cancelled(market)
    check_all(market.world)


def test_the_window_follows_over_several_times_its_width_and_back():
    market = Market(TEMPLATE)
    fallen = 0
    for side, path in ((1, range(MIDDLE, MIDDLE + 300, 9)), (-1, range(MIDDLE + 300, MIDDLE - 200, -11))):
        market.cancel_all(1)
        for touch in path:
            market.order(1, side, touch - 3 * side, 4)
            market.cancel_all(2)
            market.order(2, side, touch, 1)
            market.order(2, -side, touch + side, 1)
            assert best_prices(market.world)[0 if side > 0 else 1] == touch
            assert market.book()["base"] <= touch < market.book()["base"] + 64
            fallen += len(cancelled(market))
            check_all(market.world)
    assert fallen > 50


def test_the_window_does_not_begin_below_a_price_of_one():
    market = Market(small_template(fundamentals={"SIM": Fundamental(price=0.2, step_s=1e6)}))
    assert market.book()["base"] == 1
    market.order(1, 1, 1, 5)
    market.order(2, -1, 2, 5)
    assert market.book()["base"] == 1
    market.order(1, 1, 0, 5)
    assert market.reports()[-1].reason == REASON_PRICE_BAND
    check_all(market.world)
