"""The state machine behind the faces with several learners in a market: each has its own pay, end and truncation."""

from __future__ import annotations

import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode

from lobenv.envs.interface import Setup
from lobenv.envs.sessions import Sessions, folded
from tests.envs.rollouts import BRIEF, LIVELY, near_touch

NAMES = ("maker", "rival")
DECISIONS = 8  # of a brief session


def sessions(num_envs=2, learner=slice(None), **settings) -> Sessions:
    overrides = {**BRIEF, "learners.rival": {"role": "maker"}, **settings.pop("overrides", {})}
    setup = Setup.of({"scenario": LIVELY, "overrides": overrides})
    return Sessions(setup, num_envs, learners=NAMES, learner=learner, **settings)


def begun(num_envs=2, seed=3, **settings) -> Sessions:
    found = sessions(num_envs, **settings)
    found.reset(found.plan(seed), np.random.default_rng)
    return found


def actions_of(num_envs, steps, seed=0):
    """Random actions near the touch for both learners, (T, E, 2, 2)."""
    return near_touch(seed, 2 * num_envs * steps).reshape(steps, num_envs, 2, 2)


def test_what_is_shown_has_an_axis_of_learners_and_one_of_them_is_a_part_of_it():
    both, second = begun(), begun(learner=1)
    assert both.observations().shape[:2] == (2, 2)
    ended = np.zeros(1, bool)
    for actions in actions_of(2, DECISIONS):
        all_of_it, its_own = both.step(actions), second.step(actions)
        ended = all_of_it.terminated.copy()
        assert second.observations().tobytes() == both.observations()[:, 1].tobytes()
        for every, own in zip(all_of_it, its_own, strict=True):
            assert own.tobytes() == every[:, 1].tobytes()
    assert ended.all()
    assert [set(both.info(0, k)) for k in range(2)] == [set(second.info(0, 1))] * 2


def test_a_market_begins_anew_only_when_all_its_learners_are_done():
    found = begun(
        1, overrides={"learners.maker.loss_limit": 0.01, "session.duration_s": 60.0}, autoreset=AutoresetMode.NEXT_STEP
    )
    alone = np.array([[[-1.0, -1.0], [1.0, 1.0]]])  # the second never quotes and loses nothing
    ended = None
    for step in range(120):
        outcome = found.step(alone)
        if outcome.terminated[0, 0] and ended is None:
            ended = step
            assert found.info(0, 0)["killed"] == 1
        if ended is not None and step > ended:
            assert outcome.terminated[0, 0]
            assert outcome.rewards[0, 0] == 0.0
        assert outcome.terminated[0, 1] == (step == 119)
    assert ended is not None
    assert ended < 119
    outcome = found.step(alone)
    assert not outcome.terminated.any()
    assert found.seeds[0] != 3


def test_only_those_are_truncated_that_have_not_ended():
    kept = []
    found = begun(2, max_episode_steps=5, autoreset=AutoresetMode.SAME_STEP)
    outcomes = [
        found.step(actions, lambda rows, outcome: kept.append((rows.tolist(), outcome.truncated.copy())))
        for actions in actions_of(2, 5)
    ]
    assert outcomes[-1].truncated.all()
    assert not outcomes[-1].terminated.any()
    assert [rows for rows, _ in kept] == [[0, 1]]
    assert found.batch.worlds.externals["decision"].tolist() == [[0, 0], [0, 0]]


def test_sessions_that_are_over_need_a_reset_where_nothing_resets_them():
    found = begun(1)
    for actions in actions_of(1, DECISIONS):
        found.step(actions)
    with pytest.raises(ResetNeeded):
        found.step(actions_of(1, 1)[0])


def test_a_small_seed_is_itself_and_a_large_one_is_folded_with_all_its_words():
    assert [folded(seed) for seed in (0, 7, 2**63, 2**64 - 1)] == [0, 7, 2**63, 2**64 - 1]
    large = [folded(low + (high << 64) + (top << 128)) for low in (0, 1) for high in (1, 2) for top in (0, 1, 2)]
    assert len(set(large)) == len(large)
    assert all(0 <= seed < 2**64 for seed in large)
    assert len({folded(2**64 - 2 + i) for i in range(4)}) == 4
