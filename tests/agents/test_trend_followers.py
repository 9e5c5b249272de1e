"""Momentum traders go with a trend, mean-reversion traders against an excess; neither acts before it knows enough."""

from __future__ import annotations

import pytest

from lobenv.agents.mean_reversion import MeanReversion
from lobenv.agents.momentum import STATE, Momentum
from tests.agents.bench import AGENT, QUICK, market_with, quick, quote, state, taken_by
from tests.market.driver import MIDDLE, SECOND


@pytest.mark.parametrize("direction", [1, -1])
def test_a_momentum_trader_trades_with_the_trend_once_its_long_average_is_full(direction):
    market = market_with(Momentum(short_window=2, long_window=5, **QUICK))
    polled_before_trading = 0
    for i in range(400):
        touch = MIDDLE + direction * i // 2
        quote(market, touch - 1, touch + 1)
        market.wait(SECOND // 10)
        if market.account(AGENT)["orders_sent"] == 0:
            polled_before_trading = int(state(market, STATE)["polled"])
    taken = taken_by(market)
    assert polled_before_trading <= 4
    assert len(taken) == state(market, STATE)["polled"] - 4
    assert set(taken["side"].tolist()) == {-direction}


def test_a_momentum_trader_polls_nothing_while_a_side_is_empty():
    market = market_with(Momentum(short_window=2, long_window=5, **QUICK))
    market.order(1, 1, 990, 10)
    market.wait(20 * SECOND)
    assert state(market, STATE)["polled"] == 0


def test_the_sums_of_a_momentum_trader_are_those_of_its_last_polls():
    market = market_with(Momentum(short_window=3, long_window=7, **quick(mean_interval_s=0.2)))
    for i in range(30):
        quote(market, MIDDLE - 5 + i % 7, MIDDLE + 5 + i % 3)
        market.wait(SECOND)
    own = state(market, STATE)
    last = [int(own["twice_mid"][(int(own["polled"]) - 1 - k) % 64]) for k in range(7)]
    assert own["polled"] > 64
    assert (own["short_sum"], own["long_sum"]) == (sum(last[:3]), sum(last))


@pytest.mark.parametrize("direction", [1, -1])
def test_a_mean_reversion_trader_trades_against_an_excess_and_closes_when_it_is_over(direction):
    config = MeanReversion(window_s=20.0, threshold=4.0, **quick(mean_interval_s=0.3))
    market = market_with(config)
    for i in range(120):
        mid = MIDDLE + (2 if i % 2 else -2)
        quote(market, mid - 1, mid + 1)
        market.wait(SECOND)
    sent = market.account(AGENT)["orders_sent"]
    assert market.account(AGENT)["position"] == 0
    quote(market, MIDDLE + 30 * direction - 1, MIDDLE + 30 * direction + 1)
    market.wait(2 * SECOND)
    assert market.account(AGENT)["orders_sent"] == sent + 1
    assert direction * market.account(AGENT)["position"] < 0
    quote(market, MIDDLE - 1, MIDDLE + 1)
    market.wait(2 * SECOND)
    assert market.account(AGENT)["orders_sent"] == sent + 2
    assert market.account(AGENT)["position"] == 0


def test_a_still_market_gives_a_mean_reversion_trader_no_reason_to_trade():
    market = market_with(MeanReversion(window_s=5.0, threshold=0.5, **QUICK))
    quote(market, MIDDLE - 1, MIDDLE + 1)
    market.wait(100 * SECOND)
    assert market.account(AGENT)["orders_sent"] == 0
