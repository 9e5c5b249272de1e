"""Names the recorded day that scenarios replay, as the options of a command say."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from lobenv.envs.interface import configure
from lobenv.scenario.config import Scenario


def with_recording(
    scenarios: Mapping[str, Scenario], data: str | None = None, symbol: str | None = None, *, lenient: bool = False
) -> dict[str, Scenario]:
    """The scenarios, those that replay a recorded day with the day that the command line names.

    Args:
        scenarios: Name to scenario.
        data: Folder or message file; None for what a scenario says itself.
        symbol: Ticker to look for in the folder; likewise.
        lenient: Skip damaged rows of the recorded day.

    Raises:
        ValueError: A scenario replays a day that is not named or not there, or one is named and none replays.
    """
    named = {name: value for name, value in (("data", data), ("symbol", symbol)) if value is not None}
    if named and all(scenario.replay is None for scenario in scenarios.values()):
        raise ValueError(f"{next(iter(named))}: none of {', '.join(scenarios)} replays a recorded day")
    found = dict(scenarios)
    for name, scenario in scenarios.items():
        if scenario.replay is not None:
            found[name] = configure(scenario, {"replay": {**named, "lenient": lenient}})
            _check(name, found[name])
    return found


def _check(name: str, scenario: Scenario) -> None:
    if scenario.replay is not None and scenario.replay.messages:
        return  # named one by one, and checked where they are read
    if scenario.replay is None or not scenario.replay.data:
        raise ValueError(f"data: scenario {name} replays a recorded day; name its folder or message file with --data")
    if not Path(scenario.replay.data).exists():
        raise ValueError(f"data: {scenario.replay.data}: no such file or folder")
