"""Marking at the fundamental value: what it adds to the reward, and that it changes no preference."""

from __future__ import annotations

import numpy as np
import pytest
from stable_baselines3.common.vec_env import VecMonitor

from lobenv.roles.maker.reward import STATE_INDEX
from tests.train.neural.small_training import options, plan
from train.neural.fair_value import FairValue, Mark, mark
from train.neural.learner import build
from train.neural.mixed_markets import MixedVecEnv
from train.neural.options import check
from train.shared.markets import combinations

SHORT = {"session.duration_s": 25}
MARKETS = combinations(("calm", "news_jump"), (), (), SHORT)
ENVS, STEPS, DISCOUNT = 6, 50, 0.98
TRADING = np.full((ENVS, 2), -0.85, np.float32)


def of(held: float, mid: float, value: float, expected: float) -> Mark:
    columns = (np.array([each]) for each in (held, mid, value, expected))
    return Mark(*columns, lot_value=2.0, step_charge=0.01)


def test_the_potential_is_what_inventory_is_worth_above_the_mid_less_the_charges_for_keeping_it():
    assert of(3.0, 100.0, 104.0, 104.0).potential(0.9) == pytest.approx(2.0 * 3.0 * 4.0 - 0.01 * 9.0 / 0.1)
    assert of(-2.0, 100.0, 104.0, 104.0).potential(0.5) == pytest.approx(-2.0 * 2.0 * 4.0 - 0.01 * 4.0 / 0.5)
    assert of(0.0, 100.0, 104.0, 104.0).potential(0.9) == 0.0


def test_the_innovation_is_what_the_value_did_beyond_what_was_expected():
    before, after = of(-3.0, 100.0, 104.0, 103.5), of(7.0, 90.0, 101.0, 101.0)
    assert before.innovation(after) == pytest.approx(2.0 * -3.0 * (101.0 - 103.5))


def test_a_fill_is_paid_its_edge_over_the_value_and_over_the_price_of_inventory():
    wrapped = FairValue(VecMonitor(MixedVecEnv(MARKETS, ENVS)), DISCOUNT)
    flat, long = of(0.0, 100.0, 103.0, 103.0), of(1.0, 100.0, 103.0, 103.0)
    # Bought at 99: the reward of the step is 1 tick against the mid, and the share is worth 4 more than was paid.
    paid = 2.0 * 1.0 + wrapped._added(flat, long, np.array([False]))
    assert paid == pytest.approx(2.0 * 1.0 + DISCOUNT * (2.0 * 3.0 - 0.01 / (1 - DISCOUNT)))
    assert wrapped._added(long, flat, np.array([True])) == pytest.approx(-(2.0 * 3.0 - 0.01 / (1 - DISCOUNT)))


def test_over_a_session_nothing_is_added_but_chance():
    scales = [2.0, 5.0]
    wrapped = FairValue(VecMonitor(MixedVecEnv(MARKETS, ENVS, scales=scales)), DISCOUNT)
    real = MixedVecEnv(MARKETS, ENVS, scales=scales)
    for env in (wrapped, real):
        env.seed(5)
        env.reset()
    added, chance, weight, done = np.zeros(ENVS), np.zeros(ENVS), 1.0, np.zeros(ENVS, bool)
    for step in range(STEPS):
        before = [mark(part.batch) for part in real.parts]
        _, reward, done, _ = real.step(TRADING)
        _, paid, _, _ = wrapped.step(TRADING)
        added += weight * (paid.astype(float) - reward)
        if step < STEPS - 1:
            gained = [early.innovation(mark(part.batch)) for early, part in zip(before, real.parts, strict=True)]
            chance += weight * np.concatenate(gained) / np.repeat(scales, ENVS // 2)
        weight *= DISCOUNT
    assert done.all()
    assert np.abs(chance).max() > 0.5
    np.testing.assert_allclose(added, -chance, atol=1e-3)


def test_what_is_expected_of_the_value_is_what_it_does_on_average():
    reverting = {"session.duration_s": 300, "fundamentals.SIM.reversion_per_s": 0.2}
    env = MixedVecEnv(combinations(("calm",), (), (), reverting), 64)
    env.seed(11)
    env.reset()
    batch = env.parts[0].batch
    surprises, distances = [], []
    for _ in range(500):
        fundamental = batch.worlds.fundamentals[:, 0]
        distances.append(fundamental["value"] - fundamental["mean"])
        before = mark(batch)
        env.step(np.ones((64, 2), np.float32))
        surprises.append(mark(batch).value - before.expected)
    # The value moves once a second, at every other decision: what it reverts by is known in both kinds of steps.
    for first in range(2):
        surprise, distance = (np.concatenate(each[first::2]) for each in (surprises, distances))
        slope = (surprise * distance).mean() / (distance**2).mean()
        assert abs(slope) < 4 * surprise.std() / distance.std() / np.sqrt(surprise.size)
    assert np.concatenate(surprises).std() > 0.5


def test_a_mark_is_what_the_exchange_and_the_simulation_say():
    env = MixedVecEnv(MARKETS, ENVS)
    env.seed(3)
    env.reset()
    for _ in range(20):
        env.step(TRADING)
    batch = env.parts[1].batch
    found = mark(batch)
    assert found.held.tolist() == (batch.out.state[:, 0, STATE_INDEX["inventory"]] / 100).tolist()
    assert found.value.tolist() == batch.worlds.fundamentals["value"][:, 0].tolist()
    assert (found.lot_value, found.step_charge) == (1.0, 0.005)


def test_what_is_logged_is_the_real_reward():
    wrapped, real = FairValue(VecMonitor(MixedVecEnv(MARKETS, ENVS)), DISCOUNT), VecMonitor(MixedVecEnv(MARKETS, ENVS))
    for env in (wrapped, real):
        env.seed(8)
        env.reset()
    for _ in range(STEPS - 1):
        wrapped.step(TRADING)
        real.step(TRADING)
    _, _, done, infos = wrapped.step(TRADING)
    expected = real.step(TRADING)[3]
    assert done.all()
    assert [info["episode"]["r"] for info in infos] == [info["episode"]["r"] for info in expected]


def test_a_learner_is_paid_so_before_its_rewards_are_normalised_and_at_its_own_discount():
    env = MixedVecEnv(MARKETS, ENVS)
    model = build(env, plan(gamma=0.9, batch_size=48).hyperparameters, 1, fair_value=True)
    normalised = model.get_vec_normalize_env()
    assert normalised is not None
    assert isinstance(normalised.venv, FairValue)
    assert normalised.venv._discount == normalised.gamma == 0.9


def test_a_discount_of_one_is_refused():
    with pytest.raises(ValueError, match=r"gamma must be below 1 where fair_value is true, got 1\.0"):
        check(options(gamma=1.0))
    assert not check(options(gamma=1.0, fair_value=False)).fair_value


def test_a_recorded_day_has_no_fundamental_value(tmp_path):
    (tmp_path / "day_message_1.csv").touch()
    recorded = {"scenarios": ("replay",), "overrides": (f"replay.data={tmp_path}",)}
    assert not check(options(**recorded)).fair_value
    with pytest.raises(ValueError, match="fair_value must be false where a scenario replays a recorded day, got true"):
        check(options(**recorded, fair_value=True))
