"""The lab as a user meets it: what a command leaves behind, whatever happens while it runs."""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import gymnasium as gym
import numpy as np
import polars as pl
import pytest

import lobenv
import policies
from evaluate import policy_lab, whole_files
from evaluate.lab_options import FIRST_SEED, Options, check
from evaluate.metrics import METRICS, episode_metrics
from evaluate.rollout import constants_of, play, sessions
from evaluate.run_directory import RunDirectory
from evaluate.statistics import interval
from lobenv.engine.batch import Batch
from lobenv.market.tables import KILLED, RUNNING
from lobenv.roles.maker.action import FLATTEN
from lobenv.roles.maker.task import Reward, Task
from lobenv.scenario.loading import load, scenario_hash
from policies import artefact
from policies.sidecar import TrainingScenario
from tests.policies.artefacts import write_rule
from tests.scenario.recorded_day import DAY, STEM, write_day

SESSION = {"session.duration_s": 20}
SHORT = ["--overrides", "session.duration_s=20", "--no-tensorboard"]
RULES = ("do_nothing", "fixed_spread", "glft")
RUN = ["--policies", "fixed_spread", "random", "--scenarios", "calm", "--seeds", "4", *SHORT]


@pytest.fixture
def lab(tmp_path):
    """Run the lab with a folder for its runs; exit status."""
    return lambda *arguments: policy_lab.main([*arguments, "--out", str(tmp_path)])


def run_in(folder):
    """The one run in a folder."""
    (path,) = folder.glob("*_policy_lab")
    return RunDirectory.open(path)


def episodes(tmp_path, *arguments):
    """The rows of a run whose report is of no interest."""
    folder = tmp_path / str(len(list(tmp_path.iterdir())))
    options = policy_lab.parse([*arguments, "--out", str(folder)])
    comparison = check(options)
    batches = {name: policy_lab.batch_for(scenario, comparison) for name, scenario in comparison.scenarios.items()}
    run = RunDirectory.create(options.out, options.name, comparison.config())
    assert not policy_lab.compare(comparison, run, batches)
    return run.rows()


# ------------------------------------------------------------ a run


def test_a_run_leaves_every_episode_and_a_report_that_names_the_policies(lab, tmp_path, capsys):
    assert lab(*RUN) == 0
    run = run_in(tmp_path)
    wanted = {(policy, "calm", FIRST_SEED + i) for policy in ("fixed_spread", "random") for i in range(4)}
    assert run.finished() == wanted
    assert pl.read_parquet(run.path / "episodes.parquet").height == len(wanted)
    assert run.rows()["duration"].unique().to_list() == [20.0]
    page = (run.path / "report.html").read_text()
    printed = capsys.readouterr().out
    for text in (page, printed):
        assert "fixed_spread" in text
        assert "random" in text
    assert str(run.path / "report.html") in printed


def test_every_episode_leaves_its_course_and_the_first_seed_its_quotes(lab, tmp_path):
    lab(*RUN, "--batch", "3")
    run = run_in(tmp_path)
    assert set(run.recording("paths").select("policy", "scenario", "seed").unique().rows()) == run.finished()
    quotes = run.recording("quotes")
    assert quotes["seed"].unique().to_list() == [FIRST_SEED]
    assert quotes.group_by("policy").len().sort("policy").rows() == [("fixed_spread", 41), ("random", 41)]


def test_the_same_command_gives_the_same_rows(tmp_path):
    assert episodes(tmp_path, *RUN).equals(episodes(tmp_path, *RUN))


def test_batch_size_and_threads_change_no_figure(tmp_path):
    many = ["--policies", "glft", "random", "--scenarios", "calm", "--seeds", "128", *SHORT]
    rows = episodes(tmp_path, *many, "--batch", "128", "--threads", "2")
    assert rows["fills"].sum() > 0
    assert rows.equals(episodes(tmp_path, *many, "--batch", "128", "--threads", "1"))
    assert rows.equals(episodes(tmp_path, *many, "--batch", "50"))


def test_an_option_reaches_every_scenario(tmp_path):
    (tmp_path / "wide.yaml").write_text("base: calm\nlearners:\n  maker:\n    max_offset_ticks: 40\n")
    files = [str(tmp_path / "wide.yaml"), "calm"]
    options = ["--latency", "retail", "--fees", "nasdaq", "--overrides", "session.duration_s=10"]
    comparison = check(policy_lab.parse(["--policies", *RULES, "--scenarios", *files, *options]))
    for scenario in comparison.scenarios.values():
        assert scenario.maker.latency == "retail"
        assert scenario.books[0].fees.maker_per_share == -0.002
        assert scenario.session.duration_s == 10
    assert [scenario.maker.max_offset_ticks for scenario in comparison.scenarios.values()] == [40, 20]
    assert comparison.config()["settings"]["calm"]["learners"]["maker"]["latency"] == "retail"


# ------------------------------------------------------------ learned policies


@pytest.fixture
def zoo(monkeypatch, tmp_path_factory):
    """A zoo of two tuned rules: one trained on the short calm alone, one on two scenarios."""
    folder = tmp_path_factory.mktemp("zoo")
    monkeypatch.setattr(artefact, "ZOO", folder)
    calm, volatile = (
        TrainingScenario(name=name, hash=scenario_hash(load(name, SESSION))) for name in ("calm", "volatile")
    )
    write_rule(folder / "calm" / "tuned", "rule:fixed_spread?half_spread=4", scenarios=(calm,))
    write_rule(folder / "all" / "tuned", "rule:fixed_spread?half_spread=7", scenarios=(calm, volatile))
    return folder


ZOO = ["--policies", "fixed_spread?half_spread=4", "fixed_spread?half_spread=7", "tuned:zoo", "--seeds", "4"]
ZOO += ["--scenarios", "calm", "volatile", *SHORT]


def test_the_zoos_policy_of_each_scenario_plays_in_it_and_the_run_says_which(lab, tmp_path, zoo, capsys):
    assert lab(*ZOO) == 0
    run = run_in(tmp_path)
    rows = run.rows().drop("policy")
    for scenario, half_spread in (("calm", 4), ("volatile", 7)):
        own, rule = (
            rows.filter((run.rows()["policy"] == name) & (pl.col("scenario") == scenario))
            for name in ("tuned:zoo", f"fixed_spread?half_spread={half_spread}")
        )
        assert len(own) == 4
        assert own.equals(rule)
    learned = run.config["learned"]["tuned:zoo"]
    assert [learned[name]["formula"][-1] for name in ("calm", "volatile")] == ["4", "7"]
    assert [learned[name]["trained_on"] for name in ("calm", "volatile")] == [["calm"], ["calm", "volatile"]]
    assert run.config["baseline"] == "tuned:zoo"
    said = capsys.readouterr().out
    assert re.search(r"tuned:zoo in calm: \S*calm/tuned, trained on calm\n", said)
    assert re.search(r"tuned:zoo in volatile: \S*all/tuned, trained on calm, volatile\n", said)


def test_a_run_does_not_go_on_with_a_policy_that_has_changed(tmp_path, zoo, capsys):
    run = RunDirectory.create(tmp_path, "begun", check(policy_lab.parse(ZOO)).config())
    (zoo / "all" / "tuned" / "MODEL_CARD.md").write_text("trained again")
    assert policy_lab.main(["--resume", str(run.path)]) == 2
    assert "learned.tuned:zoo.volatile.digest" in capsys.readouterr().err


def test_a_policy_that_cannot_be_loaded_is_one_line_and_status_2(lab, tmp_path, zoo, capsys):
    (zoo / "all" / "tuned" / "policy.json").write_text("{")
    assert lab(*ZOO) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert "all/tuned/policy.json: not valid JSON" in said
    assert said.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_fallback_stands_in_for_a_policy_that_cannot_be_loaded_and_the_run_says_so(lab, tmp_path, zoo, capsys):
    (zoo / "all" / "tuned" / "policy.json").write_text("{")
    options = ["--policies", "tuned:zoo", "join_touch", "--fallback", "join_touch", "--scenarios", "calm", "volatile"]
    assert lab(*options, "--seeds", "2", *SHORT) == 0
    said = capsys.readouterr()
    assert said.err.count("warning: ") == 1
    assert re.search(r"warning: .*all/tuned/policy.json: not valid JSON; rule:join_touch plays instead\n", said.err)
    assert "tuned:zoo in volatile: rule:join_touch, a stand-in\n" in said.out
    run = run_in(tmp_path)
    own, rule = (
        run.rows().filter(policy=name, scenario="volatile").drop("policy") for name in ("tuned:zoo", "join_touch")
    )
    assert own.equals(rule)
    assert run.config["options"]["fallback"] == "join_touch"


def test_a_wrong_fallback_is_refused_even_where_nothing_needs_it(lab, capsys):
    assert lab(*RUN, "--fallback", "gltf") == 2
    assert "policy 'rule:gltf': name must be one of" in capsys.readouterr().err


def test_the_default_compares_rules_with_the_three_families_of_the_zoo_on_64_held_out_seeds():
    defaults = Options()
    families = [address.partition(":")[0] for address in defaults.policies if ":" in address]
    assert families == ["tuned", "ppo", "gp"]
    assert {"do_nothing", "fixed_spread", "avellaneda_stoikov", "glft"} < set(defaults.policies)
    assert len(defaults.scenarios) == 3
    assert (defaults.seeds, defaults.first_seed) == ("128", FIRST_SEED)


@pytest.mark.parametrize("module", ["evaluate.policy_lab", "evaluate.rollout"])
def test_measuring_imports_no_learner_and_playing_no_plots(module):
    unwanted = ["torch", "stable_baselines3", "deap", "sympy", "tensorboard"]
    unwanted += ["matplotlib"] if module == "evaluate.rollout" else []
    program = f"import sys, {module}; print([name for name in {unwanted} if name in sys.modules])"
    root = Path(policy_lab.__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


# ------------------------------------------------------------ one episode


def test_in_calm_a_naive_symmetric_quoter_two_ticks_from_the_mid_earns_nothing():
    # The mean P&L of these 128 episodes is known to about $10, the worth of its fills after half a minute to $4.
    seeds = range(FIRST_SEED, FIRST_SEED + 128)
    rows = measured(Batch(load("calm"), len(seeds)), "rule:fixed_spread?half_spread=2", seeds)
    assert rows["fees"].to_list() == [0.0] * len(seeds)
    assert rows["spread_captured"].to_numpy().mean() > 20.0
    assert rows["pnl"].to_numpy().mean() < 0.0
    assert interval(rows["realised_spread_30s"]).high < 0.0


def test_an_episode_is_that_of_the_environment_with_the_same_seed():
    scenario = load("calm", SESSION)
    batch = Batch(scenario, 3)
    rollout = play(batch, policies.load("rule:join_touch", policies.market_spec(scenario)), [5, 6, 7])
    assert len(rollout.fills)
    for row, seed in enumerate((5, 6, 7)):
        env = gym.make(lobenv.MARKET_MAKING, scenario=scenario)
        policy = policies.load("rule:join_touch", policies.market_spec(scenario))
        policy.reset(1, [seed])
        observation, info = env.reset(seed=seed)
        mids, ended = [info["mid"]], False
        while not ended:
            observation, _, ended, _, info = env.step(policy.act(observation[None])[0])
            mids.append(info["mid"])
        paths = rollout.paths
        assert paths.mid[row].tolist() == mids
        for name in ("inventory", "cash", "fees"):
            assert getattr(paths, name)[row, -1] == info[name]
        assert paths.pnl(constants_of(scenario))[row, -1] == pytest.approx(info["pnl"], abs=1e-6)


def test_the_liquidation_at_the_close_is_among_the_fills_and_not_among_what_was_sent():
    scenario = load("calm", SESSION)
    rollout = play(Batch(scenario, 8), policies.load("rule:join_touch", policies.market_spec(scenario)), range(8))
    closing = rollout.fills[rollout.fills["maker"] == 0]
    assert len(closing)
    assert set(closing["time_ns"]) == {scenario.close_ns}
    made = rollout.fills[rollout.fills["maker"] == 1]
    filled = np.bincount(made["env"], made["qty"], 8)
    assert rollout.counts["quantity_filled"].tolist() == filled.tolist()
    assert (rollout.counts["quantity_quoted"] >= filled).all()
    assert (rollout.paths.inventory[:, -1] == 0).all()


class QuotesAndCloses:
    """Quotes at the half-spread, and every fourth time closes its position with a market order."""

    name, action_mode = "rule:quotes_and_closes", "discrete"

    def reset(self, num_envs, seed):
        self.num_envs, self.decisions = num_envs, 0

    def act(self, observation):
        self.decisions += 1
        return np.full(self.num_envs, 0 if self.decisions % 4 else FLATTEN)


def test_the_fill_ratio_is_of_what_was_quoted_and_market_orders_quote_nothing():
    scenario, seeds = load("calm", {"session.duration_s": 60}), range(4)
    batch = Batch(scenario, 4, task=Task(action="discrete"))
    policy = QuotesAndCloses()
    quoted, before = np.zeros(4, np.int64), np.zeros(4, np.int64)
    for _ in sessions(batch, policy, seeds):
        external = batch.worlds.externals[:, 0]
        sent = batch.worlds.accounts[np.arange(4), external["agent"], external["book"]]["quantity_sent"].copy()
        quoted += (sent - before) * (policy.decisions % 4 != 0)
        before = sent
    rollout = play(batch, policy, seeds)
    assert (quoted < before).all()
    assert rollout.counts["quantity_quoted"].tolist() == quoted.tolist()
    metrics = episode_metrics(rollout.paths, rollout.fills, rollout.counts, constants_of(scenario))
    made = rollout.fills[rollout.fills["maker"] == 1]
    assert metrics["fill_ratio"].to_list() == (np.bincount(made["env"], made["qty"], 4) / quoted).tolist()


def test_an_episode_that_the_kill_switch_ends_has_fewer_samples_and_the_others_go_on():
    scenario = load("calm", {"session.duration_s": 60, "learners.maker.loss_limit": 5})
    seeds = range(16)
    batch = Batch(scenario, 20)
    rollout = play(batch, policies.load("rule:join_touch", policies.market_spec(scenario)), seeds)
    length = rollout.paths.length
    assert length.min() < scenario.steps + 1 == length.max()
    rows = episode_metrics(rollout.paths, rollout.fills, rollout.counts, constants_of(scenario))
    assert rows["duration"].to_list() == ((length - 1) * 0.5).tolist()
    assert (rows.filter(pl.col("duration") < 60)["pnl"] < 0).all()


def rewards(batch, address, seeds):
    """What the environment pays in each episode."""
    policy = policies.load(address, policies.market_spec(batch.scenario))
    running, paid = np.arange(len(seeds)), np.zeros(len(seeds))
    policy.reset(len(seeds), seeds)
    batch.reset(running, np.array(seeds, np.uint64))
    while len(running):
        batch.step(policy.act(batch.out.observation[:, 0].copy())[:, None], running)
        paid[running] += batch.out.reward[running, 0]
        running = running[batch.out.session[running, 0] == RUNNING]
    return paid


def measured(batch, address, seeds):
    """The metrics of one rollout."""
    rollout = play(batch, policies.load(address, policies.market_spec(batch.scenario)), seeds)
    return episode_metrics(rollout.paths, rollout.fills, rollout.counts, constants_of(batch.scenario))


@pytest.mark.parametrize("limit", [{}, {"learners.maker.loss_limit": 5}], ids=["all to the close", "some killed"])
def test_risk_adjusted_pnl_is_the_sum_of_the_default_reward_whatever_the_batch_pays(limit):
    scenario, seeds = load("calm", {"session.duration_s": 60, **limit}), range(16)
    batch = Batch(scenario, 16)
    rows = measured(batch, "rule:join_touch", seeds)
    assert (batch.out.session[:, 0] == KILLED).any() == bool(limit)
    assert rows["risk_adjusted_pnl"].to_numpy() == pytest.approx(rewards(batch, "rule:join_touch", seeds), abs=1e-9)
    assert (rows["risk_adjusted_pnl"] < rows["pnl"]).all()
    paid_otherwise = Batch(scenario, 16, task=Task(reward=Reward(mode="pnl")))
    assert measured(paid_otherwise, "rule:join_touch", seeds).equals(rows)


def test_an_empty_side_of_the_book_has_no_best_price():
    scenario = load({"opening": {"levels": 0}, "session": {"duration_s": 5, "warm_up_s": 0}})
    paths = play(Batch(scenario), policies.load("rule:do_nothing", policies.market_spec(scenario)), [0]).paths
    assert np.isnan(paths.best_bid).all()
    assert np.isnan(paths.best_ask).all()
    assert np.isfinite(paths.mid).all()


def test_doing_nothing_costs_and_sends_nothing(tmp_path):
    rows = episodes(tmp_path, "--policies", "do_nothing", "--scenarios", "calm", "--seeds", "2", *SHORT)
    for name in ("pnl", "messages", "fills", "inventory_abs_max", "quote_time", "max_drawdown"):
        assert rows[name].to_list() == [0, 0]


# ------------------------------------------------------------ what goes wrong


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--policies", "rule:gltf"], "policy 'rule:gltf': name must be one of do_nothing"),
        (["--policies", "glft?gama=1"], "policy 'rule:glft?gama=1': parameter must be one of gamma"),
        (["--policies", "glft", "rule:glft?gamma=0.01"], "policies must differ, got 'glft' twice"),
        (["--scenarios", "clam"], "scenario 'clam' is unknown: did you mean calm?"),
        (
            ["--scenarios", "calm", "--policies", *RULES, "--baseline", "naive"],
            "baseline must be one of do_nothing, .*, got 'naive'",
        ),
        (["--seeds", "many"], "seeds must be a number (64), a range (100:116) or a list (7,8,11), got 'many'"),
        (["--seeds", "0"], "seeds must be a number (64), a range (100:116) or a list (7,8,11), got '0'"),
        (["--seeds", "-3:2"], "seeds must be from 0 to 2**63 - 1, got -3"),
        (["--seeds", "7,8,7"], "seeds must differ, got 7 twice"),
        (["--seeds", "7,8", "--first-seed", "3"], "first_seed goes with a number of seeds, got 3 with seeds '7,8'"),
        (["--scenarios", "calm", "--overrides", "maker"], "overrides must read key=value, .*, got 'maker'"),
        (["--scenarios", "calm", "--overrides", "learners.maker.size=1"], "learners.maker.size"),
        (["--scenarios", "calm", "--fees", "free"], "fees: 'free' is not one of none, nasdaq"),
        (["--scenarios", "calm", "--latency", "warp"], "'warp' is not one of"),
        (["--scenarios", "calm", "--data", "day.csv"], "data: none of calm replays a recorded day"),
        (["--batch", "0"], "batch must be at least 1, got 0"),
        (["--resume", "nowhere"], "nowhere is no run directory"),
    ],
)
def test_a_wrong_option_is_one_line_and_status_2_before_anything_runs(lab, tmp_path, capsys, arguments, message):
    assert lab(*arguments) == 2
    said = capsys.readouterr().err
    assert re.search(re.escape(message).replace(r"\.\*", ".*"), said)
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_name_for_the_run_that_would_leave_its_folder_is_one_line_and_status_2(lab, capsys):
    assert lab(*RUN, "--name", "../run") == 2
    assert capsys.readouterr().err.count("\n") == 1


class Fragile:
    """A policy that fails after some steps."""

    name = "rule:random"

    def __init__(self, steps):
        self.steps = steps

    def reset(self, num_envs, seed):
        self.num_envs = num_envs

    def act(self, observation):
        self.steps -= 1
        if self.steps == 0:
            raise ArithmeticError("no quote for\nthis inventory")
        return np.full((self.num_envs, 2), 0.5, np.float32)


@pytest.fixture
def fragile(monkeypatch):
    """Have the policy `random` fail in its fifth step."""
    whole = policies.load
    monkeypatch.setattr(policies, "load", lambda name, spec, **k: Fragile(5) if "random" in name else whole(name, spec))


def test_a_policy_that_fails_loses_no_other_policys_episodes(lab, tmp_path, capsys, fragile):
    assert lab(*RUN, "--batch", "2") == 1
    run = run_in(tmp_path)
    assert {policy for policy, _, _ in run.finished()} == {"fixed_spread"}
    assert len(run.finished()) == 4
    output = capsys.readouterr()
    assert output.err.count("error: random in calm: ArithmeticError: no quote for this inventory\n") == 1
    assert str(run.path / "errors.txt") in output.out
    assert "Traceback" in (run.path / "errors.txt").read_text()
    assert "4 configured episodes have not finished" in (run.path / "report.html").read_text()


@pytest.fixture
def full_disk(monkeypatch):
    """Let no file be written once the run's folder is there."""
    whole = whole_files.os.fsync
    written = []

    def fsync(descriptor):
        written.append(descriptor)
        if len(written) > 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        whole(descriptor)

    monkeypatch.setattr(whole_files.os, "fsync", fsync)


def test_a_full_disk_is_not_the_policys_failure_and_leaves_nothing_behind(lab, tmp_path, capsys, full_disk):
    assert lab(*RUN) == 1
    said = capsys.readouterr().err.splitlines()
    (line,) = [line for line in said if "error" in line]
    run = run_in(tmp_path)
    assert line.startswith(f"error: No space left on device: {run.path}")
    assert line.endswith(f"-m evaluate.policy_lab --resume {run.path}")
    assert "0 of 8 episodes are kept" in line
    assert {path.name for path in run.path.rglob("*") if path.is_file()} == {"config.json"}


def test_a_full_disk_where_a_policy_fails_leaves_no_empty_log(lab, tmp_path, fragile, full_disk):
    assert lab("--policies", "random", "--scenarios", "calm", "--seeds", "2", *SHORT) == 1
    assert not (run_in(tmp_path).path / "errors.txt").exists()


def test_equal_runs_leave_equal_bytes(lab, tmp_path):
    for name in ("one", "other"):
        assert lab(*RUN, "--batch", "2", "--name", name) == 0
    one, other = (next(tmp_path.glob(f"*_{name}")) for name in ("one", "other"))
    files = [path.relative_to(one) for path in one.rglob("*.parquet")]
    assert len(files) == 1 + 4 + 2 * 2
    assert {path: (one / path).read_bytes() for path in files} == {
        path.relative_to(other): path.read_bytes() for path in other.rglob("*.parquet")
    }


def test_a_run_without_any_finished_episode_says_so(lab, tmp_path, capsys, fragile):
    assert lab("--policies", "random", "--scenarios", "calm", "--seeds", "2", *SHORT) == 1
    assert "error: no episode has finished; see" in capsys.readouterr().err
    assert run_in(tmp_path).rows().is_empty()


# ------------------------------------------------------------ interrupted and resumed


REPLAY = ["--policies", "do_nothing", "fixed_spread", "--scenarios", "replay", "--seeds", "2", "--no-tensorboard"]
REPLAY_SESSION = ["session.warm_up_s=0.5", "session.duration_s=3", "learners.maker.decision_interval_s=0.5"]


def test_a_run_on_a_recorded_day_keeps_what_it_played_and_goes_on_with_nothing_else(lab, tmp_path, capsys):
    day, runs = tmp_path / "day", tmp_path / "runs"
    day.mkdir()
    write_day(day)
    options = [*REPLAY, "--data", str(day), "--overrides", *REPLAY_SESSION]
    assert policy_lab.main([*options, "--out", str(runs)]) == 0
    run = run_in(runs)
    messages, orderbook = (day / STEM.format(content) for content in ("message", "orderbook"))
    assert [(file["name"], file["size"]) for file in run.config["inputs"]["replay"]] == [
        (path.name, path.stat().st_size) for path in (messages, orderbook)
    ]
    assert messages.name in (run.path / "report.html").read_text()
    assert policy_lab.main(["--resume", str(run.path), "--no-tensorboard"]) == 0
    write_day(day, day=DAY[:-1])
    capsys.readouterr()
    assert policy_lab.main(["--resume", str(run.path), "--no-tensorboard"]) == 2
    said = capsys.readouterr().err
    assert f"input of replay {messages.name} (" in said
    assert said.count("\n") == 1
    write_day(day, STEM.replace("06-21", "06-22"))
    assert policy_lab.main(["--resume", str(run.path), "--no-tensorboard"]) == 2
    assert "replay.date: must be one of 2012-06-21, 2012-06-22" in capsys.readouterr().err


@pytest.fixture
def interrupted(monkeypatch, lab, tmp_path, capsys):
    """A run of two policies stopped in its third of four batches; what it said can still be read."""
    whole, calls = policy_lab.play, []

    def stop(*arguments):
        calls.append(arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return whole(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(policy_lab, "play", stop)
        assert lab(*RUN, "--batch", "2") == 130
    return run_in(tmp_path)


def test_an_interrupted_run_keeps_its_batches_and_says_how_to_go_on(interrupted, capsys):
    finished = {(policy, "calm", FIRST_SEED + i) for policy in ("fixed_spread", "random") for i in range(2)}
    assert interrupted.finished() == finished
    said = capsys.readouterr().err
    assert "interrupted: 4 of 8 episodes are kept" in said
    assert f"-m evaluate.policy_lab --resume {interrupted.path}" in said


def test_a_resumed_run_has_the_rows_of_one_that_never_stopped(interrupted, tmp_path):
    before = interrupted.rows()
    assert policy_lab.main(["--resume", str(interrupted.path), "--no-tensorboard"]) == 0
    rows = interrupted.rows()
    assert rows.equals(episodes(tmp_path, *RUN))
    assert rows.join(before, on=["policy", "scenario", "seed"], how="semi").equals(before)
    assert len(RunDirectory.open(interrupted.path).document["resumptions"]) == 1


def test_resuming_a_whole_run_runs_nothing_and_reports_again(lab, tmp_path, monkeypatch):
    assert lab(*RUN) == 0
    report = run_in(tmp_path).path / "report.html"
    report.unlink()
    monkeypatch.delattr(policy_lab, "play")
    assert policy_lab.main(["--resume", str(report.parent), "--no-tensorboard"]) == 0
    assert report.is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--seeds", "5"], "seeds of {run} is '4' and stays so, got '5'"),
        (["--quick"], "quick of {run} is False and stays so, got True"),
        (["--latency", "colo"], "latency of {run} is None and stays so, got 'colo'"),
        (["--policies", "glft"], "policies of {run} is ('fixed_spread', 'random') and stays so, got ('glft',)"),
    ],
)
def test_resuming_with_another_option_is_one_line_and_status_2(interrupted, capsys, arguments, message):
    capsys.readouterr()
    assert policy_lab.main(["--resume", str(interrupted.path), *arguments]) == 2
    assert capsys.readouterr().err == f"error: {message.format(run=interrupted.path)}\n"


@pytest.mark.slow
def test_ctrl_c_keeps_the_finished_episodes_of_a_real_process(tmp_path):
    command = [sys.executable, "-m", "evaluate.policy_lab", *RUN[:-3], "--no-tensorboard", "--out", str(tmp_path)]
    command[command.index("--seeds") + 1] = "4000"
    command += ["--batch", "8"]
    root = Path(policy_lab.__file__).parents[1]
    with subprocess.Popen(command, cwd=root, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        deadline = time.monotonic() + 300
        while len(list(tmp_path.glob("*/episodes/[!.]*.parquet"))) < 3:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        os.kill(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    finished = len(run_in(tmp_path).finished())
    assert finished >= 24
    assert finished % 8 == 0
    assert f"interrupted: {finished:,} of 8,000 episodes are kept" in said
    assert "Traceback" not in said


# ------------------------------------------------------------ options


@pytest.mark.parametrize(
    ("options", "seeds"),
    [
        (Options(RULES, seeds="3"), (FIRST_SEED, FIRST_SEED + 1, FIRST_SEED + 2)),
        (Options(RULES, seeds="2", first_seed=7), (7, 8)),
        (Options(RULES, seeds="5:8"), (5, 6, 7)),
        (Options(RULES, seeds="9,3, 4"), (9, 3, 4)),
        (Options(RULES, seeds="9,"), (9,)),
        (Options(RULES, seeds="128", quick=True), tuple(range(FIRST_SEED, FIRST_SEED + 4))),
    ],
)
def test_seeds_are_a_number_a_range_or_a_list(options, seeds):
    assert check(options).seeds == seeds


def test_all_ways_to_write_a_policy_come_to_one_name():
    comparison = check(Options(policies=("rule:glft?gamma=0.02&k=0.4", "fixed_spread"), baseline="rule:fixed_spread"))
    assert list(comparison.policies) == ["glft?gamma=0.02", "fixed_spread"]
    assert comparison.baseline == "fixed_spread"


def test_the_baseline_is_the_first_policy_where_fixed_spread_is_absent():
    assert check(Options(policies=("glft", "random"))).baseline == "glft"
    assert check(Options(policies=("glft", "fixed_spread"))).baseline == "fixed_spread"


def test_every_metric_is_a_column_of_the_rows(tmp_path):
    rows = episodes(tmp_path, "--policies", "glft", "--scenarios", "calm", "--seeds", "2", *SHORT)
    assert rows.columns == ["policy", "scenario", "seed", *METRICS]
