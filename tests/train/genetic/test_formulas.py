"""Trees as genomes: the interpreter against DEAP's own evaluation, the mirror, and what breeding may produce."""

from __future__ import annotations

import random

import numpy as np
import pytest
from deap import gp

from lobenv.roles.maker.observation import FIELDS, INDEX, WIDTH
from policies.expression import FLAGS, LIMIT, lower, type_of
from train.genetic.formulas import Tree, TreeSpecies, mirrored
from train.genetic.species import Draws

HEIGHT = 6
SPECIES = TreeSpecies((), HEIGHT)


def drawn_trees(count, seed=0):
    with Draws.seeded(seed):
        return [Tree(gp.genHalfAndHalf(SPECIES.primitives, 2, HEIGHT)) for _ in range(count)]


def drawn_observations(rows, seed=0):
    """Ordinary values, zeros, and the far ends of every field."""
    generator = np.random.default_rng(seed)
    values = generator.normal(0.0, 10.0 ** generator.integers(-3, 5, (rows, WIDTH))).astype(np.float32)
    values[generator.random(values.shape) < 0.1] = 0.0
    values = np.clip(values, -LIMIT, LIMIT).astype(np.float32)
    for name in FLAGS:
        values[:, INDEX[name]] = generator.integers(0, 2, rows)
    return values


def evaluate(formulas, observation):
    return lower([formulas], INDEX).run(observation, np.zeros(len(observation), np.int64))


def test_the_interpreter_computes_what_deap_does():
    observation = drawn_observations(20)
    names = SPECIES.primitives.arguments
    for tree in drawn_trees(200):
        compiled = gp.compile(tree, SPECIES.primitives)
        rows = [[float(row[INDEX[name]]) for name in names] for row in observation]
        expected = [compiled(*(bool(v) if n in FLAGS else v for n, v in zip(names, row, strict=True))) for row in rows]
        found = evaluate([SPECIES.to_json(tree)], observation)[:, 0]
        assert np.isfinite(found).all()
        assert found.tolist() == expected


def test_the_mirror_sees_from_the_bid_what_the_formula_sees_from_the_ask():
    observation = drawn_observations(20)
    other = observation.copy()
    for i, field in enumerate(FIELDS):
        if field.name.startswith(("bid_", "ask_")):
            opposite = {"bid": "ask", "ask": "bid"}[field.name[:3]] + field.name[3:]
            other[:, i] = observation[:, INDEX[opposite]]
        elif field.name in {"inventory", "microprice"} or field.name.startswith(("imbalance", "signed", "return")):
            other[:, i] = -observation[:, i]
    for tree in drawn_trees(50):
        formula = SPECIES.to_json(tree)
        assert np.array_equal(evaluate([mirrored(formula)], observation), evaluate([formula], other))


def test_a_genome_survives_json():
    for tree in drawn_trees(50):
        genome = SPECIES.to_json(tree)
        again = SPECIES.from_json(genome)
        assert SPECIES.to_json(again) == genome
        assert str(again) == str(tree)


def test_children_and_mutants_are_whole_typed_and_no_higher_than_allowed():
    with Draws.seeded(3):
        population = SPECIES.initial(30)
        for _ in range(400):
            mother, father = random.sample(population, 2)
            before = [SPECIES.to_json(tree) for tree in (mother, father)]
            family = [*SPECIES.children(mother, father), SPECIES.mutant(mother)]
            assert [SPECIES.to_json(tree) for tree in (mother, father)] == before
            for child in family:
                assert type_of(SPECIES.to_json(child), INDEX) is float
                assert child.height <= HEIGHT
                assert not child.fitness.valid
            population[random.randrange(30)] = random.choice(family)


def test_breeding_depends_on_the_seed_alone():
    def bred(seed):
        with Draws.seeded(seed):
            trees = SPECIES.initial(6)
            return [SPECIES.to_json(SPECIES.mutant(child)) for child in SPECIES.children(trees[2], trees[5])]

    assert bred(5) == bred(5)
    assert bred(5) != bred(6)


def test_draws_leave_the_global_generator_alone_and_go_on_from_their_state():
    outer = random.getstate()
    draws = Draws.seeded(1)
    with draws:
        random.random()
    state = draws.state
    with draws:
        second = random.random()
    with Draws(state):
        assert random.random() == second
    assert random.getstate() == outer


def test_formulas_use_the_fields_they_are_given_and_the_flags():
    species = TreeSpecies(("spread", "volatility"), HEIGHT)
    allowed = {"spread", "volatility"} | FLAGS
    with Draws.seeded(2):
        used = {token for tree in species.initial(60) for token in species.to_json(tree) if token in INDEX}
    assert used <= allowed
    assert {"spread", "volatility"} <= used


def test_the_first_population_holds_rules_and_constants_of_few_digits():
    with Draws.seeded(4):
        genomes = [SPECIES.to_json(tree) for tree in SPECIES.initial(400)]
    assert any(len(genome) == 1 for genome in genomes)
    assert max(SPECIES.from_json(genome).height for genome in genomes) <= HEIGHT
    assert any(genome[0] == "add" and genome[2:5:2] == ["mul", "inventory"] for genome in genomes if len(genome) == 5)
    constants = [token for genome in genomes for token in genome if isinstance(token, float)]
    assert all(float(f"{constant:.3g}") == constant for constant in constants)


def test_a_genome_over_other_fields_is_refused():
    with pytest.raises(ValueError, match="'inventory' is neither"):
        TreeSpecies(("spread",), HEIGHT).from_json(["inventory"])
