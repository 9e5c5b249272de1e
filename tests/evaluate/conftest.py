"""A small made-up market with known accounts, from which metrics, statistics and reports are tested."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from evaluate.episode import COUNT, FILL, Constants, Paths, fill_table, path_table, quote_table
from evaluate.metrics import episode_metrics
from evaluate.run_directory import RunDirectory

CONSTANTS = Constants(tick_size=0.01, order_size=100, interval_s=0.5)
POLICIES = {"do_nothing": (None, 0.0), "fixed_spread": (2, 0.0), "inventory_skewed": (2, 0.8)}
VOLATILITY = {"calm": 0.6, "volatile": 1.5}


@dataclass(frozen=True)
class Batch:
    """One batch as the lab would hand it over."""

    paths: Paths
    fills: NDArray[np.void]
    counts: NDArray[np.void]
    constants: Constants


def simulate(policy: str, scenario: str, seeds: list[int], steps: int = 120) -> Batch:
    """Quotes at a fixed distance, skewed by inventory, on a random walk of the mid that depends on the seed alone."""
    half_spread, skew = POLICIES[policy]
    shape = (len(seeds), steps + 1)
    mid = np.full(shape, 10_000.0)
    bid, ask, inventory = np.full(shape, np.nan), np.full(shape, np.nan), np.zeros(shape)
    cash, fees = np.zeros(shape), np.zeros(shape)
    fills, counts = [], np.zeros(len(seeds), COUNT)
    for env, seed in enumerate(seeds):
        generator = np.random.default_rng([seed, sorted(VOLATILITY).index(scenario)])
        walk, luck = generator.normal(0.0, VOLATILITY[scenario], steps), generator.random((steps, 2))
        mid[env, 1:] += np.round(np.cumsum(walk))
        if half_spread is None:
            continue
        for step in range(1, steps + 1):
            inventory[env, step], cash[env, step] = inventory[env, step - 1], cash[env, step - 1]
            fees[env, step] = fees[env, step - 1]
            lean = round(skew * inventory[env, step] / CONSTANTS.order_size)
            distances = {1: half_spread + lean, -1: half_spread - lean}
            for index, (side, distance) in enumerate(distances.items()):
                counts["orders_sent"][env] += 1
                counts["quantity_quoted"][env] += CONSTANTS.order_size
                toward = 0.6 if side * (mid[env, step] - mid[env, step - 1]) < 0 else 0.3
                if luck[step - 1, index] < toward * np.exp(-0.3 * distance):
                    price = int(mid[env, step - 1] - side * distance)
                    time_ns = int((step - 0.5) * CONSTANTS.interval_s * 1e9)
                    fee = -0.002 * CONSTANTS.order_size
                    fills.append((env, time_ns, side, 1, price, CONSTANTS.order_size, mid[env, step - 1], fee))
                    inventory[env, step] += side * CONSTANTS.order_size
                    cash[env, step] -= side * price * CONSTANTS.order_size * CONSTANTS.tick_size
                    fees[env, step] += fee
                    counts["quantity_filled"][env] += CONSTANTS.order_size
            lean = round(skew * inventory[env, step] / CONSTANTS.order_size)
            if step < steps:
                bid[env, step] = mid[env, step] - half_spread - lean
                ask[env, step] = mid[env, step] + half_spread - lean
    best_bid, best_ask = np.fmax(mid - 2, bid), np.fmin(mid + 2, ask)
    time_s = np.broadcast_to(np.arange(steps + 1) * CONSTANTS.interval_s, shape)
    length = np.full(len(seeds), steps + 1)
    paths = Paths(
        time_s, mid, bid, ask, best_bid, best_ask, inventory, cash, fees, length, held_at_end=inventory[:, -1]
    )
    return Batch(paths, np.array(fills, FILL), counts, CONSTANTS)


def record(run: RunDirectory, policy: str, scenario: str, seeds: list[int], steps: int = 120) -> None:
    """Simulate a batch and keep it in the run, the first seed in full."""
    batch = simulate(policy, scenario, seeds, steps)
    recordings = {
        "paths": path_table(batch.paths, batch.constants, points=60),
        "quotes": quote_table(batch.paths, batch.constants, [0]),
        "fills": fill_table(batch.fills, [0]),
    }
    metrics = episode_metrics(batch.paths, batch.fills, batch.counts, batch.constants)
    run.append(policy, scenario, seeds, metrics, recordings)


@pytest.fixture
def simulate_batch():
    return simulate


@pytest.fixture
def record_batch():
    return record


@pytest.fixture
def config():
    return {
        "policies": list(POLICIES),
        "scenarios": list(VOLATILITY),
        "seeds": list(range(16)),
        "baseline": "fixed_spread",
        "latency": {"profile": "colo", "order_entry_us": 5.0},
    }


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory):
    """A run of 3 policies x 2 scenarios x 16 seeds; tests only read it."""
    seeds = list(range(16))
    settings = {"policies": list(POLICIES), "scenarios": list(VOLATILITY), "seeds": seeds, "baseline": "fixed_spread"}
    run = RunDirectory.create(tmp_path_factory.mktemp("runs"), "synthetic", settings)
    for scenario in VOLATILITY:
        for policy in POLICIES:
            record(run, policy, scenario, seeds)
    run.consolidate()
    return run
