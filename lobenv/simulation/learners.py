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
from lobenv.settings import shortened


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

        Raises:
            ValueError: The scenario has no such learner, or it cannot act as its policy says.
            TypeError: It is no mapping, or what should be a policy is none.
        """
        _check(policies)
        self.names = list(policies)
        self._policies = list(policies.values())
        self._first = first
        self.externals = tuple(external_of(scenario, name, _task_of(policy)) for name, policy in policies.items())
        roles = [external.role for external in self.externals if external.role is not None]
        self._columns = [role_of(role).widths["observation"] for role in roles]
        self._modes = [role_of(role).mode_of(role) for role in roles]
        self.actions = np.zeros((first + len(self.names), widths_of(roles)["action"]))

    def begin(self, seed: int) -> None:
        """A session begins."""
        for policy in self._policies:
            policy.reset(1, [seed])

    def act(self, batch: Batch) -> None:
        """Ask those whose decision is due.

        Raises:
            ValueError: An action is none of the learner's role; one line naming the learner.
        """
        for i, (policy, mode) in enumerate(zip(self._policies, self._modes, strict=True)):
            k = self._first + i
            if not batch.out.due[0, k]:
                continue
            decided = policy.act(batch.out.observation[:1, k, : self._columns[i]].copy())
            try:
                self.actions[k, : mode.width] = mode.encode(decided, 1)[0, 0]
            except ValueError as error:
                raise ValueError(f"learner {self.names[i]}: {error}") from None


def _check(policies: object) -> None:
    if not isinstance(policies, Mapping):
        raise TypeError(f"learners must map the name of a learner to its policy, got {shortened(policies)}")
    for name, policy in policies.items():
        if isinstance(policy, type) or not (hasattr(policy, "reset") and hasattr(policy, "act")):
            raise TypeError(f"learners: {name}: must have the methods reset and act, got {shortened(policy)}")


def _task_of(policy: Policy) -> dict[str, str] | None:
    mode = getattr(policy, "action_mode", None)
    return None if mode is None else {"action": mode}
