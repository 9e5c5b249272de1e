"""A run on disk: made once, never half-written, continued where it stopped, and only as what it was."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl
import pytest

from evaluate import provenance, run_directory
from evaluate.run_directory import RunDirectory

METRICS = pl.DataFrame({"pnl": [1.0, 2.0], "fills": [3, 4]})


def test_a_new_run_records_configuration_versions_machine_and_commit(tmp_path, config):
    run = RunDirectory.create(tmp_path / "runs", "policy_lab", config)
    document = json.loads((run.path / "config.json").read_text())
    assert run.path.name.endswith("_policy_lab")
    assert document["config"] == config
    assert document["python"] == ".".join(map(str, sys.version_info[:3]))
    assert document["packages"]["numpy"]
    assert {"created", "argv", "platform", "cpu", "cores", "git"} <= document.keys()
    assert run.rows().is_empty()
    assert run.finished() == set()


def test_many_runs_made_at_once_get_folders_of_their_own(tmp_path, config):
    with ThreadPoolExecutor(8) as pool:
        runs = list(pool.map(lambda _: RunDirectory.create(tmp_path, "same", config), range(8)))
    assert len({run.path for run in runs}) == 8
    assert sorted(tmp_path.iterdir()) == sorted(run.path for run in runs)


def test_a_name_that_would_leave_the_folder_is_an_error(tmp_path, config):
    with pytest.raises(ValueError, match=r"name must consist of .*, got '\.\./other'"):
        RunDirectory.create(tmp_path, "../other", config)


def test_a_configuration_without_a_baseline_is_an_error(tmp_path, config):
    del config["baseline"]
    with pytest.raises(ValueError, match="config must have policies, scenarios, seeds, baseline, lacks baseline"):
        RunDirectory.create(tmp_path, "name", config)


def test_rows_come_in_the_order_of_the_configuration(tmp_path, config):
    run = RunDirectory.create(tmp_path, "name", config)
    run.append("inventory_skewed", "volatile", [5, 3], METRICS)
    run.append("fixed_spread", "calm", [3, 5], METRICS)
    run.append("do_nothing", "volatile", [3, 5], METRICS)
    assert run.rows().select("policy", "scenario", "seed", "pnl").rows() == [
        ("fixed_spread", "calm", 3, 1.0),
        ("fixed_spread", "calm", 5, 2.0),
        ("do_nothing", "volatile", 3, 1.0),
        ("do_nothing", "volatile", 5, 2.0),
        ("inventory_skewed", "volatile", 3, 2.0),
        ("inventory_skewed", "volatile", 5, 1.0),
    ]
    assert ("inventory_skewed", "volatile", 5) in run.finished()


def test_gathering_keeps_every_row_and_more_can_be_added(tmp_path, config):
    run = RunDirectory.create(tmp_path, "name", config)
    run.append("do_nothing", "calm", [0, 1], METRICS)
    before = run.rows()
    run.consolidate()
    assert run.rows().equals(before)
    assert pl.read_parquet(run.path / "episodes.parquet")["pnl"].to_list() == [1.0, 2.0]
    assert list((run.path / "episodes").iterdir()) == []
    run.append("do_nothing", "calm", [2, 3], METRICS)
    run.consolidate()
    assert run.rows()["seed"].to_list() == [0, 1, 2, 3]


def test_gathering_interrupted_before_the_parts_are_gone_doubles_nothing(tmp_path, config, monkeypatch):
    run = RunDirectory.create(tmp_path, "name", config)
    run.append("do_nothing", "calm", [0, 1], METRICS)
    before = run.rows()
    monkeypatch.setattr(Path, "unlink", lambda *_: None)
    run.consolidate()
    assert len(list((run.path / "episodes").iterdir())) == 1
    assert run.rows().equals(before)


def test_recordings_carry_the_names_of_their_episodes(tmp_path, config):
    run = RunDirectory.create(tmp_path, "name", config)
    table = pl.DataFrame({"env": [1, 0, 1], "pnl": [0.1, 0.2, 0.3]}, schema_overrides={"env": pl.Int32})
    run.append("do_nothing", "calm", [7, 8], METRICS, {"paths": table})
    expected = [("do_nothing", "calm", 8, 0.1), ("do_nothing", "calm", 7, 0.2), ("do_nothing", "calm", 8, 0.3)]
    assert run.recording("paths").rows() == expected
    run.consolidate()
    assert run.recording("paths").rows() == expected
    assert run.recording("quotes").is_empty()


def test_a_policy_or_scenario_that_is_not_configured_is_an_error(tmp_path, config):
    run = RunDirectory.create(tmp_path, "name", config)
    with pytest.raises(ValueError, match=r"policy must be one of do_nothing, .*, got 'naive'"):
        run.append("naive", "calm", [0, 1], METRICS)
    with pytest.raises(ValueError, match="scenario must be one of calm, volatile, got 'storm'"):
        run.append("do_nothing", "storm", [0, 1], METRICS)


def test_an_unknown_recording_and_a_wrong_number_of_seeds_are_errors(tmp_path, config):
    run = RunDirectory.create(tmp_path, "name", config)
    with pytest.raises(ValueError, match="recordings must be among paths, quotes, fills, got trades"):
        run.append("do_nothing", "calm", [0, 1], METRICS, {"trades": pl.DataFrame()})
    with pytest.raises(ValueError, match="seeds must be as many as the rows of metrics, 2, got 1"):
        run.append("do_nothing", "calm", [0], METRICS)


def test_a_batch_stopped_before_its_rows_leaves_no_trace(tmp_path, config, monkeypatch):
    run = RunDirectory.create(tmp_path, "name", config)
    write = run_directory._write_parquet

    def fail(table, target):
        if target.parent.name == "episodes":
            raise KeyboardInterrupt
        write(table, target)

    table = pl.DataFrame({"env": [0, 1]}, schema_overrides={"env": pl.Int32})
    with monkeypatch.context() as patched:
        patched.setattr(run_directory, "_write_parquet", fail)
        with pytest.raises(KeyboardInterrupt):
            run.append("do_nothing", "calm", [0, 1], METRICS, {"paths": table})
    assert run.finished() == set()
    assert run.recording("paths").is_empty()
    run.append("do_nothing", "calm", [0, 1], METRICS, {"paths": table})
    assert len(run.recording("paths")) == 2


def test_kill_9_loses_no_finished_episode(tmp_path, config):
    script = textwrap.dedent("""
        import json, sys
        import polars as pl
        from evaluate.run_directory import RunDirectory
        run = RunDirectory.create(sys.argv[1], "killed", json.loads(sys.argv[2]))
        for seed in range(10**9):
            run.append("do_nothing", "calm", [seed], pl.DataFrame({"pnl": [float(seed)]}))
            print(seed, flush=True)
    """)
    root = Path(run_directory.__file__).parents[1]
    arguments = [sys.executable, "-c", script, str(tmp_path), json.dumps(config)]
    with subprocess.Popen(arguments, cwd=root, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        announced = -1
        while announced < 20:
            announced = int(process.stdout.readline())
        os.kill(process.pid, signal.SIGKILL)
        announced = max([announced, *(int(line) for line in process.stdout.read().split())])
    (path,) = tmp_path.glob("*_killed")
    run = RunDirectory.resume(path, config)
    seeds = {seed for _, _, seed in run.finished()}
    assert set(range(announced + 1)) <= seeds <= set(range(announced + 2))
    assert run.rows()["pnl"].to_list() == [float(seed) for seed in sorted(seeds)]


def test_resuming_is_put_on_record(tmp_path, config):
    path = RunDirectory.create(tmp_path, "name", config).path
    RunDirectory.resume(path, config)
    run = RunDirectory.resume(path, json.loads(json.dumps(config)))
    assert [set(entry) >= {"resumed", "git", "packages"} for entry in run.document["resumptions"]] == [True, True]
    assert run.config == config


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"baseline": "do_nothing"}, r'baseline "fixed_spread" there, "do_nothing" here$'),
        ({"latency": {"profile": "metro", "order_entry_us": 5.0}}, r'latency.profile "colo" there, "metro" here$'),
        ({"seeds": [1]}, r"seeds \[0, 1, .* there, \[1\] here$"),
        ({"fees": 0.1}, r"fees missing there, 0.1 here$"),
        ({"a": 1, "b": 1, "c": 1, "d": 1}, r"a missing there, 1 here; b .*; c missing there, 1 here and 1 more$"),
    ],
)
def test_resuming_with_another_configuration_names_what_differs_in_one_line(tmp_path, config, change, message):
    path = RunDirectory.create(tmp_path, "name", config).path
    with pytest.raises(ValueError, match=message) as error:
        RunDirectory.resume(path, config | change)
    assert "\n" not in str(error.value)


INPUTS = {
    "replay": [{"name": f"{what}.csv", "size": 7, "sha256": 32 * digit} for what, digit in (("m", "ab"), ("b", "cd"))]
}


def test_input_files_are_kept_and_a_run_on_the_same_goes_on(tmp_path, config):
    path = RunDirectory.create(tmp_path, "name", config | {"inputs": INPUTS}).path
    assert RunDirectory.resume(path, config | {"inputs": INPUTS}).config["inputs"] == INPUTS


def other_file(**changes):
    return {"replay": [INPUTS["replay"][0], INPUTS["replay"][1] | changes]}


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (other_file(sha256=32 * "ef"), "b.csv (7 bytes, SHA-256 cdcdcdcdcdcd…) there, b.csv (7 bytes, SHA-256 efef"),
        (other_file(size=8), "b.csv (7 bytes, SHA-256 cdcdcdcdcdcd…) there, b.csv (8 bytes, SHA-256 cdcd"),
        (other_file(name="c.csv"), "b.csv (7 bytes, SHA-256 cdcdcdcdcdcd…) there, c.csv (7 bytes"),
        ({"replay": INPUTS["replay"][:1]}, "b.csv (7 bytes, SHA-256 cdcdcdcdcdcd…) there, missing here"),
        ({}, "m.csv (7 bytes, SHA-256 abababababab…) there, missing here"),
    ],
)
def test_resuming_on_other_input_files_names_the_file_in_one_line(tmp_path, config, inputs, message):
    path = RunDirectory.create(tmp_path, "name", config | {"inputs": INPUTS}).path
    with pytest.raises(ValueError, match="was run with another configuration: input of replay ") as error:
        RunDirectory.resume(path, config | {"inputs": inputs})
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_folder_without_a_run_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"is no run directory: it has no config.json"):
        RunDirectory.open(tmp_path)


def test_commit_tells_a_clean_checkout_from_a_changed_one(tmp_path):
    assert provenance.commit(tmp_path) is None
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for arguments in (["init", "-q"], [*identity, "commit", "-q", "--allow-empty", "-m", "first"]):
        subprocess.run(["git", *arguments], cwd=tmp_path, check=True)
    found = provenance.commit(tmp_path)
    assert found is not None
    assert len(found["commit"]) == 40
    assert found["dirty"] is False
    (tmp_path / "new.txt").write_text(str(time.time()))
    assert provenance.commit(tmp_path) == {**found, "dirty": True}
