"""An examination plays the same episodes for everybody, and a verdict compares them pair by pair."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

pytest.importorskip("stable_baselines3")
pytest.importorskip("sb3_contrib")

import policies
from evaluate.rollout import constants_of, play
from evaluate.statistics import interval
from lobenv.engine.batch import Batch
from tests.train.neural.small_training import plan
from train.shared.evaluation import CRITERION, Examination, History, Verdict, judge, scales_of

SEEDS = (900_000, 900_001, 900_007)


def table(values):
    none = pl.Series([None] * len(values), dtype=pl.Float64)
    return pl.DataFrame({CRITERION: values, "pnl": values, "fill_ratio": none})


def verdict(timesteps, score, low):
    return Verdict(timesteps, 1.0, {}, {"calm": interval([low, low]), "volatile": interval([1.0, 1.0])}, score)


def test_an_examination_gives_what_the_lab_measures_on_its_seeds():
    scenario = plan().markets[0].scenario
    examination = Examination({"calm": scenario}, SEEDS, threads=1)
    rule = "rule:fixed_spread?half_spread=1"
    first, second = examination.metrics_of(rule)["calm"], examination.metrics_of(rule)["calm"]
    assert first.equals(second)
    assert first["fills"].sum() > 0
    batch = Batch(scenario, 1, threads=1)
    for row, seed in enumerate(SEEDS):
        rollout = play(batch, policies.load(rule, policies.market_spec(scenario)), [seed])
        pnl = rollout.paths.last(rollout.paths.pnl(constants_of(scenario)))
        assert first["pnl"][row] == pnl[0]


def test_a_verdict_compares_pair_by_pair_and_weighs_scenarios_by_their_scale():
    rival = {"calm": table([0.0, 2.0]), "volatile": table([-30.0, 30.0])}
    own = {"calm": table([1.0, 3.5]), "volatile": table([-15.0, 45.0])}
    found = judge(own, rival, 1_000, 2.5)
    assert scales_of(rival) == {"calm": 1.0, "volatile": 30.0}
    assert found.score == pytest.approx((2.25 / 1.0 + 15.0 / 30.0) / 2)
    assert found.gains["calm"] == interval([1.0, 1.5])
    assert found.beats_rival
    assert found.means["calm"] == {CRITERION: 2.25, "pnl": 2.25}  # nothing was filled: there is no ratio


def test_a_gain_whose_interval_reaches_zero_beats_nobody():
    rival = {"calm": table([0.0] * 4)}
    assert not judge({"calm": table([3.0, -2.0, 1.0, 0.5])}, rival, 0, 0.0).beats_rival
    assert scales_of(rival) == {"calm": 1.0}


def test_every_scenario_has_to_be_won():
    assert verdict(1, 0.0, 0.5).beats_rival
    assert not verdict(1, 0.0, -0.5).beats_rival


def test_the_best_is_the_trained_policy_with_the_highest_score():
    history = History()
    scores = [(0, 9.0), (10, 1.0), (20, 3.0), (30, 3.0), (40, 2.0)]
    assert [history.add(verdict(step, score, -1.0)) for step, score in scores] == [False, True, True, False, False]
    assert history.best == 2


def test_the_first_win_is_found():
    history = History()
    for step, low in ((0, -1.0), (10, -0.1), (20, 0.2), (30, 0.4)):
        history.add(verdict(step, 0.0, low))
    assert history.first_win is not None
    assert history.first_win.timesteps == 20
    assert History().first_win is None


def test_means_of_an_examination_are_over_its_episodes():
    values = np.array([1.5, 2.5, -1.0])
    assert judge({"a": table(values)}, {"a": table(values)}, 0, 0.0).means["a"]["pnl"] == pytest.approx(1.0)
