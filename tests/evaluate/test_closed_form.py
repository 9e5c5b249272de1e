"""The Poisson-fill market against the published tables, exact expectations and its own bookkeeping.

Tolerances: the profit of 1,000 paths is held to the stated +-0.7 (inventory strategy) and +-1.3 (symmetric). A standard
deviation of n paths has the relative standard error sqrt((kurtosis - 1) / (4 n)). Inventories are close to normal:
2.2 % at 1,000 paths. A symmetric market maker's profit is an integral of one random walk against another, whose
kurtosis is 7: 3.9 %. Where two runs are compared, four standard errors of their difference are allowed.
"""

from __future__ import annotations

import numpy as np
import pytest

from evaluate import closed_form
from evaluate.closed_form import (
    AS_2008,
    CRITERION_2015,
    PoissonMarket,
    Quoter,
    avellaneda_stoikov_quoter,
    simulate_poisson_market,
    symmetric_quoter,
)
from lobenv.theory import quoting

MARKET = PoissonMarket()
PROFIT_TOLERANCE = {"inventory": 0.7, "symmetric": 1.3}
STD_ERROR = {"inventory": (3 - 1) ** 0.5 / 2, "symmetric": (7 - 1) ** 0.5 / 2}  # of a profit's std, times sqrt(paths)

# A separate run of 20,000 paths: gamma, strategy, profit, its std, std of the final inventory. Its symmetric strategy
# followed the inventory strategy's spread of the moment instead of quoting the average.
LONG_RUN = [
    (0.1, "inventory", 64.86, 6.52, 2.91),
    (0.1, "symmetric", 68.00, 13.24, 8.33),
    (0.01, "inventory", 68.38, 8.92, 5.18),
    (0.01, "symmetric", 68.64, 13.67, 8.65),
    (0.5, "inventory", 48.58, 5.93, 1.95),
    (0.5, "symmetric", 58.33, 11.49, 7.00),
]


def four_errors_of_a_difference(paths):
    return 4 * np.sqrt(2 / paths)


def following_quoter(gamma: float, market: PoissonMarket) -> Quoter:
    """The inventory strategy's spread of the moment, centred on the mid."""
    half = quoting.avellaneda_stoikov_half_spread(market.time_left(), gamma=gamma, sigma=market.sigma, k=market.k)
    return lambda inventory, step: (half[step], half[step])


@pytest.mark.parametrize("row", AS_2008, ids=lambda row: f"{row.gamma}-{row.strategy}")
def test_avellaneda_stoikov_2008_tables_are_reproduced(row):
    outcome = simulate_poisson_market(row.quoter(MARKET), MARKET, paths=1000, seed=0)
    margin = four_errors_of_a_difference(1000)
    # The average over step starts exceeds the paper's over [0, T] by gamma sigma^2 dt / 2, 0.01 at most.
    assert outcome.mean_spread == pytest.approx(row.spread, abs=0.016)
    assert outcome.profit.mean() == pytest.approx(row.profit, abs=PROFIT_TOLERANCE[row.strategy])
    assert outcome.profit.std() == pytest.approx(row.profit_std, rel=margin * STD_ERROR[row.strategy])
    assert outcome.inventory.mean() == pytest.approx(row.inventory, abs=margin * row.inventory_std)
    assert outcome.inventory.std() == pytest.approx(row.inventory_std, rel=margin * STD_ERROR["inventory"])


@pytest.mark.parametrize(("gamma", "strategy", "profit", "profit_std", "inventory_std"), LONG_RUN)
def test_a_long_run_of_the_same_model_is_reproduced(gamma, strategy, profit, profit_std, inventory_std):
    make = avellaneda_stoikov_quoter if strategy == "inventory" else following_quoter
    outcome = simulate_poisson_market(make(gamma, MARKET), MARKET, paths=20_000, seed=0)
    margin = four_errors_of_a_difference(20_000)
    assert outcome.profit.mean() == pytest.approx(profit, abs=margin * profit_std)
    assert outcome.profit.std() == pytest.approx(profit_std, rel=margin * STD_ERROR[strategy])
    assert outcome.inventory.std() == pytest.approx(inventory_std, rel=margin * STD_ERROR["inventory"])


@pytest.mark.parametrize("make", [symmetric_quoter, following_quoter])
@pytest.mark.parametrize("gamma", [0.01, 0.1, 0.5, 1.0])
def test_symmetric_quotes_earn_their_exact_expectation(make, gamma):
    quotes = make(gamma, MARKET)
    none = np.zeros(1, dtype=np.int64)
    distance = np.array([np.asarray(quotes(none, step)[0]) for step in range(MARKET.steps)])
    fill = MARKET.arrival_rate * MARKET.dt * np.exp(-MARKET.k * distance)
    outcome = simulate_poisson_market(quotes, MARKET, paths=4000, seed=3)
    error = outcome.profit.std() / np.sqrt(4000)
    assert outcome.profit.mean() == pytest.approx(2 * (fill * distance).sum(), abs=4 * error)
    assert outcome.inventory.std() == pytest.approx(np.sqrt(2 * (fill * (1 - fill)).sum()), rel=0.05)


def test_cartea_jaimungal_strategy_earns_its_value():
    assert CRITERION_2015.value(MARKET) == pytest.approx(68.2555, abs=5e-5)
    outcome = simulate_poisson_market(CRITERION_2015.quoter(MARKET), MARKET, paths=4000, seed=0)
    reward = outcome.criterion(CRITERION_2015.phi, CRITERION_2015.alpha)
    assert reward.mean() == pytest.approx(68.2555, abs=4 * reward.std() / np.sqrt(4000))
    assert np.abs(outcome.inventory).max() <= CRITERION_2015.inventory_cap


def test_cartea_jaimungal_strategy_beats_its_neighbours_on_the_same_paths():
    optimal = CRITERION_2015.quoter(MARKET)

    def wider(inventory, step):
        bid, ask = optimal(inventory, step)
        return np.add(bid, 0.2), np.add(ask, 0.2)

    def tighter(inventory, step):
        bid, ask = optimal(inventory, step)
        return np.subtract(bid, 0.2), np.subtract(ask, 0.2)

    reward = {
        name: simulate_poisson_market(quotes, MARKET, paths=4000, seed=1).criterion(0.01, 0.001).mean()
        for name, quotes in (("optimal", optimal), ("wider", wider), ("tighter", tighter))
    }
    assert reward["optimal"] > max(reward["wider"], reward["tighter"]) + 1.0


def test_inventory_cap_is_never_breached():
    market = PoissonMarket(arrival_rate=190.0)
    quotes = closed_form.cartea_jaimungal_quoter(0.0, 0.0, 1, market)
    seen = []

    def watched(inventory, step):
        seen.append(np.abs(inventory).max())
        return quotes(inventory, step)

    outcome = simulate_poisson_market(watched, market, paths=200, seed=0)
    assert max(*seen, np.abs(outcome.inventory).max()) == 1


def test_market_maker_who_never_quotes_ends_with_nothing():
    outcome = simulate_poisson_market(lambda inventory, step: (np.inf, np.inf), MARKET, paths=10, seed=0)
    np.testing.assert_array_equal(outcome.profit, np.zeros(10))
    np.testing.assert_array_equal(outcome.inventory, np.zeros(10))
    assert np.isnan(outcome.mean_spread)


def test_profit_of_certain_fills_on_both_sides_is_the_spread_of_every_step():
    market = PoissonMarket(steps=4, arrival_rate=1e9, k=1.0)
    outcome = simulate_poisson_market(lambda inventory, step: (0.25, 0.5), market, paths=3, seed=0)
    np.testing.assert_allclose(outcome.profit, np.full(3, 3.0), atol=1e-12)
    np.testing.assert_array_equal(outcome.inventory, np.zeros(3))
    assert outcome.mean_spread == 0.75


def test_inventory_penalty_integrates_the_position_held_over_each_step():
    market = PoissonMarket(steps=4, sigma=0.0, arrival_rate=1e9, k=1.0)
    outcome = simulate_poisson_market(lambda inventory, step: (0.25, np.inf), market, paths=1, seed=0)
    assert outcome.inventory[0] == 4
    assert outcome.inventory_squared_time[0] == pytest.approx((0 + 1 + 4 + 9) / 4)
    assert outcome.criterion(2.0, 0.5)[0] == pytest.approx(4 * 0.25 - 0.5 * 16 - 2.0 * 3.5)


def test_same_seed_gives_the_same_paths_and_another_seed_others():
    quotes = avellaneda_stoikov_quoter(0.1, MARKET)
    first, again, other = (simulate_poisson_market(quotes, MARKET, paths=20, seed=seed) for seed in (4, 4, 5))
    np.testing.assert_array_equal(first.profit, again.profit)
    assert not np.array_equal(first.profit, other.profit)


def test_wider_quotes_on_the_same_seed_are_filled_only_where_tighter_ones_are():
    def fills(distance):
        flow = []

        def quotes(inventory, step):
            flow.append(inventory)
            return distance, np.inf

        outcome = simulate_poisson_market(quotes, MARKET, paths=50, seed=2)
        return np.diff([*flow, outcome.inventory], axis=0)

    assert np.all(fills(1.0) <= fills(0.5))
    assert fills(1.0).sum() < fills(0.5).sum()


def test_a_quote_far_through_the_mid_is_filled_without_overflow():
    outcome = simulate_poisson_market(lambda inventory, step: (-1e4, np.inf), MARKET, paths=2, seed=0)
    np.testing.assert_array_equal(outcome.inventory, [200, 200])


@pytest.mark.parametrize("with_rich", [True, False], ids=["rich", "plain"])
def test_command_prints_the_paper_beside_the_simulation(capsys, monkeypatch, with_rich):
    if with_rich:
        pytest.importorskip("rich", reason="needs the lab extra")
    else:
        monkeypatch.setattr(closed_form, "find_spec", lambda name: None)
    closed_form.main(["--paths", "20", "--seed", "3"])
    printed = capsys.readouterr().out
    assert printed.count("paper") == printed.count("here") == 6
    assert "68.40" in printed
    assert "68.2555" in printed


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: PoissonMarket(steps=0), "steps must be > 0, got 0"),
        (lambda: PoissonMarket(sigma=-1.0), "sigma must be >= 0, got -1.0"),
        (lambda: simulate_poisson_market(symmetric_quoter(0.1, MARKET), paths=0), "paths must be >= 1, got 0"),
    ],
)
def test_market_refuses_a_constant_out_of_range(call, message):
    with pytest.raises(ValueError, match=message):
        call()
