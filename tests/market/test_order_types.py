"""What each order type does on arrival, while it rests, and when it is served."""

from __future__ import annotations

import pytest

from lobenv.market.tables import (
    ACK,
    CANCELLED,
    FILL,
    FOK,
    HIDDEN,
    IOC,
    MARKET,
    PARTIAL,
    PEG_MIDPOINT,
    PEG_PRIMARY,
    POST_ONLY,
    REJECTED,
    STP_CANCEL_BOTH,
    STP_CANCEL_NEWEST,
    STP_CANCEL_OLDEST,
)
from lobenv.scenario.config import Halts
from lobenv.tape.reasons import (
    REASON_NO_REFERENCE,
    REASON_NONE,
    REASON_NOT_FILLABLE,
    REASON_PRICE_BAND,
    REASON_UNFILLED,
    REASON_WOULD_CROSS,
)
from tests.market.driver import SECOND, Market, best_prices, small_template, trader
from tests.market.invariants import check_all

TEMPLATE = small_template(trader(1), trader(2), trader(3))


@pytest.fixture
def market():
    return Market(TEMPLATE)


def answers(market, agent):
    return [(r.kind, r.reason, r.qty) for r in market.reports() if r.agent == agent]


# ---------------------------------------------------------------- immediate orders


@pytest.mark.parametrize("fields", [{"tif": IOC}, {"kind": MARKET}])
def test_what_an_immediate_order_does_not_fill_is_cancelled(market, fields):
    market.order(1, -1, 1_001, 10)
    market.order(2, 1, 1_001, 30, **fields)
    assert answers(market, 2) == [(ACK, REASON_NONE, 0), (PARTIAL, REASON_NONE, 10), (CANCELLED, REASON_UNFILLED, 20)]
    assert market.queues() == {}


def test_a_market_order_takes_every_price_of_the_book(market):
    prices = (1_001, 1_010, 1_031)
    for price in prices:
        market.order(1, -1, price, 10)
    market.order(2, 1, 0, 30, kind=MARKET)
    assert [(r.price, r.qty) for r in market.reports() if r.agent == 2 and r.qty] == [(price, 10) for price in prices]


def test_a_market_order_without_another_side_is_acknowledged_and_cancelled(market):
    market.order(2, 1, 0, 30, kind=MARKET)
    assert answers(market, 2) == [(ACK, REASON_NONE, 0), (CANCELLED, REASON_UNFILLED, 30)]


# ---------------------------------------------------------------- fill or kill


def test_a_fill_or_kill_order_executes_wholly(market):
    market.order(1, -1, 1_001, 10)
    market.order(1, -1, 1_002, 10, flags=HIDDEN)
    market.order(2, 1, 1_002, 20, tif=FOK)
    assert [r[0] for r in answers(market, 2)] == [ACK, PARTIAL, FILL]
    assert market.queues() == {}


def test_a_fill_or_kill_order_one_share_too_large_changes_nothing(market):
    market.order(1, -1, 1_001, 10)
    market.order(1, -1, 1_002, 10)
    market.order(1, -1, 1_003, 10)
    before = market.queues()
    market.order(2, 1, 1_002, 21, tif=FOK)
    assert answers(market, 2) == [(ACK, REASON_NONE, 0), (CANCELLED, REASON_NOT_FILLABLE, 21)]
    assert market.queues() == before


def test_a_fill_or_kill_order_counts_what_icebergs_hold_back(market):
    market.order(1, -1, 1_001, 20, peak=3)
    market.order(2, 1, 1_001, 20, tif=FOK)
    assert answers(market, 2)[-1] == (FILL, REASON_NONE, 20)


@pytest.mark.parametrize("stp", [STP_CANCEL_NEWEST, STP_CANCEL_OLDEST, STP_CANCEL_BOTH])
def test_a_fill_or_kill_order_does_not_count_what_its_owner_offers(stp):
    market = Market(small_template(trader(1), trader(2, stp=stp)))
    market.order(1, -1, 1_001, 10)
    market.order(2, -1, 1_001, 10)
    before = market.queues()
    market.order(2, 1, 1_001, 20, tif=FOK)
    assert answers(market, 2)[-1] == (CANCELLED, REASON_NOT_FILLABLE, 20)
    assert market.queues() == before


def test_a_fill_or_kill_order_does_not_count_prices_outside_the_halt_band():
    market = Market(small_template(halts=Halts(band_ticks=5)))
    market.order(1, -1, 1_004, 10)
    market.order(1, -1, 1_006, 10)
    market.order(2, 1, 1_006, 20, tif=FOK)
    assert answers(market, 2)[-1] == (CANCELLED, REASON_NOT_FILLABLE, 20)
    assert market.book()["halts"] == 0


# ---------------------------------------------------------------- post-only


def test_a_post_only_order_that_would_trade_is_refused(market):
    market.order(1, -1, 1_001, 10)
    market.order(2, 1, 1_001, 10, flags=POST_ONLY)
    assert answers(market, 2) == [(REJECTED, REASON_WOULD_CROSS, 10)]
    market.order(2, 1, 1_000, 10, flags=POST_ONLY)
    assert best_prices(market.world) == (1_000, 1_001)


def test_a_post_only_order_is_refused_where_a_hidden_order_stands(market):
    market.order(1, -1, 1_001, 10, flags=HIDDEN)
    market.order(2, 1, 1_001, 10, flags=POST_ONLY)
    assert answers(market, 2) == [(REJECTED, REASON_WOULD_CROSS, 10)]


# ---------------------------------------------------------------- icebergs


def test_an_iceberg_shows_its_peak_and_goes_to_the_back_with_the_next(market):
    iceberg = market.order(1, 1, 1_000, 25, peak=10)
    other = market.order(2, 1, 1_000, 10)
    assert market.queues() == {1_000: ([(iceberg, 25, 15), (other, 10, 0)], [])}
    market.order(3, -1, 1_000, 10)
    assert market.queues() == {1_000: ([(other, 10, 0), (iceberg, 15, 5)], [])}
    market.order(3, -1, 1_000, 22)
    assert market.queues() == {1_000: ([(iceberg, 3, 0)], [])}
    assert market.book()["shown_qty"].tolist() == [3, 0]


def test_an_iceberg_alone_in_its_queue_fills_in_one_piece(market):
    iceberg = market.order(1, 1, 1_000, 10, peak=4)
    market.reports()
    market.order(2, -1, 1_000, 10)
    remaining = [(r.qty, r.remaining) for r in market.reports() if r.order_id == iceberg]
    assert remaining == [(10, 0)]
    assert market.account(1)["open_qty"].tolist() == [0, 0]


@pytest.mark.parametrize(("taken", "shown"), [(3, 1), (4, 4), (5, 3), (7, 1), (8, 2), (9, 1)])
def test_what_an_iceberg_shows_after_it_was_alone_is_what_its_peaks_leave(market, taken, shown):
    market.order(1, 1, 1_000, 10, peak=4)
    market.order(2, -1, 1_000, taken)
    ((_, left, reserve),) = market.queues()[1_000][0]
    assert (left, left - reserve) == (10 - taken, shown)
    assert market.book()["shown_qty"][0] == shown


def test_an_iceberg_with_others_behind_it_goes_to_the_back_after_each_peak(market):
    iceberg = market.order(1, 1, 1_000, 10, peak=4)
    other = market.order(3, 1, 1_000, 3)
    market.reports()
    market.order(2, -1, 1_000, 12)
    assert [(r.order_id, r.qty) for r in market.reports() if r.maker] == [(iceberg, 4), (other, 3), (iceberg, 5)]


def test_a_large_order_against_an_iceberg_that_shows_one_share_needs_few_events():
    market = Market(small_template(trader(1), trader(2), tape=True))
    market.order(1, -1, 1_000, 100_000, peak=1)
    market.order(2, 1, 1_000, 50_000)
    assert market.account(2)["position"] == 50_000
    assert market.queues()[1_000][0][0][1:] == (50_000, 49_999)


def test_an_iceberg_that_takes_first_shows_a_peak_of_what_is_left(market):
    market.order(1, -1, 1_000, 10)
    iceberg = market.order(2, 1, 1_000, 30, peak=8)
    assert market.queues() == {1_000: ([(iceberg, 20, 12)], [])}


def test_an_order_smaller_than_its_peak_is_no_iceberg(market):
    order = market.order(1, 1, 1_000, 5, peak=8)
    assert market.queues() == {1_000: ([(order, 5, 0)], [])}


@pytest.mark.parametrize("fields", [{"flags": HIDDEN}, {"kind": PEG_PRIMARY}])
def test_an_order_that_shows_nothing_has_no_peak(market, fields):
    market.order(1, 1, 1_000, 1)
    order = market.order(1, 1, 1_000, 20, peak=5, **fields)
    assert market.queues()[1_000][1] == [(order, 20, 0)]


# ---------------------------------------------------------------- hidden orders


def test_a_hidden_order_is_served_after_displayed_ones_that_came_later(market):
    hidden = market.order(1, 1, 1_000, 10, flags=HIDDEN)
    displayed = market.order(2, 1, 1_000, 10)
    iceberg = market.order(2, 1, 1_000, 10, peak=2)
    market.reports()
    market.order(3, -1, 1_000, 22)
    served = [r.order_id for r in market.reports() if r.maker]
    assert served == [displayed, iceberg, hidden]


def test_a_hidden_order_trades_at_its_better_price_and_is_not_published(market):
    market.order(1, -1, 1_003, 10)
    market.order(1, 1, 995, 10)
    views = market.book()["feed_count"]
    hidden = market.order(2, -1, 1_000, 5, flags=HIDDEN)
    assert market.book()["feed_count"] == views
    assert best_prices(market.world) == (995, 1_000)
    assert best_prices(market.world, displayed=True) == (995, 1_003)
    market.reports()
    market.order(3, 1, 1_003, 5)
    assert [(r.order_id, r.price) for r in market.reports() if r.maker] == [(hidden, 1_000)]


# ---------------------------------------------------------------- pegged orders


def test_a_primary_peg_stands_hidden_at_its_own_best_and_follows_it(market):
    touch = market.order(1, 1, 1_000, 10)
    peg = market.order(2, 1, 1_010, 5, kind=PEG_PRIMARY)
    assert market.hidden_ids(1_000) == [peg]
    better = market.order(1, 1, 1_002, 10)
    assert market.hidden_ids(1_002) == [peg]
    market.cancel(1, better)
    assert market.queues() == {1_000: ([(touch, 10, 0)], [(peg, 5, 0)])}


@pytest.mark.parametrize(("side", "bid", "ask", "price"), [(1, 1_000, 1_005, 1_002), (-1, 1_000, 1_005, 1_003)])
def test_a_midpoint_peg_rounds_away_from_the_other_side(market, side, bid, ask, price):
    market.order(1, 1, bid, 10)
    market.order(1, -1, ask, 10)
    peg = market.order(2, side, 1_000 + 20 * side, 5, kind=PEG_MIDPOINT)
    assert market.hidden_ids(price) == [peg]


def test_a_peg_does_not_go_beyond_its_limit(market):
    market.order(1, 1, 1_000, 10)
    peg = market.order(2, 1, 1_001, 5, kind=PEG_PRIMARY)
    market.order(1, 1, 1_004, 10)
    assert market.hidden_ids(1_001) == [peg]


def test_a_peg_that_is_moved_loses_its_place(market):
    market.order(1, 1, 1_000, 10)
    peg = market.order(2, 1, 1_010, 5, kind=PEG_PRIMARY)
    hidden = market.order(3, 1, 1_002, 5, flags=HIDDEN)
    market.order(1, 1, 1_002, 10)
    assert market.hidden_ids(1_002) == [hidden, peg]


def test_pegs_that_are_moved_together_keep_their_order(market):
    market.order(1, 1, 1_000, 10)
    pegs = [market.order(2, 1, 1_010, 5, kind=PEG_PRIMARY) for _ in range(3)]
    touch = 1_000
    for touch in (1_001, 1_002, 1_003):
        market.order(1, 1, touch, 10)
    assert market.hidden_ids(touch) == pegs


@pytest.mark.parametrize("kind", [PEG_PRIMARY, PEG_MIDPOINT])
def test_a_peg_without_a_reference_price_is_refused(market, kind):
    market.order(1, -1, 1_005, 10)
    market.order(2, 1, 1_010, 5, kind=kind)
    assert answers(market, 2) == [(REJECTED, REASON_NO_REFERENCE, 5)]


def test_a_peg_whose_limit_is_outside_the_window_is_refused(market):
    market.order(1, 1, 1_000, 10)
    market.order(2, 1, 900, 5, kind=PEG_PRIMARY)
    assert answers(market, 2) == [(REJECTED, REASON_PRICE_BAND, 5)]


def test_a_peg_stays_where_it_is_when_its_reference_disappears(market):
    market.order(1, 1, 1_000, 10)
    peg = market.order(2, 1, 1_010, 5, kind=PEG_PRIMARY)
    market.cancel_all(1)
    assert market.hidden_ids(1_000) == [peg]


def test_pegs_on_both_sides_trade_where_their_prices_meet(market):
    market.order(1, 1, 1_000, 10)
    market.order(1, -1, 1_004, 10)
    resting = market.order(2, 1, 1_010, 5, kind=PEG_MIDPOINT)
    market.order(3, -1, 990, 5, kind=PEG_MIDPOINT)
    assert [(r.order_id, r.price) for r in market.reports() if r.maker] == [(resting, 1_002)]


def test_a_peg_executes_where_it_is_moved_to(market):
    market.order(1, 1, 1_000, 10)
    market.order(1, -1, 1_008, 10)
    peg = market.order(2, 1, 1_010, 8, kind=PEG_MIDPOINT)
    hidden = market.order(3, -1, 1_005, 5, flags=HIDDEN)
    market.reports()
    market.order(1, 1, 1_002, 10)
    trades = [(r.order_id, r.price, r.qty, r.maker) for r in market.reports() if r.qty]
    assert trades == [(peg, 1_005, 5, 0), (hidden, 1_005, 5, 1)]
    assert market.hidden_ids(1_005) == [peg]


def test_a_post_only_peg_that_would_execute_where_it_is_moved_to_is_cancelled(market):
    market.order(1, 1, 1_000, 10)
    market.order(1, -1, 1_008, 10)
    peg = market.order(2, 1, 1_010, 5, kind=PEG_MIDPOINT, flags=POST_ONLY)
    market.order(3, -1, 1_005, 5, flags=HIDDEN)
    market.reports()
    market.order(1, 1, 1_002, 10)
    assert [(r.order_id, r.kind, r.reason) for r in market.reports() if r.agent == 2] == [
        (peg, CANCELLED, REASON_WOULD_CROSS)
    ]


def test_pegs_stand_still_while_the_book_is_halted_and_follow_when_it_resumes():
    market = Market(small_template(trader(1), trader(2), trader(3), halts=Halts(band_ticks=10, pause_s=1.0)))
    market.order(1, 1, 1_000, 10)
    touch = market.order(1, 1, 1_002, 10)
    market.order(1, -1, 1_015, 10)
    peg = market.order(2, 1, 1_010, 5, kind=PEG_PRIMARY)
    market.order(3, 1, 1_015, 5, tif=IOC)
    assert market.book()["halts"] == 1
    market.cancel(1, touch)
    assert market.hidden_ids(1_002) == [peg]
    market.wait(SECOND)
    assert market.hidden_ids(1_000) == [peg]
    check_all(market.world)
