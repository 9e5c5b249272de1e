"""Loads scenarios from presets, YAML files and mappings, lays overrides on them, and says in one line what is wrong."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Hashable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from pydantic import ValidationError

from lobenv.scenario.config import Scenario
from lobenv.scenario.problems import ScenarioError, describe

PRESET_FOLDER = Path(__file__).parent / "presets"
SUFFIXES = (".yaml", ".yml")
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
        layers.append(Layer("overrides", _nested(overrides)))
    merged: dict[str, Any] = Scenario().model_dump(mode="json")
    for layer in layers:
        merged = _laid_over(merged, layer.values, layer.origin)
    try:
        return Scenario.model_validate(merged)
    except ValidationError as error:
        raise ScenarioError(describe(error, merged, layers)) from None


def presets() -> dict[str, str]:
    """Names of the presets and what each is for."""
    return {path.stem: str(_read(path).get("description", "")) for path in sorted(PRESET_FOLDER.glob("*.yaml"))}


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
        origin, values = "mapping", _nested(source)
    elif isinstance(source, str | PathLike):
        path = _path_of(source)
        origin, values = path.name if path.parent == PRESET_FOLDER else str(path), _read(path)
    else:
        raise ScenarioError(
            f"scenario must be a preset's name, a YAML file, a mapping or a Scenario, got {type(source).__name__}"
        )
    base = values.pop("base", None)
    if base is None:
        return [Layer(origin, values)]
    if not isinstance(base, str):
        raise ScenarioError(f"{origin}: base must be a preset's name or a YAML file, got {base!r}")
    if origin in seen:
        raise ScenarioError(f"{origin}: base: {base} leads back to {origin}")
    if Path(base).suffix in SUFFIXES and not isinstance(source, Mapping):
        base = Path(source).parent / base
    return [*_layers(base, (*seen, origin)), Layer(origin, values)]


def _path_of(source: str | PathLike[str]) -> Path:
    """The file of a preset or path, which must exist."""
    path = Path(source)
    preset = PRESET_FOLDER / f"{source}.yaml"
    if path.suffix not in SUFFIXES and len(path.parts) == 1:
        if preset.is_file():
            return preset
        names = sorted(file.stem for file in PRESET_FOLDER.glob("*.yaml"))
        close = difflib.get_close_matches(str(source), names, 1)
        hint = f"did you mean {close[0]}? " if close else ""
        raise ScenarioError(
            f"scenario {str(source)!r} is unknown: {hint}presets are {', '.join(names)}; a file's name ends in .yaml"
        )
    if not path.is_file():
        raise ScenarioError(f"{path}: no such file")
    return path


class _Loader(yaml.SafeLoader):
    """Takes a key that stands twice in a mapping for the mistake it is."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for (key, _), name, before in zip(node.value, keys, (keys[:k] for k in range(len(keys))), strict=True):
            if name in before:
                raise yaml.constructor.ConstructorError(None, None, f"key {name!r} stands twice", key.start_mark)
        return super().construct_mapping(node, deep)


def _read(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file."""
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except yaml.MarkedYAMLError as error:
        place = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ScenarioError(f"{path}{place}: not valid YAML: {error.problem}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ScenarioError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    except OSError as error:
        raise ScenarioError(f"{path}: cannot be read: {error.strerror}") from None
    if values is None:
        raise ScenarioError(f"{path}: the file is empty; it must hold at least one key of a scenario")
    if not isinstance(values, dict):
        raise ScenarioError(f"{path}: must hold a mapping of keys to values, got {type(values).__name__}")
    return values


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

    A group of traders of another kind replaces the one it is laid on.
    """
    if not isinstance(above, Mapping):
        return above
    if isinstance(below, list | tuple):
        return _laid_over_items(list(below), above, origin, path)
    if not isinstance(below, Mapping) or ("kind" in below and above.get("kind", below["kind"]) != below["kind"]):
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
