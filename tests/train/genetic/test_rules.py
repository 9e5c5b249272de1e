"""Rules as genomes: a population decides as its rules do, and breeding stays within the bounds."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from lobenv.roles.maker.observation import INDEX, WIDTH
from lobenv.scenario.loading import load
from policies.base import market_spec
from policies.rule import RULES, RulePolicy
from train.genetic.rules import SPACE, Point, RulePopulation, RuleSpecies
from train.genetic.species import Draws

MARKET = market_spec(load("calm"))
SPECIES = RuleSpecies(tuple(SPACE))


def observations(rows):
    values = np.random.default_rng(0).normal(0.0, 2.0, (rows, WIDTH)).astype(np.float32)
    values[:, INDEX["seconds_left"]] = np.linspace(600, 0, rows)
    return values


def test_a_population_decides_as_each_of_its_rules_does_alone():
    with Draws.seeded(1):
        rules = [SPECIES.player(point) for point in SPECIES.initial(12)]
    observation = observations(36)
    together = RulePopulation(rules, MARKET)
    together.reset(36, 0)
    actions = together.act(observation)
    for i, rule in enumerate(rules):
        alone = RulePolicy(rule, MARKET)
        alone.reset(3, 0)
        assert np.array_equal(actions[3 * i : 3 * i + 3], alone.act(observation[3 * i : 3 * i + 3]))


def test_envs_that_cannot_be_shared_out_are_refused():
    with pytest.raises(ValueError, match="multiple of the 2 rules, got 5"):
        RulePopulation([RULES["glft"](), RULES["fixed_spread"]()], MARKET).reset(5, 0)


def test_the_first_population_has_every_rule_with_its_defaults():
    with Draws.seeded(1):
        players = [SPECIES.player(point) for point in SPECIES.initial(40)]
    assert [player.name for player in players].count("glft") == 10
    for name in SPACE:
        assert RULES[name]() in players


@pytest.mark.parametrize("name", SPACE)
def test_the_bounds_are_those_of_the_rule_and_hold_its_defaults(name):
    for parameter, (low, high) in SPACE[name].items():
        assert low < getattr(RULES[name](), parameter) < high
    ends = [SPECIES.player(Point(name, [end] * len(SPACE[name]))) for end in (0.0, 1.0)]
    for parameter, bounds in SPACE[name].items():
        assert tuple(getattr(end, parameter) for end in ends) == bounds


def test_children_stay_within_the_bounds_and_rules_do_not_mix():
    with Draws.seeded(2):
        points = SPECIES.initial(40)
        for mother, father in pairwise(points):
            for child in (*SPECIES.children(mother, father), SPECIES.mutant(mother)):
                assert all(0.0 <= place <= 1.0 for place in child)
                SPECIES.player(child)
            if mother.rule != father.rule:
                assert [list(child) for child in SPECIES.children(mother, father)] == [list(mother), list(father)]


def test_a_genome_survives_json():
    with Draws.seeded(3):
        for point in SPECIES.initial(8):
            again = SPECIES.from_json(SPECIES.to_json(point))
            assert (again.rule, list(again)) == (point.rule, list(point))
