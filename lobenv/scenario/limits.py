"""What the numbers of a scenario have to satisfy together, so that prices, fees and money fit whole numbers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from lobenv.market.tables import MILLITICKS, MOST_CASH, MOST_VALUE

if TYPE_CHECKING:
    from lobenv.scenario.config import Scenario

MOST_TICKS = 1_000_000_000  # twice a price is an int32, and half of them are left for the price to move
MOST_FEE_TICKS = 1_000_000  # a share, so that it fits 64 bits on as many shares as an order can have
LARGEST_DRAW = 40  # an exponential number is never more than 37 times its mean
MOST_AGENTS = 1_000_000


def check(scenario: Scenario) -> None:
    """Refuse numbers that do not go together.

    Raises:
        ValueError: One line naming key, value and what is allowed.
    """
    _check_prices(scenario)
    _check_fees(scenario)
    _check_orders(scenario)
    for name, learner in scenario.learners.items():
        milliticks(f"learners.{name}.loss_limit", learner.loss_limit, scenario.tick_size)
    total = sum(group.count for group in scenario.agents.values())
    if total > MOST_AGENTS:
        raise ValueError(f"agents: the counts of all groups must sum to <= {MOST_AGENTS}, got {total}")


def milliticks(key: str, dollars: float, tick_size: float) -> int:
    """An amount of money as the tables hold it [milliticks x shares].

    Args:
        key: What the message calls it.
        dollars: The amount, at least 0.
        tick_size: $ a tick.

    Raises:
        ValueError: It is rounded to nothing, or does not fit.
    """
    least, most = tick_size / MILLITICKS, MOST_CASH * tick_size / MILLITICKS
    if dollars and not least <= dollars <= most:
        raise ValueError(
            f"{key}: must be 0, or >= {least:.10g} and <= {most:.10g} at a tick of {tick_size:.10g}, got {dollars}"
        )
    return round(dollars / tick_size * MILLITICKS)


def _check_prices(scenario: Scenario) -> None:
    tick = scenario.tick_size
    for symbol, ticks in _prices(scenario).items():
        if not 1 <= ticks <= MOST_TICKS:
            raise ValueError(
                f"fundamentals.{symbol}.price: must be >= {tick:.10g} and <= {MOST_TICKS * tick:.10g} "
                f"at a tick_size of {tick:.10g}, got {ticks * tick:.10g}"
            )


def _prices(scenario: Scenario) -> dict[str, float]:
    """Symbol to where its price begins [ticks]."""
    return {book.symbol: scenario.fundamental_of(book.symbol).price / scenario.tick_size for book in scenario.books}


def _check_fees(scenario: Scenario) -> None:
    """Refuse a fee a share that is rounded to nothing, or does not fit."""
    least, most = scenario.tick_size / MILLITICKS, scenario.tick_size * MOST_FEE_TICKS
    for i, book in enumerate(scenario.books):
        for name in ("maker_per_share", "taker_per_share"):
            fee = getattr(book.fees, name)
            if fee and not least * (1.0 - 1e-9) <= abs(fee) <= most:
                allowed = f"0, or >= {least:.10g} and <= {most:.10g} in size at a tick of {scenario.tick_size:.10g}"
                raise ValueError(f"books.{i}.fees.{name}: must be {allowed}, got {fee}")


def _check_orders(scenario: Scenario) -> None:
    """Refuse orders that the exchange would refuse for their value at the price that the session begins with."""
    price = max(_prices(scenario).values())
    for key, size, most in _sizes(scenario):
        if size * price > most:
            raise ValueError(
                f"{key}: must be <= {most / price:.10g} at {price:.10g} ticks a share, so that money fits 64 bits, "
                f"got {size}"
            )


def _sizes(scenario: Scenario) -> Iterator[tuple[str, float, float]]:
    """Key and value of every size in shares or lots, and the most that one of it may be worth [ticks x shares]."""
    most = MOST_VALUE / MILLITICKS
    for name, learner in scenario.learners.items():
        for size in learner.sizes():
            worth = MOST_CASH / MILLITICKS if size.is_position else most
            yield f"learners.{name}.{size.field}", size.value, worth / size.shares
    yield "opening.mean_shares", scenario.opening.mean_shares, most / LARGEST_DRAW
    for group, agents in scenario.agents.items():
        for name in type(agents).model_fields:
            if name.endswith("_shares") and name != "inventory_cap_shares":
                for size in _numbers(getattr(agents, name)):
                    yield f"agents.{group}.{name}", size, most / LARGEST_DRAW


def _numbers(value: object) -> Iterator[float]:
    """A number, or those in a list; a kind from outside may have fields of any type."""
    if isinstance(value, tuple | list):
        for part in value:
            yield from _numbers(part)
    elif isinstance(value, int | float):
        yield value
