"""A fresh learner quotes where it was told to, and what is exported of it decides as Stable-Baselines3 does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("stable_baselines3")
pytest.importorskip("sb3_contrib")

import torch
from sb3_contrib.common.maskable.utils import get_action_masks

from policies import market_spec
from policies.ppo import tensor_shapes
from tests.train.neural.small_training import plan
from train.neural.export import OBSERVATION, actor_of
from train.neural.learner import TORCH_THREADS, build, start_quoting_at
from train.neural.mixed_markets import MixedVecEnv
from train.neural.options import INITIAL_OFFSET_TICKS
from train.shared.mirrored_observation import ORDER, SIGNS

MIRRORED = "mirrored ppo"
ALGORITHMS = ("ppo", MIRRORED, "maskable_ppo", "sac", "td3", "ddpg")
CONTINUOUS = ("ppo", MIRRORED, "sac", "td3", "ddpg")


def learner(algo, **changes) -> Any:
    chosen = plan(algo.removeprefix("mirrored "), **{"mirrored": algo == MIRRORED, **changes})
    env = MixedVecEnv(chosen.markets, chosen.hyperparameters.num_envs, action=chosen.action, threads=1)
    return build(env, chosen.hyperparameters, 3, mirrored=chosen.mirrored), chosen


def observations(model, steps=30):
    """Natural observations of the model's own markets, after it has acted at random for a while."""
    env: Any = model.get_env()
    env.reset()
    for _ in range(steps):
        env.step(np.array([model.action_space.sample() for _ in range(env.num_envs)]))
    return env.get_original_obs(), env


@pytest.mark.parametrize("algo", ALGORITHMS)
def test_the_exported_actor_decides_as_the_learner_does(algo):
    model, chosen = learner(algo, **({"learning_starts": 0} if "ppo" not in algo else {}))
    model.learn(256)
    natural, env = observations(model)
    masks = {"action_masks": get_action_masks(env)} if algo == "maskable_ppo" else {}
    expected, _ = model.predict(env.normalize_obs(natural), deterministic=True, **masks)
    policy = actor_of(model).policy(market_spec(chosen.markets[0].scenario))
    policy.reset(len(natural), 0)
    if algo == "maskable_ppo":
        assert policy.act(natural).tolist() == expected.tolist()
    else:
        np.testing.assert_allclose(policy.act(natural), expected, rtol=0, atol=1e-6)
        assert np.ptp(expected, axis=0).max() > 1e-4  # it does look at what it sees


@pytest.mark.parametrize("algo", ALGORITHMS)
def test_the_exported_tensors_have_the_names_and_shapes_of_the_artefact(algo):
    model, _ = learner(algo)
    actor = actor_of(model)
    shapes = tensor_shapes(
        (24, 16) if algo == MIRRORED else (12, 8), len(OBSERVATION), 10 if algo == "maskable_ppo" else 2
    )
    assert {name: tensor.shape for name, tensor in actor.tensors.items()} == shapes
    assert {tensor.dtype.name for tensor in actor.tensors.values()} == {"float32"}


def test_an_exported_actor_stays_as_it_was_while_training_goes_on():
    model, _ = learner("ppo")
    actor = actor_of(model)
    before = {name: tensor.tobytes() for name, tensor in actor.tensors.items()}
    model.learn(256)
    assert {name: tensor.tobytes() for name, tensor in actor.tensors.items()} == before
    assert actor_of(model).tensors["head.bias"].tobytes() != before["head.bias"]


def test_a_learner_without_normalisation_is_exported_without():
    model, chosen = learner("ppo")
    model._vec_normalize_env = None
    assert actor_of(model).parameters.normalisation is None
    assert chosen.hyperparameters.normalize is not None


@pytest.mark.parametrize("algo", CONTINUOUS)
def test_an_untrained_policy_quotes_at_the_distance_it_was_given(algo):
    model, chosen = learner(algo)
    start_quoting_at(model, INITIAL_OFFSET_TICKS / 20.0)
    natural, env = observations(model)
    actions, _ = model.predict(env.normalize_obs(natural), deterministic=True)
    assert chosen.initial_fraction == INITIAL_OFFSET_TICKS / 20.0
    # Whatever it sees beside: the other weights of a fresh head are small.
    np.testing.assert_allclose((actions + 1.0) / 2.0 * 20.0, INITIAL_OFFSET_TICKS, atol=0.5 if "ppo" in algo else 5.0)
    assert abs(float(((actions + 1.0) / 2.0 * 20.0).mean()) - INITIAL_OFFSET_TICKS) < (0.2 if "ppo" in algo else 2.0)


@pytest.mark.parametrize("algo", ["td3", "ddpg"])
def test_a_target_network_begins_as_its_network(algo):
    model, _ = learner(algo)
    start_quoting_at(model, 0.2)
    pairs = zip(model.actor.parameters(), model.actor_target.parameters(), strict=True)
    assert all(torch.equal(own, target) for own, target in pairs)


def test_networks_use_one_thread():
    torch.set_num_threads(2)
    learner("ppo")
    assert torch.get_num_threads() == TORCH_THREADS == 1


def test_a_mirrored_policy_quotes_the_ask_as_the_bid_in_the_mirror():
    model, chosen = learner(MIRRORED)
    model.learn(256)
    natural, _ = observations(model)
    policy = actor_of(model).policy(market_spec(chosen.markets[0].scenario))
    policy.reset(len(natural), 0)
    actions, mirrored = policy.act(natural), policy.act(natural[:, ORDER] * SIGNS)
    np.testing.assert_allclose(mirrored, actions[:, ::-1], rtol=0, atol=1e-6)
    assert np.ptp(actions, axis=0).max() > 1e-4
