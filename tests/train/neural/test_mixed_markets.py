"""Markets of several kinds side by side are each the same as by themselves, and share the environments equally."""

from __future__ import annotations

import pickle
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

pytest.importorskip("stable_baselines3")
pytest.importorskip("sb3_contrib")

from sb3_contrib.common.maskable.utils import get_action_masks
from stable_baselines3.common.vec_env import VecMonitor, VecNormalize

from lobenv.adapters.sb3 import SB3VecEnv
from lobenv.scenario.loading import load
from train.neural.mixed_markets import MixedVecEnv
from train.shared.markets import combinations, every_scenario, shares

HASTY = {"session.duration_s": 5.0, "session.warm_up_s": 2.0}  # ten steps
SEED = 40


def quotes(step, num_envs):
    """Actions near the mid, a function of step and market."""
    phase = np.arange(2 * num_envs).reshape(num_envs, 2) + 3 * step
    return (-0.9 + 0.2 * (phase % 5) / 4).astype(np.float32)


def mixture(num_envs=7, **settings) -> tuple[Any, Any]:
    kinds = combinations(("calm", "volatile"), ("metro", "retail"), (), HASTY)
    return kinds, MixedVecEnv(kinds, num_envs, **settings)


def test_every_scenario_comes_with_every_latency_and_every_fee_schedule():
    kinds = combinations(("calm", "volatile"), ("metro", "retail"), ("none", "nasdaq"))
    assert [(kind.name, kind.latency, kind.fees) for kind in kinds] == [
        (scenario, latency, fees)
        for scenario in ("calm", "volatile")
        for latency in ("metro", "retail")
        for fees in ("none", "nasdaq")
    ]
    assert all(kind.scenario.maker.latency == kind.latency for kind in kinds)
    assert {kind.scenario.books[0].fees.maker_per_share for kind in kinds} == {0.0, -0.0020}


def test_without_latencies_and_fees_a_scenario_keeps_its_own():
    (kind,) = combinations(("calm",), (), ())
    assert kind.scenario == load("calm")
    assert kind.label == "calm"


def test_all_stands_for_the_presets_that_decide_twice_a_second_without_data():
    assert set(every_scenario()) == {
        "calm", "volatile", "news_jump", "liquidity_shock", "institutional_sweep", "two_venues"
    }  # fmt: skip
    assert [kind.name for kind in combinations(("all",), (), ())] == list(every_scenario())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((), (), ()), "scenarios must name at least one scenario, got none"),
        ((("calm", "all"), (), ()), "scenarios must differ, got 'calm' twice"),
        ((("calm",), ("metro", "metro"), ()), "latencies must differ, got 'metro' twice"),
        ((("calm",), (), ("cheap",)), "fees: 'cheap' is not one of"),
        ((("clam",), (), ()), "scenario 'clam' is unknown"),
    ],
)
def test_a_wrong_combination_is_one_line(arguments, message):
    with pytest.raises(ValueError, match=message) as caught:
        combinations(*arguments)
    assert "\n" not in str(caught.value)


def test_markets_in_which_an_action_means_something_else_are_refused(tmp_path):
    path = tmp_path / "wide.yaml"
    path.write_text("base: calm\nlearners: {maker: {max_offset_ticks: 40}}\n")
    with pytest.raises(
        ValueError, match=r"learners.maker.max_offset_ticks must be the same in all scenarios, got 20 in calm, 40"
    ):
        combinations(("calm", str(path)), (), ())


@pytest.mark.parametrize(
    ("num_envs", "markets", "expected"), [(8, 1, [8]), (8, 2, [4, 4]), (7, 4, [1, 2, 2, 2]), (3, 3, [1, 1, 1])]
)
def test_kinds_share_the_environments_as_equally_as_can_be(num_envs, markets, expected):
    assert shares(num_envs, markets) == expected


def test_fewer_environments_than_kinds_are_refused():
    with pytest.raises(ValueError, match="num_envs must be at least 4, one for each combination, got 3"):
        shares(3, 4)


@pytest.mark.parametrize("threads", [1, 2])
def test_each_kind_lives_through_the_sessions_it_has_by_itself(threads):
    kinds, mixed = mixture(threads=threads)
    mixed.seed(SEED)
    observations = mixed.reset()
    edges = np.concatenate([[0], np.cumsum(shares(7, 4))])
    rows = [slice(low, high) for low, high in pairwise(edges)]
    alone: list[Any] = [
        SB3VecEnv(row.stop - row.start, scenario=kind.scenario) for kind, row in zip(kinds, rows, strict=True)
    ]
    for env, first in zip(alone, edges, strict=False):
        env.seed(SEED + int(first))
    assert observations.tobytes() == np.concatenate([env.reset() for env in alone]).tobytes()
    for step in range(25):
        actions = quotes(step, 7)
        observations, rewards, dones, infos = mixed.step(actions)
        expected = [env.step(actions[row]) for env, row in zip(alone, rows, strict=True)]
        for got, part in ((observations, 0), (rewards, 1), (dones, 2)):
            assert got.tobytes() == np.concatenate([result[part] for result in expected]).tobytes()
        assert [set(info) for info in infos] == [set(info) for result in expected for info in result[3]]
    mixed.close()


def test_rewards_of_a_kind_are_divided_by_its_scale():
    kinds = combinations(("calm", "volatile"), (), (), HASTY)
    envs: list[Any] = [MixedVecEnv(kinds, 4), MixedVecEnv(kinds, 4, scales=[2.0, 8.0])]
    for env in envs:
        env.seed(SEED)
        env.reset()
    seen = np.zeros(4)
    for step in range(20):
        rewards = [env.step(quotes(step, 4))[1] for env in envs]
        assert rewards[1].tolist() == (rewards[0] / np.array([2, 2, 8, 8], np.float32)).tolist()
        seen += np.abs(rewards[0])
    assert seen[:2].any()
    assert seen[2:].any()


def test_masks_of_the_discrete_action_come_through_the_wrappers_in_order():
    _, mixed = mixture(action="discrete")
    env = VecNormalize(VecMonitor(mixed))
    env.seed(SEED)
    env.reset()
    for _ in range(6):
        env.step(np.zeros(7, np.int64))
    masks = get_action_masks(env)
    assert masks.shape == (7, 10)
    assert masks.tolist() == np.concatenate([part.action_masks() for part in mixed.parts]).tolist()


def test_adopted_markets_go_on_where_they_were():
    _, first = mixture(scales=[1.0, 2.0, 3.0, 4.0])
    _, second = mixture(scales=[1.0, 2.0, 3.0, 4.0])
    first.seed(SEED)
    first.reset()
    for step in range(7):
        first.step(quotes(step, 7))
    second.adopt(pickle.loads(pickle.dumps(first.parts)))
    for step in range(7, 25):
        ours, theirs = first.step(quotes(step, 7)), second.step(quotes(step, 7))
        assert all(a.tobytes() == b.tobytes() for a, b in zip(ours[:3], theirs[:3], strict=True))


def test_markets_of_other_scenarios_are_not_adopted():
    _, first = mixture()
    second = MixedVecEnv(combinations(("calm",), (), (), HASTY), 7)
    with pytest.raises(ValueError, match="markets must be"):
        second.adopt(first.parts)
