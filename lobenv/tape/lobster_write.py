"""Writing a tape, or a day that was read, as a pair of LOBSTER files."""

from __future__ import annotations

from fractions import Fraction
from os import PathLike

import numpy as np

from lobenv.tape.levels import replay_levels
from lobenv.tape.lobster_day import ABSENT_PRICE, FILE_TICK_SIZE, LobsterDay
from lobenv.tape.lobster_text import format_times, write_text
from lobenv.tape.schema import HALT, NO_ASK, NO_BID, Tape, TapeError, price_factor, rescale_prices


def write_lobster(
    source: Tape | LobsterDay,
    message_path: str | PathLike[str],
    orderbook_path: str | PathLike[str] | None = None,
    *,
    levels: int | None = None,
    opening: np.ndarray | None = None,
) -> None:
    """Write a message file and, if asked for, its orderbook file; gzip if a name ends in .gz.

    Only what the format knows is written: owners, labels and books are lost, quotes go into the orderbook file.

    Args:
        source: A tape of one book; or a day, whose own levels are then written unless `levels` is given.
        message_path: Where the messages go.
        orderbook_path: Where the book after each message goes.
        levels: L, levels a side of the orderbook file, found by replaying the tape. Needed for a tape.
        opening: (M,) RECORD of kind ADD, the orders that rest before the first record; default none.

    Raises:
        OSError: A file cannot be written.
        TapeError: The tape holds more than one book, a price is no multiple of $0.0001, or the replay
            meets a record that takes more than its level holds.
    """
    tape = source.tape if isinstance(source, LobsterDay) else source
    if len(tape) and np.ptp(tape.records["book"]):
        raise TapeError("a LOBSTER file holds one book, the tape several: select one first")
    factor = price_factor(tape.tick_size, FILE_TICK_SIZE)
    if orderbook_path is not None:
        prices, quantities = _levels_of(source, levels, opening)
        _write_orderbook(orderbook_path, prices, quantities, factor)
    _write_messages(message_path, tape, factor)


def _write_messages(path: str | PathLike[str], tape: Tape, factor: Fraction) -> None:
    import polars as pl

    records = tape.records
    prices = records["price"].copy()
    priced = records["kind"] != HALT
    prices[priced] = rescale_prices(prices[priced], factor, None, "price")
    frame = pl.DataFrame(
        {
            "time": format_times(records["time"] + tape.session_open_ns),
            "type": np.ascontiguousarray(records["kind"]),
            "order_id": np.ascontiguousarray(records["order_id"]),
            "size": np.ascontiguousarray(records["qty"]),
            "price": prices,
            "direction": np.ascontiguousarray(records["side"]),
        }
    )
    write_text(path, frame)


def _levels_of(
    source: Tape | LobsterDay, levels: int | None, opening: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    if levels is None:
        if not isinstance(source, LobsterDay) or not source.levels:
            raise TapeError("levels must be given to write an orderbook file of a tape")
        return source.prices, source.quantities
    return replay_levels(source.tape if isinstance(source, LobsterDay) else source, levels, opening=opening)


def _write_orderbook(path: str | PathLike[str], prices: np.ndarray, quantities: np.ndarray, factor: Fraction) -> None:
    import polars as pl

    columns: dict[str, np.ndarray] = {}
    for k in range(prices.shape[2]):
        for side, absent, name, shown in ((1, NO_ASK, "ask", ABSENT_PRICE), (0, NO_BID, "bid", -ABSENT_PRICE)):
            price = rescale_prices(prices[:, side, k], factor, absent, f"{name} level").astype(np.int64)
            columns[f"{name}_price_{k}"] = np.where(price == absent, shown, price)
            columns[f"{name}_size_{k}"] = np.ascontiguousarray(quantities[:, side, k])
    write_text(path, pl.DataFrame(columns))
