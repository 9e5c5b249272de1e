"""The compiled batch against Gymnasium's `SyncVectorEnv` over single environments: the same, bit for bit."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers import TimeLimit
from gymnasium.wrappers.vector import RecordEpisodeStatistics

from lobenv import MARKET_MAKING
from lobenv.envs.market_making import MarketMakingEnv
from lobenv.envs.vector import MarketMakingVectorEnv
from tests.envs.rollouts import LIVELY, SHORT, STEPS, Step, digest, make, near_touch, play, rollout

# Some are stopped by the loss limit, so that sessions of a batch end at different times.
UNEVEN = {**SHORT, "learners.maker.loss_limit": 0.5}
SIZES_AND_THREADS = [(1, 1), (3, 2), (130, 1), (130, 2)]
MODES = list(AutoresetMode)
SEED = 21


def native(num_envs, mode=AutoresetMode.NEXT_STEP, threads=1, **settings):
    settings = {"scenario": LIVELY, "overrides": UNEVEN, **settings}
    return MarketMakingVectorEnv(num_envs, autoreset_mode=mode, threads=threads, **settings)


def stepwise(num_envs, mode, max_episode_steps=None, **settings):
    """Gymnasium's own loop over single environments."""

    def single():
        env = MarketMakingEnv(**{"scenario": LIVELY, "overrides": UNEVEN, **settings})
        return TimeLimit(env, max_episode_steps) if max_episode_steps else env

    return SyncVectorEnv([single] * num_envs, autoreset_mode=mode)


def actions_of(num_envs, steps, seed=0):
    """Random actions near the touch, (T, E, 2)."""
    return near_touch(seed, steps * num_envs).reshape(steps, num_envs, 2)


def assert_same_observation(a, b):
    if isinstance(b, dict):
        assert set(a) == set(b)
        assert all(a[name].tobytes() == b[name].tobytes() for name in b)
    else:
        assert a.tobytes() == b.tobytes()


def assert_same_infos(a: dict[str, Any], b: dict[str, Any]):
    """Masks are equal, and values where the mask says that there is one."""
    assert set(a) == set(b)
    for name in (name for name in b if not name.startswith("_")):
        present = b[f"_{name}"]
        np.testing.assert_array_equal(a[f"_{name}"], present)
        if isinstance(b[name], dict):
            assert_same_infos(a[name], b[name])
        elif name == "final_obs":
            assert a[name].dtype == object
            for row in np.flatnonzero(present):
                assert_same_observation(a[name][row], b[name][row])
            assert all(a[name][row] is None for row in np.flatnonzero(~present))
        else:
            assert a[name].dtype == b[name].dtype
            assert a[name][present].tobytes() == b[name][present].tobytes()


def assert_same_step(a, b):
    assert_same_observation(a[0], b[0])
    for ours, theirs in zip(a[1:4], b[1:4], strict=True):
        assert ours.dtype == theirs.dtype
        assert ours.tobytes() == theirs.tobytes()
    assert_same_infos(a[4], b[4])


@pytest.mark.parametrize("mode", MODES, ids=[mode.name for mode in MODES])
@pytest.mark.parametrize(("num_envs", "threads"), SIZES_AND_THREADS)
def test_a_batch_equals_single_environments_over_several_sessions(num_envs, threads, mode):
    batch, loop = native(num_envs, mode, threads), stepwise(num_envs, mode)
    ours, theirs = batch.reset(seed=SEED), loop.reset(seed=SEED)
    assert_same_observation(ours[0], theirs[0])
    assert_same_infos(ours[1], theirs[1])
    ended = np.zeros(num_envs, int)
    for actions in actions_of(num_envs, 2 * STEPS + 10):
        ours, theirs = batch.step(actions), loop.step(actions)
        assert_same_step(ours, theirs)
        done = ours[2] | ours[3]
        ended += done
        if mode == AutoresetMode.DISABLED and done.any():
            options = {"reset_mask": done.copy()}
            ours, theirs = batch.reset(options=options), loop.reset(options=dict(options))
            assert_same_observation(ours[0], theirs[0])
            assert_same_infos(ours[1], theirs[1])
    assert (ended >= 2).all()
    assert num_envs < 100 or len(set(ended.tolist())) > 1, "some ended early"
    batch.close()
    loop.close()


@pytest.mark.parametrize("mode", MODES[:2], ids=[mode.name for mode in MODES[:2]])
@pytest.mark.parametrize("settings", [
    {"action": "discrete", "observation": "dict"},
    {"action": "multidiscrete", "latency": "geo", "reward": "dampened", "fees": "nasdaq"},
])  # fmt: skip
def test_every_setting_reaches_the_batch(settings, mode):
    batch, loop = native(3, mode, **settings), stepwise(3, mode, **settings)
    assert batch.single_action_space == loop.single_action_space
    assert batch.action_space == loop.action_space
    assert batch.observation_space == loop.observation_space
    ours, theirs = batch.reset(seed=SEED), loop.reset(seed=SEED)
    assert ours[0] in batch.observation_space
    assert_same_observation(ours[0], theirs[0])
    assert_same_infos(ours[1], theirs[1])
    batch.action_space.seed(1)
    for _ in range(STEPS + 5):
        actions = batch.action_space.sample()
        assert_same_step(batch.step(actions), loop.step(actions))


@pytest.mark.parametrize("mode", MODES[:2], ids=[mode.name for mode in MODES[:2]])
def test_max_episode_steps_truncates_like_a_time_limit(mode):
    batch, loop = native(3, mode, max_episode_steps=15), stepwise(3, mode, max_episode_steps=15)
    batch.reset(seed=SEED)
    loop.reset(seed=SEED)
    truncations = 0
    for actions in actions_of(3, 50):
        ours, theirs = batch.step(actions), loop.step(actions)
        assert_same_step(ours, theirs)
        truncations += ours[3].sum()
    assert truncations >= 3


def test_a_session_that_ends_at_the_limit_is_terminated_not_truncated():
    batch = MarketMakingVectorEnv(2, max_episode_steps=STEPS, scenario=LIVELY)
    batch.reset(seed=1)
    _, _, terminated, truncated, _ = play(batch, actions_of(2, STEPS))
    assert terminated.all()
    assert not truncated.any()


def test_row_i_has_the_seed_s_plus_i():
    batch = MarketMakingVectorEnv(3, scenario=LIVELY)
    observations, _ = batch.reset(seed=100)
    for row in range(3):
        assert observations[row].tobytes() == make().reset(seed=100 + row)[0].tobytes()
    listed, _ = batch.reset(seed=[102, 100, 101])
    assert listed.tobytes() == observations[[2, 0, 1]].tobytes()


def test_a_reset_without_a_seed_goes_on_with_every_row_s_series():
    batch, single = MarketMakingVectorEnv(2, scenario=LIVELY), make()
    batch.reset(seed=5)
    single.reset(seed=6)
    for _ in range(2):
        assert batch.reset()[0][1].tobytes() == single.reset()[0].tobytes()


def test_rows_can_be_seeded_one_by_one():
    batch = MarketMakingVectorEnv(3, scenario=LIVELY)
    first, _ = batch.reset(seed=1)
    mixed, _ = batch.reset(seed=[None, 77, None])
    assert mixed[1].tobytes() == make().reset(seed=77)[0].tobytes()
    env = make()
    env.reset(seed=1)
    assert mixed[0].tobytes() == env.reset()[0].tobytes()
    assert mixed[0].tobytes() != first[0].tobytes()


def test_a_partial_reset_leaves_the_other_rows_as_they_were():
    batch = native(3, AutoresetMode.DISABLED)
    batch.reset(seed=1)
    observations = batch.step(actions_of(3, 1)[0])[0]
    kept = batch.snapshot(0), batch.snapshot(2)
    fresh, infos = batch.reset(seed=9, options={"reset_mask": np.array([False, True, False])})
    assert (batch.snapshot(0), batch.snapshot(2)) == kept
    assert fresh[[0, 2]].tobytes() == observations[[0, 2]].tobytes()
    assert fresh[1].tobytes() == make(overrides=UNEVEN).reset(seed=10)[0].tobytes()
    assert infos["_pnl"].tolist() == [False, True, False]


# ------------------------------------------------------------ made by id, with wrappers


def test_it_is_made_by_id_with_gymnasium_s_arguments():
    envs = gym.make_vec(MARKET_MAKING, num_envs=4, max_episode_steps=10, scenario=LIVELY)
    assert isinstance(envs, MarketMakingVectorEnv)
    assert envs.max_episode_steps == 10
    assert envs.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    assert "autoreset_mode" not in MarketMakingVectorEnv.metadata
    assert envs.spec is not None
    assert envs.spec.id == MARKET_MAKING
    loop = gym.make_vec(MARKET_MAKING, num_envs=4, max_episode_steps=10, scenario=LIVELY, vectorization_mode="sync")
    assert_same_observation(envs.reset(seed=3)[0], loop.reset(seed=3)[0])
    for actions in actions_of(4, 25):
        ours, theirs = envs.step(actions), loop.step(actions)
        assert_same_observation(ours[0], theirs[0])
        assert ours[3].tolist() == theirs[3].tolist()
    envs.close()
    loop.close()


@pytest.mark.parametrize("mode", MODES[:2], ids=[mode.name for mode in MODES[:2]])
def test_episode_statistics_are_those_of_the_single_environments(mode):
    envs = RecordEpisodeStatistics(native(3, mode, overrides=None))
    envs.reset(seed=SEED)
    actions = actions_of(3, STEPS)
    *_, infos = play(envs, actions)
    assert infos["_episode"].all()
    assert infos["episode"]["l"].tolist() == [STEPS] * 3
    for row in range(3):
        steps = rollout(make(), actions[:, row], seed=SEED + row)
        assert infos["episode"]["r"][row] == pytest.approx(sum(step.reward for step in steps), rel=1e-5)


def test_the_info_of_one_row_is_that_of_its_single_environment():
    envs, single = MarketMakingVectorEnv(3, scenario=LIVELY, action="discrete"), make(action="discrete")
    envs.reset(seed=1)
    single.reset(seed=2)
    play(envs, [np.full(3, choice) for choice in (0, 3, 5)])
    *_, info = play(single, (0, 3, 5))
    assert {name: np.asarray(value).tolist() for name, value in envs.info(1).items()} == {
        name: np.asarray(value).tolist() for name, value in info.items()
    }
    assert envs.action_masks()[1].tolist() == single.action_masks().tolist()


def test_every_market_is_drawn_with_the_history_of_its_own_session():
    envs = MarketMakingVectorEnv(
        2, scenario=LIVELY, render_mode="ansi", max_episode_steps=3, autoreset_mode="SAME_STEP"
    )
    singles = [make(render_mode="ansi") for _ in range(2)]
    envs.reset(seed=1)
    for row, single in enumerate(singles):
        single.reset(seed=1 + row)
    for actions in actions_of(2, 4):
        *_, truncated, _ = envs.step(actions)
        for row, single in enumerate(singles):
            single.step(actions[row])
            if truncated[row]:
                single.reset()
        assert envs.render() == tuple(single.render() for single in singles)


def test_another_scenario_can_be_chosen_at_reset_for_all_markets():
    envs = native(2)
    envs.reset(seed=1)
    observations, _ = envs.reset(seed=3, options={"scenario": {**LIVELY, "name": "other", "books": [{"name": "SIM"}]}})
    assert envs.scenario.name == "other"
    expected, _ = native(2, scenario=envs.scenario).reset(seed=3)
    assert observations.tobytes() == expected.tobytes()
    options = {"scenario": LIVELY, "reset_mask": np.array([True, False])}
    before = envs.snapshot(0)
    with pytest.raises(ValueError, match="options: scenario is the same for all markets"):
        envs.reset(options=options)
    assert envs.snapshot(0) == before


def test_what_was_returned_is_never_written_to_again():
    envs = MarketMakingVectorEnv(2, scenario=LIVELY, action="discrete")
    observation, infos = envs.reset(seed=1)
    returned = [observation, *infos.values()]
    kept = [value.copy() for value in returned]
    step = play(envs, [np.zeros(2, int)] * 3)
    assert all(a.tobytes() == b.tobytes() for a, b in zip(returned, kept, strict=True))
    for array in [*step[:4], *(value for name, value in step[4].items() if not name.startswith("_"))]:
        assert not any(np.shares_memory(array, output) for output in envs.batch.out)


# ------------------------------------------------------------ wrong calls


def test_a_step_before_the_first_reset_is_refused():
    for mode in MODES:
        with pytest.raises(gym.error.ResetNeeded):
            native(2, mode).step(actions_of(2, 1)[0])


def test_without_autoreset_a_step_after_the_end_is_refused_and_nothing_is_lost():
    envs = native(2, AutoresetMode.DISABLED, max_episode_steps=3)
    envs.reset(seed=1)
    for actions in actions_of(2, 3):
        envs.step(actions)
    before = [envs.snapshot(row) for row in range(2)]
    with pytest.raises(gym.error.ResetNeeded):
        envs.step(actions_of(2, 1)[0])
    envs.reset(options={"reset_mask": np.array([True, False])})
    with pytest.raises(gym.error.ResetNeeded):
        envs.step(actions_of(2, 1)[0])
    assert envs.snapshot(1) == before[1]


@pytest.mark.parametrize(("options", "message"), [
    ({"mask": np.ones(2, bool)}, "options: 'mask' is not one of scenario, reset_mask"),
    ({"scenario": "calmm"}, "calm"),
    ({"reset_mask": np.zeros(2, bool)}, "at least one True"),
    ({"reset_mask": np.ones(3, bool)}, r"reset_mask must be \(2,\) bool"),
    ({"reset_mask": np.array([0, 1])}, r"reset_mask must be \(2,\) bool"),
])  # fmt: skip
def test_wrong_options_are_refused_and_nothing_is_lost(options, message):
    envs = native(2)
    envs.reset(seed=1)
    before = envs.snapshot(0)
    with pytest.raises(ValueError, match=message):
        envs.reset(seed=5, options=options)
    assert envs.snapshot(0) == before


def test_a_row_does_not_depend_on_the_size_of_the_batch():
    actions = near_touch(3, STEPS)
    alone = digest(rollout(make(), actions, seed=SEED + 64))
    for size, row in ((65, 64), (130, 64)):
        envs = MarketMakingVectorEnv(size, scenario=LIVELY, threads=2)
        observations, _ = envs.reset(seed=SEED)
        steps = [(observations[row], 0.0, False, False, envs.info(row))]
        for action in actions:
            step = envs.step(np.broadcast_to(action, (size, 2)))
            steps.append((step[0][row], float(step[1][row]), bool(step[2][row]), bool(step[3][row]), envs.info(row)))
        assert digest([Step(*step) for step in steps]) == alone
        envs.close()
