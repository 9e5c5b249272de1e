"""Where everything of a market lies: all tables of one market in one row of bytes, so that a copy is one copy.

A batch is an array of such rows, and another of what the markets show, since whoever looks at it looks at all of them
at once. Kernels are handed both and where each table begins, and make the tables of one market of them: three arrays
cross the boundary to compiled code instead of thirty, and a market's tables lie side by side.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lobenv.compiled import kernel
from lobenv.market.tables import (
    ACCOUNT,
    AGENT,
    BOOK,
    CAPTURED,
    CLOCK,
    DTYPES,
    EVENT,
    EXECUTED,
    EXTERNAL,
    FUNDAMENTAL,
    LEVEL,
    LINK,
    MESSAGE,
    OPENING,
    ORDER,
    RECEIVED,
    RECORDING_ROW,
    SESSION,
    VIEW,
    WATCH,
    World,
)
from lobenv.tape.schema import RECORD

LINE = 64  # bytes; tables and rows begin at lines of the processor's cache
PAGE = 4096

FLOAT32, FLOAT64, INT8 = np.dtype("f4"), np.dtype("f8"), np.dtype("i1")
BYTE, UINT64 = np.dtype("u1"), np.dtype("u8")


class Outputs(NamedTuple):
    """What a market shows its K external agents; with a leading axis E, what a batch does."""

    observation: np.ndarray  # (K, F) float32
    reward: np.ndarray  # (K,) float64 [$]
    parts: np.ndarray  # (K, P) float64 [$]
    state: np.ndarray  # (K, S) float64, the exchange's picture
    mask: np.ndarray  # (K, M) int8
    session: np.ndarray  # (K,) int8: RUNNING, ENDED or KILLED; ENDED before the first reset
    due: np.ndarray  # (K,) int8: 1 where an action is awaited


OUTPUT_DTYPES = {
    "observation": FLOAT32,
    "reward": FLOAT64,
    "parts": FLOAT64,
    "state": FLOAT64,
    "mask": INT8,
    "session": INT8,
    "due": INT8,
}
ALL_DTYPES = DTYPES | OUTPUT_DTYPES
PLACES = {name: i for i, name in enumerate(ALL_DTYPES)}


class Layout(NamedTuple):
    """The places of all tables in their rows.

    Attributes:
        places: (tables, 4) int64: first byte, one past the last, and the lengths of the two axes (1 for no second).
        shapes: Name of a table to its shape.
        row_bytes: Length of a row of a market's tables.
        shown_bytes: Length of a row of what it shows.
    """

    places: np.ndarray
    shapes: dict[str, tuple[int, ...]]
    row_bytes: int
    shown_bytes: int


def lay_out(shapes: dict[str, tuple[int, ...]]) -> Layout:
    """Place tables of these shapes one after the other.

    Args:
        shapes: One for every name of ALL_DTYPES.
    """
    places = np.zeros((len(ALL_DTYPES), 4), np.int64)
    row_bytes = _place(DTYPES, shapes, places)
    shown_bytes = _place(OUTPUT_DTYPES, shapes, places)
    # Rows a whole number of pages long would have the same tables of all markets compete for the same cache lines.
    return Layout(places, dict(shapes), row_bytes + LINE if row_bytes % PAGE == 0 else row_bytes, shown_bytes)


def _place(dtypes: dict[str, np.dtype], shapes: dict[str, tuple[int, ...]], places: np.ndarray) -> int:
    """Place some tables in one row, in place; its length."""
    end = 0
    for name, dtype in dtypes.items():
        shape = shapes[name]
        size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        places[PLACES[name]] = (end, end + size, shape[0], shape[1] if len(shape) > 1 else 1)
        end += -(-size // LINE) * LINE
    return end


def tables_of(memory: np.ndarray, shown: np.ndarray, layout: Layout) -> tuple[World, Outputs]:
    """Views of all tables of E rows, each with a leading axis E.

    Args:
        memory: (E, row_bytes) uint8.
        shown: (E, shown_bytes) uint8.
        layout: Of the rows.
    """

    def view(memory: np.ndarray, name: str, dtype: np.dtype) -> np.ndarray:
        shape, first = layout.shapes[name], int(layout.places[PLACES[name], 0])
        return np.ndarray((len(memory), *shape), dtype, memory, first, (memory.strides[0], *_strides(shape, dtype)))

    return (
        World(*(view(memory, name, dtype) for name, dtype in DTYPES.items())),
        Outputs(*(view(shown, name, dtype) for name, dtype in OUTPUT_DTYPES.items())),
    )


def _strides(shape: tuple[int, ...], dtype: np.dtype) -> tuple[int, ...]:
    """Bytes from one entry to the next along each axis, the last axis dense."""
    return tuple(int(np.prod(shape[i + 1 :], dtype=np.int64)) * dtype.itemsize for i in range(len(shape)))


@kernel
def market(memory, places, e):
    """The tables of the e-th market.

    Args:
        memory: (E, row_bytes) uint8.
        places: Of the layout.
        e: Which market.
    """
    row, p = memory[e], places
    return World(
        row[p[0, 0] : p[0, 1]].view(CLOCK),  # clock
        row[p[1, 0] : p[1, 1]].view(BOOK),  # books
        row[p[2, 0] : p[2, 1]].view(LEVEL).reshape((p[2, 2], p[2, 3])),  # levels
        row[p[3, 0] : p[3, 1]].view(ORDER),  # orders
        row[p[4, 0] : p[4, 1]].view(MESSAGE),  # messages
        row[p[5, 0] : p[5, 1]].view(EVENT),  # events
        row[p[6, 0] : p[6, 1]].view(EVENT),  # wakes
        row[p[7, 0] : p[7, 1]].view(AGENT),  # agents
        row[p[8, 0] : p[8, 1]].view(BYTE),  # memory
        row[p[9, 0] : p[9, 1]].view(ACCOUNT).reshape((p[9, 2], p[9, 3])),  # accounts
        row[p[10, 0] : p[10, 1]].view(SESSION).reshape((p[10, 2], p[10, 3])),  # sessions
        row[p[11, 0] : p[11, 1]].view(LINK).reshape((p[11, 2], p[11, 3])),  # links
        row[p[12, 0] : p[12, 1]].view(UINT64),  # streams
        row[p[13, 0] : p[13, 1]].view(VIEW).reshape((p[13, 2], p[13, 3])),  # feed
        row[p[14, 0] : p[14, 1]].view(FUNDAMENTAL),  # fundamentals
        row[p[15, 0] : p[15, 1]].view(EXTERNAL),  # externals
        row[p[16, 0] : p[16, 1]].view(CAPTURED).reshape((p[16, 2], p[16, 3])),  # captures
        row[p[17, 0] : p[17, 1]].view(RECEIVED),  # inbox
        row[p[18, 0] : p[18, 1]].view(EXECUTED),  # fills
        row[p[19, 0] : p[19, 1]].view(RECORD),  # tape
        row[p[20, 0] : p[20, 1]].view(RECORDING_ROW),  # recording
        row[p[21, 0] : p[21, 1]].view(OPENING),  # opening
        row[p[22, 0] : p[22, 1]].view(WATCH),  # watches
        row[p[23, 0] : p[23, 1]].view(BYTE),  # shared
    )


@kernel
def outputs(shown, places, e):
    """What the e-th market shows: of (E, shown_bytes) uint8, as in `market`."""
    row, p = shown[e], places
    return Outputs(
        row[p[24, 0] : p[24, 1]].view(FLOAT32).reshape((p[24, 2], p[24, 3])),  # observation
        row[p[25, 0] : p[25, 1]].view(FLOAT64),  # reward
        row[p[26, 0] : p[26, 1]].view(FLOAT64).reshape((p[26, 2], p[26, 3])),  # parts
        row[p[27, 0] : p[27, 1]].view(FLOAT64).reshape((p[27, 2], p[27, 3])),  # state
        row[p[28, 0] : p[28, 1]].view(INT8).reshape((p[28, 2], p[28, 3])),  # mask
        row[p[29, 0] : p[29, 1]].view(INT8),  # session
        row[p[30, 0] : p[30, 1]].view(INT8),  # due
    )
