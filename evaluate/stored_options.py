"""The options that a run keeps, and which of them may be others when it is resumed: one rule for every command.

A run is finished with its own options. The command line that resumes it may say them again, and may change those that
change no figure (the command's `CHANGEABLE`) or that only make the run longer (its `EXTENDABLE`). Anything else is
refused, naming both values.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints

Options = TypeVar("Options")

KEY = "options"  # of a run's configuration


def stored(options: Any, changeable: Collection[str]) -> dict[str, Any]:
    """The options that a run keeps, JSON-able; `with_stored` leads back.

    Args:
        options: Dataclass of a command's options.
        changeable: Names of those that the run does not keep.
    """
    kept = {field.name: getattr(options, field.name) for field in fields(options) if field.name not in changeable}
    return {name: _plain(value) for name, value in kept.items()}


def with_stored(
    options: Options,
    config: Mapping[str, Any],
    run: Path,
    module: str,
    changeable: Collection[str],
    extendable: Collection[str] = (),
) -> Options:
    """The options of a run that is to be finished.

    Args:
        options: Of the command line.
        config: Of the run; holds what `stored` gave.
        run: Its folder.
        module: Command that makes such runs.
        changeable: Options that the run does not keep.
        extendable: Options that it keeps and that the command line may give anew.

    Raises:
        ValueError: The run is of another command or version, or the command line gives an option that it has settled.
    """
    values = config.get(KEY)
    if not isinstance(values, dict) or set(values) != set(stored(options, changeable)):
        raise ValueError(f"{run} must be a run of this version of {module}: it was made with other options")
    own = {name: _restored(options, name, value) for name, value in values.items()}
    for field in fields(options):  # pyright: ignore[reportArgumentType]
        given = getattr(options, field.name)
        if field.name not in own or given in (field.default, own[field.name]):
            continue
        if field.name not in extendable:
            raise ValueError(f"{field.name} of {run} is {own[field.name]!r} and stays so, got {given!r}")
        own[field.name] = given
    return replace(options, **own)  # pyright: ignore[reportArgumentType]


def arguments_of(options: Any, left_out: Collection[str]) -> list[str]:
    """The words of a command line that give these options: the seed always, others where they differ from the default.

    Args:
        options: Dataclass of a command's options.
        left_out: Names of those that are not given.
    """
    words: list[str] = []
    for field in fields(options):
        value = getattr(options, field.name)
        if field.name in left_out or (value == field.default and field.name != "seed"):
            continue
        flag = f"--{field.name.replace('_', '-')}"
        if isinstance(value, bool):
            words.append(flag if value else f"--no-{flag.removeprefix('--')}")
        else:
            words += [flag, *map(str, value if isinstance(value, tuple) else (value,))]
    return words


def command_of(options: Any, module: str, left_out: Collection[str]) -> str:
    """The command line that does the same again, as sidecars keep it; see `arguments_of`."""
    return shlex.join(["python", "-m", module, *arguments_of(options, left_out)])


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    return str(value) if isinstance(value, Path) else value


def _restored(options: Any, name: str, value: Any) -> Any:
    """The value of an option from its JSON-able form."""
    hint = get_type_hints(type(options))[name]
    if isinstance(value, str) and (hint is Path or Path in get_args(hint)):
        return Path(value)
    return tuple(value) if isinstance(value, list) else value
