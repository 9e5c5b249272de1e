"""The zoo: its settings, the command of each training, and the choice that is put in place."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest

import policies
from lobenv.scenario.loading import load
from policies.artefact import ArtefactError, read_sidecar
from policies.ppo import WEIGHTS
from tests.policies.artefacts import write_network
from train.zoo.__main__ import main
from train.zoo.choice import install
from train.zoo.settings import Entry, TrainingRun, read


def settings(folder: Path, text: str) -> Path:
    path = folder / "settings.yml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_shipped_settings_name_every_family_for_calm_volatile_and_all(tmp_path):
    runs = read(tmp_path)
    assert {run.entry.label for run in runs} == {
        f"{name}/{family}" for name in ("calm", "volatile", "all") for family in ("ppo", "gp", "tuned")
    }


def test_tuned_rules_and_formulas_are_searched_for_by_the_same_number_of_episodes(tmp_path):
    words = {run.entry.label: run.entry.arguments for run in read(tmp_path)}
    for name in ("calm", "volatile", "all"):
        assert words[f"{name}/tuned"] == words[f"{name}/gp"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("calm", "must name policies, each with its families"),
        ("calm: {ppo: ''}", "calm: ppo must have the keys seeds and arguments"),
        ("calm: {ppo: {seeds: [1, 1], arguments: ''}}", "calm: ppo: seeds must be different whole numbers, got [1, 1]"),
        ("calm: {ppo: {seeds: [-1], arguments: ''}}", "calm: ppo: seeds must be different whole numbers, got [-1]"),
        ("calm: {dqn: {seeds: [1], arguments: ''}}", "calm: family must be one of ppo, gp, tuned, got 'dqn'"),
        ("calm: [", "not valid YAML"),
    ],
)
def test_wrong_settings_are_refused_in_one_line_naming_the_file(tmp_path, text, told):
    path = settings(tmp_path, text)
    with pytest.raises(ValueError, match=r"settings\.yml") as caught:
        read(tmp_path, path)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_training_is_run_by_its_own_module_with_its_arguments_seed_and_folder(tmp_path):
    run = TrainingRun(Entry("calm", "tuned", ("--scenarios", "calm")), 3, tmp_path)
    words = run.command(threads=1)
    assert words[0] == sys.executable
    assert shlex.join(words[1:]) == (
        f"-m train.gp --threads 1 --genome params --scenarios calm --seed 3 --out {tmp_path} --name calm_tuned_seed3"
    )
    assert run.policy is None


def test_a_training_with_a_checkpoint_is_resumed(tmp_path):
    folder = tmp_path / "20260101T000000_calm_ppo_seed1"
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "config.json").write_text("{}", encoding="utf-8")
    run = TrainingRun(Entry("calm", "ppo", ()), 1, tmp_path)
    assert "--resume" not in run.command(threads=1)
    (folder / "checkpoints" / "last").touch()
    assert run.command(threads=1)[-3:] == ["--resume", str(folder), "--trust"]


def test_a_training_that_was_begun_with_other_arguments_is_not_gone_on_with(tmp_path):
    before, after = (TrainingRun(Entry("calm", "ppo", ("--gamma", gamma)), 1, tmp_path) for gamma in ("0.9", "0.99"))
    before.note_arguments()
    after.note_arguments()  # nothing has been trained yet
    before.note_arguments()
    folder = tmp_path / "20260101T000000_calm_ppo_seed1"
    folder.mkdir()
    (folder / "config.json").write_text("{}", encoding="utf-8")
    before.note_arguments()
    with pytest.raises(ValueError, match=r"calm_ppo_seed1\.arguments: must say '--gamma 0\.99', .* got '--gamma 0\.9'"):
        after.note_arguments()
    (tmp_path / "calm_ppo_seed1.arguments").unlink()
    with pytest.raises(ValueError, match=r"must say '--gamma 0\.9', .* got ''"):
        before.note_arguments()


def test_weights_that_were_altered_after_the_training_are_not_installed(tmp_path, capsys):
    run = TrainingRun(Entry("calm", "ppo", ()), 1, tmp_path / "runs")
    folder = run.root / f"20260101T000000_{run.name}"
    weights = write_network(folder / "policy") / WEIGHTS
    (folder / "config.json").write_text("{}", encoding="utf-8")
    written = weights.read_bytes()
    weights.write_bytes(written[:-1] + bytes([written[-1] ^ 1]))
    with pytest.raises(ArtefactError, match=r"actor\.safetensors: was altered after it was written"):
        install(run, tmp_path / "zoo")
    path = settings(tmp_path, "calm: {ppo: {seeds: [1], arguments: ''}}")
    words = ["--settings", str(path), "--out", str(run.root), "--zoo", str(tmp_path / "zoo"), "--steps", "install"]
    assert main(words) == 2
    assert capsys.readouterr().err.startswith(f"error: {weights}: was altered after it was written: ")
    assert not (tmp_path / "zoo").exists()
    weights.write_bytes(written)
    assert (install(run, tmp_path / "zoo") / WEIGHTS).read_bytes() == written


def test_an_unknown_policy_is_refused_before_anything_is_trained(capsys, tmp_path):
    assert main(["--only", "calm/dqn", "--out", str(tmp_path / "runs")]) == 2
    assert "only must name some of calm/" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
def test_make_zoo_trains_chooses_installs_and_lists_every_seed(tmp_path, capsys):
    small = "--scenarios calm --generations 1 --population 4 --episodes 2 --validation-episodes 2 --test-episodes 2"
    path = settings(tmp_path, f"all: {{tuned: {{seeds: [1, 2], arguments: '{small}'}}}}")
    options = ["--settings", str(path), "--out", str(tmp_path / "runs"), "--zoo", str(tmp_path / "zoo")]
    assert main([*options, "--validation-episodes", "2", "--test-episodes", "4"]) == 0
    report = (tmp_path / "zoo" / "README.md").read_text(encoding="utf-8")
    assert report.count("tuned:all | 1 |") == 3
    assert report.count("tuned:all | 2 |") == 3
    assert report.count("✓ |") == 3
    # The rule that the others are compared with is the one just chosen, not the one that the project ships.
    shipped = [line for line in report.splitlines() if "✓ |" in line]
    assert all(line.endswith("| +0.0 [+0.0, +0.0] |") for line in shipped)
    folder = tmp_path / "zoo" / "all" / "tuned"
    assert read_sidecar(folder, "tuned").name == "all"
    policies.load(f"tuned:{folder}", policies.market_spec(load("calm")))
    capsys.readouterr()
    assert main([*options, "--steps", "train"]) == 0  # finished runs are left alone
    assert "of" not in capsys.readouterr().err.split("tuned")[0]
