"""NSGA-II over genomes whose fitness is drawn anew each generation (Deb, Pratap, Agarwal and Meyarivan 2002).

A generation plays markets of its own, the same for all its genomes. Parents play again beside their children and keep
the record of all they played, so that one that was lucky in its markets does not stay for it.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np
from deap import tools
from numpy.typing import NDArray

from train.genetic.fitness import generation_seeds, objectives, tasks
from train.genetic.options import Plan
from train.genetic.species import Draws, Player, Species
from train.genetic.workers import Workers

CROSSOVER = 0.6  # share of children that two parents have; the others are mutants of one
MUTATION_AFTER_CROSSOVER = 0.3
CONSIDERED = 1.3  # times the population: how many of population and children NSGA-II chooses from
PLAY = 3  # objectives that tell how a genome plays; what follows is its size
TOURNAMENT = 3  # by the criterion
ATTEMPTS = 20  # to breed a child that is not there yet, before the generation does with fewer


@dataclass
class Evolution:
    """Where an evolution stands.

    Attributes:
        draws: The stream that breeding draws from.
        generation: Number of generations that have played.
        population: Survivors of the last one, with its fitness, best fronts first.
        hall: Genomes that were the best of a generation in something, JSON-able, in order of appearance.
        episodes: Played so far.
        seconds: Spent so far.
        history: One record for each generation.
    """

    draws: Draws
    generation: int = 0
    population: list[Any] = field(default_factory=list)
    hall: list[Any] = field(default_factory=list)
    episodes: int = 0
    seconds: float = 0.0
    history: list[dict[str, float]] = field(default_factory=list)


@dataclass(frozen=True)
class GenomeEvaluator:
    """Has genomes play the markets of a run.

    Attributes:
        workers: Play the episodes.
        markets: M.
        latencies: L.
        scale: (M,) unit of money of each market [$].
    """

    workers: Workers
    markets: int
    latencies: int
    scale: tuple[float, ...]

    def scores(
        self, players: Sequence[Player], seeds: Sequence[int], on_task: Callable[[int], None] | None = None
    ) -> NDArray[np.float64]:
        """Have every genome play the same episodes.

        Args:
            players: What acts for the N genomes.
            seeds: Of the n episodes in every market and latency profile.
            on_task: Called with the number of episodes of every finished task.

        Returns:
            (N, M, L, n, 2): the scores of `fitness.play_task`.
        """
        work = tasks(players, self.markets * self.latencies, seeds)
        scores: list[NDArray[np.float64]] = []
        for found in self.workers.play(work):
            scores.append(found)
            if on_task is not None:
                on_task(found.shape[0] * found.shape[1])
        shape = (self.markets, self.latencies, len(players), len(seeds), 2)
        return np.moveaxis(np.concatenate(scores).reshape(shape), 2, 0)

    def episodes(self, players: int, seeds: int) -> int:
        """How many episodes so many genomes play on so many seeds."""
        return players * seeds * self.markets * self.latencies


def advance(
    evolution: Evolution, plan: Plan, evaluator: GenomeEvaluator, on_task: Callable[[int], None] | None = None
) -> None:
    """Let one generation live, in place.

    Args:
        evolution: Where it stands.
        plan: What it was made from.
        evaluator: Has genomes play.
        on_task: As in `GenomeEvaluator.scores`.
    """
    species, options = plan.species, plan.options
    with evolution.draws:
        pool = _pool(evolution.population, plan)
    seeds = generation_seeds(options.seed, evolution.generation + 1, options.episodes)
    scores = evaluator.scores([species.player(one) for one in pool], seeds, on_task)
    for one, latest in zip(pool, scores, strict=True):
        one.played = latest if one.played is None else np.concatenate([one.played, latest], axis=2)
    rate(pool, [objectives(one.played, evaluator.scale) for one in pool], species)
    evolution.population = survivors(pool, options.population)
    evolution.generation += 1
    evolution.episodes += evaluator.episodes(len(pool), options.episodes)
    _remember(evolution, pool, species)


def survivors(pool: Sequence[Any], size: int) -> list[Any]:
    """Those of a rated pool that live on, best fronts first.

    With this many objectives nearly everything is on the first front, and a maker that never trades is best in tail and
    size. So the criterion comes first, as a constraint of NSGA-II: who is not among the better part by mean
    risk-adjusted P&L is left out. Of genomes with the same record only the smallest stays.
    """
    distinct: dict[tuple[float, ...], Any] = {}
    for one in sorted(pool, key=lambda one: one.fitness.values[PLAY:]):
        distinct.setdefault(one.fitness.values[:PLAY], one)
    ranked = sorted(distinct.values(), key=lambda one: one.fitness.values[0], reverse=True)
    return tools.selNSGA2(ranked[: max(round(CONSIDERED * size), 1)], size)


def rate(pool: Sequence[Any], values: Iterable[NDArray[np.float64]], species: Species) -> None:
    """Give every genome its fitness, with its size where that counts."""
    for individual, row in zip(pool, values, strict=True):
        size = (float(species.size(individual)),) if "size" in species.objectives else ()
        individual.fitness.values = (*(float(value) for value in row), *size)


def front(pool: Sequence[Any]) -> list[Any]:
    """Those that no other is better than in everything, best mean first."""
    found = tools.sortNondominated(list(pool), len(pool), first_front_only=True)[0]
    return sorted(found, key=lambda one: one.fitness.values[0], reverse=True)


def _pool(population: list[Any], plan: Plan) -> list[Any]:
    """What plays in a generation: parents and children, or what is drawn where there are no parents yet."""
    if not population:
        return plan.species.initial(plan.first_population)
    return [*population, *_breed(population, plan.species, plan.options.population)]


def _breed(population: list[Any], species: Species, count: int) -> list[Any]:
    """Children, none of them a genome that is already there."""
    known = {json.dumps(species.to_json(one)) for one in population}
    children: list[Any] = []
    for child in islice(_litter(population, species), count * ATTEMPTS):
        genome = json.dumps(species.to_json(child))
        if genome not in known:
            known.add(genome)
            children.append(child)
        if len(children) == count:
            break
    return children


def _litter(population: list[Any], species: Species) -> Iterator[Any]:
    """Children without end."""
    while True:
        for mother, father in _couples(population):
            if random.random() >= CROSSOVER:
                yield species.mutant(mother)
                yield species.mutant(father)
                continue
            for child in species.children(mother, father):
                yield species.mutant(child) if random.random() < MUTATION_AFTER_CROSSOVER else child


def _couples(population: list[Any]) -> list[tuple[Any, Any]]:
    """One of each is chosen by front and crowding, which keeps the search broad, the other by the criterion."""
    count = len(population) // 4 * 4
    mothers = tools.selTournamentDCD(population, count) if count else tools.selRandom(population, 4)
    # DEAP compares fitnesses objective by objective, the criterion first.
    return list(zip(mothers, tools.selTournament(population, len(mothers), TOURNAMENT), strict=True))


def _remember(evolution: Evolution, pool: Sequence[Any], species: Species) -> None:
    """Keep the generation's best of each objective but size, and its figures."""
    values = np.array([one.fitness.values for one in pool])  # with the doubt that selection has
    for i in range(len(species.objectives) - ("size" in species.objectives)):
        genome = species.to_json(pool[int(values[:, i].argmax())])
        if genome not in evolution.hall:
            evolution.hall.append(genome)
    record = {"generation": float(evolution.generation), "front_size": float(len(front(pool)))}
    for i, name in enumerate(species.objectives):
        best = values[:, i].min() if name == "size" else values[:, i].max()
        record |= {f"{name}_best": float(best), f"{name}_median": float(np.median(values[:, i]))}
    evolution.history.append(record)
