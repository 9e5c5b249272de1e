"""The markets a learner trains in: scenarios, latencies and fees in every combination."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from evaluate.recordings import with_recording
from lobenv.envs.interface import configure
from lobenv.scenario.config import Scenario
from lobenv.scenario.loading import load, presets, scenario_hash
from policies.sidecar import TrainingScenario

ALL = "all"
USUAL_INTERVAL_S = 0.5  # between decisions, in the scenarios that `all` stands for


@dataclass(frozen=True)
class Market:
    """One combination to train in.

    Attributes:
        name: Of the scenario, as it was asked for.
        scenario: With latency and fees applied.
        latency: Latency profile of the market maker; None for the scenario's own.
        fees: Fee schedule; None for the scenario's own.
    """

    name: str
    scenario: Scenario
    latency: str | None
    fees: str | None

    @property
    def label(self) -> str:
        """Name of the scenario, and of what differs from it."""
        return ", ".join(part for part in (self.name, self.latency, self.fees) if part)

    @property
    def trained_on(self) -> TrainingScenario:
        """What the sidecar of a policy says of it."""
        digest = scenario_hash(self.scenario)
        return TrainingScenario(name=self.name, hash=digest, latency=self.latency, fees=self.fees)


def every_scenario() -> tuple[str, ...]:
    """The presets that `all` stands for: those that decide twice a second and need no recorded day.

    rmsc04 is not among them: its decisions are a minute apart and its session lasts 6.3 h, so that every step of the
    batch would wait for it, and what it asks of a market maker is another task.
    """
    loaded = {name: load(name) for name in presets()}
    return tuple(
        name
        for name, scenario in loaded.items()
        if scenario.replay is None and scenario.maker.decision_interval_s == USUAL_INTERVAL_S
    )


def combinations(
    scenarios: Sequence[str],
    latencies: Sequence[str],
    fees: Sequence[str],
    overrides: dict[str, Any] | None = None,
    *,
    data: str | None = None,
    symbol: str | None = None,
    lenient: bool = False,
) -> tuple[Market, ...]:
    """Every scenario with every latency and every fee schedule.

    Args:
        scenarios: Presets or YAML files; `all` for `every_scenario`.
        latencies: Profiles of the market maker; empty for each scenario's own.
        fees: Fee schedules; empty for each scenario's own.
        overrides: Values that replace the scenarios'.
        data: Folder or message file of the recorded day, for scenarios that replay one.
        symbol: Ticker to look for in the folder.
        lenient: Skip damaged rows of the recorded day.

    Raises:
        ValueError: One line naming what is wrong and what is allowed.
    """
    names = [name for given in scenarios for name in (every_scenario() if given == ALL else (given,))]
    for field, values in (("scenarios", names), ("latencies", latencies), ("fees", fees)):
        doubled = [value for i, value in enumerate(values) if value in values[:i]]
        if doubled:
            raise ValueError(f"{field} must differ, got {doubled[0]!r} twice")
    if not names:
        raise ValueError("scenarios must name at least one scenario, got none")
    markets = tuple(
        Market(name, configure(name, overrides, latency, schedule), latency, schedule)
        for name, latency, schedule in product(names, latencies or (None,), fees or (None,))
    )
    _check_alike(markets)
    named = with_recording({market.label: market.scenario for market in markets}, data, symbol, lenient=lenient)
    return tuple(replace(market, scenario=named[market.label]) for market in markets)


def _check_alike(markets: Sequence[Market]) -> None:
    """Refuse markets in which the same action or observation would mean different things."""
    for field in ("order_size_shares", "max_offset_ticks"):
        values = {getattr(market.scenario.maker, field): market.label for market in markets}
        if len(values) > 1:
            shown = ", ".join(f"{value:g} in {label}" for value, label in values.items())
            raise ValueError(f"learners.maker.{field} must be the same in all scenarios, got {shown}")


def shares(num_envs: int, markets: int) -> list[int]:
    """How many of E markets each combination gets: as equal as can be.

    Raises:
        ValueError: There are fewer markets than combinations.
    """
    if num_envs < markets:
        raise ValueError(f"num_envs must be at least {markets}, one for each combination, got {num_envs}")
    return [num_envs * (i + 1) // markets - num_envs * i // markets for i in range(markets)]
