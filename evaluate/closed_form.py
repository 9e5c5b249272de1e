"""The Poisson-fill market of the textbooks, and what closed-form market makers earn in it beside the published figures.

One market order at most reaches each quote per step, with probability ``A exp(-k distance) dt``; the mid moves
``+- sigma sqrt(dt)``. Units are those of the papers: price in $, time in days, inventory in units of the order size.
``python -m evaluate.closed_form`` prints the tables.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lobenv.theory import quoting

__all__ = [
    "AS_2008",
    "CRITERION_2015",
    "PaperRow",
    "PoissonMarket",
    "PoissonOutcome",
    "Quoter",
    "avellaneda_stoikov_quoter",
    "cartea_jaimungal_quoter",
    "simulate_poisson_market",
    "symmetric_quoter",
]

_SUMMARY = "Print the tables of Avellaneda and Stoikov (2008) and a Cartea-Jaimungal value beside a simulation."

Floats = NDArray[np.float64]

# (inventory (P,), step) -> bid and ask distance, each scalar or (P,); inf quotes nothing on that side.
Quoter = Callable[[NDArray[np.int64], int], tuple[ArrayLike, ArrayLike]]


@dataclass(frozen=True)
class PoissonMarket:
    """One stock whose fills are Poisson in the distance of the quote; defaults of Avellaneda and Stoikov (2008)."""

    initial_price: float = 100.0  # [$]
    horizon: float = 1.0  # T [days]
    steps: int = 200
    sigma: float = 2.0  # [$ / sqrt(day)]
    arrival_rate: float = 140.0  # A, each side [1 / day]
    k: float = 1.5  # [1 / $]

    def __post_init__(self) -> None:
        """Check the constants.

        Raises:
            ValueError: a constant is out of its range.
        """
        for name in ("horizon", "steps", "arrival_rate", "k"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be > 0, got {getattr(self, name)}")
        if not self.sigma >= 0:
            raise ValueError(f"sigma must be >= 0, got {self.sigma}")

    @property
    def dt(self) -> float:
        """Length of a step [days]."""
        return self.horizon / self.steps

    def time_left(self) -> Floats:
        """Return T - t at the start of every step, shape (steps,)."""
        return self.horizon - self.dt * np.arange(self.steps, dtype=np.float64)


@dataclass(frozen=True)
class PoissonOutcome:
    """What P paths ended with."""

    profit: Floats  # (P,) cash plus marked inventory [$]
    inventory: NDArray[np.int64]  # (P,) at the end [units]
    inventory_squared_time: Floats  # (P,) integral of q^2 dt [units^2 days]
    mean_spread: float  # over the two-sided quotes of all steps and paths [$]; nan where there were none

    def criterion(self, phi: float, alpha: float) -> Floats:
        """Return ``profit - alpha q_T^2 - phi int q^2 dt`` per path, shape (P,): Cartea et al. (2015), section 10.2."""
        return self.profit - alpha * np.square(self.inventory) - phi * self.inventory_squared_time


def simulate_poisson_market(
    quotes: Quoter, market: PoissonMarket = PoissonMarket(), *, paths: int = 1000, seed: int = 0
) -> PoissonOutcome:
    """Run one market maker over many independent paths.

    The random numbers do not depend on the quotes, so two market makers on one seed meet the same mid and the same
    flow. A fill probability above 1, which a quote through the mid can ask for, counts as 1. Drawing arrivals first
    (``1 - exp(-A dt)``) and then the fill would lose the arrivals beyond one per step: the optimum would earn 49
    instead of 68 at the default step.

    Args:
        quotes: distances for the inventories at a step.
        market: the stock.
        paths: P.
        seed: of the mid and the flow.

    Returns:
        Profit, inventory and penalty of every path.

    Raises:
        ValueError: paths is below 1.
    """
    if paths < 1:
        raise ValueError(f"paths must be >= 1, got {paths}")
    rng = np.random.default_rng(seed)
    mid = np.full(paths, market.initial_price)
    cash = np.zeros(paths)
    inventory = np.zeros(paths, dtype=np.int64)
    squared = np.zeros(paths)
    spread_sum, spread_count = 0.0, 0
    log_rate = np.log(market.arrival_rate * market.dt)
    for step in range(market.steps):
        distance = np.empty((2, paths))
        distance[0], distance[1] = quotes(inventory, step)
        quoted = np.isfinite(distance)
        two_sided = quoted.all(axis=0)
        spread_sum += float(distance.sum(axis=0)[two_sided].sum())
        spread_count += int(two_sided.sum())
        # u < A dt exp(-k distance), in logarithms: a quote far through the mid must not overflow.
        filled = -rng.standard_exponential((2, paths)) < log_rate - market.k * distance
        earned = np.where(filled, distance, 0.0)
        bought = filled[0].astype(np.int64) - filled[1]
        cash += earned.sum(axis=0) - bought * mid
        squared += np.square(inventory) * market.dt
        inventory = inventory + bought
        mid += market.sigma * np.sqrt(market.dt) * rng.choice((-1.0, 1.0), paths)
    mean_spread = spread_sum / spread_count if spread_count else float("nan")
    return PoissonOutcome(cash + inventory * mid, inventory, squared, mean_spread)


def avellaneda_stoikov_quoter(gamma: float, market: PoissonMarket) -> Quoter:
    """Return the inventory strategy of Avellaneda and Stoikov (2008), eq. 29 and 30; gamma in 1 / $."""
    time_left = market.time_left()

    def quotes(inventory: NDArray[np.int64], step: int) -> tuple[ArrayLike, ArrayLike]:
        return quoting.avellaneda_stoikov_quotes(
            inventory, time_left[step], gamma=gamma, sigma=market.sigma, k=market.k
        )

    return quotes


def symmetric_quoter(gamma: float, market: PoissonMarket) -> Quoter:
    """Return the benchmark of Avellaneda and Stoikov (2008), section 3.3: the average spread, centred on the mid."""
    # The spread falls linearly to the horizon, so that its average is the spread half way.
    half_spread = quoting.avellaneda_stoikov_half_spread(
        0.5 * market.horizon, gamma=gamma, sigma=market.sigma, k=market.k
    )

    def quotes(inventory: NDArray[np.int64], step: int) -> tuple[ArrayLike, ArrayLike]:  # noqa: ARG001  a Quoter
        return half_spread, half_spread

    return quotes


def cartea_jaimungal_quoter(phi: float, alpha: float, inventory_cap: int, market: PoissonMarket) -> Quoter:
    """Return the optimal strategy of Cartea et al. (2015), section 10.2; inventories must stay within the cap."""
    bid, ask = quoting.cartea_jaimungal_quotes(
        market.time_left(),
        arrival_rate=market.arrival_rate,
        k=market.k,
        phi=phi,
        alpha=alpha,
        inventory_cap=inventory_cap,
    )

    def quotes(inventory: NDArray[np.int64], step: int) -> tuple[ArrayLike, ArrayLike]:
        column = inventory + inventory_cap
        return bid[step, column], ask[step, column]

    return quotes


@dataclass(frozen=True)
class PaperRow:
    """One published row: a strategy at one risk aversion, over 1,000 paths."""

    gamma: float  # [1 / $]
    strategy: str  # "inventory" or "symmetric"
    spread: float  # average [$]
    profit: float  # mean [$]
    profit_std: float  # [$]
    inventory: float  # mean at the end [units]
    inventory_std: float  # [units]

    def quoter(self, market: PoissonMarket) -> Quoter:
        """Return the strategy of this row."""
        make = avellaneda_stoikov_quoter if self.strategy == "inventory" else symmetric_quoter
        return make(self.gamma, market)


# Avellaneda and Stoikov (2008), tables 1, 2 and 3.
AS_2008 = (
    PaperRow(0.1, "inventory", 1.49, 65.0, 6.6, 0.08, 2.9),
    PaperRow(0.1, "symmetric", 1.49, 68.4, 12.7, 0.26, 8.4),
    PaperRow(0.01, "inventory", 1.35, 68.6, 8.7, 0.12, 5.1),
    PaperRow(0.01, "symmetric", 1.35, 68.8, 12.8, 0.09, 8.7),
    PaperRow(1.0, "inventory", 3.02, 31.4, 5.0, 0.02, 1.7),
    PaperRow(1.0, "symmetric", 3.02, 44.0, 11.0, 0.00, 5.1),
)


@dataclass(frozen=True)
class Criterion:
    """Penalties and cap of the Cartea-Jaimungal market maker."""

    phi: float = 0.01  # [$ / (unit^2 day)]
    alpha: float = 0.001  # [$ / unit^2]
    inventory_cap: int = 25  # [units]; a wider one changes h(0, 0) by 0.0003

    def value(self, market: PoissonMarket) -> float:
        """Return h(0, 0), what the optimum is worth at the start with no inventory [$]."""
        grid = quoting.cartea_jaimungal_value(
            market.horizon,
            arrival_rate=market.arrival_rate,
            k=market.k,
            phi=self.phi,
            alpha=self.alpha,
            inventory_cap=self.inventory_cap,
        )
        return float(grid[self.inventory_cap])

    def quoter(self, market: PoissonMarket) -> Quoter:
        """Return the optimal strategy."""
        return cartea_jaimungal_quoter(self.phi, self.alpha, self.inventory_cap, market)


CRITERION_2015 = Criterion()


def _paper_rows(market: PoissonMarket, paths: int, seed: int) -> list[list[str]]:
    rows = []
    for row in AS_2008:
        outcome = simulate_poisson_market(row.quoter(market), market, paths=paths, seed=seed)
        profit, inventory = outcome.profit, outcome.inventory
        paper = (row.spread, row.profit, row.profit_std, row.inventory, row.inventory_std)
        here = (outcome.mean_spread, profit.mean(), profit.std(), inventory.mean(), inventory.std())
        rows.append([f"{row.gamma:g}", row.strategy, "paper", *(f"{value:.2f}" for value in paper), ""])
        rows.append(["", "", "here", *(f"{value:.2f}" for value in here), f"{_standard_error(profit):.2f}"])
    return rows


def _standard_error(sample: Floats) -> float:
    return float(sample.std(ddof=1) / np.sqrt(sample.size))


def _print_table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    if find_spec("rich") is None:
        widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
        print(title)
        for row in (header, *rows):
            print("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(*header, title=title)
    for row in rows:
        table.add_row(*row)
    Console().print(table)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the published tables and values beside a simulation.

    Args:
        arguments: command line; the process's own when omitted.
    """
    parser = argparse.ArgumentParser(prog="python -m evaluate.closed_form", description=_SUMMARY)
    parser.add_argument("--paths", type=int, default=1000, help="simulated paths per row (default: 1000)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the mid and the flow (default: 0)")
    options = parser.parse_args(arguments)
    if options.paths < 2 or options.seed < 0:
        parser.error(f"--paths must be >= 2 and --seed >= 0, got {options.paths} and {options.seed}")
    market = PoissonMarket()
    _print_table(
        f"Avellaneda-Stoikov 2008, tables 1 to 3: {options.paths} paths, seed {options.seed}",
        ["gamma", "strategy", "", "spread", "profit", "std", "final q", "std q", "s.e."],
        _paper_rows(market, options.paths, options.seed),
    )
    outcome = simulate_poisson_market(CRITERION_2015.quoter(market), market, paths=options.paths, seed=options.seed)
    reward = outcome.criterion(CRITERION_2015.phi, CRITERION_2015.alpha)
    _print_table(
        f"Cartea-Jaimungal-Penalva 2015, phi {CRITERION_2015.phi}, alpha {CRITERION_2015.alpha}",
        ["h(0, 0)", "simulated criterion", "s.e."],
        [[f"{CRITERION_2015.value(market):.4f}", f"{reward.mean():.4f}", f"{_standard_error(reward):.4f}"]],
    )


if __name__ == "__main__":
    main()
