"""What a market may be given as where a policy is loaded, and a policy that decides for one market alone."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import SyncVectorEnv
from gymnasium.wrappers import TimeLimit

import policies
from lobenv.envs.market_making import MarketMakingEnv
from lobenv.envs.vector import MarketMakingVectorEnv
from lobenv.scenario.loading import load
from policies.artefact import SWITCH
from policies.markets import spec_of
from policies.tuned import TunedPolicy
from tests.policies.artefacts import write_network, write_rule, write_trees

VOLATILE = policies.market_spec(load("volatile"))


def _stable_baselines(**settings):
    adapter = pytest.importorskip("lobenv.adapters.sb3", exc_type=ImportError)
    return adapter.SB3VecEnv(2, **settings)


def _stable_baselines_wrapped():
    market = _stable_baselines(scenario="volatile")
    return pytest.importorskip("stable_baselines3.common.vec_env").VecMonitor(market)


def _single():
    return MarketMakingEnv(scenario="volatile")


MARKETS = {
    "constants": lambda: VOLATILE,
    "scenario": lambda: load("volatile"),
    "name": lambda: "volatile",
    "mapping": lambda: {"base": "volatile"},
    "environment": _single,
    "made environment": lambda: gym.make("lobenv:Sentinel-MM-v0", scenario="volatile"),
    "wrapped environment": lambda: TimeLimit(_single(), 5),
    "vector environment": lambda: MarketMakingVectorEnv(2, scenario="volatile"),
    "several environments": lambda: SyncVectorEnv([_single, _single]),
    "Stable-Baselines3": lambda: _stable_baselines(scenario="volatile"),
    "Stable-Baselines3, wrapped": _stable_baselines_wrapped,
}


@pytest.mark.parametrize("form", MARKETS)
def test_policy_is_loaded_for_a_market_in_whatever_form_it_is_given(form):
    market = MARKETS[form]()
    assert spec_of(market) == VOLATILE
    assert policies.load("rule:glft?gamma=0.02", market).name == "rule:glft?gamma=0.02"


def test_zoo_is_searched_for_the_scenario_of_an_environment(monkeypatch):
    monkeypatch.delenv(SWITCH, raising=False)
    from_environment, from_spec = policies.load("tuned:zoo", _single()), policies.load("tuned:zoo", VOLATILE)
    assert isinstance(from_environment, TunedPolicy)
    assert isinstance(from_spec, TunedPolicy)
    assert from_environment.rule == from_spec.rule


@pytest.mark.parametrize("market", [None, 3, (1, 2), np.zeros(3)], ids=repr)
def test_what_is_no_market_is_refused_in_one_line(market):
    kind = type(market).__name__
    with pytest.raises(ValueError, match=rf"^market must be a MarketSpec, an environment, [^\n]* got {kind}$"):
        policies.load("rule:glft", market)


def test_unknown_scenario_is_refused_as_the_scenarios_loader_does():
    with pytest.raises(ValueError, match="scenario 'clam' is unknown: did you mean calm"):
        policies.load("rule:glft", "clam")


@pytest.mark.parametrize("address", [None, 3, b"rule:glft", ["rule:glft"]])
@pytest.mark.parametrize("action", [policies.check, lambda address: policies.load(address, VOLATILE)])
def test_address_that_is_no_text_is_refused_in_one_line(address, action):
    with pytest.raises(ValueError, match=r"^policy [^\n]*: address must be text such as [^\n]*, got [a-zA-Z]+$"):
        action(address)


@pytest.mark.parametrize("seed", [1.5, "1", None, True, [1.0, 2], ["1", 2]])
def test_seed_of_a_policy_that_is_no_whole_number_is_refused_in_one_line(seed):
    policy = policies.load("rule:random", VOLATILE)
    with pytest.raises(ValueError, match=r"^seed must be [^\n]*, got [^\n]*$"):
        policy.reset(2, seed)


@pytest.fixture
def every_policy(tmp_path, monkeypatch):
    """One of each family, for the calm market."""
    monkeypatch.delenv(SWITCH, raising=False)
    addresses = ["rule:glft", "rule:random"]
    for family, write in (("ppo", write_network), ("gp", write_trees), ("tuned", write_rule)):
        write(tmp_path / family)
        addresses.append(f"{family}:{tmp_path / family}")
    return [policies.load(address, "calm") for address in addresses]


def test_single_observation_gives_the_single_action_that_a_batch_of_one_gives(every_policy):
    observation = np.random.default_rng(1).uniform(0.0, 3.0, len(VOLATILE.index)).astype(np.float32)
    for policy in every_policy:
        policy.reset(1, 7)
        batch = policy.act(observation[np.newaxis])
        policy.reset(1, 7)
        single = policy.act(observation)
        assert single.shape == batch.shape[1:]
        assert single.dtype == batch.dtype
        assert np.array_equal(single, batch[0])


def test_single_observation_is_refused_after_a_reset_of_several(every_policy):
    for policy in every_policy:
        policy.reset(2, 7)
        with pytest.raises(ValueError, match=r"observation must have shape \(2, "):
            policy.act(np.zeros(len(VOLATILE.index), np.float32))
