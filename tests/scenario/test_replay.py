"""Recorded flow: windows of a day as the market gets them, what it makes of them, and what is missing or wrong."""

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest

from lobenv.engine.batch import Batch
from lobenv.market.tables import NEVER, NONE, RECORDING_ROW
from lobenv.scenario.loading import load
from lobenv.scenario.problems import ScenarioError
from lobenv.scenario.recorded_files import input_files
from lobenv.scenario.replay import Recording, _read_day_once
from lobenv.simulation.market import Market
from lobenv.simulation.strategy import Strategy
from lobenv.tape.lobster import read_lobster
from lobenv.tape.reconstruct import excerpt, reconstruct
from lobenv.tape.schema import ADD, DELETE, EXECUTE, EXECUTE_HIDDEN, REDUCE
from tests.scenario.recorded_day import DAY, NONE_ASK, NONE_BID, STEM, write_day

SECOND = 10**9
TICKS = 10_000  # $100.00
# Days on which a side of the book, or all of it, is empty for a while.
ASKS_ALONE = [
    ("1,1,10,1000100,-1", f"1000100,10,{NONE_BID},{NONE_ASK},{NONE_BID}"),
    *((f"1,{k},5,1000200,-1", f"1000100,10,{NONE_BID},1000200,{5 * k - 5},{NONE_BID}") for k in range(2, 6)),
]
EMPTIED = [
    ("1,1,10,999900,1", f"{NONE_ASK},999900,10,{NONE_ASK},{NONE_BID}"),
    ("3,1,10,999900,1", f"{NONE_ASK},{NONE_BID},{NONE_ASK},{NONE_BID}"),
    ("1,2,10,999900,1", f"{NONE_ASK},999900,10,{NONE_ASK},{NONE_BID}"),
    *((f"1,{k},5,1000100,-1", f"1000100,{5 * k - 10},999900,10,{NONE_ASK},{NONE_BID}") for k in range(3, 8)),
]


def scenario_of(folder, changes=None, duration_s=3.0):
    session = {"warm_up_s": 0.5, "duration_s": duration_s}
    return load("replay", {"replay.data": str(folder), "session": session, **(changes or {})})


def recording_at(start_s, scenario):
    """The recording of a scenario with the window of every seed at one place."""
    recording = Recording(scenario)
    recording.window_start_ns = lambda seed: round(start_s * SECOND)
    return recording


def market_of(recording, scenario, strategies=(), seed=0):
    market = Market(scenario, strategies, seed)
    recording.place(market.world, seed)
    return market


def touch(market):
    book = market.world.books[0]
    return [(int(price), int(qty)) for price, qty in zip(book["shown"], book["shown_qty"], strict=True)]


# ---------------------------------------------------------------- windows


def test_window_begins_with_the_resting_orders_in_the_order_of_their_queues(tmp_path):
    rows, mid = recording_at(2.5, scenario_of(write_day(tmp_path))).prepare(0)
    opening = rows[rows["time"] == 0]
    assert opening[["kind", "side", "price", "qty", "reference"]].tolist() == [
        (ADD, 1, TICKS - 1, 100, NONE),
        (ADD, -1, TICKS + 1, 50, NONE),
        (ADD, 1, TICKS - 1, 30, NONE),
    ]
    assert mid == TICKS


def test_window_goes_on_with_the_messages_at_their_times_each_referring_to_its_addition(tmp_path):
    rows, _ = recording_at(2.5, scenario_of(write_day(tmp_path))).prepare(0)
    flow = rows[(rows["time"] > 0) & (rows["time"] < NEVER)]
    assert flow[["time", "kind", "side", "price", "qty", "reference"]].tolist() == [
        (SECOND // 2, REDUCE, 1, TICKS - 1, 40, 0),
        (SECOND * 3 // 2, EXECUTE, 1, TICKS - 1, 60, 0),
        (SECOND * 5 // 2, EXECUTE_HIDDEN, -1, TICKS, 10, NONE),
    ]


def test_message_about_an_order_of_the_same_window_refers_to_its_row_there(tmp_path):
    rows, _ = recording_at(5.5, scenario_of(write_day(tmp_path), duration_s=4.5)).prepare(0)
    in_time = rows[rows["time"] < NEVER]
    assert in_time["kind"].tolist() == [ADD, ADD, ADD, DELETE, ADD, DELETE][: len(in_time)]
    assert in_time["qty"][:2].tolist() == [50, 30]
    deletions = in_time[in_time["kind"] == DELETE]
    assert in_time["price"][deletions["reference"]].tolist() == deletions["price"].tolist()


def test_order_partly_taken_before_the_window_opens_with_what_is_left_of_it(tmp_path):
    rows, _ = recording_at(3.5, scenario_of(write_day(tmp_path))).prepare(0)
    assert rows["qty"][rows["time"] == 0].tolist() == [60, 50, 30]


def test_halts_are_left_out_and_counted(tmp_path):
    recording = recording_at(6.5, scenario_of(write_day(tmp_path)))
    rows, _ = recording.prepare(0)
    assert (recording.day.halts, recording.day.crosses) == (1, 0)
    assert rows["kind"][(rows["time"] > 0) & (rows["time"] < NEVER)].tolist() == [DELETE, ADD]


def test_window_that_begins_with_one_side_empty_is_about_the_best_price_of_the_other(tmp_path):
    only_bids, only_asks = write_day(tmp_path), write_day(tmp_path, STEM.replace("TEST", "MORE"), ASKS_ALONE)
    rows, mid = recording_at(0.5, scenario_of(only_bids, {"replay.symbol": "TEST"})).prepare(0)
    assert (rows["side"][rows["time"] == 0].tolist(), mid) == ([1], TICKS - 1)
    rows, mid = recording_at(0.5, scenario_of(only_asks, {"replay.symbol": "MORE"})).prepare(0)
    assert (rows["side"][rows["time"] == 0].tolist(), mid) == ([-1], TICKS + 1)


def test_window_that_begins_with_an_empty_book_is_about_the_last_price(tmp_path):
    rows, mid = recording_at(1.5, scenario_of(write_day(tmp_path, STEM, EMPTIED))).prepare(0)
    assert np.count_nonzero(rows["time"] == 0) == 0
    assert mid == TICKS - 1


@pytest.mark.parametrize("start_s", [0.5, 1.5])
def test_batch_of_seeds_runs_through_windows_that_begin_with_a_side_or_all_of_the_book_empty(tmp_path, start_s):
    scenario = scenario_of(write_day(tmp_path, STEM, EMPTIED), {"learners.maker.decision_interval_s": 0.5})
    batch = Batch(scenario, 3)
    assert batch._recording is not None
    batch._recording.window_start_ns = lambda seed: round(start_s * SECOND) if seed == 1 else round(3.25 * SECOND)
    batch.reset(np.arange(3), np.arange(3, dtype=np.uint64))
    for _ in range(scenario.steps):
        batch.step(np.zeros((3, 1, 2)))
    assert np.isfinite(batch.out.observation).all()
    assert np.isfinite(batch.out.reward).all()


def test_session_that_opens_later_gets_its_window_later(tmp_path):
    scenario = scenario_of(write_day(tmp_path), {"session.open_s": 2.0})
    early, _ = recording_at(2.5, scenario_of(tmp_path)).prepare(0)
    late, _ = recording_at(2.5, scenario).prepare(0)
    in_time = early["time"] < NEVER
    assert (late["time"][in_time] == early["time"][in_time] + 2 * SECOND).all()


def test_every_window_has_as_many_rows_as_the_longest_and_that_is_no_more_than_needed(tmp_path):
    recording = Recording(scenario_of(write_day(tmp_path)))
    lengths = []
    for start in np.arange(0.0, 6.5, 0.25):
        recording.window_start_ns = lambda seed, start=start: round(start * SECOND)
        rows, _ = recording.prepare(0) if start > 1 else (np.zeros(recording.most_rows, RECORDING_ROW), 0)
        assert len(rows) == recording.most_rows
        lengths.append(np.count_nonzero(rows["time"] < NEVER) if start > 1 else 0)
    assert max(lengths) <= recording.most_rows <= max(lengths) + 1


def test_seed_alone_decides_the_window_and_seeds_spread_over_the_day(tmp_path):
    scenario = scenario_of(write_day(tmp_path))
    starts = np.array([Recording(scenario).window_start_ns(seed) for seed in range(2_000)])
    assert [Recording(scenario).window_start_ns(seed) for seed in range(50)] == starts[:50].tolist()
    slack = 10 * SECOND - 3.5 * SECOND
    assert starts.min() >= 0
    assert starts.max() <= slack
    # Mean and deviation of a uniform draw, within four standard errors of 2,000 of them.
    assert abs(starts.mean() / slack - 0.5) < 4 * np.sqrt(1 / 12 / 2_000)
    assert abs(starts.std() / slack - np.sqrt(1 / 12)) < 0.02


# ---------------------------------------------------------------- in the market


def test_market_that_replays_alone_shows_the_recorded_book(tmp_path):
    scenario = scenario_of(write_day(tmp_path))
    market = market_of(recording_at(2.5, scenario), scenario)
    seen = []
    for until_s in (0.4, 0.5, 1.5, 3.4):
        market.run(until_s)
        seen.append(touch(market))
    bid, ask = TICKS - 1, (TICKS + 1, 50)
    assert seen == [[(bid, 130), ask], [(bid, 90), ask], [(bid, 30), ask], [(bid, 30), ask]]
    assert market.world.clock[0]["recording_dropped"] == 0
    assert market.world.clock[0]["trades"] == 1


def test_window_of_prices_and_the_value_are_about_the_recorded_mid(tmp_path):
    scenario = scenario_of(write_day(tmp_path))
    market = market_of(recording_at(2.5, scenario), scenario)
    book = market.world.books[0]
    assert book["base"] + scenario.capacity.ladder_ticks // 2 == TICKS
    assert book["last_price"] == market.world.fundamentals[0]["value"] == TICKS


class Improver(Strategy):
    """Bids one tick above the recorded bid when it starts: at the end of the warm-up."""

    latency, computation_us = "none", 0.0

    def on_start(self, market):
        market.buy(TICKS, 25)


def test_recorded_execution_meets_the_better_quote_first(tmp_path):
    scenario = scenario_of(write_day(tmp_path))
    market = market_of(recording_at(2.5, scenario), scenario, [Improver()])
    market.run(1.5)
    assert market.gateways[0].position == 25
    # 60 shares were sold: 25 to the better bid, 35 to the recorded order, which keeps 25 of its 60.
    assert touch(market)[0] == (TICKS - 1, 25 + 30)


class Thief(Strategy):
    """Takes the recorded bids, all of them, when it starts: at the end of the warm-up."""

    latency, computation_us = "none", 0.0

    def on_start(self, market):
        market.sell(TICKS - 1, 130)


def test_message_about_an_order_that_was_taken_is_dropped_and_counted(tmp_path):
    scenario = scenario_of(write_day(tmp_path))
    market = market_of(recording_at(2.25, scenario), scenario, [Thief()])
    market.run(0.75)
    assert market.gateways[0].position == -130
    assert market.world.clock[0]["recording_dropped"] == 1


# ---------------------------------------------------------------- which file


def test_files_with_the_most_levels_are_taken(tmp_path):
    write_day(tmp_path)
    shallow = [(message, ",".join(book.split(",")[:4])) for message, book in DAY]
    write_day(tmp_path, STEM.replace("_2.csv", "_1.csv"), shallow[:2])
    assert len(Recording(scenario_of(tmp_path)).day.rows) == len(DAY) - 1


def rename(folder, messages="m.txt", orderbook="b.txt"):
    """Give the day's files names that say nothing."""
    paths = folder / messages, folder / orderbook
    for content, path in zip(("message", "orderbook"), paths, strict=True):
        (folder / STEM.format(content)).rename(path)
    return {"replay.messages": str(paths[0]), "replay.orderbook": str(paths[1])}


def test_files_of_other_names_are_named_one_by_one(tmp_path):
    named = Recording(scenario_of("", rename(write_day(tmp_path))))
    usual = Recording(scenario_of(write_day(tmp_path)))
    assert np.array_equal(named.day.rows, usual.day.rows)
    files = input_files(scenario_of("", rename(tmp_path)))
    assert [file.name for file in files] == ["m.txt", "b.txt"]


def test_file_of_another_name_that_is_not_there_is_refused(tmp_path):
    changes = rename(write_day(tmp_path))
    (tmp_path / "b.txt").unlink()
    assert message_of(scenario_of("", changes)).startswith(f"replay.orderbook: {tmp_path / 'b.txt'}: no such file; ")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"replay.messages": "m.txt"}, "messages and orderbook must be named together, orderbook is not"),
        ({"replay.orderbook": "b.txt"}, "messages and orderbook must be named together, messages is not"),
        (
            {"replay.messages": "m.txt", "replay.orderbook": "b.txt", "replay.data": "day"},
            "data must be empty where messages and orderbook name the files, got 'day'",
        ),
        ({"replay.date": "yesterday"}, "yesterday"),
    ],
)
def test_files_are_named_in_one_way(changes, problem):
    with pytest.raises(ScenarioError) as caught:
        load("replay", changes)
    assert problem in str(caught.value)
    assert "replay" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_day_must_be_chosen_among_several_and_be_there(tmp_path):
    write_day(tmp_path)
    write_day(tmp_path, STEM.replace("06-21", "06-22"), DAY[:-1])
    message = message_of(scenario_of(tmp_path))
    assert message == f"replay.date: must be one of 2012-06-21, 2012-06-22, which are in {tmp_path}"
    wrong = message_of(scenario_of(tmp_path, {"replay.date": "2012-06-23"}))
    assert wrong == f"replay.date: '2012-06-23' is not in {tmp_path}, there are 2012-06-21, 2012-06-22"
    chosen = Recording(scenario_of(tmp_path, {"replay.date": "2012-06-22"}))
    assert len(chosen.day.rows) == len(DAY) - 2


def test_two_recordings_of_one_day_are_refused_by_name(tmp_path):
    write_day(tmp_path)
    write_day(tmp_path, STEM.replace("57600000", "36000000"))
    hours = [STEM.replace("57600000", end).format("message") for end in ("36000000", "57600000")]
    message = message_of(scenario_of(tmp_path))
    assert message == f"replay.data: must name one message file, not {tmp_path}, which holds {', '.join(hours)}"
    assert len(Recording(scenario_of(tmp_path / hours[0])).day.rows) == len(DAY) - 1


# ---------------------------------------------------------------- what was played


def test_input_files_are_known_by_name_size_and_hash(tmp_path):
    write_day(tmp_path)
    expected = []
    for content in ("message", "orderbook"):
        path = tmp_path / STEM.format(content)
        expected.append((path.name, path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest()))
    assert [tuple(file) for file in input_files(scenario_of(tmp_path))] == expected


def test_input_file_is_hashed_again_after_it_has_changed(tmp_path):
    scenario = scenario_of(write_day(tmp_path))
    before = input_files(scenario)
    path = tmp_path / STEM.format("orderbook")
    path.write_bytes(path.read_bytes().replace(b"100", b"101", 1))
    os.utime(path, ns=(1, 1))
    messages, orderbook = input_files(scenario)
    assert messages == before[0]
    assert (orderbook.size, orderbook.sha256 != before[1].sha256) == (before[1].size, True)


def test_scenario_without_a_recorded_day_has_no_input_files():
    assert input_files(load("calm")) == ()


# ---------------------------------------------------------------- what is told


def test_halts_and_crosses_that_are_left_out_are_told_once(tmp_path, capsys):
    stem = STEM.replace("TEST", "HALTED")
    cross = ("6,-1,10,1000000,-1", DAY[-2][1])
    scenario = scenario_of(write_day(tmp_path, stem, [*DAY[:-1], cross, DAY[-1]]))
    for _ in range(2):
        Recording(scenario)
        _read_day_once.cache_clear()
    said = capsys.readouterr().err
    assert said == (
        f"lobenv: {stem.format('message')}: replay leaves out 1 recorded halt and 1 recorded cross: trading goes on, "
        "and no auction is held\n"
    )


def test_file_of_one_level_tells_what_it_cannot_show(tmp_path, capsys):
    stem = STEM.replace("TEST", "SHALLOW").replace("_2.csv", "_1.csv")
    day = [(f"1,{k},5,999900,1", f"{NONE_ASK},999900,{5 * k}") for k in range(1, 6)]
    Recording(scenario_of(write_day(tmp_path, stem, day)))
    said = capsys.readouterr().err
    assert said.startswith(f"lobenv: {stem.format('message')}: a file of one level shows the best price")
    assert said.count("\n") == 1


def test_day_without_halts_on_two_levels_tells_nothing(tmp_path, capsys):
    Recording(scenario_of(write_day(tmp_path, STEM, EMPTIED)))
    assert capsys.readouterr().err == ""


def test_day_of_halts_alone_is_refused(tmp_path):
    write_day(tmp_path, STEM, [("7,0,0,-1,-1", ",".join([NONE_ASK, NONE_BID] * 2))] * 6)
    message = message_of(scenario_of(tmp_path))
    assert message == "replay.data: the recorded day of TEST holds no message about an order"


def test_message_file_itself_may_be_named(tmp_path):
    path = write_day(tmp_path) / STEM.format("message")
    assert len(Recording(scenario_of(path)).day.rows) == len(DAY) - 1


def test_day_is_read_once_and_again_after_it_has_changed(tmp_path):
    scenario = scenario_of(write_day(tmp_path))
    first = Recording(scenario).day
    assert Recording(scenario).day is first
    for content in ("message", "orderbook"):
        os.utime(tmp_path / STEM.format(content), ns=(1, 1))
    assert Recording(scenario).day is not first


def message_of(scenario):
    with pytest.raises(ScenarioError) as caught:
        Recording(scenario)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_missing_data_say_where_there_are_some_and_which_option_names_them(tmp_path):
    nameless = message_of(load("replay"))
    absent = message_of(scenario_of(tmp_path / "none"))
    empty = message_of(scenario_of(tmp_path))
    assert nameless.startswith("replay.data: no recorded day is named; ")
    assert absent.startswith(f"replay.data: {tmp_path / 'none'} does not exist; ")
    assert empty.startswith(
        f"replay.data: {tmp_path} holds no pair of message and orderbook file (files of other names are named by "
        "replay.messages and replay.orderbook); "
    )
    for message in (nameless, absent, empty):
        assert message.endswith(
            "LOBSTER (lobsterdata.com) offers sample files: unpack the message and orderbook file of a day "
            "into a folder and name it by --data DIR (replay.data)"
        )


def test_scenario_without_replay_is_refused():
    assert message_of(load("calm")).startswith("replay: scenario calm has none; LOBSTER")


def test_symbol_must_be_chosen_among_several_and_be_there(tmp_path):
    write_day(tmp_path)
    write_day(tmp_path, STEM.replace("TEST", "MORE"))
    assert message_of(scenario_of(tmp_path)) == f"replay.symbol: must be one of MORE, TEST, which are in {tmp_path}"
    wrong = message_of(scenario_of(tmp_path, {"replay.symbol": "AMZN"}))
    assert wrong == f"replay.symbol: 'AMZN' is not in {tmp_path}, there are MORE, TEST"
    assert len(Recording(scenario_of(tmp_path, {"replay.symbol": "MORE"})).day.rows) == len(DAY) - 1


def test_session_longer_than_the_day_is_refused(tmp_path):
    message = message_of(scenario_of(write_day(tmp_path), duration_s=10))
    assert message == ("session.duration_s: warm-up and duration together must be at most the 10 s recorded, got 10.5")


def test_order_table_too_small_for_the_recorded_book_is_refused(tmp_path):
    many = [
        (f"1,{k + 1},5,{999_900 - 100 * k},1", f"{NONE_ASK},999900,5,{NONE_ASK},{'999800,5' if k else NONE_BID}")
        for k in range(20)
    ]
    write_day(tmp_path, STEM, many)
    message = message_of(scenario_of(tmp_path, {"capacity.orders": 16}))
    assert message == "capacity.orders: must be more than the 20 recorded orders that rest at once, got 16"


def test_damaged_file_is_named_with_its_line(tmp_path):
    write_day(tmp_path, STEM, [*DAY, ("9,7,1,1000000,1", DAY[-1][1])])
    message = message_of(scenario_of(tmp_path))
    path = tmp_path / STEM.format("message")
    assert message.startswith(f"replay.data: {path}:12: ")


# ---------------------------------------------------------------- a real day


def recorded_folder():
    folder = os.environ.get("LOBENV_DATA")
    if not folder:
        pytest.skip("LOBENV_DATA does not name the folder of recorded days")
    return Path(folder) / "lobster"


def real_scenario():
    return load("replay", {"replay": {"data": str(recorded_folder()), "symbol": "AMZN"}})


def real_day():
    paths = [
        recorded_folder() / f"AMZN_2012-06-21_34200000_57600000_{name}_5.csv.gz" for name in ("message", "orderbook")
    ]
    return reconstruct(read_lobster(*paths).rescale(0.01))


@pytest.mark.slow
def test_windows_of_a_real_day_are_those_of_its_tape():
    scenario = real_scenario()
    recording, day = Recording(scenario), real_day()
    for seed in range(40):
        start = recording.window_start_ns(seed)
        expected = excerpt(day, start, scenario.close_ns)
        records = expected.tape.records
        rows, mid = recording.prepare(seed)
        rows = rows[rows["time"] < NEVER]
        for name in ("kind", "side", "price", "qty"):
            assert np.array_equal(rows[name], records[name])
        assert np.array_equal(rows["time"], records["time"] - start)
        refers = rows["reference"] != NONE
        assert np.array_equal(refers, (rows["kind"] > ADD) & (rows["kind"] < EXECUTE_HIDDEN))
        assert np.array_equal(records["order_id"][rows["reference"][refers]], records["order_id"][refers])
        opened = records[expected.opening - 1]
        assert mid == (opened["best_bid"] + opened["best_ask"]) // 2


@pytest.mark.slow
def test_touch_of_a_replayed_real_day_is_the_recorded_one_nearly_always():
    scenario = real_scenario()
    recording, records = Recording(scenario), real_day().tape.records
    agrees = []
    for seed in range(8):
        start = recording.window_start_ns(seed)
        market = market_of(recording, scenario, seed=seed)
        for until_s in range(10, 610, 10):
            market.run(until_s)
            last = records[np.searchsorted(records["time"], start + until_s * SECOND, side="right") - 1]
            agrees.append(market.world.books[0]["shown"].tolist() == [last["best_bid"], last["best_ask"]])
    assert np.mean(agrees) > 0.95


def test_damaged_row_is_refused_with_file_and_line_or_skipped_and_counted_when_lenient(tmp_path):
    folder = write_day(tmp_path)
    messages = next(path for path in folder.glob("*_message_*"))
    lines = messages.read_text().splitlines()
    lines[3] = lines[3].rsplit(",", 1)[0] + ",7"
    messages.write_text("\n".join(lines) + "\n")
    with pytest.raises(ScenarioError, match=rf"{messages.name}:4: "):
        Recording(scenario_of(folder))
    scenario = scenario_of(folder, {"replay.lenient": True})
    with pytest.warns(UserWarning, match=rf"rows skipped: 1 \({messages.name}:4: direction must be 1 or -1: "):
        recording = Recording(scenario)
    assert [(fault.line, fault.detail) for fault in recording.day.faults] == [(4, "direction is 7")]


def test_row_that_contradicts_the_book_is_refused_or_kept_and_told_when_lenient(tmp_path):
    day = [*DAY[:3], ("2,1,41,999900,1", DAY[3][1]), *DAY[4:]]
    folder = write_day(tmp_path, STEM, day)
    assert message_of(scenario_of(folder)).startswith(
        f"replay.data: {folder / STEM.format('message')}:4: row does not follow from the row before: reduce of 41"
    )
    with pytest.warns(UserWarning, match=r"rows kept that contradict others: \d+ \(.*:4: row does not follow"):
        recording = Recording(scenario_of(folder, {"replay.lenient": True}))
    assert recording.day.faults[0].line == 4
    assert len(recording.day.rows) >= len(DAY) - 1
