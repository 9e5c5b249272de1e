"""What a taker of another package does in a market, beside a maker and alone, in a process of its own."""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np

from lobenv.engine.batch import Batch
from lobenv.market.tables import RUNNING
from lobenv.scenario.loading import load, scenario_hash, to_yaml
from lobenv.simulation.market import Market

QUICK = {"session": {"warm_up_s": 1, "duration_s": 12}, "agents.retail.mean_interval_s": 20}
ROW = np.zeros(1, np.int64)
TOUCH, FLAT, LONG = -0.9, 1.0, 2.0


def begun(changes: dict[str, Any], *learners: str) -> Batch:
    """A batch of one at its first decision."""
    batch = Batch(load("taking.yaml", {**QUICK, **changes}), learners=learners, threads=1)
    batch.reset(ROW, np.array([5], np.uint64))
    return batch


def actions(batch: Batch, position: float) -> np.ndarray:
    """The maker quotes near the touch, the taker wants a position."""
    rows = [[TOUCH, TOUCH] if name == "maker" else [position, 0.0] for name in names(batch)]
    return np.array([rows])


def names(batch: Batch) -> list[str]:
    return [external.name for external in batch.externals]


def beside_a_maker() -> dict[str, Any]:
    """A taker that is short, flat and long in turn, in one batch with a maker that decides twice as often."""
    batch, seen, paid, due = begun({}, "maker", "taker"), [], 0.0, []
    for step in range(24):
        due.append(batch.out.due[0].tolist())
        batch.step(actions(batch, step // 2 % 3))
        seen.append(batch.out.observation[0, 1, :3].tolist())
        paid += float(batch.out.reward[0, 1])
    account = batch.worlds.accounts[0, 2, 0]
    profit = (int(account["cash"]) - int(account["fees"])) * 1e-5
    return {
        "due": due[:4],
        "sent": int(account["orders_sent"]),
        "positions": sorted({round(row[0], 6) for row in seen}),
        "lowest": np.min(seen, axis=0).tolist(),
        "highest": np.max(seen, axis=0).tolist(),
        "held": int(account["position"]),
        "ended": batch.out.session[0].tolist(),
        "paid": paid,
        "profit": profit,
        "maker": batch.worlds.accounts[0, 1, 0]["orders_sent"].item(),
        "digest": [float(batch.out.observation.sum(dtype=np.float64)), int(batch.worlds.clock["events"][0, 0])],
    }


def shifts_nobody() -> bool:
    """Whether a maker sees the same beside a taker that stays flat as it does alone."""
    alone, beside = begun({}, "maker"), begun({}, "maker", "taker")
    for _ in range(15):
        if not np.array_equal(
            alone.out.observation[0, 0], beside.out.observation[0, 0, : alone.out.observation.shape[2]]
        ):
            return False
        alone.step(actions(alone, FLAT))
        beside.step(actions(beside, FLAT))
    return True


def with_a_goal() -> dict[str, Any]:
    """A taker whose session is over with its first cent, and a maker that goes on."""
    batch = begun({"learners.taker.profit_goal": 0.01, "session.duration_s": 40}, "maker", "taker")
    steps = 0
    while batch.out.session[0, 1] == RUNNING and steps < 79:
        batch.step(actions(batch, 2.0 * (steps // 4 % 2)))
        steps += 1
    return {
        "steps": steps,
        "status": batch.out.session[0].tolist(),
        "position": int(batch.worlds.accounts[0, 2, 0]["position"]),
    }


class Long:
    """Goes long, and stays."""

    def reset(self, num_envs, seed):
        self.seen = []

    def act(self, observation) -> np.ndarray:
        self.seen.append(observation.shape)
        return np.full(len(observation), LONG)


class Quotes(Long):
    """Quotes near the touch."""

    def act(self, observation) -> np.ndarray:
        self.seen.append(observation.shape)
        return np.full((len(observation), 2), TOUCH)


def in_a_plain_market() -> dict[str, Any]:
    """A taker and a maker in a market without an environment."""
    taker, maker = Long(), Quotes()
    market = Market(load("taking.yaml", QUICK), seed=5, learners={"taker": taker, "maker": maker})
    market.run(6.0)
    accounts = {row["name"]: row for row in market.result().accounts.iter_rows(named=True)}
    return {
        "position": accounts["taker"]["position"],
        "quotes": accounts["maker"]["orders_sent"],
        "seen": [sorted(set(policy.seen)) for policy in (taker, maker)],
    }


def told() -> dict[str, Any]:
    """Everything at once."""
    scenario = load("taking.yaml")
    return {
        "beside": beside_a_maker(),
        "shifts nobody": shifts_nobody(),
        "goal": with_a_goal(),
        "plain": in_a_plain_market(),
        "comes back": scenario_hash(load(json.loads(json.dumps(scenario.model_dump(mode="json")))))
        == scenario_hash(scenario),
        "written": "role: taker" in to_yaml(scenario),
        "learners": list(scenario.each_learner()),
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(told()))
