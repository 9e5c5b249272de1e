"""Frozen, validated configuration of a market, its presets, and the tables it is built into."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lobenv.scenario.build import Template
    from lobenv.scenario.config import Scenario
    from lobenv.scenario.external import External, external_of
    from lobenv.scenario.loading import load, presets, scenario_hash, to_yaml
    from lobenv.scenario.problems import ScenarioError
    from lobenv.scenario.recorded_files import InputFile, input_files
    from lobenv.scenario.replay import Recording

__all__ = [
    "External",
    "InputFile",
    "Recording",
    "Scenario",
    "ScenarioError",
    "Template",
    "external_of",
    "input_files",
    "load",
    "presets",
    "scenario_hash",
    "to_yaml",
]

_HOMES = {
    "External": "external",
    "InputFile": "recorded_files",
    "Recording": "replay",
    "Scenario": "config",
    "ScenarioError": "problems",
    "Template": "build",
    "external_of": "external",
    "input_files": "recorded_files",
    "load": "loading",
    "presets": "loading",
    "scenario_hash": "loading",
    "to_yaml": "loading",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for: pydantic, Numba and Polars take longer than lobenv may."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
