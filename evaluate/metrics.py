"""The figures by which an episode of trading is judged, each with its unit, computed from what the episode left behind.

P&L splits exactly into three parts, pnl = spread_captured + inventory_revaluation - fees: what fills earned against the
mid at the moment of the fill, what the position then gained or lost as the mid moved, and what the exchange charged.
A figure that does not exist (a fill ratio without an order) is null, never zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from evaluate.episode import COUNT, FILL, Constants, Paths
from lobenv.roles.maker.task import Reward

CRITERION = Reward()  # what inventory costs in the risk-adjusted P&L, whatever the batch itself paid for
HORIZONS_S = (1, 5, 30)
SHARPE_FLOOR = 1e-12  # a standard deviation below this share of the largest wealth is rounding, not risk


@dataclass(frozen=True)
class Metric:
    """One figure of an episode: how it is named, read and printed.

    Attributes:
        name: column in the table of episodes and, after `market/`, tag in TensorBoard.
        label: short name for tables and plots.
        unit: unit, empty for a plain number.
        better: whether a higher or a lower value is better, or neither by itself.
        format: Python format specification of the value.
        meaning: one sentence of definition.
    """

    name: str
    label: str
    unit: str
    better: Literal["higher", "lower", "neither"]
    format: str
    meaning: str

    def text(self, value: float | None) -> str:
        """The value as printed, an en dash where there is none."""
        if value is None or not np.isfinite(value):
            return "–"
        text = format(value, self.format)
        return text.replace("-", "", 1) if text.lstrip("+-").strip("0.,%") == "" else text


def _markout_metrics() -> list[Metric]:
    adverse = [
        Metric(
            f"adverse_selection_{h}s",
            f"adverse {h} s",
            "$",
            "higher",
            ",.2f",
            f"Move of the mid in our favour within {h} s of our maker fills, times quantity; negative is adverse.",
        )
        for h in HORIZONS_S
    ]
    realised = [
        Metric(
            f"realised_spread_{h}s",
            f"realised {h} s",
            "$",
            "higher",
            ",.2f",
            f"Maker fills marked to the mid {h} s later: maker spread plus adverse selection (Huang and Stoll 1996).",
        )
        for h in HORIZONS_S
    ]
    return adverse + realised


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("pnl", "P&L", "$", "higher", ",.2f", "Cash less fees plus inventory at the mid, over the episode."),
        Metric(
            "risk_adjusted_pnl",
            "risk-adjusted P&L",
            "$",
            "higher",
            ",.2f",
            f"P&L less {CRITERION.inventory_aversion:g} $ per lot² and second of inventory held and "
            f"{CRITERION.terminal_aversion:g} $ per lot² of that left at the close: the environment's default reward, "
            "summed (the criterion of Cartea, Jaimungal and Penalva 2015).",
        ),
        Metric(
            "spread_captured",
            "spread",
            "$",
            "higher",
            ",.2f",
            "Sum over fills of side x (mid at the fill - price) x quantity; taking costs, making earns.",
        ),
        Metric(
            "inventory_revaluation",
            "revaluation",
            "$",
            "higher",
            ",.2f",
            "What the position gained as the mid moved: P&L plus fees less spread captured.",
        ),
        Metric("fees", "fees", "$", "lower", ",.2f", "Fees paid less rebates received."),
        *_markout_metrics(),
        Metric(
            "sharpe",
            "Sharpe",
            "",
            "higher",
            ",.2f",
            "Mean over standard deviation of the P&L of a step, times the root of the number of steps: "
            "the horizon is one episode, nothing is annualised; 0 where P&L never varies.",
        ),
        Metric("max_drawdown", "drawdown", "$", "lower", ",.2f", "Largest fall of P&L below its running maximum."),
        Metric("inventory_abs_mean", "mean |inv|", "shares", "lower", ",.0f", "Mean of |inventory| over the samples."),
        Metric("inventory_abs_max", "max |inv|", "shares", "lower", ",.0f", "Largest |inventory| after any fill."),
        Metric("inventory_final", "final inv", "shares", "neither", ",.0f", "Inventory at the last sample."),
        Metric(
            "inventory_half_life",
            "inv half-life",
            "s",
            "lower",
            ",.1f",
            "Time in which inventory halves, from its lag-one autoregression through zero; null if it does not revert.",
        ),
        Metric(
            "fill_ratio",
            "fill",
            "",
            "neither",
            ".1%",
            "Quantity filled over quantity quoted; a replacement quotes anew, a market order quotes nothing.",
        ),
        Metric("fills", "fills", "", "neither", ",.0f", "Number of fills."),
        Metric("volume", "volume", "shares", "neither", ",.0f", "Quantity bought plus quantity sold."),
        Metric("maker_share", "maker", "", "neither", ".1%", "Share of the volume in which our order was resting."),
        Metric("quote_time", "quote time", "", "higher", ".1%", "Share of the samples with both own quotes resting."),
        Metric(
            "time_at_best",
            "at best",
            "",
            "higher",
            ".1%",
            "Share of the samples with an own quote at the best price, averaged over the two sides.",
        ),
        Metric(
            "quoted_spread", "own spread", "ticks", "neither", ",.2f", "Mean own ask less own bid, where both rest."
        ),
        Metric("messages", "messages", "", "neither", ",.0f", "Orders, cancels and replaces sent."),
        Metric("orders_rejected", "rejects", "", "lower", ",.0f", "Messages the exchange rejected."),
        Metric("order_to_trade", "OTR", "", "lower", ",.1f", "Order-to-trade ratio: messages sent per fill."),
        Metric("duration", "duration", "s", "neither", ",.1f", "Time from the first sample to the last."),
    )
}


def metric(name: str) -> Metric:
    """The metric called `name`; ValueError if there is none."""
    if name not in METRICS:
        raise ValueError(f"metric must be one of {', '.join(METRICS)}, got {name!r}")
    return METRICS[name]


def episode_metrics(paths: Paths, fills: NDArray[Any], counts: NDArray[Any], constants: Constants) -> pl.DataFrame:
    """Every metric of every episode of a batch.

    Args:
        paths: E episodes of up to T+1 samples.
        fills: structured array of dtype `FILL`, one row for every own fill of the batch, in order of time per episode.
        counts: (E,) structured array of dtype `COUNT`.
        constants: of the batch.

    Returns:
        E rows, one column for each of `METRICS`, in its order; null where a figure does not exist.

    Raises:
        ValueError: an array has another dtype or shape, or the fills do not account for the inventory, cash and fees.
    """
    _check_records(paths, fills, counts)
    _check_accounts(paths, fills, constants)
    columns = {
        **_pnl_parts(paths, fills, constants),
        "risk_adjusted_pnl": paths.last(paths.pnl(constants)) - _inventory_cost(paths, constants),
        **_markouts(paths, fills, constants),
        **_risk(paths, constants),
        **_inventory(paths, fills, constants),
        **_trading(paths, fills, counts),
        **_quoting(paths),
        "duration": paths.last(paths.time_s) - paths.time_s[:, 0],
    }
    return pl.DataFrame({name: columns[name] for name in METRICS}).with_columns(pl.selectors.float().fill_nan(None))


def _check_records(paths: Paths, fills: NDArray[Any], counts: NDArray[Any]) -> None:
    episodes = len(paths.length)
    for name, array, dtype in (("fills", fills, FILL), ("counts", counts, COUNT)):
        if array.dtype.names != dtype.names:
            raise ValueError(f"{name} must have the fields {dtype.names}, got {array.dtype.names}")
    if counts.shape != (episodes,):
        raise ValueError(f"counts must have shape {(episodes,)}, got {counts.shape}")
    if len(fills) and not (fills["env"].min() >= 0 and fills["env"].max() < episodes):
        raise ValueError(f"fills.env must be in 0..{episodes - 1}, got {fills['env'].min()}..{fills['env'].max()}")


def _check_accounts(paths: Paths, fills: NDArray[Any], constants: Constants) -> None:
    """A lost or doubled fill would shift P&L between its parts unseen, so fills must explain the path's accounts."""
    value = fills["price"].astype(np.int64) * fills["qty"] * constants.tick_size
    turnover = _per_episode(paths, fills, value)
    accounts = (
        ("inventory", paths.inventory, _per_episode(paths, fills, _signed(fills)), 1e-9),
        ("cash", paths.cash, _per_episode(paths, fills, -fills["side"] * value), 1e-6),
        ("fees", paths.fees, _per_episode(paths, fills, fills["fee"]), 1e-6),
    )
    for name, path, explained, tolerance in accounts:
        change = paths.last(path) - path[:, 0]
        wrong = np.flatnonzero(np.abs(change - explained) > tolerance * (1.0 + 1e-3 * turnover))
        if len(wrong):
            row = wrong[0]
            raise ValueError(f"{name} of episode {row} must change by its fills' {explained[row]}, got {change[row]}")


def _per_episode(paths: Paths, fills: NDArray[Any], values: NDArray[Any]) -> NDArray[np.float64]:
    """(E,) sum of one value per fill over each episode."""
    return np.bincount(fills["env"], weights=values, minlength=len(paths.length)).astype(np.float64)


def _signed(fills: NDArray[Any]) -> NDArray[np.int64]:
    return fills["side"].astype(np.int64) * fills["qty"]


def _ratio(part: NDArray[Any], whole: NDArray[Any]) -> NDArray[np.float64]:
    """The quotient, NaN where whole is 0."""
    return np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole != 0)


def _pnl_parts(paths: Paths, fills: NDArray[Any], constants: Constants) -> dict[str, NDArray[Any]]:
    pnl = paths.last(paths.pnl(constants))
    fees = paths.last(paths.fees) - paths.fees[:, 0]
    edge = (fills["mid"] - fills["price"]) * _signed(fills) * constants.tick_size
    spread = _per_episode(paths, fills, edge)
    return {"pnl": pnl, "spread_captured": spread, "inventory_revaluation": pnl + fees - spread, "fees": fees}


def _inventory_cost(paths: Paths, constants: Constants) -> NDArray[np.float64]:
    """(E,) what the default reward takes for the inventory at the end of every step and for what is left [$]."""
    lots, left = paths.inventory / constants.order_size, paths.held_at_end / constants.order_size
    step = np.arange(lots.shape[1])
    between = (step > 0) & (step < (paths.length - 1)[:, None])
    squares = np.where(between, lots**2, 0.0).sum(axis=1) + np.where(paths.length > 1, left**2, 0.0)
    return CRITERION.inventory_aversion * squares * constants.interval_s + CRITERION.terminal_aversion * left**2


def _markouts(paths: Paths, fills: NDArray[Any], constants: Constants) -> dict[str, NDArray[Any]]:
    """Adverse selection and realised spread of maker fills at each horizon."""
    maker = fills[fills["maker"] == 1]
    money = _signed(maker) * constants.tick_size
    columns = {}
    for horizon in HORIZONS_S:
        later = _mid_after(paths, maker, horizon)
        columns[f"adverse_selection_{horizon}s"] = _per_episode(paths, maker, (later - maker["mid"]) * money)
        columns[f"realised_spread_{horizon}s"] = _per_episode(paths, maker, (later - maker["price"]) * money)
    return columns


def _mid_after(paths: Paths, fills: NDArray[Any], horizon_s: int) -> NDArray[np.float64]:
    """(N,) for N fills: the last mid known at or before fill time + horizon, clipped at the episode's end.

    The mid at the fill is itself known, so it stands where no sample was taken between the fill and the horizon.
    """
    later = fills["mid"].astype(np.float64)
    for env in np.unique(fills["env"]):
        rows = np.flatnonzero(fills["env"] == env)
        length = paths.length[env]
        times = np.rint(paths.time_s[env, :length] * 1e9).astype(np.int64)
        sample = np.searchsorted(times, fills["time_ns"][rows] + horizon_s * 10**9, side="right") - 1
        sampled = (sample >= 0) & (times[np.maximum(sample, 0)] >= fills["time_ns"][rows])
        later[rows[sampled]] = paths.mid[env, sample[sampled]]
    return later


def _risk(paths: Paths, constants: Constants) -> dict[str, NDArray[Any]]:
    pnl = paths.pnl(constants)
    drawdown = (np.maximum.accumulate(pnl, axis=1) - pnl).max(axis=1)
    sharpe = np.zeros(len(paths.length))
    floor = SHARPE_FLOOR * (1.0 + np.abs(paths.wealth(constants)).max(axis=1))
    for env, length in enumerate(paths.length):
        change = np.diff(pnl[env, :length])
        deviation = change.std(ddof=1) if len(change) > 1 else 0.0
        if deviation > floor[env]:
            sharpe[env] = change.mean() / deviation * np.sqrt(len(change))
    return {"sharpe": sharpe, "max_drawdown": drawdown}


def _inventory(paths: Paths, fills: NDArray[Any], constants: Constants) -> dict[str, NDArray[Any]]:
    inventory = paths.inventory.astype(np.float64)
    mean = np.where(paths.valid, np.abs(inventory), 0.0).sum(axis=1) / paths.length
    # Between two decisions inventory can go further than either sample shows, so the maximum is taken over fills.
    largest = np.where(paths.valid, np.abs(inventory), 0.0).max(axis=1)
    for env in np.unique(fills["env"]):
        course = inventory[env, 0] + np.cumsum(_signed(fills[fills["env"] == env]))
        largest[env] = max(largest[env], np.abs(course).max())
    return {
        "inventory_abs_mean": mean,
        "inventory_abs_max": largest,
        "inventory_final": paths.last(inventory),
        "inventory_half_life": _half_life(inventory, paths.length) * constants.interval_s,
    }


def _half_life(inventory: NDArray[np.float64], length: NDArray[Any]) -> NDArray[np.float64]:
    """(E,) steps in which inventory halves, NaN where it does not revert; the last sample is left out.

    A session ends in forced liquidation, which would read as reversion of the policy's own.
    """
    open_ = np.arange(inventory.shape[1] - 1) < (length - 2)[:, None]
    now, following = np.where(open_, inventory[:, :-1], 0.0), np.where(open_, inventory[:, 1:], 0.0)
    decay = _ratio((now * following).sum(axis=1), (now * now).sum(axis=1))
    reverts = (decay > 0) & (decay < 1)
    return np.where(reverts, np.log(2.0) / -np.log(np.where(reverts, decay, 0.5)), np.nan)


def _trading(paths: Paths, fills: NDArray[Any], counts: NDArray[Any]) -> dict[str, NDArray[Any]]:
    number = np.bincount(fills["env"], minlength=len(paths.length))
    volume = _per_episode(paths, fills, fills["qty"])
    maker = _per_episode(paths, fills, fills["qty"] * (fills["maker"] == 1))
    messages = counts["orders_sent"] + counts["cancels_sent"] + counts["replaces_sent"]
    return {
        "fill_ratio": _ratio(counts["quantity_filled"], counts["quantity_quoted"]),
        "fills": number,
        "volume": volume.astype(np.int64),
        "maker_share": _ratio(maker, volume),
        "messages": messages,
        "orders_rejected": counts["orders_rejected"].copy(),
        "order_to_trade": _ratio(messages, number),
    }


def _quoting(paths: Paths) -> dict[str, NDArray[Any]]:
    """Over the samples between first and last: before the first decision and after the close nothing can rest."""
    open_ = (np.arange(paths.time_s.shape[1]) < (paths.length - 1)[:, None]) & paths.valid
    open_[:, 0] = False
    samples = open_.sum(axis=1)
    both = open_ & np.isfinite(paths.bid) & np.isfinite(paths.ask)
    at_best = (open_ & (paths.bid >= paths.best_bid)).sum(axis=1) + (open_ & (paths.ask <= paths.best_ask)).sum(axis=1)
    own_spread = np.where(both, paths.ask - paths.bid, 0.0).sum(axis=1)
    return {
        "quote_time": _ratio(both.sum(axis=1), samples),
        "time_at_best": _ratio(at_best / 2.0, samples),
        "quoted_spread": _ratio(own_spread, both.sum(axis=1)),
    }
