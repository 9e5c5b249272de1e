"""The batch as Stable-Baselines3 sees it: equal to single environments, and learners learn on it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("stable_baselines3")
pytest.importorskip("sb3_contrib")

import gymnasium as gym
from sb3_contrib import MaskablePPO
from stable_baselines3 import PPO
from stable_baselines3.common.env_checker import check_env
from stable_baselines3.common.vec_env import VecMonitor, VecNormalize, VecVideoRecorder

from lobenv.adapters.sb3 import SB3VecEnv
from lobenv.engine.step import advance
from lobenv.roles.maker.observation import FIELDS
from tests.envs.rollouts import LIVELY, STEPS, STILL, Step, make, near_touch, play, rollout
from tests.envs.test_strategies import several

SEED = 31
HASTY = {"session.duration_s": 5.0, "session.warm_up_s": 2.0}  # ten steps


def batch(num_envs=3, **settings) -> Any:
    return SB3VecEnv(num_envs, **{"scenario": LIVELY, **settings})


def started(num_envs=3, seed=SEED, **settings):
    """A batch after its reset, and the observations."""
    envs = batch(num_envs, **settings)
    envs.seed(seed)
    return envs, envs.reset()


@pytest.mark.parametrize("observation", ["flat", "dict"])
@pytest.mark.parametrize("action", ["continuous", "discrete", "multidiscrete"])
def test_stable_baselines_finds_no_fault_with_the_single_environment(action, observation):
    check_env(make(action=action, observation=observation), warn=True, skip_render_check=False)


@pytest.mark.parametrize(("num_envs", "threads"), [(1, 1), (3, 2), (130, 2)])
def test_row_i_is_the_single_environment_with_seed_s_plus_i_over_several_sessions(num_envs, threads):
    envs, observations = started(num_envs, threads=threads, overrides=HASTY, full_info=True)
    actions = near_touch(5, 25 * num_envs).reshape(25, num_envs, 2)
    singles = [make(overrides=HASTY) for _ in range(num_envs)]
    for row, single in enumerate(singles):
        observation, info = single.reset(seed=SEED + row)
        assert observation.tobytes() == observations[row].tobytes()
        assert envs.reset_infos[row] == info
    for step in range(25):
        observations, rewards, dones, infos = envs.step(actions[step])
        assert rewards.dtype == np.float32
        for row, single in enumerate(singles):
            expected = Step(*single.step(actions[step, row]))
            assert (np.float32(expected.reward), expected.terminated) == (rewards[row], dones[row])
            assert infos[row].items() >= expected.info.items()
            last = expected.observation
            if expected.terminated:
                assert infos[row]["terminal_observation"].tobytes() == last.tobytes()
                assert infos[row]["TimeLimit.truncated"] is False
                last, _ = single.reset()
            assert observations[row].tobytes() == last.tobytes()
    envs.close()


def test_the_info_of_a_running_market_is_empty_unless_asked_for():
    envs, _ = started(overrides=HASTY)
    steps = [envs.step(near_touch(step, 3)) for step in range(10)]
    for *_, dones, infos in steps:
        assert all(bool(info) == done for info, done in zip(infos, dones, strict=True))
    *_, dones, infos = steps[-1]
    assert dones.all()
    assert {"pnl", "inventory", "terminal_observation", "TimeLimit.truncated"} <= set(infos[0])


def test_a_time_limit_is_told_from_an_end():
    envs, _ = started(max_episode_steps=4, overrides=HASTY)
    *_, dones, infos = play(envs, [near_touch(step, 3) for step in range(4)])
    assert dones.all()
    assert all(info["TimeLimit.truncated"] is True for info in infos)
    envs, _ = started(max_episode_steps=10, overrides=HASTY)
    *_, dones, infos = play(envs, [near_touch(step, 3) for step in range(10)])
    assert dones.all()
    assert all(info["TimeLimit.truncated"] is False for info in infos)


def test_a_seed_makes_a_reset_reproducible_and_is_used_once():
    envs, first = started()
    second = envs.reset()
    assert second.tobytes() != first.tobytes()
    single = make()
    single.reset(seed=SEED + 1)
    assert second[1].tobytes() == single.reset()[0].tobytes(), "the next session of the row's series"
    envs.seed(SEED)
    assert envs.reset().tobytes() == first.tobytes()
    assert batch().reset().tobytes() != batch().reset().tobytes(), "without a seed they differ"


def test_a_dict_observation_comes_as_a_dict_of_columns():
    flat = started()[1]
    columns_envs, columns = started(observation="dict")
    assert set(columns) == {field.name for field in FIELDS}
    assert np.concatenate(list(columns.values()), axis=1).tobytes() == flat.tobytes()
    *_, infos = play(columns_envs, [near_touch(step, 3) for step in range(STEPS)])
    assert {value.shape for value in infos[0]["terminal_observation"].values()} == {(1,)}


def test_observations_are_copies():
    envs, observations = started()
    kept = observations.copy()
    later, *_ = envs.step(near_touch(1, 3))
    assert observations.tobytes() == kept.tobytes()
    assert not np.shares_memory(later, envs.batch.out.observation)


# ------------------------------------------------------------ wrappers and learners


def test_the_monitor_reports_the_return_and_length_of_an_episode():
    envs = VecMonitor(batch(overrides=HASTY))
    envs.seed(SEED)
    envs.reset()
    actions = near_touch(1, 30).reshape(10, 3, 2)
    *_, infos = play(envs, actions)
    for row in range(3):
        steps = rollout(make(overrides=HASTY), actions[:, row], seed=SEED + row)
        assert infos[row]["episode"]["l"] == 10
        assert infos[row]["episode"]["r"] == pytest.approx(sum(step.reward for step in steps), abs=1e-4)


def test_observations_and_rewards_can_be_normalised():
    envs: Any = VecNormalize(batch(overrides=HASTY))
    envs.seed(SEED)
    observations = envs.reset()
    for step in range(25):
        observations, rewards, *_ = envs.step(near_touch(step, 3))
        assert np.abs(observations).max() <= 10.0
        assert np.isfinite(rewards).all()
    raw = envs.get_original_obs()
    assert raw in gym.vector.utils.batch_space(envs.observation_space, 3)


def test_ppo_learns_on_it():
    envs: Any = VecMonitor(batch(4, overrides=HASTY))
    model = PPO("MlpPolicy", envs, n_steps=32, batch_size=64, n_epochs=2, seed=1, device="cpu")
    model.learn(256)
    assert model.num_timesteps == 256
    assert model.ep_info_buffer
    actions, _ = model.predict(envs.reset(), deterministic=True)
    assert actions.shape == (4, 2)


def test_training_twice_with_one_seed_gives_one_model():
    weights = []
    for _ in range(2):
        model = PPO("MlpPolicy", batch(4, overrides=HASTY), n_steps=16, batch_size=32, n_epochs=1, seed=7, device="cpu")
        model.learn(128)
        weights.append([parameter.detach().numpy().tobytes() for parameter in model.policy.parameters()])
    assert weights[0] == weights[1]


@pytest.mark.parametrize("action", ["discrete", "multidiscrete"])
def test_maskable_ppo_learns_on_it(action):
    envs = VecMonitor(batch(4, action=action, overrides=HASTY))
    model = MaskablePPO("MlpPolicy", envs, n_steps=32, batch_size=64, n_epochs=2, seed=1, device="cpu")
    model.learn(256)
    assert model.num_timesteps == 256


def test_there_is_still_one_compiled_program():
    started()[0].step(near_touch(1, 3))
    assert len(getattr(advance, "signatures", [None])) == 1


# ------------------------------------------------------------ attributes and methods


def test_masks_are_asked_for_by_method():
    envs, _ = started(action="discrete")
    masks = np.stack(envs.env_method("action_masks"))
    assert masks.dtype == bool
    assert masks.tolist() == envs.action_masks().tolist()
    assert [mask.tolist() for mask in envs.env_method("action_masks", indices=[2, 0])] == masks[[2, 0]].tolist()
    assert envs.has_attr("action_masks")
    assert not batch().has_attr("action_masks"), "a continuous action has no mask"
    with pytest.raises(AttributeError):
        batch().env_method("action_masks")


def test_attributes_are_those_of_all_markets():
    envs = batch()
    assert envs.get_attr("max_episode_steps") == [None] * 3
    assert envs.get_attr("render_mode", indices=1) == [None]
    envs.set_attr("full_info", True)
    assert envs.full_info
    with pytest.raises(ValueError, match="full_info: the markets of a batch share their attributes"):
        envs.set_attr("full_info", False, indices=[0])
    with pytest.raises(AttributeError):
        envs.get_attr("charm")
    with pytest.raises(AttributeError, match="'charm' is not one of action_masks, snapshot, restore, render"):
        envs.env_method("charm")
    assert envs.env_is_wrapped(VecMonitor) == [False] * 3


def test_a_market_is_put_back_by_method():
    envs, _ = started(max_episode_steps=8)
    actions = near_touch(1, 24).reshape(8, 3, 2)
    play(envs, actions[:4])
    (snapshot,) = envs.env_method("snapshot", indices=1)
    expected = play(envs, actions[4:7])
    envs.env_method("restore", snapshot, indices=1)
    assert envs.step(actions[4])[2].tolist() == [True, False, True], "its steps are counted from its snapshot"
    observations, rewards, *_ = play(envs, actions[5:7])
    assert np.array(observations)[1].tobytes() == expected[0][1].tobytes()
    assert rewards[1] == expected[1][1]


def test_a_method_touches_only_the_markets_that_are_named():
    envs, _ = started(max_episode_steps=30)
    play(envs, [near_touch(1, 3)] * 2)
    snapshot = envs.env_method("snapshot", indices=0)[0]
    play(envs, [near_touch(2, 3)] * 2)
    before = envs.env_method("snapshot")
    envs.env_method("restore", snapshot, indices=[2])
    after = envs.env_method("snapshot")
    assert [a == b for a, b in zip(before, after, strict=True)] == [True, True, False]
    assert after[2] == snapshot


# ------------------------------------------------------------ pictures and options


def test_pictures_of_all_markets_are_tiled_and_recorded(tmp_path):
    pytest.importorskip("PIL")
    envs, _ = started(render_mode="rgb_array", overrides=HASTY)
    images = envs.get_images()
    single = make(render_mode="rgb_array", overrides=HASTY)
    single.reset(seed=SEED + 2)
    assert len(images) == 3
    assert np.array_equal(images[2], single.render())
    height, width, _ = images[0].shape
    assert envs.render().shape == (2 * height, 2 * width, 3)
    pytest.importorskip("moviepy")
    recorded = VecVideoRecorder(envs, str(tmp_path), record_video_trigger=lambda step: step == 0, video_length=4)
    recorded.reset()
    for step in range(6):
        recorded.step(near_touch(step, 3))
    recorded.close()
    assert [path.suffix for path in tmp_path.iterdir()] == [".mp4"]


def test_there_are_no_pictures_without_a_mode_and_texts_are_asked_for_by_method():
    assert started()[0].get_images() == [None] * 3
    envs, _ = started(render_mode="ansi")
    single = make(render_mode="ansi")
    single.reset(seed=SEED + 1)
    assert envs.env_method("render", indices=1) == [single.render()]


def test_another_scenario_is_set_for_the_next_reset_and_stays():
    envs, _ = started()
    envs.set_options({"scenario": STILL})
    assert envs.scenario.name == "lively", "not before the reset"
    envs.seed(SEED)
    observations = envs.reset()
    expected = started(scenario=STILL)[1]
    assert observations.tobytes() == expected.tobytes()
    envs.reset()
    assert envs.scenario.opening == started(scenario=STILL)[0].scenario.opening
    envs.set_options([{"scenario": LIVELY}] * 3)
    envs.reset()
    assert envs.scenario.name == "lively"
    envs.set_options(None)
    envs.reset()


@pytest.mark.parametrize(("options", "message"), [
    ({"scenario": "calmm"}, "calm"),
    ({"market": "calm"}, "options: 'market' is not one of scenario"),
    ({"reset_mask": np.ones(3, bool)}, "options: 'reset_mask' is not one of scenario"),
    ([{"scenario": "calm"}, {"scenario": "volatile"}, {}], "options must be the same for all 3 markets"),
    ([{"scenario": "calm"}], "options must be the same for all 3 markets"),
])  # fmt: skip
def test_options_that_cannot_be_kept_are_refused_in_one_line_and_nothing_is_lost(options, message):
    envs, _ = started()
    before = envs.env_method("snapshot")
    with pytest.raises(ValueError, match=message) as caught:
        envs.set_options(options)
    assert "\n" not in str(caught.value)
    assert envs.env_method("snapshot") == before
    envs.reset()
    assert envs.scenario.name == "lively"


@pytest.mark.parametrize("seed", [1.5, -1, True])
def test_a_seed_that_is_no_whole_number_is_refused(seed):
    envs, _ = started()
    with pytest.raises(ValueError, match=r"^seed must be"):
        envs.seed(seed)
    envs.reset()


def test_a_seed_of_any_size_is_taken():
    envs, observations = started(seed=2**64 - 1)
    single = make()
    assert observations[1].tobytes() == single.reset(seed=2**64)[0].tobytes()
    assert len({int(info["seed"]) for info in envs.reset_infos}) == 3


def test_a_strategy_plays_in_every_market():
    envs, observations = started(strategies=several)
    single = make(strategies=several)
    assert observations[2].tobytes() == single.reset(seed=SEED + 2)[0].tobytes()
    action = near_touch(1, 3)
    assert envs.step(action)[0][2].tobytes() == single.step(action[2])[0].tobytes()


def test_a_step_before_the_first_reset_is_refused():
    with pytest.raises(gym.error.ResetNeeded):
        batch().step(near_touch(1, 3))


def test_wrong_arguments_are_refused_in_one_line():
    for arguments, message in (
        ({"num_envs": 0}, "num_envs must be at least 1"),
        ({"max_episode_steps": 0}, "max_episode_steps must be at least 1"),
        ({"latency": "pigeon"}, "metro"),
        ({"action": "torque"}, "continuous"),
        ({"render_mode": "hologram"}, "ansi, rgb_array"),
        ({"threads": 1.5}, "threads must be a whole number"),
        ({"max_episode_steps": True}, "max_episode_steps must be a whole number"),
    ):
        with pytest.raises(ValueError, match=message) as caught:
            SB3VecEnv(**{"scenario": STILL, **arguments})
        assert "\n" not in str(caught.value)
    with pytest.raises(TypeError, match="bonus"):
        SB3VecEnv(2, bonus=1)
