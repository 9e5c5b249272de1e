"""Builds learners of Stable-Baselines3 from hyperparameters, for any batch of markets."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecEnv, VecMonitor, VecNormalize
from torch import nn

from train.neural.fair_value import FairValue
from train.neural.hyperparameters import ALGORITHMS, GAMMA, Hyperparameters
from train.neural.mirrored_policy import MirroredMeanStd, MirroredPolicy

# Networks this small gain nothing from a second thread, and PyTorch's threads spin against those of the markets: on two
# cores an iteration took 1.7 to 5.7 s with two, 0.5 s with one. The markets' threads use the cores.
TORCH_THREADS = 1


def build(
    env: VecEnv, hyperparameters: Hyperparameters, seed: int, *, mirrored: bool = False, fair_value: bool = False
) -> BaseAlgorithm:
    """A fresh learner in an environment that it monitors and, where asked for, normalises.

    Args:
        env: The markets, not wrapped yet.
        hyperparameters: What shapes the training.
        seed: Of the weights, the exploration and the order of the samples; the environment gets it too.
        mirrored: Let one function quote both sides (`mirrored.MirroredPolicy`), on a market-making environment.
        fair_value: Mark inventory at the fundamental value (`fair_value.FairValue`).
    """
    torch.set_num_threads(TORCH_THREADS)
    arguments: dict[str, Any] = hyperparameters.arguments(int(np.prod(env.action_space.shape or (1,))))
    algorithm = ALGORITHMS[hyperparameters.algo]
    wrapped = _wrapped(env, hyperparameters, fair_value=fair_value)
    if mirrored and isinstance(wrapped, VecNormalize):
        wrapped.obs_rms = MirroredMeanStd(shape=env.observation_space.shape or ())
    policy = MirroredPolicy if mirrored else hyperparameters.policy
    return algorithm(policy, wrapped, seed=seed, device="cpu", **arguments)


def _wrapped(env: VecEnv, hyperparameters: Hyperparameters, *, fair_value: bool) -> VecEnv:
    monitored = VecMonitor(env)
    discount = float(hyperparameters.settings.get("gamma", GAMMA))
    paid = FairValue(monitored, discount) if fair_value else monitored
    if hyperparameters.normalize is None:
        return paid
    return VecNormalize(paid, **{"gamma": discount, **hyperparameters.normalize})


@torch.no_grad()
def start_quoting_at(model: BaseAlgorithm, fraction: float) -> None:
    """Have an untrained policy of continuous actions quote both sides at a distance from the mid.

    A fresh network quotes in the middle of the range, ten ticks away where nobody trades. It first meets trades by
    exploring inward on one side, mostly loses by them, and settles at never trading. Begun where a market maker would
    quote, it learns from its first episode what a fill is worth.

    Args:
        model: An untrained learner.
        fraction: Of the widest offset, in (0, 1).
    """
    action = 2.0 * fraction - 1.0
    policy: Any = model.policy
    if hasattr(policy, "action_net"):
        policy.action_net.bias.fill_(action)
        return
    layers = [layer for layer in policy.actor.mu.modules() if isinstance(layer, nn.Linear)]
    layers[-1].bias.fill_(float(np.arctanh(action)))  # squashed by tanh
    if hasattr(policy, "actor_target"):
        policy.actor_target.load_state_dict(policy.actor.state_dict())
