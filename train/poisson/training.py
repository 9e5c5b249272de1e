"""Trains in the Poisson-fill market with the learner of `train.ppo`, and measures the policy on its way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback

from evaluate.progress import StepProgress
from train.neural.averaging import WeightAverage
from train.neural.hyperparameters import Hyperparameters
from train.neural.learner import build
from train.poisson.market import Decide, PoissonVecEnv


@dataclass(frozen=True)
class MeasuredTraining:
    """A finished training, measured before each of its iterations, and at the end before and after the averaging.

    Attributes:
        model: The learner.
        timesteps: At which it was measured.
        measured: What `learn` was told to measure.
        rate: Steps a second, the measuring included.
    """

    model: BaseAlgorithm
    timesteps: list[int]
    measured: list[float]
    rate: float

    @property
    def policy(self) -> Decide:
        """The deterministic policy that was learned."""
        return policy_of(self.model)


def learn(
    env: PoissonVecEnv,
    hyperparameters: Hyperparameters,
    seed: int,
    measure: Callable[[Decide], float],
    averaged: float = 0.0,
) -> MeasuredTraining:
    """Train a policy.

    Args:
        env: The markets.
        hyperparameters: What shapes the training.
        seed: Of weights, exploration and markets.
        measure: What to measure of the policy on its way.
        averaged: Share of the training, at its end, over whose iterations the weights are averaged (Polyak and
            Juditsky, 1992): the noise of single iterations cancels. 0 takes the last weights.
    """
    model, total = build(env, hyperparameters, seed), hyperparameters.total_timesteps
    with StepProgress(total) as progress:
        watch = _Watch(measure, progress, total - round(averaged * total))
        model.learn(total, callback=watch)
        return MeasuredTraining(model, watch.timesteps, watch.measured, progress.rate)


def policy_of(model: BaseAlgorithm) -> Decide:
    """The deterministic policy of a learner, on observations in natural units."""
    normalize = model.get_vec_normalize_env()

    def decide(observation: NDArray[np.float32]) -> NDArray[Any]:
        seen: Any = observation if normalize is None else normalize.normalize_obs(observation)
        return model.predict(seen, deterministic=True)[0]

    return decide


class _Watch(BaseCallback):
    """Measures the policy before every iteration, and at the end before and after its weights are averaged."""

    def __init__(self, measure: Callable[[Decide], float], progress: StepProgress, first_averaged: int) -> None:
        super().__init__()
        self.timesteps: list[int] = []
        self.measured: list[float] = []
        self._measure, self._progress, self._first_averaged = measure, progress, first_averaged
        self._average = WeightAverage(recency=0)

    def _on_rollout_start(self) -> None:
        self._note()
        if self.num_timesteps >= self._first_averaged:
            self._average.add(self.model.policy)

    def _on_step(self) -> bool:
        self._progress.at(self.num_timesteps)
        return True

    def _on_training_end(self) -> None:
        self._note()
        self._average.add(self.model.policy)
        self._average.put_into(self.model.policy)
        self._note()

    def _note(self) -> None:
        self.timesteps.append(self.num_timesteps)
        self.measured.append(self._measure(policy_of(self.model)))
