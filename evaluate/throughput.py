"""Measures speed and memory of every layer, from the bare book to the batched environment, and prints a table and JSON.

    python -m evaluate.throughput            # about three minutes
    python -m evaluate.throughput --smoke    # seconds; checks that everything runs

Every figure is the median of several runs. Rates of the book and of the kernel are per second of CPU time of one core,
those of the environments per second of wall time.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import tyro
from rich.console import Console
from rich.table import Table

import lobenv
from evaluate.book_stream import MESSAGE, empty_book, make_stream, replay_stream
from evaluate.provenance import cpu_model
from lobenv.engine.batch import Batch
from lobenv.scenario.loading import load

MILLION = 1e6
BUSY_MARKET: dict[str, Any] = {
    "name": "busy",
    "session": {"duration_s": 60, "warm_up_s": 0},
    "agents": {
        "noise": {"kind": "noise", "count": 700, "mean_interval_s": 1, "distance_mean_ticks": 8},
        "value": {"kind": "value", "count": 200, "mean_interval_s": 1, "noise_ticks": 10},
        "momentum": {"kind": "momentum", "count": 50, "mean_interval_s": 1},
        "makers": {
            "kind": "market_maker",
            "count": 50,
            "mean_interval_s": 1,
            "levels": 3,
            "step_ticks": 1,
            "initial_spread_ticks": 4,
            "least_shares": 100,
        },
    },
    "capacity": {"orders": 8192, "messages": 8192, "events": 8192, "ladder_ticks": 2048, "feed": 2048},
}


@dataclass
class Options:
    """What to measure."""

    smoke: bool = False
    """Tiny sizes: only checks that everything runs."""
    runs: int = 5
    """Runs of which the median is taken."""
    json: Path | None = None
    """Where to write the figures as JSON; printed after the table otherwise."""
    only: tuple[str, ...] = ()
    """Names of the figures to measure; all by default."""


@dataclass
class Figure:
    """One row of the table."""

    name: str
    value: float
    unit: str
    reach: str
    runs: list[float] = field(default_factory=list)


def _median(measure: Callable[[], float], runs: int) -> tuple[float, list[float]]:
    values = [measure() for _ in range(runs)]
    return statistics.median(values), values


def book_alone(options: Options) -> list[Figure]:
    """Messages a second of the book, without reports, ledger, tape or latency."""
    count = 100_000 if options.smoke else 10_000_000
    messages, place = np.zeros(count, MESSAGE), np.zeros(count, np.int64)
    make_stream(empty_book(), np.array([42], np.uint64), messages, np.zeros(count, np.int32), place)
    replay_stream(empty_book(), messages[:1000], place)

    def measure() -> float:
        book = empty_book()
        started = time.process_time()
        replay_stream(book, messages, place)
        return count / (time.process_time() - started) / MILLION

    value, runs = _median(measure, options.runs)
    return [Figure("book alone", value, "M messages/s", ">= 50", runs)]


def abides_day(options: Options) -> list[Figure]:
    """CPU time of a day of ABIDES' population."""
    scenario = load("rmsc04", {"session.duration_s": 600} if options.smoke else None)
    counts: list[int] = []

    def measure() -> float:
        batch = Batch(scenario, externals=(), tape=True)
        batch.reset(np.zeros(1, np.int64), np.array([len(counts)], np.uint64))
        started = time.process_time()
        batch.run(scenario.close_ns + 1)
        spent = time.process_time() - started
        counts.append(int(batch.worlds.clock[0, 0]["events"]))
        return spent

    measure()
    value, runs = _median(measure, options.runs)
    return [
        Figure("rmsc04, a day of 6.5 h", value, "s of CPU", "<= 0.11", runs),
        Figure("  kernel events in that day", statistics.median(counts) / MILLION, "M", ""),
    ]


def busy_market(options: Options) -> list[Figure]:
    """Kernel events a second of a market of 1,000 agents that each wake about once a second."""
    scenario = load(BUSY_MARKET, {"session.duration_s": 2} if options.smoke else None)

    def measure() -> float:
        batch = Batch(scenario, externals=(), tape=True)
        batch.reset(np.zeros(1, np.int64), np.array([7], np.uint64))
        started = time.process_time()
        batch.run(scenario.close_ns)
        spent = time.process_time() - started
        return int(batch.worlds.clock[0, 0]["events"]) / spent / MILLION

    measure()
    value, runs = _median(measure, options.runs)
    return [Figure("busy market, 1,000 agents", value, "M events/s", ">= 6", runs)]


def single_env(options: Options) -> list[Figure]:
    """Steps a second of `gym.make`, and the time of a reset."""
    env: gym.Env[Any, Any] = gym.make(lobenv.MARKET_MAKING, disable_env_checker=True)
    action = np.array([-0.8, -0.8], np.float32)
    steps = 100 if options.smoke else 1_200

    def measure() -> float:
        env.reset(seed=1)
        started = time.perf_counter()
        for _ in range(steps):
            env.step(action)
        return steps / (time.perf_counter() - started)

    def reset() -> float:
        started = time.perf_counter()
        env.reset(seed=2)
        return 1e3 * (time.perf_counter() - started)

    measure()
    value, runs = _median(measure, options.runs)
    reset_value, reset_runs = _median(reset, 4 * options.runs)
    return [
        Figure("single env, calm", value, "steps/s", ">= 30,000", runs),
        Figure("reset, calm", reset_value, "ms", "< 1", reset_runs),
    ]


def _vector_rate(num_envs: int, threads: int, steps: int) -> float:
    env: Any = gym.make_vec(lobenv.MARKET_MAKING, num_envs=num_envs, threads=threads)
    env.reset(seed=0)
    actions = np.full((num_envs, 2), -0.8, np.float32)
    env.step(actions)
    started = time.perf_counter()
    for _ in range(steps):
        env.step(actions)
    rate = num_envs * steps / (time.perf_counter() - started)
    env.close()
    return rate


def vector_env(options: Options) -> list[Figure]:
    """Steps a second of the native vector environment, on one thread and on two."""
    figures = []
    for num_envs, reach, gain in ((256, ">= 150,000", ">= 1.6"), (1_024, "", ">= 1.8")):
        steps = 5 if options.smoke else max(200_000 // num_envs, 100)
        pairs = [[_vector_rate(num_envs, threads, steps) for threads in (1, 2)] for _ in range(options.runs)]
        one = [pair[0] for pair in pairs]
        ratios = [pair[1] / pair[0] for pair in pairs]
        figures.append(Figure(f"E = {num_envs:,}, one thread", statistics.median(one), "steps/s", reach, one))
        figures.append(
            Figure(f"E = {num_envs:,}, two threads against one", statistics.median(ratios), "x", gain, ratios)
        )
    return figures


def memory(options: Options) -> list[Figure]:
    """Bytes of the tables of a market, and resident memory of a process that steps 1,024."""
    batch = Batch(load("calm"))
    per_market = sum(table.nbytes for table in batch.worlds) / 2**20
    num_envs = 64 if options.smoke else 1_024
    code = (
        "import resource, numpy as np, gymnasium as gym, lobenv\n"
        f"env = gym.make_vec(lobenv.MARKET_MAKING, num_envs={num_envs}); env.reset(seed=0)\n"
        f"env.step(np.zeros(({num_envs}, 2), np.float32))\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)"
    )
    resident = float(_python(code))
    return [
        Figure("memory per calm market", per_market, "MiB", "<= 1"),
        Figure(f"memory of a process with E = {num_envs:,}", resident, "GiB", "<= 1.2"),
    ]


def _python(code: str, **environment: str) -> str:
    """Last line that a fresh interpreter prints."""
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ, **environment}
    )
    return result.stdout.strip().splitlines()[-1]


def starting(options: Options) -> list[Figure]:
    """Time of the import, and of a first step with and without cached machine code."""
    code = "import time; t = time.perf_counter(); import lobenv; print(time.perf_counter() - t)"
    value, runs = _median(lambda: float(_python(code)), options.runs)
    figures = [Figure("import lobenv", value, "s", "< 1", runs)]
    step = (
        "import time; t = time.perf_counter()\n"
        "import gymnasium as gym, numpy as np\n"
        "env = gym.make('lobenv:Sentinel-MM-v0'); env.reset(seed=0); env.step(np.zeros(2, np.float32))\n"
        "print(time.perf_counter() - t)"
    )
    if not options.smoke:
        with tempfile.TemporaryDirectory() as folder:
            cold = float(_python(step, LOBENV_CACHE_DIR=folder))
            figures.append(Figure("first step, nothing compiled", cold, "s", "< 60"))
    warm, warm_runs = _median(lambda: float(_python(step)), options.runs)
    return [*figures, Figure("first step, compiled before", warm, "s", "< 3", warm_runs)]


MEASUREMENTS: dict[str, Callable[[Options], list[Figure]]] = {
    "book": book_alone,
    "rmsc04": abides_day,
    "busy": busy_market,
    "single": single_env,
    "vector": vector_env,
    "memory": memory,
    "start": starting,
}


def _text(value: float) -> str:
    if value >= 1_000:
        return f"{value:,.0f}"
    return f"{value:.2f}" if value >= 1 else f"{value:.3f}"


def _print(figures: list[Figure], console: Console) -> None:
    table = Table(title=f"lobenv {lobenv.__version__} on {cpu_model()}, {os.cpu_count()} cores")
    for column, justify in (
        ("what", "left"),
        ("median", "right"),
        ("unit", "left"),
        ("reach", "right"),
        ("runs", "left"),
    ):
        table.add_column(column, justify=justify, no_wrap=column != "runs")  # pyright: ignore[reportArgumentType]
    for figure in figures:
        spread = f"{_text(min(figure.runs))} … {_text(max(figure.runs))}" if figure.runs else ""
        table.add_row(figure.name, _text(figure.value), figure.unit, figure.reach, spread)
    console.print(table)


def main(options: Options) -> None:
    """Measure and print."""
    if options.smoke:
        options.runs = 1
    unknown = sorted(set(options.only) - set(MEASUREMENTS))
    if unknown:
        raise SystemExit(f"only: {unknown[0]!r} is not one of {', '.join(MEASUREMENTS)}")
    console = Console(width=None if sys.stdout.isatty() else 110)
    figures: list[Figure] = []
    for name, measure in MEASUREMENTS.items():
        if not options.only or name in options.only:
            print(f"measuring {name} …", file=sys.stderr, flush=True)
            figures += measure(options)
    _print(figures, console)
    document = {
        "lobenv": lobenv.__version__,
        "machine": {"cpu": cpu_model(), "cores": os.cpu_count(), "python": platform.python_version()},
        "figures": [vars(figure) for figure in figures],
    }
    if options.json:
        options.json.write_text(json.dumps(document, indent=1) + "\n")
    else:
        print(json.dumps(document))


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
