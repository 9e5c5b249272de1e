"""What a market-making agent observes: names, units, bounds, and the kernel that writes it.

Everything comes from the view of the book that had reached the agent, or from reports that had: nobody sees the
present.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from lobenv.compiled import kernel
from lobenv.market.tables import HALTED, HORIZONS, MILLITICKS, QUOTE_LIVE, World

LEVELS = 5
TIME_CONSTANTS = (1.0, 5.0, 30.0)  # s, of flow and returns
SLOWEST = HORIZONS - 1  # index of the time constant that volatility and trade rate use
NANOSECONDS = 1e9


class Field(NamedTuple):
    """One column of the observation."""

    name: str
    unit: str
    low: float
    high: float
    meaning: str


FIELDS: tuple[Field, ...] = (
    Field("inventory", "lots", -1e3, 1e3, "own position, as reported"),
    Field("time_left", "fraction", 0.0, 1.0, "of the session"),
    Field("seconds_left", "s", 0.0, 1e6, "of the session"),
    Field("bid_live", "0/1", 0.0, 1.0, "own bid rests, as reported"),
    Field("ask_live", "0/1", 0.0, 1.0, "own ask rests, as reported"),
    Field("bid_distance", "ticks", -1e3, 1e3, "from the visible mid down to the own bid; 0 without one"),
    Field("ask_distance", "ticks", -1e3, 1e3, "from the visible mid up to the own ask; 0 without one"),
    Field("bid_queue_ahead", "lots", 0.0, 1e4, "displayed ahead of the own bid at its price"),
    Field("ask_queue_ahead", "lots", 0.0, 1e4, "displayed ahead of the own ask at its price"),
    Field("spread", "ticks", 0.0, 1e3, "visible; 0 while a side is empty"),
    Field("microprice", "ticks", -1e3, 1e3, "size-weighted mid less the mid"),
    Field("imbalance_1", "-1..1", -1.0, 1.0, "(bid - ask) / (bid + ask) of depth at the touch"),
    Field("imbalance_3", "-1..1", -1.0, 1.0, "the same over 3 ticks from the touch"),
    Field("imbalance_5", "-1..1", -1.0, 1.0, "the same over 5 ticks from the touch"),
    *(Field(f"bid_depth_{i}", "lots", 0.0, 1e4, f"displayed {i - 1} ticks below the best bid") for i in range(1, 6)),
    *(Field(f"ask_depth_{i}", "lots", 0.0, 1e4, f"displayed {i - 1} ticks above the best ask") for i in range(1, 6)),
    *(
        Field(f"signed_flow_{s:.0f}s", "lots", -1e4, 1e4, f"bought less sold by aggressors, decaying over {s:.0f} s")
        for s in TIME_CONSTANTS
    ),
    *(
        Field(f"return_{s:.0f}s", "ticks", -1e4, 1e4, f"mid less its average decaying over {s:.0f} s")
        for s in TIME_CONSTANTS
    ),
    Field("volatility", "ticks/sqrt(s)", 0.0, 1e4, "of the mid, decaying over 30 s"),
    Field("trade_rate", "1/s", 0.0, 1e4, "trades a second, decaying over 30 s"),
    Field("unrealised", "ticks x lots", -1e6, 1e6, "open profit against average cost, at the visible mid"),
    Field("view_age", "ms", 0.0, 1e6, "age of the view"),
    Field("halted", "0/1", 0.0, 1.0, "the book is halted"),
)
INDEX: dict[str, int] = {field.name: i for i, field in enumerate(FIELDS)}
LOW = np.array([field.low for field in FIELDS], dtype=np.float32)
HIGH = np.array([field.high for field in FIELDS], dtype=np.float32)
WIDTH = len(FIELDS)

_TIME_CONSTANTS = np.array(TIME_CONSTANTS)
_INVENTORY, _QUOTES, _SPREAD = INDEX["inventory"], INDEX["bid_live"], INDEX["spread"]
_DEPTH, _FLOW, _RETURN = INDEX["bid_depth_1"], INDEX["signed_flow_1s"], INDEX["return_1s"]
_VOLATILITY = INDEX["volatility"]


@kernel
def observe(world: World, task, external, out):
    """Take in the view meant for this decision and write the observation.

    Args:
        world: The market; the agent's moving averages advance.
        task: TASK record.
        external: Index of the agent.
        out: (WIDTH,) float32, written in place.
    """
    agent = world.externals[external]
    view = world.captures[external, agent["decision"] % world.captures.shape[1]]
    _follow(agent, view)
    lot = 1.0 / task["order_size"]
    _write_own(world, task, agent, view, lot, out)
    _write_book(agent, view, lot, out)
    for h in range(HORIZONS):
        out[_FLOW + h] = agent["flow"][h] * lot
        out[_RETURN + h] = agent["mid"] - agent["mid_mean"][h]
    out[_VOLATILITY] = math.sqrt(agent["variance"])
    out[_VOLATILITY + 1] = agent["trade_rate"]
    account = world.accounts[agent["agent"], agent["book"]]
    open_profit = account["known_position"] * agent["mid"] - account["known_cost"] / MILLITICKS
    out[_VOLATILITY + 2] = open_profit * lot
    out[_VOLATILITY + 3] = (world.clock[0]["now"] - view["time"]) * 1e-6
    out[_VOLATILITY + 4] = 1.0 if view["state"] == HALTED else 0.0
    for f in range(WIDTH):
        out[f] = min(max(out[f], LOW[f]), HIGH[f])


@kernel
def _follow(agent, view):
    """Bring the moving averages up to date with a view."""
    has_touch = view["depth"][0, 0] > 0 and view["depth"][1, 0] > 0
    mid = 0.5 * (view["price"][0] + view["price"][1]) if has_touch else agent["mid"]
    if agent["views"] == 0:
        for h in range(HORIZONS):
            agent["mid_mean"][h] = mid
    else:
        elapsed = (view["time"] - agent["view_time"]) / NANOSECONDS
        if elapsed > 0.0:
            _decay(agent, view, mid, elapsed)
    agent["views"] += 1
    agent["view_time"] = view["time"]
    agent["buy_volume"] = view["buy_volume"]
    agent["sell_volume"] = view["sell_volume"]
    agent["trades"] = view["trades"]
    agent["mid"] = mid


@kernel
def _decay(agent, view, mid, elapsed):
    signed = (view["buy_volume"] - agent["buy_volume"]) - (view["sell_volume"] - agent["sell_volume"])
    decay = 1.0
    for h in range(HORIZONS):
        decay = math.exp(-elapsed / _TIME_CONSTANTS[h])
        agent["flow"][h] = decay * agent["flow"][h] + signed
        agent["mid_mean"][h] += (1.0 - decay) * (mid - agent["mid_mean"][h])
    # `decay` is now that of the slowest.
    move = mid - agent["mid"]
    agent["variance"] += (1.0 - decay) * (move * move / elapsed - agent["variance"])
    rate = (view["trades"] - agent["trades"]) / elapsed
    agent["trade_rate"] += (1.0 - decay) * (rate - agent["trade_rate"])


@kernel
def _write_own(world: World, task, agent, view, lot, out):
    """Write what the agent knows of itself."""
    account = world.accounts[agent["agent"], agent["book"]]
    out[_INVENTORY] = account["known_position"] * lot
    left = max((task["steps"] - agent["decision"]) * task["interval"], 0.0)
    out[_INVENTORY + 1] = left / task["session"]
    out[_INVENTORY + 2] = left
    for i in range(2):
        live = agent["quote_state"][i] == QUOTE_LIVE
        out[_QUOTES + i] = 1.0 if live else 0.0
        side = 1 - 2 * i
        out[_QUOTES + 2 + i] = side * (agent["mid"] - agent["quote_price"][i]) if live else 0.0
        out[_QUOTES + 4 + i] = view["ahead"][i] * lot if live and view["ahead"][i] > 0 else 0.0


@kernel
def _write_book(agent, view, lot, out):
    """Write the visible book: spread, microprice, imbalances, depth."""
    bid, ask = view["depth"][0, 0], view["depth"][1, 0]
    out[_SPREAD] = 0.0
    out[_SPREAD + 1] = 0.0
    if bid > 0 and ask > 0:
        out[_SPREAD] = view["price"][1] - view["price"][0]
        weighted = (view["price"][0] * ask + view["price"][1] * bid) / (bid + ask)
        out[_SPREAD + 1] = weighted - agent["mid"]
    bids = asks = 0.0
    place = _SPREAD + 2
    for tick in range(LEVELS):
        bids += view["depth"][0, tick]
        asks += view["depth"][1, tick]
        out[_DEPTH + tick] = view["depth"][0, tick] * lot
        out[_DEPTH + LEVELS + tick] = view["depth"][1, tick] * lot
        if tick % 2 == 0:
            out[place] = (bids - asks) / (bids + asks) if bids + asks > 0.0 else 0.0
            place += 1
