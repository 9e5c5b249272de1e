"""The learners of a scenario: their names, their roles, what plays by default, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from lobenv.engine.batch import Batch
from lobenv.roles.maker.task import Task
from lobenv.scenario.config import Scenario
from lobenv.scenario.external import external_of
from lobenv.scenario.loading import load, scenario_hash, to_yaml
from lobenv.scenario.problems import ScenarioError

SHORT = {"session.duration_s": 5, "session.warm_up_s": 1}
ROW = np.zeros(1, np.int64)


def observed(batch: Batch, learner: int = 0, steps: int = 5) -> list[bytes]:
    """What one learner sees while everybody stays out of the market."""
    batch.reset(ROW, np.array([3], np.uint64))
    seen = []
    for _ in range(steps):
        batch.step(np.ones((1, batch.num_agents, 2)))
        seen.append(batch.out.observation[0, learner].tobytes())
    return seen


def test_every_scenario_has_a_maker_which_plays_alone_by_default():
    assert [external.name for external in Batch(load("calm", {"learners.rival.role": "maker"})).externals] == ["maker"]
    assert list(load({}).each_learner()) == list(Scenario().each_learner()) == ["maker"]


def test_of_several_the_first_bears_the_name_and_the_others_a_number():
    scenario = load("calm", {"learners.maker.count": 3, "learners.rival": {"role": "maker", "latency": "geo"}})
    assert list(scenario.each_learner()) == ["maker", "maker_1", "maker_2", "rival"]
    assert [external_of(scenario, name).latency for name in ("maker_2", "rival")] == ["metro", "geo"]
    assert Batch(scenario, learners=tuple(scenario.each_learner())).num_agents == 4


def test_one_more_learner_shifts_nobody():
    alone = observed(Batch(load("calm", SHORT), threads=1))
    three = Batch(
        load("calm", {**SHORT, "learners.maker.count": 3}), learners=("maker_1", "maker", "maker_2"), threads=1
    )
    assert observed(three, learner=1) == alone


def test_a_learner_acts_and_is_paid_as_its_scenario_says_unless_the_caller_says_else():
    scenario = load("calm", {"learners.maker": {"action": "discrete", "reward": "pnl"}})
    assert scenario.maker.task == Task(action="discrete", reward="pnl")  # pyright: ignore[reportArgumentType]
    assert Batch(scenario).task == scenario.maker.task
    assert Batch(scenario, task=Task()).task == Task()
    assert external_of(scenario, task={"action": "multidiscrete"}).role.action == "multidiscrete"  # pyright: ignore[reportOptionalMemberAccess, reportAttributeAccessIssue]


def test_without_its_maker_a_scenario_plays_another_or_says_what_is_missing():
    other = {"learners.maker.count": 0, "learners.quoter": {"role": "maker", "order_size_shares": 50}}
    scenario = load("calm", other)
    assert scenario.maker.order_size_shares == 50
    assert Batch(scenario).externals[0].name == "quoter"
    with pytest.raises(ValueError, match=r"^learners: one must have the role maker, got none$"):
        Batch(load("calm", {"learners.maker.count": 0}))


def test_learners_come_back_from_yaml_and_are_part_of_the_market(tmp_path):
    scenario = load("calm", {"learners.rival": {"role": "maker", "decision_interval_s": 0.25}})
    path = tmp_path / "market.yaml"
    path.write_text(to_yaml(scenario))
    assert load(path) == scenario
    assert scenario_hash(scenario) != scenario_hash(load("calm"))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"maker.latency": "geo"}, "maker: unknown key, did you mean learners.maker?; allowed are agents, "),
        ({"learners.b": {"latency": "geo"}}, "learners.b: role is missing; it must be one of maker"),
        ({"learners.b.role": "makre"}, "learners.b: role must be one of maker, got 'makre', did you mean maker?"),
        ({"learners.maker.book": "else"}, "learners.maker.book: 'else' is not one of main"),
        ({"learners.maker.latncy": "geo"}, "learners.maker.latncy: unknown key, did you mean latency?; allowed are "),
        (
            {"learners.maker.reward.dampening": 3},
            "learners.maker.reward.dampening: must be a number >= 0 and <= 1, got 3",
        ),
        ({"learners.maker.count": 2, "learners.maker_1.role": "maker"}, "learners: names must differ, "),
    ],
)
def test_what_is_wrong_with_a_learner_is_one_line(overrides, message):
    with pytest.raises(ScenarioError) as caught:
        load("calm", overrides)
    assert str(caught.value).startswith(f"overrides: {message}")
    assert "\n" not in str(caught.value)


def test_a_learner_that_is_not_there_or_would_never_decide_is_refused():
    with pytest.raises(ValueError, match=r"^learners: 'makr' is not one of maker, did you mean maker\?$"):
        Batch(load("calm"), learners=("makr",))
    with pytest.raises(ValueError, match=r"^learners\.maker\.decision_interval_s must be at most .* \(1\), got 5$"):
        Batch(load("calm", {"session.duration_s": 1, "learners.maker.decision_interval_s": 5}))
