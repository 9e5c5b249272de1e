"""From a recorded day to a tape that is complete: run from an empty book it gives the orderbook file, row by row.

A message file of L levels is silent about everything beyond the L best levels: orders out there come and go without a
message. Before each message the book is therefore brought to the state which that message turns into the file's row:
where a level beyond the previous row's last one comes into sight, orders that are gone are dropped and quantity that is
new is adopted. Within the levels of the previous row nothing may differ; where something does (rows left out, a damaged
file), the row is reported as not matching and the book is set right.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, replace
from math import inf
from typing import NamedTuple

import numpy as np

from lobenv.tape.levels import fill_quotes, replay_levels
from lobenv.tape.lobster import LobsterDay
from lobenv.tape.order_ladder import OrderLadder, Supplied
from lobenv.tape.public import NOT_KNOWN
from lobenv.tape.schema import ADD, ADOPTED, EXECUTE, RECORD, Tape, TapeError


@dataclass(frozen=True, eq=False)
class Reconstruction:
    """A recorded day as a complete tape.

    Attributes:
        tape: (M,) records: the messages and, with source ADOPTED, what had to be supplied. Run from an empty book,
            each record acts on an order that rests and takes no more than it has; DELETE takes exactly all of it.
        positions: (N,) index in `tape` of each message. After that record the book shows the file's row.
        acts_on: (M,) index in `tape` of the ADD of the order each record concerns, -1 for records outside the book.
        levels_match: (N,) bool, the messages and the depth boundary alone explain the file's row.
        opening: Records at the front that build the book before the first message.
        adoptions: How often a side of the book had to be set right from the file, after the first row.
        ghosts: Orders dropped, wholly or in part, because the file no longer shows them.
        exchanged: Orders replaced by one of our own, wholly or in part, for a message about an order never added.
        rewritten: Messages recorded against an order of our own, or with another kind to fit what was left.
    """

    tape: Tape
    positions: np.ndarray
    acts_on: np.ndarray
    levels_match: np.ndarray
    opening: int
    adoptions: int
    ghosts: int
    exchanged: int
    rewritten: int


class Excerpt(NamedTuple):
    """A stretch of a reconstructed day that stands on its own.

    Attributes:
        tape: Opening ADDs at the start, in the order of their queues, then the stretch's records, on the day's clock.
        opening: How many opening ADDs there are.
    """

    tape: Tape
    opening: int


def reconstruct(day: LobsterDay) -> Reconstruction:
    """Rebuild the book of every order from a day's messages and its orderbook file.

    Args:
        day: With an orderbook file, in ticks of any size.

    Returns:
        The complete tape, which rows are explained, and what had to be supplied.

    Raises:
        TapeError: The day has no orderbook file or no rows.
    """
    if day.levels == 0 or len(day.tape) == 0:
        raise TapeError("reconstruction needs the orderbook file and at least one row")
    replayed = _replay(day)
    ladder = replayed.ladder
    records, positions = _merge(day.tape.records, ladder.supplied, replayed.kinds, replayed.order_ids)
    fill_quotes(records)
    tape = replace(day.tape, records=records)
    prices, quantities = replay_levels(tape, day.levels, rows=positions)
    match = (prices == day.prices).all((1, 2)) & (quantities == day.quantities).all((1, 2)) & ~replayed.repaired
    original = day.tape.records
    changed = (replayed.kinds != original["kind"]) | (replayed.order_ids != original["order_id"])
    return Reconstruction(
        tape=tape,
        positions=positions,
        acts_on=_acts_on(records),
        levels_match=match,
        opening=int(positions[0]),
        adoptions=replayed.adoptions,
        ghosts=ladder.ghosts,
        exchanged=ladder.exchanged,
        rewritten=int(np.count_nonzero(changed)),
    )


def excerpt(reconstruction: Reconstruction, start_ns: int, length_ns: int) -> Excerpt:
    """The part of a reconstructed day from start_ns to before start_ns + length_ns, with the orders live at its start.

    Args:
        reconstruction: The day.
        start_ns: [ns since session open].
        length_ns: [ns].

    Raises:
        TapeError: length_ns is not > 0.
    """
    if length_ns <= 0:
        raise TapeError(f"length_ns must be > 0, got {length_ns}")
    records = reconstruction.tape.records
    first, last = np.searchsorted(records["time"], [start_ns, start_ns + length_ns])
    adds = reconstruction.acts_on[:first]
    in_book = adds >= 0
    change = np.where(records["kind"][:first] == ADD, 1.0, -1.0) * records["qty"][:first]
    left = np.bincount(adds[in_book], weights=change[in_book], minlength=int(first))
    live = np.flatnonzero(left)
    opening = records[live]
    opening["qty"] = left[live]
    opening["time"] = start_ns
    fill_quotes(opening)
    tape = replace(reconstruction.tape, records=np.concatenate([opening, records[first:last]]))
    return Excerpt(tape, len(opening))


class _Replayed(NamedTuple):
    ladder: OrderLadder
    kinds: np.ndarray  # (N,) as to be recorded
    order_ids: np.ndarray  # (N,)
    repaired: np.ndarray  # (N,) bool
    adoptions: int


def _replay(day: LobsterDay) -> _Replayed:
    records = day.tape.records
    kinds, ids, sides, prices, quantities = (
        records[name].tolist() for name in ("kind", "order_id", "side", "price", "qty")
    )
    shown = [_ShownSide(day, 0), _ShownSide(day, 1)]
    ladder = OrderLadder(dict(zip(ids, range(len(ids)), strict=True)), min(0, *ids) - 1)
    repaired = np.zeros(len(records), bool)
    adoptions = 0
    for row, (kind, order_id, side, price, qty) in enumerate(zip(kinds, ids, sides, prices, quantities, strict=True)):
        ladder.row = row
        taken = 0 if kind > EXECUTE else -qty if kind == ADD else qty
        wrong = [
            (view.side, *level)
            for view in shown
            if view.side == side or view.changed[row]
            for level in view.differences(ladder, row, price, taken if view.side == side else 0)
        ]
        if wrong:
            repaired[row] = _set_levels(ladder, wrong, shown, row)
            adoptions += len({level[0] for level in wrong}) if row else 0
        if taken:
            kinds[row], ids[row] = ladder.apply(kind, order_id, side, price, qty)
    return _Replayed(ladder, np.array(kinds, np.int8), np.array(ids, np.int64), repaired, adoptions)


class _ShownSide:
    """One side of the orderbook file."""

    def __init__(self, day: LobsterDay, index: int) -> None:
        self.side = 1 - 2 * index
        prices, quantities = day.prices[:, index], day.quantities[:, index]
        self.prices = prices.tolist()
        self.quantities = quantities.tolist()
        full = quantities[:, -1] > 0
        self.bounds = np.where(full, -self.side * prices[:, -1].astype(float), inf).tolist()  # rank of the last level
        same = (prices[1:] == prices[:-1]).all(1) & (quantities[1:] == quantities[:-1]).all(1)
        self.changed = [True, *(~same).tolist()]

    def differences(self, ladder: OrderLadder, row: int, price: int, taken: int) -> list[tuple[int, int]]:
        """Levels (price, quantity) in which the book differs from this row with its message undone.

        Args:
            ladder: The book before the message.
            row: The row.
            price: The level the message acts on.
            taken: What the message takes there (negative: adds).
        """
        book = ladder.sides[self.side]
        bound = self.bounds[row]
        wrong: list[tuple[int, int]] = []
        expected = 0
        for level_price, shown in zip(self.prices[row], self.quantities[row], strict=True):
            if shown == 0:
                break
            qty = shown
            if level_price == price:
                qty = max(0, shown + taken)
                taken = 0
            expected += qty > 0
            if book.total(level_price) != qty:
                wrong.append((level_price, qty))
        if taken > 0:
            in_sight = -self.side * price <= bound
            expected += in_sight
            if book.total(price) != taken if in_sight else book.total(price) < taken:
                wrong.append((price, taken))
        if not wrong and bisect_right(book.ranks, bound) == expected:
            return wrong
        allowed = {*self.prices[row], price} if taken > 0 else set(self.prices[row])
        return wrong + [(extra, 0) for extra in book.prices_to(bound) if extra not in allowed]


def _set_levels(ladder: OrderLadder, wrong: list[tuple[int, int, int]], shown: list[_ShownSide], row: int) -> bool:
    """Set levels (side, price, quantity); returns whether one was in sight in the previous row: a repair."""
    drops_first = sorted(wrong, key=lambda level: level[2] > ladder.sides[level[0]].total(level[1]))
    for side, price, qty in drops_first:
        ladder.set_level(side, price, qty)
    if row == 0:
        return False
    bounds = {view.side: view.bounds[row - 1] for view in shown}
    return any(-side * price <= bounds[side] for side, price, _ in wrong)


def _merge(
    original: np.ndarray, supplied: list[Supplied], kinds: np.ndarray, order_ids: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """All records in order, each supplied one before its message; and the index of each message."""
    columns = np.array(supplied, np.int64).reshape(-1, len(Supplied._fields))
    rows = columns[:, 0]
    positions = np.arange(len(original)) + np.searchsorted(rows, np.arange(len(original)), side="right")
    records = np.zeros(len(original) + len(rows), RECORD)
    records[positions] = original
    records["kind"][positions] = kinds
    records["order_id"][positions] = order_ids
    between = np.arange(len(rows)) + rows
    records["time"][between] = original["time"][rows]
    records["book"][between] = original["book"][rows]
    for k, name in enumerate(Supplied._fields[1:], start=1):
        records[name][between] = columns[:, k]
    for name, value in {**NOT_KNOWN, "source": ADOPTED}.items():
        records[name][between] = value
    return records, positions


def _acts_on(records: np.ndarray) -> np.ndarray:
    """For each record the index of the ADD whose order it concerns, -1 for records that do not change the book."""
    concerned = np.flatnonzero(records["kind"] <= EXECUTE)
    by_order = concerned[np.lexsort((concerned, records["order_id"][concerned]))]
    start = np.where(records["kind"][by_order] == ADD, np.arange(len(by_order)), 0)
    acts_on = np.full(len(records), -1, np.int64)
    acts_on[by_order] = by_order[np.maximum.accumulate(start)]
    return acts_on
