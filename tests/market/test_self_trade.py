"""Self-trade prevention: what is cancelled when two orders of one trader meet."""

from __future__ import annotations

import pytest

from lobenv.market.tables import (
    CANCELLED,
    FILL,
    STP_CANCEL_BOTH,
    STP_CANCEL_NEWEST,
    STP_CANCEL_OLDEST,
    STP_OFF,
)
from lobenv.tape.reasons import (
    REASON_SELF_TRADE,
)
from tests.market.driver import Market, small_template, trader


def meet(stp):
    """Trader 1 meets its own order after 10 shares of trader 2's; behind it trader 2 sells 20 more."""
    market = Market(small_template(trader(1, stp=stp), trader(2)))
    market.order(2, -1, 1_001, 10)
    own = market.order(1, -1, 1_002, 10)
    behind = market.order(2, -1, 1_003, 20)
    taker = market.order(1, 1, 1_003, 30)
    return market, own, behind, taker


def cancelled(market):
    return [(r.order_id, r.qty) for r in market.reports() if (r.kind, r.reason) == (CANCELLED, REASON_SELF_TRADE)]


def test_without_prevention_a_trader_trades_with_itself():
    market, own, behind, taker = meet(STP_OFF)
    assert [r.order_id for r in market.reports() if r.kind == FILL][-2:] == [own, taker]
    account = market.account(1)
    assert (account["position"], account["volume"], account["maker_volume"]) == (20, 40, 10)
    assert market.queues() == {1_003: ([(behind, 10, 0)], [])}


def test_cancel_newest_ends_the_incoming_order_and_keeps_the_resting_one():
    market, own, behind, taker = meet(STP_CANCEL_NEWEST)
    assert cancelled(market) == [(taker, 20)]
    assert market.queues() == {1_002: ([(own, 10, 0)], []), 1_003: ([(behind, 20, 0)], [])}


def test_cancel_oldest_removes_the_resting_order_and_goes_on():
    market, own, _, _ = meet(STP_CANCEL_OLDEST)
    assert cancelled(market) == [(own, 10)]
    assert market.queues() == {}
    assert market.account(1)["position"] == 30


def test_cancel_both_ends_both():
    market, own, behind, taker = meet(STP_CANCEL_BOTH)
    assert cancelled(market) == [(own, 10), (taker, 20)]
    assert market.queues() == {1_003: ([(behind, 20, 0)], [])}


@pytest.mark.parametrize("stp", [STP_CANCEL_NEWEST, STP_CANCEL_OLDEST, STP_CANCEL_BOTH])
def test_no_rule_hinders_trading_with_others(stp):
    market = Market(small_template(trader(1, stp=stp), trader(2, stp=stp)))
    market.order(2, -1, 1_001, 10)
    market.order(1, 1, 1_001, 10)
    assert market.account(1)["position"] == 10
    assert cancelled(market) == []
