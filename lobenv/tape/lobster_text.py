"""LOBSTER's two text tables as columns of integers, with the faulty lines of either named by number and reason.

The fast path hands the whole text to polars. Only when that fails, or gives a null, are the lines looked at one by one.
"""

from __future__ import annotations

import gzip
import re
import zlib
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lobenv.settings import SECOND

if TYPE_CHECKING:
    import polars as pl

GZIP_MAGIC = b"\x1f\x8b"
MESSAGE_COLUMNS = ("time", "type", "order_id", "size", "price", "direction")
TIME_PATTERN = r"^\d{1,9}(\.\d{1,30})?$"
MESSAGE_LINE = re.compile(rb" *\d{1,9}(\.\d{1,30})?(, *-?\d{1,18}){5}")

TRUNCATED = "truncated file"
MALFORMED = "malformed row"


class Fault(NamedTuple):
    """Why a line cannot be used: what rule it breaks, and with what."""

    reason: str
    detail: str


@dataclass
class TextTable:
    """What could be read of one file.

    Attributes:
        path: The file.
        columns: (rows,) int64 by name; `time` in ns since midnight.
        lines: (rows,) line on which each row stands, from 0.
        line_count: Lines in the file.
        faults: The lines that are no rows, by line from 0.
    """

    path: str | PathLike[str]
    columns: dict[str, np.ndarray]
    lines: np.ndarray
    line_count: int
    faults: dict[int, Fault]


class _UnparsableError(Exception):
    """The text is not, as a whole, a table of the expected columns."""


def read_messages(path: str | PathLike[str]) -> TextTable:
    """Read a message file: columns time [ns since midnight], type, order_id, size, price [$ 0.0001], direction."""
    text, whole = _text(path)
    return _read_table(path, text, whole, MESSAGE_COLUMNS, MESSAGE_LINE)


def read_orderbook(path: str | PathLike[str], levels: int | None = None) -> TextTable:
    """Read an orderbook file: columns ask_price_k, ask_size_k, bid_price_k, bid_size_k for each level k from 0.

    Args:
        path: The file.
        levels: How many levels a row holds, or None to take the first row's word for it.
    """
    text, whole = _text(path)
    if levels is None:
        levels = max(1, (text.split(b"\n", 1)[0].count(b",") + 1) // 4)
    names = tuple(f"{side}_{what}_{k}" for k in range(levels) for side in ("ask", "bid") for what in ("price", "size"))
    pattern = re.compile(rb" *-?\d{1,18}(, *-?\d{1,18}){%d}" % (len(names) - 1))
    return _read_table(path, text, whole, names, pattern)


def _read_table(
    path: str | PathLike[str], text: bytes, whole: bool, names: tuple[str, ...], pattern: re.Pattern[bytes]
) -> TextTable:
    rows = text.removesuffix(b"\n").split(b"\n") if text else []
    faults: dict[int, Fault] = {}
    try:
        columns = _parse(text, names, len(rows))
    except _UnparsableError:
        faults = {k: _malformed(row, len(names)) for k, row in enumerate(rows) if not pattern.fullmatch(row)}
        kept = [row for k, row in enumerate(rows) if k not in faults]
        columns = _parse(b"\n".join(kept), names, len(kept))
    lines = np.array([k for k in range(len(rows)) if k not in faults]) if faults else np.arange(len(rows))
    if not whole:
        faults[len(rows)] = Fault(TRUNCATED, "the gzip stream ends early or is damaged")
    return TextTable(path, columns, lines, len(rows), faults)


def _malformed(row: bytes, fields: int) -> Fault:
    shown = row[:60].decode(errors="replace") + ("..." if len(row) > 60 else "")
    return Fault(MALFORMED, f"expected {fields} numbers, got {shown!r}")


def _parse(text: bytes, names: tuple[str, ...], line_count: int) -> dict[str, np.ndarray]:
    import polars as pl

    schema = {name: pl.String if name == "time" else pl.Int64 for name in names}
    if not text:
        return {name: np.zeros(0, np.int64) for name in names}
    try:
        frame = pl.read_csv(text, has_header=False, schema=schema, quote_char=None)
    except pl.exceptions.PolarsError as error:
        raise _UnparsableError from error
    if frame.height != line_count or any(frame.null_count().row(0)):
        raise _UnparsableError
    columns = {name: frame[name].to_numpy() for name in names if name != "time"}
    return {"time": parse_times(frame["time"]), **columns} if "time" in names else columns


def parse_times(texts: pl.Series) -> np.ndarray:
    """Decimal seconds to ns, exactly; digits beyond the ninth are rounded half to even.

    Args:
        texts: (N,) strings such as "34200.18960767".

    Returns:
        (N,) int64 [ns].
    """
    import polars as pl

    texts = texts.str.strip_chars(" ")
    if not texts.str.contains(TIME_PATTERN).all():
        raise _UnparsableError
    parts = texts.str.splitn(".", 2).struct.unnest()
    fraction = parts["field_1"].fill_null("")
    ns = parts["field_0"].cast(pl.Int64) * SECOND + fraction.str.slice(0, 9).str.pad_end(9, "0").cast(pl.Int64)
    times = ns.to_numpy().copy()
    for k in np.flatnonzero(fraction.str.len_bytes().to_numpy() > 9):
        times[k] = int((Decimal(texts[int(k)]) * SECOND).to_integral_value(ROUND_HALF_EVEN))
    return times


def format_times(times: np.ndarray) -> pl.Series:
    """Times [ns] as decimal seconds without trailing zeros, as LOBSTER writes them; the inverse of `parse_times`."""
    import polars as pl

    ns = pl.Series(times)
    fraction = (ns % SECOND).cast(pl.String).str.zfill(9).str.strip_chars_end("0")
    text = (ns // SECOND).cast(pl.String) + "." + fraction
    return text.str.strip_chars_end(".")


def _text(path: str | PathLike[str]) -> tuple[bytes, bool]:
    """The file's text, and whether it is whole; of a damaged gzip stream the lines that are complete."""
    raw = Path(path).read_bytes()
    if not raw.startswith(GZIP_MAGIC):
        return raw.replace(b"\r\n", b"\n"), True
    try:
        return gzip.decompress(raw).replace(b"\r\n", b"\n"), True
    except (EOFError, OSError, zlib.error):
        text = _readable_part(raw).replace(b"\r\n", b"\n")
        return text[: text.rfind(b"\n") + 1], False


def _readable_part(raw: bytes, chunk: int = 4096) -> bytes:
    stream = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    text = b""
    try:
        for start in range(0, len(raw), chunk):
            text += stream.decompress(raw[start : start + chunk])
    except zlib.error:
        pass
    return text


def write_text(path: str | PathLike[str], frame: pl.DataFrame) -> None:
    """Write a table without header, compressed if the name ends in .gz (and then without a time stamp in the file)."""
    text = frame.write_csv(include_header=False).encode()
    Path(path).write_bytes(gzip.compress(text, mtime=0) if Path(path).suffix == ".gz" else text)
