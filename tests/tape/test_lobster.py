"""LOBSTER files: exact times, round trips, and every kind of damage named by file and line or skipped and counted."""

import gzip
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lobenv.tape.lobster import LobsterDay, LobsterName, read_lobster, write_lobster
from lobenv.tape.lobster_text import format_times, parse_times
from lobenv.tape.schema import (
    ADD,
    CROSS,
    DELETE,
    EXECUTE,
    EXECUTE_HIDDEN,
    HALT,
    HALT_BEGINS,
    NO_ASK,
    NO_BID,
    QUOTING_RESUMES,
    RECORD,
    REDUCE,
    TRADING_RESUMES,
    Tape,
    TapeError,
)

STEM = "TEST_2012-06-21_34200000_57600000_{}_2.csv"
NONE_ASK, NONE_BID = "9999999999,0", "-9999999999,0"
MESSAGES = [
    "34200.5,1,7,100,1000000,1",
    "34200.5,1,8,50,1000200,-1",
    "34201,2,7,40,1000000,1",
    "34201.000000001,5,0,10,1000100,-1",
    "34202.25,4,8,50,1000200,-1",
    "34203.125,3,7,60,1000000,1",
]
BOOK = [
    f"{NONE_ASK},1000000,100,{NONE_ASK},{NONE_BID}",
    f"1000200,50,1000000,100,{NONE_ASK},{NONE_BID}",
    f"1000200,50,1000000,60,{NONE_ASK},{NONE_BID}",
    f"1000200,50,1000000,60,{NONE_ASK},{NONE_BID}",
    f"{NONE_ASK},1000000,60,{NONE_ASK},{NONE_BID}",
    f"{NONE_ASK},{NONE_BID},{NONE_ASK},{NONE_BID}",
]


def write_pair(folder, messages=MESSAGES, book=BOOK, suffix=""):
    paths = folder / (STEM.format("message") + suffix), folder / (STEM.format("orderbook") + suffix)
    for path, lines in zip(paths, (messages, book), strict=True):
        text = "".join(line + "\n" for line in lines).encode()
        path.write_bytes(gzip.compress(text) if suffix == ".gz" else text)
    return paths


def replaced(lines, k, line):
    return [*lines[:k], line, *lines[k + 1 :]]


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_pair_is_read_into_records_and_levels(tmp_path, suffix):
    day = read_lobster(*write_pair(tmp_path, suffix=suffix))
    records = day.tape.records
    assert records["time"].tolist() == [500_000_000, 500_000_000, 10**9, 10**9 + 1, 2_250_000_000, 3_125_000_000]
    assert records["kind"].tolist() == [ADD, ADD, REDUCE, EXECUTE_HIDDEN, EXECUTE, DELETE]
    assert records["order_id"].tolist() == [7, 8, 7, 0, 8, 7]
    assert records["qty"].tolist() == [100, 50, 40, 10, 50, 60]
    assert records["price"].tolist() == [1_000_000, 1_000_200, 1_000_000, 1_000_100, 1_000_200, 1_000_000]
    assert records["side"].tolist() == [1, -1, 1, -1, -1, 1]
    assert records["best_bid"].tolist() == [1_000_000] * 5 + [NO_BID]
    assert records["best_ask"].tolist() == [NO_ASK, 1_000_200, 1_000_200, 1_000_200, NO_ASK, NO_ASK]
    assert records["bid_qty"].tolist() == [100, 100, 60, 60, 60, 0]
    assert records["ask_qty"].tolist() == [0, 50, 50, 50, 0, 0]
    assert set(records["owner"].tolist()) == set(records["aggressor"].tolist()) == {-1}
    assert (day.tape.symbol, day.tape.date, day.tape.venue) == ("TEST", "2012-06-21", "NASDAQ")
    assert (day.tape.session_open_ns, day.session_close_ns) == (34_200 * 10**9, 23_400 * 10**9)
    assert day.prices.shape == day.quantities.shape == (6, 2, 2)
    assert day.prices[1].tolist() == [[1_000_000, NO_BID], [1_000_200, NO_ASK]]
    assert day.quantities[1].tolist() == [[100, 0], [50, 0]]


def test_messages_alone_leave_quotes_unknown(tmp_path):
    day = read_lobster(write_pair(tmp_path)[0])
    assert day.levels == 0
    assert set(day.tape.records["best_bid"].tolist()) == {NO_BID}


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_written_files_are_the_files_that_were_read(tmp_path, suffix):
    paths = write_pair(tmp_path)
    day = read_lobster(*paths)
    copies = [tmp_path / f"copy{k}.csv{suffix}" for k in range(2)]
    write_lobster(day, *copies)
    unpack = gzip.decompress if suffix else bytes
    assert [unpack(copy.read_bytes()) for copy in copies] == [path.read_bytes() for path in paths]


def test_orderbook_file_of_a_tape_is_found_by_replaying_it_from_an_empty_book(tmp_path):
    paths = write_pair(tmp_path)
    tape = read_lobster(*paths).rescale(0.01).tape
    write_lobster(tape, tmp_path / "m.csv", tmp_path / "b.csv", levels=2)
    assert (tmp_path / "b.csv").read_bytes() == paths[1].read_bytes()
    assert (tmp_path / "m.csv").read_bytes() == paths[0].read_bytes()


def test_orderbook_file_of_a_tape_starts_from_the_opening_orders(tmp_path):
    day = read_lobster(*write_pair(tmp_path))
    rest = Tape(day.tape.records[2:], **day.tape.metadata)
    write_lobster(rest, tmp_path / "m.csv", tmp_path / "b.csv", levels=2, opening=day.tape.records[:2])
    assert (tmp_path / "b.csv").read_text().splitlines() == BOOK[2:]


def test_replay_that_takes_more_than_is_there_names_the_record(tmp_path):
    day = read_lobster(*write_pair(tmp_path))
    rest = Tape(day.tape.records[2:], **day.tape.metadata)
    with pytest.raises(TapeError, match="record 0 takes 40 at price 1000000"):
        write_lobster(rest, tmp_path / "m.csv", tmp_path / "b.csv", levels=2)


def test_orderbook_file_of_a_tape_needs_the_number_of_levels(tmp_path):
    tape = read_lobster(*write_pair(tmp_path)).tape
    with pytest.raises(TapeError, match="levels must be given"):
        write_lobster(tape, tmp_path / "m.csv", tmp_path / "b.csv")


def test_tape_of_two_books_is_not_written(tmp_path):
    tape = read_lobster(*write_pair(tmp_path)).tape
    tape.records["book"][1] = 1
    with pytest.raises(TapeError, match="one book"):
        write_lobster(tape, tmp_path / "m.csv")


def test_halts_and_crosses_are_read_and_written(tmp_path):
    messages = [
        "34200,7,0,0,-1,-1",
        "34260,7,0,0,0,-1",
        "34300,6,-1,5000,1000150,-1",
        "34300,7,0,0,1,-1",
    ]
    paths = write_pair(tmp_path, messages, [BOOK[0]] * 4)
    day = read_lobster(*paths)
    assert day.tape.records["kind"].tolist() == [HALT, HALT, CROSS, HALT]
    halts = day.tape.records["price"][[0, 1, 3]]
    assert halts.tolist() == [HALT_BEGINS, QUOTING_RESUMES, TRADING_RESUMES]
    cents = day.rescale(0.01)
    assert cents.tape.records["price"].tolist() == [-1, 0, 10_001, 1]
    write_lobster(day, tmp_path / "m.csv", tmp_path / "b.csv")
    assert (tmp_path / "m.csv").read_text().splitlines() == messages


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("34200", 34_200 * 10**9),
        ("0.1", 10**8),
        ("34200.18960767", 34_200_189_607_670),
        ("43002.632812672004", 43_002_632_812_672),
        ("1.0000000005", 10**9),  # half to even, down
        ("1.0000000015", 10**9 + 2),  # half to even, up
        ("1.00000000150000000001", 10**9 + 2),
        ("1.9999999999", 2 * 10**9),
        ("57600.000000001", 57_600 * 10**9 + 1),
    ],
)
def test_decimal_seconds_become_exact_nanoseconds(text, ns):
    import polars as pl

    assert parse_times(pl.Series([text])).tolist() == [ns]


@given(st.lists(st.integers(0, 86_400 * 10**9), min_size=1))
def test_times_written_are_the_times_read(times):
    texts = format_times(np.array(times))
    assert parse_times(texts).tolist() == times
    assert not any("." in text and text.endswith(("0", ".")) for text in texts)


@st.composite
def order_messages(draw):
    records = np.zeros(draw(st.integers(1, 30)), RECORD)
    size = len(records)
    records["time"] = np.cumsum(draw(st.lists(st.integers(0, 10**12), min_size=size, max_size=size)))
    for name, low, high in (("order_id", -(10**17), 10**17), ("price", 1, NO_ASK - 1), ("qty", 1, NO_ASK - 1)):
        records[name] = draw(st.lists(st.integers(low, high), min_size=size, max_size=size, unique=name == "order_id"))
    records["kind"] = draw(st.lists(st.integers(ADD, EXECUTE_HIDDEN), min_size=size, max_size=size))
    records["side"] = draw(st.lists(st.sampled_from([-1, 1]), min_size=size, max_size=size))
    records["owner"] = records["aggressor"] = -1
    records["best_bid"], records["best_ask"] = NO_BID, NO_ASK
    return records


@given(records=order_messages())
def test_any_messages_written_are_the_messages_read(tmp_path_factory, records):
    path = tmp_path_factory.mktemp("day") / STEM.format("message")
    tape = Tape(records, 0.0001, 34_200 * 10**9, "TEST", "NASDAQ", "2012-06-21")
    write_lobster(tape, path)
    assert read_lobster(path).tape.equals(tape)


def test_file_name_gives_symbol_date_times_and_levels():
    name = LobsterName.parse("a/AMZN_2012-06-21_34200000_57600000_message_5.csv.gz")
    assert name == LobsterName("AMZN", "2012-06-21", 34_200_000, 57_600_000, 5)
    assert name is not None
    assert name.file_name("orderbook") == "AMZN_2012-06-21_34200000_57600000_orderbook_5.csv"
    assert LobsterName.parse("messages.csv") is None


def test_file_of_another_name_needs_a_symbol_and_takes_the_rest_as_given(tmp_path):
    path = tmp_path / "messages.csv"
    path.write_text("\n".join(MESSAGES))
    with pytest.raises(TapeError, match="symbol must be given"):
        read_lobster(path)
    assert read_lobster(path, symbol="X").tape.session_open_ns == 34_200 * 10**9
    book = tmp_path / "book.csv"
    book.write_text("\n".join(BOOK))
    assert read_lobster(path, book, symbol="X").levels == 2
    tape = read_lobster(path, symbol="X", date="2020-01-02", session_open_ns=34_000 * 10**9).tape
    assert (tape.symbol, tape.date) == ("X", "2020-01-02")
    assert tape.records["time"][0] == 200_500_000_000


MESSAGE_DAMAGE = {
    "field missing": ("34201,2,7,40,1000000", "malformed row: expected 6 numbers, got '34201,2,7,40,1000000'"),
    "field too many": ("34201,2,7,40,1000000,1,9", "malformed row"),
    "blank": ("", "malformed row"),
    "no number": ("34201,2,seven,40,1000000,1", "malformed row"),
    "empty field": ("34201,2,,40,1000000,1", "malformed row"),
    "time as float": ("3.4201e4,2,7,40,1000000,1", "malformed row"),
    "negative time": ("-34201,2,7,40,1000000,1", "malformed row"),
    "type 8": ("34201,8,7,40,1000000,1", "type code must be 1 to 7: type is 8"),
    "type 0": ("34201,0,7,40,1000000,1", "type code must be 1 to 7: type is 0"),
    "size negative": ("34201,2,7,-40,1000000,1", "size must be > 0: size is -40"),
    "size zero": ("34201,2,7,0,1000000,1", "size must be > 0: size is 0"),
    "size huge": ("34201,2,7,3000000000,1000000,1", "size must be below"),
    "price zero": ("34201,2,7,40,0,1", "price must be > 0: price is 0"),
    "price huge": ("34201,2,7,40,3000000000,1", "price must be below"),
    "direction": ("34201,2,7,40,1000000,0", "direction must be 1 or -1: direction is 0"),
    "halt code": ("34201,7,0,0,2,-1", "price of a halt must be -1, 0 or 1: price is 2"),
}
BOOK_DAMAGE = {
    "field missing": ("1000200,50,1000000", "malformed row: expected 8 numbers"),
    "no number": (f"1000200,x,1000000,60,{NONE_ASK},{NONE_BID}", "malformed row"),
    "crossed": (f"1000000,50,1000000,60,{NONE_ASK},{NONE_BID}", "crossed book: bid_price_0 is 1000000"),
    "negative size": (f"1000200,-5,1000000,60,{NONE_ASK},{NONE_BID}", "level size must be > 0"),
    "size of no level": (f"9999999999,5,1000000,60,{NONE_ASK},{NONE_BID}", "level size must be > 0"),
    "asks out of order": (f"1000200,50,1000000,60,1000100,9,{NONE_BID}", "levels out of order: ask_price_1"),
    "bids out of order": (f"1000200,50,1000000,60,{NONE_ASK},1000000,9", "levels out of order: bid_price_1"),
    "level after a gap": (f"{NONE_ASK},1000000,60,1000200,50,{NONE_BID}", "levels out of order: ask_price_1"),
    "price huge": (f"3000000000,50,1000000,60,{NONE_ASK},{NONE_BID}", "price must be in"),
    "size huge": (f"1000200,3000000000,1000000,60,{NONE_ASK},{NONE_BID}", "level size must be below"),
}


@pytest.mark.parametrize(("row", "reason"), MESSAGE_DAMAGE.values(), ids=MESSAGE_DAMAGE)
def test_damaged_message_is_named_with_file_and_line_or_skipped_in_both_files(tmp_path, row, reason):
    messages, book = write_pair(tmp_path, replaced(MESSAGES, 2, row))
    expect_damage(messages, book, 3, messages, reason)


@pytest.mark.parametrize(("row", "reason"), BOOK_DAMAGE.values(), ids=BOOK_DAMAGE)
def test_damaged_book_row_is_named_with_file_and_line_or_skipped_in_both_files(tmp_path, row, reason):
    messages, book = write_pair(tmp_path, book=replaced(BOOK, 2, row))
    expect_damage(messages, book, 3, book, reason)


def expect_damage(messages, book, line, damaged, reason):
    with pytest.raises(TapeError) as caught:
        read_lobster(messages, book)
    assert str(caught.value).startswith(f"{damaged}:{line}: {reason}")
    assert "\n" not in str(caught.value)
    day = read_lobster(messages, book, lenient=True)
    assert list(day.skipped.values()) == [1]
    assert caught.value.reason.startswith(next(iter(day.skipped)))
    whole = read_lobster(*write_pair(messages.parent))
    assert day.equals(without(whole, [line - 1]))


def without(day, rows):
    kept = np.delete(np.arange(len(day.tape)), rows)
    tape = Tape(day.tape.records[kept], **day.tape.metadata)
    return LobsterDay(tape, day.prices[kept], day.quantities[kept])


def test_time_before_the_previous_row_is_named_or_skipped(tmp_path):
    late = MESSAGES[4].replace("34202.25", "34200.75")
    messages, book = write_pair(tmp_path, replaced(MESSAGES, 4, late))
    with pytest.raises(TapeError, match=r"message_2\.csv:5: times out of order: 34200750000000 ns comes after"):
        read_lobster(messages, book)
    day = read_lobster(messages, book, lenient=True)
    assert day.skipped == {"times out of order": 1}
    assert day.equals(without(read_lobster(*write_pair(tmp_path)), [4]))


@pytest.mark.parametrize("short", [0, 1])
def test_files_of_different_length_are_named_or_cut_to_the_shorter(tmp_path, short):
    lines = [MESSAGES, BOOK]
    lines[short] = lines[short][:-2]
    paths = write_pair(tmp_path, lines[0], lines[1])
    with pytest.raises(TapeError) as caught:
        read_lobster(*paths)
    assert str(caught.value) == f"{paths[1 - short]}:5: row without counterpart: the other file ends after 4 rows"
    day = read_lobster(*paths, lenient=True)
    assert day.skipped == {"row without counterpart": 2}
    assert day.equals(without(read_lobster(*write_pair(tmp_path)), [4, 5]))


def test_several_damaged_rows_are_counted_by_reason_and_the_first_is_named(tmp_path):
    messages = replaced(replaced(MESSAGES, 1, "x"), 3, "34201.5,9,0,10,1000100,-1")
    paths = write_pair(tmp_path, messages, replaced(BOOK, 5, "y"))
    with pytest.raises(TapeError, match=r"message_2\.csv:2: malformed row"):
        read_lobster(*paths)
    day = read_lobster(*paths, lenient=True)
    assert day.skipped == {"malformed row": 2, "type code must be 1 to 7": 1}
    assert day.equals(without(read_lobster(*write_pair(tmp_path)), [1, 3, 5]))


def test_plain_file_cut_within_a_row_is_named(tmp_path):
    messages, book = write_pair(tmp_path)
    messages.write_bytes(messages.read_bytes()[:-12])
    with pytest.raises(TapeError, match=r"message_2\.csv:6: malformed row"):
        read_lobster(messages, book)


@pytest.mark.parametrize("cut", ["message", "orderbook"])
def test_truncated_gzip_is_named_with_its_last_line_or_read_as_far_as_it_goes(tmp_path, cut):
    generator = np.random.default_rng(1)
    count = 20_000
    sizes = generator.integers(1, 10**5, count)
    messages = [f"{34_200 + k},1,{k},{size},1000000,1" for k, size in enumerate(sizes)]
    book = [f"1000200,50,1000000,{total},{NONE_ASK},{NONE_BID}" for total in np.cumsum(sizes)]
    paths = write_pair(tmp_path, messages, book, ".gz")
    whole = read_lobster(*paths)
    damaged = paths[0 if cut == "message" else 1]
    damaged.write_bytes(damaged.read_bytes()[: damaged.stat().st_size // 2])
    with pytest.raises(TapeError, match="truncated file") as caught:
        read_lobster(*paths)
    assert caught.value.line is not None
    rows = caught.value.line - 1
    assert caught.value.path == damaged
    assert count // 4 < rows < count
    day = read_lobster(*paths, lenient=True)
    assert day.equals(without(whole, range(rows, count)))
    assert sum(day.skipped.values()) == count - rows


def test_gzip_with_bytes_overwritten_is_named(tmp_path):
    messages, _ = write_pair(tmp_path, [f"{34_200 + k},1,{k},5,1000100,-1" for k in range(9_000)], BOOK, ".gz")
    raw = bytearray(messages.read_bytes())
    middle = len(raw) // 2
    raw[middle : middle + 200] = bytes(range(200))
    messages.write_bytes(raw)
    with pytest.raises(TapeError, match=r"message_2\.csv\.gz:\d+: truncated file: the gzip stream"):
        read_lobster(messages)


@pytest.mark.parametrize("lenient", [False, True])
def test_file_without_a_usable_row_is_refused(tmp_path, lenient):
    messages, book = write_pair(tmp_path, [], [])
    with pytest.raises(TapeError, match="holds no usable row"):
        read_lobster(messages, book, lenient=lenient)


def test_windows_line_ends_and_a_missing_last_one_are_read(tmp_path):
    messages, book = write_pair(tmp_path)
    day = read_lobster(messages, book)
    for path in (messages, book):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n")[:-2])
    assert read_lobster(messages, book).equals(day)


def recorded(stem):
    folder = os.environ.get("LOBENV_DATA")
    if not folder:
        pytest.skip("LOBENV_DATA does not name the folder of recorded days")
    return [Path(folder) / "lobster" / f"{stem.format(content)}.csv.gz" for content in ("message", "orderbook")]


RECORDED = {
    "AMZN_2012-06-21_34200000_57600000_{}_5": (155_935, 5, [67_822], 63),
    "AMZN_2012-06-21_34200000_57600000_{}_1": (57_515, 1, [], 63),
    "AAPL_2012-06-21_34200000_57600000_{}_1": (118_497, 1, [], 372),
    "AAPL_2012-06-21_first1000_{}_10": (999, 10, [], 0),
}


@pytest.mark.parametrize(("stem", "known"), RECORDED.items(), ids=RECORDED)
def test_recorded_day_is_written_as_it_was_read_but_for_times_beyond_the_nanosecond(tmp_path, stem, known):
    rows, levels, changed, off_tick = known
    paths = recorded(stem)
    day = read_lobster(*paths, symbol=stem[:4])
    assert (len(day.tape), day.levels, day.skipped) == (rows, levels, {})
    copies = [tmp_path / "m.csv", tmp_path / "b.csv"]
    write_lobster(day, *copies)
    original, written = ([[*open_text(path)] for path in pair] for pair in (paths, copies))
    assert written[1] == original[1]
    assert [k for k, (old, new) in enumerate(zip(original[0], written[0], strict=True)) if old != new] == changed
    assert day.tape.undisplayed_off_tick(0.01) == off_tick
    again = read_lobster(*copies, symbol=stem[:4], date=day.tape.date)
    assert again.equals(day)
    displayed = day.tape.records["kind"] != EXECUTE_HIDDEN
    cents = day.rescale(0.01)
    assert np.array_equal(cents.tape.records["price"][displayed] * 100, day.tape.records["price"][displayed])
    assert np.array_equal(np.abs(cents.prices) * 100, np.abs(day.prices))


def open_text(path):
    raw = path.read_bytes()
    return (gzip.decompress(raw) if path.suffix == ".gz" else raw).splitlines()


def test_recorded_messages_without_a_book_are_read():
    path = recorded("MSFT_2012-06-21_34200000_36000000_{}_50")[0]
    day = read_lobster(path)
    assert len(day.tape) == 66_913
    assert day.session_close_ns == 1_800 * 10**9
    assert np.bincount(day.tape.records["kind"]).tolist() == [0, 33_109, 463, 29_623, 3_391, 327]
