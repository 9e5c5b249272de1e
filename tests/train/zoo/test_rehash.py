"""Naming the markets of a zoo's policies anew: hashes of today, the same files, and nothing of what was altered."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from lobenv.scenario.loading import load, scenario_hash
from policies.artefact import CARD, SIDECAR, find, read_sidecar, write_artefact
from policies.ppo import WEIGHTS
from policies.sidecar import TrainingScenario
from tests.policies.artefacts import write_network, write_rule
from train.zoo.__main__ import main

BEFORE = (
    TrainingScenario(name="calm", hash="0" * 16),
    TrainingScenario(name="calm", hash="1" * 16, latency="retail"),
    TrainingScenario(name="volatile", hash=scenario_hash(load("volatile"))),
)
CHANGED = "calm: an iceberg trades in one piece"
LINE = "The market of calm has changed since the training: an iceberg trades in one piece."


def a_zoo(folder: Path) -> list[str]:
    """The words of a command that names two policies anew, whose markets had other hashes."""
    write_network(folder / "zoo" / "all" / "ppo", scenarios=BEFORE)
    write_rule(folder / "zoo" / "all" / "tuned", scenarios=BEFORE[-1:])
    path = folder / "settings.yml"
    path.write_text("all: {ppo: {seeds: [1], arguments: ''}, tuned: {seeds: [1], arguments: ''}}", encoding="utf-8")
    return ["--steps", "rehash", "--zoo", str(folder / "zoo"), "--settings", str(path), "--out", str(folder / "runs")]


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_markets_are_named_by_their_hash_of_today_and_all_else_stays(tmp_path, capsys):
    words, folder = a_zoo(tmp_path), tmp_path / "zoo" / "all" / "ppo"
    before, files = read_sidecar(folder, "ppo"), content(tmp_path / "zoo")
    assert main(words) == 0
    assert f"{folder}: 2 of 3 hashes are new" in capsys.readouterr().out
    after = read_sidecar(folder, "ppo")
    assert after.scenarios[0].hash == scenario_hash(load("calm"))
    assert after.scenarios[1].latency == "retail"
    assert after.scenarios[1].hash not in {"1" * 16, after.scenarios[0].hash}
    assert after.scenarios[2] == BEFORE[2]
    kept = {"scenarios": BEFORE, "digest": before.digest}
    assert after.model_copy(update=kept) == before
    now = content(tmp_path / "zoo")
    assert [name for name in files if now.pop(name) != files[name]] == [f"all/ppo/{SIDECAR}"]
    assert not now
    assert not (tmp_path / "runs").exists()


def test_what_changed_in_a_market_stands_once_in_the_cards_of_the_policies_trained_there(tmp_path):
    words = [*a_zoo(tmp_path), "--changed", CHANGED]
    assert main(words) == main(words) == 0
    zoo = tmp_path / "zoo" / "all"
    assert (zoo / "ppo" / CARD).read_text(encoding="utf-8") == f"# A network\n\n{LINE}\n"
    assert (zoo / "tuned" / CARD).read_text(encoding="utf-8") == "# A tuned rule\n"


def flip(path: Path) -> None:
    altered = bytearray(path.read_bytes())
    altered[-1] ^= 1
    path.write_bytes(altered)


def alter_sidecar(path: Path) -> None:
    values = json.loads(path.read_text())
    values["order_size"] += 1
    path.write_text(json.dumps(values))


@pytest.mark.parametrize(("name", "alter"), [(WEIGHTS, flip), (SIDECAR, alter_sidecar)])
def test_an_altered_policy_is_refused_before_any_is_written(tmp_path, capsys, name, alter):
    words, path = a_zoo(tmp_path), tmp_path / "zoo" / "all" / "ppo" / name
    alter(path)
    before = content(tmp_path / "zoo")
    assert main(words) == 2
    assert capsys.readouterr().err.startswith(f"error: {path}: was altered after it was written: ")
    assert content(tmp_path / "zoo") == before


def test_a_market_in_which_quotes_mean_something_else_is_refused(tmp_path, capsys):
    words, folder = a_zoo(tmp_path), tmp_path / "zoo" / "all" / "tuned"
    wide = read_sidecar(folder, "tuned").model_copy(update={"max_offset_ticks": 40.0})
    write_artefact(folder, wide, "")
    before = content(tmp_path / "zoo")
    assert main(words) == 2
    told = f"error: {folder / SIDECAR}: max_offset_ticks: must be that of volatile, 20, got 40\n"
    assert capsys.readouterr().err == told
    assert content(tmp_path / "zoo") == before


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--changed", "calm"], "changed must name each scenario once, as 'NAME: in what it differs', got 'calm'"),
        (["--changed", CHANGED, CHANGED], f"changed must name each scenario once, as .* got '{CHANGED}'"),
        (["--changed", "news_jump: x"], "changed must name some of calm, volatile, got 'news_jump'"),
        (["--steps", "rehash", "report"], "steps must be rehash alone or some of train, install, report, got rehash"),
        (["--steps", "report", "--changed", CHANGED], f"changed must be left out without .* got '{CHANGED}'"),
    ],
)
def test_wrong_options_are_refused_in_one_line(tmp_path, capsys, more, told):
    assert main([*a_zoo(tmp_path), *more]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert re.search(told, error)


def test_the_shipped_zoo_is_named_as_today(tmp_path):
    zoo = tmp_path / "zoo"
    shutil.copytree(find("gp", "all").parents[1], zoo)
    before = content(zoo)
    assert main(["--steps", "rehash", "--zoo", str(zoo)]) == 0
    assert content(zoo) == before
