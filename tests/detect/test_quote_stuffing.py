"""Quote stuffing: who floods the book and cancels is named; a busy book, a basket and a forced end are not it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lobenv.detect import Detector, QuoteStuffing
from lobenv.tape.reasons import REASON_ON_REQUEST, REASON_SESSION_END
from tests.detect.tapes import Book, pieces
from tests.reference.detectors import quote_stuffers

CONFIG = QuoteStuffing(warm_up_s=20.0)
STUFFER = 7
CALM_S = 30


def calm_book(scale=1):
    """Half a minute in which five owners send some messages a second."""
    book = Book()
    for k in range(CALM_S * 4 * scale):
        time = k / (4 * scale)
        book.cancel(time + 0.1, book.add(time, 1 if k % 2 else -1, 990 if k % 2 else 1_010, 100, owner=k % 5))
    return book


def burst(book, start_s, owners=(STUFFER,), sides=(1,), count=300, reason=REASON_ON_REQUEST):
    """Orders that come and go, one each two milliseconds; their ids."""
    numbers = []
    for k in range(count):
        side, time = sides[k % len(sides)], start_s + k * 0.002
        numbers.append(book.add(time, side, 1_000 - side * 20, 100, owner=owners[k % len(owners)]))
        book.cancel(time + 0.001, numbers[-1], reason)
    return numbers


def run(book, config=CONFIG):
    records = book.tape().records
    return Detector(config).run(records[np.argsort(records["time"], kind="stable")])


def test_an_owner_who_floods_the_book_and_cancels_is_named_once_with_orders_and_window():
    book = calm_book()
    numbers = burst(book, 40.0)
    (alert,) = run(book)
    assert (alert["agent"], alert["side"]) == (STUFFER, 1)
    assert 40_000_000_000 <= alert["start"] < alert["time"] < 40_600_000_000
    assert set(alert["orders"]) <= set(numbers)
    assert len(set(alert["orders"])) == 4
    rate, deviations, mean, deviation, cancelled, traded = alert["features"][:6]
    assert deviations == pytest.approx((rate - mean) / deviation)
    assert deviations > CONFIG.deviations
    assert 0.5 < alert["score"] < 1.0
    assert (cancelled > 0.9, traded) == (True, 0.0)


def test_both_sides_stuffed_are_an_alert_of_no_side():
    book = calm_book()
    burst(book, 40.0, sides=(1, -1))
    assert run(book)["side"].tolist() == [0]


def test_a_second_episode_is_reported_again_although_the_first_was_in_the_past():
    book = calm_book()
    for start_s in (40.0, 60.0, 60.7):
        burst(book, start_s)
    assert (run(book)["time"] // 1_000_000_000).tolist() == [40, 60]


def test_the_same_messages_of_many_owners_are_a_busy_book():
    book = calm_book()
    burst(book, 40.0, owners=tuple(range(10, 60)))
    assert len(run(book)) == 0


def test_a_burst_of_orders_that_stay_is_a_basket():
    book = calm_book()
    for k in range(600):
        book.add(40.0 + k * 0.001, 1, 980 - k % 9, 100, owner=STUFFER)
    assert len(run(book)) == 0


def test_an_owner_who_also_trades_does_not_stuff():
    book = calm_book()
    offer = book.add(39.0, -1, 1_005, 10_000, owner=1)
    for part in range(30):
        burst(book, 40.0 + part * 0.021, count=10)
        book.execute(40.0 + part * 0.021 + 0.02, offer, 10, aggressor=STUFFER)
    assert len(run(book)) == 0


def test_the_same_rate_is_usual_where_the_book_is_always_that_busy():
    book = calm_book(scale=60)
    burst(book, 29.2)
    assert len(run(book)) == 0


def test_what_the_venue_removes_is_nobody_s_message():
    book = calm_book()
    burst(book, 40.0, reason=REASON_SESSION_END)
    assert len(run(book)) == 0


def test_it_is_silent_while_it_still_learns_the_book():
    book = Book()
    burst(book, 1.0)
    assert len(run(book)) == 0


def test_where_nobody_knows_the_owners_nobody_is_accused():
    book = calm_book()
    burst(book, 40.0)
    records = book.tape().public().records
    assert len(Detector(CONFIG).run(records)) == 0


def test_a_stuffer_is_found_among_more_owners_than_are_followed():
    book = calm_book()
    for k in range(300):
        burst(book, 40.0 + k * 0.002, count=1)
        book.add(40.0 + k * 0.002 + 0.001, -1, 1_030, 100, owner=STUFFER + 64 * (k + 1))
    assert run(book)["agent"].tolist() == [STUFFER]


EVENTS = st.lists(
    st.tuples(st.floats(0.001, 1.0), st.integers(0, 3), st.integers(0, 9), st.integers(1, 30)), min_size=1, max_size=12
)


def random_book(events):
    """Bursts of a few owners, with pauses, some executed, some left."""
    book, time = Book(), 0.0
    for wait, owner, what, count in events:
        time += wait
        for _ in range(count):
            time += 0.004
            number = book.add(time, 1, 990 - what, 10, owner)
            if what < 7:
                book.cancel(time + 0.001, number)
            elif what < 8:
                book.execute(time + 0.001, number, 10, aggressor=3 - owner)
    return book


LOOSE = QuoteStuffing(deviations=2.0, warm_up_s=1.0, memory_s=5.0, window_s=0.2, quiet_s=0.5, traded_share=0.5)


@settings(max_examples=20, deadline=None)
@given(EVENTS)
def test_it_says_what_a_slow_look_at_the_whole_past_says(events):
    records = random_book(events).tape().records
    found = Detector(LOOSE).run(records)
    assert list(zip(found["time"].tolist(), found["agent"].tolist(), strict=True)) == quote_stuffers(records, LOOSE)


@settings(max_examples=25, deadline=None)
@given(EVENTS, st.lists(st.integers(0, 400), max_size=8))
def test_how_the_tape_is_cut_makes_no_difference(events, cuts):
    records = random_book(events).tape().records
    detector = Detector(LOOSE)
    cut = [detector.run(piece) for piece in pieces(records, cuts)]
    assert np.concatenate(cut).tobytes() == Detector(LOOSE).run(records).tobytes()
