"""What the sidecars of all learned policies say alike: markets, versions, commit, and how the training went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import lobenv
from evaluate.provenance import package_versions
from lobenv.roles.maker.observation import FIELDS
from policies.sidecar import Commit, Interval, Training
from train.shared.markets import Market

OBSERVATION = tuple(field.name for field in FIELDS)


@dataclass(frozen=True)
class TrainingRecord:
    """How a training went that a policy is written down from.

    Attributes:
        command: That trains the same again.
        seed: Of the training.
        steps: Environment steps of all of it.
        seconds: Time it took.
        hyperparameters: What shaped it, JSON-able.
        git: Commit that it was begun at, as `evaluate.provenance.commit` has it; None outside of a checkout.
        episodes: Episodes of all of it; None where they are not counted.
    """

    command: str
    seed: int
    steps: int
    seconds: float
    hyperparameters: Mapping[str, Any]
    git: Mapping[str, Any] | None
    episodes: int | None = None


def common_fields(
    name: str,
    algorithm: str,
    markets: Sequence[Market],
    record: TrainingRecord,
    metrics: Mapping[str, Mapping[str, Interval]],
) -> dict[str, Any]:
    """The fields that the sidecar of every family has.

    Args:
        name: Of the policy.
        algorithm: That found it.
        markets: That it was trained in.
        record: Of the training.
        metrics: Scenario to metric to what was measured on held-out seeds.
    """
    maker = markets[0].scenario.maker
    return {
        "name": name,
        "algorithm": algorithm,
        "created": datetime.now(UTC).date(),
        "lobenv_version": lobenv.__version__,
        "env_id": lobenv.MARKET_MAKING,
        "scenarios": tuple(market.trained_on for market in markets),
        "order_size": maker.order_size_shares,
        "max_offset_ticks": maker.max_offset_ticks,
        "observation": OBSERVATION,
        "training": _training(record),
        "commit": None if record.git is None else Commit(**record.git),
        "metrics": {scenario: dict(figures) for scenario, figures in metrics.items()},
    }


def _training(record: TrainingRecord) -> Training:
    return Training(
        command=record.command,
        seeds=(record.seed,),
        total_steps=record.steps,
        total_episodes=record.episodes,
        hyperparameters=dict(record.hyperparameters),
        packages=package_versions(),
        wall_seconds=round(record.seconds, 1),
    )
