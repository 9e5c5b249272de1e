"""Evolves market makers: formulas by genetic programming, or the parameters of closed-form rules.

    python -m train.gp                                        # formulas for calm
    python -m train.gp --generations 5                        # a look in a few minutes
    python -m train.gp --genome params --scenarios volatile   # the best tuned rule
    python -m train.gp --scenarios all --workers 2
    python -m train.gp --resume runs/RUN                      # goes on where an interrupted run stopped

Every genome of a generation plays the same markets, which are drawn anew for each generation. Objectives are mean
risk-adjusted P&L, its tail, robustness to latency, and size. Ctrl-C loses no finished generation.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import polars as pl

from evaluate.commands import Work, carry_out, command_line, from_here, parse
from evaluate.metrics import METRICS
from evaluate.progress import StepProgress
from evaluate.run_directory import RunDirectory
from evaluate.statistics import summarise
from evaluate.stored_options import KEY, with_stored
from evaluate.tables import print_tables
from policies.artefact import CARD
from policies.rule import Rule
from train.genetic import checkpoint
from train.genetic.evolution import Evolution, GenomeEvaluator, advance
from train.genetic.formula_text import plain_text
from train.genetic.options import BASELINE, CHANGEABLE, EXTENDABLE, MODULE, Options, Plan, check
from train.genetic.species import Draws
from train.genetic.winner import Winner, candidates, choose, export, measure, write_front
from train.genetic.workers import Workers, start_workers
from train.shared.evaluation import RIVAL, Examination, scales_of

KEPT = "every finished generation is kept"


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line of the module.

    Args:
        arguments: By default those of the process.

    Returns:
        Exit status: 0, 1 if the run could not be finished, 2 for a wrong option, 130 after Ctrl-C.
    """
    return carry_out(lambda: _prepare(parse(Options, MODULE, __doc__, arguments)))


def _prepare(options: Options) -> Work:
    """The checked plan, its folder, and where the evolution stands; the folder is made when nothing can be refused."""
    given = options
    run, config = None, {}
    if options.resume is not None:
        run = RunDirectory.open(options.resume)
        config = run.config
        options = with_stored(options, config, run.path, MODULE, CHANGEABLE, EXTENDABLE)
    plan = check(options)
    evolution = Evolution(Draws.seeded(options.seed))
    if run is not None:
        evolution = checkpoint.latest(run.path, plan.species) or evolution
    examination = Examination(plan.scenarios, plan.validation_seeds, options.threads)
    workers = start_workers(plan.conditions, options.workers, options.ray_address, options.threads)
    try:
        if run is None:
            run = RunDirectory.create(options.out, plan.name, plan.config())
        else:
            run = RunDirectory.resume(run.path, {**plan.config(), KEY: config[KEY]})
    except BaseException:
        workers.close()
        raise
    longer = [] if given.generations is None else ["--generations", str(given.generations)]
    again = command_line(MODULE, "--resume", from_here(run.path), *longer)
    return Work(partial(_evolve, plan, run, evolution, examination, workers), lambda: KEPT, again)


def _evolve(plan: Plan, run: RunDirectory, evolution: Evolution, examination: Examination, workers: Workers) -> int:
    print(f"{plan.name}: {plan.options.population} genomes, {plan.generations} generations, in {run.path}", flush=True)
    try:
        evaluator = GenomeEvaluator(workers, len(plan.markets), plan.latencies, _scale(examination))
        with _scalars(plan, run.path, evolution) as writer:
            evolve(plan, run.path, evolution, evaluator, writer)
            finish(plan, run, evolution, evaluator, writer)
    finally:
        workers.close()
    return 0


def _scale(examination: Examination) -> tuple[float, ...]:
    """The unit of money of each market; a single one keeps dollars."""
    if len(examination.scenarios) == 1:
        return (1.0,)
    return tuple(scales_of(examination.metrics_of(RIVAL)).values())


def evolve(plan: Plan, run: Path, evolution: Evolution, evaluator: GenomeEvaluator, writer: Any = None) -> None:
    """Let the generations live that are still to come, in place, with a checkpoint after each.

    Args:
        plan: The evolution's.
        run: Its folder.
        evolution: Where it stands.
        evaluator: Has genomes play.
        writer: Of TensorBoard, or None.
    """
    options, steps = plan.options, plan.steps_per_episode
    genomes = [plan.first_population, *[2 * options.population] * (plan.generations - 1)]
    planned = [round(evaluator.episodes(count, options.episodes) * steps) for count in genomes]
    done = sum(planned[: evolution.generation])
    with StepProgress(sum(planned), done) as progress:
        while evolution.generation < plan.generations:
            started, episodes = time.monotonic(), evolution.episodes
            advance(evolution, plan, evaluator, _Counter(progress, done, steps))
            done += planned[evolution.generation - 1]
            seconds = time.monotonic() - started
            rate = (evolution.episodes - episodes) * steps / seconds
            evolution.seconds += seconds
            evolution.history[-1] |= {"seconds": seconds, "steps_per_second": rate}
            checkpoint.write(run, evolution, plan.species)
            _log(writer, evolution.history[-1])
            progress.note = f"generation {evolution.generation} of {plan.generations}"
            progress.say(f"{progress.note}: {_figures(evolution)}, {seconds:.1f} s, {rate:,.0f} steps/s")


class _Counter:
    """Tells the progress of the steps within a generation."""

    def __init__(self, progress: StepProgress, done: float, steps: float) -> None:
        self._progress, self._done, self._steps = progress, done, steps

    def __call__(self, episodes: int) -> None:
        self._done += episodes * self._steps
        self._progress.at(round(self._done))


def _figures(evolution: Evolution) -> str:
    record = evolution.history[-1]
    names = [name.removesuffix("_best") for name in record if name.endswith("_best")]
    return ", ".join(f"{name} {record[f'{name}_best']:,.2f} (median {record[f'{name}_median']:,.2f})" for name in names)


@contextmanager
def _scalars(plan: Plan, run: Path, evolution: Evolution) -> Iterator[Any]:
    """A TensorBoard writer that has written what came before, or None where none is wanted or TensorBoard is missing.

    What an earlier process wrote is replaced, so that no generation stands twice and none is missing.
    """
    if not plan.options.tensorboard or find_spec("tensorboard") is None:
        yield None
        return
    from tensorboard.summary import Writer

    folder = run / "tensorboard"
    for earlier in folder.glob("events.out.tfevents.*"):
        earlier.unlink()
    writer = Writer(str(folder))
    try:
        for record in evolution.history:
            _log(writer, record)
        yield writer
    finally:
        writer.close()


def _log(writer: Any, record: Mapping[str, float]) -> None:
    """Log a generation's record."""
    if writer is None:
        return
    for name, value in record.items():
        if name != "generation":
            writer.add_scalar(f"gp/{name}", value, round(record["generation"]))
    writer.flush()


def _log_measured(writer: Any, metrics: Mapping[str, pl.DataFrame], generation: int) -> None:
    """Mean of every metric over the held-out episodes; with the scenario's name where there are several."""
    if writer is None:
        return
    for label, table in metrics.items():
        place = f"{label}/" if len(metrics) > 1 else ""
        for name, value in table.select(METRICS.keys()).mean().row(0, named=True).items():
            if value is not None:
                writer.add_scalar(f"eval/{place}{name}", value, generation)


def finish(plan: Plan, run: RunDirectory, evolution: Evolution, evaluator: GenomeEvaluator, writer: Any = None) -> None:
    """Choose the winner, measure it, write it down and say what it is.

    Args:
        plan: The evolution's.
        run: Its folder; the winner goes into `policy`.
        evolution: Finished.
        evaluator: Has genomes play.
        writer: Of TensorBoard, or None.
    """
    pool = candidates(evolution, plan)
    print(f"choosing among {len(pool)} candidates on validation markets …", file=sys.stderr, flush=True)
    episodes = evaluator.episodes(len(pool), len(plan.validation_seeds))
    with StepProgress(round(episodes * plan.steps_per_episode)) as progress:
        winner = choose(pool, plan, evaluator, _Counter(progress, 0.0, plan.steps_per_episode))
    write_front(run.path, winner, plan)
    print("playing the held-out episodes of the final table …", file=sys.stderr, flush=True)
    metrics = measure(winner.player, plan, run)
    _log_measured(writer, metrics, evolution.generation)
    folder = export(run, winner, metrics, evolution, plan)
    _report(winner, run, folder, plan)


def _report(winner: Winner, run: RunDirectory, folder: Path, plan: Plan) -> None:
    """Print the final table and say where everything is."""
    print_tables(summarise(run.rows(), BASELINE), BASELINE)
    player = winner.player
    print(f"\nwinner       {player if isinstance(player, Rule) else plain_text(player[0])}")
    print(f"policy       {plan.family}:{folder}")
    print(f"card         {folder / CARD}")
    print(f"episodes     {run.path / 'episodes.parquet'}")


if __name__ == "__main__":
    sys.exit(main())
