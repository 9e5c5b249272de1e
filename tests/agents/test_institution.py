"""Institutions work parents of a drawn size by their schedules and send no share too many."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lobenv.agents.institution import STATE, Institution, volume_curve
from tests.agents.bench import AGENT, market_with, quick, quote, resting, state, taken_by
from tests.market.driver import SECOND
from tests.market.invariants import check_all


def parent(**fields: Any) -> dict[str, Any]:
    return quick(parent_mean_shares=3_000.0, duration_s=20.0, slices=10) | fields


def start_parent(market):
    """Run until a parent has begun; its state."""
    own = state(market, STATE)
    while own["side"] == 0:
        market.wait(SECOND // 10)
    return own


@pytest.mark.parametrize("style", ["twap", "vwap"])
def test_a_scheduled_parent_is_traded_wholly_in_slices_within_its_time(style):
    market = market_with(Institution(styles=(style,), **parent()), seed=4)
    quote(market, 990, 1_010)
    own = start_parent(market)
    side, target, started = int(own["side"]), int(own["target"]), int(own["started"])
    market.run(started + 20 * SECOND)
    taken = taken_by(market)
    assert taken["qty"].sum() == target
    assert set(taken["side"].tolist()) == {-side}
    assert 8 <= len(taken) <= 13
    assert taken["time"].max() <= started + 20 * SECOND


def test_slices_of_a_twap_parent_are_about_even():
    market = market_with(Institution(styles=("twap",), **parent()), seed=4)
    quote(market, 990, 1_010)
    own = start_parent(market)
    target, started = int(own["target"]), int(own["started"])
    market.run(started + 20 * SECOND)
    taken = taken_by(market)
    done = np.cumsum(taken["qty"]) / target
    elapsed = (taken["time"] - started) / (20 * SECOND)
    np.testing.assert_allclose(done, np.minimum(elapsed + 0.1, 1.0), atol=1.5 / target)


def test_the_volume_curve_is_a_symmetric_u_over_the_session():
    curve = np.array([getattr(volume_curve, "py_func", volume_curve)(x) for x in np.linspace(0, 1, 101)])
    rate = np.diff(curve)
    assert curve[0] == 0.0
    assert curve[-1] == pytest.approx(1.0, abs=1e-15)
    assert curve[50] == pytest.approx(0.5, abs=1e-15)
    np.testing.assert_allclose(rate, rate[::-1], atol=1e-15)
    assert rate[0] / rate[50] == pytest.approx(3.0, rel=0.05)


def test_a_participating_parent_keeps_to_its_share_of_the_volume():
    config = Institution(styles=("pov",), participation=0.2, **parent(parent_mean_shares=1e6, slices=40))
    market = market_with(config, seed=4)
    quote(market, 990, 1_010)
    own = start_parent(market)
    before, started, traded, mine = int(own["volume"]), int(own["started"]), 0, 0
    while market.now < started + 19 * SECOND:
        market.order(2, 1, 1_010, 100, tif=1, after=SECOND // 10)
        traded = int(market.book()["buy_volume"] + market.book()["sell_volume"]) - before
        mine = int(market.account(AGENT)["volume"])
        assert mine <= 0.2 * traded + 1
    assert mine >= 0.2 * traded - 0.2 * 100 * 8  # what was traded since its last child


def test_an_iceberg_parent_rests_at_the_near_touch_and_shows_its_peak():
    market = market_with(Institution(styles=("iceberg",), peak_fraction=0.1, **parent()), seed=4)
    quote(market, 990, 1_010)
    own = start_parent(market)
    side, target = int(own["side"]), int(own["target"])
    market.wait(SECOND // 100)
    near = 990 if side > 0 else 1_010
    assert resting(market)[side] == [(near, target)]
    shown = [left - reserve for order, left, reserve in market.queues()[near][0] if order == own["order"]]
    assert shown == [min(300, target)]
    market.cancel_all(1)
    market.order(2, -side, near, target, tif=1)
    assert market.account(AGENT)["position"] == side * target
    quote(market, 990, 1_010)
    market.wait(3 * SECOND)
    check_all(market.world)


def test_a_parent_that_could_not_be_worked_is_given_up_after_its_time():
    market = market_with(Institution(styles=("iceberg",), **parent(mean_interval_s=30.0)), seed=4)
    quote(market, 990, 1_010)
    own = start_parent(market)
    started = int(own["started"])
    market.run(started + 30 * SECOND)
    assert resting(market) == {1: [], -1: []} or int(own["started"]) > started
    check_all(market.world)
