"""Nothing leaves its field: quantities, values, prices and the window of prices at their very ends."""

import numpy as np
import pytest

from lobenv.engine.batch import Batch
from lobenv.market import exchange
from lobenv.market.tables import HIGHEST_PRICE, LIMIT, MARKET, MOST_SHARES, PEG_PRIMARY, REJECTED
from lobenv.scenario.config import Fees, Fundamental, OpeningBook
from lobenv.scenario.loading import load
from lobenv.simulation.market import Market as PlainMarket
from lobenv.simulation.strategy import Strategy
from lobenv.tape.labels import INTENT_NUMBERS, LIQUIDATION
from lobenv.tape.reasons import (
    REASON_NONE,
    REASON_PRICE_BAND,
    REASON_REPLACED,
    REASON_SESSION_END,
    REASON_TOO_LARGE,
)
from lobenv.tape.schema import DELETE, EXECUTE, REDUCE
from tests.market.driver import Market, small_template
from tests.market.invariants import check_all

# ---------------------------------------------------------------- quantities and values


def last_answer(market, agent):
    """Kind and reason of the last report to an agent."""
    report = [report for report in market.reports() if report.agent == agent][-1]
    return report.kind, report.reason


def test_all_that_rests_on_a_side_fits_its_field():
    market = Market(small_template())
    market.order(1, 1, 1_000, MOST_SHARES - 10)
    market.order(1, 1, 1_000, 10)
    assert market.book()["shown_qty"][0] == MOST_SHARES
    market.order(2, 1, 1_000, 1)
    assert last_answer(market, 2) == (REJECTED, REASON_TOO_LARGE)
    assert (market.book()["shown_qty"][0], market.book()["resting"].tolist()) == (MOST_SHARES, [MOST_SHARES, 0])
    check_all(market.world)


@pytest.mark.parametrize("qty", [MOST_SHARES + 1, 2**31, 2**40, 2**62])
@pytest.mark.parametrize("kind", [LIMIT, MARKET])
def test_a_quantity_beyond_its_field_is_refused_and_nothing_rests(qty, kind):
    market = Market(small_template())
    market.order(1, 1, 1_000, qty, kind=kind)
    assert last_answer(market, 1) == (REJECTED, REASON_TOO_LARGE)
    assert market.queues() == {}


@pytest.mark.parametrize("price", [2**30, 2**31 - 1, 2**31 + 1_000, 2**32 + 1_000, -(2**32) + 1_000])
def test_a_price_beyond_its_field_is_outside_the_band_whatever_its_low_bits_say(price):
    market = Market(small_template())
    market.order(1, 1, price, 10)
    assert last_answer(market, 1) == (REJECTED, REASON_PRICE_BAND)


def test_a_replacement_is_bounded_as_an_order_is():
    market = Market(small_template())
    order = market.order(1, 1, 1_000, 10)
    market.order(2, 1, 999, MOST_SHARES - 20)
    market.replace(1, order, 1_000, 100)
    assert last_answer(market, 1) == (REJECTED, REASON_TOO_LARGE)
    assert market.queues()[1_000] == ([(order, 10, 0)], [])


def test_the_fee_of_a_large_trade_is_what_arithmetic_says():
    price, qty, bps = 100_000.0, 3_000_000, 4.0
    fundamentals = {"SIM": Fundamental(price=price, step_s=1e6)}
    market = Market(small_template(fundamentals=fundamentals, fees=Fees(taker_bps=bps), width=64))
    middle = round(price / 0.01)
    market.order(1, -1, middle, qty)
    market.order(2, 1, middle, qty)
    assert (
        market.account(2)["fees"] == 10_000_000 * qty * 1_000 * 400 // 1_000_000
    )  # $120,000,000 in milliticks x shares
    check_all(market.world)


def test_a_value_that_no_account_could_carry_is_refused():
    fundamentals = {"SIM": Fundamental(price=9_000_000.0, step_s=1e6)}
    market = Market(small_template(fundamentals=fundamentals))
    market.order(1, 1, int(market.book()["base"]) + 5, 2**30)
    assert last_answer(market, 1) == (REJECTED, REASON_TOO_LARGE)


def test_the_window_stops_at_the_highest_price():
    market = Market(small_template())
    market.order(1, 1, 1_000, 5)
    exchange.move_window(market.world, 0, 2**31 - 10)
    assert int(market.book()["base"]) + market.world.levels.shape[1] - 1 == HIGHEST_PRICE
    assert market.queues() == {}
    assert market.account(1)["open_qty"].tolist() == [0, 0]


# ---------------------------------------------------------------- the opening book, pegs


@pytest.mark.parametrize("price", [0.1, 0.02, 10.0])
def test_the_opening_book_ends_at_the_window_and_at_the_lowest_price(price):
    opening = OpeningBook(levels=60, half_spread_ticks=1)
    market = Market(
        small_template(opening=opening, fundamentals={"SIM": Fundamental(price=price, step_s=1e6)}, width=64)
    )
    prices = sorted(market.queues())
    base = int(market.book()["base"])
    assert prices[0] >= max(base, 1)
    assert prices[-1] < base + 64
    check_all(market.world)


def test_a_peg_that_may_not_pay_anything_is_outside_the_band():
    market = Market(small_template())
    market.order(2, 1, 1_000, 10)
    market.reports()
    market.order(1, 1, 0, 5, kind=PEG_PRIMARY)
    assert last_answer(market, 1) == (REJECTED, REASON_PRICE_BAND)


# ---------------------------------------------------------------- what the tape says


def test_the_tape_bears_the_intent_of_both_sides():
    scenario = load("calm", {"session.duration_s": 600, "agents.momentum.label": "momentum_ignition"})
    market = PlainMarket(scenario, seed=3)
    market.run()
    records, label = records_of(market), INTENT_NUMBERS["momentum_ignition"]
    momentum = {i for i, (name, _) in enumerate(names(market)) if name == "momentum"}
    executions = records[np.isin(records["kind"], (EXECUTE,))]
    took = np.isin(executions["aggressor"], list(momentum))
    assert took.sum() > 0
    assert (executions["aggressor_label"][took] == label).all()
    assert (executions["aggressor_label"][~took] == 0).all()
    rested = np.isin(executions["owner"], list(momentum))
    assert (executions["label"][rested] == label).all()


def records_of(market):
    assert market.tape is not None
    return market.tape.records


def names(market):
    from lobenv.simulation.result import names_of_agents

    return names_of_agents(market.scenario, [], [])


def test_a_liquidation_is_labelled_as_one():
    scenario = load("calm", {"session.duration_s": 20})
    batch = Batch(scenario, tape=True)
    batch.reset(np.zeros(1, np.int64), np.array([1], np.uint64))
    while batch.out.session[0, 0] == 0:
        batch.step(np.array([[[-0.9, -0.9]]]))
    held = batch.out.state[0, 0, -1]
    records = batch.tape()
    closing = records[(records["aggressor"] == 1) & (records["aggressor_label"] == LIQUIDATION)]
    assert closing["qty"].sum() == abs(held) > 0


def test_every_removal_bears_its_reason():
    market = PlainMarket(load("calm", {"session.duration_s": 60}), seed=2)
    market.run()
    records = records_of(market)
    removed = np.isin(records["kind"], (DELETE, REDUCE))
    assert (records["reason"][removed] != REASON_NONE).all()
    assert (records["reason"][~removed] == REASON_NONE).all()
    reasons = set(records["reason"][removed].tolist())
    assert {REASON_SESSION_END, REASON_REPLACED} <= reasons
    at_the_end = records["reason"] == REASON_SESSION_END
    assert (records["time"][at_the_end] == market.scenario.close_ns + 1).all()


# ---------------------------------------------------------------- losses that others cause


class Holder(Strategy):
    """Buys once and never acts again."""

    loss_limit = 50.0
    latency = "none"

    def on_start(self, market):
        market.buy(None, 100, "market")


class Seller(Strategy):
    """Moves the market down with its own quotes."""

    latency = "none"
    timer_interval_s = 1.0

    def on_timer(self, market):
        market.cancel_all()
        view = market.view
        if view.bid is not None:
            market.sell(view.bid, 10_000)


def test_a_strategy_that_does_nothing_is_killed_when_the_market_moves_beyond_its_limit():
    market = PlainMarket(load("calm", {"session.duration_s": 60}), [Holder(), Seller()], seed=5)
    market.run()
    accounts = {row["name"]: row for row in market.result().accounts.iter_rows(named=True)}
    assert accounts["Holder"]["killed"]
    assert accounts["Holder"]["position"] == 0
    assert -90 < accounts["Holder"]["pnl"] < -50
