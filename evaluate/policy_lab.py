"""Compares policies on shared seeds: runs them, keeps every episode in a folder, prints the table, writes the report.

    python -m evaluate.policy_lab                         # rules and the zoo, three scenarios, 128 seeds: minutes
    python -m evaluate.policy_lab --quick                 # the same on 4 seeds
    python -m evaluate.policy_lab --policies fixed_spread 'glft?gamma=0.02' --scenarios calm --seeds 256
    python -m evaluate.policy_lab --policies tuned:zoo ppo:./runs/RUN/policy --scenarios calm
    python -m evaluate.policy_lab --scenarios replay --data DIR --symbol AMZN
    python -m evaluate.policy_lab --resume runs/RUN       # goes on where an interrupted run stopped

Every policy meets the same markets, seed by seed. Ctrl-C loses no finished batch of episodes.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec

import numpy as np
import polars as pl

import policies
from evaluate.commands import FAILED, Work, carry_out, command_line, from_here, one_line
from evaluate.commands import parse as parse_options
from evaluate.episode import Constants, fill_table, path_table, quote_table
from evaluate.lab_options import CHANGEABLE, DEFAULT_FAMILY, MODULE, Comparison, Options, check
from evaluate.metrics import episode_metrics
from evaluate.progress import EpisodeProgress
from evaluate.report import Report
from evaluate.rollout import Rollout, constants_of, markets_for, play
from evaluate.run_directory import RunDirectory
from evaluate.scalars import write_scalars
from evaluate.stored_options import with_stored
from evaluate.whole_files import write_whole
from lobenv.engine.batch import Batch
from lobenv.market.network import PROFILES
from lobenv.scenario.config import FEE_SCHEDULES, Scenario
from lobenv.scenario.loading import presets

LARGEST_BATCH = 128
LARGEST_RECORD = 8_000_000  # samples kept in memory at once, 80 bytes each
ERROR_LOG = "errors.txt"


@dataclass(frozen=True)
class Job:
    """Episodes of one policy in one scenario that are run at once."""

    policy: str
    scenario: str
    seeds: tuple[int, ...]


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line of the module.

    Args:
        arguments: By default those of the process.

    Returns:
        Exit status: 0, 1 if a policy failed or the run could not be finished, 2 for a wrong option, 130 after Ctrl-C.
    """
    return carry_out(lambda: _prepare(parse(arguments)))


def parse(arguments: Sequence[str] | None = None) -> Options:
    """The options of a command line; ends the process with status 2 for one that does not exist."""
    return parse_options(Options, MODULE, _description(), arguments)


def _description() -> str:
    """What the command line's help begins with: what the module does, and the names that its options take."""
    names = {
        "policies": [address.removeprefix(DEFAULT_FAMILY) for address in policies.available()],
        "scenarios": presets(),
        "latency": PROFILES,
        "fees": FEE_SCHEDULES,
    }
    lines = [f"    --{option:<10} {', '.join(known)}" for option, known in names.items()]
    return "\n".join([f"{__doc__}\nNames that the options know:\n", *lines])


def _prepare(options: Options) -> Work:
    """The checked comparison and its folder, new or that of the run that it continues."""
    run = None if options.resume is None else RunDirectory.open(options.resume)
    if run is not None:
        options = with_stored(options, run.config, run.path, MODULE, CHANGEABLE)
    comparison = check(options)
    batches = {name: batch_for(scenario, comparison) for name, scenario in comparison.scenarios.items()}
    if run is None:
        run = RunDirectory.create(options.out, options.name, comparison.config())
    else:
        run = RunDirectory.resume(run.path, comparison.config())
    again = command_line(MODULE, "--resume", from_here(run.path))
    return Work(partial(_work, comparison, run, batches), partial(_kept, comparison, run), again)


def _work(comparison: Comparison, run: RunDirectory, batches: Mapping[str, Batch]) -> int:
    _announce(comparison, run)
    failed = compare(comparison, run, batches)
    return _conclude(run, comparison.options.tensorboard) or int(failed)


def _kept(comparison: Comparison, run: RunDirectory) -> str:
    wanted = len(comparison.policies) * len(comparison.scenarios) * len(comparison.seeds)
    return f"{len(run.finished()):,} of {wanted:,} episodes are kept"


def batch_for(scenario: Scenario, comparison: Comparison) -> Batch:
    """Markets for as many episodes at once as were asked for, or as are fast and fit into memory."""
    most = comparison.options.batch or min(LARGEST_BATCH, max(LARGEST_RECORD // (scenario.steps + 1), 1))
    return Batch(scenario, min(most, len(comparison.seeds)), threads=comparison.options.threads)


def _announce(comparison: Comparison, run: RunDirectory) -> None:
    episodes = len(comparison.policies) * len(comparison.scenarios) * len(comparison.seeds)
    counts = ((comparison.policies, "policy", "policies"), (comparison.scenarios, "scenario", "scenarios"))
    sizes = [f"{len(items)} {one if len(items) == 1 else many}" for items, one, many in counts]
    seeds = f"{len(comparison.seeds)} seed{'' if len(comparison.seeds) == 1 else 's'}"
    for warning in comparison.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    print(f"{' x '.join([*sizes, seeds])} = {episodes:,} episodes, in {from_here(run.path)}", flush=True)


def compare(comparison: Comparison, run: RunDirectory, batches: Mapping[str, Batch]) -> bool:
    """Run every episode that the run does not have yet, and keep each batch as it finishes.

    A policy that fails is put on record in the run's folder and left out of that scenario from there on.

    Args:
        comparison: What to run.
        run: Where to keep it.
        batches: Markets of each scenario, as many as run at once.

    Returns:
        Whether a policy failed.
    """
    jobs = list(_jobs(comparison, run.finished(), {name: batch.num_envs for name, batch in batches.items()}))
    if not jobs:
        return False
    _compile(batches[jobs[0].scenario])
    failed: set[tuple[str, str]] = set()
    steps = {name: scenario.steps for name, scenario in comparison.scenarios.items()}
    with EpisodeProgress(
        sum(len(j.seeds) for j in jobs), sum(len(j.seeds) * steps[j.scenario] for j in jobs)
    ) as progress:
        for job in jobs:
            if (job.policy, job.scenario) not in failed:
                progress.label = f"{job.scenario}, {job.policy}"
                if not _run_job(job, comparison, batches[job.scenario], run, progress):
                    failed.add((job.policy, job.scenario))
            progress.end(len(job.seeds), len(job.seeds) * steps[job.scenario])
    return bool(failed)


def _compile(batch: Batch) -> None:
    """Have the market compiled before the clock of the progress bar starts."""
    batch.reset(np.zeros(1, np.int64), np.zeros(1, np.uint64))


def _jobs(comparison: Comparison, finished: set[tuple[str, str, int]], sizes: Mapping[str, int]) -> Iterator[Job]:
    """What is left to run: scenario by scenario, and all policies on some seeds before any goes on to the next.

    An interrupted comparison then has most of its policies on the same markets.
    """
    for scenario in comparison.scenarios:
        for first in range(0, len(comparison.seeds), sizes[scenario]):
            for policy in comparison.policies:
                chunk = comparison.seeds[first : first + sizes[scenario]]
                seeds = tuple(seed for seed in chunk if (policy, scenario, seed) not in finished)
                if seeds:
                    yield Job(policy, scenario, seeds)


def _run_job(job: Job, comparison: Comparison, batch: Batch, run: RunDirectory, progress: EpisodeProgress) -> bool:
    """Run a batch of episodes and keep it; whether the policy got through. What cannot be kept is not its failure."""
    try:
        policy = comparison.loaded[job.policy, job.scenario]
        rollout = play(markets_for(policy, batch), policy, job.seeds, progress.step)
        constants = constants_of(batch.scenario)
        metrics = episode_metrics(rollout.paths, rollout.fills, rollout.counts, constants)
    except Exception as error:
        _keep_error(run, job, traceback.format_exc())
        progress.say(f"error: {job.policy} in {job.scenario}: {type(error).__name__}: {one_line(error)}")
        return False
    shown = [row for row, seed in enumerate(job.seeds) if seed == comparison.seeds[0]]
    run.append(job.policy, job.scenario, job.seeds, metrics, _recordings(rollout, constants, shown))
    return True


def _recordings(rollout: Rollout, constants: Constants, shown: list[int]) -> dict[str, pl.DataFrame]:
    """What the plots draw: the course of every episode, and one episode in full."""
    tables = {"paths": path_table(rollout.paths, constants)}
    if shown:
        tables["quotes"] = quote_table(rollout.paths, constants, shown)
        tables["fills"] = fill_table(rollout.fills, shown)
    return tables


def _keep_error(run: RunDirectory, job: Job, trace: str) -> None:
    """Add a traceback to the run's log of errors."""
    log = run.path / ERROR_LOG
    earlier = log.read_text(encoding="utf-8") if log.is_file() else ""
    entry = f"{job.policy} in {job.scenario}, seeds {job.seeds[0]} to {job.seeds[-1]}\n{trace}\n"
    write_whole(log, (earlier + entry).encode())


def _conclude(run: RunDirectory, tensorboard: bool) -> int:
    """Print the tables, write the report, and say where everything is; 1 if there is nothing to report on."""
    run.consolidate()
    print("computing intervals and drawing the report …", file=sys.stderr, flush=True)
    if not run.finished():
        print(f"error: no episode has finished; see {from_here(run.path / ERROR_LOG)}", file=sys.stderr)
        return FAILED
    report = Report.of(run.path)
    print()
    report.print()
    print(f"\nreport       {from_here(report.write())}")
    print(f"episodes     {from_here(run.path / 'episodes.parquet')}")
    if tensorboard and find_spec("tensorboard"):
        write_scalars(report.rows, run.path / "tensorboard")
        print(f"tensorboard  {command_line('tensorboard.main', '--logdir', from_here(run.path / 'tensorboard'))}")
    if (run.path / ERROR_LOG).is_file():
        print(f"errors       {from_here(run.path / ERROR_LOG)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
