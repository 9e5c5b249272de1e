"""The flows of agent 0: the opening book, and a recording that is sent into the market as it was."""

from __future__ import annotations

import numpy as np

from lobenv.market.tables import RECORDING_ROW
from lobenv.scenario.build import build
from lobenv.scenario.config import OpeningBook
from lobenv.tape.schema import ADD, DELETE, EXECUTE, REDUCE
from tests.market.driver import MIDDLE, SECOND, Market, small_scenario, small_template, trader
from tests.market.invariants import check_all

# ---------------------------------------------------------------- the opening book


def opened(seed=1, **fields):
    settings = {"levels": 8, "mean_shares": 50.0, "half_spread_ticks": 3, "withdraw_s": 2.0}
    return Market(small_template(opening=OpeningBook(**settings | fields)), seed)


def test_the_opening_book_stands_on_both_sides_of_the_fundamental_value():
    market = opened()
    assert sorted(market.queues()) == [*range(MIDDLE - 10, MIDDLE - 2), *range(MIDDLE + 3, MIDDLE + 11)]
    assert market.account(0)["open_orders"] == 16
    assert market.look(1)["price"].tolist() == [MIDDLE - 3, MIDDLE + 3]
    check_all(market.world)


def test_what_is_left_of_the_opening_book_is_withdrawn():
    market = opened()
    market.wait(2 * SECOND - 1)
    assert len(market.queues()) == 16
    market.wait(1)
    assert market.queues() == {}


def test_sizes_of_the_opening_book_are_exponential_about_their_mean():
    sizes = [left for seed in range(30) for shown, _ in opened(seed).queues().values() for _, left, _ in shown]
    assert min(sizes) >= 1
    assert abs(np.mean(sizes) - 50.5) < 4.5 * 50 / np.sqrt(len(sizes))
    assert 0.2 < np.mean(np.array(sizes) > 50) < 0.55


def test_the_opening_book_depends_on_the_seed_alone():
    assert opened(7).queues() == opened(7, withdraw_s=3.0).queues() != opened(8).queues()


# ---------------------------------------------------------------- recorded flow


def replayed(*rows):
    """A market with a recording, one row a second, of (kind, side, price, qty, row it is about, shares then left)."""
    recording = np.zeros(len(rows), RECORDING_ROW)
    recording["time"] = np.arange(len(rows)) * SECOND
    for i, row in enumerate(rows):
        for name, value in zip(("kind", "side", "price", "qty", "reference", "left"), row, strict=True):
            recording[name][i] = value
    return Market(build(small_scenario(), (trader(1), trader(2)), recording=recording))


def shares_at(market, price):
    return [left for _, left, _ in market.queues().get(price, ([], []))[0]]


def test_recorded_additions_reductions_and_deletions_are_sent_at_their_times():
    market = replayed(
        (ADD, 1, 1_000, 10, -1, 10),
        (ADD, 1, 1_000, 20, -1, 20),
        (REDUCE, 1, 1_000, 4, 0, 6),
        (DELETE, 1, 1_000, 20, 1, 0),
    )
    shares = []
    for _ in range(4):
        shares.append(shares_at(market, 1_000))
        market.wait(SECOND)
    assert shares == [[10], [10, 20], [6, 20], [6]]
    assert market.world.clock["recording_dropped"] == 0


def test_a_recorded_execution_takes_the_recorded_order_where_nobody_else_is_before_it():
    market = replayed((ADD, -1, 1_002, 10, -1, 10), (EXECUTE, -1, 1_002, 4, 0, 6), (ADD, -1, 1_005, 1, -1, 1))
    market.wait(3 * SECOND)
    assert shares_at(market, 1_002) == [6]
    assert market.world.clock["recording_trimmed"] == 0


def test_a_recorded_execution_meets_whoever_is_first_and_the_recorded_order_is_then_brought_down():
    market = replayed((ADD, -1, 1_002, 10, -1, 10), (EXECUTE, -1, 1_002, 8, 0, 2), (ADD, -1, 1_005, 1, -1, 1))
    market.order(1, -1, 1_001, 5, after=SECOND // 2)
    market.wait(SECOND)
    assert market.account(1)["position"] == -5
    assert shares_at(market, 1_002) == [7]
    market.wait(SECOND)
    assert shares_at(market, 1_002) == [2]
    assert market.world.clock["recording_trimmed"] == 1


def test_a_recorded_execution_does_not_trade_beyond_its_price_and_leaves_nothing_behind():
    market = replayed((EXECUTE, -1, 1_002, 10, -1, 0))
    market.wait(SECOND)
    assert market.queues() == {}
    behind = replayed((ADD, -1, 1_000, 1, -1, 1), (EXECUTE, -1, 1_002, 10, -1, 0))
    behind.order(1, -1, 1_003, 10)
    behind.wait(2 * SECOND)
    assert list(behind.queues()) == [1_003]


def test_a_recorded_message_about_an_order_that_is_gone_is_dropped_and_counted():
    market = replayed((ADD, 1, 1_000, 10, -1, 10), (REDUCE, 1, 1_000, 4, 0, 6), (DELETE, 1, 1_000, 6, 0, 0))
    market.order(2, -1, 1_000, 10, after=SECOND // 2)
    market.wait(3 * SECOND)
    assert market.world.clock["recording_dropped"] == 2
    check_all(market.world)


def test_rows_of_one_time_are_sent_in_their_order():
    recording = np.zeros(6, RECORDING_ROW)
    recording["time"], recording["kind"], recording["side"] = SECOND, ADD, 1
    recording["price"], recording["qty"], recording["reference"] = 1_000, np.arange(1, 7), -1
    market = Market(build(small_scenario(), (trader(1), trader(2)), recording=recording))
    market.wait(SECOND)
    assert shares_at(market, 1_000) == [1, 2, 3, 4, 5, 6]
