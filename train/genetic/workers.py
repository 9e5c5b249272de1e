"""What plays the tasks: this process, others, or a Ray cluster. The results are the same, in the same order."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lobenv.scenario.config import Scenario
from train.genetic.fitness import Task, play_task

Scores = NDArray[np.float64]


class Workers(Protocol):
    """Plays tasks."""

    def play(self, tasks: Sequence[Task]) -> Iterator[Scores]:
        """The scores of each task, in order."""
        ...

    def close(self) -> None:
        """End the workers."""
        ...


def start_workers(scenarios: Sequence[Scenario], workers: int, ray_address: str | None, threads: int | None) -> Workers:
    """Workers for the markets of a run.

    Args:
        scenarios: Of every condition.
        workers: Processes; 1 is this one.
        ray_address: Of a Ray cluster, `local` for one on this machine and `auto` for the one that runs; None for none.
        threads: Most threads of a batch that this process plays; workers use one each.

    Raises:
        ValueError: Ray is asked for and is not installed, or cannot be reached.
    """
    if ray_address is not None:
        return RayCluster(scenarios, ray_address, workers)
    return LocalProcesses(scenarios, workers) if workers > 1 else ThisProcess(scenarios, threads)


class ThisProcess:
    """This process, with the batches' own threads."""

    def __init__(self, scenarios: Sequence[Scenario], threads: int | None) -> None:
        """See `start_workers`."""
        self._play = partial(play_task, tuple(scenarios), threads=threads)

    def play(self, tasks: Sequence[Task]) -> Iterator[Scores]:
        """See `Workers`."""
        return map(self._play, tasks)

    def close(self) -> None:
        """Nothing has to end."""


_scenarios: tuple[Scenario, ...] = ()  # of a worker process, sent once instead of with every task


def _prepare_worker(scenarios: tuple[Scenario, ...]) -> None:
    global _scenarios  # noqa: PLW0603 (an initializer has no other place to leave what tasks need)
    _scenarios = scenarios
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process; the run's own ends the others


def _play_in_worker(task: Task) -> Scores:
    return play_task(_scenarios, task, threads=1)


class LocalProcesses:
    """Other processes on this machine, started afresh: nothing of this one is shared by forking."""

    def __init__(self, scenarios: Sequence[Scenario], workers: int) -> None:
        """See `start_workers`."""
        self._pool = ProcessPoolExecutor(workers, get_context("spawn"), _prepare_worker, (tuple(scenarios),))

    def play(self, tasks: Sequence[Task]) -> Iterator[Scores]:
        """See `Workers`."""
        return self._pool.map(_play_in_worker, tasks)

    def close(self) -> None:
        """End the processes, without waiting for tasks that nobody wants any more."""
        self._pool.shutdown(wait=True, cancel_futures=True)


class RayCluster:
    """The workers of a Ray cluster; they need this checkout and its environment."""

    def __init__(self, scenarios: Sequence[Scenario], address: str, workers: int) -> None:
        """See `start_workers`."""
        try:
            import ray  # pyright: ignore[reportMissingImports]
        except ModuleNotFoundError:
            raise ValueError("ray_address needs Ray: pip install 'lobenv[rllib]'") from None
        self._ray: Any = ray
        local = {"num_cpus": workers, "include_dashboard": False} if address == "local" else {}
        try:
            ray.init(address=address, log_to_driver=False, **local)
        except (ConnectionError, ValueError) as error:
            raise ValueError(f"ray_address {address!r}: {' '.join(str(error).split())}") from None
        self._play = ray.remote(play_task)
        self._scenarios = ray.put(tuple(scenarios))

    def play(self, tasks: Sequence[Task]) -> Iterator[Scores]:
        """See `Workers`."""
        pending = [self._play.remote(self._scenarios, task, 1) for task in tasks]
        return (np.array(self._ray.get(reference)) for reference in pending)

    def close(self) -> None:
        """Leave the cluster."""
        self._ray.shutdown()
