"""Reconstruction: the complete tape, replayed order by order from an empty book, is the orderbook file in every row."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lobenv.tape.levels import replay_levels
from lobenv.tape.lobster import LobsterDay, read_lobster
from lobenv.tape.reconstruct import excerpt, reconstruct
from lobenv.tape.schema import (
    ADD,
    ADOPTED,
    DELETE,
    EXECUTE,
    EXECUTE_HIDDEN,
    FIELDS,
    NO_ASK,
    NO_BID,
    RECORD,
    REDUCE,
    Tape,
    TapeError,
)


class NaiveBook:
    """Orders by side, price and id; refuses a record about an order that is not there or has too little."""

    def __init__(self):
        self.orders = {}
        self.queues = {1: {}, -1: {}}

    def apply(self, kind, order_id, side, price, qty):
        if kind == ADD:
            assert order_id not in self.orders
            assert qty > 0
            self.orders[order_id] = (side, price)
            self.queues[side].setdefault(price, {})[order_id] = qty
        elif kind in (REDUCE, DELETE, EXECUTE):
            assert self.orders[order_id] == (side, price)
            queue = self.queues[side][price]
            left = queue[order_id] - qty
            assert left == 0 if kind == DELETE else left > 0 if kind == REDUCE else left >= 0
            queue[order_id] = left
            if left == 0:
                del queue[order_id], self.orders[order_id]
            if not queue:
                del self.queues[side][price]

    def best(self, side, levels):
        prices = sorted(self.queues[side], reverse=side > 0)[:levels]
        absent = [(NO_BID if side > 0 else NO_ASK, 0)] * (levels - len(prices))
        return [(price, sum(self.queues[side][price].values())) for price in prices] + absent


def rows_of(records):
    return zip(*(records[name].tolist() for name in ("kind", "order_id", "side", "price", "qty")), strict=True)


def naive_matches(reconstruction, day):
    """(N,) whether the naive book shows the file's row after each message."""
    book = NaiveBook()
    message_at = {int(position): k for k, position in enumerate(reconstruction.positions)}
    match = np.zeros(len(day.tape), bool)
    for index, row in enumerate(rows_of(reconstruction.tape.records)):
        book.apply(*row)
        k = message_at.get(index)
        if k is not None:
            shown = [list(zip(day.prices[k, s].tolist(), day.quantities[k, s].tolist(), strict=True)) for s in (0, 1)]
            match[k] = [book.best(1, day.levels), book.best(-1, day.levels)] == shown
    return match


def day_of(messages, books, levels, start=0):
    """A day from (kind, order_id, side, price, qty) rows and the full book, {side: {price: qty}}, after each."""
    records = np.zeros(len(messages), RECORD)
    records["time"] = start + 10 * np.arange(len(messages))
    records["owner"] = records["aggressor"] = -1
    for name, column in zip(("kind", "order_id", "side", "price", "qty"), zip(*messages, strict=True), strict=True):
        records[name] = column
    prices = np.zeros((len(messages), 2, levels), np.int32)
    prices[:, 0], prices[:, 1] = NO_BID, NO_ASK
    quantities = np.zeros_like(prices)
    for k, book in enumerate(books):
        for index, side in enumerate((1, -1)):
            for level, price in enumerate(sorted(book[side], reverse=side > 0)[:levels]):
                prices[k, index, level], quantities[k, index, level] = price, book[side][price]
    records["best_bid"], records["best_ask"] = prices[:, 0, 0], prices[:, 1, 0]
    records["bid_qty"], records["ask_qty"] = quantities[:, 0, 0], quantities[:, 1, 0]
    return LobsterDay(Tape(records, 0.01, 0, "X", "NASDAQ"), prices, quantities)


def recorded_market(seed, levels, count, warm_up=60):
    """A market of which only the messages that concern its best levels are recorded, as LOBSTER does."""
    generator = np.random.default_rng(seed)
    book, next_id = NaiveBook(), 1
    messages, books = [], []
    while len(messages) < count:
        side = int(generator.choice([1, -1]))
        own = book.best(side, 100)
        row = None
        if generator.random() < 0.52 or own[0][1] == 0:
            opposite = book.best(-side, 1)[0]
            limit = opposite[0] if opposite[1] else 1_000 + side
            price = limit - side * int(generator.integers(1, 9))
            row = (ADD, next_id, side, price, int(generator.integers(1, 20)))
            next_id += 1
        else:
            queue = book.queues[side]
            price = own[0][0] if generator.random() < 0.4 else int(generator.choice(list(queue)))
            order_id = int(generator.choice(list(queue[price])))
            held = queue[price][order_id]
            kinds = [DELETE, REDUCE] if held > 1 else [DELETE]
            kind = int(generator.choice([*kinds, EXECUTE] if price == own[0][0] else kinds))
            qty = held if kind == DELETE else int(generator.integers(1, held + (kind == EXECUTE)))
            row = (kind, order_id, side, price, qty)
        before = [book.best(s, levels) for s in (1, -1)]
        book.apply(*row)
        warm_up -= 1
        if warm_up < 0 and before != [book.best(s, levels) for s in (1, -1)]:
            messages.append(row)
            books.append({s: {p: sum(q.values()) for p, q in book.queues[s].items()} for s in (1, -1)})
    return day_of(messages, books, levels)


@pytest.mark.parametrize("levels", [1, 2, 5])
@pytest.mark.parametrize("seed", range(6))
def test_market_seen_through_its_best_levels_is_reproduced_in_every_row(seed, levels):
    day = recorded_market(seed, levels, 600)
    result = reconstruct(day)
    assert result.levels_match.all()
    assert naive_matches(result, day).all()
    assert result.adoptions > 0
    check_bookkeeping(result, day)


def check_bookkeeping(result, day):
    records, original = result.tape.records, day.tape.records
    messages = records[result.positions]
    supplied = np.delete(records, result.positions)
    assert (messages["source"] == 0).all()
    assert (supplied["source"] == ADOPTED).all()
    assert (supplied["order_id"] < 0).any()
    for name in set(FIELDS) - {"order_id", "kind"}:
        assert np.array_equal(messages[name], original[name]), name
    changed = (messages["order_id"] != original["order_id"]) | (messages["kind"] != original["kind"])
    assert result.rewritten == changed.sum()
    assert (np.diff(records["time"]) >= 0).all()
    assert result.opening == result.positions[0]
    assert (records["best_bid"] < records["best_ask"]).all()


def test_first_row_is_built_at_the_front_and_its_message_undone():
    day = day_of([(ADD, 5, 1, 100, 30)], [{1: {100: 50, 99: 7}, -1: {103: 4}}], levels=2)
    result = reconstruct(day)
    supplied = result.tape.records[: result.opening]
    assert sorted(zip(supplied["price"].tolist(), supplied["qty"].tolist(), strict=True)) == [
        (99, 7),
        (100, 20),
        (103, 4),
    ]
    assert naive_matches(result, day).all()
    assert (result.adoptions, result.ghosts, result.rewritten) == (0, 0, 0)


def test_first_message_that_removes_a_level_finds_it_in_the_opening_book():
    day = day_of([(DELETE, 5, 1, 100, 30)], [{1: {99: 7}, -1: {103: 4}}], levels=1)
    result = reconstruct(day)
    assert (100, 30) in {(r["price"], r["qty"]) for r in result.tape.records[: result.opening]}
    assert naive_matches(result, day).all()
    assert result.rewritten == 1


def test_order_never_added_is_recorded_against_the_opening_order_of_its_level():
    books = [{1: {100: 50}, -1: {103: 4}}, {1: {100: 38}, -1: {103: 4}}, {1: {100: 8}, -1: {103: 4}}]
    day = day_of([(EXECUTE_HIDDEN, 0, 1, 101, 5), (DELETE, 5, 1, 100, 12), (EXECUTE, 6, 1, 100, 30)], books, levels=1)
    result = reconstruct(day)
    messages = result.tape.records[result.positions]
    own = result.tape.records["order_id"][result.tape.records["price"] == 100][0]
    assert own < 0
    assert messages["order_id"].tolist() == [0, own, own]
    assert messages["kind"].tolist() == [EXECUTE_HIDDEN, REDUCE, EXECUTE]
    assert result.rewritten == 2
    assert len(result.tape) == 3 + 2


def test_level_coming_into_sight_is_adopted_before_the_message_that_uncovers_it():
    day = day_of(
        [(ADD, 5, 1, 100, 30), (DELETE, 5, 1, 100, 30)],
        [{1: {100: 30}, -1: {103: 4}}, {1: {98: 9}, -1: {103: 4}}],
        levels=1,
    )
    result = reconstruct(day)
    kinds = result.tape.records[["kind", "price", "qty"]][result.opening + 1 :].tolist()
    assert kinds == [(ADD, 98, 9), (DELETE, 100, 30)]
    assert (result.adoptions, result.ghosts) == (1, 0)
    assert result.levels_match.all()


def test_order_that_vanished_out_of_sight_is_dropped_when_its_level_should_show():
    day = day_of(
        [(ADD, 5, 1, 99, 30), (ADD, 6, 1, 100, 10), (DELETE, 6, 1, 100, 10)],
        [{1: {99: 30}, -1: {103: 4}}, {1: {100: 10, 99: 30}, -1: {103: 4}}, {1: {98: 8}, -1: {103: 4}}],
        levels=1,
    )
    result = reconstruct(day)
    after = result.tape.records[["kind", "order_id", "qty"]][result.opening + 2 :].tolist()
    assert after == [(DELETE, 5, 30), (ADD, -2, 8), (DELETE, 6, 10)]
    assert (result.adoptions, result.ghosts) == (1, 1)


def test_order_named_later_survives_while_silent_orders_of_its_level_go():
    day = day_of(
        [
            (ADD, 4, 1, 99, 20),
            (ADD, 5, 1, 99, 30),
            (ADD, 6, 1, 100, 10),
            (DELETE, 6, 1, 100, 10),
            (DELETE, 5, 1, 99, 30),
        ],
        [
            {1: {99: 20}, -1: {103: 4}},
            {1: {99: 50}, -1: {103: 4}},
            {1: {100: 10, 99: 30}, -1: {103: 4}},
            {1: {99: 30}, -1: {103: 4}},
            {1: {98: 1}, -1: {103: 4}},
        ],
        levels=1,
    )
    result = reconstruct(day)
    dropped = result.tape.records[(result.tape.records["source"] == ADOPTED) & (result.tape.records["kind"] == DELETE)]
    assert dropped["order_id"].tolist() == [4]
    assert result.rewritten == 0
    assert naive_matches(result, day).all()


def test_reduction_that_takes_all_is_recorded_as_deletion():
    day = day_of([(ADD, 5, 1, 100, 30), (REDUCE, 5, 1, 100, 30)], [{1: {100: 30}, -1: {}}, {1: {}, -1: {}}], levels=1)
    assert reconstruct(day).tape.records["kind"].tolist() == [ADD, DELETE]


def test_day_with_rows_left_out_is_set_right_and_says_where():
    day = recorded_market(3, 2, 400)
    left_out = [50, 51, 120, 200, 333]
    kept = np.delete(np.arange(400), left_out)
    gappy = LobsterDay(Tape(day.tape.records[kept], **day.tape.metadata), day.prices[kept], day.quantities[kept])
    result = reconstruct(gappy)
    matches = naive_matches(result, gappy)
    assert 0 < (~result.levels_match).sum() <= len(left_out)
    assert matches.all()


def test_message_that_contradicts_its_row_is_reported():
    books = [{1: {100: 30}, -1: {103: 4}}] * 3
    day = day_of([(ADD, 5, 1, 100, 30), (ADD, 6, 1, 101, 10), (EXECUTE_HIDDEN, 0, 1, 101, 5)], books, levels=1)
    result = reconstruct(day)
    assert result.levels_match.tolist() == [True, False, False]
    assert naive_matches(result, day).tolist() == [True, False, True]


@st.composite
def contradictory_days(draw):
    """Messages and rows that have nothing to do with each other."""
    size = draw(st.integers(1, 12))
    message = st.tuples(
        st.integers(ADD, EXECUTE_HIDDEN), st.integers(-2, 4), st.sampled_from([1, -1]), st.integers(97, 103),
        st.integers(1, 9),
    )  # fmt: skip
    book = st.fixed_dictionaries(
        {
            1: st.dictionaries(st.integers(97, 100), st.integers(1, 9)),
            -1: st.dictionaries(st.integers(101, 104), st.integers(1, 9)),
        }
    )
    messages = draw(st.lists(message, min_size=size, max_size=size))
    return day_of(messages, draw(st.lists(book, min_size=size, max_size=size)), draw(st.integers(1, 3)))


@settings(max_examples=300, deadline=None)
@given(day=contradictory_days())
def test_even_of_contradictory_files_the_tape_is_consistent_order_by_order_and_no_wrong_row_is_called_right(day):
    result = reconstruct(day)
    matches = naive_matches(result, day)
    assert (matches | ~result.levels_match).all()


@pytest.mark.parametrize("start", [0, 995, 2_000, 5_985])
def test_window_is_a_tape_of_its_own_with_the_queues_of_its_start(start):
    day = recorded_market(2, 3, 600)
    result = reconstruct(day)
    part, opening = excerpt(result, start, 1_000)
    records = part.records
    assert (records["kind"][:opening] == ADD).all()
    assert (records["time"][:opening] == start).all()
    inside = (result.tape.records["time"] >= start) & (result.tape.records["time"] < start + 1_000)
    assert np.array_equal(records[opening:], result.tape.records[inside])
    whole, book = NaiveBook(), NaiveBook()
    for row in rows_of(result.tape.records[result.tape.records["time"] < start]):
        whole.apply(*row)
    quotes = zip(records["best_bid"].tolist(), records["best_ask"].tolist(), strict=True)
    for k, (row, quote) in enumerate(zip(rows_of(records), quotes, strict=True)):
        assert k != opening or queues(book) == queues(whole)
        book.apply(*row)
        assert (book.best(1, 1)[0][0], book.best(-1, 1)[0][0]) == quote


def queues(book):
    return {(side, price): [*queue.items()] for side in (1, -1) for price, queue in book.queues[side].items()}


def test_window_beyond_the_day_holds_the_orders_left_and_no_more():
    result = reconstruct(recorded_market(2, 3, 50))
    part, opening = excerpt(result, 10**9, 1)
    assert len(part) == opening > 0


def test_window_without_length_is_refused():
    with pytest.raises(TapeError, match="length_ns must be > 0, got 0"):
        excerpt(reconstruct(recorded_market(2, 3, 5)), 0, 0)


def test_day_without_an_orderbook_file_is_refused():
    day = recorded_market(2, 3, 5)
    bare = LobsterDay(day.tape, day.prices[:, :, :0], day.quantities[:, :, :0])
    with pytest.raises(TapeError, match="needs the orderbook file"):
        reconstruct(bare)


def test_replayed_levels_are_those_of_the_naive_book():
    day = recorded_market(9, 4, 300)
    tape = reconstruct(day).tape
    prices, quantities = replay_levels(tape, 3)
    book = NaiveBook()
    for k, row in enumerate(rows_of(tape.records)):
        book.apply(*row)
        for index, side in enumerate((1, -1)):
            shown = list(zip(prices[k, index].tolist(), quantities[k, index].tolist(), strict=True))
            assert shown == book.best(side, 3)


def test_replay_of_levels_refuses_what_is_not_there_and_what_int32_cannot_hold():
    books = [{1: {}, -1: {}}] * 2
    with pytest.raises(TapeError, match="record 0 takes 5 at price 100"):
        replay_levels(day_of([(DELETE, 1, 1, 100, 5), (ADD, 1, 1, 100, 5)], books, 1).tape, 1)
    with pytest.raises(TapeError, match="record 1 adds 2147483647 at price 100"):
        replay_levels(day_of([(ADD, 1, 1, 100, 5), (ADD, 2, 1, 100, 2**31 - 1)], books, 1).tape, 1)


@pytest.mark.parametrize("levels", [0, -1])
def test_replayed_levels_must_be_at_least_one(levels):
    with pytest.raises(TapeError, match="levels must be >= 1"):
        replay_levels(recorded_market(2, 3, 5).tape, levels)


RECORDED = {  # rows; corrections at the depth boundary that a replay of prices alone, without orders, has to make
    "AMZN_2012-06-21_34200000_57600000_{}_5": (155_935, 12_051),
    "AMZN_2012-06-21_34200000_57600000_{}_1": (57_515, 8_167),
    "AAPL_2012-06-21_34200000_57600000_{}_1": (118_497, 17_251),
    "AAPL_2012-06-21_first1000_{}_10": (999, 14),
}


@pytest.mark.parametrize(("stem", "known"), RECORDED.items(), ids=RECORDED)
def test_recorded_day_is_reproduced_in_every_row(stem, known):
    folder = os.environ.get("LOBENV_DATA")
    if not folder:
        pytest.skip("LOBENV_DATA does not name the folder of recorded days")
    paths = [Path(folder) / "lobster" / f"{stem.format(content)}.csv.gz" for content in ("message", "orderbook")]
    day = read_lobster(*paths, symbol=stem[:4]).rescale(0.01)
    result = reconstruct(day)
    assert (len(result.levels_match), result.adoptions) == known
    assert result.levels_match.all()
    assert naive_matches(result, day).all()
    check_bookkeeping(result, day)
