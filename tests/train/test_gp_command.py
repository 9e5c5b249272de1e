"""`python -m train.gp` as a user meets it: what it leaves behind, how it goes on, and how it refuses."""

from __future__ import annotations

import json

import numpy as np
import pytest

import policies
from evaluate.run_directory import RunDirectory
from evaluate.stored_options import command_of, stored
from lobenv.envs.interface import configure
from policies.artefact import read_sidecar
from policies.base import market_spec
from train import gp
from train.genetic.options import CHANGEABLE, MODULE, NOT_RECORDED, Options, check

SMALL = [
    *(
        "--population",
        "6",
        "--first-population",
        "8",
        "--episodes",
        "2",
        "--latencies",
        "retail",
        "--overrides",
        "session.duration_s=10",
    ),
    *("--validation-episodes", "4", "--test-episodes", "4", "--threads", "1"),
]


@pytest.fixture
def evolve(tmp_path):
    """Run the command with a folder for its runs; exit status."""
    return lambda *arguments: gp.main([*arguments, "--out", str(tmp_path)])


def runs(folder):
    return sorted(path for path in folder.iterdir() if path.is_dir())


def outcome(run):
    """What a run ends with, but for the time that it took."""
    document = json.loads((run / "policy" / "policy.json").read_text())
    return document["parameters"], document["metrics"], json.loads((run / "front.json").read_text())


def test_a_run_leaves_a_policy_that_loads_and_says_what_it_is(evolve, tmp_path, capsys):
    assert evolve("--generations", "2", "--name", "small", *SMALL) == 0
    (run,) = runs(tmp_path)
    market = market_spec(configure("calm", {"session.duration_s": 10}))
    policy = policies.load(f"gp:{run / 'policy'}", market)
    policy.reset(3, 0)
    assert policy.act(np.zeros((3, len(market.index)), np.float32)).shape == (3, 2)
    sidecar = read_sidecar(run / "policy", "gp")
    assert sidecar.scenarios[0].hash == market.scenario_hash
    assert sidecar.metrics["calm"]["risk_adjusted_pnl"].episodes == 4
    episodes = json.loads(_last_checkpoint(run).read_text())["episodes"]
    assert (sidecar.training.total_episodes, sidecar.training.total_steps) == (episodes, 20 * episodes)
    text = (run / "policy" / "formula.txt").read_text()
    assert text in (run / "policy" / "MODEL_CARD.md").read_text()
    for part in ("bid =", "ask ="):
        assert part in text
    assert {"gp/risk_adjusted_pnl_best", "gp/steps_per_second", "eval/risk_adjusted_pnl"} <= scalars(run)
    captured = capsys.readouterr()
    assert f"gp:{run / 'policy'}" in captured.out
    assert "generation 2 of 2" in captured.err


def scalars(run):
    """Names of what TensorBoard would show."""
    from tensorboard.backend.event_processing.event_multiplexer import EventMultiplexer

    shown = EventMultiplexer().AddRunsFromDirectory(str(run / "tensorboard"))
    shown.Reload()
    return {tag for tags in shown.Runs().values() for tag in tags["tensors"]}


def _last_checkpoint(run):
    return max((run / "checkpoints").iterdir())


def test_the_winner_of_params_is_a_tuned_rule(evolve, tmp_path):
    assert evolve("--genome", "params", "--rule", "glft", "--generations", "1", "--no-tensorboard", *SMALL) == 0
    (run,) = runs(tmp_path)
    policy = policies.load(f"tuned:{run / 'policy'}", market_spec(configure("calm")))
    assert policy.name == f"tuned:{run / 'policy'}"
    assert read_sidecar(run / "policy", "tuned").parameters.rule.startswith("rule:glft")
    assert not (run / "tensorboard").exists()


def test_an_interrupted_run_goes_on_to_the_same_end(evolve, tmp_path, monkeypatch, capsys):
    assert evolve("--generations", "3", "--name", "whole", "--no-tensorboard", *SMALL) == 0
    advance, lived = gp.advance, []

    def interrupted(*arguments):
        if len(lived) == 2:
            raise KeyboardInterrupt
        lived.append(None)
        advance(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(gp, "advance", interrupted)
        assert evolve("--generations", "3", "--name", "stopped", "--no-tensorboard", *SMALL) == 130
    stopped, whole = sorted(runs(tmp_path), key=lambda run: run.name.split("_")[1])
    assert f"--resume {stopped}" in capsys.readouterr().err
    assert gp.main(["--resume", str(stopped), "--threads", "1", "--no-tensorboard"]) == 0
    assert outcome(stopped) == outcome(whole)


def test_no_generation_stands_twice_in_tensorboard_after_resuming(evolve, tmp_path):
    assert evolve("--generations", "2", *SMALL) == 0
    (run,) = runs(tmp_path)
    for arguments in ([], ["--generations", "3"]):
        assert gp.main(["--resume", str(run), "--threads", "1", *arguments]) == 0
    shown = curves(run)
    assert shown["gp/risk_adjusted_pnl_best"] == [1, 2, 3]
    assert shown["gp/steps_per_second"] == [1, 2, 3]
    assert shown["eval/risk_adjusted_pnl"] == [3]


def curves(run):
    """Tag to the steps that TensorBoard shows of a run."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run / "tensorboard"))
    events.Reload()
    return {tag: [event.step for event in events.Tensors(tag)] for tag in events.Tags()["tensors"]}


def test_a_finished_run_can_be_prolonged(evolve, tmp_path):
    assert evolve("--generations", "3", "--name", "long", "--no-tensorboard", *SMALL) == 0
    assert evolve("--generations", "1", "--name", "short", "--no-tensorboard", *SMALL) == 0
    long, short = sorted(runs(tmp_path), key=lambda run: run.name.split("_")[1])
    assert gp.main(["--resume", str(short), "--generations", "3", "--threads", "1", "--no-tensorboard"]) == 0
    assert outcome(short) == outcome(long)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--population", "2"], "population must be at least 4, got 2"),
        (["--resume", "nowhere"], "nowhere is no run directory"),
        (["--scenarios", "replay"], "replays a recorded day; name its folder or message file with --data"),
    ],
)
def test_a_wrong_option_is_one_line_and_status_2(evolve, tmp_path, capsys, arguments, complaint):
    assert evolve(*arguments) == 2
    error = capsys.readouterr().err
    assert complaint in error
    assert error.count("\n") == 1
    assert not runs(tmp_path)


def test_a_resumed_run_refuses_options_that_it_has_settled(evolve, tmp_path, capsys):
    assert evolve("--generations", "1", "--no-tensorboard", *SMALL) == 0
    (run,) = runs(tmp_path)
    assert gp.main(["--resume", str(run), "--episodes", "3"]) == 2
    assert f"episodes of {run} is 2 and stays so, got 3" in capsys.readouterr().err


def test_the_recorded_command_leads_back_to_the_same_options():
    import tyro

    options = Options(
        genome="params", rule="glft", generations=7, latencies=("geo",), overrides=("learners.maker.latency=leo",)
    )
    words = command_of(options, MODULE, NOT_RECORDED).split()[3:]
    assert stored(tyro.cli(Options, args=words), CHANGEABLE) == stored(options, CHANGEABLE)
    assert tyro.cli(Options, args=words).generations == 7
    assert check(options).conditions[1].maker.latency == "geo"


def test_several_scenarios_share_one_winner_and_each_has_its_table(evolve, tmp_path, capsys):
    assert evolve("--generations", "1", "--scenarios", "calm", "volatile", "--no-tensorboard", *SMALL) == 0
    (run,) = runs(tmp_path)
    sidecar = read_sidecar(run / "policy", "gp")
    assert [scenario.name for scenario in sidecar.scenarios] == list(sidecar.metrics) == ["calm", "volatile"]
    rows = RunDirectory.open(run).rows()
    assert set(rows["policy"]) == {"gp", "do_nothing", "avellaneda_stoikov"}
    assert rows.height == 2 * 3 * 4
    printed = capsys.readouterr().out
    for word in ("calm", "volatile", "avellaneda_stoikov"):
        assert word in printed
