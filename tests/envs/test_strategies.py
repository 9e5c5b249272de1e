"""A strategy written in Python plays beside the learner: in every face, by seed, and through copies."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from lobenv.engine.batch import InterruptedMarketError
from lobenv.envs.vector import MarketMakingVectorEnv
from lobenv.simulation import Strategy
from tests.envs.rollouts import LIVELY, STEPS, STILL, advance, digest, make, near_touch, rollout

ACTIONS = near_touch(3, STEPS)
HALF = STEPS // 2


class Lifter(Strategy):
    """Buys at the touch twice a second and counts what it has bought."""

    timer_interval_s = 0.5

    def __init__(self, **options):
        super().__init__(**options)
        self.bought, self.calls = 0, []

    def on_timer(self, market):
        self.calls.append(market.now_ns)
        market.buy(None, 100, "market")

    def on_fill(self, market, fill):
        self.bought += fill.qty


class Faulty(Strategy):
    timer_interval_s = 1.0

    def on_timer(self, market):
        raise ZeroDivisionError("its own")


def several() -> list[Strategy]:
    return [Lifter(), Lifter(name="Second", timer_interval_s=1.3, latency="retail")]


def test_it_trades_in_the_learner_s_market_and_the_learner_meets_it():
    lifter = Lifter()
    beside = rollout(make(scenario=STILL, strategies=[lifter]), [np.full(2, -1.0, np.float32)] * 10, seed=1)
    alone = rollout(make(scenario=STILL), [np.full(2, -1.0, np.float32)] * 10, seed=1)
    assert lifter.bought > 0
    assert beside[-1].info["inventory"] < 0, "its ask at the touch was lifted"
    assert alone[-1].info["inventory"] == 0


def test_an_empty_list_is_no_strategy():
    assert digest(rollout(make(strategies=[]), ACTIONS, seed=2)) == digest(rollout(make(), ACTIONS, seed=2))


def test_a_session_is_a_function_of_its_seed_whatever_was_played_before():
    env = make(strategies=several())
    first = digest(rollout(env, ACTIONS, seed=4))
    rollout(env, ACTIONS[:7])
    assert digest(rollout(env, ACTIONS, seed=4)) == first
    assert digest(rollout(make(strategies=several), ACTIONS, seed=4)) == first
    assert digest(rollout(make(), ACTIONS, seed=4)) != first


def test_a_strategy_begins_every_session_as_it_was_handed_over():
    lifter = Lifter()
    env = make(strategies=[lifter])
    rollout(env, ACTIONS, seed=4)
    seen, calls = lifter.bought, lifter.calls
    env.reset(seed=4)
    assert (lifter.bought, len(lifter.calls)) == (0, 0)
    advance(env, ACTIONS)
    assert (lifter.bought, lifter.calls) == (seen, calls)
    env.reset(seed=4, options={"scenario": STILL})
    advance(env, ACTIONS)
    assert lifter.bought > 0
    fresh = Lifter()
    rollout(make(scenario=STILL, strategies=[fresh]), ACTIONS, seed=4)
    assert lifter.calls == fresh.calls


def test_a_snapshot_brings_the_strategies_back():
    lifter = Lifter()
    env = make(strategies=[lifter])
    rollout(env, ACTIONS[:HALF], seed=4)
    snapshot, bought = pickle.loads(pickle.dumps(env.snapshot())), lifter.bought
    first = digest(advance(env, ACTIONS[HALF:]))
    assert lifter.bought > bought > 0
    env.restore(snapshot)
    assert lifter.bought == bought
    assert digest(advance(env, ACTIONS[HALF:])) == first


def test_the_snapshot_of_a_market_without_them_is_refused():
    env, alone = make(strategies=several), make()
    env.reset(seed=1)
    alone.reset(seed=1)
    with pytest.raises(ValueError, match="other external agents"):
        env.restore(alone.snapshot())


def test_row_i_of_a_batch_is_the_single_market_with_strategies_of_its_own():
    envs = MarketMakingVectorEnv(3, scenario=LIVELY, strategies=several)
    observations, _ = envs.reset(seed=9)
    singles = [make(strategies=several) for _ in range(3)]
    for row, env in enumerate(singles):
        assert env.reset(seed=9 + row)[0].tobytes() == observations[row].tobytes()
    for action in ACTIONS[:12]:
        observations, rewards, *_ = envs.step(np.stack([action] * 3))
        for row, env in enumerate(singles):
            observation, reward, *_ = env.step(action)
            assert observation.tobytes() == observations[row].tobytes()
            assert reward == rewards[row]


def test_an_error_of_a_strategy_is_told_and_the_session_needs_a_reset():
    env = make(strategies=[Faulty()])
    env.reset(seed=1)
    with pytest.raises(ZeroDivisionError, match="its own"):
        advance(env, ACTIONS)
    with pytest.raises(InterruptedMarketError, match=r"^.*call reset\(\)$"):
        env.step(ACTIONS[0])
    env.reset(seed=1)
    env.step(ACTIONS[0])


@pytest.mark.parametrize(("strategies", "message"), [
    ([Lifter(), 3], "strategies must be a sequence of Strategy or a function that gives one"),
    (Lifter, "strategies must be a sequence of Strategy or a function that gives one"),
    (Lifter(), "strategies must be a sequence of Strategy or a function that gives one"),
    ([Lifter(latency="pigeon")], "pigeon"),
    ([Lifter(), Lifter()], "Lifter"),
    ([Lifter(name="maker")], "maker"),
])  # fmt: skip
def test_what_is_no_strategy_or_does_not_fit_is_refused_in_one_line(strategies, message):
    with pytest.raises(ValueError, match=message) as caught:
        make(strategies=strategies)
    assert "\n" not in str(caught.value)


def test_markets_of_a_batch_do_not_share_a_strategy():
    with pytest.raises(ValueError, match="new ones for each of 2 markets"):
        MarketMakingVectorEnv(2, scenario=LIVELY, strategies=[Lifter()])
    again = Lifter()
    with pytest.raises(ValueError, match="got one again in market 1"):
        MarketMakingVectorEnv(2, scenario=LIVELY, strategies=lambda: [again])
    others = iter([[Lifter()], [Lifter(timer_interval_s=2.0)]])
    with pytest.raises(ValueError, match="got others in market 1"):
        MarketMakingVectorEnv(2, scenario=LIVELY, strategies=lambda: next(others))
