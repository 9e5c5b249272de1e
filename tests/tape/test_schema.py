"""The record type and the tape: layout, ticks, windows, and the way to and from polars."""

import pickle
import subprocess
import sys

import numpy as np
import pytest

from lobenv.tape.schema import (
    ADD,
    CROSS,
    EXECUTE,
    EXECUTE_HIDDEN,
    FIELDS,
    HALT,
    HALT_BEGINS,
    NO_ASK,
    NO_BID,
    RECORD,
    Tape,
    TapeError,
)


def records_of(*rows):
    """Records from (time, kind, side, price, qty) with both sides of the book absent."""
    records = np.zeros(len(rows), RECORD)
    records["best_bid"], records["best_ask"] = NO_BID, NO_ASK
    for k, row in enumerate(rows):
        for name, value in zip(("time", "kind", "side", "price", "qty"), row, strict=True):
            records[name][k] = value
    return records


def tape_of(*rows, tick_size=0.0001):
    return Tape(records_of(*rows), tick_size, 34_200 * 10**9, "AMZN", "NASDAQ", "2012-06-21")


def test_record_has_the_fields_of_the_contract_in_order():
    times = ["time", "order_id", "price", "qty"]
    quotes = ["best_bid", "best_ask", "bid_qty", "ask_qty"]
    expected = [
        *times,
        *quotes,
        "owner",
        "aggressor",
        "book",
        "kind",
        "side",
        "label",
        "aggressor_label",
        "reason",
        "source",
    ]
    assert list(FIELDS) == expected
    assert RECORD.isalignedstruct
    assert RECORD.itemsize == 56
    assert [RECORD[name].str for name in expected] == ["<i8"] * 2 + ["<i4"] * 8 + ["<i2"] + ["|i1"] * 6


def test_no_bid_and_no_ask_lie_outside_every_price_and_are_each_others_mirror():
    assert NO_BID == -NO_ASK == np.iinfo(np.int32).min + 1


def test_schema_is_imported_without_numba_and_polars():
    code = "import sys, lobenv.tape.schema; print('numba' in sys.modules, 'polars' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == (
        "False False\n"
    )


def test_rescale_divides_displayed_prices_and_quotes_and_keeps_absent_sides_and_halts():
    tape = tape_of((0, ADD, 1, 2_231_800, 100), (1, EXECUTE, 1, 2_231_800, 100), (2, HALT, -1, HALT_BEGINS, 0))
    tape.records["best_bid"][0] = 2_231_800
    cents = tape.rescale(0.01)
    assert cents.tick_size == 0.01
    assert cents.records["price"].tolist() == [22_318, 22_318, HALT_BEGINS]
    assert cents.records["best_bid"].tolist() == [22_318, NO_BID, NO_BID]
    assert cents.records["best_ask"].tolist() == [NO_ASK] * 3
    assert cents.rescale(0.0001).equals(tape)


@pytest.mark.parametrize("kind", [EXECUTE_HIDDEN, CROSS])
def test_rescale_rounds_undisplayed_prices_against_the_resting_side_and_they_are_counted(kind):
    tape = tape_of((0, kind, 1, 10_050, 5), (0, kind, -1, 10_050, 5), (0, kind, 1, 10_100, 5))
    assert tape.undisplayed_off_tick(0.01) == 2
    assert tape.rescale(0.01).records["price"].tolist() == [101, 100, 101]


@pytest.mark.parametrize(
    ("price", "tick_size", "names"), [(10_050, 0.01, "displayed price: 10050"), (10**9, 1e-5, "1000000000")]
)
def test_rescale_refuses_displayed_prices_that_do_not_fit_the_new_ticks(price, tick_size, names):
    with pytest.raises(TapeError, match=names):
        tape_of((0, ADD, 1, price, 5)).rescale(tick_size)


def test_window_takes_times_from_start_to_before_end():
    tape = tape_of(*((time, ADD, 1, 10, 5) for time in (0, 10, 10, 20, 30)))
    assert tape.window(10, 30).records["time"].tolist() == [10, 10, 20]
    assert len(tape.window(31, 99)) == len(tape.window(30, 10)) == 0


def test_window_is_a_copy():
    tape = tape_of((0, ADD, 1, 10, 5))
    tape.window(0, 1).records["qty"] = 9
    assert tape.records["qty"].tolist() == [5]


def test_equals_sees_a_changed_field_and_changed_metadata():
    tape, same, other = (tape_of((0, ADD, 1, 10, 5)) for _ in range(3))
    other.records["label"] = 1
    assert tape.equals(same)
    assert not tape.equals(other)
    assert not tape.equals(tape_of((0, ADD, 1, 10, 5), tick_size=0.01))


def test_polars_frame_gives_the_tape_back():
    tape = tape_of((0, ADD, 1, 10, 5), (3, EXECUTE, 1, 10, 5))
    assert Tape.from_polars(tape.to_polars(), **tape.metadata).equals(tape)


def test_polars_frame_accepts_wider_integers_but_no_value_beyond_the_field():
    import polars as pl

    tape = tape_of((0, ADD, 1, 10, 5))
    wide = tape.to_polars().cast(pl.Int64)
    assert Tape.from_polars(wide, **tape.metadata).equals(tape)
    with pytest.raises(TapeError, match=r"column kind must lie in -128\.\.127"):
        Tape.from_polars(wide.with_columns(kind=pl.lit(128, pl.Int64)), **tape.metadata)


@pytest.mark.parametrize("change", ["missing", "null", "float"])
def test_polars_frame_with_an_unusable_column_is_named(change):
    import polars as pl

    tape = tape_of((0, ADD, 1, 10, 5))
    frame = tape.to_polars()
    columns = {"null": pl.lit(None, pl.Int32), "float": pl.lit(1.5)}
    frame = frame.drop("qty") if change == "missing" else frame.with_columns(qty=columns[change])
    with pytest.raises(TapeError, match="column qty"):
        Tape.from_polars(frame, **tape.metadata)


@pytest.mark.parametrize("tick_size", [0.0, -0.01, float("nan")])
def test_tick_size_must_be_positive(tick_size):
    with pytest.raises(TapeError, match="tick_size must be > 0"):
        tape_of((0, ADD, 1, 10, 5), tick_size=tick_size)
    with pytest.raises(TapeError, match="tick_size must be > 0"):
        tape_of((0, ADD, 1, 10, 5)).rescale(tick_size)


def test_records_of_another_type_are_refused():
    with pytest.raises(TapeError, match="dtype RECORD"):
        Tape(np.zeros(3), 0.01, 0, "X", "sim")


def test_error_names_file_and_line_in_one_line_and_survives_pickling():
    error = TapeError("malformed row: got 'x'", "day.csv", 7)
    assert str(error) == "day.csv:7: malformed row: got 'x'"
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), copy.reason, copy.path, copy.line) == (str(error), error.reason, "day.csv", 7)
