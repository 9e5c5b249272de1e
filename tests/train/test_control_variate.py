"""The control variate: what it takes out of the reward, and that a forecast finds what there is."""

from __future__ import annotations

import numpy as np
from stable_baselines3.common.vec_env import VecMonitor

from lobenv.envs.observation import WIDTH
from lobenv.envs.reward import STATE_INDEX
from train.control_variate import OWN, SETTLED_STEPS, ControlVariate, Forecast, Position
from train.markets import MixedVecEnv, combinations

MARKETS = combinations(("calm",), (), (), {"session.duration_s": 25})
ENVS = 6


def test_a_forecast_finds_the_coefficients_that_moves_come_from():
    rng = np.random.default_rng(3)
    truth = rng.normal(size=WIDTH + OWN)
    forecast = Forecast()
    for _ in range(40):
        regressors = rng.normal(size=(512, WIDTH + OWN))
        forecast.learn(regressors, regressors @ truth)
    forecast.fit()
    assert np.abs(forecast.coefficients - truth).max() < 0.02


def test_only_what_was_held_all_the_time_is_settled():
    held = np.zeros((SETTLED_STEPS + 1, 5))
    held[:, 0] = 2.0  # long all the time
    held[:3, 1] = 2.0  # bought just now
    held[:, 2], held[4, 2] = -3.0, -1.0  # short, and once only of one lot
    held[:5, 3], held[5:, 3] = 1.0, -1.0  # turned round
    position = Position(np.zeros(5), held)
    assert position.settled.tolist() == [2.0, 0.0, -1.0, 0.0, 0.0]


def test_the_learner_is_paid_the_reward_less_what_the_settled_position_gained():
    real, wrapped = MixedVecEnv(MARKETS, ENVS), ControlVariate(VecMonitor(MixedVecEnv(MARKETS, ENVS)))
    real.seed(5)
    wrapped.seed(5)
    np.testing.assert_array_equal(real.reset(), wrapped.reset())
    batch = real.parts[0].batch
    history = [*[np.zeros(ENVS)] * SETTLED_STEPS, held(batch)]
    taken_out = 0
    for _ in range(45):
        actions = np.full((ENVS, 2), -0.85, np.float32)
        mid = batch.out.state[:, 0, STATE_INDEX["mid"]].copy()
        _, reward, done, _ = real.step(actions)
        _, paid, _, _ = wrapped.step(actions)
        window = np.array(history[-SETTLED_STEPS - 1 :])
        settled = np.maximum(window.min(axis=0), 0.0) + np.minimum(window.max(axis=0), 0.0)
        gained = np.where(done, 0.0, settled * (batch.out.state[:, 0, STATE_INDEX["mid"]] - mid))
        np.testing.assert_allclose(reward - paid, gained, atol=1e-5)  # a tick on a lot is a dollar
        taken_out += int((gained != 0).sum())
        history.append(held(batch))
    assert taken_out > 20


def test_what_is_logged_is_the_real_reward():
    wrapped = ControlVariate(VecMonitor(MixedVecEnv(MARKETS, ENVS)))
    real = VecMonitor(MixedVecEnv(MARKETS, ENVS))
    wrapped.seed(8)
    real.seed(8)
    wrapped.reset()
    real.reset()
    actions = np.full((ENVS, 2), -0.9, np.float32)
    for _ in range(49):
        wrapped.step(actions)
        real.step(actions)
    _, _, done, infos = wrapped.step(actions)
    expected = real.step(actions)[3]
    assert done.all()
    assert [info["episode"]["r"] for info in infos] == [info["episode"]["r"] for info in expected]


def held(batch) -> np.ndarray:
    return batch.out.state[:, 0, STATE_INDEX["inventory"]] / batch.scenario.maker.order_size_shares
