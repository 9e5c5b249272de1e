"""A LOBSTER day agrees with itself: whatever alters it in sight is found, in the row where it shows."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lobenv.tape.lobster import read_lobster, write_lobster
from lobenv.tape.lobster_pairs import messages_about_other_orders, orders_gone_unsaid, rows_that_do_not_follow
from lobenv.tape.schema import ADD, DELETE, EXECUTE, EXECUTE_HIDDEN, REDUCE, TapeError
from tests.tape.test_lobster import BOOK, MESSAGES, NONE_ASK, NONE_BID, replaced, write_pair
from tests.tape.test_reconstruct import day_of, recorded_market


def wrong_rows(day):
    return np.flatnonzero(rows_that_do_not_follow(day.tape.records, day.prices, day.quantities)).tolist()


def foreign_rows(day):
    return np.flatnonzero(messages_about_other_orders(day.tape.records, day.prices, day.quantities)).tolist()


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), levels=st.integers(1, 6))
def test_whole_day_contradicts_itself_nowhere(seed, levels):
    day = recorded_market(seed, levels, 150)
    assert wrong_rows(day) == []
    assert foreign_rows(day) == []
    assert orders_gone_unsaid(day.tape.records, day.prices, day.quantities) == []


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), levels=st.integers(1, 6), row=st.integers(1, 149), data=st.data())
def test_altered_best_quantity_is_found_in_its_row(seed, levels, row, data):
    day = recorded_market(seed, levels, 150)
    side = data.draw(st.integers(0, 1))
    assume(day.prices[row, side, 0] == day.prices[row - 1, side, 0])
    assume(day.quantities[row, side, 0] > 0)
    day.quantities[row, side, 0] += data.draw(st.integers(1, 1_000))
    assert row in wrong_rows(day)


ALTERED_MESSAGES = {
    "addition of more than the level holds": (0, "34200.5,1,7,101,1000000,1"),
    "size": (2, "34201,2,7,41,1000000,1"),
    "price": (2, "34201,2,7,40,1000100,1"),
    "side": (2, "34201,2,7,40,1000000,-1"),
    "kind": (2, "34201,1,9,40,1000000,1"),
    "hidden execution that took from the book": (4, "34202.25,5,8,50,1000200,-1"),
    "hidden execution beyond the ask": (3, "34201.000000001,5,0,10,1000300,-1"),
}


@pytest.mark.parametrize(("row", "message"), ALTERED_MESSAGES.values(), ids=ALTERED_MESSAGES)
def test_altered_message_is_refused_with_its_line_or_kept_and_told(tmp_path, row, message):
    paths = write_pair(tmp_path, replaced(MESSAGES, row, message))
    with pytest.raises(TapeError) as caught:
        read_lobster(*paths)
    assert str(caught.value).startswith(f"{paths[0]}:{row + 1}: row does not follow from the row before: ")
    assert "\n" not in str(caught.value)
    day = read_lobster(*paths, lenient=True)
    assert (len(day.tape), day.refused) == (6, ())
    assert day.contradicting[0].line == row + 1


ALTERED_BOOK = {
    "quantity": (3, f"1000200,50,1000000,61,{NONE_ASK},{NONE_BID}"),
    "price": (3, f"1000300,50,1000000,60,{NONE_ASK},{NONE_BID}"),
    "level more": (3, f"1000200,50,1000000,60,1000300,5,{NONE_BID}"),
    "level missing": (3, f"{NONE_ASK},1000000,60,{NONE_ASK},{NONE_BID}"),
}


@pytest.mark.parametrize(("row", "book"), ALTERED_BOOK.values(), ids=ALTERED_BOOK)
def test_altered_book_row_is_refused_with_its_line(tmp_path, row, book):
    with pytest.raises(TapeError, match=rf":{row + 1}: row does not follow from the row before"):
        read_lobster(*write_pair(tmp_path, book=replaced(BOOK, row, book)))


def swapped(lines, k):
    return [*lines[:k], lines[k + 1], lines[k], *lines[k + 2 :]]


@pytest.mark.parametrize("which", ["messages", "book rows"])
@pytest.mark.parametrize("k", [0, 1, 4])
def test_swapped_rows_are_refused(tmp_path, which, k):
    timeless = [f"34200,{line.split(',', 1)[1]}" for line in MESSAGES]
    messages, book = (swapped(timeless, k), BOOK) if which == "messages" else (timeless, swapped(BOOK, k))
    read_lobster(*write_pair(tmp_path, timeless))
    with pytest.raises(TapeError, match="row does not follow from the row before"):
        read_lobster(*write_pair(tmp_path, messages, book))


def test_row_after_a_refused_one_is_not_held_against_the_row_before_it(tmp_path):
    paths = write_pair(tmp_path, replaced(MESSAGES, 2, "x"))
    day = read_lobster(*paths, lenient=True)
    assert [(fault.path, fault.line, fault.reason) for fault in day.refused] == [(paths[0], 3, "malformed row")]
    assert day.contradicting == ()
    assert day.skipped == {"malformed row": 1}


def test_refused_row_is_shown_with_file_line_and_reason(tmp_path):
    paths = write_pair(tmp_path, replaced(MESSAGES, 2, "34201,2,7,-40,1000000,1"))
    (fault,) = read_lobster(*paths, lenient=True).refused
    assert str(fault) == f"{paths[0]}:3: size must be > 0: size is -40"


# Bids alone, at 100 and below, of one order each unless another is added: the book after each message.
ORDERS = {
    "taken from more than it has left": ([(ADD, 1, 5), (ADD, 2, 5), (EXECUTE, 1, 6)], [5, 10, 4], [2]),
    "reduced by all it has left": ([(ADD, 1, 5), (ADD, 2, 5), (REDUCE, 1, 5)], [5, 10, 5], [2]),
    "deleted with less than it has left": ([(ADD, 1, 5), (ADD, 2, 5), (DELETE, 1, 4)], [5, 10, 6], [2]),
    "added while it rests": ([(ADD, 1, 5), (ADD, 1, 5)], [5, 10], [1]),
    "added again after its end": ([(ADD, 1, 5), (DELETE, 1, 5), (ADD, 1, 5)], [5, 0, 5], []),
    "not known": ([(ADD, 1, 5), (DELETE, 9, 2)], [5, 3], []),
    "executed in whole": ([(ADD, 1, 5), (EXECUTE, 1, 5), (EXECUTE_HIDDEN, 0, 3)], [5, 0, 0], []),
}


@pytest.mark.parametrize(("messages", "totals", "found"), ORDERS.values(), ids=ORDERS)
def test_message_must_fit_what_its_order_had_left(messages, totals, found):
    rows = [(kind, order_id, 1, 100, qty) for kind, order_id, qty in messages]
    day = day_of(rows, [{1: {100: total} if total else {}, -1: {}} for total in totals], 2)
    assert foreign_rows(day) == found
    assert wrong_rows(day) == []


def test_message_at_another_price_than_its_orders_is_found():
    books = [{1: {100: 5}, -1: {}}, {1: {100: 5, 99: 5}, -1: {}}, {1: {100: 5}, -1: {}}]
    day = day_of([(ADD, 1, 1, 100, 5), (ADD, 2, 1, 99, 5), (DELETE, 1, 1, 99, 5)], books, 2)
    assert foreign_rows(day) == [2]


def test_order_that_was_out_of_sight_may_have_lost_quantity_there():
    messages = [(ADD, 1, 1, 100, 5), (ADD, 2, 1, 101, 5), (DELETE, 2, 1, 101, 5), (DELETE, 1, 1, 100, 3)]
    books = [{1: {100: 5}, -1: {}}, {1: {101: 5}, -1: {}}, {1: {100: 3}, -1: {}}, {1: {}, -1: {}}]
    assert foreign_rows(day_of(messages, books, 1)) == []


@pytest.mark.parametrize("row", [1, 4])
def test_altered_order_id_is_found_where_the_book_shows_that_the_order_is_gone(tmp_path, row):
    altered = MESSAGES[row].replace(",8,50,", ",9,50,")
    with pytest.raises(TapeError) as caught:
        read_lobster(*write_pair(tmp_path, replaced(MESSAGES, row, altered)))
    order = "9" if row == 1 else "8"
    expected = (
        f":5: order has left the book without a message: its last is line 2: add of 50 at ask 1000200, order {order}"
    )
    assert str(caught.value).endswith(expected)


def test_order_that_went_out_of_sight_may_be_gone_without_a_message():
    messages = [(ADD, 1, 1, 100, 5), (ADD, 2, 1, 101, 5), (DELETE, 2, 1, 101, 5)]
    day = day_of(messages, [{1: {100: 5}, -1: {}}, {1: {101: 5}, -1: {}}, {1: {}, -1: {}}], 1)
    assert orders_gone_unsaid(day.tape.records, day.prices, day.quantities) == []


def test_messages_without_a_book_are_held_against_their_orders(tmp_path):
    path = write_pair(tmp_path, replaced(MESSAGES, 5, "34203.125,3,7,61,1000000,1"))[0]
    with pytest.raises(TapeError, match=r":6: message does not fit its order: delete of 61 at bid 1000000, order 7"):
        read_lobster(path)


def test_written_day_is_read_without_contradiction(tmp_path):
    day = recorded_market(3, 4, 300)
    paths = [tmp_path / f"{name}.csv" for name in ("messages", "book")]
    write_lobster(day, *paths)
    assert (
        read_lobster(*paths, symbol="X", session_open_ns=0)
        .rescale(0.01)
        .tape.equals(read_lobster(*paths, symbol="X", session_open_ns=0, lenient=True).rescale(0.01).tape)
    )
