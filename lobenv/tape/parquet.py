"""Tapes as Parquet files: one column a field, and the metadata of the tape under one key of the file's own metadata."""

from __future__ import annotations

import json
from os import PathLike
from pathlib import Path

from lobenv.tape.schema import Tape, TapeError

METADATA_KEY = "lobenv.tape"


def write_parquet(tape: Tape, path: str | PathLike[str]) -> None:
    """Write a tape; `read_parquet` gives back an equal one.

    Raises:
        OSError: The file cannot be written.
    """
    tape.to_polars().write_parquet(Path(path), metadata={METADATA_KEY: json.dumps(tape.metadata)})


def read_parquet(path: str | PathLike[str]) -> Tape:
    """Read a tape that `write_parquet` wrote.

    Raises:
        FileNotFoundError: There is no such file.
        TapeError: The file is damaged, or holds no tape.
    """
    import polars as pl

    file = Path(path)
    if not file.is_file():
        raise FileNotFoundError(f"{file}: no such file")
    try:
        metadata = pl.read_parquet_metadata(file).get(METADATA_KEY)
        if metadata is None:
            raise TapeError(f"holds no tape: its metadata lacks the key {METADATA_KEY}")
        return Tape.from_polars(pl.read_parquet(file), **json.loads(metadata))
    except pl.exceptions.PolarsError as error:
        raise TapeError(f"is no readable Parquet file: {str(error).splitlines()[0]}", path) from error
    except (TypeError, ValueError) as error:
        raise TapeError(str(error), path) from error
