"""What a market maker is paid for a step, part by part, and how it stands in the eyes of the exchange."""

from __future__ import annotations

import math

from lobenv.compiled import kernel
from lobenv.market.feed import has_side
from lobenv.market.ledger import net_value, twice_mid_of
from lobenv.market.order_book import slot_of
from lobenv.market.tables import MILLITICKS, RESTING, World
from lobenv.roles.base import Column
from lobenv.roles.maker.table import DAMPENED, INVENTORY, maker_of
from lobenv.settings import SECOND

PARTS = ("pnl", "inventory", "terminal", "dampening")
PARTS_WIDTH = len(PARTS)
_PNL, _INVENTORY, _TERMINAL, _DAMPENING = range(PARTS_WIDTH)

STATE = (
    Column("time_s", "s"),
    Column("mid", "ticks"),
    Column("bid", "ticks, own resting quote or NaN"),
    Column("ask", "ticks, own resting quote or NaN"),
    Column("best_bid", "ticks, NaN while the side is empty"),
    Column("best_ask", "ticks, NaN while the side is empty"),
    Column("inventory", "shares"),
    Column("cash", "$ before fees"),
    Column("fees", "$ paid"),
    Column("pnl", "$"),
    Column("held_at_end", "shares held before the liquidation at the end, NaN before"),
)
STATE_INDEX = {column.name: i for i, column in enumerate(STATE)}
STATE_WIDTH = len(STATE)
_TIME, _MID, _QUOTE, _BEST = STATE_INDEX["time_s"], STATE_INDEX["mid"], STATE_INDEX["bid"], STATE_INDEX["best_bid"]
_HELD, _CASH, _FEES, _PROFIT = (STATE_INDEX[name] for name in ("inventory", "cash", "fees", "pnl"))
_HELD_AT_END = STATE_INDEX["held_at_end"]


@kernel
def pay(world: World, external, ended, liquidated, parts):
    """Write the parts of the reward since the last decision and return their sum.

    Args:
        world: The market.
        external: Index of the maker among the external agents.
        ended: Whether its session has ended with this step.
        liquidated: Shares that were held before the forced liquidation at the end.
        parts: (PARTS_WIDTH,) float64 [$], written in place.
    """
    agent, maker = world.externals[external], maker_of(world, external)
    account = world.accounts[agent["agent"], agent["book"]]
    value = net_value(world, agent["agent"], agent["book"])
    twice_mid = twice_mid_of(world, agent["book"])
    held = (liquidated if ended else account["position"]) / maker["order_size"]
    parts[_PNL] = (value - maker["value"]) * maker["dollars"]
    parts[_INVENTORY] = parts[_TERMINAL] = parts[_DAMPENING] = 0.0
    if maker["reward_mode"] == INVENTORY:
        parts[_INVENTORY] = -maker["inventory_aversion"] * held * held * maker["interval"]
        if ended:
            parts[_TERMINAL] = -maker["terminal_aversion"] * held * held
    elif maker["reward_mode"] == DAMPENED:
        moved = 0.5 * (twice_mid - maker["twice_mid"]) * MILLITICKS * maker["dollars"]
        parts[_DAMPENING] = -max(0.0, maker["dampening"] * maker["held"] * moved)
    maker["value"] = value
    maker["twice_mid"] = twice_mid
    maker["held"] = account["position"]
    maker["held_at_end"] = liquidated if ended else math.nan
    return parts[_PNL] + parts[_INVENTORY] + parts[_TERMINAL] + parts[_DAMPENING]


@kernel
def write_state(world: World, external, state):
    """Write the exchange's picture of a market maker.

    Args:
        world: The market.
        external: Index of the maker among the external agents.
        state: (STATE_WIDTH,) float64, written in place.
    """
    agent, maker = world.externals[external], maker_of(world, external)
    book, dollars = agent["book"], maker["dollars"]
    account = world.accounts[agent["agent"], book]
    state[_TIME] = world.clock[0]["now"] / SECOND
    state[_MID] = 0.5 * twice_mid_of(world, book)
    for i in range(2):
        slot = slot_of(world, maker["quote_id"][i])
        resting = slot >= 0 and world.orders[slot]["state"] == RESTING
        state[_QUOTE + i] = float(world.orders[slot]["price"]) if resting else math.nan
        state[_BEST + i] = float(world.books[book]["shown"][i]) if has_side(world, book, i) else math.nan
    state[_HELD] = account["position"]
    state[_CASH] = account["cash"] * dollars
    state[_FEES] = account["fees"] * dollars
    state[_PROFIT] = net_value(world, agent["agent"], book) * dollars
    state[_HELD_AT_END] = maker["held_at_end"]
