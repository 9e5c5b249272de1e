"""Puts what is wrong with a scenario into one line: the place it came from, the key, the value and what is allowed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from lobenv.agents.kinds import KINDS
from lobenv.registry import did_you_mean
from lobenv.scenario.config import Scenario

UNITS = {
    "_per_s": " [1/s]",
    "_s": " of seconds",
    "_us": " of microseconds",
    "_ticks": " of ticks",
    "_shares": " of shares",
    "_lots": " of lots",
    "_bps": " of basis points",
    "_per_share": " of $ a share",
}
COMPARISONS = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}
WHOLE = ("int_type", "int_parsing", "int_from_float")
NUMBER = ("float_type", "float_parsing")
LONGEST_VALUE = 60


class ScenarioError(ValueError):
    """A scenario is not what it should be; one line naming file, key, value and what is allowed."""


def describe(
    error: ValidationError,
    merged: Mapping[str, Any],
    layers: Sequence[tuple[str, Mapping[str, Any]]],
    root: type[BaseModel] = Scenario,
) -> str:
    """One line about the first problem, and how many more there are.

    Args:
        error: What validation found.
        merged: The values that were validated.
        layers: (origin, values) they were merged from, lowest first; the message names that of the value at fault.
        root: The model that the values were validated against.
    """
    found = error.errors(include_url=False)
    # A list with a wrong entry is also found too short: that is no problem of its own.
    places = {problem["loc"][:depth] for problem in found for depth in range(len(problem["loc"]))}
    problems = [problem for problem in found if problem["loc"] not in places]
    # A misspelt key comes before the key it should be.
    first = min(problems, key=lambda problem: problem["type"] == "missing")
    path = first["loc"]
    origin = _origin(path, layers)
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    key = ".".join(map(str, path))
    return f"{origin}: {key + ': ' if key else ''}{_problem(first, path, merged, root)}{more}"


def _origin(path: tuple[str | int, ...], layers: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    """The latest layer that reaches furthest along the path."""
    best, depth = layers[0][0], -1
    for origin, values in layers:
        reached = _reach(values, path)
        if reached >= depth:
            best, depth = origin, reached
    return best


def _reach(values: Any, path: tuple[str | int, ...]) -> int:
    """How many keys of the path there are in nested values."""
    for depth, key in enumerate(path):
        if isinstance(values, Mapping) and (key in values or str(key) in values):
            values = values[key] if key in values else values[str(key)]
        elif isinstance(values, list | tuple) and isinstance(key, int) and key < len(values):
            values = values[key]
        else:
            return depth
    return len(path)


def _problem(
    problem: Mapping[str, Any], path: tuple[str | int, ...], merged: Mapping[str, Any], root: type[BaseModel]
) -> str:
    """What is wrong with the value, and what is allowed."""
    kind, context = problem["type"], problem.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown_key(str(path[-1]), _model_at(path[:-1], merged, root))
    if kind == "missing":
        return "is missing"
    if kind == "value_error":
        return str(context["error"])
    return f"must be {_allowed(problem, str(path[-1]) if path else '')}, got {_shortened(problem['input'])}"


def _unknown_key(key: str, model: type[BaseModel] | None) -> str:
    allowed = sorted(model.model_fields) if model is not None else []
    return f"unknown key{did_you_mean(key, allowed)}; allowed are {', '.join(allowed)}"


def _allowed(problem: Mapping[str, Any], key: str) -> str:
    """What the value may be."""
    kind, context = problem["type"], problem.get("ctx", {})
    unit = next((unit for end, unit in UNITS.items() if key.endswith(end)), "")
    if kind in WHOLE:
        return f"a whole number{unit}"
    if kind in NUMBER:
        return f"a number{unit}"
    if kind == "finite_number":
        return f"a finite number{unit}"
    if kind == "literal_error":
        return f"one of {context['expected']}"
    for name, sign in COMPARISONS.items():
        if name in context:
            return f"{sign} {context[name]:g}"
    if kind in ("too_short", "too_long"):
        least, most = context.get("min_length"), context.get("max_length")
        return f"a list of at {'least' if kind == 'too_short' else 'most'} {least if most is None else most} entries"
    if kind == "tuple_type":
        return "a list"
    if kind in ("model_type", "dict_type", "model_attributes_type"):
        return "a mapping of keys to values"
    return str(problem["msg"]).removeprefix("Input should be ")


def _shortened(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…"


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models that stand in a type."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)


def _model_at(path: tuple[str | int, ...], merged: Any, root: type[BaseModel]) -> type[BaseModel] | None:
    """The model whose keys stand at a path of the values."""
    model: type[BaseModel] | None = root
    if path[:1] == ("agents",) and len(path) > 1:
        model, path = KINDS.find(merged["agents"][path[1]]["kind"]).config, path[2:]
    for key in path:
        field = model.model_fields.get(str(key)) if model is not None else None
        if field is not None:
            model = next(_models(field.annotation), None)
    return model
