"""Tapes in Parquet files: exact round trip, and clear errors for files that hold none."""

import json

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lobenv.tape.parquet import METADATA_KEY, read_parquet, write_parquet
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


def altered(tape, path, change):
    """Write a tape, and write its frame again with a change and with the metadata of the whole one."""
    write_parquet(tape, path)
    metadata = pl.read_parquet_metadata(path)[METADATA_KEY]
    change(pl.read_parquet(path)).write_parquet(path, metadata={METADATA_KEY: metadata})


def counted(length):
    """A tape in which no two rows, and no two columns of a row, are alike."""
    records = np.zeros(length, RECORD)
    for k, name in enumerate(FIELDS):
        records[name] = np.arange(length) + k
    return Tape(records, 0.01, 0, "X", "sim")


ALTERATIONS = {
    "rows swapped": lambda frame: frame[[0, 2, 1, 3]],
    "row missing": lambda frame: frame[[0, 1, 3]],
    "row doubled": lambda frame: frame[[0, 1, 1, 2, 3]],
    **{
        f"{name} altered": lambda frame, name=name: frame.with_columns(pl.col(name) + (pl.col(name) == pl.max(name)))
        for name in FIELDS
    },
    "columns exchanged": lambda frame: frame.rename({"bid_qty": "ask_qty", "ask_qty": "bid_qty"}),
}


@pytest.mark.parametrize("change", ALTERATIONS.values(), ids=ALTERATIONS)
def test_file_that_was_altered_is_refused_in_one_line(tmp_path, change):
    path = tmp_path / "tape.parquet"
    altered(counted(4), path, change)
    with pytest.raises(TapeError) as caught:
        read_parquet(path)
    assert str(caught.value) == f"{path}: was altered after it was written: its digest is not that of its records"


def test_file_whose_symbol_was_altered_is_refused(tmp_path):
    path = tmp_path / "tape.parquet"
    write_parquet(counted(4), path)
    metadata = pl.read_parquet_metadata(path)[METADATA_KEY].replace('"X"', '"Y"')
    pl.read_parquet(path).write_parquet(path, metadata={METADATA_KEY: metadata})
    with pytest.raises(TapeError, match="was altered"):
        read_parquet(path)


def test_rows_stored_otherwise_but_the_same_are_the_same_tape(tmp_path):
    path = tmp_path / "tape.parquet"
    tape = counted(4)
    altered(tape, path, lambda frame: frame.select(reversed(FIELDS)).cast(pl.Int64))
    assert read_parquet(path).equals(tape)


def test_file_of_the_first_format_is_refused_in_one_line_that_says_so(tmp_path):
    path = tmp_path / "tape.parquet"
    tape = counted(4)
    older = tape.to_polars().drop("aggressor_label", "reason")
    older.write_parquet(path, metadata={METADATA_KEY: json.dumps(tape.metadata)})
    with pytest.raises(TapeError) as caught:
        read_parquet(path)
    expected = f"{path}: is a tape file of format 1; this version reads format 2: write the tape anew"
    assert str(caught.value) == expected


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_flipped_bits_are_refused_in_one_line_or_change_nothing(tmp_path, data):
    path = tmp_path / "tape.parquet"
    tape = counted(60)
    write_parquet(tape, path)
    content = bytearray(path.read_bytes())
    for place in data.draw(st.lists(st.integers(0, 8 * len(content) - 1), min_size=1, max_size=3)):
        content[place // 8] ^= 1 << place % 8
    path.write_bytes(content)
    refusal = ""
    try:
        tape = read_parquet(path)
    except TapeError as error:
        refusal = str(error)
    assert tape.equals(counted(60))
    assert "\n" not in refusal


def test_file_for_public_readers_lacks_owners_intents_and_reasons_and_is_read_as_not_knowing_them(tmp_path):
    path = tmp_path / "tape.parquet"
    tape = counted(4)
    write_parquet(tape, path, public=True)
    assert set(FIELDS) - set(pl.read_parquet(path).columns) == {
        "owner",
        "aggressor",
        "label",
        "aggressor_label",
        "reason",
    }
    assert read_parquet(path).equals(tape.public())
    assert read_parquet(path).records["owner"].tolist() == [-1] * 4
