"""What an external agent is paid for a step, part by part, in dollars."""

from __future__ import annotations

import math
from typing import NamedTuple

from lobenv.compiled import kernel
from lobenv.market.ledger import net_value, twice_mid_of
from lobenv.market.order_book import slot_of
from lobenv.market.tables import MILLITICKS, RESTING, World

PARTS = ("pnl", "inventory", "terminal", "dampening")
PARTS_WIDTH = len(PARTS)


class Column(NamedTuple):
    """One column of the exchange's own picture of an external agent: evaluation reads it, the agent never sees it."""

    name: str
    unit: str


STATE = (
    Column("time_s", "s"),
    Column("mid", "ticks"),
    Column("bid", "ticks, own resting quote or NaN"),
    Column("ask", "ticks, own resting quote or NaN"),
    Column("best_bid", "ticks"),
    Column("best_ask", "ticks"),
    Column("inventory", "shares"),
    Column("cash", "$ before fees"),
    Column("fees", "$ paid"),
    Column("pnl", "$"),
)
STATE_INDEX = {column.name: i for i, column in enumerate(STATE)}
STATE_WIDTH = len(STATE)


@kernel
def pay(world: World, task, external, ended, liquidated, parts):
    """Write the parts of the reward since the last decision and return their sum.

    Args:
        world: The market.
        task: TASK record.
        external: Index of the agent.
        ended: Whether the session has ended with this step.
        liquidated: Shares that were held before the forced liquidation at the end.
        parts: (PARTS_WIDTH,) float64 [$], written in place.
    """
    agent = world.externals[external]
    account = world.accounts[agent["agent"], agent["book"]]
    value = net_value(world, agent["agent"], agent["book"])
    twice_mid = twice_mid_of(world, agent["book"])
    lots = account["position"] / task["order_size"]
    held = liquidated / task["order_size"] if ended else lots
    parts[0] = (value - agent["value"]) * task["dollars"]
    parts[1] = parts[2] = parts[3] = 0.0
    if task["reward_mode"] == 0:
        parts[1] = -task["inventory_aversion"] * held * held * task["interval"]
        if ended:
            parts[2] = -task["terminal_aversion"] * held * held
    elif task["reward_mode"] == 1:
        moved = 0.5 * (twice_mid - agent["twice_mid"]) * MILLITICKS * task["dollars"]
        parts[3] = -max(0.0, task["dampening"] * agent["held"] * moved)
    agent["value"] = value
    agent["twice_mid"] = twice_mid
    agent["held"] = account["position"]
    return parts[0] + parts[1] + parts[2] + parts[3]


@kernel
def write_state(world: World, task, external, state):
    """Write the exchange's picture of an external agent.

    Args:
        world: The market.
        task: TASK record.
        external: Index of the agent.
        state: (STATE_WIDTH,) float64, written in place.
    """
    agent = world.externals[external]
    account = world.accounts[agent["agent"], agent["book"]]
    record = world.books[agent["book"]]
    dollars = task["dollars"]
    state[0] = world.clock[0]["now"] / 1e9
    state[1] = 0.5 * twice_mid_of(world, agent["book"])
    for i in range(2):
        slot = slot_of(world, agent["quote_id"][i])
        resting = slot >= 0 and world.orders[slot]["state"] == RESTING
        state[2 + i] = float(world.orders[slot]["price"]) if resting else math.nan
    state[4] = record["shown"][0]
    state[5] = record["shown"][1]
    state[6] = account["position"]
    state[7] = account["cash"] * dollars
    state[8] = account["fees"] * dollars
    state[9] = net_value(world, agent["agent"], agent["book"]) * dollars
