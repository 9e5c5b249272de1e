"""What a genome scores: every genome of a generation plays the same markets, many genomes in one batch.

Letters: M markets (scenario and fees), L latency profiles of the market maker (the market's own first), N genomes,
n episodes of each in every market and profile.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluate.rollout import sessions
from evaluate.statistics import cvar
from lobenv.engine.batch import Batch
from lobenv.roles.maker.reward import STATE_INDEX
from lobenv.scenario.config import Scenario
from policies import MarketSpec, Policy, market_spec
from policies.gp import FormulaPolicy
from policies.rule import Rule
from train.genetic.rules import RulePopulation
from train.genetic.species import Player
from train.shared.evaluation import FIRST_VALIDATION_SEED

CHUNK_EPISODES = 256  # episodes played at once; one number for every machine, so that work is cut the same everywhere
DOUBT_EPISODES = 32
RISK_ADJUSTED, PNL = 0, 1  # columns of the scores [$]
_SEED_STREAM = 0x6770  # keeps the draw of market seeds apart from other uses of the run's seed


@dataclass(frozen=True)
class Task:
    """Episodes that are played at once: some genomes in one market.

    Attributes:
        condition: Index of the market, latency profile by latency profile.
        players: What acts for the genomes.
        seeds: Of the n episodes that each of them plays.
    """

    condition: int
    players: tuple[Player, ...]
    seeds: tuple[int, ...]


def generation_seeds(seed: int, generation: int, episodes: int) -> tuple[int, ...]:
    """The market seeds of a generation, all different and below those that are held out."""
    generator = np.random.default_rng([_SEED_STREAM, seed, generation])
    return tuple(int(s) for s in generator.choice(FIRST_VALIDATION_SEED, episodes, replace=False))


def tasks(players: Sequence[Player], conditions: int, seeds: Sequence[int]) -> list[Task]:
    """Cut the work into tasks that do not depend on who does it, condition by condition."""
    size = max(CHUNK_EPISODES // len(seeds), 1)
    return [
        Task(condition, tuple(players[first : first + size]), tuple(seeds))
        for condition in range(conditions)
        for first in range(0, len(players), size)
    ]


def population(players: Sequence[Player], market: MarketSpec) -> Policy:
    """One policy for many genomes, among which it shares out the envs evenly."""
    rules = [player for player in players if isinstance(player, Rule)]
    if rules:
        return RulePopulation(rules, market)
    return FormulaPolicy([player for player in players if not isinstance(player, Rule)], market)


def play_task(scenarios: Sequence[Scenario], task: Task, threads: int | None) -> NDArray[np.float64]:
    """Play a task.

    Args:
        scenarios: Of every condition.
        task: What to play.
        threads: Most threads to use.

    Returns:
        (players, n, 2): risk-adjusted P&L and P&L of every episode [$].
    """
    scenario, players, episodes = scenarios[task.condition], len(task.players), len(task.seeds)
    batch = _batch(scenario.model_dump_json(), max(CHUNK_EPISODES // episodes, 1) * episodes, threads)
    earned = score(batch, population(task.players, market_spec(scenario)), task.seeds * players)
    return earned.reshape(players, episodes, 2)


@lru_cache(maxsize=1)
def _batch(scenario: str, episodes: int, threads: int | None) -> Batch:
    """Markets that are used again as long as tasks are of the same condition; the scenario in JSON, to be compared."""
    return Batch(Scenario.model_validate_json(scenario), episodes, threads=threads)


def score(batch: Batch, policy: Policy, seeds: Sequence[int]) -> NDArray[np.float64]:
    """Run one session for every seed and keep nothing but what it earned.

    Args:
        batch: At least as many markets as seeds, of the default task: its reward is the risk-adjusted P&L.
        policy: Decides for all at once.
        seeds: Of the episodes.

    Returns:
        (episodes, 2): risk-adjusted P&L and P&L [$].
    """
    earned = np.zeros((len(seeds), 2))
    for step, rows in enumerate(sessions(batch, policy, seeds)):
        if step:
            earned[rows, RISK_ADJUSTED] += batch.out.reward[rows, 0]
    earned[:, PNL] = batch.out.state[: len(seeds), 0, STATE_INDEX["pnl"]]
    return earned


def objectives(played: NDArray[Any], scale: Sequence[float], doubt: float = DOUBT_EPISODES) -> NDArray[np.float64]:
    """Mean, tail and robustness of a genome.

    Means are drawn towards zero, what a maker that never trades earns, as if the genome had played some more episodes
    in which nothing happened: a newcomer's luck counts for less than a record of many generations. It is kind to
    those that lose, too, which selection by the mean leaves out all the same.

    Args:
        played: (M, L, n, 2) scores of all that it has played, the first latency profile being the market's own.
        scale: (M,) unit of money of each market [$], so that a wild one does not drown a calm one in their mean.
        doubt: How many episodes more; 0 for what was measured.

    Returns:
        (3,), each averaged over the markets: mean risk-adjusted P&L at the own latency; CVaR 5 % of the P&L there;
        the smallest mean risk-adjusted P&L that any latency profile leaves. In dollars where there is one market.
    """
    unit, episodes = np.asarray(scale), played.shape[2]
    means = played[..., RISK_ADJUSTED].sum(axis=-1) / (episodes + doubt)  # (M, L)
    by_latency = (means / unit[:, None]).mean(axis=0)
    tail = np.apply_along_axis(cvar, -1, played[:, 0, :, PNL])  # (M,)
    return np.array([by_latency[0], (tail / unit).mean(), by_latency.min()])
