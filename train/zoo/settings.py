"""Reads what the zoo is trained by, and knows the command and the folder of each training run."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml

from policies.artefact import SIDECAR
from policies.sidecar import Family

SETTINGS = Path(__file__).with_name("settings.yml")
MODULES = {"ppo": ("train.ppo",), "gp": ("train.gp",), "tuned": ("train.gp", "--genome", "params")}


@dataclass(frozen=True)
class Entry:
    """One policy of the zoo.

    Attributes:
        name: What it is called; of the scenario that it is for.
        family: How it decides.
        arguments: Of the command that trains it, seed and folders left out.
    """

    name: str
    family: Family
    arguments: tuple[str, ...]

    @property
    def label(self) -> str:
        """Name and family, as in the zoo's folders."""
        return f"{self.name}/{self.family}"


@dataclass(frozen=True)
class TrainingRun:
    """One of the trainings that a policy of the zoo is chosen from.

    Attributes:
        entry: What it trains.
        seed: Of the training.
        root: Folder of all runs.
    """

    entry: Entry
    seed: int
    root: Path

    @property
    def name(self) -> str:
        """What its folder is called, after the time."""
        return f"{self.entry.name}_{self.entry.family}_seed{self.seed}"

    @property
    def policy(self) -> Path | None:
        """Folder of the policy that it has come to; None while it is not finished."""
        finished = [folder / "policy" for folder in self._folders() if (folder / "policy" / SIDECAR).is_file()]
        return finished[-1] if finished else None

    @property
    def address(self) -> str:
        """Under which its policy is loaded."""
        return f"{self.entry.family}:{self.policy}"

    def note_arguments(self) -> None:
        """Keep what it is begun with beside its folder.

        Raises:
            ValueError: It was begun with other arguments, or nobody knows with which: going on could mix two.
        """
        note, own = self.root / f"{self.name}.arguments", shlex.join(self.entry.arguments)
        begun = note.read_text(encoding="utf-8").strip() if note.exists() else ""
        if self._folders() and begun != own:
            raise ValueError(f"{note}: must say {own!r}, or the run be removed, got {begun!r}")
        note.write_text(f"{own}\n", encoding="utf-8")

    def command(self, threads: int) -> list[str]:
        """The command that trains it, or goes on where it was interrupted.

        Args:
            threads: Most threads that it may use.
        """
        module, *fixed = MODULES[self.entry.family]
        command = [sys.executable, "-m", module, "--threads", str(threads)]
        begun = [folder for folder in self._folders() if any((folder / "checkpoints").glob("[!.]*"))]
        if begun:
            own = ["--trust"] if self.entry.family == "ppo" else []  # it was begun from here
            return [*command, "--resume", str(begun[-1]), *own]
        own = ["--seed", str(self.seed), "--out", str(self.root), "--name", self.name]
        return [*command, *fixed, *self.entry.arguments, *own]

    def _folders(self) -> list[Path]:
        return [path.parent for path in sorted(self.root.glob(f"*_{self.name}/config.json"))]


def read(root: Path, path: Path = SETTINGS) -> tuple[TrainingRun, ...]:
    """Every training of a file of settings, seed by seed.

    Args:
        root: Folder of the runs.
        path: YAML: name of a policy to its families, each with `seeds` and the `arguments` of its command.

    Raises:
        ValueError: One line naming the file, what is wrong and what is allowed.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror}") from None
    except yaml.YAMLError as error:
        raise ValueError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(document, dict) or not all(isinstance(values, dict) for values in document.values()):
        raise ValueError(f"{path}: must name policies, each with its families")
    runs = [run for name, values in document.items() for run in _runs(path, str(name), dict(values), root)]
    return tuple(sorted(runs, key=lambda run: run.seed))


def _runs(path: Path, name: str, families: dict[str, Any], root: Path) -> list[TrainingRun]:
    runs = []
    for family, values in families.items():
        if family not in MODULES:
            raise ValueError(f"{path}: {name}: family must be one of {', '.join(MODULES)}, got {family!r}")
        if not isinstance(values, dict) or set(values) != {"seeds", "arguments"}:
            raise ValueError(f"{path}: {name}: {family} must have the keys seeds and arguments")
        seeds = values["seeds"]
        whole = isinstance(seeds, list) and all(isinstance(seed, int) and seed >= 0 for seed in seeds)
        if not whole or not seeds or len(set(seeds)) < len(seeds):
            raise ValueError(f"{path}: {name}: {family}: seeds must be different whole numbers, got {seeds}")
        entry = Entry(name, cast("Family", family), tuple(shlex.split(str(values["arguments"]))))
        runs += [TrainingRun(entry, seed, root) for seed in seeds]
    return runs
