"""Trains in the Poisson-fill market with the learner of `train.ppo`, and runs checks of what came of it as commands."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import torch
import tyro
from matplotlib.figure import Figure
from numpy.typing import NDArray
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from evaluate.plots import SETTINGS
from evaluate.run_directory import RunDirectory
from train.hyperparameters import FOLDER, Hyperparameters, read
from train.learner import build
from train.poisson_market import Decide, PoissonVecEnv
from train.progress import TrainingProgress

HYPERPARAMETERS = FOLDER / "poisson.yml"
LARGEST_SEED = 2**32 - 1  # that NumPy's old generator takes, which Stable-Baselines3 seeds too
DOTS_PER_INCH = 200
FAILED, WRONG_OPTION, INTERRUPTED = 1, 2, 130


@dataclass(frozen=True)
class Options:
    """How to run a check."""

    seed: int = 1
    """Of weights, exploration and markets."""
    total_timesteps: int | None = None
    """Steps of all markets together in a training; by default as many as train/hyperparams/poisson.yml says."""
    num_envs: int | None = None
    """Markets stepped at once; by default as many as the same file says."""
    out: Path = Path("runs")
    """Folder in which the run gets its own."""


@dataclass(frozen=True)
class Finding:
    """What a check has found.

    Attributes:
        passed: Whether everything is as it has to be.
        document: The figures, JSON-able.
        figure: The same, drawn.
    """

    passed: bool
    document: dict[str, Any]
    figure: Figure


@dataclass(frozen=True)
class Course:
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


def command(
    name: str, about: str | None, check: Callable[[Hyperparameters, int], Finding], arguments: Sequence[str] | None
) -> int:
    """Run a check from the command line and keep what it found in a folder of its own.

    Args:
        name: Of the check, which is its key in the file of hyperparameters.
        about: What the help begins with.
        check: The check, of hyperparameters and a seed.
        arguments: By default those of the process.

    Returns:
        Exit status: 0, 1 if the check failed, 2 for an option that does not do, 130 after Ctrl-C.
    """
    options = tyro.cli(Options, prog=f"python -m train.check_{name}", description=about, args=arguments)
    try:
        hyperparameters = checked(name, options)
        config = {"policies": ["ppo"], "scenarios": [name], "seeds": [options.seed], "baseline": None}
        run = RunDirectory.create(options.out, name, config | {"hyperparameters": hyperparameters.plain()})
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return WRONG_OPTION
    try:
        finding = check(hyperparameters, options.seed)
    except KeyboardInterrupt:
        print("interrupted: nothing of a check is kept; the same command begins again", file=sys.stderr)
        return INTERRUPTED
    keep(finding, run.path)
    return 0 if finding.passed else FAILED


def checked(name: str, options: Options, changes: Mapping[str, Any] | None = None) -> Hyperparameters:
    """The hyperparameters of a check.

    Args:
        name: Of the check.
        options: Of its command line.
        changes: Hyperparameters that replace the file's.

    Raises:
        ValueError: One line naming the option or the file's key, the value and what is allowed.
    """
    if not 0 <= options.seed <= LARGEST_SEED:
        raise ValueError(f"seed must be within 0..{LARGEST_SEED}, got {options.seed}")
    asked = {"n_timesteps": options.total_timesteps, "n_envs": options.num_envs} | dict(changes or {})
    return read(HYPERPARAMETERS, "ppo", name, {key: value for key, value in asked.items() if value is not None})


def keep(finding: Finding, folder: Path) -> None:
    """Write the figures and the drawing of a check, and say where they are."""
    with mpl.rc_context(SETTINGS):
        finding.figure.savefig(folder / "figure.png", dpi=DOTS_PER_INCH)
    document = {"passed": finding.passed} | finding.document
    (folder / "result.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    print(f"figure       {folder / 'figure.png'}")
    print(f"figures      {folder / 'result.json'}")


def learn(
    env: PoissonVecEnv,
    hyperparameters: Hyperparameters,
    seed: int,
    measure: Callable[[Decide], float],
    averaged: float = 0.0,
) -> Course:
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
    with TrainingProgress(total) as progress:
        watch = _Watch(measure, progress, total - round(averaged * total))
        model.learn(total, callback=watch)
        return Course(model, watch.timesteps, watch.measured, progress.rate)


def policy_of(model: BaseAlgorithm) -> Decide:
    """The deterministic policy of a learner, on observations in natural units."""
    normalize = model.get_vec_normalize_env()

    def decide(observation: NDArray[np.float32]) -> NDArray[Any]:
        seen: Any = observation if normalize is None else normalize.normalize_obs(observation)
        return model.predict(seen, deterministic=True)[0]

    return decide


class _Watch(BaseCallback):
    """Measures the policy before every iteration, and at the end before and after its weights are averaged."""

    def __init__(self, measure: Callable[[Decide], float], progress: TrainingProgress, first_averaged: int) -> None:
        super().__init__()
        self.timesteps: list[int] = []
        self.measured: list[float] = []
        self._measure, self._progress, self._first_averaged = measure, progress, first_averaged
        self._weights: list[torch.Tensor] = []

    def _on_rollout_start(self) -> None:
        self._note()
        if self.num_timesteps >= self._first_averaged:
            self._keep_weights()

    def _on_step(self) -> bool:
        self._progress.at(self.num_timesteps)
        return True

    def _on_training_end(self) -> None:
        self._note()
        self._keep_weights()
        vector_to_parameters(torch.stack(self._weights).mean(dim=0), self.model.policy.parameters())
        self._note()

    def _keep_weights(self) -> None:
        self._weights.append(parameters_to_vector(self.model.policy.parameters()).detach())

    def _note(self) -> None:
        self.timesteps.append(self.num_timesteps)
        self.measured.append(self._measure(policy_of(self.model)))
