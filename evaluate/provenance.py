"""What a figure depends on besides its configuration: versions, machine and commit, to be kept beside every result."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from lobenv.scenario.config import Scenario
from lobenv.scenario.recorded_files import input_files

PACKAGES = (
    "lobenv", "numpy", "numba", "llvmlite", "gymnasium", "pettingzoo", "pydantic", "polars", "scipy", "matplotlib",
    "torch", "stable-baselines3", "deap", "ray", "tensorboard",
)  # fmt: skip


def provenance() -> dict[str, Any]:
    """Command line, Python, packages, platform, processor and commit of this process, JSON-able."""
    return {
        "argv": sys.argv,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "packages": package_versions(),
        "git": commit(),
    }


def inputs(scenarios: Mapping[str, Scenario]) -> dict[str, list[dict[str, Any]]]:
    """The files that scenarios read besides their configuration, JSON-able; for `inputs` of a run's configuration.

    Args:
        scenarios: Name of each to its market.

    Returns:
        Name, size [bytes] and SHA-256 of each recorded file, by scenario; without those that read none.

    Raises:
        ScenarioError: A scenario's files are not there.
    """
    files = {name: [file._asdict() for file in input_files(scenario)] for name, scenario in scenarios.items()}
    return {name: played for name, played in files.items() if played}


def package_versions() -> dict[str, str]:
    """Version of each of `PACKAGES` that is installed."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def cpu_model() -> str:
    """Name of the processor as the system gives it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def commit(folder: Path | None = None) -> dict[str, Any] | None:
    """Commit of the checkout and whether files differ from it; None outside of a checkout.

    Args:
        folder: of the checkout, by default the one this file lies in.

    Returns:
        `commit` (hexadecimal) and `dirty` (whether anything is changed or untracked).
    """
    where = folder or Path(__file__).resolve().parents[1]
    revision = _git(where, "rev-parse", "HEAD")
    if revision is None:
        return None
    return {"commit": revision, "dirty": bool(_git(where, "status", "--porcelain"))}


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
