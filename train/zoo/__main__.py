"""Trains the policies of the zoo from their recorded settings, chooses, installs and measures them.

    python -m train.zoo                                 # everything, what is finished left alone
    python -m train.zoo --only calm/ppo calm/tuned      # some of it
    python -m train.zoo --steps report                  # only measure again
    python -m train.zoo --steps rehash                  # only name the markets by their hashes of today

Runs that were interrupted go on where they stopped. Which seed ships is decided on validation markets; the report on
held-out ones lists every seed.

Rehash where keys of a scenario were renamed and `tests/digests` shows that its market trades as it did.
Where it differs in little, `--changed "NAME: in what it differs"` has the cards say so.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from evaluate.commands import FAILED, RefusalError, Work, carry_out, command_line, parse
from evaluate.stored_options import arguments_of
from policies.artefact import ZOO, ArtefactError
from train.zoo import choice, rehash, report
from train.zoo.settings import SETTINGS, Entry, TrainingRun, read

Step = Literal["train", "install", "report", "rehash"]
STEPS: tuple[Step, ...] = ("train", "install", "report")
REHASH: tuple[Step, ...] = ("rehash",)
MODULE = "train.zoo"
KEPT = "every finished training and every checkpoint is kept"
WHOLE = "every policy of the zoo is whole"


@dataclass(frozen=True)
class Options:
    """What to train, and how much of it at once."""

    only: tuple[str, ...] = ()
    """Policies, such as calm/ppo; by default all of the settings."""
    steps: tuple[Step, ...] = STEPS
    """What to do: train, install the chosen ones, report on all seeds; or rehash, alone."""
    changed: tuple[str, ...] = ()
    """For rehash: scenarios whose market differs a little from the one trained in, each 'NAME: in what it differs'."""
    settings: Path = SETTINGS
    """File of settings."""
    jobs: int = 2
    """Trainings at once, each with an equal share of the cores."""
    validation_episodes: int = 128
    """Markets of each scenario by which the seed that ships is chosen."""
    test_episodes: int = 256
    """Held-out markets of each scenario in the report."""
    out: Path = Path("runs/zoo")
    """Folder of the training runs."""
    zoo: Path = ZOO
    """Folder of the zoo."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line of the module.

    Args:
        arguments: By default those of the process.

    Returns:
        Exit status: 0, 1 if a training failed, 2 for a wrong option, 130 after Ctrl-C.
    """
    return carry_out(lambda: _prepare(parse(Options, MODULE, __doc__, arguments)))


def _prepare(options: Options) -> Work:
    _check_rehash(options)
    runs, again = _runs(options), command_line(MODULE, *arguments_of(options, ()))
    if "rehash" in options.steps:
        return Work(_prepare_rehash(runs, options), lambda: WHOLE, again)
    if "train" in options.steps:
        options.out.mkdir(parents=True, exist_ok=True)
        for run in runs:
            run.note_arguments()
    return Work(partial(_work, runs, options), lambda: KEPT, again)


def _check_rehash(options: Options) -> None:
    if "rehash" in options.steps and options.steps != REHASH:
        raise ValueError(f"steps must be rehash alone or some of {', '.join(STEPS)}, got {' '.join(options.steps)}")
    if options.changed and options.steps != REHASH:
        raise ValueError(f"changed must be left out without --steps rehash, got {options.changed[0]!r}")


def _prepare_rehash(runs: Sequence[TrainingRun], options: Options) -> Callable[[], int]:
    labels = {run.entry.label for run in runs}
    renamed = rehash.prepare(options.zoo, labels, rehash.parse_changes(options.changed))
    return partial(_rehash, renamed)


def _rehash(renamed: Sequence[rehash.Renamed]) -> int:
    for policy in renamed:
        policy.write()
        print(policy)
    return 0


def _work(runs: Sequence[TrainingRun], options: Options) -> int:
    if "train" in options.steps and not _train(runs, options):
        return FAILED
    try:
        _finish(runs, options)
    except ArtefactError as error:  # of a run whose policy was altered or damaged after it was written
        raise RefusalError(str(error)) from None
    return 0


def _runs(options: Options) -> list[TrainingRun]:
    """Every training of the wanted entries."""
    runs = read(options.out, options.settings)
    labels = list(dict.fromkeys(run.entry.label for run in runs))
    unknown = [label for label in options.only if label not in labels]
    if unknown:
        raise ValueError(f"only must name some of {', '.join(labels)}, got {unknown[0]!r}")
    if options.only and options.steps == ("report",):
        raise ValueError(f"only must be left out with --steps report, which is on all of them, got {options.only[0]!r}")
    if options.jobs < 1:
        raise ValueError(f"jobs must be at least 1, got {options.jobs}")
    return [run for run in runs if not options.only or run.entry.label in options.only]


def _train(runs: Sequence[TrainingRun], options: Options) -> bool:
    """Train what is not finished; whether all of it worked."""
    todo = [run for run in runs if run.policy is None]
    threads = max((os.cpu_count() or 1) // options.jobs, 1)
    failed = False
    with ThreadPoolExecutor(options.jobs) as pool:
        jobs = [pool.submit(_train_one, run, threads) for run in todo]
        try:
            for number, (run, job) in enumerate(zip(todo, jobs, strict=True), start=1):
                status, seconds = job.result()
                failed |= status != 0
                outcome = f"{seconds:,.0f} s" if status == 0 else f"FAILED, see {_log(run)}"
                print(f"{number} of {len(todo)}: {run.entry.label} seed {run.seed}: {outcome}", file=sys.stderr)
        except KeyboardInterrupt:
            pool.shutdown(cancel_futures=True)  # the running ones got the Ctrl-C too, and write their checkpoints
            raise
    return not failed


def _train_one(run: TrainingRun, threads: int) -> tuple[int, float]:
    """Exit status of a training, and seconds it took."""
    started = time.monotonic()
    with _log(run).open("ab") as log:
        done = subprocess.run(run.command(threads), stdout=log, stderr=log, check=False)
    return done.returncode, time.monotonic() - started


def _log(run: TrainingRun) -> Path:
    return run.root / f"{run.name}.log"


def _finish(runs: Sequence[TrainingRun], options: Options) -> None:
    """Install the chosen run of every entry, and report on all of them.

    Raises:
        RefusalError: A run is not finished: choosing among some of the seeds would be picking them.
    """
    unfinished = [run.name for run in runs if run.policy is None]
    if unfinished and set(options.steps) - {"train"}:
        raise RefusalError(f"{', '.join(unfinished)}: not finished; every seed is reported, so train them first")
    entries: dict[Entry, list[TrainingRun]] = {}
    for run in runs if set(options.steps) - {"train"} else ():
        entries.setdefault(run.entry, []).append(run)
    chosen = {}
    for entry, own in entries.items():
        scores = choice.validation_scores(own, options.validation_episodes)
        best = own[max(range(len(own)), key=scores.__getitem__)]
        chosen[entry.label] = best.seed
        written = ", ".join(f"{run.seed}: {score:.2f}" for run, score in zip(own, scores, strict=True))
        print(f"{entry.label}: seed {best.seed} (validation {written})", flush=True)
        if "install" in options.steps:
            choice.install(best, options.zoo)
    if "report" in options.steps and not options.only:  # the report is on all of them
        kept = report.measure(runs, chosen, options.test_episodes, options.out)
        print(report.write(kept, runs, chosen, options.zoo).read_text(encoding="utf-8"))
        print(f"episodes     {kept.path / 'episodes.parquet'}")


if __name__ == "__main__":
    sys.exit(main())
