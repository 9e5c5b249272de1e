"""`Sentinel-MM-v0` against Gymnasium's own checks, its arguments, and what it says when they are wrong."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from lobenv import MARKET_MAKING
from lobenv.envs.market_making import MarketMakingEnv
from lobenv.roles.maker.observation import FIELDS, INDEX
from lobenv.scenario import load, presets
from tests.envs.rollouts import (
    SHORT,
    STEPS,
    STILL,
    advance,
    digest,
    fresh_process,
    make,
    near_touch,
    own_account,
    rollout,
    sampled,
)

ACTIONS = ("continuous", "discrete", "multidiscrete")
OBSERVATIONS = ("flat", "dict")


@pytest.mark.parametrize("observation", OBSERVATIONS)
@pytest.mark.parametrize("action", ACTIONS)
def test_gymnasium_finds_no_fault(action, observation):
    env = gym.make(MARKET_MAKING, action=action, observation=observation, overrides=SHORT)
    check_env(env.unwrapped)
    env.close()


@pytest.mark.parametrize("observation", OBSERVATIONS)
@pytest.mark.parametrize("action", ACTIONS)
def test_a_whole_episode_passes_the_passive_checks(action, observation):
    env = gym.make(MARKET_MAKING, action=action, observation=observation, overrides=SHORT)
    steps = rollout(env, sampled(env.action_space, 1, STEPS + 5), seed=2)
    assert len(steps) == 1 + STEPS
    assert [step.terminated for step in steps] == [False] * STEPS + [True]
    assert not any(step.truncated for step in steps)
    for step in steps:
        assert step.observation in env.observation_space
        assert type(step.reward) is float


def test_the_dict_observation_holds_the_columns_of_the_flat_one():
    actions = near_touch(1, 10)
    flat = rollout(make(), actions, seed=5)
    columns = rollout(make(observation="dict"), actions, seed=5)
    for a, b in zip(flat, columns, strict=True):
        assert list(b.observation) == [field.name for field in FIELDS]
        assert np.concatenate(list(b.observation.values())).tobytes() == a.observation.tobytes()


def test_what_was_returned_is_never_written_to_again():
    env = make(action="discrete", render_mode=None)
    observation, info = env.reset(seed=1)
    kept, mask = observation.copy(), info["action_mask"].copy()
    later, _, _, _, later_info = env.step(0)
    assert not np.shares_memory(observation, later)
    assert not np.shares_memory(info["action_mask"], later_info["action_mask"])
    assert not any(np.shares_memory(observation, output) for output in env.batch.out)
    later[:] = 7.0
    env.step(1)
    assert observation.tobytes() == kept.tobytes()
    assert info["action_mask"].tobytes() == mask.tobytes()
    assert (later == 7.0).all()


def test_the_info_has_the_same_plain_keys_at_every_step():
    for action in ACTIONS:
        env = make(action=action)
        steps = rollout(env, sampled(env.action_space, 3, STEPS), seed=1)
        assert all(list(step.info) == list(steps[0].info) for step in steps)
        plain = [value for name, value in steps[-1].info.items() if name != "action_mask"]
        assert all(isinstance(value, np.generic) for value in plain)
        assert ("action_mask" in steps[0].info) == (action != "continuous")


@pytest.mark.parametrize("mode", ["ansi", "rgb_array"])
def test_drawing_changes_nothing(mode):
    actions = near_touch(4, 12)
    plain = rollout(make(), actions, seed=6)
    env = make(render_mode=mode)
    steps = rollout(env, [], seed=6)
    for action in actions:
        picture = env.render()
        assert isinstance(picture, str) if mode == "ansi" else picture.dtype == np.uint8
        steps += advance(env, [action])
    assert digest(steps) == digest(plain)


# ------------------------------------------------------------ arguments


def test_a_scenario_is_a_name_a_path_a_mapping_or_an_object(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("base: calm\n")
    actions = near_touch(1, 5)
    named = digest(rollout(make(scenario="calm"), actions, seed=3))
    for source in (path, str(path), {"base": "calm"}, load("calm")):
        assert digest(rollout(make(scenario=source), actions, seed=3)) == named


@pytest.mark.parametrize("preset", sorted(set(presets()) - {"replay"}))
def test_every_preset_can_be_traded(preset):
    env = make(scenario=preset, overrides={"session.duration_s": 5.0, "learners.maker.decision_interval_s": 0.5})
    steps = rollout(env, near_touch(1, 10), seed=1)
    assert len(steps) == 11
    assert steps[-1].terminated
    assert all(step.observation in env.observation_space for step in steps)
    assert own_account(env)["orders_sent"] > 0


def test_latency_and_fees_are_shorthands_of_overrides():
    env = make(latency="geo", fees="nasdaq")
    assert env.scenario.maker.latency == "geo"
    assert env.scenario.books[0].fees.maker_per_share == -0.0020
    env = make(fees={"taker_bps": 2.0})
    assert env.scenario.books[0].fees.model_dump() == {
        "maker_per_share": 0.0, "taker_per_share": 0.0, "maker_bps": 0.0, "taker_bps": 2.0,
    }  # fmt: skip


def test_another_scenario_can_be_chosen_at_reset_and_stays():
    env = make()
    env.reset(seed=1)
    env.reset(seed=1, options={"scenario": {"base": "calm", "agents": {"retail": {"count": 7}}}})
    assert env.scenario.agents["retail"].count == 7
    assert env.scenario.session.duration_s == SHORT["session.duration_s"], "the overrides still apply"
    steps = rollout(env, near_touch(1, 5), seed=9)
    fresh = make(scenario=env.scenario)
    assert digest(steps) == digest(rollout(fresh, near_touch(1, 5), seed=9))


WRONG = {
    "action": ({"action": "torque"}, "continuous"),
    "observation": ({"observation": "pixels"}, "flat, dict"),
    "reward": ({"reward": "glory"}, "inventory"),
    "reward field": ({"reward": {"mode": "pnl", "bonus": 1.0}}, "bonus"),
    "latency": ({"latency": "pigeon"}, "metro"),
    "fees": ({"fees": "gratis"}, "nasdaq"),
    "fee field": ({"fees": {"maker": 1.0}}, "maker"),
    "scenario": ({"scenario": "calmm"}, "calm"),
    "override": ({"overrides": {"session.duration": 5}}, "duration_s"),
    "render mode": ({"render_mode": "hologram"}, "rgb_array"),
}


@pytest.mark.parametrize("settings", WRONG)
def test_a_wrong_argument_is_one_line_that_says_what_is_allowed(settings):
    arguments, allowed = WRONG[settings]
    with pytest.raises(ValueError, match=allowed) as caught:
        MarketMakingEnv(**arguments)
    assert "\n" not in str(caught.value)


def test_an_unknown_option_is_an_error_and_the_session_goes_on():
    env, twin = make(), make()
    actions = near_touch(1, 6)
    rollout(env, actions[:3], seed=1)
    rollout(twin, actions[:3], seed=1)
    with pytest.raises(ValueError, match="options: 'market' is not one of scenario"):
        env.reset(options={"market": "calm"})
    with pytest.raises(ValueError, match="calm"):
        env.reset(options={"scenario": "calmm"})
    assert digest(advance(env, actions[3:])) == digest(advance(twin, actions[3:]))


def test_a_scenario_without_a_single_decision_is_refused():
    with pytest.raises(ValueError, match="duration_s"):
        MarketMakingEnv(scenario={**STILL, "session": {"duration_s": 0.2}})


def test_an_action_of_the_wrong_kind_is_refused_and_the_session_goes_on():
    env, twin = make(), make()
    actions = near_touch(1, 6)
    rollout(env, actions[:3], seed=1)
    rollout(twin, actions[:3], seed=1)
    for wrong in (np.zeros(3), [np.nan, 0.0], "up", None):
        with pytest.raises(ValueError, match=r"^action must"):
            env.step(wrong)
    assert digest(advance(env, actions[3:])) == digest(advance(twin, actions[3:]))


def test_a_continuous_action_beyond_an_end_of_its_range_is_taken_for_that_end():
    beyond, ends = make(), make()
    outside = [np.array(pair) for pair in ((2.0, 0.0), (-3.0, -1.5), (-1.1, 7.0), (1e300, -1e300))]
    assert digest(rollout(beyond, outside, seed=1)) == digest(rollout(ends, np.clip(outside, -1.0, 1.0), seed=1))


def test_masks_are_there_only_where_the_action_is_discrete():
    for action in ACTIONS:
        env = make(action=action)
        assert hasattr(env, "action_masks") == (action != "continuous")
        assert gym.make(MARKET_MAKING, action=action).has_wrapper_attr("action_masks") == (action != "continuous")
    env = make(action="discrete")
    env.reset(seed=1)
    assert env.action_masks().dtype == bool
    assert env.action_masks().tolist() == env.reset(seed=1)[1]["action_mask"].astype(bool).tolist()


def test_the_touch_of_an_empty_side_is_nan():
    env = make(scenario={"opening": {"levels": 0}, "session": {"duration_s": 10.0, "warm_up_s": 1.0}})
    _, info = env.reset(seed=1)
    assert np.isnan(info["best_bid"])
    assert np.isnan(info["best_ask"])


def test_the_kill_switch_is_told():
    env = make(overrides={"learners.maker.loss_limit": 0.01, "session.duration_s": 60.0})
    steps = rollout(env, near_touch(1, 120), seed=1)
    assert steps[-1].terminated
    assert [int(step.info["killed"]) for step in steps] == [0] * (len(steps) - 1) + [1]


WITHOUT_PILLOW = """
import sys
sys.modules["PIL"] = None
import gymnasium as gym
from gymnasium.utils.env_checker import check_env
from gymnasium.error import DependencyNotInstalled
from tests.envs.rollouts import BRIEF
env = gym.make("lobenv:Sentinel-MM-v0", overrides=BRIEF)
assert env.metadata["render_modes"] == ["ansi"]
check_env(env.unwrapped)
try:
    gym.make("lobenv:Sentinel-MM-v0", render_mode="rgb_array")
except DependencyNotInstalled as error:
    print(error)
"""


def test_without_pillow_the_checks_pass_and_pictures_say_what_to_install():
    assert 'pip install "lobenv[render]"' in fresh_process(WITHOUT_PILLOW)


def test_closing_twice_does_no_harm_and_a_closed_environment_can_be_reset():
    env = make()
    env.reset(seed=1)
    env.close()
    env.close()
    env.reset(seed=1)


def test_the_observation_table_of_the_docstring_has_every_column():
    rows = [line for line in (MarketMakingEnv.__doc__ or "").splitlines() if line.strip().startswith("| ")]
    numbers = [row.split("|")[1].strip() for row in rows]
    spans = [number.split("-") for number in numbers if number and number[0].isdigit()]
    covered = [i for span in spans for i in range(int(span[0]), int(span[-1]) + 1)]
    assert covered == list(range(len(FIELDS)))
    assert {field.name: i for i, field in enumerate(FIELDS)} == INDEX
