"""A stranger adds a detector as CONTRIBUTING.md says, word for word: by a package, by a call, in this repository."""

from __future__ import annotations

import json
import shutil
from typing import Any

import pytest

from lobenv.compiled import PLAIN_NUMBA
from tests.outside.walk import ROOT, process
from tests.outside.watching import LARGE

COMPILED = {"NUMBA_DISABLE_JIT": "0"}


@pytest.fixture(scope="module")
def watching(package, installed) -> dict[str, Any]:
    done = process(package, "-m", "tests.outside.watching", paths=(installed,))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_detector_of_an_installed_package_is_known_and_finds_what_it_is_for(watching):
    assert watching["names"] == ["liquidity_shock", "quote_stuffing", "large_trades"]
    assert watching["times"] == [LARGE]
    assert watching["sides"] == [1]
    assert watching["scores"] == [0.98]
    assert watching["orders"] == [[LARGE, 0, 0, 0]]
    assert watching["live"]


def test_compiled_it_says_the_same_and_is_announced_and_kept(package, installed, watching, tmp_path):
    for said in (["lobenv: compiling my_traders.large_trades.run_large_trades, once"], []):
        surroundings = {**COMPILED, "LOBENV_CACHE_DIR": str(tmp_path)}
        done = process(package, "-m", "tests.outside.watching", paths=(installed,), **surroundings)
        assert json.loads(done.stdout) == watching
        assert PLAIN_NUMBA or done.stderr.splitlines() == said


def test_one_call_adds_it_too_and_its_functions_show_alerts(package, watching):
    code = (
        "import json, sys, watch, numpy as np; from tests.outside.watching import told, tape;"
        "watch.watch_recorded(tape()); watch.watch_live([tape().records]); sys.stdout.write(json.dumps(told()))"
    )
    done = process(package, "-c", code, paths=(package,))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == watching
    assert done.stdout.count("large_trades") == 3


def test_the_same_file_in_this_repository_is_the_same_detector(package, tmp_path, watching):
    shutil.copytree(ROOT / "lobenv", tmp_path / "lobenv", ignore=shutil.ignore_patterns("__pycache__"))
    detect = tmp_path / "lobenv" / "detect"
    shutil.copy(package / "my_traders" / "large_trades.py", detect)
    table = (detect / "detectors.py").read_text()
    table = table.replace("import liquidity_shock, quote", "import large_trades, liquidity_shock, quote", 1)
    table = table.replace("quote_stuffing.KIND)", "quote_stuffing.KIND, large_trades.KIND)", 1)
    (detect / "detectors.py").write_text(table)
    done = process(package, "-m", "tests.outside.watching", paths=(tmp_path,))
    inside = json.loads(done.stdout)
    assert inside | {"number": watching["number"]} == watching
    assert inside["number"] == 3
