"""Money to the millitick: fees, average cost, profit and loss, and the kill switch."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lobenv.compiled import JIT_ENABLED
from lobenv.market.tables import (
    CANCELLED,
    FILL,
    PARTIAL,
)
from lobenv.scenario.config import Fees, Fundamental
from lobenv.tape.reasons import (
    REASON_KILLED,
    REASON_UNFILLED,
)
from tests.market.driver import Market, small_template, trader
from tests.market.invariants import check_all, check_conservation


def trade(market, buyer, price, qty):
    """Trader `buyer` (1 or 2) takes from the other; a negative size sells."""
    side = 1 if qty > 0 else -1
    market.order(3 - buyer, -side, price, abs(qty))
    market.order(buyer, side, price, abs(qty))


def money(market, agent=1):
    account = market.account(agent)
    return {name: int(account[name]) for name in ("position", "cash", "fees", "cost")}


# ---------------------------------------------------------------- fees


def test_a_trade_moves_shares_and_money_from_one_account_to_the_other():
    market = Market(small_template())
    trade(market, 1, 1_003, 7)
    assert money(market, 1) == {"position": 7, "cash": -7_021_000, "fees": 0, "cost": 7_021_000}
    assert money(market, 2) == {"position": -7, "cash": 7_021_000, "fees": 0, "cost": -7_021_000}


def test_fees_and_rebates_per_share_are_exact():
    market = Market(small_template(fees=Fees(maker_per_share=-0.002, taker_per_share=0.003)))
    trade(market, 1, 1_003, 7)
    assert (money(market, 1)["fees"], money(market, 2)["fees"]) == (2_100, -1_400)
    assert market.book()["revenue"] == 700


def test_fees_on_the_value_are_rounded_down_to_the_millitick_for_each_execution():
    market = Market(small_template(fees=Fees(maker_bps=0.3, taker_bps=-0.7)))
    trade(market, 1, 1_003, 7)  # a value of 7,021,000
    assert (money(market, 1)["fees"], money(market, 2)["fees"]) == (-492, 210)
    assert market.book()["revenue"] == -282


def test_fees_are_reported_with_the_executions_they_belong_to():
    market = Market(small_template(fees=Fees(maker_per_share=-0.002, taker_per_share=0.003)))
    market.order(2, -1, 1_001, 4)
    market.order(2, -1, 1_002, 4)
    market.order(1, 1, 1_002, 6)
    fills = [(r.agent, r.qty, r.fee) for r in market.reports() if r.kind in (FILL, PARTIAL)]
    assert fills == [(1, 4, 1_200), (2, 4, -800), (1, 2, 600), (2, 2, -400)]
    assert market.account(1)["known_cash"] == -(4 * 1_001 + 2 * 1_002) * 1_000 - 1_800


def test_money_is_exact_for_orders_of_many_shares_at_high_prices():
    market = Market(
        small_template(fundamentals={"SIM": Fundamental(price=5_000.0, step_s=1e6)}, fees=Fees(taker_bps=1.0))
    )
    trade(market, 1, 500_000, 1_000_000)
    value = 500_000 * 1_000_000 * 1_000
    assert money(market, 1) == {"position": 1_000_000, "cash": -value, "fees": value // 10_000, "cost": value}
    assert market.account(1)["known_cash"] == -value - value // 10_000
    check_all(market.world)


# ---------------------------------------------------------------- cost and profit


def test_the_cost_of_a_position_is_kept_at_its_average():
    market = Market(small_template())
    trade(market, 1, 1_000, 10)
    trade(market, 1, 1_004, 30)
    assert money(market)["cost"] == 40 * 1_003_000
    trade(market, 1, 1_010, -20)
    assert money(market)["cost"] == 20 * 1_003_000
    assert money(market)["cash"] + money(market)["cost"] == 20 * 7_000  # realised


def test_a_position_that_is_turned_round_costs_what_its_new_side_was_traded_at():
    market = Market(small_template())
    trade(market, 1, 1_000, 10)
    trade(market, 1, 1_006, -25)
    assert money(market) == {"position": -15, "cash": 15 * 1_006_000 + 60_000, "fees": 0, "cost": -15 * 1_006_000}


def test_a_closed_position_leaves_its_profit_and_no_cost():
    market = Market(small_template())
    for price, qty in ((1_000, 3), (1_001, 4), (1_007, -5), (1_002, -2)):
        trade(market, 1, price, qty)
    assert money(market) == {"position": 0, "cash": (5 * 7 + 2 * 2 - 4) * 1_000, "fees": 0, "cost": 0}


FREE_OF_FEES = small_template()


@settings(max_examples=200 if JIT_ENABLED else 60, deadline=None)
@given(trades=st.lists(st.tuples(st.integers(990, 1_010), st.integers(-50, 50).filter(bool)), max_size=25))
def test_realised_and_unrealised_profit_add_up_to_all_profit(trades):
    market = Market(FREE_OF_FEES)
    position, cost, rounding = 0, Fraction(0), 0
    held, last_price, profit = 0, 0, 0
    for price, qty in trades:
        closed = min(abs(qty), abs(position)) if position * qty < 0 else 0
        cost -= cost / abs(position) * closed if closed else 0
        rounding += closed
        cost += (abs(qty) - closed) * price * 1_000 * (1 if qty > 0 else -1)
        position += qty
        trade(market, 1, price, qty)
        account = money(market)
        assert account["position"] == position
        assert abs(account["cost"] - cost) <= rounding
        realised, unrealised = account["cash"] + account["cost"], position * price * 1_000 - account["cost"]
        profit += held * (price - last_price) * 1_000
        held, last_price = position, price
        assert realised + unrealised == profit
        check_conservation(market.world, 0)


# ---------------------------------------------------------------- kill switch


def losing_market(**fields):
    """Trader 1 may lose $1 (100 ticks x shares) and has two orders; trader 2 bids 5 shares at 985 and at 980."""
    market = Market(small_template(trader(1, loss_limit=1.0, **fields), trader(2), width=256))
    market.order(1, 1, 970, 5)
    market.order(1, -1, 1_029, 5)
    for price in (985, 980):
        market.order(2, 1, price, 5)
    market.order(2, -1, 1_005, 8)
    market.reports()
    return market


def test_a_loss_beyond_the_limit_cancels_everything_and_then_closes_the_position():
    market = losing_market()
    market.order(1, 1, 1_005, 8)  # marked at (985 + 1,029) / 2 it gains
    market.order(2, -1, 1_000, 1)  # marked at 992.5 it has lost exactly the limit
    assert market.account(1)["killed"] == 0
    market.reports()
    market.order(2, -1, 998, 1)  # marked at 991.5 eight shares have lost 108, by what somebody else did
    reports = [r for r in market.reports() if r.agent == 1]
    assert [(r.kind, r.reason) for r in reports[:2]] == [(CANCELLED, REASON_KILLED)] * 2
    assert [(r.price, r.qty, r.side) for r in reports[2:]] == [(985, 5, -1), (980, 3, -1)]
    assert (market.account(1)["killed"], market.account(1)["position"]) == (1, 0)
    check_all(market.world)


def test_the_kill_switch_can_leave_the_position_open():
    market = losing_market(flatten=False)
    market.order(1, 1, 1_005, 8)
    market.order(2, -1, 986, 5)
    assert (market.account(1)["killed"], market.account(1)["position"]) == (1, 8)
    assert market.account(1)["open_orders"] == 0


def test_a_position_that_finds_no_other_side_stays_open():
    market = losing_market()
    market.order(2, -1, 1_006, 5)
    market.order(1, 1, 1_006, 13)
    market.order(2, -1, 986, 50)
    killed = [r for r in market.reports() if r.agent == 1][-1]
    assert (killed.kind, killed.reason, killed.qty) == (CANCELLED, REASON_UNFILLED, 3)
    assert market.account(1)["position"] == 3
    check_all(market.world)


@pytest.mark.parametrize("loss_limit", [0.0, 5.0])
def test_a_loss_within_the_limit_changes_nothing(loss_limit):
    market = Market(small_template(trader(1, loss_limit=loss_limit), trader(2)))
    market.order(2, 1, 985, 5)
    market.order(2, -1, 1_005, 8)
    market.order(1, 1, 1_005, 8)
    assert (market.account(1)["killed"], market.account(1)["position"]) == (0, 8)
