"""Arbitrageurs close a gap between two venues when it pays, and work off what one leg left behind."""

from __future__ import annotations

import pytest

from lobenv.agents.arbitrageur import Arbitrageur
from lobenv.scenario.config import Book, Fees, Scenario
from lobenv.settings import FrozenDict
from tests.agents.bench import AGENT, QUICK, market_with, quote
from tests.market.driver import SECOND
from tests.market.invariants import check_all

TWO_VENUES = (Book(name="near", venue="near"), Book(name="far", venue="far"))


def positions(market):
    return market.world.accounts["position"][AGENT].tolist()


@pytest.mark.parametrize("cheap", [0, 1])
def test_a_gap_is_closed_by_buying_on_the_cheap_venue_and_selling_on_the_dear_one(cheap):
    market = market_with(Arbitrageur(margin_ticks=1.0, clip_shares=50, **QUICK), books=TWO_VENUES)
    quote(market, 997, 1_000, qty=120, book=cheap)
    quote(market, 1_005, 1_007, qty=400, book=1 - cheap)
    market.wait(30 * SECOND)
    expected = [120, -120] if cheap == 0 else [-120, 120]
    assert positions(market) == expected
    assert market.world.accounts["cash"][AGENT].sum() == 120 * 5_000
    check_all(market.world)


@pytest.mark.parametrize(("gap", "trades"), [(3, False), (4, True)])
def test_a_gap_must_exceed_both_fees_and_the_margin(gap, trades):
    books = tuple(book.model_copy(update={"fees": Fees(taker_per_share=0.01)}) for book in TWO_VENUES)
    market = market_with(Arbitrageur(margin_ticks=1.0, **QUICK), books=books)
    quote(market, 997, 1_000, book=0)
    quote(market, 1_000 + gap, 1_010, book=1)
    market.wait(10 * SECOND)
    assert (positions(market) != [0, 0]) == trades


def test_a_net_position_beyond_the_limit_is_reduced_at_the_home_venue():
    market = market_with(Arbitrageur(hedge_shares=100, **QUICK), books=TWO_VENUES)
    for book in (0, 1):
        quote(market, 999, 1_001, book=book)
    home = int(market.world.agents["book"][AGENT])
    market.world.accounts["known_position"][AGENT, 1 - home] = 150
    market.wait(3 * SECOND)
    assert market.world.accounts["position"][AGENT, home] == -150


def test_nothing_is_done_while_a_venue_shows_one_side_only():
    market = market_with(Arbitrageur(**QUICK), books=TWO_VENUES)
    quote(market, 997, 1_000, book=0)
    market.order(1, 1, 1_010, 100, book=1)
    market.wait(10 * SECOND)
    assert positions(market) == [0, 0]


@pytest.mark.parametrize(
    ("books", "names", "problem"),
    [
        ((Book(),), (), "an arbitrageur needs two books, it has one"),
        ((Book(name="a"), Book(name="b", venue="far")), ("b",), "an arbitrageur needs two books, it has one"),
        (
            (Book(name="a"), Book(name="b", symbol="ELSE")),
            (),
            "an arbitrageur needs books of one symbol, it has SIM, ELSE",
        ),
    ],
)
def test_an_arbitrageur_without_a_second_book_of_its_symbol_is_refused(books, names, problem):
    with pytest.raises(ValueError, match=f"agents.pairs: {problem}"):
        Scenario(books=books, agents=FrozenDict({"pairs": Arbitrageur(books=names)}))
    Scenario(books=books, agents=FrozenDict({"pairs": Arbitrageur(books=names, count=0)}))
