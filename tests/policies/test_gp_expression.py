"""Formulas: what each operator computes, what is refused, and that a batch changes nothing."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lobenv.compiled import JIT_ENABLED
from lobenv.roles.maker.observation import INDEX, WIDTH
from policies.expression import LIMIT, OPERATORS, interpret, lower, type_of

NUMBERS = st.floats(-LIMIT, LIMIT, allow_nan=False)
COLUMNS = {"a": 0, "b": 1, "c": 2}
OF_NUMBERS = [name for name, operator in OPERATORS.items() if bool not in operator.arguments]


def value(formula, observation=None):
    """What the interpreter makes of a formula."""
    observation = np.zeros((1, WIDTH), np.float32) if observation is None else observation
    return lower([[formula]], INDEX).run(observation, np.zeros(len(observation), np.int64))[:, 0]


@pytest.mark.parametrize("name", OF_NUMBERS)
@settings(deadline=None)  # the first call compiles
@given(a=NUMBERS, b=NUMBERS)
def test_an_operator_computes_what_its_python_twin_does_and_stays_within_bounds(name, a, b):
    operator = OPERATORS[name]
    arguments = [a, b][: len(operator.arguments)]
    expected = operator.python(*arguments)
    formula = [name, *arguments] if operator.result is float else ["if_then_else", name, *arguments, 1.0, 0.0]
    assert value(formula)[0] == expected
    assert abs(expected) <= LIMIT


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        (["add", 3.0, "mul", 0.5, 4.0], 5.0),
        (["sub", 3.0, 5.0], -2.0),
        (["div", 3.0, 2.0], 1.5),
        (["div", 3.0, 0.0], 1.0),
        (["div", 3.0, 1e-8], LIMIT),
        (["square", -2000.0], LIMIT),
        (["mul", 1e5, -1e5], -LIMIT),
        (["min", 1.0, -1.0], -1.0),
        (["max", 1.0, -1.0], 1.0),
        (["sqrt", -4.0], 2.0),
        (["log1p", -1.0], math.log(2.0)),
        (["if_then_else", "less", 1.0, 2.0, 10.0, 20.0], 10.0),
        (["if_then_else", "greater", 1.0, 2.0, 10.0, 20.0], 20.0),
    ],
)
def test_prefix_order_and_protection(formula, expected):
    assert value(formula)[0] == expected


def test_a_flag_decides_and_a_field_is_read_from_its_column():
    observation = np.zeros((2, WIDTH), np.float32)
    observation[:, INDEX["inventory"]] = (2.5, -3.0)
    observation[1, INDEX["halted"]] = 1.0
    assert value(["if_then_else", "halted", 99.0, "inventory"], observation).tolist() == [2.5, 99.0]


def test_each_row_follows_the_formulas_it_is_assigned_alone_as_in_a_batch():
    observation = np.random.default_rng(0).normal(size=(64, 3)).astype(np.float32)
    sets = [(["tanh", "a"], ["b"]), (["mul", "a", "b"], ["log1p", "c"]), (["c"], ["div", "a", "c"])]
    program = lower(sets, COLUMNS)
    chosen = np.arange(64) % 3
    batch = program.run(observation, chosen)
    for row in range(64):
        alone = lower([sets[row % 3]], COLUMNS).run(observation[row : row + 1], np.zeros(1, np.int64))
        assert batch[row].tobytes() == alone[0].tobytes()


@pytest.mark.parametrize(
    ("formula", "complaint"),
    [
        (["add", 1.0], r"add must be followed by \(float, float\), got \(float\)"),
        ([1.0, 2.0], "one expression, got 2"),
        ([], "one expression, got 0"),
        (["sinh", 1.0], "'sinh' is neither an operator nor a field"),
        (["add", "halted", 1.0], r"got \(bool, float\)"),
        (["if_then_else", 1.0, 1.0, 1.0], r"got \(float, float, float\)"),
        ([math.nan], "number within"),
        ([2e6], "number within"),
        ([True], "number within"),
        (["less", 1.0, 2.0], "must give a number, got the truth value of 'less'"),
    ],
)
def test_a_formula_that_does_not_do_is_refused_in_one_line(formula, complaint):
    with pytest.raises(ValueError, match=complaint) as caught:
        lower([[formula]], INDEX)
    assert "\n" not in str(caught.value)


def test_comparisons_and_flags_are_truth_values():
    assert type_of(["greater", "spread", 2.0], INDEX) is bool
    assert type_of(["bid_live"], INDEX) is bool
    assert type_of(["spread"], INDEX) is float


@pytest.mark.skipif(not JIT_ENABLED, reason="nothing is compiled")
def test_one_compiled_signature_serves_all_formulas():
    value(["spread"])
    value(["add", "spread", "tanh", 1.0])
    assert len(interpret.signatures) == 1  # pyright: ignore[reportFunctionMemberAccess]
