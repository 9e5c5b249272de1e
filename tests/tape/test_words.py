"""A tape in words: columns of codes by name, and a summary that fits a screen."""

import numpy as np
import pytest

from lobenv.tape import schema
from lobenv.tape.labels import INTENTS
from lobenv.tape.reasons import REASON_NAMES, REASON_ON_REQUEST
from lobenv.tape.schema import ADD, DELETE, EXECUTE, EXECUTE_HIDDEN, RECORD, UNKNOWN_AGENT, Tape
from lobenv.tape.words import KIND_WORDS, WORDS


def tape_of(**columns):
    records = np.zeros(len(next(iter(columns.values()))), RECORD)
    for name, values in columns.items():
        records[name] = values
    return Tape(records, 0.01, 0, "AMZN", "NASDAQ", "2012-06-21")


def test_codes_become_words_and_numbers_stay():
    tape = tape_of(
        kind=[ADD, EXECUTE_HIDDEN, DELETE],
        side=[1, -1, 1],
        label=[0, INTENTS.index("spoofing"), 0],
        aggressor_label=[0, INTENTS.index("twap"), 0],
        reason=[0, 0, REASON_ON_REQUEST],
        source=[0, 0, 1],
        qty=[7, 8, 9],
    )
    frame = tape.to_polars(named=True)
    assert frame.columns == tape.to_polars().columns
    assert frame["kind"].to_list() == ["add", "execute hidden", "delete"]
    assert frame["side"].to_list() == ["bid", "ask", "bid"]
    assert frame["label"].to_list() == ["none", "spoofing", "none"]
    assert frame["aggressor_label"].to_list() == ["none", "twap", "none"]
    assert frame["reason"].to_list() == ["none", "none", "on request"]
    assert frame["source"].to_list() == ["recorded", "recorded", "adopted"]
    assert frame["qty"].to_list() == [7, 8, 9]


def test_number_without_a_word_becomes_null():
    assert tape_of(kind=[ADD, 99]).to_polars(named=True)["kind"].to_list() == ["add", None]


def test_every_kind_intent_and_reason_has_a_word_of_its_own():
    kinds = {
        getattr(schema, name) for name in ("ADD", "REDUCE", "DELETE", "EXECUTE", "EXECUTE_HIDDEN", "CROSS", "HALT")
    }
    assert set(KIND_WORDS) == kinds
    assert list(WORDS["label"].values()) == list(INTENTS)
    assert list(WORDS["reason"].values()) == list(REASON_NAMES)
    assert all(len(set(words.values())) == len(words) for words in WORDS.values())


@pytest.mark.parametrize("show", [repr, str])
def test_tape_is_shown_as_a_short_summary(show):
    tape = tape_of(time=[0, 10**9, 2 * 10**9], kind=[ADD, ADD, EXECUTE], owner=[UNKNOWN_AGENT, 3, 4], book=[0, 0, 0])
    assert show(tape).splitlines() == [
        "Tape of AMZN NASDAQ 2012-06-21: 3 records, tick 0.01 $, 0.000 to 2.000 s after the open",
        "  2 add, 1 execute",
        "  1 book, 2 known owners",
    ]


def test_empty_tape_is_shown_in_one_line():
    assert repr(tape_of(time=[])) == "Tape of AMZN NASDAQ 2012-06-21: 0 records, tick 0.01 $"


def test_tape_of_a_million_records_is_shown_in_three_lines():
    assert len(repr(tape_of(kind=np.full(10**6, ADD))).splitlines()) == 3
