"""Any number of learners in one market, each with its own clock and end, and strategies beside them."""

from dataclasses import replace

import numpy as np
import pytest

from lobenv.engine.batch import Batch, InterruptedMarketError
from lobenv.engine.store import Snapshot, SnapshotError
from lobenv.market.tables import ENDED, KILLED, RUNNING
from lobenv.roles.maker.task import Reward, Task
from lobenv.scenario.external import external_of
from lobenv.scenario.loading import load
from lobenv.simulation.market import Market
from lobenv.simulation.participants import attended_by, externals_of
from lobenv.simulation.strategy import Strategy

SHORT = {"session.duration_s": 10, "session.warm_up_s": 2}
CALM = load("calm", SHORT)
ROW = np.zeros(1, np.int64)


def maker(name, scenario=CALM, task=None, **fields):
    """The scenario's maker, with other fields."""
    return replace(external_of(scenario, task=task), name=name, **fields)


def begun(*externals, seed=7, scenario=CALM, **settings):
    batch = Batch(scenario, externals=externals, threads=1, **settings)
    batch.reset(ROW, np.array([seed], np.uint64))
    return batch


def act(batch, distance=-0.9):
    """One step in which everybody quotes so far from the mid."""
    batch.step(np.full((1, batch.num_agents, 2), distance))


def silent(batch):
    act(batch, 1.0)


# ---------------------------------------------------------------- clocks


def test_each_learner_decides_by_its_own_clock():
    batch = begun(
        maker("half"), maker("slow", interval_ns=1_500_000_000, steps=6), maker("fast", interval_ns=250_000_000)
    )
    seen = []
    for _ in range(12):
        seen.append((round(float(batch.worlds.clock["now"][0, 0]) / 1e9, 3), batch.out.due[0].tolist()))
        silent(batch)
    assert seen[:7] == [
        (2.0, [1, 1, 1]),
        (2.25, [0, 0, 1]),
        (2.5, [1, 0, 1]),
        (2.75, [0, 0, 1]),
        (3.0, [1, 0, 1]),
        (3.25, [0, 0, 1]),
        (3.5, [1, 1, 1]),
    ]


def test_a_learner_that_is_not_asked_keeps_its_quotes_and_is_paid_nothing():
    batch = begun(maker("slow", interval_ns=2_000_000_000, steps=5), maker("fast"))
    act(batch)
    for _ in range(3):
        assert (batch.out.due[0].tolist(), batch.out.reward[0, 0]) == ([0, 1], 0.0)
        before = batch.worlds.accounts[0, 1, 0]["orders_sent"].copy()
        act(batch, -0.8)
        assert batch.worlds.accounts[0, 1, 0]["orders_sent"] == before
    assert batch.out.due[0].tolist() == [1, 1]


def test_a_session_ends_for_each_learner_by_itself():
    batch = begun(maker("early", steps=3), maker("late", steps=5))
    status = []
    for _ in range(5):
        silent(batch)
        status.append(batch.out.session[0].tolist())
    assert status == [[RUNNING] * 2, [RUNNING] * 2, [ENDED, RUNNING], [ENDED, RUNNING], [ENDED, ENDED]]


def test_a_killed_learner_ends_alone_and_the_others_go_on():
    batch = begun(maker("reckless", loss_limit=0.01), maker("careful"), scenario=load("volatile", SHORT))
    while batch.out.session[0, 0] == RUNNING:
        batch.step(np.array([[[-1.0, -1.0], [1.0, 1.0]]]))
    assert batch.out.session[0].tolist() == [KILLED, RUNNING]
    assert batch.worlds.accounts[0, 1, 0]["position"] == 0
    silent(batch)
    assert batch.out.due[0].tolist() == [0, 1]


# ---------------------------------------------------------------- nobody shifts anybody


def test_a_silent_second_learner_changes_nothing_for_the_first():
    alone, beside = begun(maker("maker")), begun(maker("maker"), maker("silent"))
    for _ in range(15):
        np.testing.assert_array_equal(alone.out.observation[0, 0], beside.out.observation[0, 0])
        assert alone.out.reward[0, 0] == beside.out.reward[0, 0]
        alone.step(np.array([[[-0.9, -0.9]]]))
        beside.step(np.array([[[-0.9, -0.9], [1.0, 1.0]]]))


def test_learners_of_one_name_are_refused():
    with pytest.raises(ValueError, match="name 'maker' is taken"):
        begun(maker("maker"), maker("maker"))
    with pytest.raises(ValueError, match="name 'noise' is taken"):
        begun(maker("noise"))


def test_each_learner_acts_and_is_paid_by_its_own_task():
    batch = begun(maker("a"), maker("b", task=Task(action="discrete", reward=Reward(mode="pnl"))))
    batch.step(np.array([[[-0.9, -0.9], [9.0, 0.0]]]))
    assert batch.worlds.accounts[0, 1:3, 0]["orders_sent"].tolist() == [2, 0]
    assert batch.out.parts[0, 1, 1:].tolist() == [0.0, 0.0, 0.0]


# ---------------------------------------------------------------- strategies and learners meet


class Resting(Strategy):
    """Bids one tick behind the touch and remembers its fills."""

    timer_interval_s = 1.0

    def __init__(self):
        self.fills = []

    def on_timer(self, market):
        market.cancel_all()
        if market.view.bid is not None:
            market.buy(market.view.bid - 1, 100)

    def on_fill(self, market, fill):
        self.fills.append((fill.exchange_ns, fill.price, fill.qty))


class Near:
    """A policy that quotes near the mid."""

    def reset(self, num_envs, seed):
        self.calls = 0

    def act(self, observation):
        self.calls += 1
        return np.full((len(observation), 2), -0.9)


def with_strategy(seed=7):
    externals = (maker("maker"), *externals_of([Resting()], CALM))
    return begun(*externals, seed=seed, attend=attended_by(lambda: [Resting()]))


def test_a_strategy_plays_in_a_batch_beside_a_learner():
    batch = with_strategy()
    for _ in range(20):
        act(batch)
    assert batch.out.session[0, 0] == ENDED
    assert batch.worlds.accounts[0, 2, 0]["orders_sent"] == 10


def test_a_learner_plays_in_a_plain_market_beside_a_strategy():
    policy = Near()
    market = Market(CALM, [Resting()], seed=7, learners={"maker": policy})
    market.run()
    accounts = {row["name"]: row for row in market.result().accounts.iter_rows(named=True)}
    assert (accounts["maker"]["kind"], accounts["Resting"]["kind"]) == ("learner", "strategy")
    assert accounts["maker"]["orders_sent"] > 0
    assert policy.calls == 20


def test_the_two_ways_to_let_them_meet_are_one_market():
    batch = with_strategy()
    while batch.out.session[0, 0] == RUNNING:
        act(batch)
    market = Market(CALM, [Resting()], seed=7, learners={"maker": Near()})
    market.run(CALM.close_ns / 1e9)
    here, there = batch.worlds.accounts[0, :, 0], market.world.accounts[:, 0]
    np.testing.assert_array_equal(here["volume"][[1, 2]], there["volume"][[2, 1]])
    np.testing.assert_array_equal(here["orders_sent"][3:], there["orders_sent"][3:])


def test_how_often_a_plain_market_with_a_learner_is_stopped_makes_no_difference():
    whole, parts = (Market(CALM, [Resting()], seed=3, learners={"maker": Near()}) for _ in range(2))
    whole.run()
    for until in (1.0, 2.0, 4.0, 4.1, 7.77):
        parts.run(until)
    parts.run()
    np.testing.assert_array_equal(whole.world.accounts, parts.world.accounts)


# ---------------------------------------------------------------- snapshots


def test_a_snapshot_with_several_learners_and_a_strategy_goes_on_bit_for_bit(tmp_path):
    batch = with_strategy()
    for _ in range(6):
        act(batch)
    batch.snapshot().save(tmp_path / "market.npz")
    with pytest.raises(SnapshotError, match="trust=True"):
        Snapshot.load(tmp_path / "market.npz")
    other = with_strategy(seed=8)
    other.restore(Snapshot.load(tmp_path / "market.npz", trust=True))
    assert other.seed_of(0) == 7
    for _ in range(10):
        act(batch)
        act(other)
    assert batch.snapshot().row == other.snapshot().row


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty"])
def test_a_damaged_snapshot_is_refused_in_one_line(tmp_path, damage):
    path = tmp_path / "market.npz"
    begun(maker("maker")).snapshot().save(path)
    content = bytearray(path.read_bytes())
    if damage == "flipped":
        content[len(content) // 2] ^= 1
    path.write_bytes({"cut": content[:-100], "flipped": content, "empty": b""}[damage])
    with pytest.raises(SnapshotError, match=r"market\.npz: is"):
        Snapshot.load(path)


@pytest.mark.parametrize(
    "other",
    [
        lambda: begun(maker("maker"), scenario=load("calm", {**SHORT, "tick_size": 0.05})),
        lambda: begun(maker("maker", task=Task(action="discrete"))),
        lambda: begun(maker("maker", task=Task(reward=Reward(mode="pnl")))),
        lambda: begun(maker("maker"), maker("second")),
        lambda: begun(maker("maker"), tape=True),
    ],
)
def test_a_snapshot_of_another_market_is_refused(other):
    snapshot = begun(maker("maker")).snapshot()
    with pytest.raises(SnapshotError, match="snapshot is of"):
        other().restore(snapshot)


# ---------------------------------------------------------------- runs that do not come to their end


def test_after_a_full_table_a_market_is_refused_until_it_is_restored_or_reset():
    scenario = load("calm", {**SHORT, "capacity.orders": 16})
    batch = Batch(scenario, threads=1)
    with pytest.raises(OverflowError, match=r"capacity\.orders"):
        batch.reset(ROW, np.array([1], np.uint64))
    for call in (lambda: act(batch), lambda: batch.run(10**10), batch.snapshot):
        with pytest.raises(InterruptedMarketError, match="interrupted"):
            call()


def test_a_plain_market_is_refused_after_a_full_table():
    market = Market(load("calm", {**SHORT, "capacity.orders": 16}))
    with pytest.raises(OverflowError, match=r"capacity\.orders"):
        market.run()
    with pytest.raises(InterruptedMarketError, match="interrupted"):
        market.run()
