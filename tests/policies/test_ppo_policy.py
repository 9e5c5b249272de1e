"""Networks run with NumPy alone: equal to Stable-Baselines3, alone or in a batch, and refused where they do not fit."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from evaluate.rollout import markets_for, play
from lobenv.compiled import JIT_ENABLED
from lobenv.engine.batch import Batch
from lobenv.market.tables import RUNNING
from lobenv.roles.maker.action import FLATTEN
from lobenv.scenario.loading import load
from policies import market_spec
from policies.artefact import SIDECAR, ArtefactError
from policies.base import Policy, action_mode_of
from policies.ppo import CONTINUOUS, WEIGHTS, NetworkPolicy, _linear, tensor_shapes
from policies.sidecar import Action
from tests.policies.artefacts import CALM, FIELDS, network, weights, write_network

MASKED = Action(mode="discrete", masked=True)
# Sums of some hundred float32 products in another order differ by some 1e-7 of their size, which is about 1.
ROUNDING = 2e-6


def observations(num_envs, seed=1):
    """Observations of natural size, every other one without a position."""
    seen = np.random.default_rng(seed).normal(scale=5.0, size=(num_envs, len(FIELDS))).astype(np.float32)
    seen[::2, FIELDS.index("inventory")] = 0.0
    return seen


def policy_of(parameters, tensors, num_envs, *, action=CONTINUOUS, fields=FIELDS):
    policy = NetworkPolicy(parameters, tensors, fields, CALM, action=action)
    policy.reset(num_envs, 0)
    return policy


def made(num_envs, layers=(8, 6), activation="tanh", squash: str | None = "clip", *, action=CONTINUOUS, fields=FIELDS):
    """A policy with weights made up."""
    parameters = network(layers, activation, squash, fields=fields)
    outputs = 10 if action.mode == "discrete" else 2
    return policy_of(parameters, weights(parameters, len(fields), outputs), num_envs, action=action, fields=fields)


# ------------------------------------------------------------ what it computes


@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("squash", ["clip", "tanh"])
@pytest.mark.parametrize("layers", [(), (7,), (16, 5, 3)])
def test_a_network_computes_what_its_formula_says(layers, activation, squash):
    parameters = network(layers, activation, squash)
    tensors = weights(parameters, len(FIELDS))
    seen = observations(32)
    normalisation = parameters.normalisation
    assert normalisation is not None
    deviation = np.sqrt(np.array(normalisation.variance) + normalisation.epsilon)
    values = np.clip((seen - np.array(normalisation.mean)) / deviation, -10.0, 10.0)
    names = [name.removesuffix(".bias") for name in tensors if name.endswith(".bias")]
    for name in names:
        values = values @ tensors[f"{name}.weight"].T.astype(np.float64) + tensors[f"{name}.bias"]
        if name != "head":
            values = np.tanh(values) if activation == "tanh" else np.maximum(values, 0.0)
    expected = np.tanh(values) if squash == "tanh" else np.clip(values, -1.0, 1.0)
    action = policy_of(parameters, tensors, 32).act(seen)
    assert action.dtype == np.float32
    np.testing.assert_allclose(action, expected, rtol=0, atol=1e-4)
    assert (np.abs(action) < 1.0).any()


def test_without_normalisation_a_network_sees_natural_units():
    parameters = network(()).model_copy(update={"normalisation": None})
    tensors = {"head.weight": np.zeros((2, len(FIELDS)), np.float32), "head.bias": np.zeros(2, np.float32)}
    tensors["head.weight"][:, FIELDS.index("inventory")] = [0.125, -0.25]
    seen = np.zeros((1, len(FIELDS)), np.float32)
    seen[0, FIELDS.index("inventory")] = 3.0
    np.testing.assert_array_equal(policy_of(parameters, tensors, 1).act(seen), [[0.375, -0.75]])


@pytest.mark.parametrize("squash", ["clip", "tanh"])
def test_a_saturated_head_reaches_exactly_the_action_that_withdraws(squash):
    parameters = network((), squash=squash)
    tensors = {"head.weight": np.zeros((2, len(FIELDS)), np.float32), "head.bias": np.array([30, -30], np.float32)}
    np.testing.assert_array_equal(policy_of(parameters, tensors, 1).act(observations(1)), [[1.0, -1.0]])


@pytest.mark.parametrize(
    "action", [CONTINUOUS, Action(mode="discrete"), MASKED], ids=["continuous", "choices", "masked"]
)
@pytest.mark.parametrize("layers", [(64, 64), (13, 3)])
def test_a_row_decides_the_same_alone_and_in_any_batch(layers, action):
    squash = "clip" if action.mode == "continuous" else None
    seen = observations(37)
    together = made(37, layers, squash=squash, action=action).act(seen)
    for first, last in ((0, 1), (36, 37), (3, 8), (5, 21)):
        part = made(last - first, layers, squash=squash, action=action).act(seen[first:last])
        np.testing.assert_array_equal(part, together[first:last])


def test_fields_are_matched_by_name_wherever_the_market_shows_them():
    fields = ("spread", "inventory", "volatility")
    order = np.random.default_rng(3).permutation(len(FIELDS))
    shuffled = replace(CALM, index={FIELDS[old]: new for new, old in enumerate(order)})
    parameters = network(fields=fields)
    tensors = weights(parameters, len(fields))
    moved = NetworkPolicy(parameters, tensors, fields, shuffled)
    moved.reset(9, 0)
    seen = observations(9)
    np.testing.assert_array_equal(moved.act(seen[:, order]), policy_of(parameters, tensors, 9, fields=fields).act(seen))


def test_the_mask_forbids_to_flatten_without_a_position_and_only_then():
    parameters = network((), squash=None)
    tensors = {"head.weight": np.zeros((10, len(FIELDS)), np.float32), "head.bias": np.zeros(10, np.float32)}
    tensors["head.bias"][[FLATTEN, 4]] = 2.0, 1.0
    seen = observations(4)
    np.testing.assert_array_equal(policy_of(parameters, tensors, 4, action=MASKED).act(seen), [4, FLATTEN, 4, FLATTEN])
    unmasked = policy_of(parameters, tensors, 4, action=Action(mode="discrete"))
    np.testing.assert_array_equal(unmasked.act(seen), np.full(4, FLATTEN))


def test_a_network_obeys_the_protocol_and_survives_pickling():
    policy = made(3)
    assert isinstance(policy, Policy)
    assert action_mode_of(policy) == "continuous"
    seen = observations(3)
    before = seen.copy()
    twin = pickle.loads(pickle.dumps(policy))
    first = policy.act(seen)
    np.testing.assert_array_equal(twin.act(seen), first)
    np.testing.assert_array_equal(seen, before)
    assert policy.act(seen) is not first
    with pytest.raises(ValueError, match=r"observation must have shape \(3, 35\) after reset, got \(2, 35\)"):
        policy.act(seen[:2])


@pytest.mark.skipif(not JIT_ENABLED, reason="nothing is compiled")
def test_the_kernel_has_one_signature():
    for num_envs in (1, 4):
        made(num_envs).act(observations(num_envs))
    assert len(_linear.signatures) == 1  # pyright: ignore[reportFunctionMemberAccess]


# ------------------------------------------------------------ Stable-Baselines3


def spaces():
    gym = pytest.importorskip("gymnasium")
    box = gym.spaces.Box(-np.inf, np.inf, (len(FIELDS),), np.float32)
    return box, gym.spaces.Box(-1.0, 1.0, (2,), np.float32), gym.spaces.Discrete(10)


def tensors_of(hidden, head):
    """An actor's tensors, from the modules of its hidden layers and its head."""
    linear = [module for module in hidden if hasattr(module, "weight")]
    modules = {**{f"layer_{i}": module for i, module in enumerate(linear)}, "head": head}
    return {
        f"{name}.{part}": getattr(module, part).detach().numpy()
        for name, module in modules.items()
        for part in ("weight", "bias")
    }


def both(sb3_policy, hidden, head, squash, action=CONTINUOUS, activation="tanh", masks=None):
    """Actions of SB3 and of ours on the same observations, normalised by SB3's own VecNormalize."""
    from stable_baselines3.common.running_mean_std import RunningMeanStd
    from stable_baselines3.common.vec_env import VecNormalize

    seen = observations(100)
    parameters = network((64, 64), activation, squash)
    normalisation = parameters.normalisation
    assert normalisation is not None
    statistics = RunningMeanStd(shape=(len(FIELDS),))
    statistics.mean, statistics.var = np.array(normalisation.mean), np.array(normalisation.variance)
    normaliser = VecNormalize.__new__(VecNormalize)
    normaliser.epsilon, normaliser.clip_obs = normalisation.epsilon, normalisation.clip
    normalised = normaliser._normalize_obs(seen, statistics).astype(np.float32)
    options = {} if masks is None else {"action_masks": masks(seen)}
    expected, _ = sb3_policy.predict(normalised, deterministic=True, **options)
    return expected, policy_of(parameters, tensors_of(hidden, head), 100, action=action).act(seen)


@pytest.fixture
def torch():
    torch = pytest.importorskip("torch")
    pytest.importorskip("stable_baselines3")
    torch.manual_seed(0)
    return torch


def widen(torch, head, factor):
    """Scale a head up, so that its actions spread over the whole range and beyond."""
    with torch.no_grad():
        head.weight.mul_(factor)


def test_ppo_decides_as_in_stable_baselines3(torch):
    from stable_baselines3.common.policies import ActorCriticPolicy

    seen, pair, _ = spaces()
    theirs = ActorCriticPolicy(seen, pair, lambda _: 1e-3, net_arch=[64, 64])
    widen(torch, theirs.action_net, 100)
    expected, action = both(theirs, theirs.mlp_extractor.policy_net, theirs.action_net, "clip")
    assert (np.abs(expected) < 1).any()
    np.testing.assert_array_equal(np.abs(action) == 1, np.abs(expected) == 1)
    np.testing.assert_allclose(action, expected, rtol=0, atol=ROUNDING)


def test_ppo_with_choices_decides_as_in_stable_baselines3(torch):
    from stable_baselines3.common.policies import ActorCriticPolicy

    seen, _, choices = spaces()
    theirs = ActorCriticPolicy(seen, choices, lambda _: 1e-3, net_arch=[64, 64])
    action = Action(mode="discrete")
    expected, chosen = both(theirs, theirs.mlp_extractor.policy_net, theirs.action_net, None, action)
    assert len(set(expected)) > 3
    np.testing.assert_array_equal(chosen, expected)


def test_maskable_ppo_decides_as_in_sb3_contrib_under_the_mask_of_the_environment(torch):
    policies = pytest.importorskip("sb3_contrib.common.maskable.policies")
    seen, _, choices = spaces()
    theirs = policies.MaskableActorCriticPolicy(seen, choices, lambda _: 1e-3, net_arch=[64, 64])
    with torch.no_grad():
        theirs.action_net.bias[FLATTEN] = 0.02  # often the likeliest, where it is allowed

    def masks(observation):
        allowed = np.ones((len(observation), 10), bool)
        allowed[:, FLATTEN] = observation[:, FIELDS.index("inventory")] != 0
        return allowed

    expected, chosen = both(theirs, theirs.mlp_extractor.policy_net, theirs.action_net, None, MASKED, masks=masks)
    assert 0.05 < (expected == FLATTEN).mean() < 0.5
    np.testing.assert_array_equal(chosen, expected)


def test_sac_decides_as_in_stable_baselines3(torch):
    from stable_baselines3.sac.policies import SACPolicy

    seen, pair, _ = spaces()
    theirs = SACPolicy(seen, pair, lambda _: 1e-3, net_arch=[64, 64])
    widen(torch, theirs.actor.mu, 10)
    expected, action = both(theirs, theirs.actor.latent_pi, theirs.actor.mu, "tanh", activation="relu")
    np.testing.assert_allclose(action, expected, rtol=0, atol=ROUNDING)


def test_td3_and_ddpg_decide_as_in_stable_baselines3(torch):
    from stable_baselines3.td3.policies import TD3Policy

    seen, pair, _ = spaces()
    theirs = TD3Policy(seen, pair, lambda _: 1e-3, net_arch=[64, 64])
    *hidden, head, _ = theirs.actor.mu
    widen(torch, head, 10)
    expected, action = both(theirs, hidden, head, "tanh", activation="relu")
    np.testing.assert_allclose(action, expected, rtol=0, atol=ROUNDING)


# ------------------------------------------------------------ in a market


@pytest.mark.parametrize(
    "action", [CONTINUOUS, Action(mode="discrete"), MASKED], ids=["continuous", "choices", "masked"]
)
def test_a_network_plays_whole_episodes_in_its_own_action_mode(tmp_path, action):
    scenario = load("calm", {"session.duration_s": 10})
    market = market_spec(scenario)
    policy = NetworkPolicy.read(write_network(tmp_path / "a", action=action), market, "ppo:a")
    shared = Batch(scenario, 4, threads=1)
    batch = markets_for(policy, shared)
    assert (batch is shared) == (action.mode == "continuous")
    rollout = play(batch, policy, [1, 2, 3, 4])
    assert rollout.paths.length.tolist() == [scenario.steps + 1] * 4
    assert rollout.counts["orders_sent"].sum() > 0


def test_the_mask_taken_from_the_observation_is_that_of_the_environment(tmp_path):
    scenario = load("calm", {"session.duration_s": 30})
    policy = NetworkPolicy.read(write_network(tmp_path / "a", action=MASKED), market_spec(scenario), "ppo:a")
    batch = markets_for(policy, Batch(scenario, 8, threads=1))
    seen = []

    def compare(_):
        deciding = batch.out.session[:, 0] == RUNNING
        held = batch.out.observation[deciding, 0, FIELDS.index("inventory")] != 0
        np.testing.assert_array_equal(batch.out.mask[deciding, 0, FLATTEN] == 1, held)
        seen.extend(held)

    play(batch, policy, range(8), compare)
    assert 0.1 < np.mean(seen) < 0.9


def test_a_policy_is_refused_in_a_batch_of_another_action_mode(tmp_path):
    scenario = load("calm", {"session.duration_s": 10})
    policy = NetworkPolicy.read(write_network(tmp_path / "a", action=MASKED), market_spec(scenario), "ppo:a")
    with pytest.raises(ValueError, match="action mode of the batch must be 'discrete', got 'continuous'"):
        play(Batch(scenario, 1), policy, [1])


# ------------------------------------------------------------ what is refused


def without(name):
    return {key: array for key, array in GOOD.items() if key != name}


PARAMETERS = network()
GOOD = weights(PARAMETERS, len(FIELDS))
ENDLESS = np.array([0, np.nan], np.float32)


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        (without("head.bias"), "tensors must be layer_0.weight, .*, head.bias, got layer_0.weight"),
        ({}, "tensors must be .* got none"),
        (GOOD | {"critic.weight": ENDLESS}, "tensors must be .*, got .*critic.weight"),
        (
            GOOD | {"layer_0.weight": GOOD["layer_0.weight"].T},
            r"layer_0.weight must have shape \(8, 35\), got \(35, 8\)",
        ),
        (GOOD | {"head.bias": ENDLESS}, "head.bias must be finite, got nan"),
        (GOOD | {"head.bias": np.array([np.inf, 0], np.float32)}, "head.bias must be finite, got inf"),
    ],
)
def test_weights_that_do_not_fit_are_refused_naming_the_file(tmp_path, tensors, message):
    write_network(tmp_path / "a", tensors=tensors)
    with pytest.raises(ArtefactError, match=message) as caught:
        NetworkPolicy.read(tmp_path / "a", CALM, "ppo:a")
    assert str(caught.value).startswith(f"{tmp_path / 'a' / WEIGHTS}: ")
    assert "\n" not in str(caught.value)


def test_missing_or_truncated_weights_are_refused_naming_the_file(tmp_path):
    path = write_network(tmp_path / "a") / WEIGHTS
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(ArtefactError, match=r"actor.safetensors: head.*: cut short: bytes \d+ to \d+ of \d+"):
        NetworkPolicy.read(tmp_path / "a", CALM, "ppo:a")
    path.unlink()
    with pytest.raises(ArtefactError, match="cannot be read: No such file"):
        NetworkPolicy.read(tmp_path / "a", CALM, "ppo:a")


def test_a_market_that_does_not_show_what_the_network_observes_is_refused(tmp_path):
    folder = write_network(tmp_path / "a", fields=("inventory", "moon_phase"))
    with pytest.raises(ArtefactError, match=f"{SIDECAR}: observation: the market has no field 'moon_phase'"):
        NetworkPolicy.read(folder, CALM, "ppo:a")


def test_a_market_in_which_its_actions_mean_other_distances_is_refused(tmp_path):
    wide = replace(CALM, max_offset_ticks=40.0)
    with pytest.raises(ArtefactError, match="mean parts of 20 ticks, those of the market parts of 40"):
        NetworkPolicy.read(write_network(tmp_path / "a"), wide, "ppo:a")
    assert NetworkPolicy.read(write_network(tmp_path / "b", action=MASKED), wide, "ppo:b").name == "ppo:b"


def test_tensor_shapes_are_those_of_the_layers():
    assert tensor_shapes((64,), 35, 2) == {
        "layer_0.weight": (64, 35),
        "layer_0.bias": (64,),
        "head.weight": (2, 64),
        "head.bias": (2,),
    }


def test_a_network_runs_without_torch(tmp_path):
    folder = write_network(tmp_path / "a")
    code = (
        "import sys, numpy, policies; from lobenv.scenario.loading import load;"
        f"p = policies.load('ppo:{folder}', policies.market_spec(load('calm')));"
        "p.reset(2, 0); print(p.act(numpy.zeros((2, 35), numpy.float32)).shape);"
        "print({'torch', 'stable_baselines3', 'safetensors', 'deap', 'sympy'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    assert done.stdout == "(2, 2)\nset()\n"
