"""The error that everything wrong with a scenario becomes, and how traders and learners are described in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from lobenv.agents.kinds import KINDS
from lobenv.registry import Registry
from lobenv.roles.roles import ROLES
from lobenv.scenario.config import Scenario
from lobenv.validation import describe

CHOSEN: dict[str | int, tuple[str, Registry[Any]]] = {"agents": ("kind", KINDS), "learners": ("role", ROLES)}


class ScenarioError(ValueError):
    """A scenario is not what it should be; one line naming file, key, value and what is allowed."""


def describe_scenario(
    error: ValidationError, merged: Mapping[str, Any], layers: Sequence[tuple[str, Mapping[str, Any]]]
) -> str:
    """One line about the first problem of a scenario, and how many more there are.

    Args:
        error: What validation found.
        merged: The values that were validated.
        layers: (origin, values) they were merged from, lowest first.
    """

    def class_at(path: tuple[str | int, ...]) -> type[BaseModel] | None:
        """A group of traders is of the class of its kind, a learner of that of its role."""
        if len(path) != 2 or path[0] not in CHOSEN:
            return None
        group, name = path
        key, table = CHOSEN[group]
        try:
            return table.find(merged[str(group)][name][key]).config
        except (ValueError, LookupError, TypeError):
            return None

    return describe(error, Scenario, layers, class_at)
