"""Background market makers: where they quote, what they leave alone, and how they lean against what they hold."""

from __future__ import annotations

import math
from typing import Any

import pytest

from lobenv.agents.avellaneda_stoikov import AvellanedaStoikovMaker
from lobenv.agents.market_maker import MarketMaker
from tests.agents.bench import AGENT, QUICK, market_with, quote, resting
from tests.market.driver import MIDDLE, SECOND
from tests.market.invariants import check_all

STILL: dict[str, Any] = {
    "initial_spread_ticks": 10.0,
    "spread_weight": 0.0,
    "step_ticks": 2,
    "least_shares": 50,
    "most_shares": 50,
    "lean_ticks": 0.0,
}


def market_about(config, half_spread=2):
    """Trader 1 shows a deep touch about MIDDLE, so that the maker's quotes behind it do not move the mid."""
    market = market_with(config)
    quote(market, MIDDLE - half_spread, MIDDLE + half_spread)
    return market


def sell_to(market, price, qty):
    """Let trader 2 sell to whatever bids at this price or better, and put trader 1's touch back."""
    market.cancel_all(1)
    market.order(2, -1, price, qty, tif=1)
    quote(market, MIDDLE - 2, MIDDLE + 2)


def test_a_ladder_stands_half_the_spread_from_the_mid_in_even_steps():
    market = market_about(MarketMaker(levels=3, **STILL, **QUICK))
    market.wait(10 * SECOND)
    assert resting(market) == {
        1: [(MIDDLE - 5 - 2 * k, 50) for k in range(3)],
        -1: [(MIDDLE + 5 + 2 * k, 50) for k in range(3)],
    }


def test_quotes_that_stand_right_are_left_alone():
    market = market_about(MarketMaker(levels=3, **STILL, **QUICK))
    market.wait(10 * SECOND)
    before, account = market.queues(), market.account(AGENT)
    sent = int(account["orders_sent"]), int(account["replaces_sent"]), int(account["cancels_sent"])
    market.wait(50 * SECOND)
    assert market.queues() == before
    assert (int(account["orders_sent"]), int(account["replaces_sent"]), int(account["cancels_sent"])) == sent


def test_when_the_mid_moves_by_a_step_only_the_outermost_quotes_change():
    market = market_about(MarketMaker(levels=3, **STILL, **QUICK))
    market.wait(10 * SECOND)
    kept = {price: market.displayed_ids(price) for price in (MIDDLE - 5, MIDDLE - 7, MIDDLE + 7, MIDDLE + 9)}
    quote(market, MIDDLE, MIDDLE + 4)
    market.wait(10 * SECOND)
    assert {price: market.displayed_ids(price) for price in kept} == kept
    assert [price for price, _ in resting(market)[1]] == [MIDDLE - 3, MIDDLE - 5, MIDDLE - 7]
    assert [price for price, _ in resting(market)[-1]] == [MIDDLE + 7, MIDDLE + 9, MIDDLE + 11]
    assert market.account(AGENT)["replaces_sent"] == 2


def test_a_filled_quote_is_put_back():
    market = market_about(MarketMaker(levels=2, **STILL, **QUICK))
    market.wait(10 * SECOND)
    sell_to(market, MIDDLE - 7, 100)
    assert market.account(AGENT)["position"] == 100
    market.wait(10 * SECOND)
    assert resting(market)[1] == [(MIDDLE - 5, 50), (MIDDLE - 7, 50)]
    check_all(market.world)


def test_the_centre_leans_against_the_inventory():
    market = market_about(MarketMaker(levels=2, skew_ticks_per_lot=2.0, **STILL, **QUICK))
    market.wait(10 * SECOND)
    sell_to(market, MIDDLE - 7, 100)
    market.wait(10 * SECOND)
    assert [price for price, _ in resting(market)[1]] == [MIDDLE - 7, MIDDLE - 9]
    assert [price for price, _ in resting(market)[-1]] == [MIDDLE + 3, MIDDLE + 5]


def test_the_inventory_cap_withdraws_the_side_that_would_breach_it():
    market = market_about(MarketMaker(levels=1, inventory_cap_shares=60, **STILL, **QUICK))
    market.wait(10 * SECOND)
    sell_to(market, MIDDLE - 5, 50)
    market.wait(10 * SECOND)
    assert resting(market) == {1: [], -1: [(MIDDLE + 5, 50)]}
    assert market.account(AGENT)["rejected"] == 0


def test_sizes_follow_the_volume_that_was_seen():
    sizes = {"participation": 0.1, "volume_window_s": 1e5, "least_shares": 5, "most_shares": 90}
    config = MarketMaker(levels=1, **STILL | sizes, **QUICK)
    market = market_about(config)
    market.wait(10 * SECOND)
    assert resting(market)[1] == [(MIDDLE - 5, 5)]
    market.order(2, 1, MIDDLE + 2, 400, tif=1)
    quote(market, MIDDLE + 1, MIDDLE + 5)  # quotes change size when they move
    market.wait(10 * SECOND)
    assert 39 <= resting(market)[1][0][1] <= 40
    market.order(2, 1, MIDDLE + 5, 4_000, tif=1)
    quote(market, MIDDLE - 2, MIDDLE + 2)
    market.wait(10 * SECOND)
    assert resting(market)[1] == [(MIDDLE - 5, 90)]


@pytest.mark.parametrize("held", [0, 100, 250])
def test_an_avellaneda_stoikov_maker_quotes_by_the_formula(held):
    gamma, k, sigma, horizon = 0.1, 0.5, 1.5, 8.0
    config = AvellanedaStoikovMaker(
        risk_aversion=gamma, arrival_decay=k, volatility_ticks=sigma, horizon_s=horizon, quote_shares=100, **QUICK
    )
    market = market_about(config, half_spread=1)
    market.wait(10 * SECOND)
    for shares in (min(held, 100), min(max(held - 100, 0), 100), max(held - 200, 0)):
        if shares:
            bid = resting(market)[1][0][0]
            market.cancel_all(1)
            market.order(2, -1, bid, shares, tif=1)
            quote(market, MIDDLE - 1, MIDDLE + 1)
            market.wait(10 * SECOND)
    assert market.account(AGENT)["position"] == held
    half = 0.5 * gamma * sigma**2 * horizon + math.log(1 + gamma / k) / gamma
    reservation = MIDDLE - held / 100 * gamma * sigma**2 * horizon
    ask = max(math.ceil(reservation + half), MIDDLE)
    assert resting(market)[1][0][0] == math.floor(reservation - half)
    assert resting(market)[-1][0][0] == ask
