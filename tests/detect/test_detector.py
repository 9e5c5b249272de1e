"""What every detector is held to, whoever wrote it: what it can read, what it is given, and how it is chosen."""

from __future__ import annotations

import copy
import pickle
from typing import Literal

import numpy as np
import pytest

import lobenv
from lobenv.compiled import kernel
from lobenv.detect import (
    ALERT,
    FEATURES,
    PUBLIC,
    VENUE,
    Detector,
    DetectorConfig,
    DetectorKind,
    LiquidityShock,
    QuoteStuffing,
    available,
    driver,
    in_words,
    number_of,
    scan,
)
from lobenv.registry import RegistrationError
from lobenv.tape import EXECUTE, PUBLIC_RECORD, RECORD, Tape, public_records, venue_records
from lobenv.tape.labels import INTENT_NUMBERS
from tests.detect.tapes import Book

STATE = np.dtype([("seen", "i8"), ("every", "i8")], align=True)


class Every(DetectorConfig):
    """Every second record, or every third, or so."""

    every: int = 2

    def write(self, state: np.ndarray) -> None:
        state["every"] = self.every


class Nth(Every):
    detector: Literal["nth"] = "nth"


class Score(Every):
    detector: Literal["score"] = "score"


class Everywhere(Every):
    detector: Literal["everywhere"] = "everywhere"


class Label(Every):
    detector: Literal["label"] = "label"


@kernel
def watch(state, event, alert):
    state["seen"] += 1
    if state["seen"] % state["every"] != 0:
        return False
    alert["score"] = 0.5
    return True


@kernel
def overrate(state, event, alert):
    alert["score"] = 1.5
    return event["kind"] == EXECUTE


@kernel
def leave_traces(state, event, alert):
    """Writes even where it raises nothing, which no later alert may show."""
    state["seen"] += 1
    if state["seen"] % 2:
        alert["side"], alert["agent"], alert["orders"][3], alert["features"][7] = 1, 5, 6, 7.0
        return False
    return True


@kernel
def peek(state, event, alert):
    return event["label"] != 0


NTH = DetectorKind(Nth, STATE, PUBLIC, (), watch)
OTHERS = (
    DetectorKind(Score, STATE, PUBLIC, (), overrate),
    DetectorKind(Everywhere, STATE, PUBLIC, (), watch, per_book=False),
)


class Traces(Every):
    detector: Literal["traces"] = "traces"


@pytest.fixture(autouse=True, scope="module")
def registered():
    for kind in (NTH, *OTHERS, DetectorKind(Traces, STATE, VENUE, (), leave_traces)):
        lobenv.register_detector(kind)


@pytest.fixture
def records():
    book = Book()
    numbers = [book.add(k, 1, 100 - k, 10, owner=k) for k in range(6)]
    book.execute(6.0, numbers[0], 10)
    book.cancel(7.0, numbers[1])
    found = book.tape().records
    found["label"] = found["aggressor_label"] = INTENT_NUMBERS["spoofing"]
    return found


# ---------------------------------------------------------------- what can be read


def test_a_public_feed_has_no_owner_no_intent_and_no_reason_and_a_venue_s_has_no_intent():
    hidden = {"label", "aggressor_label"}
    assert set(RECORD.names or ()) - set(PUBLIC.record.names or ()) == {"owner", "aggressor", "reason", *hidden}
    assert set(RECORD.names or ()) - set(VENUE.record.names or ()) == hidden


@pytest.mark.parametrize("kind", available().values(), ids=available())
def test_a_detector_is_given_the_records_of_its_feed_and_says_the_same_without_the_rest(kind, records):
    given = kind.feed.take(records)
    assert given.dtype == kind.feed.record
    changed = records.copy()
    for name in set(RECORD.names or ()) - set(kind.feed.record.names or ()):
        changed[name] = 1
    detector = Detector(kind.name)
    alerts = detector.run(records).tobytes()
    detector.reset()
    assert detector.run(changed).tobytes() == alerts
    detector.reset()
    assert detector.run(given).tobytes() == alerts


def test_a_rule_that_asks_for_a_label_does_not_run(records):
    kind = DetectorKind(Label, STATE, VENUE, (), peek)
    with pytest.raises(Exception, match="label"):
        driver.program(kind)(
            np.zeros(1, STATE), np.zeros(1 << 16, np.int32), VENUE.take(records), np.zeros(1, ALERT), 0
        )


@pytest.mark.parametrize("kind", available().values(), ids=available())
def test_every_detector_is_of_a_fixed_size_and_names_what_is_behind_its_alerts(kind):
    assert kind.config().detector == kind.name
    assert not kind.state.hasobject
    assert 0 < len(kind.features) <= FEATURES
    state = np.zeros(1, kind.state)
    kind.config().write(state[0])
    assert state.tobytes() != np.zeros(1, kind.state).tobytes()


# ---------------------------------------------------------------- chunks and books


def test_each_book_is_watched_by_itself_unless_the_detector_watches_all(records):
    records["book"] = np.arange(len(records)) % 3 * 500 - 500
    alone = [Detector("nth").run(records[records["book"] == book])["time"] for book in (-500, 0, 500)]
    assert sorted(Detector("nth").run(records)["time"]) == sorted(np.concatenate(alone))
    assert set(Detector("nth").run(records)["book"]) == {-500, 0, 500}
    assert len(Detector("everywhere").run(records)) == len(records) // 2


def test_more_alerts_than_are_taken_at_once_all_come():
    records = np.zeros(2_000, RECORD)
    records["time"] = np.arange(2_000)
    assert Detector("nth", every=1).run(records)["time"].tolist() == list(range(2_000))
    assert Detector("nth", every=3).run(records)["time"].tolist() == list(range(2, 2_000, 3))


def test_an_alert_shows_nothing_of_records_that_raised_none(records):
    alerts = Detector("traces").run(records)
    assert len(alerts) == len(records) // 2
    assert (set(alerts["side"]), set(alerts["agent"]), alerts["orders"].any()) == ({0}, {-1}, False)
    assert np.isnan(alerts["features"]).all()


def test_after_a_reset_and_in_a_copy_and_from_a_pickle_it_goes_on_as_it_should(records):
    detector = Detector("nth", every=3)
    first = detector.run(records[:4])
    copies = [copy.deepcopy(detector), pickle.loads(pickle.dumps(detector))]
    second = detector.run(records[4:])
    assert [found.run(records[4:]).tobytes() for found in copies] == [second.tobytes()] * 2
    detector.reset()
    assert detector.run(records).tobytes() == np.concatenate([first, second]).tobytes()


def test_no_records_are_no_alerts():
    alerts = Detector("nth").run(np.zeros(0, RECORD))
    assert (len(alerts), alerts.dtype) == (0, ALERT)


def test_a_scan_is_every_detector_from_the_beginning_in_order_of_time(records):
    tape = Tape(records, 0.01, 0, "X", "sim")
    alerts = scan(tape, Nth(every=1), "everywhere")
    assert (np.diff(alerts["time"]) >= 0).all()
    assert len(alerts) == len(records) + len(records) // 2
    with pytest.raises(ValueError, match="detector must be one of"):
        scan(tape, "noth")


# ---------------------------------------------------------------- what is refused


def refusal(action, *arguments, error: type[Exception] = ValueError, **settings) -> str:
    with pytest.raises(error) as caught:
        action(*arguments, **settings)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_records_that_are_not_of_the_feed_are_refused(records):
    wanted = "records must be a one-dimensional array of RECORD or VENUE_RECORD, got"
    assert refusal(Detector("quote_stuffing").run, public_records(records)).startswith(f"{wanted} shape (8,), ")
    assert refusal(Detector("quote_stuffing").run, records[None]).startswith(f"{wanted} shape (1, 8), ")
    assert refusal(Detector("nth").run, venue_records(records)).startswith("records must be")
    assert refusal(Detector("quote_stuffing").run, [1]) == f"{wanted} list"
    assert Detector("nth").run(records[::2].copy()).tobytes() == Detector("nth").run(records[::2]).tobytes()


def test_records_that_go_back_in_time_are_refused_and_nothing_is_lost(records):
    detector = Detector("nth", every=3)
    first = detector.run(records[:4])
    assert refusal(detector.run, records[[4, 6, 5]]) == (
        "records must be in order of time, got 5000000000 ns after 6000000000 ns at record 2"
    )
    assert refusal(detector.run, records[2:]) == (
        "records must be in order of time, got 2000000000 ns after 3000000000 ns at record 0"
    )
    second = detector.run(records[4:])
    assert np.concatenate([first, second]).tobytes() == Detector("nth", every=3).run(records).tobytes()


def test_a_score_that_is_none_is_refused(records):
    line = refusal(Detector("score").run, records)
    assert line == "detector score: score of an alert must lie in 0 … 1, got 1.5"


def test_a_wrong_name_or_setting_is_one_line():
    line = refusal(Detector, "quote_stufing")
    assert line.startswith("detector must be one of liquidity_shock, quote_stuffing, ")
    assert line.endswith(", got 'quote_stufing', did you mean quote_stuffing?")
    assert refusal(Detector, "quote_stuffing", window_s=-1.0) == (
        "detector quote_stuffing: window_s: must be a number of seconds >= 0.01 and <= 3600, got -1.0"
    )
    line = refusal(Detector, "quote_stuffing", windows_s=1.0)
    assert line.startswith("detector quote_stuffing: windows_s: unknown key, did you mean window_s?; allowed are ")
    assert refusal(Detector, QuoteStuffing(), window_s=1.0) == (
        "settings must stand in the configuration that is given, got window_s beside it"
    )


BOUNDS = [
    (config, name, bound)
    for config in (LiquidityShock, QuoteStuffing)
    for name, field in config.model_fields.items()
    if name != "detector"
    for mark in field.metadata
    for bound in (getattr(mark, "ge", None), getattr(mark, "le", None))
    if bound is not None
]


@pytest.mark.parametrize(("config", "name", "bound"), BOUNDS)
def test_at_the_bounds_of_every_setting_it_runs_and_says_what_can_be_believed(config, name, bound, records):
    alerts = Detector(config(**{name: bound})).run(records)
    assert ((alerts["score"] >= 0.0) & (alerts["score"] <= 1.0)).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"config": int}, "config must be a subclass of DetectorConfig"),
        ({"config": DetectorConfig}, "DetectorConfig must have a field"),
        ({"state": np.dtype("i8")}, "state must be a structured dtype"),
        ({"feed": "PUBLIC"}, "feed must be PUBLIC or VENUE, got 'PUBLIC'"),
        ({"features": ["a"]}, "features must be a tuple of at most 8 different names"),
        ({"features": ("a", "a")}, "features must be a tuple of at most 8 different names"),
        ({"features": tuple("abcdefghi")}, "features must be a tuple of at most 8 different names"),
        ({"watch": print}, "watch must be a function under"),
        ({"watch": number_of}, "watch must "),
    ],
)
def test_a_detector_that_is_not_what_it_should_be_is_refused_where_it_is_made(changes, message):
    whole = {"config": Nth, "state": STATE, "feed": PUBLIC, "features": (), "watch": watch}
    assert refusal(DetectorKind, error=TypeError, **(whole | changes)).startswith(message)


def test_two_of_one_name_are_refused_and_the_same_one_again_changes_nothing():
    lobenv.register_detector(NTH)
    other = DetectorKind(Nth, STATE, VENUE, (), watch)
    line = refusal(lobenv.register_detector, other, error=RegistrationError)
    assert line == f"detector 'nth' of {__name__} cannot be added: {__name__} has one of that name already"


def test_numbers_stay_whatever_else_is_registered():
    assert [number_of(name) for name in ("liquidity_shock", "quote_stuffing")] == [1, 2]
    assert number_of("nth") >= 1 << 30


def test_alerts_are_told_in_words(records):
    alerts = np.zeros(2, ALERT)
    alerts["detector"], alerts["time"], alerts["agent"], alerts["side"] = (
        number_of("quote_stuffing"),
        10**9,
        [7, -1],
        [1, 0],
    )
    alerts["orders"][0, :2] = 5, 6
    frame = in_words(alerts)
    assert frame["detector"].to_list() == ["quote_stuffing"] * 2
    assert frame["time_s"].to_list() == [1.0, 1.0]
    assert frame["agent"].to_list() == [7, None]
    assert frame["side"].to_list() == ["bid", None]
    assert frame["orders"].to_list() == [[5, 6], []]
    assert frame["features"][0].startswith("rate_per_s 0, deviations 0")
    assert in_words(alerts[:0]).columns == frame.columns


def test_the_program_is_there_to_be_read():
    assert driver.source("nth").startswith("def run_nth(states, rows, events, alerts, first):\n")


def test_public_records_can_be_all_there_is(records):
    public = public_records(records)
    assert public.dtype == PUBLIC_RECORD
    assert Detector("nth").run(public).tobytes() == Detector("nth").run(records).tobytes()
