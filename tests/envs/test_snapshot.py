"""Copies of a running market, however they are made, go on bit for bit."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest

from lobenv import MARKET_MAKING
from lobenv.engine.batch import Batch
from lobenv.engine.store import Snapshot
from lobenv.envs.vector import MarketMakingVectorEnv
from lobenv.scenario import external_of, load
from tests.envs.rollouts import LIVELY, STEPS, advance, digest, fresh_process, make, near_touch, play, rollout, sampled

HALF = STEPS // 2
ACTIONS = near_touch(8, STEPS)

RESTORE_ELSEWHERE = """
import pickle, sys
from pathlib import Path
from tests.envs.rollouts import advance, digest, make
kept, actions = pickle.loads(Path(sys.argv[1]).read_bytes())
env = kept
if sys.argv[2] == "snapshot":
    env = make()
    env.restore(kept)
print(digest(advance(env, actions)))
"""


def in_mid_episode(seed=4, **settings):
    """An environment half through its session, with quotes in the book and messages under way."""
    env = make(**settings)
    rollout(env, ACTIONS[:HALF], seed=seed)
    return env


def test_a_restored_market_goes_on_as_it_did_as_often_as_one_likes():
    env = in_mid_episode()
    snapshot = env.snapshot()
    first = digest(advance(env, ACTIONS[HALF:]))
    for _ in range(2):
        env.restore(snapshot)
        assert env.snapshot() == snapshot
        assert digest(advance(env, ACTIONS[HALF:])) == first


def test_a_snapshot_is_a_copy():
    env = in_mid_episode()
    snapshot, same = env.snapshot(), env.snapshot()
    env.step(ACTIONS[0])
    assert snapshot == same
    assert env.snapshot() != snapshot


def test_a_snapshot_can_be_restored_in_an_environment_that_was_never_reset():
    env, other = in_mid_episode(), make()
    other.restore(env.snapshot())
    assert digest(advance(other, ACTIONS[HALF:])) == digest(advance(env, ACTIONS[HALF:]))


def test_a_restored_environment_goes_on_with_the_series_of_sessions_of_the_snapshot():
    env, other = in_mid_episode(seed=4), make()
    env.reset()
    advance(env, ACTIONS[:3])
    snapshot = env.snapshot()
    rollout(other, [], seed=77)
    other.restore(snapshot)
    series = [digest(rollout(env, ACTIONS[:5])) for _ in range(2)]
    assert [digest(rollout(other, ACTIONS[:5])) for _ in range(2)] == series


def test_a_snapshot_through_a_file_keeps_the_series(tmp_path):
    env, other = in_mid_episode(seed=2**64 - 1), make()
    env.snapshot().save(tmp_path / "kept.npz")
    other.restore(Snapshot.load(tmp_path / "kept.npz"))
    assert digest(rollout(other, ACTIONS[:5])) == digest(rollout(env, ACTIONS[:5]))


@pytest.mark.parametrize("settings", [
    {"action": "discrete"},
    {"reward": "pnl"},
    {"reward": {"inventory_aversion": 0.02}},
])  # fmt: skip
def test_the_snapshot_of_another_way_to_act_or_to_be_paid_is_refused_and_nothing_changes(settings):
    env, other = in_mid_episode(), make(**settings)
    other.reset(seed=1)
    before = env.snapshot()
    with pytest.raises(ValueError, match="another way to act or to be paid") as caught:
        env.restore(other.snapshot())
    assert "\n" not in str(caught.value)
    assert env.snapshot() == before
    assert digest(rollout(env, ACTIONS[:5])) == digest(rollout(in_mid_episode(), ACTIONS[:5]))


def test_the_snapshot_of_another_observation_form_is_welcome():
    env, other = in_mid_episode(), make(observation="dict")
    other.restore(env.snapshot())
    expected, found = env.step(ACTIONS[0]), other.step(ACTIONS[0])
    assert np.concatenate(list(found[0].values())).tobytes() == expected[0].tobytes()


def test_the_snapshot_of_an_ended_session_needs_a_reset():
    env = make()
    assert rollout(env, ACTIONS, seed=1)[-1].terminated
    other = make()
    other.reset(seed=2)
    other.restore(env.snapshot())
    with pytest.raises(gym.error.ResetNeeded):
        other.step(ACTIONS[0])


@pytest.mark.parametrize("kind", ["snapshot", "environment"])
def test_another_process_goes_on_where_this_one_stopped(kind, tmp_path):
    env = in_mid_episode(latency="geo" if kind == "environment" else None)
    path = tmp_path / "kept.pickle"
    path.write_bytes(pickle.dumps((env.snapshot() if kind == "snapshot" else env, ACTIONS[HALF:])))
    assert fresh_process(RESTORE_ELSEWHERE, str(path), kind) == digest(advance(env, ACTIONS[HALF:]))


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))], ids=["deepcopy", "pickle"]
)
@pytest.mark.parametrize("settings", [{}, {"observation": "dict", "reward": "dampened", "render_mode": "ansi"}])
def test_a_copied_environment_goes_on_by_itself(copied, settings):
    env = in_mid_episode(**settings)
    twin = copied(env)
    there = advance(twin, ACTIONS[HALF:])
    here = advance(env, ACTIONS[HALF:])
    assert digest(there) == digest(here)
    assert digest(rollout(twin, ACTIONS[:5])) == digest(rollout(env, ACTIONS[:5])), "the next session of the series"
    if env.render_mode:
        assert twin.render() == env.render()


def test_a_wrapped_environment_can_be_copied():
    env = gym.make(MARKET_MAKING, scenario=LIVELY, action="discrete", max_episode_steps=STEPS)
    actions = sampled(env.action_space, 2, STEPS)
    rollout(env, actions[:HALF], seed=3)
    twin = copy.deepcopy(env)
    assert digest(advance(twin, actions[HALF:])) == digest(advance(env, actions[HALF:]))


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))], ids=["deepcopy", "pickle"]
)
def test_a_copied_vector_environment_goes_on_by_itself(copied):
    envs = MarketMakingVectorEnv(130, scenario=LIVELY, threads=2, max_episode_steps=25)
    envs.reset(seed=1)
    actions = np.stack([near_touch(step, 130) for step in range(30)])
    play(envs, actions[:20])
    twin = copied(envs)
    for step in range(20, 30):
        here, there = envs.step(actions[step]), twin.step(actions[step])
        for a, b in zip(here[:4], there[:4], strict=True):
            assert a.tobytes() == b.tobytes()
    envs.close()
    twin.close()


@pytest.mark.parametrize(
    "overrides",
    [{"agents.retail.count": 41}, {"fundamentals.SIM.volatility_ticks": 3.0}, {"session.duration_s": 30.0}],
)
def test_the_snapshot_of_another_scenario_is_refused_and_nothing_changes(overrides):
    other = make(overrides=overrides)
    other.reset(seed=1)
    env = in_mid_episode()
    before = env.snapshot()
    with pytest.raises(ValueError, match=r"^snapshot is of another scenario.*$"):
        env.restore(other.snapshot())
    assert env.snapshot() == before


def test_the_snapshot_of_a_market_with_other_agents_is_refused():
    scenario = load(LIVELY)
    pair = Batch(scenario, externals=(external_of(scenario), replace(external_of(scenario), name="rival")))
    rows = np.zeros(1, np.int64)
    pair.reset(rows, np.ones(1, np.uint64))
    with pytest.raises(ValueError, match="other external agents"):
        Batch(scenario).restore(pair.snapshot())


def test_the_tape_goes_back_with_the_market():
    batch, rows = Batch(load(LIVELY), tape=True), np.zeros(1, np.int64)
    actions = near_touch(2, 6)[:, None, None]
    batch.reset(rows, np.ones(1, np.uint64))
    for action in actions[:3]:
        batch.step(action)
    snapshot, before = batch.snapshot(), batch.tape().tobytes()
    for action in actions[3:]:
        batch.step(action)
    after = batch.tape().tobytes()
    batch.restore(snapshot)
    assert batch.tape().tobytes() == before
    for action in actions[3:]:
        batch.step(action)
    assert batch.tape().tobytes() == after
    assert 0 < len(before) < len(after)


def test_a_row_of_a_batch_is_restored_alone():
    envs = MarketMakingVectorEnv(3, scenario=LIVELY, max_episode_steps=10)
    envs.reset(seed=1)
    actions = np.stack([near_touch(step, 3) for step in range(14)])
    play(envs, actions[:4])
    snapshot = envs.snapshot(1)
    last = play(envs, actions[4:8])
    others = [envs.snapshot(row) for row in (0, 2)]
    envs.restore(snapshot, 1)
    assert [envs.snapshot(row) for row in (0, 2)] == others
    again = play(envs, actions[4:8])
    assert again[0][1].tobytes() == last[0][1].tobytes()
    assert again[1][1] == last[1][1]
    truncated = play(envs, actions[8:10])[3]
    assert truncated[1], "its steps are counted from where it was restored to"


def test_a_row_restored_to_a_running_session_is_not_reset_at_the_next_step():
    envs, single = MarketMakingVectorEnv(2, scenario=LIVELY), make()
    single.reset(seed=5)
    snapshot = single.snapshot()
    envs.reset(seed=1)
    assert play(envs, [near_touch(1, 2)] * STEPS)[2].all(), "all are over"
    envs.restore(snapshot, 1)
    observation, reward, _, _, _ = envs.step(near_touch(1, 2))
    expected = single.step(near_touch(1, 2)[1])
    assert observation[1].tobytes() == expected[0].tobytes()
    assert reward[1] == expected[1]
