"""Tapes in Parquet files: exact round trip, and clear errors for files that hold none."""

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lobenv.tape.parquet import read_parquet, write_parquet
from lobenv.tape.schema import FIELDS, RECORD, Tape, TapeError


def columns(length):
    """Every field over its whole range, extremes included."""
    return st.tuples(*(hnp.arrays(RECORD[name], length) for name in FIELDS))


@st.composite
def tapes(draw):
    length = draw(st.integers(0, 20))
    records = np.zeros(length, RECORD)
    for name, values in zip(FIELDS, draw(columns(length)), strict=True):
        records[name] = values
    return Tape(
        records,
        draw(st.floats(min_value=0, exclude_min=True, allow_infinity=False)),
        draw(st.integers(-(2**63), 2**63 - 1)),
        draw(st.text()),
        draw(st.text()),
        draw(st.none() | st.dates().map(str)),
    )


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tape=tapes())
def test_tape_comes_back_equal(tmp_path, tape):
    write_parquet(tape, tmp_path / "tape.parquet")
    assert read_parquet(tmp_path / "tape.parquet").equals(tape)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"absent\.parquet"):
        read_parquet(tmp_path / "absent.parquet")


def test_parquet_file_without_a_tape_is_refused(tmp_path):
    path = tmp_path / "other.parquet"
    pl.DataFrame({"a": [1]}).write_parquet(path)
    with pytest.raises(TapeError, match=r"other\.parquet: holds no tape"):
        read_parquet(path)


def test_truncated_file_is_refused_in_one_line(tmp_path):
    path = tmp_path / "tape.parquet"
    write_parquet(Tape(np.zeros(50, RECORD), 0.01, 0, "X", "sim"), path)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(TapeError) as caught:
        read_parquet(path)
    assert "\n" not in str(caught.value)
    assert caught.value.path == path


def test_tape_file_that_lost_a_column_names_file_and_column(tmp_path):
    path = tmp_path / "tape.parquet"
    tape = Tape(np.zeros(2, RECORD), 0.01, 0, "X", "sim")
    write_parquet(tape, path)
    metadata = pl.read_parquet_metadata(path)
    pl.read_parquet(path).drop("label").write_parquet(path, metadata={"lobenv.tape": metadata["lobenv.tape"]})
    with pytest.raises(TapeError, match=r"tape\.parquet: column label is missing"):
        read_parquet(path)
