"""What a market-making agent observes: names, units, bounds, and the kernel that writes it.

Everything comes from the view of the book that had reached the agent, or from reports that had: nobody sees the
present.
"""

from __future__ import annotations

import math

import numpy as np

from lobenv.compiled import kernel
from lobenv.market.tables import HALTED, MILLITICKS, World
from lobenv.roles.base import Field
from lobenv.roles.maker.table import HORIZONS, QUOTE_LIVE, TIME_CONSTANTS, maker_of
from lobenv.roles.view import view_of
from lobenv.settings import SECOND

LEVELS = 5
MILLISECONDS = 1e-6  # in a nanosecond


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
_INVENTORY, _TIME_LEFT, _SECONDS_LEFT = INDEX["inventory"], INDEX["time_left"], INDEX["seconds_left"]
_LIVE, _DISTANCE, _AHEAD = INDEX["bid_live"], INDEX["bid_distance"], INDEX["bid_queue_ahead"]
_SPREAD, _MICROPRICE, _IMBALANCE = INDEX["spread"], INDEX["microprice"], INDEX["imbalance_1"]
_BID_DEPTH, _ASK_DEPTH = INDEX["bid_depth_1"], INDEX["ask_depth_1"]
_FLOW, _RETURN = INDEX["signed_flow_1s"], INDEX["return_1s"]
_VOLATILITY, _TRADE_RATE, _UNREALISED = INDEX["volatility"], INDEX["trade_rate"], INDEX["unrealised"]
_VIEW_AGE, _HALTED = INDEX["view_age"], INDEX["halted"]


@kernel
def observe(world: World, external, out):
    """Take in the view meant for this decision and write the observation.

    Args:
        world: The market; the maker's moving averages advance.
        external: Index of the maker among the external agents.
        out: (WIDTH,) float32, written in place.
    """
    agent, maker = world.externals[external], maker_of(world, external)
    view = view_of(world, external)
    _follow(maker, view)
    lot = 1.0 / maker["order_size"]
    _write_own(world, agent, maker, view, lot, out)
    _write_book(maker["mid"], view, lot, out)
    for h in range(HORIZONS):
        out[_FLOW + h] = maker["flow"][h] * lot
        out[_RETURN + h] = maker["mid"] - maker["mid_mean"][h]
    out[_VOLATILITY] = math.sqrt(maker["variance"])
    out[_TRADE_RATE] = maker["trade_rate"]
    out[_VIEW_AGE] = (world.clock[0]["now"] - view["time"]) * MILLISECONDS
    out[_HALTED] = 1.0 if view["state"] == HALTED else 0.0
    for f in range(WIDTH):
        out[f] = min(max(out[f], LOW[f]), HIGH[f])


@kernel
def _follow(maker, view):
    """Bring the moving averages up to date with a view."""
    has_touch = view["depth"][0, 0] > 0 and view["depth"][1, 0] > 0
    mid = 0.5 * (view["price"][0] + view["price"][1]) if has_touch else maker["mid"]
    if maker["views"] == 0:
        for h in range(HORIZONS):
            maker["mid_mean"][h] = mid
    else:
        elapsed = (view["time"] - maker["view_time"]) / SECOND
        if elapsed > 0.0:
            _average(maker, view, mid, elapsed)
    maker["views"] += 1
    maker["view_time"] = view["time"]
    maker["buy_volume"] = view["buy_volume"]
    maker["sell_volume"] = view["sell_volume"]
    maker["trades"] = view["trades"]
    maker["mid"] = mid


@kernel
def _average(maker, view, mid, elapsed):
    """Let the averages decay over the time since the last view, and take this one in."""
    signed = (view["buy_volume"] - maker["buy_volume"]) - (view["sell_volume"] - maker["sell_volume"])
    for h in range(HORIZONS):
        decay = math.exp(-elapsed / _TIME_CONSTANTS[h])
        maker["flow"][h] = decay * maker["flow"][h] + signed
        maker["mid_mean"][h] += (1.0 - decay) * (mid - maker["mid_mean"][h])
    slowest = math.exp(-elapsed / _TIME_CONSTANTS[HORIZONS - 1])
    move = mid - maker["mid"]
    maker["variance"] += (1.0 - slowest) * (move * move / elapsed - maker["variance"])
    rate = (view["trades"] - maker["trades"]) / elapsed
    maker["trade_rate"] += (1.0 - slowest) * (rate - maker["trade_rate"])


@kernel
def _write_own(world: World, agent, maker, view, lot, out):
    """Write what the maker knows of itself."""
    account = world.accounts[agent["agent"], agent["book"]]
    out[_INVENTORY] = account["known_position"] * lot
    left = max((agent["steps"] - agent["decision"]) * maker["interval"], 0.0)
    out[_TIME_LEFT] = left / maker["session"]
    out[_SECONDS_LEFT] = left
    for i in range(2):
        live = maker["quote_state"][i] == QUOTE_LIVE
        side = 1 - 2 * i
        out[_LIVE + i] = 1.0 if live else 0.0
        out[_DISTANCE + i] = side * (maker["mid"] - maker["quote_price"][i]) if live else 0.0
        out[_AHEAD + i] = view["ahead"][i] * lot if live and view["ahead"][i] > 0 else 0.0
    open_profit = account["known_position"] * maker["mid"] - account["known_cost"] / MILLITICKS
    out[_UNREALISED] = open_profit * lot


@kernel
def _write_book(mid, view, lot, out):
    """Write the visible book: spread, microprice, imbalances, depth."""
    bid, ask = view["depth"][0, 0], view["depth"][1, 0]
    out[_SPREAD] = 0.0
    out[_MICROPRICE] = 0.0
    if bid > 0 and ask > 0:
        out[_SPREAD] = view["price"][1] - view["price"][0]
        weighted = (view["price"][0] * ask + view["price"][1] * bid) / (bid + ask)
        out[_MICROPRICE] = weighted - mid
    bids = asks = 0.0
    for tick in range(LEVELS):
        bids += view["depth"][0, tick]
        asks += view["depth"][1, tick]
        out[_BID_DEPTH + tick] = view["depth"][0, tick] * lot
        out[_ASK_DEPTH + tick] = view["depth"][1, tick] * lot
        if tick % 2 == 0:
            out[_IMBALANCE + tick // 2] = (bids - asks) / (bids + asks) if bids + asks > 0.0 else 0.0
