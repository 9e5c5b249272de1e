"""Same seed, same market: in this process and another, whatever the maker does, whoever else there is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lobenv.agents.kinds import EXTERNAL_AGENT
from lobenv.engine.batch import episode_seeds
from lobenv.envs.market_making import MarketMakingEnv
from lobenv.scenario import load
from tests.envs.rollouts import (
    LIVELY,
    STEPS,
    column,
    digest,
    fresh_process,
    make,
    near_touch,
    own_account,
    rollout,
    sampled,
)

SEED = 11

IN_ANOTHER_PROCESS = """
import sys
from tests.envs.rollouts import STEPS, digest, make, rollout, sampled
env = make(action=sys.argv[1], latency=sys.argv[2])
print(digest(rollout(env, sampled(env.action_space, 5, STEPS), seed=int(sys.argv[3]))))
"""


@pytest.mark.parametrize(
    ("action", "latency"), [("continuous", "metro"), ("discrete", "geo"), ("multidiscrete", "retail")]
)
def test_an_episode_is_the_same_bit_for_bit_here_and_in_a_fresh_process(action, latency):
    env = make(action=action, latency=latency)
    actions = sampled(env.action_space, 5, STEPS)
    first = digest(rollout(env, actions, seed=SEED))
    assert digest(rollout(env, actions, seed=SEED)) == first, "the same object again"
    assert digest(rollout(make(action=action, latency=latency), actions, seed=SEED)) == first, "another object"
    assert fresh_process(IN_ANOTHER_PROCESS, action, latency, str(SEED)) == first


INTERPRETED = """
from tests.envs.rollouts import digest, make, near_touch, rollout
env = make(overrides={"session.duration_s": 5.0, "session.warm_up_s": 1.0}, latency="retail", fees="nasdaq")
print(digest(rollout(env, near_touch(3, 10), seed=11)))
"""


def test_the_interpreted_market_is_the_compiled_one_bit_for_bit():
    assert fresh_process(INTERPRETED, NUMBA_DISABLE_JIT="1") == fresh_process(INTERPRETED, NUMBA_DISABLE_JIT="0")


def test_every_seed_has_a_market_of_its_own():
    actions = near_touch(1, STEPS)
    digests = {digest(rollout(make(), actions, seed=seed)) for seed in (0, 1, 2, 3, 2**32, 2**63)}
    assert len(digests) == 6


def test_resets_without_a_seed_go_on_with_the_series_of_the_last_seed():
    actions = near_touch(1, 8)
    env, twin = make(), make()
    series = [digest(rollout(env, actions, seed)) for seed in (SEED, None, None)]
    rollout(twin, [], seed=3)
    rollout(twin, actions)
    again = [digest(rollout(twin, actions, seed)) for seed in (SEED, None, None)]
    assert again == series
    assert len(set(series)) == 3


def test_the_series_does_not_depend_on_how_long_its_sessions_lasted():
    env, twin = make(), make()
    rollout(env, near_touch(1, STEPS), seed=SEED)
    rollout(twin, [], seed=SEED)
    actions = near_touch(2, 8)
    assert digest(rollout(env, actions)) == digest(rollout(twin, actions))


def test_environments_without_a_seed_differ():
    actions = near_touch(1, 8)
    assert digest(rollout(make(), actions)) != digest(rollout(make(), actions))


def test_the_seeds_of_a_series_are_far_apart():
    seeds = np.repeat(np.arange(200, dtype=np.uint64), 50)
    numbers = np.tile(np.arange(50, dtype=np.uint64), 200)
    derived = episode_seeds(seeds, numbers)
    assert len(set(derived.tolist())) == len(derived)
    np.testing.assert_array_equal(derived[numbers == 0], np.arange(200))


# ------------------------------------------------------------ common random numbers


def exogenous(env: MarketMakingEnv) -> tuple[Any, ...]:
    """What happens whatever the maker does: the fundamental value, and who wakes when and has woken how often."""
    world = env.batch.market()
    background = world.agents["kind"] != EXTERNAL_AGENT
    wakes = world.wakes[: world.clock[0]["wakes_size"]]
    order = np.argsort(wakes["subject"])
    return (
        world.fundamentals["value"].tolist(),
        wakes["subject"][order].tolist(),
        wakes["time"][order].tolist(),
        world.agents["wakes"][background].tolist(),
    )


def test_two_policies_meet_the_same_exogenous_world():
    quiet, busy = make(), make()
    quiet.reset(seed=SEED)
    busy.reset(seed=SEED)
    for action in near_touch(1, STEPS):
        assert exogenous(quiet) == exogenous(busy)
        quiet.step(np.ones(2, np.float32))
        busy.step(action)
    assert exogenous(quiet) == exogenous(busy)
    assert own_account(busy)["volume"] > own_account(quiet)["volume"] == 0


def test_traders_that_never_act_change_nothing():
    lively = load(LIVELY)
    idle = {"kind": "noise", "count": 5, "mean_interval_s": 1e6, "latency": "leo"}
    groups = {"idle": idle, **{name: group.model_dump(mode="json") for name, group in lively.agents.items()}}
    crowded = load({**lively.model_dump(mode="json"), "agents": groups})
    assert next(iter(crowded.agents)) == "idle"
    actions = near_touch(1, STEPS)
    alone, beside = MarketMakingEnv(lively), MarketMakingEnv(crowded)
    assert digest(rollout(alone, actions, SEED)) == digest(rollout(beside, actions, SEED))
    assert beside.batch.market().agents.shape[0] == alone.batch.market().agents.shape[0] + 5


def test_more_traders_do_not_shift_the_draws_of_those_there_were():
    actions = near_touch(1, STEPS)
    few, many = make(), make(overrides={"agents.retail.count": 60})
    rollout(few, actions, SEED)
    rollout(many, actions, SEED)
    first, second = few.batch.market(), many.batch.market()
    assert first.fundamentals["value"].tolist() == second.fundamentals["value"].tolist()
    times = [
        {
            (int(world.agents[wake["subject"]]["identity"])): int(wake["time"])
            for wake in world.wakes[: world.clock[0]["wakes_size"]]
        }
        for world in (first, second)
    ]
    assert times[0].items() <= times[1].items()
    assert len(times[1]) == len(times[0]) + 20


def test_the_other_settings_of_the_maker_leave_the_exogenous_world_alone():
    still = np.ones((STEPS, 2), np.float32)
    metro, geo = make(latency="metro"), make(latency="geo", fees="nasdaq", action="continuous", reward="pnl")
    a, b = rollout(metro, still, SEED), rollout(geo, still, SEED)
    assert exogenous(metro) == exogenous(geo)
    assert [step.info["mid"] for step in a] == [step.info["mid"] for step in b]
    assert (column(a, "view_age") < column(b, "view_age")).all()


def test_sampled_actions_are_reproducible():
    space = make().action_space
    assert np.array_equal(sampled(space, 3, 5), sampled(space, 3, 5))
