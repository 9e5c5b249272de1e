"""What a frame shows, read from the tables of one market: headline numbers, the ladder, own quotes, last fills."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from lobenv.envs.render.scales import nice_ceiling
from lobenv.market.order_book import queue_ahead, slot_of
from lobenv.market.tables import CLOSED, EXECUTED, HALTED, NONE, RESTING, World
from lobenv.roles.maker.reward import STATE_INDEX
from lobenv.roles.maker.table import maker_of
from lobenv.scenario.config import Scenario

STATE_NAMES = {CLOSED: "CLOSED", HALTED: "HALTED"}


class Level(NamedTuple):
    """One displayed price of a book, and the agent's own order there.

    Attributes:
        price: Ticks.
        qty: Displayed shares, own ones included.
        own: Own shares; 0 without a quote here.
        ahead: Displayed shares that are served before the own ones.
    """

    price: int
    qty: int
    own: int = 0
    ahead: int = 0


@dataclass(frozen=True)
class Frame:
    """What there is to show of one external agent in one market.

    Attributes:
        state: "OPEN", "HALTED", "CLOSED", or "KILLED" after the kill switch.
        step: Decisions so far.
        time_s: Since the first decision [s].
        pnl: After fees [$].
        lots: Inventory [lots].
        fees: Paid, negative for rebates [$].
        mid: Ticks.
        spread: Ticks; None where a side is empty.
        bids: Levels below the mid, best first; empty where the side is.
        asks: Levels above the mid, best first.
        fills: (n,) EXECUTED, the agent's latest executions, oldest first.
        fill_times: (n,) float64, when they happened, since the first decision [s].
        times: (T,) float64, of the rows of the history, since the first decision [s].
        history: (T, STATE_WIDTH) float64.
    """

    state: str
    step: int
    time_s: float
    pnl: float
    lots: float
    fees: float
    mid: float
    spread: int | None
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    fills: np.ndarray
    fill_times: np.ndarray
    times: np.ndarray
    history: np.ndarray

    def column(self, name: str) -> np.ndarray:
        """One column of the history, (T,) float64."""
        return self.history[:, STATE_INDEX[name]]

    def touch(self) -> tuple[np.ndarray, np.ndarray]:
        """Best displayed bid and ask over the history, NaN where a side was empty: two of (T,) float64 [ticks]."""
        return self.history[:, STATE_INDEX["best_bid"]], self.history[:, STATE_INDEX["best_ask"]]


def read_frame(world: World, scenario: Scenario, history: np.ndarray, external: int, levels: int) -> Frame:
    """Read what a frame shows.

    Args:
        world: The market as it is now.
        scenario: What it is a market of.
        history: (T, STATE_WIDTH) float64, the agent's STATE at every decision of the episode so far, this one last.
        external: Index of the agent among the external agents.
        levels: Levels a side of the ladder.

    Raises:
        ValueError: The history is empty.
    """
    if not len(history):
        raise ValueError("history must have at least one row, got 0")
    agent = world.externals[external]
    opened = scenario.first_decision_ns * 1e-9
    times = history[:, STATE_INDEX["time_s"]] - opened
    now = dict(zip(STATE_INDEX, history[-1].tolist(), strict=True))
    bid, ask = now["best_bid"], now["best_ask"]
    fills = own_fills(world, external)
    return Frame(
        state=state_name(world, external),
        step=int(agent["decision"]),
        time_s=float(times[-1]),
        pnl=now["pnl"],
        lots=now["inventory"] / scenario.maker.order_size_shares,
        fees=now["fees"],
        mid=now["mid"],
        spread=None if math.isnan(bid + ask) else round(ask - bid),
        bids=ladder(world, external, 0, levels),
        asks=ladder(world, external, 1, levels),
        fills=fills,
        fill_times=fills["time"] * 1e-9 - opened,
        times=times,
        history=history,
    )


def state_name(world: World, external: int) -> str:
    """How trading stands for an agent."""
    agent = world.externals[external]
    if world.accounts[agent["agent"], agent["book"]]["killed"]:
        return "KILLED"
    return STATE_NAMES.get(int(world.books[agent["book"]]["state"]), "OPEN")


def ladder(world: World, external: int, side: int, levels: int) -> tuple[Level, ...]:
    """Consecutive prices of one side from the touch; an own quote further away takes the place of the last.

    Args:
        world: The market.
        external: Index of the agent.
        side: 0 for bids, 1 for asks.
        levels: How many, at most.
    """
    agent = world.externals[external]
    record, ring = world.books[agent["book"]], world.levels[agent["book"]]["qty"]
    base, width, touch = int(record["base"]), len(ring), int(record["shown"][side])
    direction = 2 * side - 1
    prices = [touch + direction * i for i in range(levels)]
    prices = [price for price in prices if base <= price < base + width]
    if not prices or touch != prices[0]:
        return ()
    own = own_quote(world, external, side)
    if own is not None and own.price not in prices:
        prices[-1] = own.price
    found = [Level(price, int(ring[price & (width - 1)])) for price in prices]
    return tuple(own._replace(qty=level.qty) if own and own.price == level.price else level for level in found)


def own_quote(world: World, external: int, side: int) -> Level | None:
    """The agent's resting quote of a side with its place in the queue, or None; `qty` is its own shares alone.

    Args:
        world: The market.
        external: Index of the agent.
        side: 0 for bids, 1 for asks.
    """
    slot = int(slot_of(world, maker_of(world, external)["quote_id"][side]))
    if slot == NONE or world.orders[slot]["state"] != RESTING:
        return None
    order = world.orders[slot]
    return Level(int(order["price"]), int(order["qty"]), int(order["qty"]), int(queue_ahead(world, slot)))


def own_fills(world: World, external: int) -> np.ndarray:
    """The agent's executions that the log still holds, oldest first, (n,) EXECUTED."""
    count, size = int(world.clock[0]["fills_count"]), len(world.fills)
    log = world.fills[np.arange(max(count - size, 0), count) % size] if size else np.zeros(0, EXECUTED)
    return log[log["external"] == external]


def bar_scale(frame: Frame) -> float:
    """Shares that a full bar stands for: round, so that bars seldom change their scale."""
    return nice_ceiling(max((level.qty for level in frame.bids + frame.asks), default=1) or 1)


def spread_text(frame: Frame) -> str:
    """The spread in words: a closed book has none and an empty side leaves none."""
    if frame.spread is None:
        return "no spread"
    return f"spread {frame.spread:,} tick" + ("s" if frame.spread != 1 else "")
