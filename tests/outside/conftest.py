"""The package of CONTRIBUTING.md, as it was written and as pip installs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.outside.walk import write_package


@pytest.fixture(scope="session")
def package(tmp_path_factory) -> Path:
    """The package of CONTRIBUTING.md as it was written."""
    return write_package(tmp_path_factory.mktemp("package"))


@pytest.fixture(scope="session")
def installed(tmp_path_factory) -> Path:
    """The folder that it was installed into by pip, which also leaves its mark in the folder that it builds in."""
    package = write_package(tmp_path_factory.mktemp("built"))
    target = tmp_path_factory.mktemp("site")
    options = ["--no-build-isolation", "--no-deps", "--no-index", "--no-warn-script-location", "--quiet"]
    command = [sys.executable, "-m", "pip", "install", *options, "--target", str(target), str(package)]
    done = subprocess.run(command, cwd=package, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return target
