"""Runs every preset through every face, and keeps what came out as digests: one that changes is a path that changed.

Only what a market is made of is digested, by the names of the fields, so that a field that is added changes nothing.
"""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

from lobenv.engine.batch import Batch
from lobenv.roles.maker.reward import STATE_INDEX
from lobenv.scenario.config import Scenario
from lobenv.scenario.loading import load
from lobenv.simulation.market import Market
from lobenv.simulation.strategy import Strategy

PRESETS = ("calm", "institutional_sweep", "liquidity_shock", "news_jump", "rmsc04", "two_venues", "volatile")
DECISIONS = 300  # of a session at most: every preset has met its event by then
STATE = ("time_s", "mid", "bid", "ask", "inventory", "cash", "fees", "pnl")
TAPE = (
    "time",
    "order_id",
    "price",
    "qty",
    "best_bid",
    "best_ask",
    "bid_qty",
    "ask_qty",
    "owner",
    "aggressor",
    "book",
    "kind",
    "side",
    "source",
)
ACCOUNT = ("position", "cash", "fees", "cost", "known_position", "known_cash", "known_cost", "volume", "maker_volume")
MODES = {"continuous": 2, "discrete": 1, "multidiscrete": 4}
Digests = dict[str, str]


def digest(*arrays: np.ndarray) -> str:
    """16 hexadecimal digits of some arrays; a negative zero and a zero are the same."""
    sink = hashlib.blake2b(digest_size=8)
    for array in arrays:
        values = np.ascontiguousarray(array)
        sink.update((values + 0 if values.dtype.kind == "f" else values).tobytes())
    return sink.hexdigest()


def action_of(mode: str, rng: np.random.Generator, num_envs: int) -> np.ndarray:
    """Actions of any mode; quotes near the touch for the most part, so that they trade."""
    if mode == "continuous":
        return np.clip(rng.normal(-0.85, 0.15, (num_envs, 2)), -1, 1).astype(np.float32)
    if mode == "discrete":
        return rng.integers(0, 10, num_envs)
    return rng.integers(0, (8, 8, 3, 3), (num_envs, 4))


def single(scenario: str, mode: str = "continuous", reward: str = "inventory", **settings: Any) -> Digests:
    """One environment through (the beginning of) one session and a second one."""
    env: Any = gym.make("lobenv:Sentinel-MM-v0", scenario=scenario, action=mode, reward=reward, **settings)
    rng = np.random.default_rng(1)
    observations, rewards, states = [], [], []
    for seed in (11, None):
        observation, _ = env.reset(seed=seed)
        observations.append(observation)
        for _ in range(DECISIONS if seed else 20):
            action = action_of(mode, rng, 1)[0]
            observation, paid, terminated, _, _ = env.step(action)
            observations.append(observation)
            rewards.append(paid)
            states.append(state_of(env.unwrapped.batch, 0))
            if terminated:
                break
    env.close()
    return {
        "observation": digest(np.array(observations)),
        "reward": digest(np.array(rewards)),
        "state": digest(np.array(states)),
    }


def state_of(batch: Batch, row: int) -> np.ndarray:
    """The exchange's picture of the first maker, by the names of the columns that have stood from the first."""
    return batch.out.state[row, 0, [STATE_INDEX[name] for name in STATE]].copy()


def batch(scenario: str, num_envs: int = 5, decisions: int = 60, threads: int = 1, **settings: Any) -> Digests:
    """A vector environment: rows and sessions side by side, restarting where one ends."""
    envs: Any = gym.make_vec(
        "lobenv:Sentinel-MM-v0", num_envs=num_envs, scenario=scenario, max_episode_steps=40, threads=threads, **settings
    )
    observations, rewards = [envs.reset(seed=5)[0]], []
    rng = np.random.default_rng(2)
    for _ in range(decisions):
        observation, reward, *_ = envs.step(action_of("continuous", rng, num_envs))
        observations.append(observation)
        rewards.append(reward)
    envs.close()
    return {"observation": digest(np.array(observations)), "reward": digest(np.array(rewards))}


def tape(scenario: str | Scenario) -> Digests:
    """Tape and accounts of a batch of one, quoting all the while."""
    markets = Batch(load(scenario), tape=True)
    markets.reset(np.zeros(1, np.int64), np.array([3], np.uint64))
    rng = np.random.default_rng(3)
    for _ in range(60):
        markets.step(action_of("continuous", rng, 1)[:, None, :].astype(np.float64))
    return {"tape": of_records(markets.tape(), TAPE), "accounts": of_records(markets.market().accounts, ACCOUNT)}


def of_records(records: np.ndarray, names: tuple[str, ...]) -> str:
    """Digest of some fields of records."""
    return digest(np.array([len(records)]), *(records[name] for name in names))


class Taker(Strategy):
    """Watches the book, quotes, takes, and looks at everything that a strategy can look at."""

    timer_interval_s = 0.5
    latency = "colo"

    def __init__(self) -> None:
        self.seen: list[float] = []

    def on_book_update(self, market, view):
        self.seen.append(market.now_ns)
        if view.bid_qty > 3 * max(view.ask_qty, 1) and not market.open_orders and view.ask is not None:
            market.buy(view.ask, 100, time_in_force="ioc")

    def on_fill(self, market, fill):
        self.seen.append(fill.exchange_ns if hasattr(fill, "exchange_ns") else fill.price)

    def on_timer(self, market):
        depth = market.depth()
        self.seen.append(float(len(str(depth))))
        market.cancel_all()
        if market.position != 0:
            market.send(-1 if market.position > 0 else 1, None, abs(market.position), "market")
        elif market.view.bid is not None:
            market.buy(market.view.bid - 1, 100, display=10)


def simulated(scenario: str | Scenario, until_s: float = 40.0) -> Digests:
    """A market with a strategy in it, and one without."""
    strategy = Taker()
    result = Market(scenario, [strategy], seed=9)
    result.run(until_s)
    plain = Market(scenario, seed=9)
    plain.run(until_s)
    tapes = [market.tape for market in (result, plain)]
    return {
        "tape": digest(
            *(record[name] for tape in tapes if tape is not None for record in [tape.records] for name in TAPE)
        ),
        "accounts": digest(*(result.world.accounts[name] for name in ACCOUNT)),
        "seen": digest(np.array(strategy.seen, dtype=np.float64)),
    }


def replayed(folder: Path, symbol: str = "", prefix: str = "") -> Iterator[tuple[str, Callable[[], Digests]]]:
    """The runs inside a recorded day."""
    changes = {"replay.data": str(folder), "replay.symbol": symbol}

    def quoting() -> Digests:
        return single("replay", overrides=changes)

    yield f"{prefix}replay/single", quoting


def constructed(folder: Path) -> Iterator[tuple[str, Callable[[], Digests]]]:
    """The runs inside the day that is made by hand, once it has been written to a folder."""
    session = {"warm_up_s": 0.5, "duration_s": 6.0}
    changes = {"replay.data": str(folder), "session": session, "learners.maker.decision_interval_s": 0.1}
    yield "constructed/replay/single", lambda: single("replay", overrides=changes)
    yield "constructed/replay/batch", lambda: batch("replay", overrides=changes)
    yield "constructed/replay/tape", lambda: tape(load("replay", changes))
    yield "constructed/replay/simulation", lambda: simulated(load("replay", changes), 6.0)


def runs() -> Iterator[tuple[str, Callable[[], Digests]]]:
    """Name and call of every run that needs no recorded data."""
    for name in PRESETS:
        yield f"{name}/single", lambda name=name: single(name)
        yield f"{name}/batch", lambda name=name: batch(name)
        yield f"{name}/tape", lambda name=name: tape(name)
        yield f"{name}/simulation", lambda name=name: simulated(name)
    for mode in ("discrete", "multidiscrete"):
        yield f"calm/single/{mode}", lambda mode=mode: single("calm", mode)
    for reward in ("dampened", "pnl"):
        yield f"calm/single/{reward}", lambda reward=reward: single("calm", reward=reward)
    yield "calm/single/retail", lambda: single("calm", latency="retail", fees="nasdaq")
    yield "calm/batch/threads", lambda: batch("calm", num_envs=128, decisions=50, threads=2)
