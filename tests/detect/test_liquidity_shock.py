"""Liquidity shocks: a collapse is reported, its honest neighbours are not, and every source of a tape says the same."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lobenv.detect import ALERT, NO_AGENT, Detector, LiquidityShock
from lobenv.tape import HALT_BEGINS, TRADING_RESUMES, read_lobster, write_lobster
from tests.detect.tapes import Book, pieces
from tests.reference.detectors import liquidity_shocks

QUICK = LiquidityShock(threshold=0.8, updates=3, persistence_s=0.1)
CALM_S = 70


def calm_book():
    """A minute of a deep book, two ticks wide, with a small order that comes and goes each second; its big orders."""
    book = Book()
    big = {(side, step): book.add(0.5, side, 1_000 - side * (1 + step), 1_000) for side in (1, -1) for step in range(4)}
    for second in range(1, CALM_S):
        number = book.add(second, 1, 998, 10)
        book.cancel(second + 0.5, number)
    return book, big


def run(book, config=QUICK):
    return Detector(config).run(book.tape().records)


def collapse():
    """The bid side goes: half the touch is executed, the rest and the level behind it are cancelled."""
    book, big = calm_book()
    book.execute(70.0, big[1, 0], 500)
    book.cancel(70.1, big[1, 0])
    book.cancel(70.2, big[1, 1])
    book.cancel(70.3, big[1, 2])
    book.cancel(70.4, big[1, 3])
    last = book.add(70.5, 1, 980, 20)
    book.reduce(70.6, last, 5)
    return book, big


def test_a_side_that_collapses_is_reported_once_with_what_went():
    book, big = collapse()
    alerts = run(book)
    assert alerts.dtype == ALERT
    assert len(alerts) == 1
    alert = alerts[0]
    assert (alert["side"], alert["book"], alert["agent"]) == (1, 0, NO_AGENT)
    assert alert["time"] == 70_500_000_000
    assert 69_000_000_000 < alert["start"] < 70_500_000_000
    assert alert["score"] == alert["features"][0] == pytest.approx(0.98)
    assert alert["features"][1:4].tolist() == [20, 1_000, 10.5]
    assert np.isnan(alert["features"][6:]).all()
    assert big[1, 3] in alert["orders"]


def test_what_was_executed_and_what_was_cancelled_since_depth_was_there_is_told():
    book, big = calm_book()
    book.execute(70.0, big[-1, 0], 600)
    book.reduce(70.1, big[-1, 0], 395)
    for step in (1, 2, 3):
        book.cancel(70.2, big[-1, step])
    for k in range(3):
        book.cancel(70.3 + k / 10, book.add(70.3 + k / 10, 1, 990, 10))
    config = QUICK.model_copy(update={"spread_ratio": 1.0})
    assert len(run(book, config)) == 0  # the spread is as it was
    book.cancel(71.0, big[-1, 0])
    book.add(71.1, -1, 1_020, 5)
    (alert,) = run(book, config)
    assert alert["features"][4:6].tolist() == [600, 400]
    assert alert["side"] == -1
    assert set(alert["orders"]) == {big[-1, 0], 0}


def test_both_sides_that_thin_out_are_one_alert_of_no_side_without_a_wider_spread():
    book, big = calm_book()
    for side in (1, -1):
        book.reduce(70.0, big[side, 0], 950)
    for k in range(3):
        book.cancel(70.1 + k / 10, book.add(70.1 + k / 10, 1, 990, 10))
    (alert,) = run(book)
    assert alert["side"] == 0


def test_an_order_that_improves_the_touch_is_no_shock():
    book, _ = calm_book()
    book.add(70.0, 1, 1_000, 10)
    book.add(70.1, -1, 1_000 + 1, 5)
    for k in range(20):
        book.cancel(70.2 + k / 10, book.add(70.2 + k / 10, 1, 990, 10))
    assert len(run(book)) == 0


def test_a_touch_that_is_filled_up_again_at_once_is_no_shock():
    book, big = calm_book()
    for step in range(4):
        book.cancel(70.0, big[1, step])
    book.add(70.0, 1, 999, 1_000)
    assert len(run(book, QUICK.model_copy(update={"updates": 6}))) == 0


def test_the_same_book_ten_times_thinner_gives_the_same_alerts():
    book, _ = collapse()
    thin = Book()
    thin.rows = [row | {"qty": row["qty"] // 5} for row in book.rows]
    assert run(thin)["time"].tolist() == run(book)["time"].tolist()
    assert run(thin)["score"].tolist() == run(book)["score"].tolist()


def test_a_second_collapse_is_reported_after_the_depth_was_there_again():
    book, _ = collapse()
    numbers = [book.add(71.0, 1, 999 - step, 1_000) for step in range(2)]
    for number in numbers:
        book.cancel(72.0, number)
    for k in range(3):
        book.cancel(72.1 + k / 10, book.add(72.1 + k / 10, 1, 970, 10))
    assert run(book)["time"].tolist() == [70_500_000_000, 72_100_000_000]


def test_a_halt_is_no_shock_and_what_was_before_it_is_forgotten():
    book, big = calm_book()
    book.halt(70.0, HALT_BEGINS)
    for step in range(4):
        book.cancel(70.1 + step / 10, big[1, step])
    book.halt(80.0, TRADING_RESUMES)
    for k in range(30):
        book.cancel(81.0 + k, book.add(81.0 + k, 1, 980, 10))
    assert len(run(book)) == 0


def test_a_written_and_read_lobster_day_gives_the_same_alerts(tmp_path):
    tape = collapse()[0].tape()
    paths = [tmp_path / f"T_2012-06-21_34200000_57600000_{content}_1.csv" for content in ("message", "orderbook")]
    write_lobster(tape, *paths, levels=1)
    recorded = read_lobster(*paths).tape
    assert set(recorded.records["owner"]) != set(tape.records["owner"])
    alerts = Detector(QUICK).run(recorded.records)
    assert len(alerts) == 1
    assert alerts.tobytes() == Detector(QUICK).run(tape.records).tobytes()


EVENTS = st.lists(
    st.tuples(st.floats(0.01, 3.0), st.sampled_from((1, -1)), st.integers(0, 9), st.integers(1, 1_000)),
    min_size=1,
    max_size=120,
)


def random_book(events):
    """A book of a minute and then of anything: additions at any distance, executions, cancellations."""
    book, _ = calm_book()
    time = float(CALM_S)
    for wait, side, what, qty in events:
        time += wait
        held = [number for number, order in book.resting.items() if order["side"] == side]
        if what < 3 or not held:
            book.add(time, side, 1_000 - side * (1 + what), qty)
        elif what < 8:
            book.cancel(time, held[qty % len(held)])
        else:
            book.execute(time, held[0], min(qty, book.resting[held[0]]["qty"]))
    return book


@settings(max_examples=25, deadline=None)
@given(EVENTS)
def test_it_says_what_a_slow_look_at_the_whole_past_says(events):
    records = random_book(events).tape().records
    config = QUICK.model_copy(update={"threshold": 0.5, "spread_ratio": 1.5})
    found = Detector(config).run(records)
    assert list(zip(*(found[name].tolist() for name in ("time", "side", "score")), strict=True)) == liquidity_shocks(
        records, config
    )


@settings(max_examples=25, deadline=None)
@given(EVENTS, st.lists(st.integers(0, 300), max_size=8))
def test_how_the_tape_is_cut_makes_no_difference(events, cuts):
    records = random_book(events).tape().records
    whole = Detector(QUICK).run(records)
    detector = Detector(QUICK)
    cut = [detector.run(piece) for piece in pieces(records, cuts)]
    assert np.concatenate(cut).tobytes() == whole.tobytes()
