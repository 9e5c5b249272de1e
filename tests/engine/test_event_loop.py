"""The event loop: causal order, sessions that can be cut anywhere, one result however they are run."""

from __future__ import annotations

import functools
import importlib
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numba.core.dispatcher import Dispatcher

import lobenv
from lobenv.compiled import JIT_ENABLED
from lobenv.compiled.parts import EntryCompiler
from lobenv.market.tables import CLOSED, REACHED, TAPE_FULL
from lobenv.scenario.config import Capacity, Latency, Link
from lobenv.tape.schema import ADD, DELETE, EXECUTE, NO_ASK, NO_BID, REDUCE
from tests.market import parts
from tests.market.driver import SECOND, Market, small_template, trader
from tests.market.invariants import check_all, check_conservation
from tests.market.session import SECONDS, busy_scenario, busy_template, fingerprint, run_session

BUSY = busy_template()
END = (SECONDS + 1) * SECOND
whole_session = functools.cache(run_session)  # read only


# ---------------------------------------------------------------- causal order


def test_messages_that_arrive_at_one_time_are_handled_in_the_order_of_their_sending():
    latencies = {"same": Latency(order_entry=Link(base_us=100), report=Link(base_us=1), feed=Link(base_us=1))}
    traders = [trader(i, latency="same") for i in range(1, 4)]
    market = Market(small_template(*traders, latencies=latencies))
    ids = [market.order(agent, 1, 1_000, 1) for agent in (2, 3, 1, 2, 1)]
    market.wait(SECOND)
    assert market.displayed_ids(1_000) == ids


def test_a_shorter_link_wins_the_race_from_behind():
    latencies = {
        name: Latency(order_entry=Link(base_us=delay), report=Link(base_us=1), feed=Link(base_us=1))
        for name, delay in (("slow", 200), ("fast", 50))
    }
    market = Market(small_template(trader(1, latency="slow"), trader(2, latency="fast"), latencies=latencies))
    slow = market.order(1, 1, 1_000, 1)
    fast = market.order(2, 1, 1_000, 1, after=149_000)
    market.wait(SECOND)
    assert market.displayed_ids(1_000) == [fast, slow]
    market.order(1, 1, 1_001, 1)
    market.order(2, 1, 1_001, 1, after=151_000)
    market.wait(SECOND)
    owners = [market.world.orders["owner"][order & 0xFFFFF] for order in market.displayed_ids(1_001)]
    assert owners == [1, 2]


def test_events_at_the_very_time_are_handled_and_later_ones_are_not():
    latencies = {"link": Latency(order_entry=Link(base_us=100), report=Link(base_us=0), feed=Link(base_us=0))}
    market = Market(small_template(trader(1, latency="link"), latencies=latencies))
    market.order(1, 1, 1_000, 1)
    assert market.run(100_000 - 1) == REACHED
    assert market.queues() == {}
    assert market.run(100_000) == REACHED
    assert (market.now, list(market.queues())) == (100_000, [1_000])


# ---------------------------------------------------------------- whole sessions


def test_every_invariant_holds_through_a_session_with_every_kind_of_trader():
    market = Market(BUSY, seed=3)
    for i in range(4 * SECONDS):
        market.wait(SECOND // 4)
        check_all(market.world)
        assert market.book()["trades"] >= i // 4  # it is a market in which something happens
    market.run(END)
    check_all(market.world)
    world = market.world
    assert (world.books["state"] == CLOSED).all()
    assert world.accounts["open_orders"].sum() == 0
    assert world.clock["trades"][0] == world.books["trades"].sum() > 200
    traders = world.accounts[1:]  # nobody reads the reports of the opening book
    np.testing.assert_array_equal(traders["known_position"], traders["position"])
    np.testing.assert_array_equal(traders["known_cash"], traders["cash"] - traders["fees"])


def test_every_kind_of_trader_trades_in_that_session():
    accounts = whole_session(11).world.accounts
    first = 2  # after the opening book and the onlooker
    for name, group in busy_scenario().agents.items():
        traded = accounts["volume"][first : first + group.count].sum()
        assert traded > 0, f"{name} did not trade"
        first += group.count


def test_a_seed_decides_everything():
    expected = fingerprint(whole_session(11).world)
    assert fingerprint(run_session(11).world) == expected
    assert fingerprint(run_session(12).world) != expected


@pytest.mark.parametrize("step", [SECOND // 3, 7 * SECOND])
def test_where_a_session_is_cut_into_runs_makes_no_difference(step):
    market = Market(BUSY, seed=11)
    for until in (*range(step, END, step), END):
        assert market.run(until) == REACHED
    assert fingerprint(market.world) == fingerprint(whole_session(11).world)


def test_a_copy_made_in_mid_session_goes_on_as_the_original_does():
    market = Market(BUSY, seed=11)
    market.run(7 * SECOND)
    copied, before = market.batch.snapshot(), fingerprint(market.world)
    market.run(END)
    assert fingerprint(market.world) != before
    market.batch.restore(copied)
    assert fingerprint(market.world) == before
    market.run(END)
    straight = Market(BUSY, seed=11)
    straight.run(7 * SECOND)
    straight.batch.tape()  # a copy reads the tape's buffer out
    straight.run(END)
    assert fingerprint(market.world) == fingerprint(straight.world)


def test_a_full_tape_hands_back_control_and_loses_nothing():
    whole = whole_session(11).world
    expected = whole.tape[: int(whole.clock["tape_count"][0])]
    market = Market(busy_template(capacity=Capacity(ladder_ticks=256, feed=2_048, tape=4_096)), seed=11)
    drained = 0
    while (status := market.run(END)) == TAPE_FULL:
        drained += 1
    assert status == REACHED
    assert drained > 0
    np.testing.assert_array_equal(market.batch.tape(), expected)


def test_the_tape_tells_the_displayed_book_at_every_event():
    market = Market(BUSY, seed=5)
    market.run(END // 2)
    for book in (0, 1):
        check_tape(market, book)


def check_tape(market, book):
    """Build the displayed book from the tape alone; hold it to the tape's own quotes and at the end to the market."""
    tape = market.world.tape[: int(market.world.clock["tape_count"][0])]
    depth = {1: {}, -1: {}}
    for row in tape[tape["book"] == book]:
        levels, price, qty = depth.get(int(row["side"]), {}), int(row["price"]), int(row["qty"])
        if row["kind"] == ADD:
            levels[price] = levels.get(price, 0) + qty
        elif row["kind"] in (REDUCE, DELETE, EXECUTE):
            levels[price] -= qty
            assert levels[price] >= 0
            if levels[price] == 0:
                del levels[price]
        bid, ask = max(depth[1], default=NO_BID), min(depth[-1], default=NO_ASK)
        assert (row["best_bid"], row["best_ask"]) == (bid, ask)
        assert (row["bid_qty"], row["ask_qty"]) == (depth[1].get(bid, 0), depth[-1].get(ask, 0))
    displayed = {
        price: sum(left - reserve for _, left, reserve in shown)
        for price, (shown, _) in market.queues(book).items()
        if shown
    }
    assert displayed == depth[1] | depth[-1]


def test_money_and_shares_are_conserved_in_each_book_by_itself():
    market = whole_session(11)
    for book in (0, 1):
        check_conservation(market.world, book)
        assert market.world.books["revenue"][book] > 0


# ---------------------------------------------------------------- one result, one signature


@pytest.mark.skipif(not JIT_ENABLED, reason="compiled code is what plain Python is compared with")
def test_compiled_and_plain_python_give_the_same_session():
    plain = subprocess.run(
        [sys.executable, "-m", "tests.market.session"],
        env=os.environ | {"NUMBA_DISABLE_JIT": "1"},
        cwd=Path(lobenv.__file__).parents[1],
        capture_output=True,
        text=True,
        check=True,
    )
    assert fingerprint(whole_session(11).world) == plain.stdout.strip()


def entry_kernels():
    """Every function of the package, and of the tests' own modules, that is compiled to be called from Python."""
    names = [module.name for module in pkgutil.walk_packages(lobenv.__path__, "lobenv.")]
    modules = [parts, *(importlib.import_module(name) for name in names if not name.startswith("lobenv.adapters"))]
    found = {id(kernel): kernel for module in modules for kernel in vars(module).values() if is_entry(kernel)}
    return list(found.values())


def is_entry(kernel):
    compiler = getattr(kernel, "_compiler", None) if isinstance(kernel, Dispatcher) else None
    return getattr(compiler, "pipeline_class", None) is EntryCompiler


@pytest.mark.skipif(not JIT_ENABLED, reason="plain Python has no signatures")
def test_every_entry_kernel_has_one_signature_whatever_market_it_is_given():
    for template in (BUSY, small_template(), small_template(trader(1), width=128, tape=True)):
        market = Market(template, seed=2)
        market.order(1, 1, int(market.book()["base"]) + 5, 3)
        market.wait(SECOND)
        market.cancel_all(1)
        market.look(1)
    kernels = {kernel.py_func.__name__: kernel for kernel in entry_kernels()}
    counts = {name: len(kernel.signatures) for name, kernel in kernels.items()}
    assert counts["advance"] == 1
    assert {name for name, count in counts.items() if count > 1} == set()
