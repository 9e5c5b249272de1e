"""The market is one program, in which every part stands once: a second signature is another part of a minute."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from lobenv.compiled import JIT_ENABLED, PLAIN_NUMBA
from tests.compiled.package import ROOT

PER_RECORD = "lobenv.market.memory.own"  # finds the record of a kind, and is compiled for each


@pytest.mark.slow
@pytest.mark.skipif(not JIT_ENABLED or PLAIN_NUMBA, reason="the market is compiled in another way")
def test_the_market_is_one_program_with_one_signature_a_part(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "tests.compiled.signatures"],
        env={**os.environ, "LOBENV_CACHE_DIR": str(tmp_path)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr.splitlines() == ["lobenv: compiling lobenv.engine.step.advance, once"]
    compiled = {name: found for name, found in json.loads(done.stdout).items() if found}
    assert len(compiled) > 200
    assert [name for name, found in compiled.items() if len(found) > 1] == [PER_RECORD]
    records = [found.rpartition(" -> ")[2] for found in compiled[PER_RECORD]]
    assert len(records) == len(set(records))
