"""Value traders learn the fundamental value from noisy looks at it, and trade towards it."""

from __future__ import annotations

import math

import pytest

from lobenv.agents.value import STATE, Value
from lobenv.compiled import JIT_ENABLED
from lobenv.scenario.config import Fundamental
from tests.agents.bench import AGENT, QUICK, market_with, quote, resting, state, taken_by
from tests.market.driver import MIDDLE, SECOND

DURATION = 200 if JIT_ENABLED else 60
STILL = {"SIM": Fundamental(price=MIDDLE * 0.01, volatility_ticks=0.0)}


@pytest.mark.parametrize(("bid", "ask", "price", "side"), [(980, 990, 990, -1), (1_010, 1_020, 1_010, 1)])
def test_an_aggressive_trader_takes_the_touch_that_is_on_the_wrong_side_of_the_value(bid, ask, price, side):
    market = market_with(Value(noise_ticks=1.0, aggression=1.0, **QUICK), fundamentals=STILL)
    quote(market, bid, ask)
    market.wait(DURATION * SECOND)
    taken = taken_by(market)
    assert len(taken) == market.account(AGENT)["orders_sent"] > DURATION / 3
    assert set(taken["price"].tolist()) == {price}
    assert set(taken["side"].tolist()) == {side}


def test_a_value_within_the_margin_is_not_worth_taking():
    market = market_with(Value(noise_ticks=0.5, aggression=1.0, margin_ticks=20.0, **QUICK), fundamentals=STILL)
    quote(market, 980, 990)
    market.wait(DURATION * SECOND)
    assert market.account(AGENT)["orders_sent"] > 0
    assert len(taken_by(market)) == 0


def test_without_aggression_an_order_rests_between_the_far_touch_and_twice_the_spread():
    market = market_with(Value(noise_ticks=1.0, aggression=0.0, **QUICK), fundamentals=STILL)
    prices = set()
    for _ in range(DURATION):
        quote(market, 980, 990)
        market.wait(SECOND)
        orders = resting(market)
        assert len(orders[1]) <= 1
        assert orders[-1] == []
        prices |= {price for price, _ in orders[1]}
    assert min(prices) >= 990 - 2 * 10
    assert max(prices) < 990
    assert len(prices) > 5


def test_the_estimate_of_a_still_value_sharpens_with_the_number_of_looks():
    market = market_with(Value(noise_ticks=6.0, aggression=0.0, **QUICK), fundamentals=STILL)
    market.wait(DURATION * SECOND)
    own, looks = state(market, STATE), int(market.world.agents["wakes"][AGENT])
    assert own["variance"] == pytest.approx(36.0 / looks, rel=1e-9)
    assert abs(own["estimate"] - MIDDLE) < 4.5 * 6.0 / math.sqrt(looks)


def test_between_looks_the_variance_grows_by_that_of_the_fundamental_process():
    pull, volatility, noise = 0.05, 2.0, 3.0
    moving = {"SIM": Fundamental(price=MIDDLE * 0.01, volatility_ticks=volatility, reversion_per_s=pull)}
    market = market_with(Value(noise_ticks=noise, aggression=0.0, **QUICK), fundamentals=moving)
    own, checked, before = state(market, STATE), 0, None
    while checked < 20:
        market.wait(SECOND // 100)
        look = int(market.world.agents["wakes"][AGENT]), int(own["updated"]), float(own["variance"])
        if before and look[0] == before[0] + 1 and before[0] > 0:
            decay = math.exp(-pull * (look[1] - before[1]) / SECOND)
            predicted = decay**2 * before[2] + volatility**2 * (1 - decay**2) / (2 * pull)
            assert look[2] == pytest.approx(predicted * noise**2 / (predicted + noise**2), rel=1e-9)
            checked += 1
        before = look
