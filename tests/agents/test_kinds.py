"""The table of kinds: what a kind has to be, where its traders stand, and the chain that is written from the table."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pytest

from lobenv.agents import dispatch, noise
from lobenv.agents.arbitrageur import Arbitrageur
from lobenv.agents.base import AgentConfig, AgentKind, Place
from lobenv.agents.kinds import BUILT_IN, KINDS, number_of
from lobenv.agents.noise import STATE, Noise, wake
from lobenv.market.memory import ALIGNMENT
from lobenv.market.tables import ONCE, POISSON, REGULAR
from lobenv.scenario.build import build
from lobenv.scenario.config import Book, Scenario
from lobenv.settings import FrozenDict
from tests.agents.bench import AGENT, QUICK, market_with
from tests.market.driver import SECOND


class Punctual(Noise):
    @property
    def rhythm(self) -> int:
        return REGULAR


class Tabled(Noise):
    def shared(self, place: Place) -> np.ndarray | None:
        return np.arange(self.count, dtype=np.int32) if self.count > 1 else None


class Nameless(AgentConfig):
    pass


class Shouting(AgentConfig):
    kind: Literal["Shouting"] = "Shouting"


def two_arguments(world, agent):
    return 0


@pytest.mark.parametrize("kind", BUILT_IN, ids=lambda kind: kind.name)
def test_every_kind_is_chosen_by_a_branch_of_its_own(kind):
    text = dispatch.source()
    assert text.count(f"if kind == {kind.name.upper()}:\n        return {kind.name}_wake(world, agent, next_wake)") == 1
    told = f"if kind == {kind.name.upper()}:\n        {kind.name}_on_report(world, agent, message)"
    assert text.count(told) == (kind.on_report is not None)


def test_kinds_bear_different_numbers_that_fit_the_tables():
    numbers = [number_of(name) for name in (*KINDS.entries(), "somebody's", "someone else's")]
    assert len(set(numbers)) == len(numbers)
    assert min(numbers) >= 3
    assert max(numbers) <= np.iinfo(np.int32).max


def test_a_name_that_the_module_does_not_have_is_no_kernel():
    with pytest.raises(AttributeError, match="has no attribute 'sleep'"):
        dispatch.sleep  # noqa: B018


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"config": Scenario}, "config must be a subclass of AgentConfig"),
        ({"config": Nameless}, "Nameless must have a field `kind"),
        ({"config": Shouting}, "Shouting must have a field `kind"),
        ({"state": np.dtype("f8")}, "state must be a structured dtype made with align=True"),
        ({"state": np.dtype([("a", "i1"), ("b", "f8")])}, "state must be a structured dtype made with align=True"),
        ({"wake": 3}, "wake must be a function under @lobenv.compiled.kernel, got 3"),
        ({"on_report": "told"}, "on_report must be a function under @lobenv.compiled.kernel, got 'told'"),
    ],
)
def test_a_kind_that_could_not_run_is_refused_when_it_is_made(changes, message):
    parts: dict[str, Any] = {"config": Noise, "state": STATE, "wake": wake} | changes
    with pytest.raises(TypeError, match=rf"^{message}") as caught:
        AgentKind(**parts)
    assert "\n" not in str(caught.value)


def test_a_rule_with_other_parameters_is_refused_when_the_kind_is_made():
    with pytest.raises(TypeError, match=r"^wake must "):
        AgentKind(Noise, STATE, two_arguments)


def test_kinds_that_are_no_kinds_or_bear_another_name_are_refused():
    for name, entry in (("other", noise.KIND), ("opening_book", noise.KIND), ("mine", noise)):
        with pytest.raises((TypeError, ValueError)):
            KINDS._check(name, entry)  # pyright: ignore[reportOptionalCall]


def test_traders_of_a_regular_group_wake_at_even_intervals():
    market = market_with(Punctual(**QUICK))
    market.wait(1 * SECOND)
    times = []
    for _ in range(5):
        times.append(int(market.world.wakes["time"][market.world.wakes["subject"] == AGENT][0]))
        market.wait(SECOND)
    assert set(np.diff(times).tolist()) == {SECOND}


def test_traders_of_a_group_that_wakes_once_do_not_wake_again():
    config = Noise(once=True, count=3, **QUICK)
    assert (config.rhythm, Noise().rhythm) == (ONCE, POISSON)
    market = market_with(config)
    market.wait(2_000_000 * SECOND)
    assert market.world.agents["wakes"][AGENT : AGENT + 3].tolist() == [1, 1, 1]


def test_a_group_s_table_is_laid_down_once_where_its_traders_look():
    agents = {"a": Tabled(count=5), "b": Tabled(count=1), "c": Tabled(count=3)}
    world = build(Scenario.model_validate({"agents": agents})).world
    places = world.agents["shared"][1:].tolist()
    assert places == [0] * 5 + [0] + [32] * 3
    assert all(place % ALIGNMENT == 0 for place in places)
    assert world.shared[:20].view(np.int32).tolist() == [0, 1, 2, 3, 4]
    assert world.shared[32:44].view(np.int32).tolist() == [0, 1, 2]


def test_books_are_dealt_out_in_turn_and_an_arbitrageur_trades_its_own_and_the_next():
    books = (Book(name="a", venue="x"), Book(name="b", venue="y"), Book(name="c", venue="z"))
    scenario = Scenario(books=books, agents=FrozenDict({"pairs": Arbitrageur(count=3, books=("a", "c"))}))
    world = build(scenario).world
    assert world.agents["book"][1:].tolist() == [0, 2, 0]
    starts, kind = world.agents["memory"][1:].tolist(), KINDS.find("arbitrageur")
    others = [int(world.memory[at : at + kind.state.itemsize].view(kind.state)[0]["other"]) for at in starts]
    assert others == [2, 0, 2]
