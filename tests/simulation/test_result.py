"""A result printed and drawn: what happened and who earned what, in a few lines and in a picture."""

import sys

import numpy as np
import pytest

from lobenv.scenario.config import FEE_SCHEDULES
from lobenv.scenario.loading import load
from lobenv.simulation import Strategy, simulate
from lobenv.simulation.chart import fills_of, mid_of, pnl_of

CHARGED = load("calm", {"books.0.fees": dict(FEE_SCHEDULES["crypto"])})


class Trader(Strategy):
    """Quotes inside the spread and takes now and then."""

    timer_interval_s = 0.5
    inventory_cap_shares = 500

    def on_start(self, market):
        self.turns = 0

    def on_timer(self, market):
        self.turns += 1
        market.cancel_all()
        if market.view.bid is not None:
            market.buy(market.view.bid, 100)
        if self.turns % 7 == 0 and market.position > 0:
            market.sell(None, market.position, "market")


class AtTheTouch:
    def reset(self, num_envs, seed): ...

    def act(self, observation):
        return np.full((1, 2), -1.0)


def test_a_printed_result_says_what_happened_and_what_each_earned():
    result = simulate(CHARGED, [Trader(), Trader(name="Second")], seed=5, until_s=40, learners={"maker": AtTheTouch()})
    lines = repr(result).splitlines()
    assert str(result) == repr(result)
    assert lines[0] == "Result of calm, seed 5, 40.000 of 610.000 s"
    assert f"{result.counters.events:,} events" in lines[1]
    assert f"{result.counters.trades:,} trades" in lines[1]
    rows = [line.split() for line in lines[3:]]
    outside = result.accounts.rows(named=True)[1:4]
    assert [row[:3] for row in rows] == [[own["name"], own["kind"], f"{own['pnl']:,.2f}"] for own in outside]
    assert [row[4] for row in rows] == [f"{own['position']:,}" for own in outside]


def test_a_printed_result_stays_short_with_many_strategies_and_without_any():
    many = simulate("calm", [Trader(name=f"number {i}") for i in range(20)], until_s=11, tape=False)
    assert len(repr(many).splitlines()) == 10
    assert repr(many).endswith("… and 14 more: see result.accounts")
    assert "no tape" in repr(many)
    assert repr(simulate("calm", until_s=1)).endswith("no strategy and no learner traded in it")


def test_what_is_drawn_of_fills_and_earnings_is_what_the_accounts_say():
    result = simulate(CHARGED, [Trader()], seed=5, until_s=60, learners={"maker": AtTheTouch()})
    for agent in (1, 2):
        account = result.accounts.row(agent, named=True)
        fills = fills_of(result, agent, 0)
        assert np.abs(fills.qty).sum() == account["volume"] > 0
        assert fills.qty.sum() == account["position"]
        assert fills.fee.sum() == pytest.approx(account["fees"], abs=1e-3)
        times, pnl = pnl_of(result, agent)
        assert (times[-1], pnl[-1]) == (60.0, pytest.approx(account["pnl"], abs=1e-3))
        assert pnl[0] == 0.0
    own = result.reports.filter(result.reports["kind"].is_in(["fill", "partial"]))
    assert own["qty"].sum() <= np.abs(fills_of(result, 1, 0).qty).sum()


def test_there_is_no_mid_while_a_side_is_empty():
    result = simulate("calm", seed=5)
    _, mid = mid_of(result, 0)
    assert np.isnan(mid[-1]), "the close has cancelled everything"
    assert np.isfinite(mid).sum() > 1_000


@pytest.mark.parametrize(
    ("scenario", "strategies", "panels"), [("two_venues", [Trader()], 3), ("calm", [Trader()], 2), ("calm", [], 1)]
)
def test_a_result_is_drawn_with_a_panel_a_book_and_one_of_earnings(tmp_path, scenario, strategies, panels):
    pytest.importorskip("matplotlib")
    figure = simulate(scenario, strategies, seed=5, until_s=30).plot(tmp_path / "result.png")
    assert len(figure.axes) == panels
    assert (tmp_path / "result.png").read_bytes().startswith(b"\x89PNG")


def test_a_picture_that_cannot_be_drawn_is_refused_in_one_line(monkeypatch):
    with pytest.raises(ValueError, match="run with tape=True"):
        simulate("calm", until_s=1, tape=False).plot()
    result = simulate("calm", until_s=1)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r'needs Matplotlib: run pip install "lobenv\[lab\]"'):
        result.plot()
