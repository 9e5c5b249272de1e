"""Runs a check of what was trained in the Poisson-fill market as a command, and keeps what it found."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import matplotlib as mpl
from matplotlib.figure import Figure

from evaluate.commands import FAILED, Work, carry_out, command_line, default, parse
from evaluate.plots import SETTINGS
from evaluate.run_directory import RunDirectory
from evaluate.stored_options import arguments_of
from train.neural.hyperparameters import FOLDER, Hyperparameters, read

HYPERPARAMETERS = FOLDER / "poisson.yml"
LARGEST_SEED = 2**32 - 1  # that NumPy's old generator takes, which Stable-Baselines3 seeds too
DOTS_PER_INCH = 200
KEPT = "nothing of a check is kept, it begins again"


@dataclass(frozen=True)
class Options:
    """How to run a check."""

    seed: int = 1
    """Of weights, exploration and markets."""
    total_timesteps: Annotated[int | None, default("n_timesteps of train/hyperparams/poisson.yml")] = None
    """Steps of all markets together in a training."""
    num_envs: Annotated[int | None, default("n_envs of train/hyperparams/poisson.yml")] = None
    """Markets stepped at once."""
    out: Path = Path("runs")
    """Folder in which the run gets its own."""


@dataclass(frozen=True)
class CheckResult:
    """What a check has found.

    Attributes:
        passed: Whether everything is as it has to be.
        document: The figures, JSON-able.
        figure: The same, drawn.
    """

    passed: bool
    document: dict[str, Any]
    figure: Figure


Check = Callable[[Hyperparameters, int], CheckResult]


def command(name: str, about: str | None, check: Check, arguments: Sequence[str] | None) -> int:
    """Run a check from the command line and keep what it found in a folder of its own.

    Args:
        name: Of the check, which is its key in the file of hyperparameters.
        about: What the help begins with.
        check: The check, of hyperparameters and a seed.
        arguments: By default those of the process.

    Returns:
        Exit status: 0, 1 if the check failed, 2 for a wrong option, 130 after Ctrl-C.
    """
    module = f"train.check_{name}"
    return carry_out(lambda: _prepare(name, check, parse(Options, module, about, arguments), module))


def _prepare(name: str, check: Check, options: Options, module: str) -> Work:
    """The checked hyperparameters, and the folder of the check."""
    hyperparameters = checked(name, options)
    config = {"policies": ["ppo"], "scenarios": [name], "seeds": [options.seed], "baseline": None}
    run = RunDirectory.create(options.out, name, config | {"hyperparameters": hyperparameters.plain()})
    again = command_line(module, *arguments_of(options, ()))
    return Work(partial(_run, check, hyperparameters, options.seed, run.path), lambda: KEPT, again)


def _run(check: Check, hyperparameters: Hyperparameters, seed: int, folder: Path) -> int:
    result = check(hyperparameters, seed)
    keep(result, folder)
    return 0 if result.passed else FAILED


def checked(name: str, options: Options, changes: Mapping[str, Any] | None = None) -> Hyperparameters:
    """The hyperparameters of a check.

    Args:
        name: Of the check.
        options: Of its command line.
        changes: Hyperparameters that replace the file's.

    Raises:
        ValueError: One line naming the option or the file's key, the value and what is allowed.
    """
    if not 0 <= options.seed <= LARGEST_SEED:
        raise ValueError(f"seed must be within 0..{LARGEST_SEED}, got {options.seed}")
    asked = {"n_timesteps": options.total_timesteps, "n_envs": options.num_envs} | dict(changes or {})
    return read(HYPERPARAMETERS, "ppo", name, {key: value for key, value in asked.items() if value is not None})


def keep(result: CheckResult, folder: Path) -> None:
    """Write the figures and the drawing of a check, and say where they are."""
    with mpl.rc_context(SETTINGS):
        result.figure.savefig(folder / "figure.png", dpi=DOTS_PER_INCH)
    document = {"passed": result.passed} | result.document
    (folder / "result.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    print(f"figure       {folder / 'figure.png'}")
    print(f"figures      {folder / 'result.json'}")
