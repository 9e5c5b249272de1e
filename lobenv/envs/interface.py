"""What all faces of the market-making task share: configuration, spaces, and the way to the core's arrays and back."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces
from pydantic import ValidationError

from lobenv.engine.batch import Batch, episode_seeds
from lobenv.roles.maker import action as actions
from lobenv.roles.maker import observation as observations
from lobenv.roles.maker.reward import PARTS, STATE_INDEX
from lobenv.roles.maker.task import ActionMode, Task
from lobenv.scenario.config import FEE_SCHEDULES, Scenario
from lobenv.scenario.loading import load
from lobenv.validation import describe

Source = str | Path | Mapping[str, Any] | Scenario
INFO_STATE = ("pnl", "inventory", "cash", "fees", "mid", "best_bid", "best_ask")
OBSERVATION_FORMATS = ("flat", "dict")


def configure(
    scenario: Source,
    overrides: Mapping[str, Any] | None = None,
    latency: str | None = None,
    fees: str | Mapping[str, float] | None = None,
) -> Scenario:
    """A scenario with the shorthands of the environment's arguments applied.

    Args:
        scenario: Preset name, path of a YAML file, mapping or Scenario.
        overrides: Values that replace the scenario's, nested or with dotted keys.
        latency: Name of the latency profile of the market maker.
        fees: Name of a fee schedule, or its values, for all books.

    Raises:
        ValueError: Something is not allowed; the line says what and what is.
    """
    loaded = load(scenario, overrides)
    changes: dict[str, Any] = {}
    if latency is not None:
        changes["learners.maker.latency"] = latency
    if fees is not None:
        if isinstance(fees, str) and fees not in FEE_SCHEDULES:
            raise ValueError(f"fees: {fees!r} is not one of {', '.join(FEE_SCHEDULES)}")
        schedule = FEE_SCHEDULES[fees].model_dump() if isinstance(fees, str) else dict(fees)
        changes["books"] = [{**book.model_dump(), "fees": schedule} for book in loaded.books]
    return load(loaded, changes) if changes else loaded


class Interface:
    """Spaces of the task, and the translation of actions and observations.

    Attributes:
        task: How the agent acts and is paid.
        action_space: Of one agent.
        observation_space: Of one agent.
        observation_format: `flat` or `dict`.
    """

    def __init__(
        self,
        action: ActionMode = "continuous",
        observation: str = "flat",
        reward: str | Mapping[str, Any] = "inventory",
    ) -> None:
        """Check the modes and make the spaces."""
        if observation not in OBSERVATION_FORMATS:
            raise ValueError(f"observation: {observation!r} is not one of {', '.join(OBSERVATION_FORMATS)}")
        self.task = _task_of({"action": action, "reward": reward})
        self.observation_format = observation
        self.action_space = _action_space(self.task.action)
        self.observation_space = _observation_space(observation)
        self.has_mask = self.task.action != "continuous"

    def encode(self, action: Any, num_envs: int) -> np.ndarray:
        """Turn actions into the core's array.

        Args:
            action: One action of the space for each environment: (E,), (E, 2) or (E, 4).
            num_envs: E.

        Returns:
            (E, 1, n) float64.

        Raises:
            ValueError: Wrong shape, not finite, or not one of the choices. A continuous action beyond the ends of its
                range is taken for the end.
        """
        array = np.asarray(action, dtype=np.float64)
        shape = (num_envs, *(self.action_space.shape or ()))
        if array.shape != shape and not (num_envs == 1 and array.shape == shape[1:]):
            raise ValueError(f"action must have shape {shape}, got {array.shape}")
        array = array.reshape(num_envs, 1, -1)
        if self.task.action == "continuous":
            if not np.isfinite(array).all():
                raise ValueError(f"action must be finite, got {array[~np.isfinite(array)][0]}")
            return array
        sizes = np.array(actions.DISCRETE_ACTIONS if self.task.action == "discrete" else actions.CHOICES)
        allowed = ((array >= 0) & (array < sizes) & (array == np.floor(array))).all(axis=2)
        if not allowed.all():
            raise ValueError(f"action must be whole and below {sizes.tolist()}, got {array[~allowed][0].tolist()}")
        return array

    def decode(self, observation: np.ndarray) -> Any:
        """Turn (…, F) observations into the space's own form: a copy, never the core's buffer."""
        if self.observation_format == "flat":
            return observation.copy()
        return {field.name: observation[..., i : i + 1].copy() for i, field in enumerate(observations.FIELDS)}

    def mask(self, mask: np.ndarray) -> np.ndarray:
        """(…, n) int8 mask of the choices of a discrete action space, copied.

        Raises:
            AttributeError: The action is continuous.
        """
        if not self.has_mask:
            raise AttributeError("the continuous action has no mask")
        n = actions.DISCRETE_ACTIONS if self.task.action == "discrete" else actions.MASK_SIZE
        return mask[..., :n].copy()


def _task_of(settings: dict[str, Any]) -> Task:
    """The task with these modes.

    Raises:
        ValueError: One line naming the argument, its value and what is allowed.
    """
    try:
        return Task.model_validate(settings)
    except ValidationError as error:
        raise ValueError(describe(error, Task, [("arguments", settings)])) from None


def _action_space(mode: ActionMode) -> spaces.Space[Any]:
    if mode == "continuous":
        return spaces.Box(-1.0, 1.0, (2,), np.float32)
    if mode == "discrete":
        return spaces.Discrete(actions.DISCRETE_ACTIONS)
    return spaces.MultiDiscrete(list(actions.CHOICES))


def _observation_space(form: str) -> spaces.Space[Any]:
    if form == "flat":
        return spaces.Box(observations.LOW, observations.HIGH, dtype=np.float32)
    return spaces.Dict(
        {field.name: spaces.Box(field.low, field.high, (1,), np.float32) for field in observations.FIELDS}
    )


def check_max_episode_steps(steps: int | None) -> None:
    """Refuse a limit that would end a session before its first step."""
    if steps is not None and steps < 1:
        raise ValueError(f"max_episode_steps must be at least 1, got {steps}")


class Episodes:
    """Which session each environment of a batch is in.

    A reset with a seed begins session 0 of that seed; every further one of the same environment has a seed derived from
    it and from its number alone, so that environment i of a batch lives through the same sessions as a single one.
    """

    def __init__(self, num_envs: int) -> None:
        """Start without seeds."""
        self.seeds = np.zeros(num_envs, np.uint64)
        self.numbers = np.full(num_envs, -1, np.int64)

    def seed(self, rows: np.ndarray, seeds: np.ndarray) -> None:
        """Give environments a seed each; their next session is the first of it."""
        self.seeds[rows] = seeds
        self.numbers[rows] = -1

    def begin(self, batch: Batch, rows: np.ndarray) -> None:
        """Begin the next session of environments."""
        self.numbers[rows] += 1
        batch.reset(rows, episode_seeds(self.seeds[rows], self.numbers[rows].astype(np.uint64)))


def info_of(batch: Batch, row: int, interface: Interface) -> dict[str, Any]:
    """Diagnostics of one environment: flat, scalar, the same keys at every step.

    The figures are the exchange's own, for people and evaluation; what the agent may know is in the observation.
    """
    state = batch.out.state[row, 0]
    info: dict[str, Any] = {name: float(state[STATE_INDEX[name]]) for name in INFO_STATE}
    for i, part in enumerate(PARTS):
        info[f"reward/{part}"] = float(batch.out.parts[row, 0, i])
    if interface.has_mask:
        info["action_mask"] = interface.mask(batch.out.mask[row, 0])
    return info


def vector_info_of(batch: Batch, interface: Interface, present: np.ndarray | None = None) -> dict[str, Any]:
    """The same for all environments, in Gymnasium's form: an array and a mask of who has it, for each key.

    Args:
        batch: The markets.
        interface: What they show.
        present: (E,) bool, who is asked about; all by default.
    """
    present = np.ones(batch.num_envs, dtype=bool) if present is None else present
    info: dict[str, Any] = {}
    for name in INFO_STATE:
        info[name] = batch.out.state[:, 0, STATE_INDEX[name]].copy()
    for i, part in enumerate(PARTS):
        info[f"reward/{part}"] = batch.out.parts[:, 0, i].copy()
    if interface.has_mask:
        info["action_mask"] = interface.mask(batch.out.mask[:, 0])
    for name in list(info):
        info[f"_{name}"] = present
    return info
