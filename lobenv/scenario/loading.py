"""Loads scenarios from presets, YAML files and mappings, lays overrides on them, and says in one line what is wrong."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from pydantic import ValidationError

from lobenv.scenario.config import Scenario
from lobenv.scenario.problems import ScenarioError, describe_scenario
from lobenv.scenario.yaml_file import MOST_DEPTH, check_extent, read
from lobenv.settings import shortened

PRESET_FOLDER = Path(__file__).parent / "presets"
SUFFIXES = (".yaml", ".yml")
MOST_BASES = 16
OUTSIDE_HASH = {"name", "description"}  # they change nothing in the market
HASH_BYTES = 8

Source = Scenario | Mapping[str, Any] | str | PathLike[str]


class Layer(NamedTuple):
    """Values from one place; a later layer is laid on those before it."""

    origin: str  # what an error names: a file, "overrides", …
    values: Mapping[str, Any]


def load(source: Source, overrides: Mapping[str, Any] | None = None) -> Scenario:
    """A validated scenario.

    Args:
        source: Name of a preset, path of a YAML file, mapping, or scenario. A file or mapping may name under the key
            `base` a preset or another file, whose values it changes.
        overrides: Values laid on top before validation, nested or with dotted keys ("agents.retail.count": 60,
            "books.0.halts.band_ticks": 50).

    Returns:
        The scenario.

    Raises:
        ScenarioError: One line naming file, key, value and what is allowed.
    """
    if isinstance(source, Scenario) and not overrides:
        return source
    layers = _layers(source, ())
    if overrides:
        layers.append(Layer("overrides", _opened(overrides, "overrides")))
    merged: dict[str, Any] = Scenario().model_dump(mode="json")
    for layer in layers:
        merged = _laid_over(merged, layer.values, layer.origin)
    try:
        return Scenario.model_validate(merged)
    except ValidationError as error:
        raise ScenarioError(describe_scenario(error, merged, layers)) from None


def presets() -> dict[str, str]:
    """Names of the presets and what each is for."""
    return {path.stem: str(read(path).get("description", "")) for path in sorted(PRESET_FOLDER.glob("*.yaml"))}


def scenario_hash(scenario: Scenario) -> str:
    """16 hexadecimal digits that are the same for the same market, whatever it is called."""
    values = scenario.model_dump(mode="json", exclude=OUTSIDE_HASH)
    return hashlib.blake2b(json.dumps(values).encode(), digest_size=HASH_BYTES).hexdigest()


def to_yaml(scenario: Scenario) -> str:
    """The scenario as YAML with every value written out; loading it gives the same scenario."""
    return yaml.safe_dump(scenario.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def _layers(source: Source, seen: tuple[str, ...]) -> list[Layer]:
    """The source with its bases, lowest first."""
    if isinstance(source, Scenario):
        return [Layer(f"scenario {source.name}", source.model_dump(mode="json"))]
    if isinstance(source, Mapping):
        origin = identity = "mapping"
        values = _opened(source, origin)
    elif isinstance(source, str | PathLike):
        path = _path_of(source)
        origin, identity = path.name if path.parent == PRESET_FOLDER else str(path), str(path.resolve())
        values = read(path)
    else:
        raise ScenarioError(
            f"scenario must be a preset's name, a YAML file, a mapping or a Scenario, got {type(source).__name__}"
        )
    base = values.pop("base", None)
    if base is None:
        return [Layer(origin, values)]
    if not isinstance(base, str):
        raise ScenarioError(f"{origin}: base must be a preset's name or a YAML file, got {shortened(base)}")
    if identity in seen:
        raise ScenarioError(f"{origin}: base: {base} leads back to {origin}")
    if len(seen) >= MOST_BASES:
        raise ScenarioError(f"{origin}: base: there must be at most {MOST_BASES} of them one on another")
    if Path(base).suffix in SUFFIXES and not isinstance(source, Mapping):
        base = Path(source).parent / base
    return [*_layers(base, (*seen, identity)), Layer(origin, values)]


def _path_of(source: str | PathLike[str]) -> Path:
    """The file of a preset or path, which must exist."""
    path = Path(source)
    preset = PRESET_FOLDER / f"{source}.yaml"
    if path.suffix not in SUFFIXES and len(path.parts) == 1:
        if _is_file(preset):
            return preset
        names = sorted(file.stem for file in PRESET_FOLDER.glob("*.yaml"))
        close = difflib.get_close_matches(str(source), names, 1)
        hint = f"did you mean {close[0]}? " if close else ""
        known = f"{hint}presets are {', '.join(names)}; a file's name ends in .yaml"
        raise ScenarioError(f"scenario {shortened(str(source))} is unknown: {known}")
    if not _is_file(path):
        raise ScenarioError(f"{path if str(path).isprintable() else repr(str(path))}: no such file")
    return path


def _is_file(path: Path) -> bool:
    """Whether there is such a file; a name that no file can have is none."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def _opened(values: Mapping[str, Any], origin: str) -> dict[str, Any]:
    """A mapping from the caller, checked for its size before anything walks it, with dotted keys opened up.

    Raises:
        ScenarioError: It is too large or too deep, or contains itself.
    """
    try:
        check_extent(values)
        opened = _nested(values)
        check_extent(opened)
    except RecursionError:
        raise ScenarioError(f"{origin}: values must be nested at most {MOST_DEPTH} deep") from None
    except ScenarioError:
        raise
    except ValueError as error:
        raise ScenarioError(f"{origin}: {error}") from None
    return opened


def _nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """The mapping with dotted keys opened up: {"a.b": 1} to {"a": {"b": 1}}."""
    opened: dict[str, Any] = {}
    for key, value in values.items():
        branch: Any = _nested(value) if isinstance(value, Mapping) else value
        for part in reversed(str(key).split(".")):
            branch = {part: branch}
        opened = _laid_over(opened, branch, "overrides")
    return opened


def _laid_over(below: Any, above: Any, origin: str, path: str = "") -> Any:
    """`above` laid on `below`: mappings key by key, a mapping on a list by index, all else replaces.

    A group of traders of another kind, or a learner of another role, replaces the one it is laid on.
    """
    if not isinstance(above, Mapping):
        return above
    if isinstance(below, list | tuple):
        return _laid_over_items(list(below), above, origin, path)
    if not isinstance(below, Mapping) or any(
        key in below and above.get(key, below[key]) != below[key] for key in ("kind", "role")
    ):
        below = {}
    merged = dict(below)
    for key, value in above.items():
        merged[key] = _laid_over(merged.get(key), value, origin, f"{path}{key}.")
    return merged


def _laid_over_items(items: list[Any], above: Mapping[str, Any], origin: str, path: str) -> list[Any]:
    for key, value in above.items():
        if not str(key).isdigit() or int(key) >= len(items):
            raise ScenarioError(f"{origin}: {path}{key}: must be an index from 0 to {len(items) - 1}")
        items[int(key)] = _laid_over(items[int(key)], value, origin, f"{path}{key}.")
    return items
