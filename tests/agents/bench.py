"""A market made by trader 1 alone, in which background traders of one kind act at once on what they see at once."""

from __future__ import annotations

from typing import Any

import numpy as np

from lobenv.agents.base import AgentConfig
from lobenv.scenario.config import Capacity
from lobenv.tape.schema import EXECUTE, EXECUTE_HIDDEN
from tests.market.driver import Market, small_template, trader

AGENT = 3  # the first of the group; 0 is the opening book, 1 and 2 are external
DEEP = 1_000_000


def quick(**fields: Any) -> dict[str, Any]:
    """Fields of traders without delays who decide once a second, and others."""
    return {"latency": "none", "computation_us": 0.0, "mean_interval_s": 1.0} | fields


QUICK = quick()


def market_with(config: AgentConfig, *, seed: int = 1, **changes) -> Market:
    """A market with one group of background traders, and a tape."""
    capacity = Capacity(orders=256, messages=512, events=512, ladder_ticks=256, feed=64, inbox=512)
    settings = {"agents": {"group": config}, "capacity": capacity} | changes
    return Market(small_template(trader(1), trader(2), tape=True, **settings), seed)


def quote(market: Market, bid: int, ask: int, qty: int = DEEP, book: int = 0) -> None:
    """Let trader 1 show this touch and nothing else."""
    market.cancel_all(1, book=book)
    market.order(1, 1, bid, qty, book=book)
    market.order(1, -1, ask, qty, book=book)


def tape(market: Market) -> np.ndarray:
    """Everything on the tape."""
    return market.world.tape[: int(market.world.clock["tape_count"][0])]


def taken_by(market: Market, agent: int = AGENT) -> np.ndarray:
    """Executions in which an agent was the aggressor; their side is that of the resting order."""
    rows = tape(market)
    return rows[np.isin(rows["kind"], (EXECUTE, EXECUTE_HIDDEN)) & (rows["aggressor"] == agent)]


def resting(market: Market, agent: int = AGENT, book: int = 0) -> dict[int, list[tuple[int, int]]]:
    """An agent's orders in the book: side -> (price, open shares), from the best price on."""
    rows = market.world.orders
    rows = rows[(rows["state"] == 2) & (rows["owner"] == agent) & (rows["book"] == book)]
    found = {}
    for side in (1, -1):
        mine = rows[rows["side"] == side]
        pairs = zip(mine["price"].tolist(), (mine["qty"] + mine["reserve"]).tolist(), strict=True)
        found[side] = sorted(pairs, key=lambda pair: -side * pair[0])
    return found


def state(market: Market, dtype: np.dtype, agent: int = AGENT) -> np.void:
    """An agent's own record."""
    start = int(market.world.agents["memory"][agent])
    return market.world.memory[start : start + dtype.itemsize].view(dtype)[0]
