"""Reads the mapping in a YAML file, and says in one line what is wrong with a file, however it was made."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from lobenv.scenario.problems import ScenarioError
from lobenv.settings import shortened

MOST_BYTES = 1 << 20
MOST_DIGITS = 400  # of a number; more than any double has, and little enough to be read at once
MOST_DEPTH = 32
MOST_VALUES = 20_000  # with every alias counted as often as it is used

MERGE = "tag:yaml.org,2002:merge"  # the key `<<`, which stands for the keys of another mapping

Children = Callable[[Any], Iterable[Any]]


def read(path: Path) -> dict[str, Any]:
    """The mapping in a file.

    Raises:
        ScenarioError: One line naming the file, the line in it where there is one, and what is wrong.
    """
    try:
        values = yaml.load(_text(path), _Loader)
    except yaml.MarkedYAMLError as error:
        place = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ScenarioError(f"{path}{place}: not valid YAML: {error.problem}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ScenarioError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    except OSError as error:
        raise ScenarioError(f"{path}: cannot be read: {error.strerror}") from None
    except RecursionError:
        raise ScenarioError(f"{path}: must be nested at most {MOST_DEPTH} deep") from None
    if values is None:
        raise ScenarioError(f"{path}: the file is empty; it must hold at least one key of a scenario")
    if not isinstance(values, dict):
        raise ScenarioError(f"{path}: must hold a mapping of keys to values, got {type(values).__name__}")
    return values


def check_extent(values: Any, children: Children | None = None) -> None:
    """Refuse nested values that are too many or too deep, or that contain themselves.

    Args:
        values: The outermost.
        children: Tells what stands in one of them; by default, mappings and lists are looked into.

    Raises:
        ValueError: What is wrong with them.
    """
    _count(values, children or _items, {}, 1)


def _items(value: Any) -> Iterable[Any]:
    if isinstance(value, Mapping):
        return value.values()
    return value if isinstance(value, list | tuple) else ()


def _count(value: Any, children: Children, known: dict[int, int], depth: int) -> int:
    """How many values there are in one, itself included; `known` holds those that were counted, 0 while at it."""
    if depth > MOST_DEPTH:
        raise ValueError(f"values must be nested at most {MOST_DEPTH} deep")
    if id(value) in known:
        if not known[id(value)]:
            raise ValueError("a value contains itself")
        return known[id(value)]
    inside = list(children(value))
    if not inside:
        return 1
    known[id(value)] = 0
    total = 1 + sum(_count(child, children, known, depth + 1) for child in inside)
    if total > MOST_VALUES:
        raise ValueError(f"there must be at most {MOST_VALUES} values, with aliases written out")
    known[id(value)] = total
    return total


def _text(path: Path) -> str:
    with path.open("rb") as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise ScenarioError(f"{path}: must be at most {MOST_BYTES} bytes long")
    return content.decode("utf-8")


def _nodes(node: yaml.Node) -> Iterable[yaml.Node]:
    """What stands in a node: of a mapping, keys and values in turn."""
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return node.value if isinstance(node, yaml.SequenceNode) else ()


class _Loader(yaml.SafeLoader):
    """Makes values of nodes that are neither too many nor too deep, and says on which line one cannot be made."""

    def get_single_data(self) -> Any:
        node = self.get_single_node()
        if node is None:
            return None
        try:
            check_extent(node, _nodes)
        except ValueError as error:
            raise yaml.constructor.ConstructorError(None, None, str(error), None) from None
        return self.construct_document(node)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """As usual, but text that is no number, time or whatever its tag says is an error with a line."""
        kind = node.tag.rpartition(":")[2]
        try:
            if kind in ("int", "float") and len(node.value) > MOST_DIGITS:
                raise ValueError
            return super().construct_object(node, deep)
        except (ValueError, LookupError, AttributeError, TypeError, OverflowError):
            problem = f"{shortened(node.value)} cannot be read as {kind}"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark) from None

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """As usual, but a key that stands twice is taken for the mistake it is."""
        seen: set[Hashable] = set()
        for key, _ in node.value:
            if key.tag == MERGE:
                continue
            name = self.construct_object(key, deep=True)
            if not isinstance(name, Hashable):
                raise yaml.constructor.ConstructorError(None, None, "a key must be a word", key.start_mark)
            if name in seen:
                raise yaml.constructor.ConstructorError(None, None, f"key {name!r} stands twice", key.start_mark)
            seen.add(name)
        return super().construct_mapping(node, deep)
