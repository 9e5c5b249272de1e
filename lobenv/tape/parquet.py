"""Tapes as Parquet files: one column a field, and in the file's own metadata the tape's, with a digest of all of it.

The digest is over the values, so it holds whatever a row group, a compression or another tool did to the bytes.
"""

from __future__ import annotations

import hashlib
import json
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from lobenv.tape.public import PUBLIC_FIELDS, public_records, records_of_public
from lobenv.tape.schema import FIELDS, Tape, TapeError, records_from

METADATA_KEY = "lobenv.tape"
FORMAT = 2  # 1: no digest, no intent of the aggressor, no reason
DIGEST_BYTES = 16


def write_parquet(tape: Tape, path: str | PathLike[str], *, public: bool = False) -> None:
    """Write a tape; `read_parquet` gives back an equal one.

    Args:
        tape: The tape.
        path: The file.
        public: Leave out the columns that no public reader is given (owner, aggressor, intents, reason); what is read
            back is then `tape.public()`.

    Raises:
        OSError: The file cannot be written.
    """
    fields = PUBLIC_FIELDS if public else FIELDS
    document = {"format": FORMAT, "public": public, "tape": tape.metadata}
    document["digest"] = _digest(tape.records, fields, document)
    frame = tape.to_polars().select(fields)
    frame.write_parquet(Path(path), metadata={METADATA_KEY: json.dumps(document)})


def read_parquet(path: str | PathLike[str]) -> Tape:
    """Read a tape that `write_parquet` wrote.

    Raises:
        FileNotFoundError: There is no such file.
        TapeError: The file is damaged or was altered, is of another format, or holds no tape.
    """
    file = Path(path)
    if not file.is_file():
        raise FileNotFoundError(f"{file}: no such file")
    from polars.exceptions import PanicException

    try:
        return _read(file)
    except (Exception, PanicException) as error:  # Polars panics at some damage, and that is no Exception
        reason = error.reason if isinstance(error, TapeError) else f"is no readable Parquet file: {_first_line(error)}"
        raise TapeError(reason, path) from error


def _read(file: Path) -> Tape:
    import polars as pl

    text = pl.read_parquet_metadata(file).get(METADATA_KEY)
    if text is None:
        raise TapeError(f"holds no tape: its metadata lacks the key {METADATA_KEY}")
    document = json.loads(text)
    found = document.get("format", 1)
    if found != FORMAT:
        raise TapeError(f"is a tape file of format {found}; this version reads format {FORMAT}: write the tape anew")
    fields = PUBLIC_FIELDS if document["public"] else FIELDS
    records = records_from(pl.read_parquet(file), fields)
    digest = document.pop("digest")
    if digest != _digest(records, fields, document):
        raise TapeError("was altered after it was written: its digest is not that of its records")
    if document["public"]:
        records = records_of_public(public_records(records))
    return Tape(records, **document["tape"])


def _digest(records: np.ndarray, fields: tuple[str, ...], document: dict[str, Any]) -> str:
    """Hexadecimal digest of the columns of records, and of what the file says about them."""
    sink = hashlib.blake2b(json.dumps(document, sort_keys=True).encode(), digest_size=DIGEST_BYTES)
    for name in fields:
        values = np.ascontiguousarray(records[name])
        sink.update(f"{name} {values.dtype.name} {len(values)}".encode())
        sink.update(values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes())
    return sink.hexdigest()


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
