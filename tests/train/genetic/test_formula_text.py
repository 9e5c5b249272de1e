"""The text of a formula: short where algebra allows it, and never another formula."""

from __future__ import annotations

import numpy as np
import pytest
from deap import gp

from lobenv.roles.maker.observation import INDEX, WIDTH
from policies.expression import FLAGS
from train.genetic.formula_text import agrees, formula_text, plain_text, simplified
from train.genetic.formulas import Tree, TreeSpecies
from train.genetic.species import Draws


def observations(rows=50):
    generator = np.random.default_rng(0)
    values = generator.normal(0.0, 3.0, (rows, WIDTH)).astype(np.float32)
    for name in FLAGS:
        values[:, INDEX[name]] = generator.integers(0, 2, rows)
    return values


@pytest.mark.parametrize(
    ("formula", "text"),
    [
        ([3.0], "3.0"),
        (["add", 3.0, "mul", 0.5, "mul", 2.0, "inventory"], "1.0*inventory + 3.0"),
        (["sub", "spread", "sub", "spread", "inventory"], "inventory"),
        (["if_then_else", "less", 1.0, 2.0, "spread", "inventory"], "spread"),
        (["neg", "neg", "microprice"], "microprice"),
    ],
)
def test_a_formula_is_written_as_short_as_algebra_makes_it(formula, text):
    assert simplified(formula) == text
    assert agrees(text, formula, observations())


def test_a_power_of_a_long_sum_is_not_multiplied_out():
    names = (
        "inventory",
        "spread",
        "microprice",
        "imbalance_1",
        "imbalance_3",
        "imbalance_5",
        "bid_depth_1",
        "ask_depth_1",
    )
    formula = [*["square"] * 4, *["add"] * 7, *names]
    assert simplified(formula).endswith("**16")


def test_texts_that_agree_are_told_from_those_that_do_not():
    assert agrees("spread + 2.0*inventory", ["add", "spread", "mul", 2.0, "inventory"], observations())
    assert not agrees("spread + 2.1*inventory", ["add", "spread", "mul", 2.0, "inventory"], observations())


def test_the_text_of_a_drawn_formula_is_proved_or_not_used():
    species = TreeSpecies((), 5)
    proved = 0
    with Draws.seeded(1):
        trees = [Tree(gp.genHalfAndHalf(species.primitives, 1, 4)) for _ in range(15)]
    for tree in trees:
        formula = species.to_json(tree)
        text = formula_text(formula, observations())
        bid = text.split("bid =\n  ")[1].splitlines()[0]
        if bid != plain_text(formula):
            assert agrees(bid, formula, observations())
            proved += 1
    assert proved > 0


def test_a_protected_division_is_written_as_it_runs():
    values = observations()
    values[:, INDEX["spread"]] = 0.0
    text = formula_text(["div", "inventory", "spread"], values)
    assert "bid =\n  div(inventory, spread)\n" in text
    assert "and 1 where" in text


def test_the_text_names_both_sides_and_the_units_of_what_they_use():
    text = formula_text(["add", 3.0, "mul", 0.5, "bid_queue_ahead"], observations())
    assert "bid =\n  0.5*bid_queue_ahead + 3.0" in text
    assert "ask =\n  0.5*ask_queue_ahead + 3.0" in text
    assert "ask_queue_ahead [lots]" in text
    assert "mul: a b" in text
