"""Puts what validation finds wrong with any configuration into one line: its origin, the key, and what is allowed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import NoneType
from typing import Annotated, Any, NamedTuple, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from lobenv.registry import did_you_mean
from lobenv.settings import ZeroOrAtLeast, shortened

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
MAPPING_KINDS = ("model_type", "dict_type", "model_attributes_type")


ClassAt = Callable[[tuple[str | int, ...]], "type[BaseModel] | None"]


class _Place(NamedTuple):
    """What is declared for one key."""

    annotation: Any
    constraints: tuple[Any, ...] = ()


def describe(
    error: ValidationError,
    root: type[BaseModel],
    layers: Sequence[tuple[str, Mapping[str, Any]]],
    class_at: ClassAt | None = None,
) -> str:
    """One line about the first problem, and how many more there are.

    Args:
        error: What validation found.
        root: The model that the values were validated against.
        layers: (origin, values) they were merged from, lowest first; the message names that of the value at fault.
        class_at: Tells, for the keys that lead to a value, its class where that is another than the declared one.
    """
    found = error.errors(include_url=False)
    # A list with a wrong entry is also found too short: that is no problem of its own.
    places = {problem["loc"][:depth] for problem in found for depth in range(len(problem["loc"]))}
    problems = [problem for problem in found if problem["loc"] not in places]
    # A misspelt key comes before the key it should be.
    first = min(problems, key=lambda problem: problem["type"] == "missing")
    path = first["loc"]
    parent, place = _follow(path, root, class_at)
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    key = ".".join(map(str, path))
    return f"{_origin(path, layers)}: {key + ': ' if key else ''}{_problem(first, path, parent, place)}{more}"


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


# ---------------------------------------------------------------- what is declared where


def _follow(path: tuple[str | int, ...], root: type[BaseModel], class_at: ClassAt | None) -> tuple[_Place, _Place]:
    """What is declared for the parent of a key, and for itself."""
    parent = place = _Place(root)
    for depth, key in enumerate(path):
        parent, place = place, _below(place.annotation, key)
        if _is_model(place.annotation) and class_at is not None:
            place = _Place(class_at(path[: depth + 1]) or place.annotation)
    return parent, place


def _below(annotation: Any, key: str | int) -> _Place:
    """What a model, mapping or list declares for a key."""
    if _is_model(annotation):
        field = annotation.model_fields.get(str(key))
        return _Place(None) if field is None else _declared(field.annotation, (field,))
    kind, parts = get_origin(annotation), [part for part in get_args(annotation) if part is not Ellipsis]
    if not isinstance(kind, type) or not parts:
        return _Place(None)
    if issubclass(kind, Mapping):
        return _declared(parts[-1])
    return _declared(parts[key] if isinstance(key, int) and key < len(parts) else parts[-1])


def _declared(annotation: Any, marks: tuple[Any, ...] = ()) -> _Place:
    """A type with its constraints, taken out of what stands around it."""
    while get_origin(annotation) is Annotated:
        annotation, *inner = get_args(annotation)
        marks += tuple(inner)
    parts = [part for part in get_args(annotation) if part is not NoneType]
    if NoneType in get_args(annotation) and len(parts) == 1:
        return _declared(parts[0], marks)
    fields = [mark for mark in marks if isinstance(mark, FieldInfo)]
    constraints = [mark for mark in marks if not isinstance(mark, FieldInfo)]
    for field in fields:
        constraints += field.metadata
    return _Place(annotation, tuple(constraints))


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


# ---------------------------------------------------------------- what is wrong


def _problem(problem: Mapping[str, Any], path: tuple[str | int, ...], parent: _Place, place: _Place) -> str:
    """What is wrong with the value, and what is allowed."""
    kind, context = problem["type"], problem.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown_key(str(path[-1]), parent.annotation)
    if kind == "missing":
        return "is missing"
    if kind == "value_error":
        return str(context["error"])
    if kind == "invalid_key":
        return "a key must be a word"
    return f"must be {_allowed(problem, str(path[-1]) if path else '', place)}, got {shortened(problem['input'])}"


def _unknown_key(key: str, model: Any) -> str:
    allowed = sorted(model.model_fields) if _is_model(model) else []
    elsewhere = getattr(model, "elsewhere", {})
    hint = f", did you mean {elsewhere[key]}?" if key in elsewhere else did_you_mean(key, allowed)
    return f"unknown key{hint}; allowed are {', '.join(allowed)}"


def _allowed(problem: Mapping[str, Any], key: str, place: _Place) -> str:
    """What the value may be."""
    kind, context = problem["type"], problem.get("ctx", {})
    if place.annotation in (int, float):
        unit = next((unit for end, unit in UNITS.items() if key.endswith(end)), "")
        return f"{'a whole number' if place.annotation is int else 'a number'}{unit}{_range(place.constraints)}"
    if kind == "literal_error":
        return f"one of {context['expected']}"
    if kind in ("too_short", "too_long"):
        least, most = context.get("min_length"), context.get("max_length")
        return f"a list of at {'least' if kind == 'too_short' else 'most'} {least if most is None else most} entries"
    if kind == "tuple_type":
        return "a list"
    if kind in MAPPING_KINDS:
        return "a mapping of keys to values"
    return str(problem["msg"]).removeprefix("Input should be ")


def _range(constraints: tuple[Any, ...]) -> str:
    """Both bounds of a number, as far as it has them."""
    bounds = [
        f"{sign} {getattr(constraint, name):.10g}"
        for name, sign in COMPARISONS.items()
        for constraint in constraints
        if hasattr(constraint, name)
    ]
    nearest = [mark.least for mark in constraints if isinstance(mark, ZeroOrAtLeast)]
    text = f" {' and '.join(bounds)}" if bounds else ""
    return text + (f", 0 or at least {nearest[0]:g} in size" if nearest else "")
