"""Every preset takes the path that was recorded, through every face, in whatever way the kernels are compiled."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.digests.runs import runs

RECORDED = json.loads((Path(__file__).parent / "recorded.json").read_text())
RUNS = dict(runs())


@pytest.mark.parametrize("name", RUNS)
def test_a_preset_takes_the_path_that_was_recorded(name):
    assert RUNS[name]() == RECORDED[name]
