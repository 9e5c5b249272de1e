"""Reading LOBSTER days (lobsterdata.com): the pair of message and orderbook file, gzip or plain.

A file's prices are in units of $0.0001, its times in seconds after midnight, and row k of the orderbook file is the
book after message k. A message file of L levels reports only what happens within the best L levels: it does not suffice
to rebuild the book, see `lobenv.tape.reconstruct`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from os import PathLike

import numpy as np

from lobenv.settings import SECOND
from lobenv.tape.lobster_day import ABSENT_PRICE, FILE_TICK_SIZE, MS_NS, LobsterDay, LobsterName, RowFault
from lobenv.tape.lobster_pairs import messages_about_other_orders, orders_gone_unsaid, rows_that_do_not_follow
from lobenv.tape.lobster_text import Fault, TextTable, read_messages, read_orderbook
from lobenv.tape.lobster_write import write_lobster
from lobenv.tape.public import NOT_KNOWN
from lobenv.tape.schema import (
    CROSS,
    EXECUTE_HIDDEN,
    HALT,
    HALT_BEGINS,
    NO_ASK,
    NO_BID,
    RECORD,
    TRADING_RESUMES,
    Tape,
    TapeError,
)
from lobenv.tape.words import WORDS

__all__ = ["LobsterDay", "LobsterName", "RowFault", "read_lobster", "write_lobster"]

NASDAQ_OPEN_NS = 34_200 * SECOND  # 09:30
UNSORTED = "times out of order"
UNPAIRED = "row without counterpart"
DOES_NOT_FOLLOW = "row does not follow from the row before"
OTHER_ORDER = "message does not fit its order"
GONE = "order has left the book without a message"


def read_lobster(
    message_path: str | PathLike[str],
    orderbook_path: str | PathLike[str] | None = None,
    *,
    lenient: bool = False,
    symbol: str | None = None,
    date: str | None = None,
    session_open_ns: int | None = None,
) -> LobsterDay:
    """Read a LOBSTER day, plain or gzip, in ticks of $0.0001.

    Times are read as decimal text and are exact; a row with more than nine decimals is rounded half to even to the ns.

    Args:
        message_path: The message file.
        orderbook_path: Its orderbook file, row by row the book after each message.
        lenient: Skip rows that cannot be used, in both files alike, and keep their lines and reasons in `refused`. A
            row earlier than one before it counts as the unusable one. Rows that contradict each other are kept, and
            told in `contradicting`: which of them is the damaged one cannot be known.
        symbol: Overrides the file name; needed if that does not follow the convention.
        date: Overrides the file name.
        session_open_ns: Time 0 of the tape [ns after midnight]; overrides the file name, without either 09:30.

    Raises:
        OSError: A file cannot be read.
        TapeError: A row is malformed, a file truncated, the files differ in length, the book is crossed or its levels
            are out of order, times are unsorted, a type code unknown, a size not positive, a message does not lead
            from the book row before to its own or not fit the order it names, an order is gone without a message: with
            file and line.
    """
    name = LobsterName.parse(message_path)
    symbol = symbol or (name.symbol if name else None)
    if symbol is None:
        raise TapeError("the name does not follow LOBSTER's convention: symbol must be given", message_path)
    tables = [_judged(read_messages(message_path), _message_checks)]
    if orderbook_path is not None:
        book_name = LobsterName.parse(orderbook_path)
        tables.append(_judged(read_orderbook(orderbook_path, book_name.levels if book_name else None), _book_checks))
    lines, refused = _usable_rows(tables, lenient)
    columns = [_columns_at(table, lines) for table in tables]
    prices, quantities = _levels(columns[1]) if len(columns) > 1 else (np.zeros((len(lines), 2, 0), np.int64),) * 2
    if session_open_ns is None:
        session_open_ns = name.start_ms * MS_NS if name else NASDAQ_OPEN_NS
    records = _records(columns[0], prices, quantities, session_open_ns)
    contradicting = _contradictions(message_path, lines, records, prices, quantities)
    if contradicting and not lenient:
        raise _error(contradicting[0])
    tape = Tape(records, FILE_TICK_SIZE, session_open_ns, symbol, "NASDAQ", date or (name.date if name else None))
    close_ns = name.end_ms * MS_NS - session_open_ns if name else None
    levels = prices.astype(np.int32), quantities.astype(np.int32)
    return LobsterDay(tape, *levels, close_ns, tuple(refused), tuple(contradicting))


_Check = tuple[str, str, np.ndarray]  # reason, column to show, (rows,) bool where the rule is broken
_Checks = Callable[[dict[str, np.ndarray]], Iterable[_Check]]


def _message_checks(column: dict[str, np.ndarray]) -> Iterable[_Check]:
    kind, size, price = column["type"], column["size"], column["price"]
    of_order = kind <= EXECUTE_HIDDEN
    yield "type code must be 1 to 7", "type", (kind < 1) | (kind > HALT)
    yield "size must be > 0", "size", (size < 0) | (of_order & (size == 0))
    yield "price must be > 0", "price", (of_order & (price <= 0)) | ((kind == CROSS) & (price < 0))
    halt = kind == HALT
    yield "price of a halt must be -1, 0 or 1", "price", halt & ((price < HALT_BEGINS) | (price > TRADING_RESUMES))
    yield "direction must be 1 or -1", "direction", np.abs(column["direction"]) != 1
    yield "size must be below 2**31 - 1", "size", size >= NO_ASK
    yield "price must be below $214748.3647", "price", price >= NO_ASK


def _book_checks(column: dict[str, np.ndarray]) -> Iterable[_Check]:
    previous: dict[str, np.ndarray] = {}
    for k in range(len(column) // 4):
        for side, sign in (("bid", -1), ("ask", 1)):
            name = f"{side}_price_{k}"
            price, size = column[name], column[f"{side}_size_{k}"]
            present = price != sign * ABSENT_PRICE
            yield "level size must be > 0, or 0 where the level is absent", f"{side}_size_{k}", (size > 0) != present
            yield "level size must be below 2**31 - 1", f"{side}_size_{k}", size >= NO_ASK
            yield "price must be in $0.0001 to $214748.3646", name, present & ((price <= 0) | (price >= NO_ASK))
            if k:
                yield "levels out of order", name, present & (sign * price <= sign * previous[side])
            previous[side] = price
    both = (column["bid_price_0"] > 0) & (column["ask_price_0"] != ABSENT_PRICE)
    yield "crossed book", "bid_price_0", both & (column["bid_price_0"] >= column["ask_price_0"])


def _judged(table: TextTable, checks: _Checks) -> TextTable:
    """The table with the rows that break a rule added to its faults."""
    for reason, name, broken in checks(table.columns):
        for row in np.flatnonzero(broken):
            table.faults.setdefault(int(table.lines[row]), Fault(reason, f"{name} is {table.columns[name][row]}"))
    return table


def _usable_rows(tables: list[TextTable], lenient: bool) -> tuple[np.ndarray, list[RowFault]]:
    """Lines, from 0, that are usable rows of every table and in order of time; and what is wrong with the others."""
    first = tables[0]
    if not lenient:
        _raise_first_fault(tables)
    shortest = min(table.line_count for table in tables)
    for table in tables:
        for line in range(shortest, table.line_count):
            table.faults.setdefault(line, Fault(UNPAIRED, f"the other file ends after {shortest} rows"))
    if not lenient:
        _raise_first_fault(tables)
    refused = {line: _row_fault(table, line) for table in reversed(tables) for line in table.faults}
    usable = np.ones(shortest, bool)
    usable[[line for line in refused if line < shortest]] = False
    lines = np.flatnonzero(usable)
    times = _columns_at(first, lines)["time"]
    latest = np.maximum.accumulate(times)
    early = times < latest
    for row in np.flatnonzero(early):
        detail = f"{times[row]} ns comes after {latest[row]} ns"
        refused[int(lines[row])] = RowFault(first.path, int(lines[row]) + 1, UNSORTED, detail)
        if not lenient:
            raise _error(refused[int(lines[row])])
    if early.all():
        raise TapeError("holds no usable row", first.path)
    return lines[~early], [refused[line] for line in sorted(refused)]


def _raise_first_fault(tables: list[TextTable]) -> None:
    for table in tables:
        if table.faults:
            raise _error(_row_fault(table, min(table.faults)))


def _row_fault(table: TextTable, line: int) -> RowFault:
    return RowFault(table.path, line + 1, *table.faults[line])


def _error(fault: RowFault) -> TapeError:
    return TapeError(f"{fault.reason}: {fault.detail}", fault.path, fault.line)


def _contradictions(
    path: str | PathLike[str], lines: np.ndarray, records: np.ndarray, prices: np.ndarray, quantities: np.ndarray
) -> list[RowFault]:
    """Rows that do not agree with the row before them, or with what was said of their order; by line.

    Behind a row that is missing nothing of the kind can be asked: not of the next row, and of no order any more.
    """
    gap = np.diff(lines, prepend=-1) != 1
    has_book = quantities.shape[2] > 0
    broken = {OTHER_ORDER: messages_about_other_orders(records, prices, quantities) & ~np.logical_or.accumulate(gap)}
    if has_book:
        broken = {DOES_NOT_FOLLOW: rows_that_do_not_follow(records, prices, quantities) & ~gap, **broken}
    found = [(int(row), reason, _told(records[row])) for reason, rows in broken.items() for row in np.flatnonzero(rows)]
    if has_book and not found and not gap.any():
        gone = orders_gone_unsaid(records, prices, quantities)
        found = [(row, GONE, f"its last is line {lines[last] + 1}: {_told(records[last])}") for row, last in gone]
    found.sort(key=lambda fault: fault[0])
    return [RowFault(path, int(lines[row]) + 1, reason, detail) for row, reason, detail in found]


def _told(record: np.void) -> str:
    kind, side = WORDS["kind"][int(record["kind"])], WORDS["side"][int(record["side"])]
    return f"{kind} of {record['qty']} at {side} {record['price']}, order {record['order_id']}"


def _columns_at(table: TextTable, lines: np.ndarray) -> dict[str, np.ndarray]:
    rows = np.searchsorted(table.lines, lines)
    return {name: column[rows] for name, column in table.columns.items()}


def _levels(column: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    count = len(column) // 4
    prices, quantities = (
        np.stack([np.stack([column[f"{side}_{what}_{k}"] for k in range(count)], 1) for side in ("bid", "ask")], 1)
        for what in ("price", "size")
    )
    prices[prices == ABSENT_PRICE] = NO_ASK
    prices[prices == -ABSENT_PRICE] = NO_BID
    return prices, quantities


def _records(
    column: dict[str, np.ndarray], prices: np.ndarray, quantities: np.ndarray, session_open_ns: int
) -> np.ndarray:
    records = np.zeros(len(column["time"]), RECORD)
    records["time"] = column["time"] - session_open_ns
    for name, source in (("order_id", "order_id"), ("price", "price"), ("qty", "size"), ("kind", "type")):
        records[name] = column[source]
    records["side"] = column["direction"]
    for name, value in NOT_KNOWN.items():  # also why an order was taken away: the file tells only that it was
        records[name] = value
    records["best_bid"], records["best_ask"] = NO_BID, NO_ASK
    if prices.shape[2]:
        records["best_bid"], records["best_ask"] = prices[:, 0, 0], prices[:, 1, 0]
        records["bid_qty"], records["ask_qty"] = quantities[:, 0, 0], quantities[:, 1, 0]
    return records
