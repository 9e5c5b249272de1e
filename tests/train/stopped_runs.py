"""Stops runs at random instants and goes on with them: what comes of it has to be what an undisturbed run comes to.

    python -m tests.train.stopped_runs --trials 50             # of each command and each way to be stopped

A run is killed, interrupted by Ctrl-C, or finds the disk full from an instant on. Afterwards ``--resume`` has to end in
the same bytes, or refuse in one line. The processes are forked from one that has everything imported and compiled, and
which uses no library that starts threads, so that a trial takes seconds.
"""

from __future__ import annotations

import argparse
import atexit
import json
import os
import random
import re
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

WAYS = ("kill", "ctrl_c", "full_disk")
DEADLINE_S = 120.0
MARKETS = ("--overrides", "session.duration_s=20", "session.warm_up_s=2", "--threads", "1")
PPO = (
    *("--num-envs", "8", "--total-timesteps", "512", "--net-arch", "12", "8", "--num-steps", "16"),
    *("--batch-size", "64", "--update-epochs", "2", "--eval-every", "128", "--eval-episodes", "3"),
    *("--test-episodes", "4", *MARKETS),
)
GP = (
    *("--population", "6", "--first-population", "8", "--generations", "3", "--episodes", "2", "--latencies"),
    *("--validation-episodes", "4", "--test-episodes", "4", *MARKETS),
)
LAB = ("--policies", "fixed_spread", "random", "--scenarios", "calm", "--seeds", "8", "--batch", "2", *MARKETS)


@dataclass(frozen=True)
class Command:
    """A command whose runs are stopped.

    Attributes:
        main: Of its module.
        arguments: Of a run of about a second.
        resume: Arguments beside the folder with which it goes on.
        outcome: Folder of a finished run to everything that has to be the same.
    """

    main: Callable[[list[str]], int]
    arguments: tuple[str, ...]
    resume: tuple[str, ...]
    outcome: Callable[[Path], dict[str, object]]


@dataclass(frozen=True)
class Ended:
    """How a process ended.

    Attributes:
        status: Exit status; minus the signal that killed it.
        said: On standard error.
        seconds: It took.
    """

    status: int
    said: str
    seconds: float


def commands() -> dict[str, Command]:
    """The commands by name, with the market compiled."""
    from evaluate import policy_lab
    from lobenv.engine.batch import Batch
    from lobenv.scenario.loading import load
    from train import gp, ppo

    Batch(load("calm"), 1, threads=1).reset(np.zeros(1, np.int64), np.zeros(1, np.uint64))
    return {
        "ppo": Command(ppo.main, PPO, ("--trust",), _of_ppo),
        "gp": Command(gp.main, GP, (), _of_gp),
        "lab": Command(policy_lab.main, LAB, ("--batch", "2"), _of_lab),  # which files there are is up to the batch
    }


def _files(run: Path, *patterns: str) -> dict[str, object]:
    return {str(path.relative_to(run)): path.read_bytes() for pattern in patterns for path in sorted(run.glob(pattern))}


def _of_ppo(run: Path) -> dict[str, object]:
    verdicts = json.loads((run / "evaluations.json").read_text())
    for verdict in verdicts:
        del verdict["seconds"]
    weights = _files(run, "policy/actor.safetensors", "best/actor.safetensors", "episodes.parquet")
    return weights | {"verdicts": verdicts, "scalars": _steps(run / "tensorboard")}


def _steps(folder: Path) -> dict[str, list[int]]:
    """Tag to the steps at which TensorBoard shows a value; those that tell the time are left out."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    return {tag: [event.step for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def _of_gp(run: Path) -> dict[str, object]:
    policy = json.loads((run / "policy" / "policy.json").read_text())
    kept = {name: policy[name] for name in ("parameters", "metrics")}
    return _files(run, "front.json", "policy/formula.txt", "episodes.parquet") | kept


def _of_lab(run: Path) -> dict[str, object]:
    return _files(run, "episodes.parquet", "episodes/*", "paths/*", "quotes/*", "fills/*")


def run(command: Command, arguments: list[str], stop: Callable[[int], None] | None = None) -> Ended:
    """Run a command in a process of its own.

    Args:
        command: The command.
        arguments: Of its command line.
        stop: Called with the process's id as soon as it has begun.
    """
    reading, writing = os.pipe()
    began = time.monotonic()
    pid = os.fork()
    if pid == 0:
        _be_the_process(command, arguments, writing)
    os.close(writing)
    if stop is not None:
        stop(pid)
    with os.fdopen(reading) as said:
        text = said.read()
    _, status = os.waitpid(pid, 0)
    return Ended(os.waitstatus_to_exitcode(status), text, time.monotonic() - began)


def _be_the_process(command: Command, arguments: list[str], writing: int) -> None:
    """What a forked process does; never comes back."""
    status = 99
    try:
        signal.alarm(int(DEADLINE_S))
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.dup2(writing, 2)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        status = command.main(arguments)
        atexit._run_exitfuncs()
    except SystemExit as error:
        status = int(error.code or 0)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def stopper(way: str, after_s: float) -> Callable[[int], None]:
    """What stops a process in one of `WAYS` after some time."""

    def stop(pid: int) -> None:
        time.sleep(after_s)
        if way == "full_disk":
            # From now on no file may grow, which is what a full disk comes to.
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        else:
            os.kill(pid, signal.SIGKILL if way == "kill" else signal.SIGINT)

    return stop


def trial(command: Command, way: str, after_s: float, expected: dict[str, object], folder: Path) -> str:
    """Stop a run, go on with it, and hold the outcome to that of an undisturbed run.

    Returns:
        What came of it, in a word.

    Raises:
        AssertionError: It is neither the same nor a refusal of one line, or the stopped run left something behind.
    """
    ended = run(command, [*command.arguments, "--out", str(folder)], stopper(way, after_s))
    assert "Traceback" not in _without_ignored(ended.said), ended.said
    if way == "ctrl_c":
        assert ended.status in (0, 130), ended
    elif way == "full_disk":
        assert ended.status in (0, 1, 2), ended
        assert ended.status == 0 or ended.said.splitlines()[-1].startswith("error: "), ended.said
        left = [path for path in folder.rglob("*") if path.name.endswith(".tmp") or path.name == "errors.txt"]
        assert not left, left
    runs = [path for path in folder.glob("*") if not path.name.startswith(".")]
    if not runs:
        return "not begun"
    rest = run(command, ["--resume", str(runs[0]), *command.resume])
    assert "Traceback" not in rest.said, rest.said
    assert rest.status == 0, rest
    found = command.outcome(runs[0])
    different = [name for name in {**expected, **found} if expected.get(name) != found.get(name)]
    assert not different, different
    assert not list(runs[0].rglob("*.tmp"))
    return "finished" if ended.status == 0 else "gone on with"


def _without_ignored(said: str) -> str:
    """What was said but for an interruption that Python itself ignores, where a Ctrl-C meets the death of an object."""
    return re.sub(r"Exception ignored in.*\nTraceback(.*\n)*?KeyboardInterrupt: ?\n", "", said)


def main() -> int:
    """Command line of the module; exit status 1 if a trial failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=50, help="of each command and way")
    parser.add_argument("--seed", type=int, default=1, help="of the instants")
    parser.add_argument("--only", nargs="*", default=[], help="commands: ppo, gp, lab")
    options = parser.parse_args()
    draws, failed = random.Random(options.seed), 0
    for name, command in commands().items():
        if options.only and name not in options.only:
            continue
        root = Path(tempfile.mkdtemp())  # a TemporaryDirectory would go when the first forked process ends
        try:
            whole = run(command, [*command.arguments, "--out", str(root / "whole")])
            assert whole.status == 0, whole.said
            expected = command.outcome(next((root / "whole").iterdir()))
            print(f"{name}: undisturbed in {whole.seconds:.1f} s", flush=True)
            for way in WAYS:
                failed += _trials(name, command, way, expected, root, draws, options.trials, whole.seconds)
        finally:
            shutil.rmtree(root)
    return int(failed > 0)


def _trials(name, command, way, expected, root, draws, count, seconds) -> int:
    """Run the trials of one command and way; how many failed."""
    told: dict[str, int] = {}
    failed = 0
    for number in range(count):
        after_s = draws.uniform(0.0, 1.05 * seconds)
        folder = root / f"{way}{number}"
        folder.mkdir()
        try:
            word = trial(command, way, after_s, expected, folder)
        except AssertionError as error:
            failed, word = failed + 1, "FAILED"
            print(f"{name}, {way} after {after_s:.3f} s: {error}", flush=True)
        told[word] = told.get(word, 0) + 1
    print(f"{name}, {way}: {', '.join(f'{number} {word}' for word, number in told.items())}", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())
