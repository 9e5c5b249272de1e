"""The constants of a market, however the market is given: an environment, a scenario, or a scenario's name."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import Any

from lobenv.scenario.config import Scenario
from lobenv.scenario.loading import load
from policies.base import MarketSpec, market_spec

__all__ = ["spec_of"]


def spec_of(market: Any) -> MarketSpec:
    """What a policy may rely on.

    Args:
        market: its constants; an environment of it, single, vector or of Stable-Baselines3, also in wrappers; a
            scenario; or what `lobenv.scenario.load` makes one of: a preset's name, a YAML file, a mapping.

    Raises:
        ValueError: it is none of these; or, as a ScenarioError, what is wrong with the scenario.
    """
    if isinstance(market, MarketSpec):
        return market
    if isinstance(market, Scenario | Mapping | str | PathLike):
        return market_spec(load(market))
    scenario = _scenario_of(getattr(market, "unwrapped", market))
    if isinstance(scenario, Scenario):
        return market_spec(scenario)
    raise ValueError(
        f"market must be a MarketSpec, an environment, a scenario or a scenario's name, got {type(market).__name__}"
    )


def _scenario_of(env: Any) -> Any:
    """The scenario of an environment: its own, its batch's, or that of the first of several environments."""
    scenario = getattr(env, "scenario", None) or getattr(getattr(env, "batch", None), "scenario", None)
    try:
        return scenario or env.get_attr("scenario")[0]
    except (AttributeError, LookupError, TypeError):
        return None
