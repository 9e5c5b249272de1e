"""Trainings small enough for a test: eight markets of half a minute, networks of a few units."""

from __future__ import annotations

from typing import Any

from evaluate.stored_options import arguments_of
from train.neural.options import Options, Plan, check

ON_POLICY = {"num_steps": 16, "batch_size": 64, "update_epochs": 2}
OFF_POLICY = {"buffer_size": 2_000, "learning_starts": 128, "train_frequency": 4, "gradient_steps": 2, "batch_size": 32}
ITERATION = 8 * 16  # steps of a rollout


def options(algo: Any = "ppo", **changes: Any) -> Options:
    """Options of a training that takes about a second."""
    small: dict[str, Any] = {
        "algo": algo,
        "num_envs": 8,
        "total_timesteps": 4 * ITERATION,
        "net_arch": (12, 8),
        "overrides": ("session.duration_s=30", "session.warm_up_s=2"),
        "eval_every": 2 * ITERATION,
        "eval_episodes": 3,
        "test_episodes": 4,
        "threads": 1,
    }
    kind: dict[str, Any] = dict(ON_POLICY if "ppo" in algo else OFF_POLICY)
    return Options(**small | kind | changes)


def plan(algo: Any = "ppo", **changes: Any) -> Plan:
    """The same, checked."""
    return check(options(algo, **changes))


def command_line(chosen: Options) -> list[str]:
    """The arguments that give these options."""
    return arguments_of(chosen, ())
