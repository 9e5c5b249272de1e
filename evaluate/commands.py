"""What every command does alike: reads its options, says an error in one line, and after Ctrl-C how to go on.

A command checks everything first (`prepare`) and then works. Whatever is wrong with its options or input is said in one
line before anything is begun. What stops the work later (Ctrl-C, a full disk) loses nothing that is finished, and is
answered with the command that goes on.
"""

from __future__ import annotations

import shlex
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import tyro

FAILED, WRONG_OPTION, INTERRUPTED = 1, 2, 130  # exit statuses beside 0

Options = TypeVar("Options")


class RefusalError(ValueError):
    """Something that the user has to change before the command can go on; its text is one line."""


@dataclass(frozen=True)
class Work:
    """What a command does once everything is checked.

    Attributes:
        run: Does it; gives the exit status.
        kept: Says what an interruption leaves, in a few words.
        again: Command line that goes on.
    """

    run: Callable[[], int]
    kept: Callable[[], str]
    again: str


def parse(options: type[Options], module: str, about: str | None, arguments: Sequence[str] | None = None) -> Options:
    """The options of a command line; ends the process with status 2 for one that does not exist.

    Args:
        options: Dataclass of the options.
        module: What is run by ``python -m``.
        about: What the help begins with.
        arguments: By default those of the process.
    """
    return tyro.cli(options, prog=f"python -m {module}", description=about, args=arguments)


def default(text: str) -> Any:
    """Has the help say what an option comes to where its default is None, which says nothing."""
    return tyro.conf.arg(help_behavior_hint=f"(default: {text})")


def carry_out(prepare: Callable[[], Work]) -> int:
    """Check, then work.

    Args:
        prepare: Checks everything and gives the work; a ValueError or OSError of it is the user's to mend.

    Returns:
        Exit status: that of the work, 1 if it could not be finished, 2 for a wrong option or input, 130 after Ctrl-C.
    """
    _catch_errors_of_threads()
    try:
        work = prepare()
    except (ValueError, OSError) as error:
        return _refuse(error)
    except KeyboardInterrupt:
        print("\ninterrupted: nothing has begun", file=sys.stderr)
        return INTERRUPTED
    try:
        status = work.run()
        if _of_threads:
            raise _of_threads[0]
        return status
    except RefusalError as error:
        return _refuse(error)
    except OSError as error:
        print(f"error: {one_line(error)}; {work.kept()}; to go on: {work.again}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print(f"\ninterrupted: {work.kept()}; to go on:\n  {work.again}", file=sys.stderr)
        return INTERRUPTED


# What a thread could not write, such as TensorBoard's: the work hears of it where it next uses the thread, if it does.
_of_threads: list[OSError] = []


def _catch_errors_of_threads() -> None:
    """Have what the system refuses a thread end the command, in its one line, instead of being printed in many."""
    _of_threads.clear()
    if getattr(threading.excepthook, "__name__", "") == _note_error.__name__:
        return
    global _usual_hook  # noqa: PLW0603 (a hook has no other place to find the one before it)
    _usual_hook = threading.excepthook
    threading.excepthook = _note_error


_usual_hook: Any = threading.excepthook


def _note_error(failure: threading.ExceptHookArgs) -> None:
    if isinstance(failure.exc_value, OSError):
        _of_threads.append(failure.exc_value)
    else:
        _usual_hook(failure)


def _refuse(error: Exception) -> int:
    print(f"error: {error}", file=sys.stderr)
    return WRONG_OPTION


def one_line(error: Exception) -> str:
    """An error in one line; that of the system by its words and the file."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return " ".join(str(error).split()) or type(error).__name__


def command_line(module: str, *arguments: str) -> str:
    """A command line that runs a module with the same interpreter."""
    return shlex.join([from_here(Path(sys.executable)), "-m", module, *arguments])


def from_here(path: Path) -> str:
    """A path as it is written from the current folder, if it lies in it."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
