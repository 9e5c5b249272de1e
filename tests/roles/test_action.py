"""From actions to quotes: where they go, when they keep their place, what they may not do."""

from __future__ import annotations

import math

import gymnasium as gym
import numpy as np
import pytest

from lobenv.envs.market_making import MarketMakingEnv
from lobenv.envs.vector import MarketMakingVectorEnv
from lobenv.roles.maker.action import (
    CHOICES,
    DISCRETE_ACTIONS,
    FLATTEN,
    MASK_SIZE,
    NO_QUOTE,
    OFFSETS,
    PAIRS,
    SIZES,
)
from lobenv.roles.maker.observation import INDEX
from lobenv.roles.maker.task import ActionMode
from lobenv.tape.reasons import (
    REASON_LIMIT_BREACHED,
)
from tests.envs.rollouts import (
    BEST_ASK,
    BEST_BID,
    LOT,
    STEPS,
    STILL,
    advance,
    digest,
    make,
    near_touch,
    own_account,
    own_orders,
    rollout,
    sampled,
)

MID = 10_000
MAX_OFFSET = 20
TOUCH = np.full(2, -0.72, np.float32)  # 2.8 ticks from the mid of a book with a spread of 6: joins both sides


def still(action: ActionMode = "continuous", **changes):
    """An environment in which nothing happens but what the maker does, after its reset."""
    env = MarketMakingEnv({**STILL, **changes}, action=action)
    env.reset(seed=0)
    return env


def quotes(env):
    """Prices of the maker's resting orders: (bid, ask), None where there is none."""
    orders = own_orders(env)
    return tuple(int(orders[side]["price"]) if side in orders else None for side in (1, -1))


def pair(bid, ask):
    return np.array([bid, ask], np.float32)


# ------------------------------------------------------------ where quotes go


@pytest.mark.parametrize("bid", [-1.0, -0.95, -0.5, 0.0, 0.33, 0.999])
@pytest.mark.parametrize("ask", [-0.9, 0.0, 0.25, 0.999])
def test_continuous_actions_are_distances_from_the_visible_mid(bid, ask):
    env = still()
    action = pair(bid, ask)
    env.step(action)
    distances = (action.astype(np.float64) + 1.0) / 2.0 * MAX_OFFSET
    assert quotes(env) == (math.floor(MID - distances[0]), math.ceil(MID + distances[1]))
    assert all(order["qty"] == LOT for order in own_orders(env).values())


def test_quotes_at_the_mid_itself_are_put_one_tick_beside_it():
    env = still()
    env.step(pair(-1.0, -1.0))
    assert quotes(env) == (MID - 1, MID + 1)


def test_a_one_sided_quote_at_the_mid_does_not_cross_and_stays_there():
    env = still()
    env.step(pair(-1.0, 1.0))
    assert quotes(env) == (MID, None)


@pytest.mark.parametrize(("bid", "ask"), [(-1.0, -1.0), (-1.0, 0.0), (0.0, -1.0), (-1.0, 1.0), (1.0, -1.0)])
def test_quoting_at_the_mid_again_and_again_never_crosses(bid, ask):
    env = still()
    for _ in range(8):  # each quote moves the mid that the next is placed at
        env.step(pair(bid, ask))
        own_bid, own_ask = quotes(env)
        assert own_bid is None or own_bid < BEST_ASK
        assert own_ask is None or own_ask > BEST_BID
        assert own_bid is None or own_ask is None or own_bid < own_ask
    assert own_account(env)["volume"] == 0
    assert own_account(env)["rejected"] == 0


@pytest.mark.parametrize("choice", range(len(PAIRS)))
def test_discrete_actions_are_multiples_of_the_visible_half_spread(choice):
    env = still("discrete")
    env.step(choice)
    half = (BEST_ASK - BEST_BID) / 2
    assert quotes(env) == (MID - PAIRS[choice][0] * half, MID + PAIRS[choice][1] * half)


@pytest.mark.parametrize(
    "choices", [(0, 0, 0, 0), (1, 2, 1, 2), (3, 4, 2, 0), (5, 6, 0, 1), (7, 0, 0, 0), (0, 7, 2, 2), (7, 7, 0, 0)]
)
def test_multidiscrete_actions_are_ticks_behind_the_touch_and_lots(choices):
    env = still("multidiscrete")
    env.step(np.array(choices))
    expected_bid = BEST_BID - OFFSETS[choices[0]] if choices[0] != NO_QUOTE else None
    expected_ask = BEST_ASK + OFFSETS[choices[1]] if choices[1] != NO_QUOTE else None
    assert quotes(env) == (expected_bid, expected_ask)
    for side, order in own_orders(env).items():
        assert order["qty"] == SIZES[choices[2 + (1 - side) // 2]] * LOT


def test_continuous_actions_beyond_the_range_are_taken_for_its_ends():
    env, twin = still(), still()
    env.step(pair(-7.0, 0.0))
    twin.step(pair(-1.0, 0.0))
    assert quotes(env) == quotes(twin)
    env.step(pair(9.0, 0.0))
    assert quotes(env)[0] is None


# ------------------------------------------------------------ keeping, moving and withdrawing a quote


def test_one_withdraws_a_side_and_leaves_the_other():
    env = still()
    env.step(pair(0.0, 0.0))
    before = own_orders(env)
    env.step(pair(1.0, 0.0))
    after = own_orders(env)
    assert list(after) == [-1]
    assert after[-1]["id"] == before[-1]["id"]
    env.step(pair(0.0, 0.0))
    assert quotes(env) == (MID - 10, MID + 10), "and it can be quoted anew"


def test_a_quote_at_the_same_price_keeps_its_order_and_its_place():
    env = still()
    env.step(TOUCH)
    before, sent = own_orders(env), own_account(env).copy()
    world = env.batch.market()
    *_, (observation, *_) = [env.step(TOUCH) for _ in range(5)]
    after, account = own_orders(env), own_account(env)
    assert {side: order.tobytes() for side, order in before.items()} == {s: o.tobytes() for s, o in after.items()}
    for name in ("orders_sent", "cancels_sent", "replaces_sent"):
        assert account[name] == sent[name]
    assert account["orders_sent"] == 2
    ahead = world.levels[0, BEST_BID % world.levels.shape[1]]["qty"] - LOT
    assert observation[INDEX["bid_queue_ahead"]] == np.float32(ahead / LOT)
    assert ahead > 0


def test_a_quote_at_another_price_is_replaced_and_goes_to_the_back():
    env = still()
    env.step(pair(0.0, 0.0))
    before = own_orders(env)
    observation, *_ = env.step(np.array([TOUCH[0], 0.0], np.float32))
    after, world = own_orders(env), env.batch.market()
    assert after[1]["id"] == before[1]["id"]
    assert quotes(env) == (BEST_BID, MID + 10)
    for name in ("id", "price", "qty", "previous", "next"):
        assert after[-1][name] == before[-1][name], "the other side was left alone"
    account = own_account(env)
    assert (account["orders_sent"], account["replaces_sent"], account["cancels_sent"]) == (2, 1, 0)
    displayed = world.levels[0, BEST_BID % world.levels.shape[1]]["qty"]
    assert observation[INDEX["bid_queue_ahead"]] == np.float32((displayed - LOT) / LOT)
    assert observation[INDEX["bid_live"]] == 1.0
    assert observation[INDEX["bid_distance"]] == 3.0


def test_the_size_of_a_standing_quote_goes_down_without_losing_its_place():
    env = still("multidiscrete")
    env.step(np.array([0, 0, 2, 2]))
    before = own_orders(env)
    env.step(np.array([0, 0, 0, 2]))
    after = own_orders(env)
    assert (before[1]["qty"], after[1]["qty"]) == (3 * LOT, LOT)
    assert after[1]["id"] == before[1]["id"]
    assert after[1]["previous"] == before[1]["previous"]


# ------------------------------------------------------------ closing the position


@pytest.mark.parametrize("seed", range(3))
def test_flatten_cancels_the_quotes_and_closes_the_position(seed):
    env = make(action="discrete")
    env.reset(seed=seed)
    observation, *_ = env.step(0)
    for _ in range(STEPS):
        observation, *_ = env.step(0)
        if observation[0] != 0.0:
            break
    assert observation[0] != 0.0
    held = own_account(env)["position"]
    assert observation[0] == np.float32(held / LOT)
    observation, *_ = env.step(FLATTEN)
    assert own_account(env)["position"] == observation[0] == 0.0
    assert own_orders(env) == {}
    assert not env.action_masks()[FLATTEN]


def test_flatten_without_a_position_sends_no_order():
    env = still("discrete")
    env.step(2)
    env.step(FLATTEN)
    assert quotes(env) == (None, None)
    assert own_account(env)["orders_sent"] == 2
    assert own_account(env)["volume"] == 0


def test_flatten_repeats_a_cancel_that_was_lost():
    link = {"base_us": 1e3}
    env = still(
        "discrete",
        latencies={"lossy": {"order_entry": {"base_us": 1e3, "drop": 0.6}, "report": link, "feed": link}},
        learners={"maker": {"latency": "lossy", "quote_timeout_s": 1.0}},
        session={"duration_s": 60.0, "warm_up_s": 1.0},
    )
    for _ in range(20):
        env.step(3)
    assert own_orders(env)
    for _ in range(60):
        env.step(FLATTEN)
    assert own_orders(env) == {}


# ------------------------------------------------------------ the inventory cap


@pytest.mark.parametrize("latency", ["metro", "geo"])
@pytest.mark.parametrize("action", ["continuous", "multidiscrete"])
def test_the_inventory_cap_is_never_exceeded(action, latency):
    cap = 2
    env = make(
        action=action, latency=latency, overrides={"learners.maker.inventory_cap_lots": cap, "session.duration_s": 60.0}
    )
    reached = 0
    for seed in range(4):
        env.reset(seed=seed)
        random = near_touch(seed, 119) if action == "continuous" else sampled(env.action_space, seed, 119)
        position = 0
        for choice in random:
            env.step(choice)
            for fill in env.batch.new_fills():
                position += int(fill["side"]) * int(fill["qty"])
                assert abs(position) <= cap * LOT
                reached += abs(position) == cap * LOT
            assert own_account(env)["position"] == position
    assert reached > 0


def test_a_side_without_room_is_not_quoted():
    env = make(overrides={"learners.maker.inventory_cap_lots": 1, "session.duration_s": 60.0})
    env.reset(seed=3)
    full = 0
    for action in near_touch(3, 119):
        before = own_account(env)["known_position"]
        env.step(action)
        account = own_account(env)
        if abs(before) == LOT and before == account["known_position"] == account["position"]:
            assert list(own_orders(env)) == [-np.sign(before)]
            full += 1
    assert full > 0
    assert REASON_LIMIT_BREACHED not in env.batch.market().inbox["reason"], "nor is it asked for"


# ------------------------------------------------------------ masks


def test_the_discrete_mask_offers_to_close_only_an_open_position():
    env = make(action="discrete")
    steps = rollout(env, [0] * STEPS, seed=1)
    held = [step.observation[0] != 0 for step in steps[:-1]]
    assert {True, False} == set(held)
    for step, has_position in zip(steps[:-1], held, strict=True):
        mask = step.info["action_mask"]
        assert mask.shape == (DISCRETE_ACTIONS,)
        assert mask.dtype == np.int8
        assert mask[:FLATTEN].all()
        assert mask[FLATTEN] == has_position


def test_the_multidiscrete_mask_leaves_out_what_the_cap_would_not_let_through():
    cap = 2
    env = make(action="multidiscrete", overrides={"learners.maker.inventory_cap_lots": cap, "session.duration_s": 60.0})
    steps = rollout(env, [np.array([0, 0, 0, 0])] * 120, seed=2)
    offsets, seen = len(OFFSETS) + 1, set()
    for step in steps[:-1]:
        lots = float(step.observation[0])
        mask = step.info["action_mask"]
        assert mask.shape == (MASK_SIZE,)
        sections = np.split(mask, np.cumsum(CHOICES)[:-1])
        for i, side in enumerate((1, -1)):
            room = cap - side * lots
            assert (sections[i][: offsets - 1] == (room > 0)).all()
            assert sections[i][NO_QUOTE] == 1
            assert sections[2 + i].tolist() == [1, *(int(room >= size) for size in SIZES[1:])]
        seen.add(round(lots, 2))
    assert {-cap, cap} & seen
    assert len(seen) > 2


def test_masks_come_as_booleans_for_masking_learners():
    for action, size in (("discrete", DISCRETE_ACTIONS), ("multidiscrete", MASK_SIZE)):
        env = make(action=action)
        _, info = env.reset(seed=1)
        assert env.action_masks().dtype == bool
        assert env.action_masks().tolist() == info["action_mask"].astype(bool).tolist()
        assert len(env.action_masks()) == size


def test_masked_sampling_draws_only_what_is_offered():
    env = make(action="discrete")
    _, info = env.reset(seed=1)
    assert isinstance(env.action_space, gym.spaces.Discrete)
    assert {int(env.action_space.sample(mask=info["action_mask"])) for _ in range(200)} == set(range(FLATTEN))


# ------------------------------------------------------------ wrong actions

WRONG = {
    "not a number": ("continuous", pair(math.nan, 0.0), "finite"),
    "infinite": ("continuous", pair(0.0, math.inf), "finite"),
    "too short": ("continuous", np.zeros(1, np.float32), r"shape \(1, 2\)"),
    "too long": ("continuous", np.zeros(3, np.float32), r"shape \(1, 2\)"),
    "a column": ("continuous", np.zeros((2, 1), np.float32), r"shape \(1, 2\)"),
    "one too far": ("discrete", DISCRETE_ACTIONS, "below 10"),
    "negative": ("discrete", -1, "below 10"),
    "fraction": ("discrete", 0.5, "whole"),
    "nothing": ("discrete", None, "whole"),
    "offset too far": ("multidiscrete", np.array([8, 0, 0, 0]), r"below \[8, 8, 3, 3\]"),
    "size too large": ("multidiscrete", np.array([0, 0, 0, 3]), r"below \[8, 8, 3, 3\]"),
    "a choice missing": ("multidiscrete", np.array([0, 0, 0]), r"shape \(1, 4\)"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_action_is_one_line_and_nothing_is_lost(wrong):
    mode, action, message = WRONG[wrong]
    env, twin = make(action=mode), make(action=mode)
    actions = sampled(env.action_space, 1, 12)
    rollout(env, actions[:6], seed=1)
    rollout(twin, actions[:6], seed=1)
    with pytest.raises(ValueError, match=message) as caught:
        env.step(action)
    assert "\n" not in str(caught.value)
    assert digest(advance(env, actions[6:])) == digest(advance(twin, actions[6:]))


def test_a_batch_of_actions_must_have_a_row_for_each_environment():
    envs = MarketMakingVectorEnv(3, scenario=STILL)
    envs.reset(seed=1)
    for shape in ((2, 3), (3,), (6,), (1, 2), (3, 2, 1)):
        with pytest.raises(ValueError, match=r"shape \(3, 2\)"):
            envs.step(np.zeros(shape, np.float32))
    actions = np.zeros((3, 2), np.float32)
    actions[2, 1] = math.nan
    with pytest.raises(ValueError, match="finite, got nan"):
        envs.step(actions)


def test_the_error_shows_the_wrong_row():
    envs = MarketMakingVectorEnv(3, scenario=STILL, action="multidiscrete")
    envs.reset(seed=1)
    with pytest.raises(ValueError, match=r"got \[\[?1.0, 9.0, 0.0, 0.0"):
        envs.step(np.array([[0, 0, 0, 0], [1, 9, 0, 0], [0, 0, 0, 0]]))
