"""What compiling costs: each variant changes what it says, and what is measured is there."""

from __future__ import annotations

import subprocess
import sys

import pytest

from evaluate.compile_time import measure
from lobenv.compiled import JIT_ENABLED, PLAIN_NUMBA
from tests.compiled.package import ROOT

pytestmark = pytest.mark.skipif(not JIT_ENABLED or PLAIN_NUMBA, reason="kernels are compiled in another way")

# Declares an entry that hands a part two widths of integers, and prints how the part was compiled.
DECLARED = """
import numpy as np
from lobenv.compiled import kernel

@kernel
def part(x):
    return x + 1

@kernel(entry=True)
def entry(narrow, wide):
    return part(narrow[0]) + part(wide[0])

assert entry(np.ones(1, np.int32), np.ones(1, np.int64)) == 4
libraries = {type(found.library).__name__ for found in part.overloads.values()}
print(len(part.nopython_signatures), *libraries)
"""


def compiled_after(change):
    """Number of signatures and kind of library of a part that is declared after a change."""
    done = subprocess.run(
        [sys.executable, "-c", f"from evaluate import compile_time\n{change}\n{DECLARED}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_each_variant_changes_the_one_thing_that_it_names(tmp_path, monkeypatch):
    for place, change, compiled in (
        ("a", "", "1 _PartLibrary"),
        ("b", "compile_time.CHANGES['without widening']()", "2 _PartLibrary"),
        ("c", "compile_time.CHANGES['parts emitted too']()", "1 JITCodeLibrary"),
    ):
        monkeypatch.setenv("LOBENV_CACHE_DIR", str(tmp_path / place))  # a part that is found is not compiled
        assert compiled_after(change) == compiled


def test_a_market_is_measured():
    cost = measure("as it is")
    assert cost.compile_s > 0
    assert 0.05 < cost.peak_gib < 64
    assert cost.code_mib > 0 or not sys.platform.startswith("linux")
    assert cost.steps_per_s > 0
