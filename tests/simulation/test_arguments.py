"""What is handed to a plain market is checked before anything runs: one line, and nothing is lost."""

from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from lobenv.scenario.config import OpeningBook, Scenario, Session
from lobenv.simulation import Market, Strategy, simulate

QUIET = Scenario(session=Session(warm_up_s=1, duration_s=4), opening=OpeningBook(levels=0))


class Idle(Strategy):
    """Does nothing."""


class Steady:
    """Quotes at the touch, but for one decision that is none."""

    def __init__(self, wrong=None):
        self.wrong, self.decisions = wrong, 0

    def reset(self, num_envs, seed):
        self.decisions = 0

    def act(self, observation):
        self.decisions += 1
        return self.wrong if self.decisions == 3 and self.wrong is not None else np.full((1, 2), -1.0)


def refusal(error, call, *arguments, **options):
    with pytest.raises(error) as caught:
        call(*arguments, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("until_s", "error", "words"),
    [
        (float("nan"), ValueError, "until_s must be a finite number, got nan"),
        (float("inf"), ValueError, "until_s must be a finite number, got inf"),
        (10**400, ValueError, "until_s must be a finite number, got 1"),
        (-1, ValueError, r"until_s must be >= 0.0, the present, got -1.0"),
        (1e300, ValueError, "until_s must be <= 4e+09, got 1e+300"),
        ("3", TypeError, "until_s must be a number, got '3'"),
        (True, TypeError, "until_s must be a number, got True"),
        ([1.0], TypeError, "until_s must be a number, got [1.0]"),
    ],
)
def test_a_time_that_is_none_is_refused_and_the_market_stands(until_s, error, words):
    market = Market(QUIET)
    assert words in refusal(error, market.run, until_s)
    market.run(np.float32(1.5))  # pyright: ignore[reportArgumentType]
    assert market.now_ns == 1_500_000_000


def test_numpy_integers_are_prices_and_quantities_and_yes_and_no_are_none():
    gateway = Market(QUIET, [Idle()]).gateways[0]
    order_id = gateway.buy(np.int32(9_999), np.int64(10))  # pyright: ignore[reportArgumentType]
    order = gateway.open_orders[order_id]
    assert (type(order.price), order.price, order.qty) == (int, 9_999, 10)
    refusal(TypeError, gateway.buy, np.True_, 10)
    refusal(TypeError, gateway.buy, 9_999, False)
    refusal(TypeError, gateway.cancel, True)
    assert "market.to_ticks(99.99) makes ticks of $" in refusal(TypeError, gateway.buy, np.float64(99.99), 10)


def test_only_finite_numbers_become_ticks_and_prices():
    gateway = Market(QUIET, [Idle()]).gateways[0]
    prices: tuple[Any, ...] = (Decimal("100.05"), np.float32(100.05), 100)
    counts: tuple[Any, ...] = (np.int32(10_005), np.float32(10_005.5))
    assert [gateway.to_ticks(price) for price in prices] == [
        10_005,
        10_005,
        10_000,
    ]
    assert [gateway.to_price(ticks) for ticks in counts] == [100.05, 100.055]
    for convert, name in ((gateway.to_ticks, "price"), (gateway.to_price, "ticks")):
        assert refusal(ValueError, convert, float("nan")) == f"{name} must be a finite number, got nan"
        assert refusal(TypeError, convert, True) == f"{name} must be a number, got True"
        assert refusal(TypeError, convert, None) == f"{name} must be a number, got None"
        assert refusal(TypeError, convert, "100") == f"{name} must be a number, got '100'"


def test_what_is_no_strategy_or_no_policy_is_refused_by_name():
    assert "got <class" in refusal(TypeError, simulate, QUIET, [Idle])
    assert refusal(TypeError, simulate, QUIET, [Idle]).endswith(": make one with Idle()")
    assert "must be a sequence of Strategy" in refusal(TypeError, simulate, QUIET, Idle())
    assert "must be a sequence of Strategy, got 3" in refusal(TypeError, simulate, QUIET, [Idle(), 3])
    assert "learners must map" in refusal(TypeError, simulate, "calm", learners=[Steady()])
    assert "learners: maker: must have the methods reset and act" in refusal(
        TypeError, simulate, "calm", learners={"maker": Steady}
    )
    assert "did you mean maker?" in refusal(ValueError, simulate, "calm", learners={"makr": Steady()})


@pytest.mark.parametrize("wrong", [[float("nan"), 0.0], [0.0], "no", np.zeros((2, 2))])
def test_an_impossible_action_names_the_learner_and_the_market_asks_again(wrong):
    policy, untroubled = Steady(wrong), Steady()
    market, other = (Market("calm", seed=3, learners={"maker": chosen}) for chosen in (policy, untroubled))
    assert refusal(ValueError, market.run, 14.0).startswith("learner maker: action must ")
    market.run(14.0)
    other.run(14.0)
    assert market.result().accounts.equals(other.result().accounts)
    assert policy.decisions == untroubled.decisions + 1


def test_progress_is_told_on_standard_error_and_changes_nothing(capsys):
    told = simulate("calm", [Idle()], seed=2, until_s=20, progress=True)
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("calm: 20.0 of 20.0 s, ")
    silent = simulate("calm", [Idle()], seed=2, until_s=20)
    assert capsys.readouterr().err == ""
    assert told.accounts.equals(silent.accounts)
    assert told.tape is not None
    assert silent.tape is not None
    assert told.tape.equals(silent.tape)
