"""Compiles the market in this process and prints every kernel with the signatures it was compiled for, as JSON."""

from __future__ import annotations

import importlib
import json
import pkgutil
import sys
from collections.abc import Iterator
from typing import Any

import gymnasium as gym
import numpy as np
from numba.core.dispatcher import Dispatcher

import lobenv
from lobenv.scenario import load
from lobenv.simulation import Market


def compile_market() -> None:
    """Have an environment and a market of strategies compile whatever they need."""
    env: Any = gym.make(lobenv.MARKET_MAKING)
    env.reset(seed=1)
    env.step(np.zeros(2, np.float32))
    Market(load("calm"), seed=1).run(0.1)


def kernels() -> Iterator[Any]:
    """Every kernel of the modules that are loaded."""
    names = [module.name for module in pkgutil.walk_packages(lobenv.__path__, "lobenv.")]
    modules = [importlib.import_module(name) for name in names if name in sys.modules]
    found = {id(value): value for module in modules for value in vars(module).values() if isinstance(value, Dispatcher)}
    yield from found.values()


def signatures() -> dict[str, list[str]]:
    """Signatures of each kernel that was compiled, by its name."""
    names = {f"{kernel.py_func.__module__}.{kernel.py_func.__name__}": kernel for kernel in kernels()}
    return {name: [str(found) for found in kernel.nopython_signatures] for name, kernel in names.items()}


if __name__ == "__main__":
    compile_market()
    sys.stdout.write(json.dumps(signatures()))
