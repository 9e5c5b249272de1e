"""Every preset, through every face, takes the path that is on record."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.digests.record import CONSTRUCTED, RECORDED, recorded, recorded_day, wrong
from tests.digests.runs import constructed, replayed, runs
from tests.scenario.recorded_day import write_day

pytestmark = pytest.mark.slow
PLAIN = dict(runs())
KNOWN = recorded()
CHANGED = RECORDED.with_name("changed.json")  # which digests changed, and why


@pytest.mark.parametrize("name", PLAIN)
def test_run_takes_the_recorded_path(name):
    assert wrong(name, PLAIN[name](), KNOWN) == ""


@pytest.mark.parametrize("name", CONSTRUCTED)
def test_run_inside_a_day_made_by_hand_takes_the_recorded_path(tmp_path, name):
    assert wrong(name, dict(constructed(write_day(tmp_path)))[name](), KNOWN) == ""


def test_run_inside_a_real_day_takes_the_recorded_path():
    folder = recorded_day()
    if folder is None:
        pytest.skip("LOBENV_DATA does not name the folder of recorded days")
    for name, run in replayed(folder, "AMZN", "AMZN/"):
        assert wrong(name, run(), KNOWN) == ""


def test_every_digest_on_record_is_of_a_run_that_there_is():
    real = [name for name, _ in replayed(Path(), "AMZN", "AMZN/")]
    assert set(KNOWN) == {*PLAIN, *CONSTRUCTED, *real}


def test_every_change_on_record_has_a_reason_and_names_parts_of_runs_that_there_are():
    changes = json.loads(CHANGED.read_text(encoding="utf-8"))
    assert all(change["why"] and change["runs"] for change in changes.values())
    named = [(run, part) for change in changes.values() for run, parts in change["runs"].items() for part in parts]
    assert [(run, part) for run, part in named if part not in KNOWN[run]] == []


def test_digest_that_changed_is_told_with_run_part_and_both_values():
    known = {"calm/tape": {"tape": "00", "accounts": "11"}}
    assert wrong("calm/tape", {"tape": "00", "accounts": "11"}, known) == ""
    assert wrong("calm/tape", {"tape": "22", "accounts": "11"}, known) == "calm/tape, tape: on record 00, now 22"
    assert wrong("new", {"tape": "22"}, known) == "new, tape: on record None, now 22"
