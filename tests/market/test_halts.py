"""Volatility halts, and the opening and closing of the session."""

from __future__ import annotations

import pytest

from lobenv.market.tables import (
    CANCELLED,
    CLOSED,
    FILL,
    HALTED,
    HIDDEN,
    OPEN,
    REJECTED,
    REPLACED,
)
from lobenv.scenario.config import Halts, Session
from lobenv.tape.reasons import (
    REASON_HALTED,
    REASON_ON_REQUEST,
    REASON_SESSION_END,
)
from lobenv.tape.schema import HALT, HALT_BEGINS, TRADING_RESUMES
from tests.market.driver import MIDDLE, SECOND, Market, small_template, trader
from tests.market.invariants import check_all

BAND = 10
TEMPLATE = small_template(halts=Halts(band_ticks=BAND, pause_s=3.0, memory_s=60.0), tape=True)


@pytest.fixture
def market():
    return Market(TEMPLATE)


def state(market):
    return int(market.book()["state"])


def halt(market):
    """Trader 2 tries to buy 5 shares inside the band, 5 at its edge, 5 beyond."""
    for price in (MIDDLE + 1, MIDDLE + BAND, MIDDLE + BAND + 1):
        market.order(1, -1, price, 5)
    market.reports()
    return market.order(2, 1, MIDDLE + 20, 15)


def test_a_trade_outside_the_band_halts_the_book_and_the_rest_of_the_order_is_cancelled(market):
    taker = halt(market)
    assert state(market) == HALTED
    reports = [r for r in market.reports() if r.order_id == taker]
    assert [(r.price, r.qty) for r in reports if r.kind < CANCELLED and r.qty] == [(MIDDLE + 1, 5), (MIDDLE + BAND, 5)]
    assert (reports[-1].kind, reports[-1].reason, reports[-1].qty) == (CANCELLED, REASON_HALTED, 5)
    assert MIDDLE + BAND + 1 in market.queues()


def test_the_band_counts_both_ways(market):
    market.order(1, 1, MIDDLE - BAND - 1, 5)
    market.order(2, -1, MIDDLE - 20, 5)
    assert state(market) == HALTED
    assert market.book()["trades"] == 0


def test_a_halted_book_takes_no_orders_and_no_replacements_but_lets_orders_shrink_and_go(market):
    halt(market)
    resting = market.displayed_ids(MIDDLE + BAND + 1)[0]
    market.order(1, 1, MIDDLE, 5)
    assert (market.reports()[-1].kind, state(market)) == (REJECTED, HALTED)
    market.replace(1, resting, MIDDLE + 15, 5)
    assert market.reports()[-1].reason == REASON_HALTED
    market.reduce(1, resting, 2)
    assert market.reports()[-1].kind == REPLACED
    market.cancel(1, resting)
    assert market.reports()[-1].reason == REASON_ON_REQUEST


def test_trading_resumes_after_the_pause_around_the_price_that_was_refused(market):
    halt(market)
    market.wait(3 * SECOND - 1)
    assert state(market) == HALTED
    market.wait(1)
    assert state(market) == OPEN
    assert market.book()["reference"] == MIDDLE + BAND + 1
    market.order(2, 1, MIDDLE + 20, 5)
    assert market.reports()[-1].kind == FILL


def test_a_halt_and_its_end_are_on_the_tape(market):
    halt(market)
    market.wait(3 * SECOND)
    tape = market.world.tape[: int(market.world.clock["tape_count"][0])]
    halts = tape[tape["kind"] == HALT]
    assert halts["price"].tolist() == [HALT_BEGINS, TRADING_RESUMES]
    assert halts["time"].tolist() == [0, 3 * SECOND]


def test_the_reference_trails_the_mid_by_the_time_that_the_mid_stood(market):
    market.order(1, 1, MIDDLE - 3, 5)
    market.order(1, -1, MIDDLE + 7, 5)
    assert market.book()["reference"] == MIDDLE
    market.wait(30 * SECOND)
    market.order(1, 1, MIDDLE + 5, 5)
    assert market.book()["reference"] == MIDDLE + 2.0 * 30 / (30 + 60)


def test_a_jump_of_the_mid_after_a_quiet_time_does_not_move_the_reference(market):
    market.order(1, 1, MIDDLE - 1, 5)
    market.order(1, -1, MIDDLE + 1, 5)
    market.wait(3_600 * SECOND)
    market.cancel_all(1)
    market.order(1, 1, MIDDLE + 14, 5)
    market.order(1, -1, MIDDLE + 15, 5)
    market.order(2, 1, MIDDLE + 15, 5)
    assert state(market) == HALTED


def test_without_a_band_nothing_halts():
    market = Market(small_template())
    market.order(1, -1, MIDDLE + 31, 5)
    market.order(2, 1, MIDDLE + 31, 5)
    assert (state(market), int(market.book()["trades"])) == (OPEN, 1)


def test_the_close_cancels_everything_with_a_report_and_closes_the_book():
    market = Market(small_template(trader(1), trader(2), session=Session(warm_up_s=0.0, duration_s=2.0)))
    ids = [
        market.order(1, 1, MIDDLE, 10),
        market.order(2, -1, MIDDLE + 5, 10, peak=2),
        market.order(1, 1, MIDDLE, 10, flags=HIDDEN),
    ]
    market.reports()
    market.wait(3 * SECOND)
    reports = market.reports()
    assert sorted(r.order_id for r in reports) == sorted(ids)
    assert {(r.kind, r.reason) for r in reports} == {(CANCELLED, REASON_SESSION_END)}
    assert (state(market), market.queues()) == (CLOSED, {})
    check_all(market.world)
