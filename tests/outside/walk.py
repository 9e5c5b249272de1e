"""What CONTRIBUTING.md tells a stranger to write, read from it word for word, and what its market does in a process."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```\w+\n# ([\w/.]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def files() -> dict[str, str]:
    """Path to content of every file that CONTRIBUTING.md spells out."""
    return dict(BLOCK.findall((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")))


def write_package(folder: Path) -> Path:
    """Write the files into a folder, as a stranger would copy them."""
    for name, content in files().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
        if path.parent != folder:
            (path.parent / "__init__.py").touch()
    return folder


def process(folder: Path, *arguments: str, paths: tuple[Path, ...] = (), **variables: str) -> Any:
    """Run Python beside the package's scenarios, with some paths before the project's; what it did."""
    work = folder.with_name("work")
    work.mkdir(exist_ok=True)
    for scenario in folder.glob("*.yaml"):
        shutil.copy(scenario, work)
    path = os.pathsep.join(map(str, (*paths, ROOT)))
    surroundings = {**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": path, **variables}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=work, env=surroundings, capture_output=True, text=True, check=False)


def run(scenario: str, overrides: dict[str, Any], until_s: float) -> dict[str, Any]:
    """Run a market, and say what its traders did and drew."""
    from lobenv.compiled.code_key import code_key
    from lobenv.engine.step import advance
    from lobenv.scenario.loading import load, scenario_hash, to_yaml
    from lobenv.simulation.market import Market

    loaded = load(scenario, overrides)
    market = Market(loaded, seed=7)
    market.run(0.0)
    own = [market.world.agents["kind"] >= 1 << 30]
    strangers, others = np.flatnonzero(own[0]), np.flatnonzero(~own[0])
    wakes = {int(wake["subject"]): int(wake["time"]) for wake in market.world.wakes}
    first_wakes = [wakes[agent] for agent in others.tolist() if agent in wakes]
    keys = market.world.agents["key"][others].tolist()
    market.run(until_s)
    assert market.tape is not None
    tape = market.tape.records[[name for name in market.tape.records.dtype.names or () if name != "order_id"]]
    return {
        "comes_back": scenario_hash(load(_written(to_yaml(loaded)))) == scenario_hash(loaded),
        "strangers": len(strangers),
        "traded": int(market.world.accounts["volume"][strangers].sum()),
        "orders": int(market.world.accounts["orders_sent"][strangers].sum()),
        "shares": int(market.world.accounts["quantity_sent"][strangers].sum()),
        "told": _filled(market.world, strangers),
        "first_wakes": first_wakes,
        "keys": keys,
        "fundamental": float(market.world.fundamentals["value"][0]),
        "tape": tape.tobytes().hex(),
        "cache_key": code_key(getattr(advance, "py_func", advance)),
    }


def _written(text: str) -> Path:
    path = Path(f"written-{len(text)}.yaml")
    path.write_text(text, encoding="utf-8")
    return path


def _filled(world: Any, strangers: np.ndarray) -> int:
    """What the traders' own records say they were told of."""
    from lobenv.agents.kinds import KINDS

    kind = KINDS.entries().get("copycat")
    if kind is None:
        return 0
    starts = world.agents["memory"][strangers].tolist()
    return sum(int(world.memory[at : at + kind.state.itemsize].view(kind.state)[0]["filled"]) for at in starts)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(run(sys.argv[1], json.loads(sys.argv[2]), float(sys.argv[3]))))
