"""README's Python runs as it is printed."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest

import lobenv
from lobenv.scenario.loading import load

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
BRIEF = {"num_envs=64": "num_envs=1", "learn(1_000_000)": "learn(1)"}  # one rollout of a training


def run(blocks: list[str]) -> dict[str, Any]:
    """Run blocks one after the other, as somebody who copies them into one session would."""
    names: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)
    return names


def test_what_needs_the_library_alone_runs_as_printed(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = run([block for block in BLOCKS if "stable_baselines3" not in block])
    assert names["ended"]
    assert names["observations"].shape[0] == 256
    assert names["trades"].height == names["result"].counters.trades > 0
    assert capsys.readouterr().out.startswith("Result of calm, seed 7, 120.000 of 610.000 s\n")
    strategy, learner = (names["market"].result().accounts.row(agent, named=True) for agent in (1, 2))
    assert (strategy["name"], learner["name"]) == ("Imbalance", "maker")
    assert min(strategy["volume"], learner["volume"]) > 0
    assert {path.name for path in tmp_path.iterdir()} == {"minute.npz", "start.npz"}


@pytest.mark.slow
@pytest.mark.skipif(find_spec("stable_baselines3") is None, reason="Stable-Baselines3 is not installed")
def test_the_training_starts_as_printed():
    (block,) = (block for block in BLOCKS if "stable_baselines3" in block)
    for printed, brief in BRIEF.items():
        assert printed in block
        block = block.replace(printed, brief)
    run([block])


def test_every_preset_and_public_name_that_it_speaks_of_is_there():
    for name in re.findall(r"\blobenv\.(\w+)\(", README):
        assert name in dir(lobenv)
    for name in lobenv.presets():
        assert f"`{name}`" in README
    for name in set(re.findall(r'scenario="(\w+)"', README)):
        load(name)
    assert set(re.findall(r'make(?:_vec)?\("lobenv:([\w-]+)"', README)) <= set(gym.registry)
