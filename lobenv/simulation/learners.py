"""Market makers in a plain market whose quotes a policy decides: a learner's role without an environment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from lobenv.engine.batch import Batch, maker_of
from lobenv.roles.maker.task import Task
from lobenv.roles.widths import MOST_ACTIONS
from lobenv.scenario.config import Scenario


class Policy(Protocol):
    """What decides; it acts in continuous mode unless it has an attribute `action_mode`."""

    def reset(self, num_envs: int, seed: Any) -> None:
        """A session begins."""
        ...

    def act(self, observation: np.ndarray) -> np.ndarray:
        """(1, n) action for a (1, F) observation."""
        ...


class Learners:
    """The policies in one market, and what they have decided last.

    Attributes:
        names: Of their makers.
        externals: The external agents that stand for them.
        actions: (K, n) float64, of all external agents of the market.
    """

    def __init__(self, scenario: Scenario, policies: Mapping[str, Policy], first: int) -> None:
        """Lay them out.

        Args:
            scenario: The market.
            policies: Name of a maker to its policy.
            first: How many external agents come before them.
        """
        self.names = list(policies)
        self._policies = list(policies.values())
        self._first = first
        self.externals = tuple(maker_of(scenario, name, _task_of(policy)) for name, policy in policies.items())
        self.actions = np.zeros((first + len(self.names), MOST_ACTIONS))

    def begin(self, seed: int) -> None:
        """A session begins."""
        for policy in self._policies:
            policy.reset(1, [seed])

    def act(self, batch: Batch) -> None:
        """Ask those whose decision is due."""
        for k, policy in enumerate(self._policies, start=self._first):
            if batch.out.due[0, k]:
                action = np.asarray(policy.act(batch.out.observation[:1, k].copy()), np.float64).reshape(-1)
                self.actions[k, : len(action)] = action


def _task_of(policy: Policy) -> Task:
    return Task(action=getattr(policy, "action_mode", "continuous"))
