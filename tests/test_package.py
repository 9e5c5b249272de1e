"""The package as it is imported: what it loads, what it registers, and how environments are named."""

from __future__ import annotations

import importlib
from importlib.metadata import version

import gymnasium as gym
import pytest
from gymnasium.envs.registration import EnvSpec

import lobenv
from tests.envs.rollouts import SHORT, digest, fresh_process, near_touch, rollout

HEAVY = ("torch", "ray", "stable_baselines3", "sb3_contrib", "numba", "polars", "pydantic", "PIL", "matplotlib")


def test_importing_the_package_loads_no_compiler_and_no_training_library():
    loaded = fresh_process(f"import sys, lobenv; print([name for name in {HEAVY} if name in sys.modules])")
    assert loaded == "[]"


def test_the_package_offers_its_own_names_alone_and_each_of_them_is_there():
    assert dir(lobenv) == sorted(lobenv.__all__)
    assert {"simulate", "Strategy", "Market", "presets", "register_agent", "__version__"} <= set(dir(lobenv))
    for name in dir(lobenv):
        origin = getattr(getattr(lobenv, name), "__module__", "lobenv")
        assert origin.split(".")[0] == "lobenv"
    with pytest.raises(AttributeError, match="no attribute 'simulat'"):
        lobenv.simulat  # noqa: B018


def test_the_version_is_that_of_the_installed_package():
    assert lobenv.__version__ == version("lobenv")


def test_every_id_is_registered_with_a_vector_form():
    for name in (lobenv.MARKET_MAKING,):
        spec = gym.spec(name)
        assert spec.entry_point is not None
        assert spec.vector_entry_point is not None
        assert spec.max_episode_steps is None


@pytest.mark.parametrize(
    "make",
    [
        "import lobenv, gymnasium as gym; env = gym.make('Sentinel-MM-v0')",
        "import gymnasium as gym; env = gym.make('lobenv:Sentinel-MM-v0')",
        "import gymnasium as gym; env = gym.make_vec('lobenv:Sentinel-MM-v0', num_envs=2)",
    ],
)
def test_environments_are_made_by_id_in_a_fresh_process(make):
    printed = fresh_process(f"{make}; print(type(env.unwrapped).__name__, env.spec.id)")
    assert printed in ("MarketMakingEnv Sentinel-MM-v0", "MarketMakingVectorEnv Sentinel-MM-v0")


def test_importing_the_package_again_registers_nothing_anew():
    before = gym.registry[lobenv.MARKET_MAKING]
    importlib.reload(lobenv)  # Gymnasium would warn, and warnings are errors here
    assert gym.registry[lobenv.MARKET_MAKING] is before


def test_a_spec_survives_json_and_makes_the_same_environment():
    settings = {
        "scenario": "calm",
        "overrides": {**SHORT, "agents.retail.count": 60},
        "action": "continuous",
        "observation": "dict",
        "reward": {"mode": "dampened", "dampening": 0.3},
        "latency": "colo",
        "fees": {"maker_per_share": -0.002},
    }
    env = gym.make(lobenv.MARKET_MAKING, max_episode_steps=12, **settings)
    assert env.spec is not None
    spec = EnvSpec.from_json(env.spec.to_json())
    assert spec == env.spec
    again = gym.make(spec)
    actions = near_touch(3, 12)
    assert digest(rollout(env, actions, seed=4)) == digest(rollout(again, actions, seed=4))
