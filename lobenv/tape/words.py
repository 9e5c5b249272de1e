"""The numbers of a tape in words, for people who look at it: the words of each column, and a tape in three lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lobenv.settings import SECOND
from lobenv.tape.labels import INTENTS
from lobenv.tape.reasons import REASON_NAMES
from lobenv.tape.schema import (
    ADD,
    ADOPTED,
    CROSS,
    DELETE,
    EXECUTE,
    EXECUTE_HIDDEN,
    HALT,
    RECORDED,
    REDUCE,
    UNKNOWN_AGENT,
    Tape,
)

if TYPE_CHECKING:
    import polars as pl

KIND_WORDS = {
    ADD: "add",
    REDUCE: "reduce",
    DELETE: "delete",
    EXECUTE: "execute",
    EXECUTE_HIDDEN: "execute hidden",
    CROSS: "cross",
    HALT: "halt",
}
WORDS: dict[str, dict[int, str]] = {
    "kind": KIND_WORDS,
    "side": {1: "bid", -1: "ask"},
    "label": dict(enumerate(INTENTS)),
    "aggressor_label": dict(enumerate(INTENTS)),
    "reason": dict(enumerate(REASON_NAMES)),
    "source": {RECORDED: "recorded", ADOPTED: "adopted"},
}  # of each column that holds a code; a number without a word becomes null


def in_words(frame: pl.DataFrame) -> pl.DataFrame:
    """A frame as `Tape.to_polars` gives it, with words (pl.Enum) in place of codes; null where a code has no word."""
    import polars as pl

    return frame.with_columns(
        pl.col(name).replace_strict(words, default=None, return_dtype=pl.Enum(list(words.values())))
        for name, words in WORDS.items()
        if name in frame.columns
    )


def summary(tape: Tape) -> str:
    """A tape in at most three lines: what it is of, how much of what it holds, and of how many."""
    head = " ".join(part for part in (tape.symbol, tape.venue, tape.date) if part)
    lines = [f"Tape of {head}: {len(tape):,} records, tick {tape.tick_size:g} $"]
    if len(tape):
        records = tape.records
        first, last = (int(records["time"][k]) / SECOND for k in (0, -1))
        books = len(np.unique(records["book"]))
        owners = np.unique(records["owner"])
        known = len(owners) - (UNKNOWN_AGENT in owners)
        lines[0] += f", {first:.3f} to {last:.3f} s after the open"
        lines.append(f"  {_counts(records['kind'])}")
        lines.append(f"  {books} book{'s' * (books != 1)}, {known or 'no'} known owner{'s' * (known != 1)}")
    return "\n".join(lines)


def _counts(kinds: np.ndarray) -> str:
    counts = ((word, int(np.count_nonzero(kinds == kind))) for kind, word in KIND_WORDS.items())
    return ", ".join(f"{count:,} {word}" for word, count in counts if count)
