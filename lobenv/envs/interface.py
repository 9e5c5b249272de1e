"""What all faces are told of their markets, and the way from actions and observations to the core's arrays and back."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, fields
from enum import Enum
from os import PathLike, fspath
from typing import Any, Self

import numpy as np
from gymnasium.envs.registration import EnvSpec
from pydantic import BaseModel, ValidationError

from lobenv.envs.company import Company, Strategies
from lobenv.roles.maker.formats import FORMATS
from lobenv.roles.maker.modes import MODES
from lobenv.roles.maker.task import ActionMode, Task
from lobenv.scenario.config import FEE_SCHEDULES, Scenario
from lobenv.scenario.loading import Source, load
from lobenv.validation import describe


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
        mode: Its way to act.
        format: The form of its observations.
        action_space: Of one agent.
        observation_space: Of one agent.
        decode: Turns (…, F) observations into the space's own form: a copy, never the core's buffer.
        mask_size: Entries of the mask of a discrete action, 0 for no mask.
        encode: Turns the actions of E agents into the core's array; see `Mode.encode`.
    """

    def __init__(
        self,
        action: ActionMode = "continuous",
        observation: str = "flat",
        reward: str | Mapping[str, Any] = "inventory",
    ) -> None:
        """Check the modes and make the spaces."""
        if observation not in FORMATS:
            raise ValueError(f"observation: {observation!r} is not one of {', '.join(FORMATS)}")
        self.task = _task_of({"action": action, "reward": reward})
        self.mode, self.format = MODES[self.task.action], FORMATS[observation]
        self.action_space, self.observation_space = self.mode.space(), self.format.space()
        self.encode, self.decode = self.mode.encode, self.format.decode
        self.mask_size = self.mode.mask_size

    def mask(self, mask: np.ndarray) -> np.ndarray:
        """(…, n) int8 mask of the choices of a discrete action space, copied.

        Raises:
            AttributeError: The action is continuous.
        """
        if not self.mask_size:
            raise AttributeError("the continuous action has no mask")
        return mask[..., : self.mask_size].copy()


def _task_of(settings: dict[str, Any]) -> Task:
    """The task with these modes.

    Raises:
        ValueError: One line naming the argument, its value and what is allowed.
    """
    try:
        return Task.model_validate(settings)
    except ValidationError as error:
        raise ValueError(describe(error, Task, [("arguments", settings)])) from None


@dataclass(frozen=True)
class Setup:
    """What a face is told of its markets, checked; `MarketMakingEnv` describes each argument."""

    scenario: Source = "calm"
    overrides: Mapping[str, Any] | None = None
    action: ActionMode = "continuous"
    observation: str = "flat"
    reward: str | Mapping[str, Any] = "inventory"
    latency: str | None = None
    fees: str | Mapping[str, float] | None = None
    strategies: Strategies = ()

    @classmethod
    def of(cls, arguments: Mapping[str, Any]) -> Self:
        """From keyword arguments.

        Raises:
            TypeError: There is no such argument.
        """
        names = [field.name for field in fields(cls)]
        for name in arguments:
            if name not in names:
                raise TypeError(f"{name!r} is not one of {', '.join(names)}")
        return cls(**arguments)

    def interface(self) -> Interface:
        """How the agent acts, sees and is paid."""
        return Interface(self.action, self.observation, self.reward)

    def market(self, scenario: Source | None = None) -> Scenario:
        """The scenario, or another one with the same overrides and shorthands."""
        return configure(self.scenario if scenario is None else scenario, self.overrides, self.latency, self.fees)

    def company(self, num_envs: int) -> Company:
        """The strategies that trade beside the agent in each of E markets."""
        return Company(self.strategies, num_envs)


def plain_spec(spec: EnvSpec | None) -> EnvSpec | None:
    """A copy of an environment's specification that JSON can hold: a scenario as its values, a path as text."""
    if spec is None:
        return None
    plain = copy(spec)
    plain.kwargs = {name: _plain(value) for name, value in spec.kwargs.items()}
    return plain


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, PathLike):
        return fspath(value)
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    return value
