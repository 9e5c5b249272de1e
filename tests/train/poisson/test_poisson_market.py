"""The Poisson-fill market as an environment, and its optimum in steps, against brute force and the closed form."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from evaluate.closed_form import Criterion, PoissonMarket
from train.check_cartea_jaimungal import INVENTORY, MIDDLE, closed_form
from train.poisson.check_command import Options, checked
from train.poisson.market import CRITERION, DEPTH_RANGE, MARKET, PoissonVecEnv, actions_of, depths_of, play
from train.poisson.optimum import solve
from train.poisson.training import learn

SMALL = PoissonMarket(horizon=0.5, steps=3, sigma=1.0, arrival_rate=2.0, k=2.0)
PENALTIES = Criterion(phi=0.5, alpha=0.1, inventory_cap=2)


def constant(bid: float, ask: float, k: float = 1.0):
    return lambda observation: np.tile(actions_of(np.array([bid, ask]), k), (len(observation), 1))


def test_actions_stand_for_distances_and_back():
    depths = np.array([[-1.0, 3.0], [0.3, 1.5]])
    assert depths_of(actions_of(depths, 1.0), 1.0) == pytest.approx(depths, abs=1e-6)
    assert depths_of(np.array([-7.0, 7.0]), 2.0).tolist() == [DEPTH_RANGE[0] / 2, DEPTH_RANGE[1] / 2]


def test_the_closed_form_has_the_published_quotes():
    published = [0.1772, 0.4997, 0.8321, 1.1679, 1.5003, 1.8228, 2.1305]
    bid, ask = closed_form()[MIDDLE].T
    assert bid == pytest.approx(published, abs=5e-5)
    assert ask == pytest.approx(published[::-1], abs=5e-5)


def test_rewards_are_the_change_of_wealth_less_the_penalties():
    market = replace(MARKET, sigma=20.0)
    env = PoissonVecEnv(200, market, CRITERION, leaked=True)
    env.seed(5)
    before = env.reset()
    bid, ask = 0.5, 1.0
    for step in range(market.steps):
        after, reward, done, infos = env.step(constant(bid, ask)(before))
        last = step == market.steps - 1
        assert done.all() == last
        held, now = before[:, 0], (np.stack([info["terminal_observation"] for info in infos]) if last else after)[:, 0]
        penalty = CRITERION.phi * held**2 * market.dt + (CRITERION.alpha * now**2 if last else 0.0)
        spread = reward + penalty - now * before[:, 2]
        for change, possible in ((1, [bid]), (-1, [ask]), (0, [0.0, bid + ask])):
            earned = spread[now - held == change]
            assert np.abs(earned[:, None] - possible).min(axis=1) == pytest.approx(0.0, abs=1e-4)
        assert np.abs(now - held).max() <= 1
        before = after


def test_the_step_that_ends_an_episode_begins_the_next():
    env = PoissonVecEnv(3, SMALL, PENALTIES, widest_start=1)
    env.seed(1)
    observation = env.reset()
    for expected in (1 / 3, 2 / 3, 0.0):
        observation, _, done, infos = env.step(np.zeros((3, 2), np.float32))
        assert observation[:, 1] == pytest.approx(expected)
    assert done.all()
    assert [info["terminal_observation"][1] for info in infos] == [1.0, 1.0, 1.0]
    assert [info["TimeLimit.truncated"] for info in infos] == [False, False, False]


def test_markets_of_one_seed_move_alike_whatever_is_quoted():
    def course(bid: float, ask: float):
        env = PoissonVecEnv(50, leaked=True)
        env.seed(3)
        observations = [env.reset()]
        for _ in range(2 * MARKET.steps):
            observations.append(env.step(constant(bid, ask)(observations[-1]))[0])
        return np.stack(observations)

    near, far, again = course(-0.5, 0.0), course(2.0, 3.0), course(-0.5, 0.0)
    assert np.array_equal(near, again)
    assert np.array_equal(near[..., 1:], far[..., 1:])
    assert not np.array_equal(near[..., 0], far[..., 0])


def test_no_fill_carries_the_inventory_over_the_cap():
    env = PoissonVecEnv(200, MARKET, replace(CRITERION, inventory_cap=2), widest_start=2)
    env.seed(1)
    observation = env.reset()
    seen = set(observation[:, 0].tolist())
    for _ in range(MARKET.steps - 1):
        observation = env.step(constant(*DEPTH_RANGE)(observation))[0]
        seen |= set(observation[:, 0].tolist())
    assert seen == {-2.0, -1.0, 0.0, 1.0, 2.0}
    assert (observation[:, 0] == 2).mean() > 0.9


@pytest.mark.parametrize("leaked", [False, True])
def test_the_optimum_is_what_trying_every_quote_finds(leaked):
    grid = np.linspace(*DEPTH_RANGE, 501) / SMALL.k
    chance = SMALL.arrival_rate * SMALL.dt * np.exp(-SMALL.k * grid)
    optimum = solve(SMALL, PENALTIES, leaked=leaked)
    value = -PENALTIES.alpha * np.arange(-2.0, 3.0) ** 2
    for step in reversed(range(SMALL.steps)):
        gains = np.empty((len(optimum.moves), 5))
        for place, move in enumerate(optimum.moves):
            for q in range(-2, 3):
                bid, ask = (chance if q < 2 else 0 * chance)[:, None], (chance if q > -2 else 0 * chance)[None, :]
                up = value[min(q + 3, 4)] - value[q + 2]
                down = value[max(q + 1, 0)] - value[q + 2]
                worth = bid * (grid[:, None] + move) + ask * (grid[None, :] - move)
                worth = worth + bid * (1 - ask) * up + ask * (1 - bid) * down
                gains[place, q + 2] = worth.max()
        value = value + gains.mean(axis=0) - PENALTIES.phi * np.arange(-2.0, 3.0) ** 2 * SMALL.dt
        assert optimum.value[step] == pytest.approx(value, abs=1e-4)  # the grid's quotes are 0.005 apart, at a flat top


def test_the_optimum_tends_to_the_closed_form_as_steps_shorten():
    errors = []
    for steps in (100, 400):
        optimum = solve(replace(MARKET, steps=steps), CRITERION)
        errors.append(np.abs(optimum.at(steps // 2, INVENTORY) - closed_form()[MIDDLE]).max())
    assert errors[0] < 0.03
    assert errors[1] == pytest.approx(errors[0] / 4, rel=0.1)


@pytest.mark.parametrize("leaked", [False, True])
def test_the_optimum_earns_its_value(leaked):
    market = replace(MARKET, sigma=5.0)
    optimum = solve(market, CRITERION, leaked=leaked)
    earned = play(PoissonVecEnv(4000, market, widest_start=0, leaked=leaked), optimum.policy(market.k), 7)
    error = earned.std() / np.sqrt(len(earned))
    assert earned.mean() == pytest.approx(optimum.value[0, CRITERION.inventory_cap], abs=4 * error)
    assert optimum.value[0, CRITERION.inventory_cap] > 8 * error  # so that the comparison says something


def test_what_is_out_of_range_is_one_line():
    with pytest.raises(ValueError, match=r"^widest_start must be within 0\.\.10, got 11$"):
        PoissonVecEnv(1, widest_start=11)
    with pytest.raises(ValueError, match=r"^steps must be >= 28, got 20$"):
        PoissonVecEnv(1, replace(MARKET, steps=20))
    with pytest.raises(ValueError, match=r"^seed must be within 0\.\.4294967295, got -1$"):
        checked("cartea_jaimungal", Options(seed=-1))


def test_weights_are_averaged_over_the_end_of_the_training():
    changes = {"n_envs": 4, "n_steps": 10, "batch_size": 40, "learning_rate": 1e-2}

    def weights(iterations: int, averaged: float):
        hyperparameters = checked("cartea_jaimungal", Options(), changes | {"n_timesteps": 40 * iterations})
        course = learn(PoissonVecEnv(4), hyperparameters, 1, lambda policy: 0.0, averaged)
        return np.concatenate([value.detach().numpy().ravel() for value in course.model.policy.parameters()])

    last = [weights(iterations, 0.0) for iterations in (1, 2, 3)]
    assert not np.array_equal(last[0], last[1])
    assert weights(3, 2 / 3) == pytest.approx(np.mean(last, axis=0), abs=5e-7)
