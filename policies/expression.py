"""Formulas over observation fields: their operators, their lowering to opcodes, and the one interpreter that runs all.

A formula is written in prefix order, as a list of names and numbers: ``["add", 3.0, "mul", 0.5, "inventory"]`` is
3 + 0.5 inventory. It is strongly typed: comparisons and the fields that are flags give a truth value, which only the
first argument of ``if_then_else`` takes. Every operator's result is finite and within `LIMIT`, whatever its arguments.

Letters: E rows (environments), F observation fields, T formulas that a row evaluates at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lobenv.compiled import kernel
from lobenv.roles.maker.observation import FIELDS

__all__ = ["FLAGS", "LIMIT", "OPERATORS", "Formula", "Operator", "Program", "lower", "type_of"]

Formula = Sequence[str | float]

LIMIT = 1e6  # an operator's result beyond it is cut to it
SMALLEST_DIVISOR = 1e-9  # a division by less gives 1, as Koza (1992) has it
FLAGS = frozenset(field.name for field in FIELDS if field.unit == "0/1")

# Opcodes: what puts a number on the stack, then operators by the number of their arguments.
CONSTANT, FIELD = 0, 1
NEG, ABS, TANH, SQRT, LOG1P, SQUARE = 2, 3, 4, 5, 6, 7
ADD, SUB, MUL, DIV, MIN, MAX, LESS, GREATER = 8, 9, 10, 11, 12, 13, 14, 15
IF_THEN_ELSE = 16


def _bounded(value: float) -> float:
    return min(max(value, -LIMIT), LIMIT)


def _div(a: float, b: float) -> float:
    return _bounded(a / b) if abs(b) >= SMALLEST_DIVISOR else 1.0


class Operator(NamedTuple):
    """An operator of formulas.

    Attributes:
        opcode: Its number in a program.
        arguments: Types of its arguments, float or bool.
        result: Type of its result.
        python: The same in Python, bit for bit what the interpreter computes.
        meaning: As people write it.
    """

    opcode: int
    arguments: tuple[type, ...]
    result: type
    python: Callable[..., float]
    meaning: str


def _unary(opcode: int, python: Callable[[float], float], meaning: str) -> Operator:
    return Operator(opcode, (float,), float, python, meaning)


def _binary(opcode: int, python: Callable[[float, float], float], meaning: str, result: type = float) -> Operator:
    return Operator(opcode, (float, float), result, python, meaning)


OPERATORS: Mapping[str, Operator] = {
    "add": _binary(ADD, lambda a, b: _bounded(a + b), "a + b"),
    "sub": _binary(SUB, lambda a, b: _bounded(a - b), "a - b"),
    "mul": _binary(MUL, lambda a, b: _bounded(a * b), "a b"),
    "div": _binary(DIV, _div, f"a / b, and 1 where |b| < {SMALLEST_DIVISOR:g}"),
    "min": _binary(MIN, min, "the smaller"),
    "max": _binary(MAX, max, "the larger"),
    "neg": _unary(NEG, lambda a: -a, "-a"),
    "abs": _unary(ABS, abs, "|a|"),
    "tanh": _unary(TANH, math.tanh, "tanh a"),
    "sqrt": _unary(SQRT, lambda a: math.sqrt(abs(a)), "square root of |a|"),
    "log1p": _unary(LOG1P, lambda a: math.log1p(abs(a)), "log(1 + |a|)"),
    "square": _unary(SQUARE, lambda a: _bounded(a * a), "a squared"),
    "less": _binary(LESS, lambda a, b: a < b, "a < b", bool),
    "greater": _binary(GREATER, lambda a, b: a > b, "a > b", bool),
    "if_then_else": Operator(
        IF_THEN_ELSE, (bool, float, float), float, lambda c, a, b: a if c else b, "a where the condition holds, else b"
    ),
}


# ------------------------------------------------------------ lowering


@dataclass(frozen=True)
class Program:
    """Formulas in one set of arrays, as the interpreter reads them.

    Attributes:
        opcodes: (n,) int32; each formula from its last token to its first, so that arguments come before operators.
        operands: (n,) float64, the value of a constant or the column of a field.
        offsets: (m T + 1,) int64, where each formula of the m sets of T begins, and the end.
        width: T, formulas of a set.
        depth: Most numbers on the stack at once.
    """

    opcodes: NDArray[np.int32]
    operands: NDArray[np.float64]
    offsets: NDArray[np.int64]
    width: int
    depth: int

    def run(self, observation: NDArray[np.float32], set_of_row: NDArray[np.int64]) -> NDArray[np.float64]:
        """Evaluate a set of formulas on every row.

        Args:
            observation: (E, F), finite.
            set_of_row: (E,) which set each row evaluates.

        Returns:
            (E, T).
        """
        out = np.empty((len(observation), self.width))
        stack = np.empty(self.depth)
        interpret(self.opcodes, self.operands, self.offsets, set_of_row, observation, stack, out)
        return out


def lower(sets: Sequence[Sequence[Formula]], column: Mapping[str, int]) -> Program:
    """Lower formulas to a program.

    Args:
        sets: At least one set of formulas; all sets have the same number of them.
        column: Field name to its column.

    Raises:
        ValueError: a formula is incomplete, has a name or a type that does not do, or is not of numbers.
    """
    formulas = [formula for formulas in sets for formula in formulas]
    for formula in formulas:
        if type_of(formula, column) is not float:
            raise ValueError(f"a formula must give a number, got the truth value of {formula[0]!r}")
    tokens = [token for formula in formulas for token in reversed(formula)]
    pairs = [_encode(token, column) for token in tokens]
    return Program(
        opcodes=np.array([opcode for opcode, _ in pairs], np.int32),
        operands=np.array([operand for _, operand in pairs], np.float64),
        offsets=np.cumsum([0, *(len(formula) for formula in formulas)], dtype=np.int64),
        width=len(sets[0]),
        depth=max(len(formula) for formula in formulas),
    )


def type_of(formula: Formula, fields: Mapping[str, int]) -> type:
    """Check a formula and return the type of its value, float or bool.

    Args:
        formula: Prefix list.
        fields: The names that are known beside the operators'.

    Raises:
        ValueError: it is incomplete, or has a name, a number or a type that does not do.
    """
    stack: list[type] = []
    for token in reversed(formula):
        operator = OPERATORS.get(token) if isinstance(token, str) else None
        if operator is None:
            stack.append(_type_of_leaf(token, fields))
            continue
        given = tuple(reversed(stack[-len(operator.arguments) :]))
        if given != operator.arguments:
            wanted, got = (", ".join(kind.__name__ for kind in kinds) for kinds in (operator.arguments, given))
            raise ValueError(f"{token} must be followed by ({wanted}), got ({got})")
        del stack[-len(operator.arguments) :]
        stack.append(operator.result)
    if len(stack) != 1:
        raise ValueError(f"a formula must be one expression, got {len(stack)}")
    return stack[0]


def _type_of_leaf(token: str | float, fields: Mapping[str, int]) -> type:
    if isinstance(token, str):
        if token not in fields:
            raise ValueError(f"{token!r} is neither an operator nor a field of the observation")
        return bool if token in FLAGS else float
    if isinstance(token, bool) or not abs(token) <= LIMIT:
        raise ValueError(f"a constant must be a number within ±{LIMIT:g}, got {token}")
    return float


def _encode(token: str | float, column: Mapping[str, int]) -> tuple[int, float]:
    if not isinstance(token, str):
        return CONSTANT, token
    return (OPERATORS[token].opcode, 0.0) if token in OPERATORS else (FIELD, float(column[token]))


# ------------------------------------------------------------ the interpreter


@kernel(entry=True)
def interpret(
    opcodes: NDArray[np.int32],
    operands: NDArray[np.float64],
    offsets: NDArray[np.int64],
    set_of_row: NDArray[np.int64],
    observation: NDArray[np.float32],
    stack: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Evaluate on every row the set of formulas that it is assigned.

    Args:
        opcodes: (n,) of `Program`.
        operands: (n,) of `Program`.
        offsets: (m T + 1,) of `Program`.
        set_of_row: (E,) int64.
        observation: (E, F) float32.
        stack: (depth,) float64, overwritten.
        out: (E, T) float64, written in place.
    """
    width = out.shape[1]
    for row in range(out.shape[0]):
        for i in range(width):
            formula = set_of_row[row] * width + i
            out[row, i] = _evaluate(opcodes, operands, offsets, formula, observation, row, stack)


@kernel
def _evaluate(
    opcodes: NDArray[np.int32],
    operands: NDArray[np.float64],
    offsets: NDArray[np.int64],
    formula: int,
    observation: NDArray[np.float32],
    row: int,
    stack: NDArray[np.float64],
) -> float:
    """Evaluate one formula on one row; `top` is the first free place of the stack."""
    top = 0
    for i in range(offsets[formula], offsets[formula + 1]):
        opcode = opcodes[i]
        if opcode == CONSTANT:
            stack[top] = operands[i]
            top += 1
        elif opcode == FIELD:
            stack[top] = observation[row, int(operands[i])]
            top += 1
        elif opcode < ADD:
            stack[top - 1] = _of_one(opcode, stack[top - 1])
        elif opcode < IF_THEN_ELSE:
            top -= 1
            stack[top - 1] = _of_two(opcode, stack[top], stack[top - 1])
        else:
            top -= 2
            stack[top - 1] = stack[top] if stack[top + 1] != 0.0 else stack[top - 1]
    return stack[0]


@kernel
def _of_one(opcode: int, a: float) -> float:
    if opcode == NEG:
        return -a
    if opcode == ABS:
        return abs(a)
    if opcode == TANH:
        return math.tanh(a)
    if opcode == SQRT:
        return math.sqrt(abs(a))
    if opcode == LOG1P:
        return math.log1p(abs(a))
    return min(a * a, LIMIT)


@kernel
def _of_two(opcode: int, a: float, b: float) -> float:
    if opcode == MIN:
        return min(a, b)
    if opcode == MAX:
        return max(a, b)
    if opcode == LESS:
        return 1.0 if a < b else 0.0
    if opcode == GREATER:
        return 1.0 if a > b else 0.0
    if opcode == DIV and abs(b) < SMALLEST_DIVISOR:
        return 1.0
    value = a / b if opcode == DIV else a * b if opcode == MUL else a - b if opcode == SUB else a + b
    return min(max(value, -LIMIT), LIMIT)
