"""Measures what compiling the market costs, and what each departure from plain Numba buys, and prints a table.

    python -m evaluate.compile_time                                       # five minutes of one core
    python -m evaluate.compile_time --variants "as it is" "plain Numba"

Every variant is compiled in a fresh process with an empty cache, and then runs 256 markets on one thread.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import gymnasium as gym
import numpy as np
import tyro
from rich.console import Console
from rich.table import Table

import lobenv

Variant = Literal["as it is", "without widening", "parts emitted too", "plain Numba"]
NUM_ENVS, STEPS, RUNS = 256, 400, 3


@dataclass
class Options:
    """What is measured."""

    variants: tuple[Variant, ...] = get_args(Variant)
    measure: Annotated[Variant | None, tyro.conf.arg(help="Measure this one in this process, printed as JSON.")] = None


@dataclass
class Cost:
    """What one variant costs and gives."""

    compile_s: float  # CPU time of the first reset and step
    peak_gib: float  # resident memory of the process while it compiled
    code_mib: float  # machine code in memory; NaN where the system does not say
    steps_per_s: float


def without_widening() -> None:
    """Compile a part for whatever mixture of integers its callers have."""
    from numba.core import types

    from lobenv.compiled import parts

    parts._widened = types.unliteral


def parts_emitted_too() -> None:
    """Optimise and emit every part by itself, as Numba does; in the entry it is private all the same."""
    from numba.core.compiler import Compiler

    from lobenv.compiled import parts

    parts._PartCompiler = Compiler


CHANGES: dict[str, Callable[[], None]] = {
    "without widening": without_widening,
    "parts emitted too": parts_emitted_too,
}
ENVIRONMENT = {"plain Numba": {"LOBENV_PLAIN_NUMBA": "1"}}


def measure(variant: Variant) -> Cost:
    """Compile the market in this process, in which no kernel has been declared yet."""
    CHANGES.get(variant, lambda: None)()
    envs: Any = gym.make_vec(lobenv.MARKET_MAKING, num_envs=NUM_ENVS)
    actions = np.full((NUM_ENVS, 2), -0.8, np.float32)
    began = time.process_time()
    envs.reset(seed=0)
    envs.step(actions)
    compiled = time.process_time() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    cost = Cost(compiled, peak, machine_code_mib(), max(rate(envs, actions) for _ in range(RUNS)))
    envs.close()
    return cost


def rate(envs: Any, actions: np.ndarray) -> float:
    """Steps of a market a second of CPU time."""
    began = time.process_time()
    for _ in range(STEPS):
        envs.step(actions)
    return NUM_ENVS * STEPS / (time.process_time() - began)


def machine_code_mib() -> float:
    """Executable memory that belongs to no file, where the system lists it: what was compiled in this process."""
    maps = Path("/proc/self/maps")
    if not maps.exists():
        return float("nan")
    regions = [line.split() for line in maps.read_text().splitlines()]
    spans = [region[0].split("-") for region in regions if "x" in region[1] and len(region) == 5]
    return sum(int(last, 16) - int(first, 16) for first, last in spans) / 2**20


def measured_apart(variant: Variant) -> Cost:
    """Measure a variant in a process and with a cache of its own."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-m", "evaluate.compile_time", "--measure", variant],
            env={**os.environ, "LOBENV_CACHE_DIR": folder, **ENVIRONMENT.get(variant, {})},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    return Cost(**json.loads(done.stdout.splitlines()[-1]))


def main(options: Options) -> None:
    """Measure the variants one after the other and print the table."""
    if options.measure is not None:
        print(json.dumps(vars(measure(options.measure))))
        return
    costs = {variant: measured_apart(variant) for variant in options.variants}
    table = Table("variant", "compiling, s of CPU", "memory, GiB", "machine code, MiB", f"steps/s, E = {NUM_ENVS}", "x")
    first = next(iter(costs.values())).steps_per_s
    for name, cost in costs.items():
        speed = (f"{cost.steps_per_s:,.0f}", f"{cost.steps_per_s / first:.2f}")
        table.add_row(name, f"{cost.compile_s:.0f}", f"{cost.peak_gib:.2f}", f"{cost.code_mib:.1f}", *speed)
    Console().print(table)


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
