"""Draws a result with Matplotlib: the mid and the fills of strategies and learners, and their P&L below."""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lobenv.settings import SECOND
from lobenv.simulation.summary import earnings
from lobenv.tape.schema import EXECUTE, EXECUTE_HIDDEN, NO_ASK, NO_BID

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from lobenv.scenario.config import Fees
    from lobenv.simulation.result import Result

INK, GREY = "#1d1f21", "#8a8e92"
COLOURS = ("#2a6099", "#c05f1a", "#3d7d4f", "#7a679a", "#a3475d", "#6b6f2a")  # one a strategy or learner, then anew
WIDTH, PANEL_HEIGHT = 9.0, 2.6  # inches
BPS = 1e-4


class Fills(NamedTuple):
    """Executions of one agent in one book.

    Attributes:
        time: (N,) [s].
        price: (N,) [$].
        qty: (N,) [shares], positive where it bought.
        fee: (N,) [$].
    """

    time: np.ndarray
    price: np.ndarray
    qty: np.ndarray
    fee: np.ndarray


def draw(result: Result, path: str | PathLike[str] | None) -> Figure:
    """Draw it, and write it to a file where one is named; its ending says in which format."""
    figure_class = _figure_class()
    agents, books = earnings(result), range(len(result.scenario.books))
    panels = len(books) + bool(agents)
    figure = figure_class(figsize=(WIDTH, PANEL_HEIGHT * panels), layout="constrained")
    axes = figure.subplots(panels, sharex=True, squeeze=False)[:, 0]
    for book in books:
        _draw_book(axes[book], result, book, agents)
    if agents:
        _draw_earnings(axes[-1], result, agents)
    axes[-1].set_xlabel("s since the session's first instant", fontsize=9)
    if path is not None:
        figure.savefig(path, dpi=150)
    return figure


def _figure_class() -> type[Figure]:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise ImportError('plot needs Matplotlib: run pip install "lobenv[lab]"') from None
    return Figure


def _draw_book(axes: Axes, result: Result, book: int, agents: list[dict[str, Any]]) -> None:
    """The mid of a book, and arrows where somebody bought (up) or sold (down)."""
    times, mid = mid_of(result, book)
    axes.step(times, mid, where="post", color=GREY, linewidth=0.8, label="mid")
    for place, agent in enumerate(agents):
        fills = fills_of(result, agent["agent"], book)
        _draw_fills(axes, fills, str(agent["name"]), COLOURS[place % len(COLOURS)])
    _finish(axes, f"{result.scenario.name}, seed {result.seed}: {result.scenario.books[book].name} [$]")


def _draw_fills(axes: Axes, fills: Fills, name: str, colour: str) -> None:
    for is_bought, marker, done in ((True, "^", "buys"), (False, "v", "sells")):
        chosen = (fills.qty > 0) == is_bought
        if chosen.any():
            filled = {"facecolors": colour if is_bought else "none", "edgecolors": colour, "linewidths": 0.9}
            label = f"{name} {done}"
            axes.scatter(fills.time[chosen], fills.price[chosen], 22, marker=marker, label=label, zorder=3, **filled)


def _draw_earnings(axes: Axes, result: Result, agents: list[dict[str, Any]]) -> None:
    """The P&L of each, all books together, marked at the mid."""
    axes.axhline(0, color=GREY, linewidth=0.6)
    for place, agent in enumerate(agents):
        times, pnl = pnl_of(result, agent["agent"])
        axes.step(times, pnl, where="post", linewidth=1.1, color=COLOURS[place % len(COLOURS)], label=agent["name"])
    _finish(axes, "P&L after fees, marked at the mid [$]")


def _finish(axes: Axes, title: str) -> None:
    axes.set_title(title, loc="left", fontsize=9, color=INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)
    axes.ticklabel_format(axis="y", useOffset=False)
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize=8)


def mid_of(result: Result, book: int) -> tuple[np.ndarray, np.ndarray]:
    """Times [s] and the displayed mid [$] of a book from each on, the last time being the result's; NaN without one."""
    records = _records(result)
    records = records[records["book"] == book]
    has_both = (records["best_bid"] != NO_BID) & (records["best_ask"] != NO_ASK)
    twice = records["best_bid"].astype(np.float64) + records["best_ask"]
    mid = np.where(has_both, twice / 2 * result.scenario.tick_size, np.nan)
    last = mid[-1:] if len(mid) else np.array([np.nan])
    return np.append(records["time"], result.end_ns) / SECOND, np.concatenate((mid, last))


def fills_of(result: Result, agent: int, book: int) -> Fills:
    """Executions of an agent in a book, as the tape has them."""
    records = _records(result)
    records = records[(records["book"] == book) & np.isin(records["kind"], (EXECUTE, EXECUTE_HIDDEN))]
    fees = result.scenario.books[book].fees
    resting, taking = (records[records[role] == agent] for role in ("owner", "aggressor"))
    both = np.concatenate((resting, taking))
    is_maker = np.arange(len(both)) < len(resting)
    order = np.argsort(both["time"], kind="stable")
    both, is_maker = both[order], is_maker[order]
    price = both["price"] * result.scenario.tick_size
    qty = both["qty"] * np.where(is_maker, both["side"], -both["side"]).astype(np.int64)
    return Fills(both["time"] / SECOND, price, qty, _fee(fees, is_maker, price, np.abs(qty)))


def _fee(fees: Fees, is_maker: np.ndarray, price: np.ndarray, qty: np.ndarray) -> np.ndarray:
    per_share = np.where(is_maker, fees.maker_per_share, fees.taker_per_share)
    return qty * (per_share + np.where(is_maker, fees.maker_bps, fees.taker_bps) * BPS * price)


def pnl_of(result: Result, agent: int) -> tuple[np.ndarray, np.ndarray]:
    """Times [s] and an agent's P&L [$] from each on: after fees, all books together, marked at the latest mid."""
    books = range(len(result.scenario.books))
    mids = [mid_of(result, book) for book in books]
    times = np.unique(np.concatenate([times for times, _ in mids]))
    pnl = np.zeros(len(times))
    for book in books:
        fills = fills_of(result, agent, book)
        cash = np.concatenate(([0.0], np.cumsum(-fills.qty * fills.price - fills.fee)))
        held = np.concatenate(([0], np.cumsum(fills.qty)))
        done = np.searchsorted(fills.time, times, side="right")
        pnl += cash[done] + np.where(held[done] == 0, 0.0, held[done] * _latest(*mids[book], times))
    return times, pnl


def _latest(times: np.ndarray, values: np.ndarray, at: np.ndarray) -> np.ndarray:
    """The latest value that is known at some times; NaN before the first."""
    known = np.isfinite(values)
    times, values = times[known], np.append(values[known], np.nan)
    return values[np.searchsorted(times, at, side="right") - 1]


def _records(result: Result) -> np.ndarray:
    if result.tape is None:
        raise ValueError("plot: the tape was not kept, and the mid is read from it: run with tape=True")
    return result.tape.records
