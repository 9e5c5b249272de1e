"""Noise traders act at their rates, at random, and keep at most one order in the book."""

from __future__ import annotations

import math

import numpy as np

from lobenv.agents.noise import Noise
from lobenv.compiled import JIT_ENABLED
from lobenv.scenario.config import Session
from lobenv.tape.schema import ADD
from tests.agents.bench import AGENT, QUICK, market_with, quote, resting, taken_by, tape
from tests.market.driver import SECOND
from tests.market.invariants import check_all

DURATION = 400 if JIT_ENABLED else 100


def test_market_orders_alone_take_both_sides_at_the_touch():
    market = market_with(Noise(market_share=1.0, cancel_share=0.0, **QUICK))
    quote(market, 990, 1_010)
    market.wait(DURATION * SECOND)
    taken = taken_by(market)
    assert set(taken["price"].tolist()) == {990, 1_010}
    assert len(taken) == market.account(AGENT)["orders_sent"] > DURATION / 2
    assert resting(market) == {1: [], -1: []}


def test_limit_orders_alone_never_trade_and_there_is_one_at_most():
    market = market_with(Noise(market_share=0.0, cancel_share=0.0, **QUICK))
    quote(market, 990, 1_010)
    sides = set()
    for _ in range(DURATION):
        market.wait(SECOND)
        orders = resting(market)
        assert len(orders[1]) + len(orders[-1]) <= 1
        sides |= {side for side in (1, -1) if orders[side]}
    assert sides == {1, -1}
    assert market.book()["trades"] == 0
    check_all(market.world)


def test_distances_of_limit_orders_from_the_far_touch_are_geometric():
    mean = 4.0
    market = market_with(Noise(market_share=0.0, cancel_share=0.5, distance_mean_ticks=mean, **QUICK))
    quote(market, 900, 1_000)
    market.wait(4 * DURATION * SECOND)
    rows = tape(market)
    bids = rows[(rows["kind"] == ADD) & (rows["owner"] == AGENT) & (rows["side"] == 1) & (rows["best_ask"] == 1_000)]
    # Sent against an ask of 1,000, which only the trader's own offer, cancelled just before, could have undercut.
    distance = 999 - bids["price"]
    assert distance.min() >= 0
    assert np.median(distance) <= mean + 2


def test_a_trader_that_only_cancels_sends_no_order():
    market = market_with(Noise(cancel_share=1.0, **QUICK))
    quote(market, 990, 1_010)
    market.wait(50 * SECOND)
    assert market.account(AGENT)["orders_sent"] == 0


def test_orders_at_the_far_touch_trade_at_it():
    market = market_with(Noise(market_share=0.0, cancel_share=0.0, at_far_touch=True, **QUICK))
    quote(market, 990, 1_010)
    market.wait(50 * SECOND)
    assert len(taken_by(market)) == market.account(AGENT)["orders_sent"] > 0
    assert resting(market) == {1: [], -1: []}


def test_decisions_come_at_the_rate_of_a_poisson_process():
    market = market_with(Noise(count=20, cancel_share=1.0, **QUICK))
    market.wait(DURATION * SECOND)
    wakes = market.world.agents["wakes"][AGENT:]
    assert abs(wakes.sum() - 20 * DURATION) < 4.5 * math.sqrt(20 * DURATION)
    assert 0.3 * DURATION < wakes.var(ddof=1) < 2.5 * DURATION


def test_traders_who_decide_once_do_so_at_an_even_time_of_the_session():
    config = Noise(count=60, once=True, market_share=1.0, cancel_share=0.0, **QUICK)
    market = market_with(config, session=Session(warm_up_s=0.0, duration_s=40.0))
    quote(market, 990, 1_010)
    market.wait(20 * SECOND)
    first_half = market.world.agents["wakes"][AGENT:].sum()
    market.wait(21 * SECOND)
    assert market.world.agents["wakes"][AGENT:].tolist() == [1] * 60
    assert 15 <= first_half <= 45


def test_sizes_are_mostly_round_lots():
    market = market_with(Noise(market_share=1.0, cancel_share=0.0, count=10, **QUICK))
    quote(market, 990, 1_010)
    market.wait(DURATION * SECOND)
    rows = tape(market)
    sizes = rows["qty"][rows["aggressor"] >= AGENT]
    share = {lots: (sizes == 100 * lots).mean() for lots in (1, 2, 3, 4)}
    margin = 4.5 * 0.5 / math.sqrt(len(sizes))
    for lots, expected in ((1, 0.7), (2, 0.06), (4, 0.0329), (3, 0.004)):
        assert abs(share[lots] - expected) < margin + 0.005  # odd lots of just that size are rare
    assert abs((sizes % 100 != 0).mean() - 0.2) < margin + 0.005
    assert sizes.min() >= 1
    assert sizes.max() <= 1_000
