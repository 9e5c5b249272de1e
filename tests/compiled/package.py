"""A small package with kernels of its own, on disk, and starts of it in fresh processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[2]
VALUE = 26  # what the package prints as it is
ANNOUNCED = "lobenv: compiling small.entry.total, once"

SOURCES = {
    "__init__.py": "",
    "settings.py": "RATE = 3\nUNUSED = 1\n",
    "inner.py": '''
from lobenv.compiled import kernel


@kernel
def half(x):
    """Half of it."""
    return x // 2  # rounded down
''',
    "parts.py": """
from lobenv.compiled import kernel
from small import settings
from small.inner import half


@kernel
def scaled(x):
    return half(x) * settings.RATE
""",
    "entry.py": """
import numpy as np

from lobenv.compiled import kernel
from small import parts

STEP = 5
TABLE = np.array([1, 6])


@kernel(entry=True)
def total(x):
    return parts.scaled(x) + STEP + TABLE[1]
""",
    "__main__.py": "from small.entry import total\n\nprint(total(10))\n",
}


class Start(NamedTuple):
    """What a start of the package printed."""

    value: int
    said: list[str]  # lines on stderr


class Package:
    """The package in a folder, with a cache."""

    def __init__(self, folder: Path, cache: Path | str) -> None:
        self.folder = folder
        self.cache = cache
        (folder / "small").mkdir(parents=True)
        for name, text in SOURCES.items():
            (folder / "small" / name).write_text(text)

    def edit(self, name: str, old: str, new: str) -> None:
        """Replace a text that stands in a file once."""
        file = self.folder / "small" / name
        text = file.read_text()
        assert text.count(old) == 1
        file.write_text(text.replace(old, new))

    def begin(self, *arguments: str, **changes: Any) -> subprocess.Popen[str]:
        """Start it in a fresh process; `changes` are of `subprocess.Popen`."""
        environment = {
            **os.environ,
            "LOBENV_CACHE_DIR": str(self.cache),
            "PYTHONPATH": os.pathsep.join((str(self.folder), str(ROOT))),
            "PYTHONDONTWRITEBYTECODE": "1",  # two edits within a second would share one .pyc
            **changes.pop("env", {}),
        }
        command = [sys.executable, *(arguments or ("-m", "small"))]
        return subprocess.Popen(
            command,
            env=environment,
            cwd=changes.pop("cwd", self.folder),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **changes,
        )

    def start(self, *arguments: str, **changes: Any) -> Start:
        """Start it and wait for what it prints."""
        return finish(self.begin(*arguments, **changes))

    def kept(self, cache: Path | str | None = None) -> list[Path]:
        """Files below a folder."""
        return [file for file in Path(cache or self.cache).rglob("*") if file.is_file()]


def finish(process: subprocess.Popen[str]) -> Start:
    """Wait for a start."""
    printed, said = process.communicate()
    assert process.returncode == 0, said
    return Start(int(printed), said.splitlines())
