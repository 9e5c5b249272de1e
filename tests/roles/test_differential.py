"""The maker's kernels against its plain twin, decision by decision: what it sees, sends, may choose and is paid."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lobenv.market.tables import ENDED, KILLED
from lobenv.roles.maker.task import Reward, Task
from lobenv.scenario.config import Scenario
from lobenv.scenario.loading import load
from tests.envs.rollouts import LIVELY
from tests.reference.maker import CANCEL, MARKET, MOVE, NEW_QUOTE
from tests.roles.session import Session

ACTIONS = ("continuous", "discrete", "multidiscrete")
REWARDS = ("inventory", "dampened", "pnl")
DECISIONS = 120
SHORT = {"session.duration_s": 60, "session.warm_up_s": 5, "capacity.inbox": 4096, "capacity.fills": 4096}
LOSSY = {
    link: {"base_us": 2e5, "jitter": "lognormal", "scale_us": 1e5, "shape": 1.0, "drop": drop}
    for link, drop in (("order_entry", 0.1), ("report", 0.1), ("feed", 0.0))
}


def session(scenario: Any, changes: dict[str, Any], action: Any, reward: Any, seed: int = 3) -> Session:
    return Session(load(scenario, {**SHORT, **changes}), Task(action=action, reward=Reward(mode=reward)), seed)


@pytest.mark.slow
@pytest.mark.parametrize("scenario", ["calm", "volatile", "liquidity_shock", "news_jump"])
@pytest.mark.parametrize(("action", "reward"), list(itertools.product(ACTIONS, REWARDS)))
def test_in_a_preset_the_kernels_do_what_the_documentation_says(scenario, action, reward):
    played = session(scenario, {}, action, reward)
    played.play(DECISIONS + 1)
    assert (played.compared, played.status) == (DECISIONS + 1, ENDED)
    assert played.sent[NEW_QUOTE] > 10
    assert (played.sent[MARKET] > 0) == (action == "discrete")


@pytest.mark.slow
@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("latency", ["geo", "retail", "lossy"])
def test_over_slow_and_lossy_links_too(action, latency):
    changes = {"latencies.lossy": LOSSY, "learners.maker.latency": latency, "learners.maker.quote_timeout_s": 1.0}
    played = session(LIVELY, changes, action, "dampened")
    played.play(DECISIONS + 1)
    assert played.status == ENDED
    assert min(played.sent[NEW_QUOTE], played.sent[CANCEL], played.sent[MOVE]) > 0


@pytest.mark.slow
@pytest.mark.parametrize("action", ACTIONS)
def test_through_halts_too(action):
    changes = {"books.0.halts": {"band_ticks": 8, "pause_s": 2.0, "memory_s": 20.0}}
    played = session(LIVELY, changes, action, "inventory")
    played.play(DECISIONS + 1)
    assert any(view.is_halted for view in played.twin.views)


@pytest.mark.slow
@pytest.mark.parametrize("action", ACTIONS)
def test_with_sides_that_stand_empty_too(action):
    changes = {"agents.makers.count": 0, "agents.value.count": 1, "agents.noise.count": 1, "opening.levels": 2}
    played = session(LIVELY, changes, action, "inventory")
    played.play(DECISIONS + 1)
    assert any(0 in (view.depth[0][0], view.depth[1][0]) for view in played.twin.views)


@pytest.mark.slow
@pytest.mark.parametrize("reward", REWARDS)
def test_up_to_the_kill_switch_too(reward):
    played = session("volatile", {"learners.maker.loss_limit": 5}, "discrete", reward)
    played.play(DECISIONS + 1)
    assert played.status == KILLED


@st.composite
def little_markets(draw) -> Scenario:
    """A few traders in a market of a few seconds, with any links, limits and clock of the maker's."""
    delays = st.floats(0, 3e5).map(lambda us: {"base_us": us, "jitter": draw(st.sampled_from(["constant", "uniform"]))})
    values = {
        "agents": {
            "noise": {"kind": "noise", "count": draw(st.integers(0, 8)), "mean_interval_s": 0.5},
            "retail": {"kind": "retail", "count": draw(st.integers(0, 6)), "mean_interval_s": 1.0},
        },
        "opening": {
            "levels": draw(st.integers(0, 6)),
            "half_spread_ticks": draw(st.integers(1, 4)),
            "mean_shares": draw(st.sampled_from([20.0, 300.0])),
            "withdraw_s": draw(st.sampled_from([2.0, 1e4])),
        },
        "fundamentals": {"SIM": {"volatility_ticks": draw(st.sampled_from([0.0, 3.0]))}},
        "books": [{"halts": {"band_ticks": draw(st.sampled_from([0, 4])), "pause_s": 0.7}}],
        "latencies": {"own": {link: draw(delays) for link in ("order_entry", "report", "feed")}},
        "learners": {
            "maker": {
                "latency": draw(st.sampled_from(["own", "none", "colo"])),
                "decision_interval_s": draw(st.sampled_from([0.1, 0.25, 0.7])),
                "quote_timeout_s": draw(st.sampled_from([0.2, 1.0])),
                "inventory_cap_lots": draw(st.integers(1, 3)),
                "order_size_shares": draw(st.sampled_from([1, 30, 100])),
                "max_offset_ticks": draw(st.sampled_from([2.0, 7.5, 20.0])),
                "order_rate_per_s": draw(st.sampled_from([0, 3])),
                "loss_limit": draw(st.sampled_from([0.0, 2.0])),
            }
        },
        "session": {"warm_up_s": draw(st.sampled_from([0.0, 1.0])), "duration_s": 6.0},
    }
    return load(values, {"capacity.inbox": 4096, "capacity.fills": 4096})


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(little_markets(), st.sampled_from(ACTIONS), st.sampled_from(REWARDS), st.integers(0, 2**32))
def test_in_little_markets_of_any_make(scenario, action, reward, seed):
    played = Session(scenario, Task(action=action, reward=Reward(mode=reward)), seed)
    played.play(60)
    assert played.compared > 1 or played.status == KILLED


def test_the_twin_notices_a_wrong_message():
    played = session(LIVELY, {}, "continuous", "pnl")
    played.play(3)
    played.twin.mid += 1.0
    with pytest.raises(AssertionError):
        played.act(np.array([-0.9, -0.9]))
