"""The comparison of policies as a table: which figures it shows, how each is written, and its form on a console."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import polars as pl
from rich.console import Console
from rich.table import Table
from rich.text import Text

from evaluate.metrics import METRICS

CONSOLE_WIDTH = 120  # where output goes to a file or a narrow terminal
POLICY_WIDTH = 19


@dataclass(frozen=True)
class Column:
    """One column of the comparison.

    Attributes:
        head: heading.
        name: metric that it shows.
        figure: which of its figures: the mean, the interquartile mean, the mean of the worst 5 %, the difference to
            the baseline, or the probability to beat it.
        interval: whether the 95 % interval stands below.
        meaning: one sentence for the reader of a report.
    """

    head: str
    name: str
    figure: Literal["mean", "iqm", "cvar", "difference", "p_improve"]
    interval: bool
    meaning: str

    @property
    def unit(self) -> str:
        """Unit of what stands in the column."""
        return "" if self.figure == "p_improve" else METRICS[self.name].unit


def _mean(head: str, name: str) -> Column:
    return Column(head, name, "mean", interval=False, meaning=f"{METRICS[name].meaning} Mean over episodes.")


COLUMNS = (
    Column("P&L", "pnl", "mean", True, f"{METRICS['pnl'].meaning} Mean, with its 95 % bootstrap interval."),
    Column("IQM", "pnl", "iqm", False, "Interquartile mean of P&L: the mean of its middle half."),
    Column("vs base", "pnl", "difference", True, "Mean difference in P&L to the baseline on the same seeds."),
    Column(
        "P(>)", "pnl", "p_improve", True, "Probability to earn more than the baseline on a market; ties count half."
    ),
    Column("CVaR5", "pnl", "cvar", False, "Mean P&L of the worst 5 % of the episodes."),
    _mean("Sharpe", "sharpe"),
    _mean("spread", "spread_captured"),
    _mean("adv 5s", "adverse_selection_5s"),
    _mean("max|q|", "inventory_abs_max"),
    _mean("fill", "fill_ratio"),
    _mean("quote", "quote_time"),
    _mean("OTR", "order_to_trade"),
)


def cell(column: Column, row: dict[str, Any]) -> tuple[str, str]:
    """The figure and its interval as printed, from a row of `statistics.summarise`; the interval may be empty."""
    low, high = {
        "mean": ("mean_low", "mean_high"),
        "difference": ("difference_low", "difference_high"),
        "p_improve": ("p_low", "p_high"),
    }.get(column.figure, ("", ""))
    figure = written(column, row[column.figure])
    if not column.interval or row[column.figure] is None or row[low] == row[high]:
        return figure, ""
    return figure, f"{written(column, row[low])}…{written(column, row[high])}"


def written(column: Column, value: float | None) -> str:
    """A value in about three figures: a table compares, the episodes' rows hold every digit."""
    if value is None:
        return "–"
    if column.figure == "p_improve":
        return f"{value:.2f}"
    metric = METRICS[column.name]
    size = abs(value)
    if metric.format.endswith("%"):
        text = f"{value:.0%}" if size == 0 or size >= 0.0995 else f"{value:.1%}"
    elif metric.unit in {"$", "shares"} and size >= 9_999.5:
        text = f"{value / 1_000:,.1f}k" if size < 99_950 else f"{value / 1_000:,.0f}k"
    elif metric.unit == "$" and size < 99.95:
        text = f"{value:.1f}"
    elif metric.unit == "$":
        text = f"{value:,.0f}"
    else:
        text = metric.text(value)
    sign = "+" if column.figure == "difference" and value > 0 else ""
    return sign + ("0.0" if text == "-0.0" else text).replace("-", "−")


def figures(summary: pl.DataFrame, scenario: str) -> dict[str, dict[str, dict[str, Any]]]:
    """Rows of a summary of one scenario as {policy: {metric: row}}, in the summary's order."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for row in summary.filter(pl.col("scenario") == scenario).iter_rows(named=True):
        found.setdefault(row["policy"], {})[row["metric"]] = row
    return found


def console_table(summary: pl.DataFrame, scenario: str, baseline: str | None) -> Table:
    """The comparison of one scenario for a console of at least 120 columns, intervals below their figures.

    Args:
        summary: as `statistics.summarise` returns it.
        scenario: which to show.
        baseline: with which the policies are compared.
    """
    table = Table(title=f"{scenario}", title_justify="left", box=None, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("policy", max_width=POLICY_WIDTH, overflow="fold")
    for column in COLUMNS:
        unit = {"shares": "sh"}.get(column.unit, column.unit)
        table.add_column(Text(f"{column.head}\n{unit}"), justify="right", no_wrap=True)
    for policy, metrics in figures(summary, scenario).items():
        cells = []
        for column in COLUMNS:
            figure, ends = cell(column, metrics[column.name])
            cells.append(Text.assemble(figure, ("\n" + ends if ends else "", "dim")))
        note = f"{'baseline, ' if policy == baseline else ''}n={metrics['pnl']['n']}"
        table.add_row(Text.assemble(policy, ("\n" + note, "dim")), *cells)
    return table


def print_tables(summary: pl.DataFrame, baseline: str | None, console: Console | None = None) -> None:
    """Print the comparison of every scenario.

    Args:
        summary: as `statistics.summarise` returns it.
        baseline: with which the policies are compared.
        console: where to; by default standard output, 120 columns wide at least.
    """
    console = console or Console()
    if console.width < CONSOLE_WIDTH:
        console = Console(width=CONSOLE_WIDTH, file=console.file)
    for scenario in summary["scenario"].unique(maintain_order=True):
        console.print(console_table(summary, scenario, baseline))
        console.print()
    console.print(
        "Means over episodes with 95 % intervals; vs base and P(>) compare P&L with the baseline on the same seeds;\n"
        "Sharpe has the horizon of one episode; adv 5s is the mid's move after maker fills, negative is adverse.",
        style="dim",
        highlight=False,
    )
