"""The comparison of policies as a table: which figures it shows, how each is written, and its form on a console."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import polars as pl
from rich.console import Console
from rich.table import Table
from rich.text import Text

from evaluate.metrics import CRITERION, METRICS

CONSOLE_WIDTH = 120  # where output goes to a file or a narrow terminal
POLICY_WIDTH = 18


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


FIGURES_NOTE = (
    "Means over episodes with 95 % intervals. gain and P(>) compare with the baseline on the same seeds; adj. is\n"
    f"risk-adjusted P&L: less {CRITERION.inventory_aversion:g} $ per lot² and second held, "
    f"{CRITERION.terminal_aversion:g} $ per lot² at the close. CVaR5: the worst 5 %."
)
FEWEST_SEEDS = 16  # on which a gain may be called clear
GAINS_NOTE = (
    "“ahead” and “behind”: the whole 95 % interval lies on that side of zero; “not clear”: it does not, or there are\n"
    f"fewer than {FEWEST_SEEDS} seeds. Of twenty comparisons in which nothing differs about one comes out clear."
)
HEADLINE = "risk_adjusted_pnl"  # the metric that decides who is ahead
COLUMNS = (
    Column("P&L", "pnl", "mean", True, f"{METRICS['pnl'].meaning} Mean, with its 95 % bootstrap interval."),
    Column("gain", "pnl", "difference", True, "Mean difference in P&L to the baseline on the same seeds."),
    Column(
        "P(>)", "pnl", "p_improve", True, "Probability to earn more than the baseline on a market; ties count half."
    ),
    Column("adj. P&L", HEADLINE, "mean", True, f"Risk-adjusted P&L: {METRICS[HEADLINE].meaning} Mean over episodes."),
    Column(
        "adj. gain", HEADLINE, "difference", True, "Mean difference in risk-adjusted P&L to the baseline, paired too."
    ),
    Column("adj. P(>)", HEADLINE, "p_improve", True, "Probability of more risk-adjusted P&L than the baseline's."),
    Column("CVaR5", "pnl", "cvar", False, "Mean P&L of the worst 5 % of the episodes."),
    _mean("Sharpe", "sharpe"),
    _mean("max|q|", "inventory_abs_max"),
    _mean("fill", "fill_ratio"),
)


@dataclass(frozen=True)
class Gain:
    """What a policy gains over the baseline in one scenario, as printed, and whether that is more than chance.

    Attributes:
        figure: mean paired difference.
        interval: its 95 % interval.
        verdict: `ahead` or `behind` where the whole interval lies on that side of zero, else `not clear`.
    """

    figure: str
    interval: str
    verdict: Literal["ahead", "behind", "not clear"]

    @property
    def clear(self) -> bool:
        """Whether the interval is clear of zero."""
        return self.verdict != "not clear"


def gain(row: dict[str, Any]) -> Gain | None:
    """The headline's paired comparison in a row of `statistics.summarise`; None where no seed is shared.

    Nothing is clear of zero on fewer than `FEWEST_SEEDS`, where a bootstrap interval is too narrow, nor by an interval
    without width, which says nothing of chance.
    """
    low, high = row["difference_low"], row["difference_high"]
    if row["difference"] is None:
        return None
    figure, interval = cell(Column("", row["metric"], "difference", interval=True, meaning=""), row)
    clear = row["paired_n"] >= FEWEST_SEEDS and low < high and not low <= 0 <= high
    return Gain(figure, interval, ("ahead" if low > 0 else "behind") if clear else "not clear")


def gains(summary: pl.DataFrame, baseline: str | None) -> dict[str, dict[str, Gain | None]]:
    """Every policy but the baseline to scenario to its gain in risk-adjusted P&L; empty without a baseline."""
    found: dict[str, dict[str, Gain | None]] = {}
    if baseline is not None:
        others = summary.filter((pl.col("metric") == HEADLINE) & (pl.col("policy") != baseline))
        for row in others.iter_rows(named=True):
            found.setdefault(row["policy"], {})[row["scenario"]] = gain(row)
    return found


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
        cells = [_written_cell(*cell(column, metrics[column.name])) for column in COLUMNS]
        note = f"{'baseline, ' if policy == baseline else ''}n={metrics['pnl']['n']}"
        table.add_row(Text.assemble(policy, ("\n" + note, "dim")), *cells)
    return table


def _written_cell(figure: str, below: str, style: str = "") -> Text:
    return Text.assemble((figure, style), ("\n" + below if below else "", "dim"))


def gains_table(summary: pl.DataFrame, baseline: str) -> Table:
    """Gains in risk-adjusted P&L over the baseline in every scenario, for a console; bold where clear of zero."""
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0))
    scenarios = summary["scenario"].unique(maintain_order=True).to_list()
    table.add_column("policy", max_width=POLICY_WIDTH, overflow="fold")
    for scenario in scenarios:
        table.add_column(Text(scenario), justify="right", overflow="fold")
    for policy, by_scenario in gains(summary, baseline).items():
        cells = [
            _written_cell(f"{found.figure} {found.verdict}", found.interval, "bold" if found.clear else "")
            if (found := by_scenario.get(scenario)) is not None
            else Text("–")
            for scenario in scenarios
        ]
        table.add_row(Text(policy), *cells)
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
    console.print(FIGURES_NOTE, style="dim", highlight=False)
    if baseline is not None and summary["policy"].n_unique() > 1:
        console.print()
        console.print(f"risk-adjusted gain over {baseline} on the same seeds, $", style="italic", highlight=False)
        console.print(gains_table(summary, baseline))
        console.print(GAINS_NOTE, style="dim", highlight=False)
