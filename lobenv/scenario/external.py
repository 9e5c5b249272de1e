"""Who trades in a market from outside: learners as a scenario describes them, policies and Python strategies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from lobenv.market.tables import STP_OFF
from lobenv.registry import did_you_mean
from lobenv.roles.base import LearnerConfig
from lobenv.roles.maker.task import Task
from lobenv.scenario.config import Scenario
from lobenv.settings import SECOND
from lobenv.validation import describe


@dataclass(frozen=True)
class External:
    """An external agent: a learner, a policy or a Python strategy.

    Attributes:
        name: Keys its random streams.
        book: Index of its home book.
        latency: Name of its latency profile.
        interval_ns: Time between its decisions [ns]; 0 for none.
        computation_ns: From decision to sending [ns].
        inventory_cap: Shares; 0 for none.
        loss_limit: $; 0 for none.
        order_rate: Messages a second; 0 for no limit.
        allowed: Bits of the order types it may send; 0 for all.
        flatten: The kill switch also closes its position.
        wants_reports: The kernel hands back control when a report reaches it.
        stp: Self-trade prevention.
        steps: Decisions of its session; 0 for no end.
        role: Configuration of its role; None for a strategy, which acts by itself.
        follows: Indices of the books of which every view is to reach it.
    """

    name: str
    book: int = 0
    latency: str = "metro"
    interval_ns: int = 0
    computation_ns: int = 50_000
    inventory_cap: int = 0
    loss_limit: float = 0.0
    order_rate: int = 0
    allowed: int = 0
    flatten: bool = True
    wants_reports: bool = False
    stp: int = STP_OFF
    steps: int = 0
    role: LearnerConfig | None = None
    follows: tuple[int, ...] = ()


def external_of(scenario: Scenario, name: str | None = None, task: Task | Mapping[str, Any] | None = None) -> External:
    """The external agent that a learner of a scenario is.

    Args:
        scenario: The market.
        name: Of the learner; that of the first market maker by default.
        task: Settings of its role that replace the scenario's: how it acts and is paid.

    Returns:
        It, under the learner's name.

    Raises:
        ValueError: There is no such learner, it would not decide once in a session, or its role has no such settings;
            one line.
    """
    learners = scenario.each_learner()
    name = scenario.maker_name if name is None else name
    if name not in learners:
        known = ", ".join(learners) or "none"
        raise ValueError(f"learners: {name!r} is not one of {known}{did_you_mean(name, learners)}")
    config = learners[name] if task is None else _changed(learners[name], dict(task))
    steps = scenario.steps_of(config)
    if steps < 1:
        raise ValueError(
            f"learners.{name}.decision_interval_s must be at most session.duration_s "
            f"({scenario.session.duration_s:g}), got {config.decision_interval_s:g}"
        )
    return External(
        name=name,
        book=[book.name for book in scenario.books].index(config.book) if config.book else 0,
        latency=config.latency,
        interval_ns=round(config.decision_interval_s * SECOND),
        computation_ns=round(config.computation_us * 1e3),
        inventory_cap=config.position_limit(),
        loss_limit=config.loss_limit,
        order_rate=config.order_rate_per_s,
        steps=steps,
        role=config,
    )


def _changed(config: LearnerConfig, changes: dict[str, Any]) -> LearnerConfig:
    """The configuration with other settings, checked."""
    values = {**dict(config), **changes}
    try:
        return type(config).model_validate(values)
    except ValidationError as error:
        raise ValueError(describe(error, type(config), [("task", values)])) from None
