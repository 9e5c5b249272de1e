"""A result in some ten lines, for people who print it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lobenv.settings import SECOND

if TYPE_CHECKING:
    from lobenv.simulation.result import Result

SHOWN = 6  # strategies and learners at most, so that a summary stays one
OUTSIDE = ("strategy", "learner")


def summary(result: Result) -> str:
    """What was run, how much happened in it, and what strategies and learners earned."""
    counters = result.counters
    reached = f"{result.end_ns / SECOND:,.3f} of {_session_s(result):,.3f} s"
    happened = (("events", counters.events), ("messages", counters.messages), ("trades", counters.trades))
    told = ", ".join(f"{number:,} {noun}" for noun, number in happened)
    lost = f", {counters.lost:,} lost on their way" if counters.lost else ""
    tape = "no tape" if result.tape is None else f"{len(result.tape):,} records on the tape"
    return "\n".join(
        [
            f"Result of {result.scenario.name}, seed {result.seed}, {reached}",
            f"  {told}{lost}, {tape}",
            *_earnings(result),
        ]
    )


def _session_s(result: Result) -> float:
    session = result.scenario.session
    return session.warm_up_s + session.duration_s


def _earnings(result: Result) -> list[str]:
    """A table of strategies and learners, their books taken together."""
    rows = earnings(result)
    if not rows:
        return ["  no strategy and no learner traded in it"]
    width = max(len(row["name"]) for row in rows)
    head = f"  {'':<{width}} {'kind':<8} {'P&L [$]':>12} {'fees [$]':>10} {'position':>9} {'volume':>9} {'maker':>6}"
    lines = [head, *(_line(row, width) for row in rows[:SHOWN])]
    return lines if len(rows) <= SHOWN else [*lines, f"  … and {len(rows) - SHOWN} more: see result.accounts"]


def _line(row: dict[str, Any], width: int) -> str:
    maker = f"{row['maker_volume'] / row['volume']:.0%}" if row["volume"] else "-"
    figures = f"{row['pnl']:>12,.2f} {row['fees']:>10,.2f} {row['position']:>9,} {row['volume']:>9,} {maker:>6}"
    return f"  {row['name']:<{width}} {row['kind']:<8} {figures}{' killed' if row['killed'] else ''}"


def earnings(result: Result) -> list[dict[str, Any]]:
    """The accounts of strategies and learners, one row each, their books taken together."""
    import polars as pl

    outside = result.accounts.filter(pl.col("kind").is_in(OUTSIDE))
    sums = pl.col("pnl", "fees", "position", "volume", "maker_volume").sum()
    return outside.group_by("agent", "name", "kind", maintain_order=True).agg(sums, pl.col("killed").any()).to_dicts()
