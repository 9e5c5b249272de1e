"""What a finished batch of episodes leaves behind, in the arrays that metrics and plots are computed from.

An episode is one (policy, scenario, seed). Letters: E episodes of a batch (one row each), T decisions, so T + 1
samples: one at every decision and one at the end. Time counts from the session's open, the same clock for samples and
fills. Side is +1 for a purchase and -1 for a sale, prices are in ticks, money is in dollars.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

FILL = np.dtype(
    [
        ("env", "i4"),  # [row of the batch]
        ("time_ns", "i8"),  # [ns since the session's open]
        ("side", "i1"),  # [+1 we bought, -1 we sold]
        ("maker", "i1"),  # [1 our order was resting, 0 it took]
        ("price", "i4"),  # [ticks]
        ("qty", "i4"),  # [shares]
        ("mid", "f8"),  # [ticks] of the exchange, just before the fill
        ("fee", "f8"),  # [$] positive is paid, negative is a rebate
    ]
)

COUNT = np.dtype(
    [
        ("orders_sent", "i8"),
        ("cancels_sent", "i8"),
        ("replaces_sent", "i8"),
        ("orders_rejected", "i8"),
        ("quantity_quoted", "i8"),  # [shares] of orders that may rest, and of replacements
        ("quantity_filled", "i8"),  # [shares] of what was quoted
    ]
)


@dataclass(frozen=True)
class Constants:
    """What stays the same over a batch.

    Attributes:
        tick_size: value of one tick [$].
        order_size: size of one quote, the lot in which a policy thinks [shares].
        interval_s: time between two decisions [s].
    """

    tick_size: float
    order_size: int
    interval_s: float

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not value > 0:
                raise ValueError(f"{field.name} must be > 0, got {value}")


@dataclass(frozen=True)
class Paths:
    """The course of E episodes, sampled at each decision and at the end; every array is (E, T+1) but the last two.

    Attributes:
        time_s: time of the sample [s since the session's open].
        mid: mid at the exchange [ticks]; finite, so where a side of the book is empty the last mid stands.
        bid: price of the own bid resting at the exchange [ticks], NaN where there is none.
        ask: price of the own ask resting at the exchange [ticks], NaN where there is none.
        best_bid: best bid at the exchange, own quote included [ticks], NaN where there is none.
        best_ask: best ask at the exchange, own quote included [ticks], NaN where there is none.
        inventory: own position [shares].
        cash: what sales brought less what purchases cost [$], before fees.
        fees: fees paid so far less rebates [$], positive is paid.
        length: (E,) number of samples that belong to the episode, 1..T+1; what follows is ignored.
        held_at_end: (E,) own position just before the forced liquidation of the episode's end [shares]; what the kill
            switch closed was closed before.
    """

    time_s: NDArray[Any]
    mid: NDArray[Any]
    bid: NDArray[Any]
    ask: NDArray[Any]
    best_bid: NDArray[Any]
    best_ask: NDArray[Any]
    inventory: NDArray[Any]
    cash: NDArray[Any]
    fees: NDArray[Any]
    length: NDArray[Any]
    held_at_end: NDArray[Any]

    def __post_init__(self) -> None:
        shape = self.time_s.shape
        if len(shape) != 2:
            raise ValueError(f"time_s must have shape (E, T+1), got {shape}")
        for field in fields(self):
            expected = shape[:1] if field.name in {"length", "held_at_end"} else shape
            found = getattr(self, field.name).shape
            if found != expected:
                raise ValueError(f"{field.name} must have shape {expected} as time_s has, got {found}")
        if np.any((self.length < 1) | (self.length > shape[1])):
            raise ValueError(f"length must be in 1..{shape[1]}, got {self.length.min()}..{self.length.max()}")
        for name in ("time_s", "mid", "inventory", "cash", "fees"):
            wrong = np.argwhere(~np.isfinite(getattr(self, name)) & self.valid)
            if len(wrong):
                raise ValueError(f"{name} must be finite, got {getattr(self, name)[*wrong[0]]} in episode {wrong[0]}")

    @property
    def valid(self) -> NDArray[np.bool_]:
        """(E, T+1) which samples belong to their episode."""
        return np.arange(self.time_s.shape[1]) < self.length[:, None]

    def last(self, values: NDArray[Any]) -> NDArray[Any]:
        """(E,) the value of `values` (E, T+1) at each episode's last sample."""
        return values[np.arange(len(self.length)), self.length - 1]

    def held(self, values: NDArray[Any]) -> NDArray[Any]:
        """(E, T+1) `values` with each episode's last value standing in for every sample after its end."""
        return np.where(self.valid, values, self.last(values)[:, None])

    def wealth(self, constants: Constants) -> NDArray[np.float64]:
        """(E, T+1) cash less fees plus inventory at the mid [$], held after an episode's end."""
        wealth = self.cash - self.fees + self.inventory * self.mid * constants.tick_size
        return self.held(wealth.astype(np.float64))

    def pnl(self, constants: Constants) -> NDArray[np.float64]:
        """(E, T+1) wealth gained since the first sample [$], held after an episode's end."""
        wealth = self.wealth(constants)
        return wealth - wealth[:, :1]


def path_table(paths: Paths, constants: Constants, points: int = 240) -> pl.DataFrame:
    """Thinned P&L, inventory and mid of every episode, for bands over seeds.

    An episode that ended early keeps its last values to the end, so that bands do not forget it.

    Args:
        paths: E episodes.
        constants: of the batch.
        points: about how many samples to keep of each episode, > 1; first and last are always kept.

    Returns:
        columns env, step, elapsed_s [s], pnl [$], inventory [shares], mid [ticks]; E rows for every step kept.
    """
    steps = paths.time_s.shape[1]
    keep = np.unique(np.linspace(0, steps - 1, min(points, steps)).round().astype(np.int64))
    count = len(paths.length)
    return pl.DataFrame(
        {
            "env": np.repeat(np.arange(count, dtype=np.int32), len(keep)),
            "step": np.tile(keep.astype(np.int32), count),
            "elapsed_s": np.tile(keep * constants.interval_s, count),
            "pnl": paths.pnl(constants)[:, keep].ravel().astype(np.float32),
            "inventory": paths.held(paths.inventory)[:, keep].ravel().astype(np.float32),
            "mid": paths.held(paths.mid)[:, keep].ravel(),
        }
    )


def quote_table(paths: Paths, constants: Constants, envs: list[int]) -> pl.DataFrame:
    """Every sample of the episodes in rows `envs`, for the plot of quotes on the price path.

    Returns:
        columns env, step, time_s [s], mid, bid, ask, best_bid, best_ask [ticks], inventory [shares], pnl [$],
        tick_size [$].
    """
    pnl = paths.pnl(constants)
    names = ("time_s", "mid", "bid", "ask", "best_bid", "best_ask", "inventory")
    tables = [
        pl.DataFrame(
            {"env": np.full(length, env, np.int32), "step": np.arange(length, dtype=np.int32)}
            | {name: getattr(paths, name)[env, :length].astype(np.float64) for name in names}
            | {"pnl": pnl[env, :length], "tick_size": np.full(length, constants.tick_size)}
        )
        for env, length in ((env, int(paths.length[env])) for env in envs)
    ]
    return pl.concat(tables) if tables else pl.DataFrame()


def fill_table(fills: NDArray[Any], envs: list[int]) -> pl.DataFrame:
    """The fills of the episodes in rows `envs`: the fields of `FILL` as columns."""
    chosen = fills[np.isin(fills["env"], envs)]
    return pl.DataFrame({name: np.ascontiguousarray(chosen[name]) for name in FILL.names or ()})
