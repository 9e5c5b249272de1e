"""Closed-form quotes against published figures, known limits and a second way to compute them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lobenv.theory import quoting

AS = {"gamma": 0.1, "sigma": 2.0, "k": 1.5}
GLFT = {"gamma": 0.1, "sigma": 2.0, "arrival_rate": 140.0, "k": 1.5}
BUSY = {"arrival_rate": 140.0, "k": 1.5, "phi": 0.5, "alpha": 0.001, "inventory_cap": 10}
QUIET = {"arrival_rate": 10.0, "k": 1.0, "phi": 0.5, "alpha": 0.001, "inventory_cap": 10}

positive = st.floats(1e-3, 1e3)


def test_avellaneda_stoikov_average_spread_is_the_papers():
    half = quoting.avellaneda_stoikov_half_spread(0.5, **AS)
    assert 2 * half == pytest.approx(1.4907704, abs=1e-7)
    assert [
        round(2 * float(quoting.avellaneda_stoikov_half_spread(0.5, gamma=g, sigma=2, k=1.5)), 2) for g in (0.01, 1)
    ] == [
        1.35,
        3.02,
    ]


def test_avellaneda_stoikov_shift_is_against_the_inventory():
    shift = quoting.avellaneda_stoikov_shift([-3, 0, 2], 0.5, gamma=0.1, sigma=2.0)
    np.testing.assert_allclose(shift, [0.6, 0.0, -0.4], rtol=1e-15)


def test_avellaneda_stoikov_quotes_stand_half_a_spread_from_the_reservation_price():
    bid, ask = quoting.avellaneda_stoikov_quotes(2, 0.5, **AS)
    half = quoting.avellaneda_stoikov_half_spread(0.5, **AS)
    assert bid == pytest.approx(half + 0.4, abs=1e-15)
    assert ask == pytest.approx(half - 0.4, abs=1e-15)


def test_avellaneda_stoikov_quotes_broadcast_inventory_against_time():
    bid, ask = quoting.avellaneda_stoikov_quotes(np.arange(-2, 3)[:, None], np.array([1.0, 0.0]), **AS)
    assert bid.shape == ask.shape == (5, 2)
    np.testing.assert_array_equal(bid[:, 1], np.full(5, np.log1p(0.1 / 1.5) / 0.1))


def test_avellaneda_stoikov_nearly_risk_neutral_quotes_one_over_k():
    bid, ask = quoting.avellaneda_stoikov_quotes(3, 1.0, gamma=1e-12, sigma=2.0, k=1.5)
    assert bid == pytest.approx(1 / 1.5, abs=1e-10)
    assert ask == pytest.approx(1 / 1.5, abs=1e-10)


def test_avellaneda_stoikov_stationary_quotes_mirror_and_withdraw_at_the_cap():
    inventory = np.arange(-5, 6)
    bid, ask = quoting.avellaneda_stoikov_stationary_quotes(inventory, gamma=0.1, k=1.5, inventory_cap=5)
    np.testing.assert_allclose(bid, ask[::-1], rtol=1e-12)
    assert np.all(np.diff(bid) > 0)
    assert np.isfinite(bid[:-1]).all()
    assert bid[-1] == ask[0] == np.inf


@pytest.mark.parametrize("q", [-4, 0, 3])
def test_avellaneda_stoikov_stationary_reservation_prices_leave_the_market_maker_indifferent(q):
    gamma, sigma, mid, cap = 0.1, 2.0, 100.0, 5
    omega = 0.5 * gamma**2 * sigma**2 * (cap + 1) ** 2

    def value(cash, inventory):
        return -np.exp(-gamma * (cash + inventory * mid)) / (omega - 0.5 * (gamma * sigma * inventory) ** 2)

    premium = np.log(1 + gamma / 1.5) / gamma
    bid, ask = quoting.avellaneda_stoikov_stationary_quotes(q, gamma=gamma, k=1.5, inventory_cap=cap)
    reservation_bid, reservation_ask = mid - (bid - premium), mid + (ask - premium)
    cash = -q * mid
    assert value(cash - reservation_bid, q + 1) == pytest.approx(value(cash, q), rel=1e-11)
    assert value(cash + reservation_ask, q - 1) == pytest.approx(value(cash, q), rel=1e-11)


def test_glft_coefficients_match_the_published_case():
    c1, half_spread, skew = quoting.glft_coefficients(**GLFT)
    assert c1 == pytest.approx(0.645385, abs=5e-7)
    assert half_spread == pytest.approx(0.671244, abs=5e-7)
    assert skew == pytest.approx(0.0517172, abs=5e-8)


def test_glft_quotes_with_one_lot_match_the_published_case():
    bid, ask = quoting.glft_quotes(1, **GLFT)
    assert bid == pytest.approx(0.722961, abs=5e-7)
    assert ask == pytest.approx(0.619527, abs=5e-7)


def test_glft_equals_its_formula_written_out_for_another_order_size_and_fill_aversion():
    g, s, a, k, xi, d, q = 0.1, 2.0, 140.0, 1.5, 0.3, 2.0, 3.0
    c = np.sqrt(g * s**2 / (2 * a * d * k) * (1 + xi * d / k) ** (k / (xi * d) + 1))
    bid, ask = quoting.glft_quotes(q, gamma=g, sigma=s, arrival_rate=a, k=k, xi=xi, order_size=d)
    assert bid == pytest.approx(np.log(1 + xi * d / k) / (xi * d) + (2 * q + d) / 2 * c, rel=1e-12)
    assert ask == pytest.approx(np.log(1 + xi * d / k) / (xi * d) - (2 * q - d) / 2 * c, rel=1e-12)


def test_glft_without_fill_aversion_is_the_limit_of_a_small_one():
    np.testing.assert_allclose(
        quoting.glft_quotes([-2, 0, 5], **GLFT, xi=0.0), quoting.glft_quotes([-2, 0, 5], **GLFT, xi=1e-9), rtol=1e-8
    )


@given(gamma=positive, sigma=st.floats(0, 1e3), rate=positive, k=positive, q=st.integers(-50, 50))
def test_glft_quotes_mirror_when_the_inventory_changes_sign(gamma, sigma, rate, k, q):
    long = quoting.glft_quotes(q, gamma=gamma, sigma=sigma, arrival_rate=rate, k=k)
    short = quoting.glft_quotes(-q, gamma=gamma, sigma=sigma, arrival_rate=rate, k=k)
    assert long == (short[1], short[0])


def test_cartea_jaimungal_value_matches_the_published_case():
    assert quoting.cartea_jaimungal_value(1.0, **BUSY)[10] == pytest.approx(64.782921, abs=5e-7)


def test_cartea_jaimungal_quotes_match_the_published_case():
    bid, ask = quoting.cartea_jaimungal_quotes(1.0, **BUSY)
    assert (bid[10], ask[10]) == pytest.approx((0.707831, 0.707831), abs=5e-7)
    assert (bid[12], ask[12]) == pytest.approx((0.871665, 0.543340), abs=1e-6)


def test_cartea_jaimungal_quotes_match_the_notebook_case_of_mbt_gym():
    bid, ask = quoting.cartea_jaimungal_quotes(0.5, **QUIET)
    published = [0.1772, 0.4997, 0.8321, 1.1679, 1.5003, 1.8228, 2.1305]
    np.testing.assert_allclose(bid[7:14], published, atol=5e-5)
    np.testing.assert_allclose(ask[7:14], published[::-1], atol=5e-5)
    assert quoting.cartea_jaimungal_value(1.0, **QUIET)[10] == pytest.approx(6.380604, abs=5e-7)


def test_cartea_jaimungal_value_with_a_light_penalty_matches_the_published_case():
    value = quoting.cartea_jaimungal_value(1.0, arrival_rate=140, k=1.5, phi=0.01, alpha=0.001, inventory_cap=25)
    assert value[25] == pytest.approx(68.2555, abs=5e-5)


def test_cartea_jaimungal_value_at_the_horizon_is_the_terminal_penalty():
    np.testing.assert_allclose(
        quoting.cartea_jaimungal_value(0.0, **BUSY), -0.001 * np.arange(-10.0, 11.0) ** 2, atol=1e-15
    )


def test_cartea_jaimungal_value_of_many_times_equals_one_at_a_time():
    times = np.array([[0.0, 0.01], [0.5, 1.0]])
    together = quoting.cartea_jaimungal_value(times, **BUSY)
    assert together.shape == (2, 2, 21)
    for row in np.ndindex(2, 2):
        np.testing.assert_allclose(
            together[row], quoting.cartea_jaimungal_value(times[row], **BUSY), rtol=1e-11, atol=1e-12
        )


@pytest.mark.parametrize(
    "case",
    [
        (1.0, {**BUSY}),
        (1.0, {**BUSY, "arrival_rate": 1.0}),
        (600.0, {"arrival_rate": 1.0, "k": 1.0, "phi": 0.05, "alpha": 0.001, "inventory_cap": 10}),
        (600.0, {"arrival_rate": 0.1, "k": 1.0, "phi": 1.0, "alpha": 0.001, "inventory_cap": 10}),
        (1.0, {"arrival_rate": 140.0, "k": 1.5, "phi": 0.5, "alpha": 0.2, "inventory_cap": 30}),
    ],
    ids=["published", "slow flow", "long session", "long session of slow flow", "wide cap"],
)
def test_cartea_jaimungal_value_equals_scipys_matrix_exponential_at_every_inventory(case):
    linalg = pytest.importorskip("scipy.linalg", reason="needs the lab extra")
    time_left, parameters = case
    q = np.arange(-parameters["inventory_cap"], parameters["inventory_cap"] + 1.0)
    k = parameters["k"]
    matrix = np.diag(-parameters["phi"] * k * q**2)
    matrix += np.diag(np.full(q.size - 1, parameters["arrival_rate"] / np.e), 1)
    matrix += np.diag(np.full(q.size - 1, parameters["arrival_rate"] / np.e), -1)
    expected = np.log(linalg.expm(matrix * time_left) @ np.exp(-parameters["alpha"] * k * q**2)) / k
    np.testing.assert_allclose(quoting.cartea_jaimungal_value(time_left, **parameters), expected, rtol=1e-9, atol=1e-8)


def test_cartea_jaimungal_value_solves_its_differential_equation():
    # dh/dtau = -phi q^2 + rate / (e k) (exp(k (h(q+1) - h(q))) + exp(k (h(q-1) - h(q)))), each side within the cap.
    tau, width = 0.3, 1e-5
    before, here, after = quoting.cartea_jaimungal_value([tau - width, tau, tau + width], **QUIET)
    step = np.exp(QUIET["k"] * np.diff(here))
    gain = np.concatenate([step, [0.0]]) + np.concatenate([[0.0], 1 / step])
    expected = -QUIET["phi"] * np.arange(-10.0, 11.0) ** 2 + QUIET["arrival_rate"] / (np.e * QUIET["k"]) * gain
    np.testing.assert_allclose((after - before) / (2 * width), expected, rtol=1e-6, atol=1e-6)


def test_cartea_jaimungal_quotes_withdraw_the_side_that_would_breach_the_cap():
    bid, ask = quoting.cartea_jaimungal_quotes([0.5, 1.0], **BUSY)
    assert np.isinf(bid[:, -1]).all()
    assert np.isinf(ask[:, 0]).all()
    assert np.isfinite(bid[:, :-1]).all()
    assert np.isfinite(ask[:, 1:]).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: quoting.avellaneda_stoikov_quotes(0, 1, gamma=0, sigma=2, k=1.5),
            "gamma must be finite and > 0, got 0",
        ),
        (
            lambda: quoting.avellaneda_stoikov_quotes(0, -1, gamma=0.1, sigma=2, k=1.5),
            "time_left must be .* >= 0, got -1",
        ),
        (lambda: quoting.avellaneda_stoikov_quotes(0, 1, gamma=0.1, sigma=np.nan, k=1.5), "sigma must be .* got nan"),
        (
            lambda: quoting.avellaneda_stoikov_stationary_quotes([0, 6], gamma=0.1, k=1.5, inventory_cap=5),
            r"inventory must be within \+-5 lots, got 6",
        ),
        (lambda: quoting.glft_quotes(0, gamma=0.1, sigma=2, arrival_rate=0, k=1.5), "arrival_rate must be .* got 0"),
        (lambda: quoting.glft_quotes(0, **GLFT, xi=-1.0), "xi must be finite and >= 0, got -1"),
        (lambda: quoting.cartea_jaimungal_value(1, **{**BUSY, "inventory_cap": 0}), "inventory_cap must be .* got 0"),
        (lambda: quoting.cartea_jaimungal_value(1, **{**BUSY, "phi": -1.0}), "phi must be finite and >= 0, got -1"),
        (
            lambda: quoting.cartea_jaimungal_value(1, **{**BUSY, "alpha": 9.0}),
            "inventory_cap.2 must be <= 700, got 1350",
        ),
    ],
)
def test_quotes_refuse_an_argument_out_of_range(call, message):
    with pytest.raises(ValueError, match=message) as error:
        call()
    assert "\n" not in str(error.value)
