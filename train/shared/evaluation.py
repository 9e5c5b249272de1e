"""Plays policies on markets that no training draws, and compares them with a rule on the same markets."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

import policies
from evaluate.metrics import episode_metrics
from evaluate.rollout import constants_of, markets_for, play
from evaluate.statistics import Interval, interval
from evaluate.whole_files import write_whole
from lobenv.engine.batch import Batch
from lobenv.scenario.config import Scenario
from policies import MarketSpec, Policy, market_spec

FIRST_VALIDATION_SEED = 900_000  # training draws from below, the lab's held-out seeds begin at a million
RIVAL = "rule:avellaneda_stoikov"
CRITERION = "risk_adjusted_pnl"


class Examination:
    """The same episodes for every policy that is shown to it.

    Attributes:
        scenarios: Name to scenario.
        seeds: Of the episodes of each.
    """

    def __init__(self, scenarios: Mapping[str, Scenario], seeds: Sequence[int], threads: int | None = None) -> None:
        """Lay out the markets.

        Args:
            scenarios: Name to scenario.
            seeds: Of the episodes of each.
            threads: Most threads to use.
        """
        self.scenarios, self.seeds = scenarios, tuple(seeds)
        self._batches = {name: Batch(scenario, len(seeds), threads=threads) for name, scenario in scenarios.items()}

    def metrics(self, policy_of: Callable[[MarketSpec], Policy]) -> dict[str, pl.DataFrame]:
        """Every metric of every episode, scenario by scenario.

        Args:
            policy_of: Builds the policy for a scenario's market.
        """
        found = {}
        for name, scenario in self.scenarios.items():
            policy = policy_of(market_spec(scenario))
            batch = self._batches[name] = markets_for(policy, self._batches[name])
            rollout = play(batch, policy, self.seeds)
            found[name] = episode_metrics(rollout.paths, rollout.fills, rollout.counts, constants_of(scenario))
        return found

    def metrics_of(self, address: str) -> dict[str, pl.DataFrame]:
        """The same for the policy with an address."""
        return self.metrics(lambda market: policies.load(address, market))


def scales_of(rival: Mapping[str, pl.DataFrame]) -> dict[str, float]:
    """Scenario to the deviation of the rival's risk-adjusted P&L from episode to episode [$]: what money means there.

    Args:
        rival: Scenario to the metrics of its episodes.
    """
    deviations = {name: float(np.std(table[CRITERION].to_numpy())) for name, table in rival.items()}
    return {name: deviation or 1.0 for name, deviation in deviations.items()}  # it may not have traded at all


@dataclass(frozen=True)
class Verdict:
    """What an examination says of a policy at one moment of its training.

    Attributes:
        timesteps: Steps it had trained for.
        seconds: Seconds it had trained for, examinations included.
        means: Scenario to metric to its mean over the episodes.
        gains: Scenario to the risk-adjusted P&L above the rival's on the same markets, with its 95 % interval [$].
        score: Mean over scenarios of risk-adjusted P&L, each in units of its `scales_of`.
    """

    timesteps: int
    seconds: float
    means: Mapping[str, Mapping[str, float]]
    gains: Mapping[str, Interval]
    score: float

    @property
    def beats_rival(self) -> bool:
        """Whether the interval of the gain lies above zero in every scenario."""
        return all(gain.low > 0 for gain in self.gains.values())


def judge(
    own: Mapping[str, pl.DataFrame], rival: Mapping[str, pl.DataFrame], timesteps: int, seconds: float
) -> Verdict:
    """Compare the episodes of a policy with those of its rival.

    Args:
        own: Scenario to the metrics of the policy's episodes.
        rival: The same of the rival, on the same seeds.
        timesteps: Steps the policy had trained for.
        seconds: Seconds it had trained for.
    """
    means = {
        name: {column: float(table[column].mean()) for column in table.columns if table[column].mean() is not None}  # pyright: ignore[reportArgumentType]
        for name, table in own.items()
    }
    gains = {name: interval((own[name][CRITERION] - rival[name][CRITERION]).to_numpy()) for name in own}
    score = float(np.mean([means[name][CRITERION] / scale for name, scale in scales_of(rival).items()]))
    return Verdict(timesteps, seconds, means, gains, score)


@dataclass
class History:
    """How a training has gone so far.

    Attributes:
        verdicts: Of its examinations, in order.
        best: Index of the best of them; -1 before there is one, and an untrained policy is none.
        seconds: Spent in earlier processes of the same training.
    """

    verdicts: list[Verdict] = field(default_factory=list)
    best: int = -1
    seconds: float = 0.0

    def add(self, verdict: Verdict) -> bool:
        """Keep a verdict; whether it is the best so far."""
        self.verdicts.append(verdict)
        better = self.best < 0 or verdict.score > self.verdicts[self.best].score
        if verdict.timesteps > 0 and better:
            self.best = len(self.verdicts) - 1
        return self.best == len(self.verdicts) - 1

    @property
    def first_win(self) -> Verdict | None:
        """The first verdict in which the policy beat its rival everywhere."""
        return next((verdict for verdict in self.verdicts if verdict.beats_rival), None)

    def write(self, path: Path) -> None:
        """Write every verdict as JSON, for curves."""
        rows: list[dict[str, Any]] = [
            {
                "timesteps": verdict.timesteps,
                "seconds": round(verdict.seconds, 1),
                "score": verdict.score,
                "gains": {name: gain._asdict() for name, gain in verdict.gains.items()},
                "means": verdict.means,
            }
            for verdict in self.verdicts
        ]
        write_whole(path, (json.dumps(rows, indent=1) + "\n").encode())
