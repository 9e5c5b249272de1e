"""The command trains, evaluates, exports and reports; it can be interrupted, resumed, and given wrong options."""

from __future__ import annotations

import json
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("stable_baselines3")
pytest.importorskip("sb3_contrib")

from stable_baselines3 import PPO
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import policies
from evaluate.lab_options import FIRST_SEED
from evaluate.metrics import METRICS
from evaluate.run_directory import RunDirectory
from evaluate.stored_options import command_of
from lobenv.scenario import scenario_hash
from policies.artefact import read_sidecar
from tests.scenario.recorded_day import write_day
from tests.train.neural.small_training import ITERATION, command_line, options, plan
from train import ppo
from train.neural.callbacks import Milestones
from train.neural.options import MODULE, NOT_RECORDED, check
from train.neural.training import Training, config_of
from train.shared.evaluation import FIRST_VALIDATION_SEED


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a finished run, and what the command said."""
    root = tmp_path_factory.mktemp("runs")
    assert ppo.main([*command_line(options(out=root, name="run", seed=5)), "--save-model"]) == 0
    (folder,) = root.iterdir()
    return folder


def curves(run):
    """Tag to steps and values that TensorBoard shows of a run."""
    events = EventAccumulator(str(run / "tensorboard"))
    events.Reload()
    return {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


@pytest.fixture(scope="module")
def scalars(finished):
    return curves(finished)


def market():
    return policies.market_spec(plan().markets[0].scenario)


def test_the_exported_policy_is_loaded_by_its_address_and_says_where_it_comes_from(finished):
    policy = policies.load(f"ppo:{finished / 'policy'}", market())
    policy.reset(2, 0)
    assert policy.act(np.zeros((2, len(market().index)), np.float32)).shape == (2, 2)
    sidecar = read_sidecar(finished / "policy", "ppo")
    assert sidecar.scenarios[0].hash == scenario_hash(plan().markets[0].scenario)
    assert sidecar.training.seeds == (5,)
    assert sidecar.training.total_steps == 4 * ITERATION
    assert (sidecar.algorithm, sidecar.name) == ("ppo", "run")
    assert sidecar.training.hyperparameters["n_steps"] == 16


def test_the_recorded_command_gives_the_same_training(finished):
    command = read_sidecar(finished / "policy", "ppo").training.command
    assert command.startswith("python -m train.ppo --seed 5 --total-timesteps 512 --overrides session.duration_s=30")
    again = ppo.parse([word.strip("'") for word in command.split()[3:]])
    kept = RunDirectory.open(finished).config["options"]
    assert replace(again, out=Path(kept["out"]), name="run", threads=1) == options(
        out=Path(kept["out"]), name="run", seed=5, save_model=True
    )


def test_switches_are_given_with_and_without_no():
    chosen = ppo.parse(["--no-mirrored", "--anneal-lr", "--no-fair-value"])
    assert (chosen.mirrored, chosen.anneal_lr, chosen.fair_value, chosen.averaged) == (False, True, False, None)
    again = command_of(chosen, MODULE, NOT_RECORDED).split()[3:]
    assert ppo.parse(again) == chosen


def test_the_best_policy_so_far_is_kept_where_it_can_be_loaded(finished):
    verdicts = json.loads((finished / "evaluations.json").read_text(encoding="utf-8"))[1:]
    best = max(verdicts, key=lambda verdict: verdict["score"])
    sidecar = read_sidecar(finished / "best", "ppo")
    assert sidecar.training.hyperparameters["exported_at_step"] == best["timesteps"]
    assert sidecar.metrics["calm"]["pnl"].mean == pytest.approx(best["means"]["calm"]["pnl"])
    policies.load(f"ppo:{finished / 'best'}", market())
    flatter = "episodes that it was chosen by, and so flatter it"
    assert flatter in (finished / "best" / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert flatter not in (finished / "policy" / "MODEL_CARD.md").read_text(encoding="utf-8")


def test_every_combination_that_is_trained_in_is_evaluated_in():
    chosen = check(options(scenarios=("calm", "volatile"), latencies=("colo", "geo")))
    assert list(chosen.scenarios) == ["calm, colo", "calm, geo", "volatile, colo", "volatile, geo"]


def test_the_figures_of_the_sidecar_are_those_of_the_episodes_on_held_out_seeds(finished):
    rows = RunDirectory.open(finished).rows()
    own = rows.filter(policy="ppo")
    assert own["seed"].to_list() == [FIRST_SEED + i for i in range(4)]
    assert set(rows["policy"]) == {"ppo", "do_nothing", "avellaneda_stoikov"}
    measured = read_sidecar(finished / "policy", "ppo").metrics["calm"]
    for name, interval in measured.items():
        values = own[name].drop_nulls()
        assert interval.mean == pytest.approx(values.mean())
        assert interval.low <= interval.mean <= interval.high
        assert interval.episodes == len(values)
    assert {"pnl", "risk_adjusted_pnl", "inventory_abs_mean"} <= set(measured)


def test_evaluations_are_kept_for_curves(finished):
    evaluations = json.loads((finished / "evaluations.json").read_text())
    assert [row["timesteps"] for row in evaluations] == [0, 2 * ITERATION, 4 * ITERATION]
    assert all(set(row["means"]) == {"calm"} for row in evaluations)


def test_tensorboard_has_the_scalars_of_learner_evaluation_and_market(scalars):
    assert {"train/loss", "rollout/ep_rew_mean", "time/fps", "train/learning_rate"} <= set(scalars)
    steps = [0, 2 * ITERATION, 4 * ITERATION]
    for tag in ("eval/mean_reward", "eval/risk_adjusted_pnl", "eval/beats_avellaneda_stoikov", "market/pnl"):
        assert [step for step, _ in scalars[tag]] == steps
    named = {tag.removeprefix("market/") for tag in scalars if tag.startswith("market/")}
    assert {"spread_captured", "inventory_abs_mean", "quote_time", "fees"} <= named <= set(METRICS)


def test_every_curve_has_one_value_a_step_and_the_learners_one_for_every_update(scalars):
    for tag, curve in scalars.items():
        steps = [step for step, _ in curve]
        assert steps == sorted(set(steps)), tag
        if tag.startswith("train/"):
            assert steps == [ITERATION, 2 * ITERATION, 3 * ITERATION, 4 * ITERATION], tag


def test_the_learning_rate_falls_to_nothing(scalars):
    rates = [value for _, value in scalars["train/learning_rate"]]
    assert rates == pytest.approx([rates[0], rates[0] * 2 / 3, rates[0] / 3, 0.0], abs=1e-9)
    assert rates[0] > 1e-5


def test_the_model_is_saved_as_stable_baselines_does_where_asked_for(finished):
    assert PPO.load(finished / "model.zip", device="cpu").num_timesteps == 4 * ITERATION
    assert (finished / "vecnormalize.pkl").is_file()


def test_the_model_card_says_how_to_train_it_again_and_what_it_earns(finished):
    card = (finished / "policy" / "MODEL_CARD.md").read_text()
    assert "python -m train.ppo --seed 5" in card
    assert "| calm | 4 | " in card
    table = [line for line in card.splitlines() if line.startswith("| scenario")]
    assert table[0].count(" | ") == card.splitlines()[card.splitlines().index(table[0]) + 2].count(" | ")


def test_two_runs_of_one_seed_export_the_same_bytes(finished, tmp_path):
    assert ppo.main(command_line(options(out=tmp_path, name="again", seed=5))) == 0
    (folder,) = tmp_path.iterdir()
    weights = [path / "policy" / "actor.safetensors" for path in (finished, folder)]
    assert weights[0].read_bytes() == weights[1].read_bytes()


def test_ctrl_c_keeps_a_checkpoint_says_how_to_go_on_and_going_on_finishes(finished, tmp_path, monkeypatch, capsys):
    on_step = Milestones._on_step

    def press(self):
        if self.num_timesteps == ITERATION + 8:
            signal.raise_signal(signal.SIGINT)
        return on_step(self)

    with monkeypatch.context() as patch:
        patch.setattr(Milestones, "_on_step", press)
        assert ppo.main(command_line(options(out=tmp_path, name="cut", seed=5))) == 130
    (folder,) = tmp_path.iterdir()
    before = curves(folder)
    assert before["train/loss"]
    assert f"-m train.ppo --resume {folder} --trust" in capsys.readouterr().err
    assert not (folder / "policy").exists()
    assert ppo.main(["--resume", str(folder), "--trust"]) == 0
    weights = [path / "policy" / "actor.safetensors" for path in (finished, folder)]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    whole, rest = curves(finished), curves(folder)
    assert {tag: [step for step, _ in curve] for tag, curve in rest.items()} == {
        tag: [step for step, _ in curve] for tag, curve in whole.items()
    }
    assert rest["train/loss"] == whole["train/loss"]


def test_a_run_stopped_before_its_first_checkpoint_begins_again(finished, tmp_path, monkeypatch, capsys):
    def press(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Training, "learn", press)
        assert ppo.main(command_line(options(out=tmp_path, name="cut", seed=5))) == 130
    (folder,) = tmp_path.iterdir()
    assert f"-m train.ppo --resume {folder} --trust" in capsys.readouterr().err
    assert not (folder / "checkpoints").exists()
    assert ppo.main(["--resume", str(folder)]) == 0
    weights = [path / "policy" / "actor.safetensors" for path in (finished, folder)]
    assert weights[0].read_bytes() == weights[1].read_bytes()


def test_a_checkpoint_is_not_read_without_the_users_word(finished, capsys):
    assert ppo.main(["--resume", str(finished)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "last.pt is a pickle, and reading one does whatever it says: add --trust if the run is your own" in line


@pytest.mark.parametrize("algo", ["maskable_ppo", "ddpg"])
def test_the_other_algorithms_end_in_a_policy_too(algo, tmp_path):
    assert ppo.main(command_line(options(algo, out=tmp_path, name=algo, total_timesteps=2 * ITERATION))) == 0
    (folder,) = tmp_path.iterdir()
    sidecar = read_sidecar(folder / "policy", "ppo")
    assert sidecar.algorithm == algo
    assert sidecar.action.mode == ("discrete" if algo == "maskable_ppo" else "continuous")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--seed", "-1"], "seed must be from 0 to 218, got -1"),
        (["--num-envs", "0"], "num_envs must be at least 1, got 0"),
        (["--num-envs", "5000"], "num_envs must be at most 4096, got 5000"),
        (["--scenarios", "clam"], "scenario 'clam' is unknown"),
        (
            ["--num-envs", "1", "--latencies", "metro", "retail"],
            "num_envs must be at least 2, one for each combination",
        ),
        (["--algo", "sac", "--gae-lambda", "0.9"], "gae_lambda is no hyperparameter of sac"),
        (
            ["--algo", "sac", "--num-minibatches", "4"],
            "num_minibatches goes with ppo and maskable_ppo, got it with sac",
        ),
        (["--num-minibatches", "3"], "num_minibatches must divide a rollout's"),
        (["--num-minibatches", "4", "--batch-size", "64"], "num_minibatches and batch_size say the same"),
        (["--initial-offset-ticks", "20"], "initial_offset_ticks must be above 0 and below 20, got 20"),
        (
            ["--algo", "maskable_ppo", "--initial-offset-ticks", "3"],
            "initial_offset_ticks goes with continuous actions",
        ),
        (["--overrides", "session"], "overrides must read key=value, such as session.duration_s=60, got 'session'"),
        (["--resume", "nowhere"], "nowhere is no run directory"),
        (["--scenarios", "replay"], "replays a recorded day; name its folder or message file with --data"),
        (["--scenarios", "replay", "--data", "nowhere"], "data: nowhere: no such file or folder"),
        (["--data", "day.csv"], "data: none of calm replays a recorded day"),
    ],
)
def test_a_wrong_option_is_one_line_and_status_2(arguments, message, tmp_path, capsys):
    assert ppo.main([*arguments, "--out", str(tmp_path / "runs")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert message in line
    assert not (tmp_path / "runs").exists()


def test_a_recorded_day_that_cannot_be_read_is_one_line_and_leaves_no_folder(tmp_path, capsys):
    (tmp_path / "day").mkdir()
    arguments = ["--scenarios", "replay", "--data", str(tmp_path / "day"), "--num-envs", "2"]
    assert ppo.main([*arguments, "--out", str(tmp_path / "runs")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert str(tmp_path / "day") in line
    assert not (tmp_path / "runs").exists()


def test_the_help_says_what_a_left_out_option_comes_to(capsys):
    with pytest.raises(SystemExit):
        ppo.parse(["--help"])
    said = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "(default: None)" not in said
    assert "Samples of a gradient step. (default: 8192 for ppo; 4096 for maskable_ppo; 512 for" in said


def test_a_resumed_run_keeps_its_options(finished, capsys):
    assert ppo.main(["--resume", str(finished), "--seed", "6"]) == 2
    assert f"seed of {finished} is 5 and stays so, got 6" in capsys.readouterr().err


def test_a_run_of_another_command_is_not_resumed(tmp_path, capsys):
    config = {"policies": [], "scenarios": [], "seeds": [], "baseline": None}
    other = RunDirectory.create(tmp_path, "lab", config)
    assert ppo.main(["--resume", str(other.path)]) == 2
    assert "must be a run of this version of train.ppo" in capsys.readouterr().err


def test_runs_of_different_seeds_share_no_market_and_none_is_held_out():
    ends = []
    for seed in (0, 1, 218):
        first = plan(seed=seed).first_market_seed
        ends += [first, first + 4_095]
    assert ends == sorted(set(ends))
    assert ends[-1] < FIRST_VALIDATION_SEED < plan().validation_seeds[-1] < FIRST_SEED == plan().test_seeds[0]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "lin_1e-3"),
        ({"learning_rate": 0.002}, "lin_0.002"),
        ({"learning_rate": 0.002, "anneal_lr": False}, 0.002),
        ({"anneal_lr": False}, 0.001),
    ],
)
def test_rate_and_annealing_are_given_apart(changes, expected, tmp_path):
    path = tmp_path / "falling.yml"
    path.write_text("Sentinel-MM-v0: {n_envs: 8, n_timesteps: 100, learning_rate: lin_1e-3}\n")
    assert plan(hyperparameters=path, **changes).hyperparameters.settings["learning_rate"] == expected


def test_minibatches_are_given_by_number_or_size():
    chosen = plan(num_minibatches=4, batch_size=None)
    assert chosen.hyperparameters.settings["batch_size"] == 8 * 16 // 4


def test_a_training_on_a_recorded_day_keeps_which_files_it_played(tmp_path):
    chosen = plan(scenarios=("replay",), data=str(write_day(tmp_path)), overrides=("session.duration_s=2",))
    (files,) = config_of(chosen)["inputs"].values()
    assert {file["name"] for file in files} == {path.name for path in tmp_path.iterdir()}
    assert not chosen.fair_value
