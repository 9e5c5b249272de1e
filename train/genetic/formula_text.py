"""A formula as a person reads it: written out by sympy, shortened where possible, and checked on what it met."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np
import sympy
from numpy.typing import NDArray
from sympy.parsing.sympy_parser import parse_expr

from lobenv.roles.maker.observation import FIELDS, INDEX
from policies.expression import FLAGS, OPERATORS, Formula, lower
from train.genetic.formulas import mirrored

HEAD = """Distances of the quotes from the visible mid, in ticks.
Below 0 quotes at the mid; beyond the widest offset withdraws the side."""
MOST_TERMS = 200
TOLERANCE = 1e-9  # relative, of the text's values against the formula's: they are summed in another order
_NAMES = {name: sympy.Symbol(name, real=None if name in FLAGS else True) for name in INDEX}
_UNITS = {field.name: field.unit for field in FIELDS}

_IN_SYMPY: Mapping[str, Any] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b if b != 0 else sympy.Integer(1),
    "min": sympy.Min,
    "max": sympy.Max,
    "neg": lambda a: -a,
    "abs": sympy.Abs,
    "tanh": sympy.tanh,
    "sqrt": lambda a: sympy.sqrt(sympy.Abs(a)),
    "log1p": lambda a: sympy.log(1 + sympy.Abs(a)),
    "square": lambda a: a**2,
    "less": sympy.Lt,
    "greater": sympy.Gt,
    "if_then_else": lambda c, a, b: sympy.Piecewise((a, c), (b, True)),
}


def plain_text(formula: Formula) -> str:
    """The formula with every operator written as a function, as it runs."""
    stack: list[str] = []
    for token in reversed(formula):
        if isinstance(token, str) and token in OPERATORS:
            arguments = [stack.pop() for _ in OPERATORS[token].arguments]
            stack.append(f"{token}({', '.join(arguments)})")
        else:
            stack.append(token if isinstance(token, str) else f"{token:g}")
    return stack[0]


def simplified(formula: Formula) -> str:
    """The shortest of the forms that sympy finds, as text that sympy reads back."""
    stack: list[Any] = []
    for token in reversed(formula):
        if not isinstance(token, str):
            stack.append(sympy.Float(repr(token)))
        elif token in OPERATORS:
            stack.append(_IN_SYMPY[token](*(stack.pop() for _ in OPERATORS[token].arguments)))
        else:
            stack.append(_NAMES[token])
    # No general simplification: on nested minima and cases it may take hours. Nor is a product of many sums multiplied
    # out, as its terms are without number.
    forms = [stack[0], sympy.factor_terms(stack[0])]
    if _terms(formula) <= MOST_TERMS:
        forms.append(sympy.expand(stack[0]))
    texts = [sympy.sstr(form, full_prec=False) for form in forms]
    return min(texts, key=len)


def _terms(formula: Formula) -> int:
    """How many terms a formula has at most, once all products are multiplied out."""
    stack: list[int] = []
    for token in reversed(formula):
        if not (isinstance(token, str) and token in OPERATORS):
            stack.append(1)
            continue
        counts = [stack.pop() for _ in OPERATORS[token].arguments]
        if token in ("add", "sub"):
            stack.append(sum(counts))
        else:
            stack.append(counts[0] ** 2 if token == "square" else prod(counts))
    return stack[0]


def agrees(text: str, formula: Formula, observation: NDArray[np.float32]) -> bool:
    """Whether the text, read back, has the formula's values on every row of an observation (E, F)."""
    expression = parse_expr(text, local_dict=dict(_NAMES))
    program = lower([[formula]], INDEX)
    wanted = program.run(observation, np.zeros(len(observation), np.int64))[:, 0]
    evaluate = sympy.lambdify(list(_NAMES.values()), expression, "math")
    # Flags stand in conditions, where sympy wants truth values.
    rows = [
        [bool(value) if name in FLAGS else float(value) for name, value in zip(_NAMES, row, strict=True)]
        for row in observation
    ]
    try:
        found = np.array([float(evaluate(*row)) for row in rows])
    except (ArithmeticError, ValueError, TypeError, NameError):  # sympy's own infinities and complex powers among them
        return False
    return bool(np.allclose(found, wanted, rtol=TOLERANCE, atol=TOLERANCE))


def formula_text(bid: Formula, observation: NDArray[np.float32]) -> str:
    """The text that is saved beside a winner.

    Args:
        bid: Formula of the bid's distance; the ask's is its mirror.
        observation: (E, F) on which the simplified text is checked to give the same.
    """
    ask = mirrored(bid)
    used = {*bid, *ask}
    fields = [f"  {name} [{_UNITS[name]}]" for name in INDEX if name in used]
    operators = [f"  {name}: {operator.meaning}" for name, operator in OPERATORS.items() if name in used]
    parts = [
        HEAD,
        _side("bid", bid, observation),
        _side("ask", ask, observation),
        *(["\n".join(["fields", *fields])] if fields else []),
        *(["\n".join(["operators as they run", *operators])] if operators else []),
    ]
    return "\n\n".join(parts) + "\n"


def _side(side: str, formula: Formula, observation: NDArray[np.float32]) -> str:
    text = simplified(formula)
    if not agrees(text, formula, observation):
        # A protected division or a bound is at work, which the plain algebra does not know.
        return f"{side} =\n  {plain_text(formula)}"
    return f"{side} =\n  {text}\nas it runs\n  {plain_text(formula)}"
