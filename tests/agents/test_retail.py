"""Retail traders: marketable within their slippage, or joining the near touch."""

from __future__ import annotations

import math

import numpy as np

from lobenv.agents.retail import Retail
from lobenv.compiled import JIT_ENABLED
from lobenv.tape.schema import ADD
from tests.agents.bench import AGENT, QUICK, market_with, quote, taken_by, tape
from tests.market.driver import SECOND

DURATION = 400 if JIT_ENABLED else 100


def test_a_marketable_order_does_not_execute_beyond_its_slippage():
    market = market_with(Retail(marketable_share=1.0, round_share=1.0, slippage_ticks=2, **QUICK))
    for _ in range(DURATION // 2):
        quote(market, 990, 1_010, qty=10)
        for tick in range(1, 6):
            market.order(1, 1, 990 - tick, 10)
            market.order(1, -1, 1_010 + tick, 10)
        market.wait(SECOND // 10)
    taken = taken_by(market)
    times, first = np.unique(taken["time"], return_index=True)
    assert len(times) > 2
    for rows in np.split(taken, first[1:]):
        assert abs(int(rows["price"][-1]) - int(rows["price"][0])) == 2


def test_an_order_that_is_not_marketable_joins_the_near_touch():
    market = market_with(Retail(marketable_share=0.0, **QUICK))
    quote(market, 990, 1_010)
    market.wait(DURATION * SECOND)
    rows = tape(market)
    added = rows[(rows["kind"] == ADD) & (rows["owner"] == AGENT)]
    assert set(zip(added["side"].tolist(), added["price"].tolist(), strict=True)) == {(1, 990), (-1, 1_010)}
    assert market.book()["trades"] == 0


def test_sizes_are_round_lots_or_odd_lots_of_the_mean():
    market = market_with(Retail(count=10, marketable_share=1.0, size_mean_shares=40.0, round_share=0.5, **QUICK))
    quote(market, 990, 1_010)
    market.wait(DURATION * SECOND)
    rows = tape(market)
    sizes = rows["qty"][rows["aggressor"] >= AGENT]
    odd = sizes[sizes != 100]
    assert abs((sizes == 100).mean() - 0.5) < 4.5 * 0.5 / math.sqrt(len(sizes)) + 0.01
    assert abs(odd.mean() - 40.0) < 4.5 * 40.0 / math.sqrt(len(odd)) + 0.6  # a size of 100 by chance counts as round
    assert odd.min() >= 1
