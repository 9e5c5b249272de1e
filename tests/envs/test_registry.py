"""What every registered environment of the package keeps to, as a single one and as a batch."""

from __future__ import annotations

import copy
import pickle
import warnings
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers import RecordEpisodeStatistics, RecordVideo
from gymnasium.wrappers.vector import RecordVideo as RecordVideos

from lobenv.scenario import load
from tests.envs.rollouts import BRIEF, LIVELY, advance, digest, rollout, sampled

SPECS = [spec for spec in gym.registry.values() if str(spec.entry_point).startswith("lobenv.")]
IDS = sorted(spec.id for spec in SPECS)
VECTOR_IDS = sorted(spec.id for spec in SPECS if spec.vector_entry_point is not None)
SEED = 5

every_id = pytest.mark.parametrize("name", IDS)
every_vector_id = pytest.mark.parametrize("name", VECTOR_IDS)


def single(name: str, **settings: Any) -> Any:
    return gym.make(name, **{"scenario": LIVELY, "overrides": BRIEF, **settings})


def batch(name: str, num_envs: int = 3, **settings: Any) -> Any:
    return gym.make_vec(name, num_envs=num_envs, **{"scenario": LIVELY, "overrides": BRIEF, **settings})


def half_played(name: str, **settings: Any) -> tuple[Any, list[Any]]:
    """An environment in the midst of a session, and actions for the rest of it."""
    env = single(name, **settings)
    actions = sampled(env.action_space, SEED, 200)
    rollout(env, actions[:3], seed=SEED)
    return env, actions[3:]


def test_there_is_something_to_check():
    assert "Sentinel-MM-v0" in IDS
    assert "Sentinel-MM-v0" in VECTOR_IDS


# ------------------------------------------------------------ single


@every_id
def test_gymnasium_finds_no_fault(name):
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        check_env(single(name).unwrapped)


@every_id
def test_a_whole_episode_passes_the_passive_checks(name):
    env = single(name)
    steps = rollout(env, sampled(env.action_space, SEED, 10_000), seed=SEED)
    assert steps[-1].terminated
    assert all(step.observation in env.observation_space for step in steps)
    assert all(type(step.reward) is float for step in steps)


@every_id
def test_one_seed_is_one_episode_and_another_is_another(name):
    env = single(name)
    actions = sampled(env.action_space, SEED, 10)
    first = digest(rollout(env, actions, seed=SEED))
    assert digest(rollout(env, actions, seed=SEED)) == first
    assert digest(rollout(single(name), actions, seed=SEED)) == first
    assert digest(rollout(env, actions, seed=SEED + 1)) != first


@every_id
def test_info_holds_numpy_values_of_fixed_type_and_the_seed_that_plays_the_market_again(name):
    env = single(name)
    steps = rollout(env, sampled(env.action_space, SEED, 5))
    types = {key: (type(value), value.dtype) for key, value in steps[0].info.items()}
    assert all(isinstance(value, np.generic | np.ndarray) for value in steps[0].info.values())
    assert all({key: (type(value), value.dtype) for key, value in step.info.items()} == types for step in steps)
    seed = int(steps[0].info["seed"])
    assert digest(rollout(env, sampled(env.action_space, SEED, 5), seed=seed)) == digest(steps)


@every_id
def test_a_snapshot_goes_on_bit_for_bit_and_into_the_same_next_session(name):
    env, actions = half_played(name)
    snapshot = env.unwrapped.snapshot()
    first = digest(advance(env, actions)), digest(rollout(env, actions))
    other = single(name)
    other.reset(seed=SEED + 90)
    for restored in (env, other):
        restored.unwrapped.restore(pickle.loads(pickle.dumps(snapshot)))
        assert (digest(advance(restored, actions)), digest(rollout(restored, actions))) == first


@every_id
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))], ids=["copy", "pickle"])
def test_a_copy_goes_on_by_itself(name, copied):
    env, actions = half_played(name)
    env = env.unwrapped
    twin = copied(env)
    assert digest(advance(twin, actions)) == digest(advance(env, actions))
    assert digest(rollout(twin, actions[:3])) == digest(rollout(env, actions[:3]))


@every_id
def test_it_says_how_to_make_it_again_in_json(name, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("base: calm\n")
    for scenario in (load(LIVELY), path, LIVELY, "calm"):
        env = single(name, scenario=scenario, max_episode_steps=6)
        actions = sampled(env.action_space, SEED, 6)
        again = gym.make(EnvSpec.from_json(env.spec.to_json()))
        assert digest(rollout(again, actions, seed=SEED)) == digest(rollout(env, actions, seed=SEED))


@every_id
def test_every_render_mode_gives_what_it_promises(name):
    modes = gym.make(name).metadata["render_modes"]
    assert "ansi" in modes
    for mode in modes:
        env, actions = half_played(name, render_mode=mode)
        picture = env.render()
        if mode == "ansi":
            assert isinstance(picture, str)
        else:
            assert (picture.dtype, picture.ndim, picture.shape[-1]) == (np.uint8, 3, 3)
        plain, _ = half_played(name)
        assert digest(advance(env, actions)) == digest(advance(plain, actions)), "drawing changes nothing"


@every_id
def test_wrappers_of_gymnasium_work(name, tmp_path):
    env = RecordEpisodeStatistics(single(name, max_episode_steps=4))
    steps = rollout(env, sampled(env.action_space, SEED, 9), seed=SEED)
    assert (steps[-1].terminated, steps[-1].truncated) == (False, True)
    assert steps[-1].info["episode"]["l"] == 4
    pytest.importorskip("moviepy")
    pytest.importorskip("PIL")
    env = RecordVideo(
        single(name, render_mode="rgb_array"), str(tmp_path / "videos"), episode_trigger=lambda episode: True
    )
    rollout(env, sampled(env.action_space, SEED, 10_000), seed=SEED)
    env.close()
    assert [path.suffix for path in (tmp_path / "videos").iterdir()] == [".mp4"]


@every_id
def test_a_step_needs_a_running_session(name):
    env = single(name).unwrapped
    action = env.action_space.sample()
    with pytest.raises(gym.error.ResetNeeded):
        env.step(action)
    rollout(env, sampled(env.action_space, SEED, 10_000), seed=SEED)
    with pytest.raises(gym.error.ResetNeeded):
        env.step(action)
    env.reset()
    env.step(action)


# ------------------------------------------------------------ batches


@every_vector_id
@pytest.mark.parametrize("mode", list(AutoresetMode), ids=[mode.name for mode in AutoresetMode])
def test_row_i_is_the_single_environment_with_the_seed_s_plus_i(name, mode):
    envs = batch(name, autoreset_mode=mode)
    observations, infos = envs.reset(seed=SEED)
    actions = [sampled(envs.single_action_space, SEED + row, 6) for row in range(3)]
    assert infos["seed"].tolist() == [SEED, SEED + 1, SEED + 2]
    rows = [single(name) for _ in range(3)]
    expected = [rollout(rows[row], actions[row], seed=SEED + row) for row in range(3)]
    for step in range(6):
        observations, rewards, terminated, _, infos = envs.step(np.stack([actions[row][step] for row in range(3)]))
        for row in range(3):
            assert observations[row].tobytes() == expected[row][step + 1].observation.tobytes()
            assert (rewards[row], terminated[row]) == expected[row][step + 1][1:3]
            assert all(
                infos[key][row].tobytes() == value.tobytes() for key, value in expected[row][step + 1].info.items()
            )
    envs.close()


@every_vector_id
def test_every_market_of_a_batch_is_drawn_and_recorded(name, tmp_path):
    for mode in gym.make(name).metadata["render_modes"]:
        envs, alone = batch(name, render_mode=mode), single(name, render_mode=mode)
        envs.reset(seed=SEED)
        alone.reset(seed=SEED + 2)
        pictures = envs.render()
        assert len(pictures) == 3
        assert np.array_equal(pictures[2], alone.render())
    pytest.importorskip("moviepy")
    pytest.importorskip("PIL")
    envs = RecordVideos(
        batch(name, render_mode="rgb_array"), str(tmp_path / "videos"), episode_trigger=lambda episode: episode == 0
    )
    envs.action_space.seed(SEED)
    envs.reset(seed=SEED)
    for _ in range(12):
        envs.step(envs.action_space.sample())
    envs.close()
    assert [path.suffix for path in (tmp_path / "videos").iterdir()] == [".mp4"]


@every_vector_id
def test_a_batch_says_how_to_make_it_again_in_json(name):
    envs = batch(name, scenario=load(LIVELY), autoreset_mode=AutoresetMode.SAME_STEP)
    again = gym.make_vec(EnvSpec.from_json(envs.spec.to_json()))
    assert (again.num_envs, again.metadata["autoreset_mode"]) == (3, AutoresetMode.SAME_STEP)
    assert again.reset(seed=SEED)[0].tobytes() == envs.reset(seed=SEED)[0].tobytes()


@every_vector_id
@pytest.mark.parametrize("mode", list(AutoresetMode), ids=[mode.name for mode in AutoresetMode])
def test_an_autoreset_mode_is_given_by_either_of_its_names(name, mode):
    for spelling in (mode, mode.name, mode.value):
        assert batch(name, autoreset_mode=spelling).metadata["autoreset_mode"] is mode


# ------------------------------------------------------------ what is refused

WRONG_FOR_ANY = {
    "render mode": ({"render_mode": "hologram"}, "render_mode: 'hologram' is not one of ansi, rgb_array"),
    "scenario": ({"scenario": "calmm"}, "calm"),
    "strategies": ({"strategies": [1]}, "strategies must be a sequence of Strategy"),
}
WRONG_FOR_BATCHES = {
    **WRONG_FOR_ANY,
    "threads": ({"threads": 1.5}, "threads must be a whole number, got 1.5"),
    "true threads": ({"threads": True}, "threads must be a whole number, got True"),
    "steps": ({"max_episode_steps": 1.5}, "max_episode_steps must be a whole number, got 1.5"),
    "no steps": ({"max_episode_steps": 0}, "max_episode_steps must be at least 1, got 0"),
    "autoreset": ({"autoreset_mode": "sometimes"}, "NEXT_STEP, SAME_STEP, DISABLED"),
    "number": ({"num_envs": 2.0}, "num_envs must be a whole number, got 2.0"),
}


def refused(call, message):
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


@every_id
@pytest.mark.parametrize("wrong", WRONG_FOR_ANY)
@pytest.mark.filterwarnings("ignore:.*render_mode.*")
def test_a_wrong_argument_is_refused_in_one_line(name, wrong):
    settings, message = WRONG_FOR_ANY[wrong]
    refused(lambda: single(name, **settings), message)


@every_vector_id
@pytest.mark.parametrize("wrong", WRONG_FOR_BATCHES)
def test_a_wrong_argument_of_a_batch_is_refused_in_one_line(name, wrong):
    settings, message = WRONG_FOR_BATCHES[wrong]
    refused(lambda: batch(name, **settings), message)


@every_id
def test_an_argument_that_there_is_not_is_named(name):
    with pytest.raises(TypeError, match="'bonus' is not one of scenario, overrides"):
        single(name, bonus=1)


@every_id
@pytest.mark.parametrize("seed", [-1, 1.5, True, "7"])
def test_a_seed_that_is_no_whole_number_is_refused_and_the_session_goes_on(name, seed):
    env, actions = half_played(name)
    twin, _ = half_played(name)
    refused(lambda: env.reset(seed=seed), r"^seed must be .*$")
    assert digest(advance(env.unwrapped, actions)) == digest(advance(twin.unwrapped, actions))


@every_vector_id
@pytest.mark.parametrize("seed", [[1, 2, 2.5], [1, 2, True], [1, 2], -1, 1.5, True, "789"])
def test_seeds_that_are_no_whole_numbers_are_refused_and_the_sessions_go_on(name, seed):
    envs = batch(name)
    envs.reset(seed=SEED)
    before = [envs.snapshot(row) for row in range(3)]
    refused(lambda: envs.reset(seed=seed), r"^seed must be .*$")
    assert [envs.snapshot(row) for row in range(3)] == before


@every_vector_id
def test_seeds_of_any_size_are_taken_and_row_i_still_has_the_seed_s_plus_i(name):
    env, envs = single(name), batch(name)
    env.reset()
    huge = env.unwrapped.np_random_seed
    assert huge >= 2**64
    for seed in (huge, 2**64 - 2, 2**63, 2**64, 10**50):
        observations, infos = envs.reset(seed=seed)
        assert len(set(infos["seed"].tolist())) == 3
        for row in range(3):
            assert observations[row].tobytes() == env.reset(seed=seed + row)[0].tobytes()
