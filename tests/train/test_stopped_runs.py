"""A run that is killed, interrupted, or finds the disk full at whatever instant goes on to the same end."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("stable_baselines3")
pytest.importorskip("sb3_contrib")

ROOT = Path(__file__).parents[2]
TRIALS = os.environ.get("LOBENV_STOPPED_RUNS", "2")  # of each way to be stopped; 50 shows rare instants


@pytest.mark.slow
@pytest.mark.parametrize("command", ["ppo", "gp", "lab"])
def test_a_run_stopped_at_any_instant_goes_on_to_the_bytes_of_one_that_never_was(command):
    words = [sys.executable, "-m", "tests.train.stopped_runs", "--only", command, "--trials", TRIALS]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
