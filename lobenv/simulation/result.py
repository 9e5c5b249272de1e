"""What a market leaves behind: its tape, everybody's accounts, and the reports that reached the strategies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lobenv.agents.kinds import kind_of
from lobenv.market.ledger import twice_mid_of
from lobenv.market.tables import MILLITICKS, RECEIVED, World
from lobenv.simulation.records import REPORT_KINDS
from lobenv.simulation.summary import summary
from lobenv.simulation.units import Units
from lobenv.tape.reasons import REASON_NAMES
from lobenv.tape.schema import Tape

if TYPE_CHECKING:
    from os import PathLike

    import polars as pl
    from matplotlib.figure import Figure

    from lobenv.scenario.config import Scenario


@dataclass(frozen=True)
class Counters:
    """How much happened.

    Attributes:
        events: Events handled: wakeups, arrivals, deliveries and the rest.
        messages: Messages that arrived at an exchange.
        trades: Executions.
        lost: Messages dropped by a link.
    """

    events: int
    messages: int
    trades: int
    lost: int


@dataclass(frozen=True, eq=False, repr=False)
class Result:
    """A market up to the time it was run to; printed, it is a summary of some ten lines.

    Attributes:
        scenario: What it was built from.
        seed: Of everything random in it.
        end_ns: The time it was run to.
        tape: Everything that happened in its books, in words with `tape.to_polars(named=True)`; None where no tape was
            kept.
        accounts: One row an agent and book, as the exchange has them, money in $: agent, name (of the strategy or
            group), kind, book, position, cash (before fees), fees (net of rebates), realised and unrealised (average
            cost, marked at the displayed mid or, after the close, the last trade), pnl (realised + unrealised - fees),
            volume, maker_volume, orders_sent, cancels_sent, replaces_sent, rejected, killed.
        reports: One row a report that reached a strategy, in that order: delivered_ns, exchange_ns, strategy, kind,
            reason, order_id, book, side, price [ticks], qty, remaining, fee [$], is_maker.
        counters: How much happened.
    """

    scenario: Scenario
    seed: int
    end_ns: int
    tape: Tape | None
    accounts: pl.DataFrame
    reports: pl.DataFrame
    counters: Counters

    def __repr__(self) -> str:
        return summary(self)

    def plot(self, path: str | PathLike[str] | None = None) -> Figure:
        """Draw the mid of every book with the fills of strategies and learners in it, and what they earned.

        Args:
            path: File to write it to, its ending says in which format; None for none.

        Returns:
            The drawing.

        Raises:
            ValueError: No tape was kept.
            ImportError: Matplotlib, of the extra `lab`, is not installed.
        """
        from lobenv.simulation.chart import draw

        return draw(self, path)


def names_of_agents(scenario: Scenario, strategies: Sequence[str], learners: Sequence[str]) -> list[tuple[str, str]]:
    """(name, kind) of every agent, in the order of the tables."""
    first = ("opening", "opening") if scenario.replay is None else ("recording", "recording")
    traders = [(name, kind_of(group).name) for name, group in scenario.agents.items() for _ in range(group.count)]
    outside = [*((name, "strategy") for name in strategies), *((name, "learner") for name in learners)]
    return [first, *outside, *traders]


def count(world: World) -> Counters:
    """The counters of a market."""
    clock = world.clock[0]
    return Counters(int(clock["events"]), int(clock["messages"]), int(clock["trades"]), int(clock["lost"]))


def accounts_of(world: World, scenario: Scenario, names: list[tuple[str, str]]) -> pl.DataFrame:
    """The accounts of every agent in every book; `Result.accounts` names the columns."""
    import polars as pl

    units = Units(scenario.tick_size)
    agents, books = world.accounts.shape
    accounts = world.accounts.ravel()
    marks = np.tile([int(twice_mid_of(world, book)) for book in range(books)], agents)
    unrealised = accounts["position"] * marks * (MILLITICKS // 2) - accounts["cost"]
    realised = accounts["cash"] + accounts["cost"]
    money = {
        "cash": accounts["cash"],
        "fees": accounts["fees"],
        "realised": realised,
        "unrealised": unrealised,
        "pnl": realised + unrealised - accounts["fees"],
    }
    counts = ("volume", "maker_volume", "orders_sent", "cancels_sent", "replaces_sent", "rejected")
    return pl.DataFrame(
        {
            "agent": np.repeat(np.arange(agents), books),
            "name": [name for name, _ in names for _ in range(books)],
            "kind": [kind for _, kind in names for _ in range(books)],
            "book": [book.name for book in scenario.books] * agents,
            "position": np.ascontiguousarray(accounts["position"]),
            **{name: [units.dollars(value) for value in values.tolist()] for name, values in money.items()},
            **{name: np.ascontiguousarray(accounts[name]) for name in counts},
            "killed": accounts["killed"] != 0,
        }
    )


def reports_of(received: list[np.void], scenario: Scenario, strategies: list[str]) -> pl.DataFrame:
    """The reports that reached strategies; `Result.reports` names the columns."""
    import polars as pl

    rows = np.array(received, RECEIVED)
    units = Units(scenario.tick_size)
    books = [book.name for book in scenario.books]
    return pl.DataFrame(
        {
            "delivered_ns": rows["delivered"].copy(),
            "exchange_ns": rows["time"].copy(),
            "strategy": pl.Series([strategies[i] for i in rows["external"]], dtype=pl.String),
            "kind": pl.Series([REPORT_KINDS[i] for i in rows["kind"]], dtype=pl.String),
            "reason": pl.Series([REASON_NAMES[i] for i in rows["reason"]], dtype=pl.String),
            "order_id": rows["order_id"].copy(),
            "book": pl.Series([books[i] for i in rows["book"]], dtype=pl.String),
            "side": rows["side"].copy(),
            "price": rows["price"].copy(),
            "qty": rows["qty"].copy(),
            "remaining": rows["remaining"].copy(),
            "fee": pl.Series([units.dollars(fee) for fee in rows["fee"].tolist()], dtype=pl.Float64),
            "is_maker": rows["maker"] != 0,
        }
    )


def tape_of(records: np.ndarray, scenario: Scenario) -> Tape:
    """The tape of a simulated market, whose clock begins at midnight of no day."""
    symbols = dict.fromkeys(book.symbol for book in scenario.books)
    venues = dict.fromkeys(book.venue for book in scenario.books)
    return Tape(records, scenario.tick_size, 0, "+".join(symbols), "+".join(venues))
