"""Nobody sees the present: what is observed left the exchange before, and an answer takes its time."""

from __future__ import annotations

import numpy as np
import pytest

from lobenv.roles.maker.observation import FIELDS
from tests.envs.rollouts import (
    LOT,
    SLOW,
    SLOW_MS,
    STEPS,
    STILL,
    advance,
    column,
    make,
    near_touch,
    own_account,
    rollout,
)

NO_QUOTE = np.ones(2, np.float32)
JOIN = np.full(2, -1.0, np.float32)
BOOK = [
    field.name
    for field in FIELDS
    if field.name.startswith(("spread", "microprice", "imbalance", "bid_depth", "ask_depth", "halted"))
]


def delayed_feed(delay_ms, name="delayed"):
    """Overrides that give the maker a feed of a constant delay, and links without one for its messages."""
    link = {"base_us": 0.0}
    feed = {"base_us": delay_ms * 1e3}
    return {"latencies": {name: {"order_entry": link, "report": link, "feed": feed}}, "learners.maker.latency": name}


@pytest.mark.parametrize(
    ("latency", "least", "most"),
    [("none", 0.0, 0.0), ("metro", 0.09, 0.19), ("retail", 40.0, 120.0), ("geo", 239.0, 249.0)],
)
def test_the_view_is_as_old_as_the_feed_is_slow(latency, least, most):
    ages = column(rollout(make(latency=latency), near_touch(1, STEPS), seed=1), "view_age")
    assert (ages >= np.float32(least)).all()
    assert (ages <= np.float32(most) + 1e-3).all()


def test_a_constant_feed_delay_is_the_age_of_every_view():
    ages = column(rollout(make(overrides=SLOW), near_touch(1, STEPS), seed=1), "view_age")
    assert set(ages.tolist()) == {SLOW_MS}


@pytest.mark.parametrize("late", [1, 3])
def test_a_feed_that_is_decisions_late_shows_what_a_fast_one_showed_then(late):
    still = [NO_QUOTE] * STEPS
    fast = rollout(make(overrides=delayed_feed(0.0)), still, seed=6)
    slow = rollout(make(overrides=delayed_feed(500.0 * late)), still, seed=6)
    changes = 0
    for name in BOOK:
        then, now = column(fast, name)[:-late], column(slow, name)[late:]
        np.testing.assert_array_equal(now, then)
        changes += np.count_nonzero(column(fast, name)[late:] != now)
    assert changes > 100, "the book did change in the meantime"


def test_an_action_shows_in_no_observation_before_its_echo_can_have_come_back():
    quiet, busy = make(overrides=SLOW), make(overrides=SLOW)
    before = [NO_QUOTE] * 5
    rollout(quiet, before, seed=3)
    rollout(busy, before, seed=3)
    a = advance(quiet, [NO_QUOTE] * 4)
    b = advance(busy, [JOIN] + [NO_QUOTE] * 3)
    # Order 300 ms, then feed or report 300 ms: the decision 500 ms later is too early, that 1,000 ms later is not.
    assert b[0].observation.tobytes() == a[0].observation.tobytes()
    assert b[1].observation.tobytes() != a[1].observation.tobytes()
    assert b[0].info == a[0].info or b[0].info["best_bid"] != a[0].info["best_bid"], "the exchange may know already"


def test_a_fill_is_in_the_observed_inventory_from_its_report_on_and_not_before():
    env = make(overrides={**SLOW, "session.duration_s": 60.0})
    env.reset(seed=2)
    fills, hidden = [], 0
    for action in near_touch(3, 119):
        observation, *_ = env.step(action)
        fills += [(int(fill["time"]), int(fill["side"]) * int(fill["qty"])) for fill in env.batch.new_fills()]
        now = int(env.batch.market().clock[0]["now"])
        reported = sum(qty for time, qty in fills if time + SLOW_MS * 1e6 <= now)
        assert observation[0] == np.float32(reported / LOT)
        hidden += reported != own_account(env)["position"]
    assert len(fills) > 3
    assert hidden > 0, "some fills were under way at a decision"


def test_the_info_shows_the_exchange_s_picture_not_the_agent_s():
    env = make(overrides=SLOW)
    env.reset(seed=2)
    for action in near_touch(3, STEPS - 1):
        info = env.step(action)[4]
        assert info["inventory"] == own_account(env)["position"]


def test_a_quote_is_live_only_when_its_acknowledgement_has_arrived():
    far = np.full(2, 0.5, np.float32)
    steps = rollout(make(scenario=STILL, overrides=SLOW), [far] * 4, seed=2)
    np.testing.assert_array_equal(column(steps, "bid_live"), [0, 0, 1, 1, 1])
    np.testing.assert_array_equal(column(steps, "ask_live"), [0, 0, 1, 1, 1])
    fast = rollout(make(scenario=STILL, latency="metro"), [far] * 4, seed=2)
    np.testing.assert_array_equal(column(fast, "bid_live"), [0, 1, 1, 1, 1])


def test_lost_orders_are_sent_again_after_the_time_out():
    lossy = {
        "latencies": {"lossy": {
            "order_entry": {"base_us": 1e3, "drop": 0.5},
            "report": {"base_us": 1e3},
            "feed": {"base_us": 1e3},
        }},
        "learners.maker.latency": "lossy",
        "learners.maker.quote_timeout_s": 1.0,
        "session.duration_s": 60.0,
    }  # fmt: skip
    env = make(overrides=lossy)
    steps = rollout(env, [np.full(2, 0.8, np.float32)] * 120, seed=5)
    assert env.batch.market().clock[0]["lost"] > 10
    live = column(steps, "bid_live")
    changes = np.flatnonzero(np.diff(live) != 0)
    assert 0.2 < live.mean() < 1.0
    assert len(changes) > 4, "it is lost and found again"
