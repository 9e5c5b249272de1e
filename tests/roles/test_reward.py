"""What a maker is paid, part by part, and that no money or share is made on the way."""

from __future__ import annotations

import numpy as np
import pytest

from lobenv.market.tables import ENDED, KILLED, RESTING
from lobenv.roles.maker.reward import PARTS
from tests.envs.rollouts import LOT, MAKER, STEPS, TICK, Step, make, near_touch, own_account, own_orders, rollout

INTERVAL = 0.5  # s
MILLITICKS = 1000


def part(steps: list[Step], name: str) -> np.ndarray:
    """One part of the reward at every step after the reset, (T,) [$]."""
    return np.array([step.info[f"reward/{name}"] for step in steps[1:]])


def lots(steps: list[Step]) -> np.ndarray:
    """Lots held at every decision, as the exchange had them, (T + 1,)."""
    return np.array([step.info["inventory"] for step in steps]) / LOT


def episode(seed=3, **settings):
    """An environment at the end of a session in which it traded, and what its calls gave."""
    env = make(**settings)
    steps = rollout(env, near_touch(seed, STEPS), seed=seed)
    assert steps[-1].terminated
    assert own_account(env)["volume"] > 0
    return env, steps


@pytest.mark.parametrize("reward", ["inventory", "dampened", "pnl"])
@pytest.mark.parametrize("seed", [1, 3])
def test_the_parts_sum_to_the_reward(reward, seed):
    _, steps = episode(seed, reward=reward)
    total = part(steps, PARTS[0])
    for name in PARTS[1:]:
        total = total + part(steps, name)
    assert total.tolist() == [step.reward for step in steps[1:]]


@pytest.mark.parametrize("fees", ["none", "nasdaq", "crypto"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_pnl_parts_sum_to_cash_less_fees_plus_the_value_of_the_position(seed, fees):
    env, steps = episode(seed, fees=fees)
    account, info = own_account(env), steps[-1].info
    assert part(steps, "pnl").sum() == pytest.approx(info["pnl"], abs=1e-9)
    for step in steps:
        value = step.info["cash"] - step.info["fees"] + step.info["inventory"] * step.info["mid"] * TICK
        assert step.info["pnl"] == pytest.approx(value, abs=1e-6)
    assert info["pnl"] == pytest.approx((int(account["cash"]) - int(account["fees"])) * TICK / MILLITICKS, abs=1e-9)


def test_cash_and_fees_are_those_of_the_executions():
    env = make(fees="nasdaq")
    env.reset(seed=3)
    cash = fees = 0.0
    for action in near_touch(3, STEPS):
        *_, info = env.step(action)
        for fill in env.batch.new_fills():
            cash -= int(fill["side"]) * int(fill["price"]) * int(fill["qty"]) * TICK
            fees += int(fill["qty"]) * (-0.0020 if fill["maker"] else 0.0030)
            assert fill["fee"] * TICK / MILLITICKS == pytest.approx(
                fill["qty"] * (-0.0020 if fill["maker"] else 0.0030)
            )
        assert info["cash"] == pytest.approx(cash, abs=1e-6)
        assert info["fees"] == pytest.approx(fees, abs=1e-9)
    assert fees != 0.0


def test_the_default_charges_squared_inventory_and_what_had_to_be_liquidated():
    liquidated = 0.0
    for seed in range(1, 6):
        _, steps = episode(seed)
        charged, terminal = part(steps, "inventory"), part(steps, "terminal")
        np.testing.assert_allclose(charged[:-1], -0.01 * lots(steps)[1:-1] ** 2 * INTERVAL, atol=1e-12)
        assert (terminal[:-1] == 0.0).all()
        # The last inventory is that before the liquidation, of which the info no longer tells.
        assert terminal[-1] == pytest.approx(charged[-1] / (0.01 * INTERVAL) * 0.1)
        assert (part(steps, "dampening") == 0.0).all()
        liquidated += terminal[-1]
    assert liquidated < 0.0


def test_the_aversions_can_be_set():
    _, mild = episode(reward={"inventory_aversion": 0.0, "terminal_aversion": 0.0})
    _, strict = episode(reward={"mode": "inventory", "inventory_aversion": 0.02, "terminal_aversion": 0.3})
    _, usual = episode()
    assert (part(mild, "inventory") == 0.0).all()
    assert (part(mild, "terminal") == 0.0).all()
    np.testing.assert_allclose(part(strict, "inventory"), 2.0 * part(usual, "inventory"))
    np.testing.assert_allclose(part(strict, "terminal"), 3.0 * part(usual, "terminal"))
    assert part(usual, "inventory").any()
    np.testing.assert_array_equal(part(mild, "pnl"), part(strict, "pnl"))


@pytest.mark.parametrize("dampening", [0.5, 1.0])
def test_dampening_takes_away_gains_from_holding_and_never_losses(dampening):
    _, steps = episode(reward={"mode": "dampened", "dampening": dampening})
    mid = np.array([step.info["mid"] for step in steps])
    holding = lots(steps)[:-1] * LOT * np.diff(mid) * TICK
    expected = -np.maximum(0.0, dampening * holding)
    np.testing.assert_allclose(part(steps, "dampening"), expected, atol=1e-9)
    assert (expected < 0.0).any()
    assert (holding < 0.0).any()
    assert (part(steps, "inventory") == 0.0).all()
    assert (part(steps, "terminal") == 0.0).all()


def test_plain_pnl_is_nothing_but_the_change_of_value():
    _, steps = episode(reward="pnl")
    value = np.array([step.info["pnl"] for step in steps])
    np.testing.assert_allclose([step.reward for step in steps[1:]], np.diff(value), atol=1e-9)


def test_the_reward_mode_changes_nothing_but_the_reward():
    rollouts = [episode(reward=reward)[1] for reward in ("inventory", "dampened", "pnl")]
    for steps in rollouts[1:]:
        for a, b in zip(rollouts[0], steps, strict=True):
            assert a.observation.tobytes() == b.observation.tobytes()
            assert a.info["pnl"] == b.info["pnl"]


def test_the_first_observation_comes_with_a_flat_account():
    _, info = make().reset(seed=1)
    figures = ("pnl", "inventory", "cash", "fees", *(f"reward/{name}" for name in PARTS))
    assert all(info[name] == 0.0 for name in figures)


# ------------------------------------------------------------ the end


@pytest.mark.parametrize("seed", range(1, 5))
@pytest.mark.parametrize("latency", ["metro", "geo"])
def test_the_close_leaves_no_position_and_no_order(seed, latency):
    env, steps = episode(seed, latency=latency)
    world = env.batch.market()
    assert env.batch.out.session[0, 0] == ENDED
    assert own_account(env)["position"] == 0
    assert steps[-1].info["inventory"] == 0.0
    assert own_orders(env) == {}
    assert not (world.orders["state"] == RESTING).any()
    assert world.accounts["open_orders"].sum() == 0


@pytest.mark.parametrize("fees", ["none", "nasdaq", "crypto"])
def test_shares_and_money_are_conserved_at_every_decision(fees):
    env = make(fees=fees)
    env.reset(seed=2)
    world = env.batch.market()
    for action in near_touch(2, STEPS):
        env.step(action)
        assert world.accounts["position"].sum() == 0
        assert world.accounts["cash"].sum() == 0
        assert world.accounts["fees"].sum() == world.books["revenue"].sum()
    assert env.batch.out.session[0, 0] == ENDED
    assert (world.books["revenue"].sum() != 0) == (fees != "none")
    assert world.accounts[MAKER, 0]["volume"] > 0


def test_a_breached_loss_limit_terminates_with_the_position_closed():
    killed = 0
    for seed in range(1, 6):
        env = make(overrides={"learners.maker.loss_limit": 0.5})
        steps = rollout(env, near_touch(seed, STEPS), seed=seed)
        assert steps[-1].terminated
        if env.batch.out.session[0, 0] != KILLED:
            continue
        killed += 1
        assert len(steps) < STEPS + 1
        assert own_account(env)["killed"] == 1
        assert own_account(env)["position"] == 0
        assert own_orders(env) == {}
        assert steps[-1].info["pnl"] < 0.0
        assert all(step.info["pnl"] > -0.5 - 1e-9 for step in steps[:-1])
        assert sum(part(steps, "pnl")) == pytest.approx(steps[-1].info["pnl"], abs=1e-9)
    assert killed > 0


def test_without_a_loss_limit_the_session_runs_to_its_close():
    env, steps = episode(2)
    assert env.batch.out.session[0, 0] == ENDED
    assert len(steps) == STEPS + 1
