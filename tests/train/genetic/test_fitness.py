"""Fitness: what is played, on which seeds, and what the episodes come to."""

from __future__ import annotations

import numpy as np
import pytest

from evaluate.metrics import episode_metrics
from evaluate.rollout import constants_of, play
from lobenv.engine.batch import Batch
from lobenv.envs.interface import configure
from policies.base import market_spec
from policies.rule import FixedSpread, InventorySkewed, RulePolicy
from train.genetic.fitness import CHUNK_EPISODES, DOUBT_EPISODES, generation_seeds, objectives, play_task, score, tasks
from train.shared.evaluation import FIRST_VALIDATION_SEED

CALM = configure("calm", {"session.duration_s": 20})


def test_every_generation_draws_seeds_of_its_own_below_the_held_out_ones():
    drawn = [generation_seeds(1, generation, 50) for generation in range(20)]
    assert generation_seeds(1, 3, 50) == drawn[3]
    assert generation_seeds(2, 3, 50) != drawn[3]
    assert len(set(drawn)) == 20
    assert all(len(set(seeds)) == 50 for seeds in drawn)
    assert all(0 <= seed < FIRST_VALIDATION_SEED for seeds in drawn for seed in seeds)


def test_the_score_is_what_the_policy_lab_measures():
    batch, seeds = Batch(CALM, 4), (1, 2, 3, 4)
    policy = RulePolicy(FixedSpread(half_spread=1.0), market_spec(CALM))
    rollout = play(batch, policy, seeds)
    metrics = episode_metrics(rollout.paths, rollout.fills, rollout.counts, constants_of(CALM))
    found = score(batch, policy, seeds)
    assert len(rollout.fills) > 0
    assert found[:, 0] == pytest.approx(metrics["risk_adjusted_pnl"].to_numpy(), abs=1e-9)
    assert found[:, 1] == pytest.approx(metrics["pnl"].to_numpy(), abs=1e-9)


def test_who_plays_beside_a_genome_changes_nothing():
    players = [FixedSpread(half_spread=1.0), InventorySkewed(half_spread=2.0), (["spread"], ["spread"])]
    seeds = (5, 6)
    rules = tasks(players[:2], 1, seeds)
    (formula,) = tasks(players[2:], 1, seeds)
    assert len(rules) == 1
    together = play_task((CALM,), rules[0], None)
    for i, player in enumerate(players[:2]):
        (alone,) = tasks([player], 1, seeds)
        assert play_task((CALM,), alone, 1).tobytes() == together[i : i + 1].tobytes()
    assert play_task((CALM,), formula, 1).shape == (1, 2, 2)


def test_work_is_cut_by_condition_and_by_chunks_that_no_worker_decides():
    players = [FixedSpread(half_spread=float(i + 1)) for i in range(40)]
    work = tasks(players, 2, range(16))
    size = CHUNK_EPISODES // 16
    assert [(task.condition, len(task.players)) for task in work] == [(c, n) for c in (0, 1) for n in (size, size, 8)]
    assert [player for task in work for player in task.players] == players * 2


def test_objectives_are_mean_tail_and_worst_latency_averaged_over_markets():
    played = np.zeros((2, 2, 20, 2))  # two markets, two latency profiles, twenty episodes
    played[0, 0, :, 0], played[1, 0, :, 0] = 10.0, 40.0
    played[0, 1, :, 0], played[1, 1, :, 0] = 8.0, 0.0
    played[0, 0, :, 1] = np.arange(20) - 5.0
    played[0, 1, :, 1] = -1e9  # the tail is that of the own latency
    doubt = 20 / (20 + DOUBT_EPISODES)
    assert objectives(played, [1.0, 4.0]).tolist() == pytest.approx([10.0 * doubt, -2.5, 4.0 * doubt])


def test_a_long_record_counts_for_more_than_the_same_mean_of_a_newcomer():
    def mean(episodes):
        played = np.zeros((1, 1, episodes, 2))
        played[..., 0] = 3.0
        return objectives(played, [1.0])[0]

    assert mean(DOUBT_EPISODES) == 1.5
    assert mean(7 * DOUBT_EPISODES) == 3.0 * 7 / 8
