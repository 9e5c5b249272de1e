"""Every number of every configuration class is refused in one line, or gives a market that runs and adds up."""

import math
from types import NoneType
from typing import Annotated, Any, NamedTuple, get_args, get_origin

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from lobenv.agents.base import AgentConfig
from lobenv.agents.kinds import KINDS
from lobenv.engine.batch import Batch
from lobenv.engine.step import RUNNING
from lobenv.market.tables import World
from lobenv.roles.base import LearnerConfig
from lobenv.roles.maker.task import Reward, Task
from lobenv.roles.roles import ROLES
from lobenv.scenario.config import Scenario
from lobenv.scenario.loading import load
from lobenv.scenario.problems import ScenarioError
from lobenv.settings import SECOND, ZeroOrAtLeast, seed_of, shortened
from lobenv.simulation.market import Market
from lobenv.simulation.strategy import Strategy, Terms
from lobenv.validation import describe

LONGEST_RUN_S = 3
BUSY_S, BUSY_RUN_S = 1e-3, 0.05  # traders that act so often are watched for a shorter time
MOST_TRADERS = 10_000  # of a market that is run; a larger one is loaded only
EXTREMES = (0, -1, 1e-300, -1e-300, 1e300, -1e300, 2**31, 2**63, 2**64, 10**5000, math.nan, math.inf, -math.inf, True)
TERMS: dict[str, Any] = {name: getattr(Strategy, name) for name in Terms.model_fields} | {"name": "strategy"}


class Number(NamedTuple):
    """A numeric field: where it stands in the values, its type, and what it is held to."""

    path: tuple[str | int, ...]
    kind: type
    constraints: tuple[Any, ...]

    @property
    def key(self) -> str:
        return ".".join(map(str, self.path))

    @property
    def bounds(self) -> tuple[float, float]:
        low = [getattr(mark, name) for mark in self.constraints for name in ("ge", "gt") if hasattr(mark, name)]
        high = [getattr(mark, name) for mark in self.constraints for name in ("le", "lt") if hasattr(mark, name)]
        return max(low, default=-math.inf), min(high, default=math.inf)

    @property
    def values(self) -> list[Any]:
        """At, just inside and just outside both bounds, and extremes."""
        low, high = self.bounds
        nearest = [mark.least for mark in self.constraints if isinstance(mark, ZeroOrAtLeast)]
        if self.kind is int:
            edges = [low - 1, low, low + 1, high - 1, high, high + 1]
        else:
            edges = [step for bound in (low, high, *nearest) for step in _around(bound)]
        return [*edges, *EXTREMES]


def _around(bound: float) -> tuple[float, float, float]:
    return math.nextafter(bound, -math.inf), float(bound), math.nextafter(bound, math.inf)


def _parts(annotation: Any) -> tuple[Any, tuple[Any, ...]]:
    """A type and the constraints around it."""
    marks: tuple[Any, ...] = ()
    while get_origin(annotation) is Annotated:
        annotation, *inner = get_args(annotation)
        marks += tuple(inner)
    bare = [part for part in get_args(annotation) if part is not NoneType]
    if NoneType in get_args(annotation) and len(bare) == 1:
        annotation = bare[0]
    flat = [part for mark in marks for part in (mark.metadata if isinstance(mark, FieldInfo) else (mark,))]
    return annotation, tuple(flat)


def numbers_in(value: Any, annotation: Any, path: tuple[str | int, ...] = (), outer: tuple[Any, ...] = ()):
    """Every number that a type declares, at the places where a value of that type has one."""
    annotation, marks = _parts(annotation)
    if annotation in (int, float):
        yield Number(path, annotation, (*outer, *marks))
    elif isinstance(value, BaseModel):
        for name, field in type(value).model_fields.items():
            yield from numbers_in(getattr(value, name), field.annotation, (*path, name), tuple(field.metadata))
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from numbers_in(item, get_args(annotation)[-1], (*path, key))
    elif isinstance(value, tuple):
        for i, item in enumerate(value):
            yield from numbers_in(item, get_args(annotation)[0], (*path, i))


def models_in(annotation: Any) -> set[type[BaseModel]]:
    """Every configuration class that a type is made of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        fields = annotation.model_fields.values()
        return {annotation}.union(*(models_in(field.annotation) for field in fields))
    return set().union(*(models_in(part) for part in get_args(annotation)))


def models_of(value: Any) -> set[type[BaseModel]]:
    """Every configuration class that a value is made of."""
    if isinstance(value, BaseModel):
        return {type(value)}.union(*(models_of(getattr(value, name)) for name in type(value).model_fields))
    items = value.values() if isinstance(value, dict) else value if isinstance(value, tuple) else ()
    return set().union(*(models_of(item) for item in items))


def _small_market() -> Scenario:
    """One with something of every class in it, in which things happen within seconds."""
    link = {"base_us": 100, "jitter": "lognormal", "scale_us": 50, "shape": 0.5, "drop": 0.01}
    return load(
        {
            "session": {"warm_up_s": 1, "duration_s": 2},
            "books": [{"halts": {"band_ticks": 50}}, {"name": "other", "venue": "other"}],
            "fundamentals": {"SIM": {"jumps_per_hour": 600, "jump_mean_ticks": 3, "reversion_per_s": 0.01}},
            "agents": {name: {"kind": name, "count": 2, "mean_interval_s": 0.2} for name in KINDS.entries()},
            "latencies": {"own": {"order_entry": link, "report": link, "feed": link}},
            "learners": {"maker": {"latency": "own"}},
            "replay": {},
        }
    )


MARKET = _small_market()
RUNNABLE = MARKET.model_dump(mode="json") | {"replay": None}
NUMBERS = list(numbers_in(MARKET, Scenario))
REWARD_NUMBERS = list(numbers_in(Reward(), Reward))
TERMS_NUMBERS = list(numbers_in(Terms(**TERMS), Terms))


def run(scenario: Scenario, task: Task | None = None) -> None:
    """Play a short session and check that shares and money add up.

    An OverflowError that names the capacity to raise is a legal end of a market that is too busy for its tables.
    """
    is_busy = any(group.mean_interval_s < BUSY_S for group in scenario.agents.values())
    longest = round((BUSY_RUN_S if is_busy else LONGEST_RUN_S) * SECOND)
    decides = scenario.first_decision_ns <= longest
    batch = Batch(scenario, task=task, externals=None if decides else ())
    try:
        batch.reset(np.array([0]), np.array([1], np.uint64))
        if decides:
            _decide(batch)
        else:
            batch.run(min(longest, scenario.close_ns))
    except OverflowError as error:
        check_line(error, "capacity.")
    check_sums(batch.market())


def check_line(error: Exception, *words: str) -> None:
    message = str(error)
    assert "\n" not in message
    assert all(word in message for word in words), message


def _decide(batch: Batch) -> None:
    actions = np.array([[[-0.9, -0.9]]])
    for _ in range(8):
        if batch.out.session[0] != RUNNING:
            break
        batch.step(actions)
        assert np.isfinite(batch.out.observation).all()
        assert np.isfinite(batch.out.reward).all()


def check_sums(world: World) -> None:
    accounts, books = world.accounts, world.books
    assert accounts["position"].sum(axis=0).tolist() == [0] * len(books)
    assert accounts["cash"].sum(axis=0).tolist() == [0] * len(books)
    assert accounts["fees"].sum(axis=0).tolist() == books["revenue"].tolist()


def is_refused(number: Number, load_value) -> Any:
    """What a value is loaded to, or None where it is refused; then by one line naming key, value and range."""
    try:
        return load_value()
    except ValueError as error:
        check_line(error, str(number.path[-1]), "must ", ", got ")
    return None


def test_every_number_has_both_bounds():
    numbers = (*NUMBERS, *REWARD_NUMBERS, *TERMS_NUMBERS)
    assert [number.key for number in numbers if not np.isfinite(number.bounds).all()] == []


def test_every_configuration_class_is_in_the_market_that_is_tried():
    chosen = [entry.config for table in (KINDS, ROLES) for entry in table.entries().values()]
    assert models_of(MARKET) == (models_in(Scenario) - {AgentConfig, LearnerConfig}).union(*map(models_in, chosen))


@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: number.key)
def test_value_outside_its_bounds_is_refused_in_one_line_with_key_value_and_range(number):
    low, high = number.bounds
    for value in (math.nan, math.inf, True, 10**5000, "many", low - 1, high + 1):
        with pytest.raises(ScenarioError) as caught:
            load(RUNNABLE, {number.key: value})
        message = str(caught.value)
        assert message.startswith(f"overrides: {number.key}: must be a")
        assert f" {low:.10g} and <" in message
        assert f" {high:.10g}" in message
        assert ", got " in message
        assert "\n" not in message


@pytest.mark.slow
@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: number.key)
def test_number_of_a_scenario_is_refused_or_gives_a_market_that_runs_and_adds_up(number):
    for value in number.values:
        scenario = is_refused(number, lambda value=value: load(RUNNABLE, {number.key: value}))
        if scenario is None or sum(group.count for group in scenario.agents.values()) > MOST_TRADERS:
            continue
        try:
            run(scenario)
        except ValueError as error:  # what only shows with the external agents
            check_line(error, "must ", ", got ")


@pytest.mark.slow
@pytest.mark.parametrize("number", REWARD_NUMBERS, ids=lambda number: number.key)
def test_number_of_a_reward_is_refused_or_pays_finitely(number):
    for value in number.values:
        task = is_refused(number, lambda value=value: _checked(Task, {"reward": {number.key: value}}))
        if task is not None:
            run(load(RUNNABLE), task)


@pytest.mark.slow
@pytest.mark.parametrize("number", TERMS_NUMBERS, ids=lambda number: number.key)
def test_number_of_a_strategys_terms_is_refused_or_gives_a_market_that_runs_and_adds_up(number):
    scenario = load(RUNNABLE, {"session.warm_up_s": 0})
    for value in number.values:
        strategy = Strategy(**{number.key: value})
        market = is_refused(number, lambda strategy=strategy: Market(scenario, [strategy], seed=1, tape=False))
        if market is not None:
            market.run(BUSY_RUN_S if 0 < strategy.timer_interval_s < BUSY_S else LONGEST_RUN_S)
            check_sums(market.world)


def _checked(model: type[BaseModel], values: dict[str, Any]) -> BaseModel:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise ValueError(describe(error, model, [("values", values)])) from None


def _drawn(number: Number) -> st.SearchStrategy[Any]:
    low, high = number.bounds
    if number.key.endswith(("count", "_interval_s", "step_s")):  # a market that is quick to run
        return st.just(2) if number.key.endswith("count") else st.floats(0.05, 10)
    if number.kind is int:
        return st.integers(int(low), int(high)) | st.sampled_from([int(low), int(high)])
    return st.floats(low, high)


CHANGES = [number for number in NUMBERS if not number.key.startswith(("session.", "capacity."))]


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=(HealthCheck.too_slow, HealthCheck.data_too_large))
@given(st.data())
def test_numbers_that_are_allowed_one_by_one_are_refused_or_run_together(data):
    chosen = data.draw(st.lists(st.sampled_from(CHANGES), min_size=1, max_size=12, unique=True))
    values = {number.key: data.draw(_drawn(number)) for number in chosen}
    try:
        scenario = load(RUNNABLE, values)
        run(scenario)
    except ValueError as error:
        check_line(error, "must ", ", got ")


# ---------------------------------------------------------------- what was found


@pytest.mark.parametrize(
    ("overrides", "key"),
    [
        ({"fundamentals.SIM.step_s": 4e-10}, "fundamentals.SIM.step_s"),
        ({"learners.maker.order_size_shares": 2**31}, "learners.maker.order_size_shares"),
        ({"learners.maker.decision_interval_s": 1e-10}, "learners.maker.decision_interval_s"),
        ({"fundamentals.SIM.price": 1e9}, "fundamentals.SIM.price"),
        ({"tick_size": 1e-9}, "tick_size"),
        ({"books.0.halts.pause_s": 1e300}, "books.0.halts.pause_s"),
        ({"books.0.halts.band_ticks": 2**40}, "books.0.halts.band_ticks"),
        ({"session.duration_s": True}, "session.duration_s"),
        ({"books.0.fees.taker_bps": 0.001}, "books.0.fees.taker_bps"),
        ({"books.0.fees.taker_per_share": 1e-6}, "books.0.fees.taker_per_share"),
        ({"learners.maker.loss_limit": 1e-9}, "learners.maker.loss_limit"),
        ({"agents.institution.duration_s": 1e-5, "agents.institution.slices": 11}, "agents.institution"),
        (
            {"fundamentals.SIM.price": 1e7, "learners.maker.order_size_shares": 13_000},
            "learners.maker.order_size_shares",
        ),
        ({"agents.noise.count": 600_000, "agents.retail.count": 600_000}, "agents"),
    ],
)
def test_number_that_the_tables_cannot_hold_or_round_to_nothing_is_refused(overrides, key):
    with pytest.raises(ScenarioError, match=rf"^overrides: {key}: [^\n]*must [^\n]*, got [^\n]*$"):
        load(RUNNABLE, overrides)


def test_views_under_way_that_no_memory_holds_are_refused_in_one_line():
    link = {"base_us": 60_000_000, "jitter": "lognormal", "scale_us": 60_000_000, "shape": 2}
    scenario = load(RUNNABLE, {"latencies.own.feed": link})
    with pytest.raises(ScenarioError, match=r"^maker: interval must be >= 20\.2 s .*, got 0\.5$"):
        Batch(scenario)


def test_market_of_more_bytes_than_a_computer_has_is_refused_before_it_is_laid_out():
    books = [{"name": str(i)} for i in range(64)]
    scenario = load(RUNNABLE, {"books": books, "capacity.ladder_ticks": 2**20, "agents.noise.count": 300_000})
    with pytest.raises(
        ScenarioError, match=r"^agents\.\*\.count: one market must take <= 2 GiB, got [0-9.]+, for its ac"
    ):
        Batch(scenario)


@pytest.mark.parametrize("value", [-1, 2**64, 1.0, 1.5, "1", None, True, math.nan, [1], 10**5000], ids=shortened)
def test_seed_that_is_no_whole_number_in_range_is_refused_in_one_line(value):
    with pytest.raises(ValueError, match=r"^seed must lie in 0 … 2\^64 - 1 and be a whole number, got [^\n]+$"):
        seed_of(value)


@pytest.mark.parametrize("value", [0, 2**64 - 1, np.uint64(2**64 - 1), np.int32(5)])
def test_seed_in_range_is_taken_as_it_is(value):
    assert seed_of(value) == int(value)
