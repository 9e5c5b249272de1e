"""Every role in one table: those of this package, and those that others register."""

from __future__ import annotations

from lobenv.compiled.choices import outside_number
from lobenv.registry import Registry
from lobenv.roles.base import LearnerConfig, Role
from lobenv.roles.maker import role as maker

NO_ROLE = 0  # of an external agent that decides by itself: a strategy
RESERVED = ("no_role",)  # names that `dispatch.source` needs for itself

BUILT_IN = (maker.ROLE,)
_NUMBERS = {role.name: number for number, role in enumerate(BUILT_IN, NO_ROLE + 1)}


def _check(name: str, entry: object) -> None:
    if not isinstance(entry, Role):
        raise TypeError(f"it must be a Role, got {entry!r}")
    if name in RESERVED:
        raise ValueError("the market needs this name for itself")
    if entry.name != name:
        raise ValueError(f"its configuration calls it {entry.name!r}")


ROLES: Registry[Role] = Registry("role", "lobenv.roles", {role.name: role for role in BUILT_IN}, _check)


def role_of(config: LearnerConfig) -> Role:
    """The role that a configuration is of."""
    return ROLES.find(getattr(config, "role", None))


def number_of(name: str) -> int:
    """What stands for a role in the tables: the same whatever other roles are registered."""
    return _NUMBERS[name] if name in _NUMBERS else outside_number(name)
