"""What tests of environments share: short sessions, a market where nothing moves, rollouts, and fresh processes."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np

from lobenv.envs.market_making import MarketMakingEnv
from lobenv.market.tables import RESTING
from lobenv.roles.maker.observation import INDEX

ROOT = Path(__file__).parents[2]
LOT = 100  # shares
TICK = 0.01  # $
BEST_BID, BEST_ASK = 9_997, 10_003  # of STILL
MAKER = 1  # the external agent's place among the agents
SLOW_MS = 300.0

SHORT: dict[str, Any] = {"session.duration_s": 20.0, "session.warm_up_s": 5.0}
STEPS = 40
BRIEF: dict[str, Any] = {**SHORT, "session.duration_s": 4.0}

# A busy market, in which quotes near the touch are filled every few seconds, whatever the presets are tuned to.
LIVELY: dict[str, Any] = {
    "name": "lively",
    "fundamentals": {"SIM": {"price": 100.0, "volatility_ticks": 2.0, "reversion_per_s": 0.01, "step_s": 0.5}},
    "agents": {
        "makers": {"kind": "market_maker", "count": 2, "mean_interval_s": 1.0, "latency": "colo"},
        "value": {"kind": "value", "count": 6, "mean_interval_s": 5.0, "noise_ticks": 2.0, "aggression": 0.8},
        "noise": {"kind": "noise", "count": 10, "mean_interval_s": 4.0, "distance_mean_ticks": 10.0},
        "retail": {"kind": "retail", "count": 40, "mean_interval_s": 15.0},
        "institutions": {"kind": "institution", "count": 2, "parent_mean_shares": 500, "mean_interval_s": 20.0},
    },
    "session": {"duration_s": 20.0, "warm_up_s": 5.0},
}

# Nothing but an opening book that stays, so that all that happens is the market maker's doing.
STILL: dict[str, Any] = {
    "fundamentals": {"SIM": {"price": 100.0, "volatility_ticks": 0.0}},
    "opening": {"levels": 20, "mean_shares": 300.0, "half_spread_ticks": 3, "withdraw_s": 1e6},
    "session": {"duration_s": 10.0, "warm_up_s": 1.0},
}

# Every message takes 300 ms, so that the answer to an action is later than the next decision.
SLOW: dict[str, Any] = {
    "latencies": {"slow": {link: {"base_us": SLOW_MS * 1e3} for link in ("order_entry", "report", "feed")}},
    "learners.maker.latency": "slow",
}


class Step(NamedTuple):
    """What one call of `reset` or `step` gave; a reset has no reward and ends nothing."""

    observation: Any
    reward: float
    terminated: bool
    truncated: bool
    info: dict[str, Any]


def make(**settings: Any) -> MarketMakingEnv:
    """An environment of short sessions without wrappers, in the lively market by default."""
    overrides = {**SHORT, **settings.pop("overrides", {})}
    return MarketMakingEnv(settings.pop("scenario", LIVELY), overrides=overrides, **settings)


def sampled(space: gym.Space[Any], seed: int, steps: int) -> list[Any]:
    """Random actions."""
    space.seed(seed)
    return [space.sample() for _ in range(steps)]


def near_touch(seed: int, steps: int) -> np.ndarray:
    """Random continuous actions near the touch, where quotes are filled: (T, 2)."""
    return np.random.default_rng(seed).uniform(-1.0, -0.6, (steps, 2)).astype(np.float32)


def rollout(env: gym.Env[Any, Any], actions: Iterable[Any], seed: int | None = None) -> list[Step]:
    """Reset and act until the session ends or the actions do."""
    observation, info = env.reset(seed=seed)
    steps = [Step(observation, 0.0, False, False, info)]
    return steps + advance(env, actions)


def advance(env: gym.Env[Any, Any], actions: Iterable[Any]) -> list[Step]:
    """Act until the session ends or the actions do."""
    steps = []
    for action in actions:
        steps.append(Step(*env.step(action)))  # pyright: ignore[reportArgumentType]
        if steps[-1].terminated or steps[-1].truncated:
            break
    return steps


def play(envs: Any, actions: Iterable[Any]) -> Any:
    """What the last of some steps of a vector environment gave."""
    return [envs.step(action) for action in actions][-1]


def digest(steps: Iterable[Step]) -> str:
    """A fingerprint of every bit of a rollout."""
    found = hashlib.blake2b(digest_size=16)
    for step in steps:
        columns = step.observation.values() if isinstance(step.observation, dict) else [step.observation]
        for column in columns:
            found.update(column.tobytes())
        flags = (float(step.reward).hex(), step.terminated, step.truncated)
        info = [(name, value.tolist() if isinstance(value, np.ndarray) else value) for name, value in step.info.items()]
        found.update(repr((flags, info)).encode())
    return found.hexdigest()


def column(steps: Iterable[Step], name: str) -> np.ndarray:
    """One column of the flat observations, (T,) float32."""
    return np.array([step.observation[INDEX[name]] for step in steps])


def own_orders(env: MarketMakingEnv) -> dict[int, np.void]:
    """Records of the maker's resting orders, by side; the exchange's picture."""
    orders = env.batch.market().orders
    mine = orders[(orders["owner"] == MAKER) & (orders["state"] == RESTING)]
    assert len(set(mine["side"])) == len(mine), "more than one quote a side"
    return {int(order["side"]): order.copy() for order in mine}


def own_account(env: MarketMakingEnv) -> np.void:
    """The maker's account, as the exchange has it."""
    return env.batch.market().accounts[MAKER, 0]


def fresh_process(code: str, *arguments: str, **variables: str) -> str:
    """What a Python process of its own prints when it runs some code in the root of the project.

    Args:
        code: Python source.
        *arguments: Its `sys.argv[1:]`.
        **variables: Added to the environment variables of this process.
    """
    command = [sys.executable, "-c", code, *arguments]
    surroundings = {**os.environ, **variables}
    done = subprocess.run(command, cwd=ROOT, env=surroundings, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
