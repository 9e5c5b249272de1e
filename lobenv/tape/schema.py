"""The one record type of a market's history, and the tape that carries such records with what is needed to read them.

Times are int64 ns since session open, prices int32 ticks, quantities int32 shares, side +1 bid / -1 ask. The codes of
the kinds are LOBSTER's own, so that a recorded day and a simulated one are read by the same code.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from os import PathLike

    import polars as pl

ADD = 1
REDUCE = 2
DELETE = 3
EXECUTE = 4
EXECUTE_HIDDEN = 5
CROSS = 6
HALT = 7

HALT_BEGINS = -1  # the price field of a HALT record says what happens
QUOTING_RESUMES = 0
TRADING_RESUMES = 1

NO_BID = -(2**31 - 1)  # below every bid
NO_ASK = 2**31 - 1  # above every ask

UNKNOWN_AGENT = -1
RECORDED = 0
ADOPTED = 1

RECORD = np.dtype(
    [
        ("time", np.int64),  # [ns since session open]
        ("order_id", np.int64),  # 0 for hidden executions, negative for orders that no record names
        ("price", np.int32),  # [ticks]; for HALT one of HALT_BEGINS, QUOTING_RESUMES, TRADING_RESUMES
        ("qty", np.int32),  # [shares] added, taken away or executed
        ("best_bid", np.int32),  # [ticks] after the event, NO_BID if that side is empty or unknown
        ("best_ask", np.int32),  # [ticks] after the event, NO_ASK if that side is empty or unknown
        ("bid_qty", np.int32),  # [shares] displayed at the best bid after the event
        ("ask_qty", np.int32),  # [shares] displayed at the best ask after the event
        ("owner", np.int32),  # agent who owns the order, UNKNOWN_AGENT if not known
        ("aggressor", np.int32),  # owner of the order that took, in an execution
        ("book", np.int16),  # which book of the world
        ("kind", np.int8),  # ADD .. HALT
        ("side", np.int8),  # +1 bid, -1 ask: side of the resting order, also in an execution
        ("label", np.int8),  # ground truth: intent of the owner of the resting order, one of `labels.INTENTS`
        ("aggressor_label", np.int8),  # ground truth: intent of the aggressor, in an execution
        ("reason", np.int8),  # why an order was removed or reduced, one of `labels.REASONS`
        ("source", np.int8),  # RECORDED (or simulated), or ADOPTED where a reconstruction had to supply it
    ],
    align=True,
)

FIELDS: tuple[str, ...] = tuple(RECORD.names or ())

_UNDISPLAYED_KINDS = (EXECUTE_HIDDEN, CROSS)


class TapeError(ValueError):
    """A tape, or a file that should hold one, is not what it should be; one line with file and line where known.

    Attributes:
        reason: What is wrong, without the place.
        path: The file, or None.
        line: Line of that file, counted from 1, or None.
    """

    def __init__(self, reason: str, path: str | PathLike[str] | None = None, line: int | None = None) -> None:
        place = "" if path is None else f"{path}: " if line is None else f"{path}:{line}: "
        super().__init__(place + reason)
        self.reason = reason
        self.path = path
        self.line = line

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.reason, self.path, self.line)


@dataclass(frozen=True, eq=False, repr=False)
class Tape:
    """The events of one session in the order in which they happened.

    Attributes:
        records: (N,) RECORD.
        tick_size: [$ per tick].
        session_open_ns: Time 0 of the records [ns after midnight].
        symbol: What is traded.
        venue: Where.
        date: ISO date of the session, or None (a simulated one).

    Raises:
        TapeError: A field has the wrong type or an impossible value.
    """

    records: np.ndarray
    tick_size: float
    session_open_ns: int
    symbol: str
    venue: str
    date: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.records, np.ndarray) or self.records.dtype != RECORD or self.records.ndim != 1:
            raise TapeError("records must be a one-dimensional array of dtype RECORD")
        if not self.tick_size > 0:
            raise TapeError(f"tick_size must be > 0 $, got {self.tick_size!r}")

    def __len__(self) -> int:
        return len(self.records)

    def __repr__(self) -> str:
        from lobenv.tape.words import summary

        return summary(self)

    @property
    def metadata(self) -> dict[str, Any]:
        """Everything but the records, by field name."""
        return {name: getattr(self, name) for name in ("tick_size", "session_open_ns", "symbol", "venue", "date")}

    def equals(self, other: Tape) -> bool:
        """Whether both tapes hold the same records, field by field, and the same metadata."""
        return self.metadata == other.metadata and np.array_equal(self.records, other.records)

    def window(self, start_ns: int, end_ns: int) -> Tape:
        """The records with start_ns <= time < end_ns, on the same clock; the book at the start is not part of it."""
        first, last = np.searchsorted(self.records["time"], [start_ns, end_ns])
        return replace(self, records=self.records[first : max(first, last)].copy())

    def undisplayed_off_tick(self, tick_size: float) -> int:
        """How many hidden executions and crosses `rescale` to this tick size [$] would have to round."""
        factor = price_factor(self.tick_size, tick_size)
        undisplayed = self.records["price"][np.isin(self.records["kind"], _UNDISPLAYED_KINDS)].astype(np.int64)
        return int(np.count_nonzero(undisplayed * factor.numerator % factor.denominator))

    def rescale(self, tick_size: float) -> Tape:
        """The same tape with prices counted in ticks of another size.

        Prices of displayed orders must be whole ticks of the new size. Hidden executions and crosses may lie between
        two ticks (midpoint orders do): they are rounded to the price that is worse for the resting side, a bid up and
        an ask down; `undisplayed_off_tick` counts them.

        Args:
            tick_size: [$ per tick].

        Raises:
            TapeError: A displayed price or a quote is no whole number of new ticks, or does not fit int32.
        """
        if not tick_size > 0:
            raise TapeError(f"tick_size must be > 0 $, got {tick_size!r}")
        factor = price_factor(self.tick_size, tick_size)
        records = self.records.copy()
        for field, absent in (("best_bid", NO_BID), ("best_ask", NO_ASK)):
            records[field] = rescale_prices(records[field], factor, absent, f"{field} of record")
        undisplayed = np.isin(records["kind"], _UNDISPLAYED_KINDS)
        displayed = ~undisplayed & (records["kind"] != HALT)
        records["price"][displayed] = rescale_prices(records["price"][displayed], factor, None, "displayed price")
        records["price"][undisplayed] = _round_against_resting(records[undisplayed], factor)
        return replace(self, records=records, tick_size=float(tick_size))

    def public(self) -> Tape:
        """The tape as a public reader may see it: nothing is known of owners, aggressors, intents and reasons."""
        from lobenv.tape.public import public_records, records_of_public

        return replace(self, records=records_of_public(public_records(self.records)))

    def to_polars(self, *, named: bool = False) -> pl.DataFrame:
        """One row a record, one column a field, in the order and with the integer types of RECORD.

        Args:
            named: Words in place of codes: kinds, sides, intents, reasons and sources (`lobenv.tape.words.WORDS`).
        """
        import polars as pl

        frame = pl.DataFrame({name: np.ascontiguousarray(self.records[name]) for name in FIELDS})
        if not named:
            return frame
        from lobenv.tape.words import in_words

        return in_words(frame)

    @classmethod
    def from_polars(
        cls,
        frame: pl.DataFrame,
        *,
        tick_size: float,
        session_open_ns: int,
        symbol: str,
        venue: str,
        date: str | None = None,
    ) -> Tape:
        """The tape whose records are the rows of `frame` (columns as `to_polars` names them; others are ignored).

        Raises:
            TapeError: A column is missing, holds a null, or a value does not fit the type of its field.
        """
        return cls(records_from(frame, FIELDS), tick_size, session_open_ns, symbol, venue, date)


def price_factor(tick_size: float, new_tick_size: float) -> Fraction:
    """New ticks per old tick, exact for tick sizes as they are written in decimal (0.01, not its binary neighbour)."""
    return Fraction(str(float(tick_size))) / Fraction(str(float(new_tick_size)))


def rescale_prices(prices: np.ndarray, factor: Fraction, absent: int | None, name: str) -> np.ndarray:
    """Prices times `factor`, exactly; entries equal to `absent` stay as they are.

    Args:
        prices: Integers of any shape [old ticks].
        factor: New ticks per old tick.
        absent: The value that stands for "no price", or None.
        name: What the prices are, for the error.

    Raises:
        TapeError: A product is no integer or does not fit int32.
    """
    scaled = prices.astype(np.int64) * factor.numerator
    wrong = scaled % factor.denominator != 0
    scaled //= factor.denominator
    wrong |= np.abs(scaled) >= NO_ASK
    if absent is not None:
        wrong &= prices != absent
        scaled[prices == absent] = absent
    if wrong.any():
        price = prices[wrong].flat[0]
        raise TapeError(f"{name}: {price} old ticks are not a whole int32 number of new ticks (factor {factor})")
    return scaled.astype(np.int32)


def _round_against_resting(records: np.ndarray, factor: Fraction) -> np.ndarray:
    scaled = records["price"].astype(np.int64) * factor.numerator
    down = scaled // factor.denominator
    up = -(-scaled // factor.denominator)
    return rescale_prices(np.where(records["side"] > 0, up, down), Fraction(1), None, "hidden price")


def records_from(frame: pl.DataFrame, fields: tuple[str, ...]) -> np.ndarray:
    """(N,) RECORD with some fields filled from the columns of a frame, and the others 0.

    Raises:
        TapeError: A column is missing, holds a null, or a value does not fit the type of its field.
    """
    records = np.zeros(frame.height, RECORD)
    for name in fields:
        records[name] = _column(frame, name)
    return records


def _column(frame: pl.DataFrame, name: str) -> np.ndarray:
    if name not in frame.columns:
        raise TapeError(f"column {name} is missing")
    column = frame[name]
    if not column.dtype.is_integer() or column.null_count():
        raise TapeError(f"column {name} must hold integers without nulls, got {column.dtype}")
    field = RECORD[name]
    values = column.to_numpy()
    allowed = np.iinfo(field)
    if len(values) and (int(values.min()) < allowed.min or int(values.max()) > allowed.max):
        raise TapeError(f"column {name} must lie in {allowed.min}..{allowed.max}")
    return values.astype(field)
