"""Rule policies: the quotes they mean, the actions they write, their addresses and their random streams."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import policies
from lobenv.theory import quoting
from policies.base import WITHDRAW, MarketSpec, Policy, encode_quotes, env_seeds
from policies.rule import RULES, FixedSpread, Glft, InventorySkewed, RulePolicy

ADDRESSES = [f"rule:{name}" for name in RULES]
FIELDS = ("inventory", "time_left", "seconds_left", "spread", "volatility")
MARKET = MarketSpec(
    order_size=100,
    max_offset_ticks=20.0,
    tick_size=0.01,
    inventory_cap_lots=10.0,
    decision_interval_s=0.5,
    session_s=600.0,
    index={name: column for column, name in enumerate(FIELDS)},
)


def observe(num_envs=1, **columns):
    observation = np.zeros((num_envs, len(FIELDS)), dtype=np.float32)
    defaults = {"time_left": 0.5, "seconds_left": 300.0, "spread": 4.0, "volatility": 1.5}
    for name, value in {**defaults, **columns}.items():
        observation[:, FIELDS.index(name)] = value
    return observation


def act(address, num_envs=1, seed: int | list[int] = 0, **columns):
    policy = policies.load(address, MARKET)
    policy.reset(num_envs, seed)
    return policy.act(observe(num_envs, **columns))


def load_rule(address, **overrides):
    policy = policies.load(address, MARKET, **overrides)
    assert isinstance(policy, RulePolicy)
    return policy.rule


def distances(action):
    """Decode as the environment does, in ticks."""
    return (action.astype(np.float64) + 1.0) / 2.0 * MARKET.max_offset_ticks


def quotes(action, mid):
    """Bid and ask price [ticks] of the first env, as the environment rounds them."""
    bid, ask = distances(action)[0]
    return math.floor(mid - bid), math.ceil(mid + ask)


@pytest.mark.parametrize("address", ADDRESSES)
def test_every_policy_obeys_the_protocol(address):
    policy = policies.load(address, MARKET)
    assert isinstance(policy, Policy)
    policy.reset(3, 7)
    seen = observe(3, inventory=[-10, 0, 10])
    before = seen.copy()
    action = policy.act(seen)
    assert action.shape == (3, 2)
    assert action.dtype == np.float32
    assert np.all((action >= -1) & (action <= 1))
    np.testing.assert_array_equal(seen, before)
    assert policy.act(seen) is not action


@pytest.mark.parametrize("address", ADDRESSES)
def test_every_policy_repeats_itself_after_a_reset_with_the_same_seed(address):
    policy = policies.load(address, MARKET)
    runs = []
    for _ in range(2):
        policy.reset(4, 11)
        runs.append([policy.act(observe(4, inventory=[-3, 0, 1, 9])) for _ in range(100)])
    np.testing.assert_array_equal(*runs)


@pytest.mark.parametrize("address", ADDRESSES)
def test_row_i_of_a_batch_equals_the_single_run_with_its_seed(address):
    inventory = [-3.0, 0.0, 5.0]
    batch = policies.load(address, MARKET)
    batch.reset(3, 20)
    rows = np.stack([batch.act(observe(3, inventory=inventory)) for _ in range(130)])
    for i in range(3):
        single = policies.load(address, MARKET)
        single.reset(1, 20 + i)
        alone = np.stack([single.act(observe(1, inventory=inventory[i])) for _ in range(130)])
        np.testing.assert_array_equal(rows[:, i : i + 1], alone)


def test_random_takes_a_seed_per_env():
    np.testing.assert_array_equal(act("rule:random", 2, seed=[9, 4])[1:], act("rule:random", 1, seed=4))


def test_random_spreads_over_the_whole_range_and_never_withdraws():
    policy = policies.load("rule:random", MARKET)
    policy.reset(50, 0)
    ticks = distances(np.stack([policy.act(observe(50)) for _ in range(200)]))
    assert ticks.min() < 0.1
    assert 19.9 < ticks.max() < 20.0
    # 20,000 uniform draws: five standard errors of their mean are 0.2 ticks.
    assert ticks.mean() == pytest.approx(10.0, abs=0.2)


def test_random_seeds_give_different_quotes():
    assert not np.array_equal(act("rule:random", seed=0), act("rule:random", seed=1))


def test_do_nothing_withdraws_both_sides():
    np.testing.assert_array_equal(act("rule:do_nothing", 2), np.full((2, 2), WITHDRAW))


@pytest.mark.parametrize(("mid", "bid", "ask"), [(10_000, 9_997, 10_003), (10_000.5, 9_997, 10_004)])
def test_fixed_spread_quotes_the_named_distance_rounded_outward(mid, bid, ask):
    assert quotes(act("rule:fixed_spread?half_spread=3"), mid) == (bid, ask)


@pytest.mark.parametrize("spread", range(1, 40))
def test_join_touch_lands_on_the_visible_best_prices(spread):
    best_bid = 10_000
    mid = best_bid + spread / 2
    assert quotes(act("rule:join_touch", spread=spread), mid) == (best_bid, best_bid + spread)


def test_inventory_skew_moves_both_quotes_down_when_long():
    action = act("rule:inventory_skewed?half_spread=4&skew=0.5", 3, inventory=[-4, 0, 4])
    np.testing.assert_allclose(distances(action), [[2, 6], [4, 4], [6, 2]], atol=2e-3)


def test_inventory_skew_never_asks_for_a_quote_through_the_mid():
    action = act("rule:inventory_skewed?half_spread=1&skew=1", inventory=10)
    np.testing.assert_allclose(distances(action), [[11, 0]], atol=2e-3)
    assert action[0, 1] == -1.0


def test_avellaneda_stoikov_quotes_by_the_observed_volatility_and_clock():
    action = act("rule:avellaneda_stoikov", 2, inventory=[1, -2], volatility=[1.5, 1.0], seconds_left=[300, 600])
    expected = quoting.avellaneda_stoikov_quotes([1, -2], [300, 600], gamma=0.001, sigma=[1.5, 1.0], k=0.4)
    np.testing.assert_allclose(distances(action), np.stack(expected, axis=1), atol=2e-3)


def test_avellaneda_stoikov_ignores_the_observed_volatility_where_one_is_given():
    fixed = act("rule:avellaneda_stoikov?sigma=2", 2, inventory=1, volatility=[0.5, 9.0])
    np.testing.assert_array_equal(fixed[0], fixed[1])
    np.testing.assert_array_equal(fixed[:1], act("rule:avellaneda_stoikov", inventory=1, volatility=2.0))


def test_glft_quotes_by_the_observed_volatility():
    action = act("rule:glft", 2, inventory=[3, 0], volatility=[1.0, 2.0])
    expected = quoting.glft_quotes([3, 0], gamma=0.01, sigma=[1.0, 2.0], arrival_rate=0.5, k=0.4)
    np.testing.assert_allclose(distances(action), np.stack(expected, axis=1), atol=2e-3)


@pytest.mark.parametrize("address", ["rule:avellaneda_stoikov", "rule:glft"])
@pytest.mark.parametrize("volatility", [1.0, 2.0])
@pytest.mark.parametrize("seconds_left", [600.0, 300.0, 0.0])
def test_default_closed_forms_quote_sensibly_in_the_default_stock(address, volatility, seconds_left):
    flat = distances(act(address, inventory=0, volatility=volatility, seconds_left=seconds_left))
    assert np.all((flat >= 2) & (flat <= 5))
    long = distances(act(address, inventory=5, volatility=volatility, seconds_left=seconds_left))
    assert long[0, 0] >= long[0, 1]
    assert long[0, 0] < MARKET.max_offset_ticks


def test_encode_withdraws_only_an_infinite_distance():
    action = encode_quotes([np.inf, 1e9, 20.0, -5.0], [0.0, 0.0, 10.0, np.inf], 4, MARKET)
    np.testing.assert_array_equal(action == WITHDRAW, [[True, False], [False, False], [False, False], [False, True]])
    assert action[3, 0] == -1.0
    np.testing.assert_allclose(distances(action)[1:3], [[20, 0], [20, 10]], atol=2e-3)


def test_encode_refuses_nan():
    with pytest.raises(ValueError, match="quote distance must be a number or inf, got nan"):
        encode_quotes(np.nan, 1.0, 1, MARKET)


@given(bid=st.integers(0, 39), ask=st.integers(0, 39), half_tick=st.booleans())
def test_encoded_distances_land_on_the_price_they_were_measured_to(bid, ask, half_tick):
    offset = 0.5 if half_tick else 0.0
    mid = 10_000 + offset
    action = encode_quotes(min(bid, 19) + offset, min(ask, 19) + offset, 1, MARKET)
    assert quotes(action, mid) == (10_000 - min(bid, 19), 10_000 + min(ask, 19) + math.ceil(2 * offset))


def test_name_is_an_address_that_loads_the_same_policy():
    policy = RulePolicy(InventorySkewed(half_spread=2.0, skew=0.1), MARKET)
    assert policy.name == "rule:inventory_skewed?half_spread=2&skew=0.1"
    assert load_rule(policy.name) == policy.rule


def test_name_leaves_defaults_out():
    assert policies.load("rule:fixed_spread?half_spread=3.0", MARKET).name == "rule:fixed_spread"


@given(
    gamma=st.floats(0, exclude_min=True, allow_infinity=False),
    k=st.floats(0, exclude_min=True, allow_infinity=False),
    sigma=st.none() | st.floats(0, allow_infinity=False),
)
def test_every_name_round_trips_through_load(gamma, k, sigma):
    rule = Glft(gamma=gamma, k=k, sigma=sigma)
    assert load_rule(RulePolicy(rule, MARKET).name) == rule


def test_overrides_win_over_the_address():
    assert load_rule("rule:fixed_spread?half_spread=2", half_spread=5) == FixedSpread(half_spread=5)


def test_available_lists_every_rule_with_one_line():
    listed = {address: line for address, line in policies.available().items() if address.startswith("rule:")}
    assert list(listed) == ADDRESSES
    assert set(RULES) == {
        "do_nothing",
        "fixed_spread",
        "join_touch",
        "inventory_skewed",
        "avellaneda_stoikov",
        "glft",
        "random",
    }
    assert all(line.endswith(".") and "\n" not in line for line in listed.values())


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("dqn:calm", "policy 'dqn:calm': family must be one of rule, ppo, gp, tuned, got 'dqn'"),
        ("fixed_spread", "policy 'fixed_spread': family must be one of rule, ppo, gp, tuned, got 'fixed_spread'"),
        ("rule:fixd", "policy 'rule:fixd': name must be one of do_nothing, fixed_spread, join_touch, .*, got 'fixd'"),
        ("rule:fixed_spread?width=3", "parameter must be one of half_spread, got 'width'"),
        ("rule:do_nothing?x=1", r"parameter must be one of \(none\), got 'x'"),
        ("rule:fixed_spread?half_spread=wide", "half_spread must be a number, got 'wide'"),
        ("rule:fixed_spread?half_spread=-1", r"half_spread must be a number >= 0 \[ticks\], got -1.0"),
        ("rule:fixed_spread?half_spread=nan", "half_spread must be a number >= 0 .* got nan"),
        ("rule:fixed_spread?half_spread=inf", "half_spread must be a number >= 0 .* got inf"),
        ("rule:glft?gamma=0", "gamma must be a number > 0 .* got 0.0"),
        ("rule:fixed_spread?half_spread", "parameters must read 'name=value&name=value', got 'half_spread'"),
        ("rule:glft?k=1&k=2", "parameter 'k' must be given once"),
    ],
)
def test_wrong_address_is_refused_in_one_line_by_check_and_load(address, message):
    for refuse in (lambda: policies.check(address), lambda: policies.load(address, MARKET)):
        with pytest.raises(ValueError, match=message) as error:
            refuse()
        assert "\n" not in str(error.value)


def test_check_accepts_every_rule():
    for address in ADDRESSES:
        policies.check(address)


def test_rules_are_frozen_and_validated():
    with pytest.raises(AttributeError):
        FixedSpread().half_spread = 4.0  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(ValueError, match=r"half_spread must be a number >= 0 .* got None"):
        FixedSpread(half_spread=None)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match=r"gamma must be a number > 0 .* got True"):
        Glft(gamma=True)


def test_act_refuses_an_observation_of_another_batch_or_market():
    policy = policies.load("rule:fixed_spread", MARKET)
    with pytest.raises(ValueError, match=r"observation must have shape \(0, 5\) after reset, got \(1, 5\)"):
        policy.act(observe())
    policy.reset(2, 0)
    with pytest.raises(ValueError, match=r"observation must have shape \(2, 5\) after reset, got \(3, 5\)"):
        policy.act(observe(3))


def test_policy_names_the_field_that_the_observation_lacks():
    market = MarketSpec(100, 20.0, 0.01, 10.0, 0.5, 600.0, {"inventory": 0})
    policy = policies.load("rule:join_touch", market)
    policy.reset(1, 0)
    with pytest.raises(ValueError, match="observation has no field 'spread'; it has: inventory"):
        policy.act(np.zeros((1, 1), dtype=np.float32))


def test_policy_survives_pickling_in_mid_episode():
    policy = policies.load("rule:random", MARKET)
    policy.reset(2, 5)
    policy.act(observe(2))
    twin = pickle.loads(pickle.dumps(policy))
    for _ in range(70):
        np.testing.assert_array_equal(policy.act(observe(2)), twin.act(observe(2)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"order_size": 0}, "order_size must be finite and > 0, got 0"),
        ({"max_offset_ticks": math.inf}, "max_offset_ticks must be finite and > 0, got inf"),
        ({"index": {}}, "index must name every column"),
        ({"index": {"inventory": 0, "spread": 2}}, "index must name every column"),
    ],
)
def test_market_spec_refuses_a_constant_out_of_range(change, message):
    constants = {name: getattr(MARKET, name) for name in MARKET.__dataclass_fields__}
    with pytest.raises(ValueError, match=message):
        MarketSpec(**{**constants, **change})


def test_market_spec_is_hashable_and_keeps_its_own_index():
    index = {"inventory": 0}
    market = MarketSpec(100, 20.0, 0.01, 10.0, 0.5, 600.0, index)
    index["spread"] = 1
    assert market.index == {"inventory": 0}
    assert hash(market) == hash(MarketSpec(100, 20.0, 0.01, 10.0, 0.5, 600.0, {"inventory": 0}))


@pytest.mark.parametrize(
    ("num_envs", "seed", "message"),
    [
        (0, 0, "num_envs must be >= 1, got 0"),
        (2, [1], "seed must be one number or 2 of them, got 1"),
        (1, -1, "seed must be >= 0, got -1"),
    ],
)
def test_env_seeds_refuses_what_does_not_fit(num_envs, seed, message):
    with pytest.raises(ValueError, match=message):
        env_seeds(num_envs, seed)


def test_env_seeds_counts_up_from_one_number():
    assert env_seeds(3, 5) == (5, 6, 7)
    assert env_seeds(2, [8, 3]) == (8, 3)
