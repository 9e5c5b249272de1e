"""The report's figures, each a function from tables of a run to a drawing in the page's light or dark colours.

Colours are few and always mean the same: blue is the policy at hand and a bid, orange an ask, grey the market and the
baseline. Policies are told apart by place and name, never by colour, so that any number of them can be compared.
"""

from __future__ import annotations

import io
import re
from typing import Any

import matplotlib as mpl
import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from evaluate.metrics import HORIZONS_S, Metric

# Each colour is written into the drawing as the page's variable of that name, with this light value as what stands in.
COLOURS = {
    "ink": "#1d1f21",
    "muted": "#6d7175",
    "rule": "#d9dadb",
    "blue": "#2a6099",
    "orange": "#c05f1a",
    "violet": "#7a679a",
    "soft": "#b4b7ba",
}
SETTINGS: Any = {
    "font.size": 8.0,
    "font.family": "sans-serif",
    "svg.fonttype": "none",  # text stays text: it takes the page's font, can be read aloud and searched
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "axes.edgecolor": COLOURS["muted"],
    "axes.labelcolor": COLOURS["muted"],
    "axes.labelsize": 8.0,
    "axes.titlesize": 9.0,
    "axes.titlelocation": "left",
    "axes.titlecolor": COLOURS["ink"],
    "text.color": COLOURS["ink"],
    "xtick.color": COLOURS["muted"],
    "ytick.color": COLOURS["muted"],
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "lines.linewidth": 1.1,
    "lines.solid_capstyle": "butt",
    "path.simplify_threshold": 0.2,
    "figure.constrained_layout.use": True,
}
BANDS = ((0.05, 0.95, 0.16), (0.25, 0.75, 0.28))  # lower and upper quantile, opacity
LEGEND: dict[str, Any] = {
    "frameon": False,
    "fontsize": 8,
    "handlelength": 1.0,
    "columnspacing": 1.2,
    "handletextpad": 0.5,
}
ROW_INCHES = 0.42
ZOOM_S = 60.0
STEPS = [1, 2, 5, 10]  # between two ticks, times a power of ten


def svg(figure: Figure, key: str, description: str) -> str:
    """The figure as inline SVG, its colours turned into the page's variables.

    Args:
        figure: what to draw.
        key: unique on the page; keeps the identifiers of two drawings apart, and one drawing the same on every run.
        description: for readers who cannot see it.
    """
    buffer = io.StringIO()
    with mpl.rc_context(SETTINGS | {"svg.hashsalt": key}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", text, flags=re.DOTALL)
    text = re.sub(r' id="[a-zA-Z0-9]+_\d+"', "", text)
    text = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", text, count=1))
    for name, colour in COLOURS.items():
        text = text.replace(colour, f"var(--{name},{colour})")
    label = description.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    return text.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)


def band_panel(
    paths: pl.DataFrame, column: str, title: str, *, limits: tuple[float, float], reference: pl.DataFrame | None = None
) -> Figure:
    """Median and quantile bands over seeds of one policy's course, with the median of a reference policy.

    Args:
        paths: rows of the recording `paths` of one policy and scenario.
        column: `pnl` or `inventory`.
        title: name of the policy.
        limits: of the vertical axis, shared by all panels of a scenario.
        reference: rows of the baseline's recording.
    """
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(2.9, 1.9))
        axes = figure.add_subplot()
        axes.axhline(0.0, color=COLOURS["rule"], linewidth=0.8, zorder=0)
        course = _quantiles(paths, column, (0.05, 0.25, 0.5, 0.75, 0.95))
        minutes = course["elapsed_s"] / 60.0
        for low, high, opacity in BANDS:
            axes.fill_between(
                minutes, course[f"{low}"], course[f"{high}"], color=COLOURS["blue"], alpha=opacity, linewidth=0
            )
        axes.plot(minutes, course["0.5"], color=COLOURS["blue"])
        if reference is not None:
            middle = _quantiles(reference, column, (0.5,))
            axes.plot(
                middle["elapsed_s"] / 60.0, middle["0.5"], color=COLOURS["muted"], linewidth=0.9, linestyle=(0, (3, 2))
            )
        axes.set(ylim=limits, xlabel="minutes", ylabel="P&L, $" if column == "pnl" else "inventory, shares")
        axes.set_title(_wrapped(title, 34))
        axes.margins(x=0)
        _few_ticks(axes, 4, 4)
    return figure


def band_limits(paths: pl.DataFrame, column: str) -> tuple[float, float]:
    """Limits that hold the outer band of every policy in `paths`, and zero, with a margin."""
    if paths.is_empty():
        return -1.0, 1.0
    outer = paths.group_by("policy", "step").agg(
        pl.col(column).quantile(0.05, "linear").alias("low"), pl.col(column).quantile(0.95, "linear").alias("high")
    )
    low, high = min(0.0, float(outer["low"].min())), max(0.0, float(outer["high"].max()))  # pyright: ignore[reportArgumentType]
    margin = 0.06 * (high - low) or 1.0
    return low - margin, high + margin


def distributions(rows: pl.DataFrame, policies: list[str]) -> Figure:
    """One row for each policy: the P&L of every episode, the middle half, the median and the mean.

    Args:
        rows: episodes of one scenario.
        policies: in the order of the rows, top to bottom.
    """
    with mpl.rc_context(SETTINGS):
        figure, axes = _row_chart(policies)
        axes.axvline(0.0, color=COLOURS["rule"], linewidth=0.8, zorder=0)
        for place, policy in enumerate(policies):
            values = rows.filter(pl.col("policy") == policy)["pnl"].drop_nulls().to_numpy()
            _strip(axes, values, place)
        axes.set_xlabel("P&L of an episode, $")
    return figure


def _strip(axes: Axes, values: np.ndarray[Any, Any], place: int) -> None:
    if not len(values):
        return
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    axes.barh(place, high - low, left=low, height=0.5, color=COLOURS["blue"], alpha=0.16, linewidth=0)
    _dots(axes, values, place)
    axes.plot([middle, middle], [place - 0.25, place + 0.25], color=COLOURS["blue"], linewidth=1.6)
    axes.plot(values.mean(), place, marker="D", markersize=4.0, color=COLOURS["ink"], markeredgewidth=0)


def paired_differences(differences: pl.DataFrame, comparison: pl.DataFrame, baseline: str, metric: Metric) -> Figure:
    """One row for each policy but the baseline: the difference on every shared seed, and its mean with interval.

    Args:
        differences: of one scenario, as `statistics.differences` returns them.
        comparison: of one scenario, as `statistics.paired` returns it; gives the order of the rows.
        baseline: name of the baseline.
        metric: in which they are compared.
    """
    policies = comparison["policy"].to_list()
    with mpl.rc_context(SETTINGS):
        figure, axes = _row_chart(policies)
        axes.axvline(0.0, color=COLOURS["muted"], linewidth=0.8, zorder=0)
        for place, row in enumerate(comparison.iter_rows(named=True)):
            values = differences.filter(pl.col("policy") == row["policy"])["difference"].to_numpy()
            _dots(axes, values, place)
            if row["difference"] is not None:
                ends = (row["difference_low"], row["difference_high"])
                axes.plot(ends, (place, place), color=COLOURS["ink"], linewidth=2.4, solid_capstyle="round")
                axes.plot(row["difference"], place, marker="D", markersize=4.6, color=COLOURS["ink"], markeredgewidth=0)
        axes.set_xlabel(f"{metric.label} less that of {baseline} on the same seed, {metric.unit}")
    return figure


def decomposition(summary: pl.DataFrame, policies: list[str]) -> Figure:
    """One bar for each policy: mean spread captured, inventory revaluation and fees, and the P&L they add up to.

    Args:
        summary: rows of `statistics.summarise` of one scenario.
        policies: in the order of the rows, top to bottom.
    """
    mean = {(row["policy"], row["metric"]): row["mean"] or 0.0 for row in summary.iter_rows(named=True)}
    parts = (
        ("spread captured", "spread_captured", 1.0, "blue"),
        ("inventory revaluation", "inventory_revaluation", 1.0, "orange"),
        ("fees (rebates to the right)", "fees", -1.0, "violet"),
    )
    with mpl.rc_context(SETTINGS):
        figure, axes = _row_chart(policies, extra=0.3)
        for place, policy in enumerate(policies):
            reach = {True: 0.0, False: 0.0}
            for label, name, sign, colour in parts:
                value = sign * mean.get((policy, name), 0.0)
                axes.barh(
                    place,
                    value,
                    left=reach[value > 0],
                    height=0.5,
                    color=COLOURS[colour],
                    alpha=0.72,
                    linewidth=0,
                    label=label if place == 0 else None,
                )
                reach[value > 0] += value
            axes.plot(
                mean.get((policy, "pnl"), 0.0),
                place,
                marker="D",
                markersize=4.6,
                color=COLOURS["ink"],
                markeredgewidth=0,
                linestyle="none",
                label="P&L" if place == 0 else None,
            )
        axes.axvline(0.0, color=COLOURS["muted"], linewidth=0.8)
        axes.set_xlabel("mean of an episode, $")
        handles, labels = axes.get_legend_handles_labels()
        order = sorted(range(len(labels)), key=lambda index: labels[index] == "P&L")
        figure.legend(
            [handles[i] for i in order], [labels[i] for i in order], loc="outside upper left", ncols=2, **LEGEND
        )
    return figure


def markouts(summary: pl.DataFrame, policies: list[str]) -> Figure:
    """One row for each policy: what its maker fills were worth at the fill and at each later horizon.

    Args:
        summary: rows of `statistics.summarise` of one scenario.
        policies: in the order of the rows, top to bottom.
    """
    mean = {(row["policy"], row["metric"]): row["mean"] or 0.0 for row in summary.iter_rows(named=True)}
    with mpl.rc_context(SETTINGS):
        figure, axes = _row_chart(policies, extra=0.2)
        axes.axvline(0.0, color=COLOURS["muted"], linewidth=0.8, zorder=0)
        for place, policy in enumerate(policies):
            worth = [mean.get((policy, f"realised_spread_{horizon}s"), 0.0) for horizon in HORIZONS_S]
            at_fill = worth[0] - mean.get((policy, f"adverse_selection_{HORIZONS_S[0]}s"), 0.0)
            axes.plot([at_fill, *worth], [place] * (1 + len(worth)), color=COLOURS["soft"], linewidth=1.4, zorder=1)
            axes.plot(at_fill, place, "D", markersize=4.6, color=COLOURS["ink"], markeredgewidth=0, label="at the fill")
            for shade, (horizon, value) in enumerate(zip(HORIZONS_S, worth, strict=True), start=1):
                size, opacity = 3.0 + 1.5 * shade, 1.0 - 0.25 * (shade - 1)
                style = {"color": COLOURS["blue"], "alpha": opacity, "markeredgewidth": 0}
                axes.plot(value, place, "o", markersize=size, label=f"{horizon} s later", **style)
        axes.set_xlabel("maker fills of an episode, marked to the mid, $")
        handles, labels = axes.get_legend_handles_labels()
        count = 1 + len(HORIZONS_S)
        figure.legend(handles[:count], labels[:count], loc="outside upper left", ncols=count, **LEGEND)
    return figure


def quotes_on_price(quotes: pl.DataFrame, fills: pl.DataFrame) -> Figure:
    """One episode: the market's best prices, the own quotes on them, every fill; below, inventory and P&L.

    Args:
        quotes: recording `quotes` of one episode.
        fills: recording `fills` of the same episode.
    """
    minutes = quotes["time_s"].to_numpy() / 60.0
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(9.4, 5.2))
        price, inventory, pnl = figure.subplots(3, 1, sharex=True, height_ratios=(3.2, 1.0, 1.0))
        _prices(price, quotes, fills, unit_s=60.0, marker=3.2)
        price.set_ylabel("price, $")
        for axes, column, label in ((inventory, "inventory", "inventory,\nshares"), (pnl, "pnl", "P&L, $")):
            axes.axhline(0.0, color=COLOURS["rule"], linewidth=0.8, zorder=0)
            axes.step(minutes, quotes[column], where="post", color=COLOURS["blue"])
            axes.set_ylabel(label)
            _few_ticks(axes, 8, 3)
        pnl.set_xlabel("minutes since the session's open")
        price.margins(x=0.0)
        _few_ticks(price, 8, 6)
    return figure


def quotes_close_up(quotes: pl.DataFrame, fills: pl.DataFrame) -> Figure:
    """The busiest minute of `quotes_on_price`: the one with the most maker fills, or the first if there are none."""
    times = quotes["time_s"].to_numpy()
    made = fills.filter(pl.col("maker") == 1)["time_ns"].to_numpy() if len(fills) else np.empty(0)
    start = _busiest(made / 1e9, times)
    near = quotes.filter(pl.col("time_s").is_between(start, start + ZOOM_S))
    within = fills.filter((pl.col("time_ns") / 1e9).is_between(start, start + ZOOM_S)) if len(fills) else fills
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(9.4, 3.0))
        axes = figure.add_subplot()
        _prices(axes, near, within, unit_s=1.0, marker=5.5)
        axes.set(xlabel="seconds since the session's open", ylabel="price, $")
        axes.margins(x=0.0)
        _few_ticks(axes, 8, 6)
    return figure


def _busiest(fills_s: np.ndarray[Any, Any], times: np.ndarray[Any, Any]) -> float:
    """Start [s] of the minute within the episode that holds the most fills."""
    latest = max(times[0], times[-1] - ZOOM_S)
    if not len(fills_s):
        return float(times[0])
    starts = np.clip(fills_s - 2.0, times[0], latest)
    count = np.searchsorted(fills_s, starts + ZOOM_S, side="right") - np.searchsorted(fills_s, starts)
    return float(starts[np.argmax(count)])


def _prices(axes: Axes, quotes: pl.DataFrame, fills: pl.DataFrame, *, unit_s: float, marker: float) -> None:
    """Market and own quotes against time in units of `unit_s` seconds, with a triangle at every fill."""
    clock = quotes["time_s"].to_numpy() / unit_s
    tick_size = quotes["tick_size"][0]

    def dollars(name: str) -> np.ndarray[Any, Any]:
        return quotes[name].to_numpy() * tick_size

    axes.fill_between(
        clock,
        dollars("best_bid"),
        dollars("best_ask"),
        step="post",
        color=COLOURS["soft"],
        alpha=0.45,
        linewidth=0,
        label="market's spread",
    )
    axes.step(clock, dollars("mid"), where="post", color=COLOURS["muted"], linewidth=0.6, label="mid")
    axes.step(clock, dollars("bid"), where="post", color=COLOURS["blue"], linewidth=0.9, label="own bid")
    axes.step(clock, dollars("ask"), where="post", color=COLOURS["orange"], linewidth=0.9, label="own ask")
    for side, shape, colour, label in ((1, "^", "blue", "bought"), (-1, "v", "orange", "sold")):
        own = fills.filter(pl.col("side") == side) if len(fills) else fills
        if len(own):
            axes.plot(
                own["time_ns"].to_numpy() / 1e9 / unit_s,
                own["price"].to_numpy() * tick_size,
                linestyle="none",
                marker=shape,
                markersize=marker,
                color=COLOURS[colour],
                markeredgewidth=0,
                label=label,
            )
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.2f}"))
    axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=6, **LEGEND)


def _row_chart(names: list[str], extra: float = 0.0) -> tuple[Figure, Axes]:
    """Axes with one named row for each entry, the first on top."""
    figure = Figure(figsize=(4.5, 0.75 + extra + ROW_INCHES * max(len(names), 1)))
    axes = figure.add_subplot()
    axes.use_sticky_edges = False  # bars would otherwise glue the axis to their ends
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_yticks(range(len(names)), [_wrapped(name, 22) for name in names])
    axes.tick_params(axis="y", length=0, labelcolor=COLOURS["ink"], labelsize=8.5)
    axes.spines["left"].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=STEPS))
    axes.xaxis.set_major_formatter(FuncFormatter(_number))
    return figure, axes


def _dots(axes: Axes, values: np.ndarray[Any, Any], place: int) -> None:
    """Every value as a dot, spread over the row's height in an order that has nothing to do with its size."""
    spread = (np.arange(len(values)) * 0.618034) % 1.0 - 0.5  # golden ratio: neighbours lie apart, and without chance
    axes.plot(
        values,
        place + 0.4 * spread,
        linestyle="none",
        marker="o",
        markersize=2.6,
        color=COLOURS["blue"],
        alpha=0.55,
        markeredgewidth=0,
    )


def _quantiles(paths: pl.DataFrame, column: str, quantiles: tuple[float, ...]) -> dict[str, np.ndarray[Any, Any]]:
    """Quantiles over seeds at every recorded step, and the time that had passed."""
    table = (
        paths.group_by("step")
        .agg(pl.col("elapsed_s").first(), *(pl.col(column).quantile(q, "linear").alias(f"{q}") for q in quantiles))
        .sort("step")
    )
    return {name: table[name].to_numpy() for name in table.columns}


def _few_ticks(axes: Axes, across: int, up: int) -> None:
    axes.xaxis.set_major_locator(MaxNLocator(across, steps=STEPS))
    axes.yaxis.set_major_locator(MaxNLocator(up, steps=STEPS))
    if "price" not in axes.get_ylabel():
        axes.yaxis.set_major_formatter(FuncFormatter(_number))


def _number(value: float, _: int) -> str:
    """Tick label: thousands set apart, a true minus, no trailing zeros."""
    return f"{value:,.10g}".replace("-", "−")


def _wrapped(name: str, width: int) -> str:
    """A long policy name broken at its punctuation."""
    if len(name) <= width:
        return name
    pieces = re.findall(r"[^:?&,_/]*[:?&,_/]?", name)
    lines = [""]
    for piece in pieces:
        if len(lines[-1]) + len(piece) > width and lines[-1]:
            lines.append("")
        lines[-1] += piece
    return "\n".join(lines)
