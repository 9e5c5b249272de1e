"""A LOBSTER day in memory, and what the names of its files say."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lobenv.tape.schema import NO_ASK, NO_BID, Tape, price_factor, rescale_prices

FILE_TICK_SIZE = 0.0001  # [$]
ABSENT_PRICE = 9_999_999_999  # a file's price of an ask level that is not there; negative for a bid
MS_NS = 1_000_000

_NAME = re.compile(
    r"(?P<symbol>[^_]+)_(?P<date>\d{4}-\d{2}-\d{2})_(?P<start>\d+)_(?P<end>\d+)_(message|orderbook)_(?P<levels>\d+)"
    r"\.csv(\.gz)?"
)


class LobsterName(NamedTuple):
    """What a file's name says: SYMBOL_DATE_STARTMS_ENDMS_message_LEVELS.csv, or orderbook in place of message."""

    symbol: str
    date: str
    start_ms: int  # [ms after midnight]
    end_ms: int
    levels: int

    @classmethod
    def parse(cls, path: str | PathLike[str]) -> LobsterName | None:
        """The parts of a file's name, or None if it does not follow the convention."""
        match = _NAME.fullmatch(Path(path).name)
        if match is None:
            return None
        return cls(match["symbol"], match["date"], int(match["start"]), int(match["end"]), int(match["levels"]))

    def file_name(self, content: str) -> str:
        """The name of the file with this `content`, "message" or "orderbook"."""
        return f"{self.symbol}_{self.date}_{self.start_ms}_{self.end_ms}_{content}_{self.levels}.csv"


class RowFault(NamedTuple):
    """What is wrong with a row of a file."""

    path: str | PathLike[str]
    line: int  # from 1
    reason: str  # the rule that the row breaks
    detail: str  # with what

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.reason}: {self.detail}"


@dataclass(frozen=True, eq=False)
class LobsterDay:
    """A message file and, where given, its orderbook file.

    Attributes:
        tape: One record a message; its best quotes are those of the orderbook file (unknown without one).
        prices: (N, 2, L) int32 [ticks] bid levels [:, 0] and ask levels [:, 1] after each message, best first;
            NO_BID and NO_ASK where there is no level. L = 0 without an orderbook file.
        quantities: (N, 2, L) int32 [shares], 0 where there is no level.
        session_close_ns: End of the session [ns since session open], or None if the file's name does not say.
        refused: Rows that `lenient` left out, by line.
        contradicting: Rows that `lenient` kept although they do not agree with the row before or with their order.
    """

    tape: Tape
    prices: np.ndarray
    quantities: np.ndarray
    session_close_ns: int | None = None
    refused: tuple[RowFault, ...] = ()
    contradicting: tuple[RowFault, ...] = ()

    @property
    def skipped(self) -> dict[str, int]:
        """How many rows `lenient` left out, by reason."""
        return dict(Counter(fault.reason for fault in self.refused))

    @property
    def levels(self) -> int:
        """L, levels a side."""
        return self.prices.shape[2]

    def equals(self, other: LobsterDay) -> bool:
        """Whether both hold the same tape and the same levels."""
        return (
            self.tape.equals(other.tape)
            and np.array_equal(self.prices, other.prices)
            and np.array_equal(self.quantities, other.quantities)
        )

    def rescale(self, tick_size: float) -> LobsterDay:
        """The same day in ticks of another size [$]; see `Tape.rescale`."""
        tape = self.tape.rescale(tick_size)
        factor = price_factor(self.tape.tick_size, tick_size)
        sides = [
            rescale_prices(self.prices[:, side], factor, absent, name)
            for side, absent, name in ((0, NO_BID, "bid level"), (1, NO_ASK, "ask level"))
        ]
        return replace(self, tape=tape, prices=np.stack(sides, axis=1))
