"""Genomes of closed-form rules: which rule, and where in its space of parameters.

A parameter lies between two bounds on a logarithmic scale; a genome holds its place there, from 0 to 1.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from deap import base, tools
from numpy.typing import NDArray

from policies.base import MarketSpec, check_observation, encode_quotes, env_seeds
from policies.rule import RULES, Rule, View, build
from train.genetic.species import rounded

# Bounds of every parameter that is searched, in the units of its rule. They reach from a quote that hardly moves with
# inventory to one that jumps across the range with a lot, and from half a tick to the widest offset.
SPACE: Mapping[str, Mapping[str, tuple[float, float]]] = {
    "fixed_spread": {"half_spread": (0.5, 20.0)},
    "inventory_skewed": {"half_spread": (0.5, 20.0), "skew": (0.01, 10.0)},
    "avellaneda_stoikov": {"gamma": (1e-6, 1.0), "k": (0.02, 5.0)},
    "glft": {"gamma": (1e-5, 10.0), "k": (0.02, 5.0), "arrival_rate": (0.01, 10.0)},
}
CROWDING = 10.0  # DEAP's eta: the larger, the closer children stay to their parents
MUTATED_SHARE = 0.6  # of the parameters, on average


class RuleFitness(base.Fitness):
    """Mean, tail and robustness, all to be large."""

    weights = (1.0, 1.0, 1.0)


class Point(list[float]):
    """A place in the space of a rule's parameters.

    Attributes:
        rule: Name of the rule.
        fitness: What it has scored.
        played: (M, L, n, 2) scores of every episode that it has played; None for a newcomer.
    """

    def __init__(self, rule: str, place: Sequence[float]) -> None:
        """A place that has not been scored."""
        super().__init__(place)
        self.rule = rule
        self.fitness = RuleFitness()
        self.played: NDArray[np.float64] | None = None


class RuleSpecies:
    """Genomes of one rule or of several; two of different rules have no common children."""

    objectives = ("risk_adjusted_pnl", "cvar", "worst_latency")

    def __init__(self, rules: Sequence[str]) -> None:
        """Name the rules, keys of `SPACE`."""
        self.rules = tuple(rules)

    def initial(self, count: int) -> list[Point]:
        """Equal shares of all rules: each with its default parameters once, and at places drawn evenly."""
        names = [self.rules[i % len(self.rules)] for i in range(count)]
        defaults = [Point(rule, _default_place(rule)) for rule in self.rules]
        drawn = [Point(rule, [random.random() for _ in SPACE[rule]]) for rule in names[len(defaults) :]]
        return [*defaults, *drawn][:count]

    def children(self, mother: Point, father: Point) -> tuple[Point, Point]:
        """Simulated binary crossover, within the bounds (Deb and Agrawal 1995)."""
        pair = Point(mother.rule, mother), Point(father.rule, father)
        if mother.rule == father.rule:
            tools.cxSimulatedBinaryBounded(*pair, eta=CROWDING, low=0.0, up=1.0)
        return pair

    def mutant(self, parent: Point) -> Point:
        """Polynomial mutation, within the bounds."""
        child = Point(parent.rule, parent)
        tools.mutPolynomialBounded(child, eta=CROWDING, low=0.0, up=1.0, indpb=MUTATED_SHARE)
        return child

    def to_json(self, individual: Point) -> list[Any]:
        """Name of the rule and places."""
        return [individual.rule, *individual]

    def from_json(self, genome: Sequence[Any]) -> Point:
        """See `to_json`."""
        return Point(genome[0], genome[1:])

    def player(self, individual: Point) -> Rule:
        """The rule with its parameters."""
        bounds = SPACE[individual.rule]
        parameters = {
            name: rounded(low * (high / low) ** place)
            for (name, (low, high)), place in zip(bounds.items(), individual, strict=True)
        }
        return build(individual.rule, parameters)

    def size(self, individual: Point) -> int:
        """Number of parameters."""
        return len(individual)


def _default_place(rule: str) -> list[float]:
    default = RULES[rule]()
    return [
        float(np.log(getattr(default, name) / low) / np.log(high / low)) for name, (low, high) in SPACE[rule].items()
    ]


class RulePopulation:
    """Several rules at work in one batch, shared out evenly: of E envs the first E / n follow the first of n rules."""

    def __init__(self, rules: Sequence[Rule], market: MarketSpec) -> None:
        """Bind the rules, none of which may draw random numbers, to a market."""
        self.rules, self.market = tuple(rules), market
        self._num_envs = 0

    @property
    def name(self) -> str:
        """No address leads to a population."""
        return "rule:population"

    def reset(self, num_envs: int, seed: int | Sequence[int]) -> None:
        """Start new episodes; see `policies.base.Policy`.

        Raises:
            ValueError: num_envs is no multiple of the number of rules.
        """
        env_seeds(num_envs, seed)
        if num_envs % len(self.rules):
            raise ValueError(f"num_envs must be a multiple of the {len(self.rules)} rules, got {num_envs}")
        self._num_envs = num_envs

    def act(self, observation: NDArray[np.float32]) -> NDArray[np.float32]:
        """Choose the quotes of every env; see `policies.base.Policy`."""
        check_observation(observation, self._num_envs, self.market)
        distance = np.empty((self._num_envs, 2))
        share = self._num_envs // len(self.rules)
        for i, rule in enumerate(self.rules):
            rows = slice(i * share, (i + 1) * share)
            view = View(observation[rows], self.market, np.empty((share, 0)))
            distance[rows, 0], distance[rows, 1] = rule.distances(view)
        return encode_quotes(distance[:, 0], distance[:, 1], self._num_envs, self.market)
