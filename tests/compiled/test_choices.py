"""What is chosen between by compiled code is taken in every way in which it can be compiled."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.compiled.package import ROOT

TABLES = (
    "from lobenv.agents.kinds import KINDS; from lobenv.roles.roles import ROLES; from lobenv.detect import available;"
    "print(len(KINDS.entries()), len(ROLES.entries()), len(available()))"
)
WAYS = {
    "compiled": {},
    "interpreted": {"NUMBA_DISABLE_JIT": "1"},
    "plain": {"LOBENV_PLAIN_NUMBA": "1"},
}


@pytest.mark.parametrize("chosen", WAYS.values(), ids=WAYS)
def test_kinds_roles_and_detectors_are_taken_however_they_are_compiled(chosen):
    ways = {name for way in WAYS.values() for name in way}
    others = {name: value for name, value in os.environ.items() if name not in ways}
    done = subprocess.run(
        [sys.executable, "-c", TABLES], env={**others, **chosen}, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert all(int(count) > 0 for count in done.stdout.split())
