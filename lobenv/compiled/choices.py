"""Kernels that are written out from a table: which entry's rule is followed is a chain of comparisons.

The market is one compiled program, so it cannot look a function up in a table. The chain is written as the text of a
function, which is there to be read, and compiled like any other kernel.
"""

from __future__ import annotations

import inspect
import keyword
import zlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from lobenv.compiled import JIT_ENABLED, PLAIN_NUMBA, kernel
from lobenv.compiled.text import define

_FIRST_OUTSIDE = 1 << 30


class Choice(NamedTuple):
    """One kernel that follows the rule of an entry.

    Attributes:
        rule: Name of the rule, and of the kernel.
        head: Its first line, docstring, and whatever comes before the choice.
        by: What is compared with the entries' numbers.
        arguments: What a rule is called with.
        otherwise: What is returned where no entry has that rule; None where the rule returns nothing.
    """

    rule: str
    head: str
    by: str
    arguments: tuple[str, ...]
    otherwise: str | None = None

    def text(self, names: Iterable[str]) -> str:
        """The function, with a branch for each of the entries that have the rule."""
        branches = [self._branch(name, is_first=k == 0) for k, name in enumerate(names)]
        ending = [] if self.otherwise is None else [f"    return {self.otherwise}"]
        return "\n".join([self.head.strip(), *branches, *ending, ""])

    def _branch(self, name: str, *, is_first: bool) -> str:
        call = f"{name}_{self.rule}({', '.join(self.arguments)})"
        if self.otherwise is not None:
            return f"    if {self.by} == {name.upper()}:\n        return {call}"
        return f"    {'if' if is_first else 'elif'} {self.by} == {name.upper()}:\n        {call}"


class Entry(NamedTuple):
    """One entry of a table: the number that stands for it, and its rules by name."""

    number: int
    rules: Mapping[str, Callable[..., Any]]


def source(choices: Iterable[Choice], entries: Mapping[str, Entry]) -> str:
    """The text of the kernels as they are compiled."""
    return "\n\n".join(
        choice.text(name for name, entry in entries.items() if choice.rule in entry.rules) for choice in choices
    )


def written(
    module: str, choices: Iterable[Choice], entries: Mapping[str, Entry], known: Mapping[str, Any]
) -> dict[str, Any]:
    """The kernels by name.

    Args:
        module: Name of the module that they belong to.
        choices: What is written.
        entries: Of the table, by name.
        known: What else the heads refer to.
    """
    choices = tuple(choices)
    text, file = source(choices, entries), f"<{module}.source()>"
    names: dict[str, Any] = {"__name__": module, **known}
    for name, entry in entries.items():
        names[name.upper()] = entry.number
        names |= {f"{name}_{rule}": function for rule, function in entry.rules.items()}
    define(text, file, names)
    return {choice.rule: kernel(names[choice.rule]) for choice in choices}


def outside_number(name: str) -> int:
    """What stands in the tables for an entry of another package: the same whatever else is registered."""
    return _FIRST_OUTSIDE + zlib.crc32(name.encode()) % _FIRST_OUTSIDE


# What an entry has to be, checked when it is made.


def name_in(config: Any, field: str) -> str:
    """The name that a configuration class gives itself as the default of a field.

    Raises:
        TypeError: It gives none, or one that cannot be written into the kernels.
    """
    found = config.model_fields.get(field)
    name = found.default if found is not None and isinstance(found.default, str) else ""
    if not name.isidentifier() or name != name.lower() or keyword.iskeyword(name):
        wanted = f'{field}: Literal["lower_case_name"] = "lower_case_name"'
        raise TypeError(f"{config.__name__} must have a field `{wanted}`, got {name!r}")
    return name


def check_record(name: str, record: object) -> None:
    """Refuse what cannot be laid over a trader's bytes of the market's memory.

    Raises:
        TypeError: One line naming it.
    """
    if not (isinstance(record, np.dtype) and record.names and record.isalignedstruct and not record.hasobject):
        raise TypeError(f"{name} must be a structured dtype made with align=True and without objects, got {record!r}")


def check_rule(name: str, rule: Any, parameters: tuple[str, ...]) -> None:
    """Refuse what could not be called by the market, or not be compiled with it.

    Raises:
        TypeError: One line naming it.
    """
    plain = getattr(rule, "py_func", rule)
    is_bare = plain is rule and JIT_ENABLED and not PLAIN_NUMBA  # otherwise a part stays as it was
    if not inspect.isfunction(plain) or is_bare:
        raise TypeError(f"{name} must be a function under @lobenv.compiled.kernel, got {rule!r}")
    if len(inspect.signature(plain).parameters) != len(parameters):
        raise TypeError(f"{name} must have the parameters {', '.join(parameters)}, got {inspect.signature(plain)}")
