"""Almgren-Chriss schedules against the figures of the paper's example and against perturbed schedules."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lobenv.theory.execution import (
    LinearImpact,
    almgren_chriss_cost_std,
    almgren_chriss_expected_cost,
    almgren_chriss_kappa,
    almgren_chriss_trajectory,
)

STOCK = LinearImpact(sigma=0.95, epsilon=0.0625, gamma=2.5e-7, eta=2.5e-6)


def test_kappa_matches_the_published_case():
    assert almgren_chriss_kappa(1.0, 1e-6, STOCK) == pytest.approx(0.607076, abs=5e-7)


def test_kappa_solves_its_hyperbolic_equation():
    tau, aversion = 0.5, 3e-6
    kappa = almgren_chriss_kappa(tau, aversion, STOCK)
    net = STOCK.eta - STOCK.gamma * tau / 2
    assert np.cosh(kappa * tau) == pytest.approx(1 + aversion * STOCK.sigma**2 * tau**2 / (2 * net), rel=1e-14)


def test_trajectory_matches_the_published_case():
    held = almgren_chriss_trajectory(1e6, 5.0, 5, 1e-6, STOCK)
    np.testing.assert_array_equal(np.round(held), [1_000_000, 541_956, 289_854, 147_897, 62_142, 0])
    assert held[-1] == 0.0


def test_cost_of_the_optimal_schedule_matches_the_published_case():
    held = almgren_chriss_trajectory(1e6, 5.0, 5, 1e-6, STOCK)
    assert round(almgren_chriss_expected_cost(held, 1.0, STOCK)) == 911_227
    assert round(almgren_chriss_cost_std(held, 1.0, STOCK)) == 603_431


def test_cost_of_the_straight_line_matches_the_published_case():
    held = almgren_chriss_trajectory(1e6, 5.0, 5, 0.0, STOCK)
    np.testing.assert_allclose(held, [1e6, 8e5, 6e5, 4e5, 2e5, 0], rtol=1e-15)
    assert almgren_chriss_expected_cost(held, 1.0, STOCK) == pytest.approx(662_500, abs=1e-6)
    assert round(almgren_chriss_cost_std(held, 1.0, STOCK)) == 1_040_673


def test_selling_everything_at_once_costs_no_risk():
    assert almgren_chriss_cost_std([1e6, 0, 0], 1.0, STOCK) == 0.0


def test_trajectory_of_a_very_urgent_seller_stays_finite():
    held = almgren_chriss_trajectory(1e6, 5.0, 5, 1e300, STOCK)
    np.testing.assert_allclose(held, [1e6, 0, 0, 0, 0, 0], atol=1e-9)


def test_trajectory_tends_to_the_straight_line_as_risk_aversion_vanishes():
    nearly = almgren_chriss_trajectory(1e6, 5.0, 10, 1e-18, STOCK)
    np.testing.assert_allclose(nearly, np.linspace(1e6, 0, 11), rtol=1e-9)


@given(
    bump=st.lists(st.floats(-1e4, 1e4), min_size=4, max_size=4),
    aversion=st.floats(0, 1e-5),
)
def test_no_other_schedule_has_a_lower_cost_plus_risk(bump, aversion):
    def objective(held):
        return (
            almgren_chriss_expected_cost(held, 1.0, STOCK) + aversion * almgren_chriss_cost_std(held, 1.0, STOCK) ** 2
        )

    best = almgren_chriss_trajectory(1e6, 5.0, 5, aversion, STOCK)
    # Clipped to stay a selling schedule: the fixed cost is then the same for both.
    other = np.minimum.accumulate(np.clip(best + np.array([0.0, *bump, 0.0]), 0.0, 1e6))
    assert objective(best) <= objective(other) * (1 + 1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: LinearImpact(sigma=-1, epsilon=0, gamma=0, eta=1), "sigma must be finite and >= 0, got -1"),
        (lambda: LinearImpact(sigma=1, epsilon=0, gamma=0, eta=0), "eta must be finite and > 0, got 0"),
        (lambda: almgren_chriss_kappa(21.0, 1e-6, STOCK), r"interval must be < 2 \* eta / gamma = 20, got 21"),
        (lambda: almgren_chriss_kappa(1.0, -1e-6, STOCK), "risk_aversion must be >= 0, got -1e-06"),
        (lambda: almgren_chriss_trajectory(-1, 5, 5, 0, STOCK), "quantity must be >= 0, got -1"),
        (lambda: almgren_chriss_trajectory(1, 5, 0, 0, STOCK), "intervals must be >= 1, got 0"),
        (lambda: almgren_chriss_expected_cost([2, 1], 1, STOCK), "trajectory must be 0 at its end, got 1.0"),
        (lambda: almgren_chriss_cost_std([0], 1, STOCK), "trajectory must be one row of at least two positions"),
    ],
)
def test_schedules_refuse_an_argument_out_of_range(call, message):
    with pytest.raises(ValueError, match=message):
        call()
