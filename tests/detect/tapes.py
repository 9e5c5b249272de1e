"""Tapes built order by order, with the quotes that follow from them."""

from __future__ import annotations

import numpy as np

from lobenv.settings import SECOND
from lobenv.tape.levels import fill_quotes
from lobenv.tape.reasons import REASON_NONE, REASON_ON_REQUEST
from lobenv.tape.schema import ADD, DELETE, EXECUTE, HALT, RECORD, REDUCE, UNKNOWN_AGENT, Tape


class Book:
    """A book of one stock, into which a test writes."""

    def __init__(self) -> None:
        self.rows: list[dict[str, int]] = []
        self.resting: dict[int, dict[str, int]] = {}

    def add(self, time_s: float, side: int, price: int, qty: int, owner: int = 1) -> int:
        """A new order; its id."""
        number = len(self.rows) + 1
        order = {"order_id": number, "side": side, "price": price, "qty": qty, "owner": owner}
        self.resting[number] = order
        self._write(time_s, ADD, order)
        return number

    def cancel(self, time_s: float, number: int, reason: int = REASON_ON_REQUEST) -> None:
        self._write(time_s, DELETE, self.resting.pop(number), reason=reason)

    def reduce(self, time_s: float, number: int, qty: int) -> None:
        self._take(time_s, REDUCE, number, qty, UNKNOWN_AGENT, REASON_ON_REQUEST)

    def execute(self, time_s: float, number: int, qty: int, aggressor: int = 2) -> None:
        self._take(time_s, EXECUTE, number, qty, aggressor, REASON_NONE)

    def halt(self, time_s: float, code: int) -> None:
        order = {"order_id": 0, "side": -1, "price": code, "qty": 0, "owner": UNKNOWN_AGENT}
        self._write(time_s, HALT, order)

    def _take(self, time_s: float, kind: int, number: int, qty: int, aggressor: int, reason: int) -> None:
        order = self.resting[number]
        self._write(time_s, kind, {**order, "qty": qty}, aggressor, reason)
        order["qty"] -= qty
        if order["qty"] == 0:
            del self.resting[number]

    def _write(self, time_s, kind, order, aggressor=UNKNOWN_AGENT, reason=REASON_NONE) -> None:
        time = round(time_s * SECOND)
        self.rows.append({**order, "time": time, "kind": kind, "aggressor": aggressor, "reason": reason})

    def tape(self) -> Tape:
        """What was written, on a tape."""
        records = np.zeros(len(self.rows), RECORD)
        for k, row in enumerate(self.rows):
            for name, value in row.items():
                records[k][name] = value
        fill_quotes(records)
        return Tape(records, 0.01, 34_200 * SECOND, "TEST", "sim", "2012-06-21")


def pieces(records, cuts):
    """Records in pieces that end at the cuts."""
    return np.split(records, sorted(min(cut, len(records)) for cut in cuts))
