"""Every kind of background trader in one table: those of this package, and those that others register."""

from __future__ import annotations

from lobenv.agents import (
    arbitrageur,
    avellaneda_stoikov,
    institution,
    market_maker,
    mean_reversion,
    momentum,
    noise,
    retail,
    value,
)
from lobenv.agents.base import AgentConfig, AgentKind
from lobenv.compiled.choices import outside_number
from lobenv.registry import Registry

EXTERNAL_AGENT, OPENING_BOOK, RECORDED_FLOW = 0, 1, 2  # agents that no scenario configures
_RESERVED = (
    "external_agent",
    "opening_book",
    "recorded_flow",
    "never",
)  # names that `dispatch.source` needs for itself

BUILT_IN = (
    noise.KIND,
    retail.KIND,
    value.KIND,
    momentum.KIND,
    mean_reversion.KIND,
    market_maker.KIND,
    avellaneda_stoikov.KIND,
    institution.KIND,
    arbitrageur.KIND,
)
_NUMBERS = {kind.name: number for number, kind in enumerate(BUILT_IN, RECORDED_FLOW + 1)}


def _check(name: str, entry: object) -> None:
    if not isinstance(entry, AgentKind):
        raise TypeError(f"it must be an AgentKind, got {entry!r}")
    if name in _RESERVED:
        raise ValueError("the market needs this name for itself")
    if entry.name != name:
        raise ValueError(f"its configuration calls it {entry.name!r}")


KINDS: Registry[AgentKind] = Registry("agent kind", "lobenv.agents", {kind.name: kind for kind in BUILT_IN}, _check)


def kind_of(config: AgentConfig) -> AgentKind:
    """The kind that a configuration is of."""
    return KINDS.find(getattr(config, "kind", None))


def number_of(name: str) -> int:
    """What stands for a kind in the tables: the same whatever other kinds are registered."""
    return _NUMBERS[name] if name in _NUMBERS else outside_number(name)
