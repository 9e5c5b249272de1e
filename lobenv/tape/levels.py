"""The book's best levels after each record of a tape, found by adding up what the records bring and take at each price.

It looks at prices and quantities only, never at order ids: so it can judge what keeps track of orders.
"""

from __future__ import annotations

import numpy as np

from lobenv.tape.schema import ADD, DELETE, EXECUTE, NO_ASK, NO_BID, REDUCE, Tape, TapeError

_CHANGES_BOOK = (ADD, REDUCE, DELETE, EXECUTE)


def replay_levels(
    tape: Tape, levels: int, *, opening: np.ndarray | None = None, rows: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The best levels of one book after records of its tape, starting from an empty book.

    Args:
        tape: Records of one book.
        levels: L, levels a side.
        opening: (M,) RECORD of kind ADD, applied before the first record.
        rows: (R,) indices of the records after which the levels are wanted, ascending; default all.

    Returns:
        prices: (R, 2, L) int32 [ticks], bids [:, 0] and asks [:, 1], best first, NO_BID or NO_ASK where absent.
        quantities: (R, 2, L) int32 [shares].

    Raises:
        TapeError: A record takes more than rests at its price (its index counts from the tape's first record), or
            levels < 1.
    """
    if levels < 1:
        raise TapeError(f"levels must be >= 1, got {levels}")
    before = 0 if opening is None else len(opening)
    records = tape.records if opening is None else np.concatenate([opening, tape.records])
    wanted = np.arange(before, len(records)) if rows is None else np.asarray(rows, np.int64) + before
    prices = np.empty((len(wanted), 2, levels), np.int32)
    prices[:, 0], prices[:, 1] = NO_BID, NO_ASK
    quantities = np.zeros((len(wanted), 2, levels), np.int32)
    _replay(records, wanted, prices, quantities, before)
    return prices, quantities


def fill_quotes(records: np.ndarray) -> None:
    """Set the best quotes of every record, in place, to those of the book they build from an empty one."""
    prices = np.empty((len(records), 2, 1), np.int32)
    prices[:, 0], prices[:, 1] = NO_BID, NO_ASK
    quantities = np.zeros((len(records), 2, 1), np.int32)
    _replay(records, np.arange(len(records)), prices, quantities, 0)
    records["best_bid"], records["best_ask"] = prices[:, 0, 0], prices[:, 1, 0]
    records["bid_qty"], records["ask_qty"] = quantities[:, 0, 0], quantities[:, 1, 0]


def _replay(records: np.ndarray, wanted: np.ndarray, prices: np.ndarray, quantities: np.ndarray, before: int) -> None:
    from lobenv.tape.levels_kernel import replay

    change = np.where(records["kind"] == ADD, 1, -1) * records["qty"].astype(np.int64)
    change[~np.isin(records["kind"], _CHANGES_BOOK)] = 0
    rank = records["side"].astype(np.int64) * records["price"]
    ladder = np.zeros((2, 2, int(np.count_nonzero(change > 0)) + 1), np.int64)
    failed = replay(rank, records["side"].astype(np.int64), change, wanted, ladder, prices, quantities)
    if failed >= 0:
        record = records[failed]
        what = "adds" if record["kind"] == ADD else "takes"
        raise TapeError(
            f"record {failed - before} {what} {record['qty']} at price {record['price']}: "
            "its level would hold less than nothing, or more than int32 can"
        )
