"""Means, intervals and paired comparison against values worked out by hand and by other means."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from evaluate import statistics
from evaluate.statistics import Interval, cvar, interval, iqm, mean, probability_of_improvement


def table(**pnl):
    """Episodes of one scenario; each keyword is a policy with its P&L by seed."""
    rows = [
        {"policy": policy, "scenario": "calm", "seed": seed, "pnl": value, "fees": value}
        for policy, values in pnl.items()
        for seed, value in (values.items() if isinstance(values, dict) else enumerate(values))
    ]
    return pl.DataFrame(rows, schema_overrides={"pnl": pl.Float64, "fees": pl.Float64})


def test_iqm_is_the_mean_of_the_middle_half():
    assert iqm([100, 1, 2, 3, 4, 5, 6, -50]) == pytest.approx((2 + 3 + 4 + 5) / 4)
    assert iqm([7.0]) == 7.0
    assert iqm([1.0, 2.0, 9.0]) == pytest.approx(4.0)


def test_interval_of_the_mean_is_scipys_bca():
    values = np.random.default_rng(1).exponential(size=30)
    expected = stats.bootstrap(
        (values,), np.mean, n_resamples=500, method="BCa", rng=np.random.default_rng(7)
    ).confidence_interval
    assert interval(values, mean, resamples=500, seed=7) == Interval(values.mean(), expected.low, expected.high)


def test_interval_of_the_mean_agrees_with_students_for_normal_values():
    values = np.random.default_rng(3).normal(10.0, 2.0, 200)
    student = stats.t.interval(0.95, len(values) - 1, values.mean(), stats.sem(values))
    found = interval(values)
    assert (found.low, found.high) == pytest.approx(student, abs=0.05)


def test_interval_of_the_iqm_ignores_outliers():
    values = np.concatenate([np.linspace(9, 11, 40), [1e6, -1e6]])
    found = interval(values, iqm)
    assert 9 < found.low < found.estimate < found.high < 11


def test_interval_is_the_same_for_the_same_seed_and_not_for_another():
    values = np.random.default_rng(5).normal(size=20)
    assert interval(values, seed=1) == interval(values, seed=1)
    assert interval(values, seed=1) != interval(values, seed=2)


@pytest.mark.parametrize("values", [[3.0], [3.0, 3.0], [3.0] * 64])
@pytest.mark.parametrize("statistic", [mean, iqm])
def test_interval_of_equal_or_single_values_has_no_width(values, statistic):
    assert interval(values, statistic) == Interval(3.0, 3.0, 3.0)


def test_interval_without_values_is_nan():
    assert all(math.isnan(end) for end in interval([]))
    assert all(math.isnan(end) for end in interval([math.nan]))


@pytest.mark.parametrize("values", [[0.0] * 15 + [5.0], [0.0, 0.0, 1.0], [1.0, 2.0], [0.0] * 60 + [1.0] * 4])
@pytest.mark.parametrize("statistic", [mean, iqm])
def test_interval_of_nearly_equal_values_is_finite_and_holds_the_estimate(values, statistic):
    found = interval(values, statistic)
    assert all(math.isfinite(end) for end in found)
    assert found.low <= found.estimate <= found.high


@given(st.lists(st.integers(-50, 50), min_size=1, max_size=12))
def test_interval_is_ordered_and_within_the_values(values):
    found = interval(values, resamples=50)
    assert min(values) <= found.low <= found.high <= max(values)


def test_cvar_is_the_mean_of_the_lowest_twentieth():
    assert cvar(np.arange(100.0)) == pytest.approx(2.0)
    assert cvar(np.arange(50.0)) == pytest.approx((0 + 1 + 0.5 * 2) / 2.5)
    assert cvar([4.0, -7.0, 9.0]) == -7.0
    assert math.isnan(cvar([]))


def test_probability_of_improvement_counts_ties_half():
    assert probability_of_improvement([1.0, 2.0, 0.0, -3.0]).estimate == pytest.approx(2.5 / 4)
    assert probability_of_improvement([0.0, 0.0]).estimate == 0.5


@pytest.mark.parametrize(("wins", "number"), [(0, 16), (16, 16), (11, 16), (1, 1)])
def test_probability_of_improvement_has_wilsons_interval(wins, number):
    expected = stats.binomtest(wins, number).proportion_ci(method="wilson")
    found = probability_of_improvement([1.0] * wins + [-1.0] * (number - wins))
    assert found.estimate == wins / number
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_paired_compares_seed_by_seed():
    rows = table(base=[10.0, 20.0, 30.0, 40.0], other=[11.0, 22.0, 30.0, 39.0])
    row = statistics.paired(rows, "base", "pnl").row(0, named=True)
    assert row["policy"] == "other"
    assert row["difference"] == pytest.approx(0.5)
    assert row["p_improve"] == pytest.approx(2.5 / 4)
    assert row["difference_low"] <= 0.5 <= row["difference_high"]
    assert (row["paired_n"], row["paired_missing"]) == (4, 0)


def test_paired_is_sharp_where_markets_differ_more_than_policies():
    market = np.random.default_rng(0).normal(0, 1000, 32)
    rows = table(base=market, other=market + np.random.default_rng(1).normal(5, 1, 32))
    row = statistics.paired(rows, "base", "pnl").row(0, named=True)
    assert 4 < row["difference_low"] < row["difference_high"] < 6
    assert row["p_improve"] == 1.0


def test_paired_takes_the_seeds_that_both_sides_have_and_counts_the_others():
    rows = table(base={0: 1.0, 1: 2.0, 2: 3.0}, other={1: 5.0, 2: 7.0, 9: 100.0})
    row = statistics.paired(rows, "base", "pnl").row(0, named=True)
    assert row["difference"] == pytest.approx(3.5)
    assert (row["paired_n"], row["paired_missing"]) == (2, 2)


def test_paired_without_a_shared_seed_gives_nulls():
    row = statistics.paired(table(base={0: 1.0}, other={1: 5.0}), "base", "pnl").row(0, named=True)
    assert (row["difference"], row["p_improve"], row["paired_n"], row["paired_missing"]) == (None, None, 0, 2)


def test_paired_with_identical_results_is_zero_and_undecided():
    row = statistics.paired(table(base=[1.0, 2.0], other=[1.0, 2.0]), "base", "pnl").row(0, named=True)
    assert (row["difference"], row["difference_low"], row["difference_high"]) == (0.0, 0.0, 0.0)
    assert row["p_improve"] == 0.5


def test_a_lower_value_improves_a_metric_of_which_lower_is_better():
    rows = table(base=[2.0, 2.0], other=[1.0, 1.0])
    assert statistics.paired(rows, "base", "fees")["p_improve"].to_list() == [1.0]
    assert statistics.paired(rows, "base", "pnl")["p_improve"].to_list() == [0.0]


def test_paired_does_not_mix_scenarios():
    calm = table(base=[1.0, 1.0], other=[2.0, 2.0])
    rows = pl.concat([calm, calm.with_columns(scenario=pl.lit("volatile"), pnl=-pl.col("pnl"))])
    found = dict(statistics.paired(rows, "base", "pnl").select("scenario", "difference").iter_rows())
    assert found == {"calm": 1.0, "volatile": -1.0}


def test_summary_has_one_row_for_each_scenario_policy_and_metric():
    rows = table(base=[1.0, 2.0, 3.0, 6.0], other=[2.0, 2.0, 2.0, 2.0])
    summary = statistics.summarise(rows, "base")
    assert summary.select("policy", "metric").rows() == [
        ("base", "pnl"), ("base", "fees"), ("other", "pnl"), ("other", "fees"),
    ]  # fmt: skip
    first = summary.row(0, named=True)
    assert (first["n"], first["mean"], first["iqm"], first["median"], first["cvar"]) == (4, 3.0, 2.5, 2.5, 1.0)
    assert first["difference"] is None
    assert summary.filter(metric="fees", policy="base")["cvar"].to_list() == [6.0]
    assert summary.filter(metric="pnl", policy="other")["difference"].to_list() == [-1.0]


def test_summary_without_a_baseline_has_the_same_columns():
    rows = table(base=[1.0, 2.0], other=[2.0, 4.0])
    alone, compared = statistics.summarise(rows), statistics.summarise(rows, "base")
    assert alone.schema == compared.schema
    assert alone["p_improve"].null_count() == len(alone)


def test_summary_leaves_out_episodes_in_which_a_metric_does_not_exist():
    rows = table(base=[1.0, None, 3.0], other=[None, None, None])
    summary = statistics.summarise(rows, "base", ["pnl"])
    assert summary["n"].to_list() == [2, 0]
    assert summary["mean"].to_list() == [2.0, None]


def test_an_unknown_baseline_and_a_doubled_episode_are_errors():
    rows = table(base=[1.0], other=[2.0])
    with pytest.raises(ValueError, match="baseline must be one of base, other, got 'naive'"):
        statistics.summarise(rows, "naive")
    with pytest.raises(ValueError, match=r"\('base', 'calm', 0\) stands twice"):
        statistics.summarise(pl.concat([rows, rows]), "base")
