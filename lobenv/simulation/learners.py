"""Learners in a plain market: a policy decides for each, without an environment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from lobenv.engine.batch import Batch
from lobenv.roles.roles import role_of
from lobenv.roles.widths import widths_of
from lobenv.scenario.config import Scenario
from lobenv.scenario.external import external_of


class Policy(Protocol):
    """What decides; it acts as the scenario says unless it has an attribute `action_mode`."""

    def reset(self, num_envs: int, seed: Any) -> None:
        """A session begins."""
        ...

    def act(self, observation: np.ndarray) -> np.ndarray:
        """(1, n) action for a (1, F) observation."""
        ...


class Learners:
    """The policies in one market, and what they have decided last.

    Attributes:
        names: Of the learners.
        externals: The external agents that stand for them.
        actions: (K, n) float64, of all external agents of the market.
    """

    def __init__(self, scenario: Scenario, policies: Mapping[str, Policy], first: int) -> None:
        """Lay them out.

        Args:
            scenario: The market.
            policies: Name of a learner of the scenario to its policy.
            first: How many external agents come before them.
        """
        self.names = list(policies)
        self._policies = list(policies.values())
        self._first = first
        self.externals = tuple(external_of(scenario, name, _task_of(policy)) for name, policy in policies.items())
        roles = [external.role for external in self.externals]
        self._columns = [role_of(role).widths["observation"] for role in roles if role is not None]
        self.actions = np.zeros((first + len(self.names), widths_of(roles)["action"]))

    def begin(self, seed: int) -> None:
        """A session begins."""
        for policy in self._policies:
            policy.reset(1, [seed])

    def act(self, batch: Batch) -> None:
        """Ask those whose decision is due."""
        for k, (policy, columns) in enumerate(zip(self._policies, self._columns, strict=True), start=self._first):
            if batch.out.due[0, k]:
                seen = batch.out.observation[:1, k, :columns].copy()
                action = np.asarray(policy.act(seen), np.float64).reshape(-1)
                self.actions[k, : len(action)] = action


def _task_of(policy: Policy) -> dict[str, str] | None:
    mode = getattr(policy, "action_mode", None)
    return None if mode is None else {"action": mode}
