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

import shlex
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import polars as pl
import tyro

from evaluate.metrics import METRICS
from evaluate.run_directory import RunDirectory
from evaluate.statistics import summarise
from evaluate.tables import print_tables
from policies.artefact import CARD
from policies.rule import Rule
from train.evaluation import RIVAL, Examination, scales_of
from train.genetic import checkpoint
from train.genetic.crew import hire
from train.genetic.evolution import Evolution, Proving, advance
from train.genetic.formula_text import plain_text
from train.genetic.options import BASELINE, Options, Plan, check, with_stored
from train.genetic.species import Draws
from train.genetic.winner import Winner, candidates, choose, export, measure, write_front
from train.progress import TrainingProgress

WRONG_OPTION, INTERRUPTED = 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line of the module.

    Args:
        arguments: By default those of the process.

    Returns:
        Exit status: 0, 2 for an option that does not do, 130 after Ctrl-C.
    """
    options = tyro.cli(Options, prog="python -m train.gp", description=__doc__, args=arguments)
    try:
        plan, run, evolution = _prepare(options)
        crew = hire(plan.conditions, options.workers, options.ray_address, options.threads)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return WRONG_OPTION
    except KeyboardInterrupt:
        return INTERRUPTED
    print(f"{plan.name}: {plan.options.population} genomes, {plan.generations} generations, in {run.path}", flush=True)
    try:
        scale = _scale(plan)
        proving = Proving(crew, len(plan.markets), plan.latencies, scale)
        evolve(plan, run.path, evolution, proving)
        finish(plan, run, evolution, proving)
    except KeyboardInterrupt:
        print("\ninterrupted: every finished generation is kept; to go on:", file=sys.stderr)
        length = [] if options.generations is None else ["--generations", str(options.generations)]
        print(
            f"  {shlex.join([sys.executable, '-m', 'train.gp', '--resume', str(run.path), *length])}", file=sys.stderr
        )
        return INTERRUPTED
    finally:
        crew.close()
    return 0


def _prepare(options: Options) -> tuple[Plan, RunDirectory, Evolution]:
    """The checked plan, its folder, and where the evolution stands."""
    if options.resume is None:
        plan = check(options)
        return plan, RunDirectory.create(options.out, plan.name, plan.config()), Evolution(Draws.seeded(options.seed))
    config = RunDirectory.open(options.resume).config
    plan = check(with_stored(options, config))
    run = RunDirectory.resume(options.resume, {**plan.config(), "options": config["options"]})
    return plan, run, checkpoint.latest(run.path, plan.species) or Evolution(Draws.seeded(plan.options.seed))


def _scale(plan: Plan) -> tuple[float, ...]:
    """The unit of money of each market; a single one keeps dollars."""
    if len(plan.markets) == 1:
        return (1.0,)
    examination = Examination(plan.scenarios, plan.validation_seeds, plan.options.threads)
    return tuple(scales_of(examination.metrics_of(RIVAL)).values())


def evolve(plan: Plan, run: Path, evolution: Evolution, proving: Proving) -> None:
    """Let the generations live that are still to come, in place, with a checkpoint after each.

    Args:
        plan: The evolution's.
        run: Its folder.
        evolution: Where it stands.
        proving: Where genomes are tried.
    """
    options, steps = plan.options, plan.steps_per_episode
    genomes = [plan.first_population, *[2 * options.population] * (plan.generations - 1)]
    planned = [round(proving.episodes(count, options.episodes) * steps) for count in genomes]
    done = sum(planned[: evolution.generation])
    with TrainingProgress(sum(planned), done) as progress, _scalars(plan, run) as writer:
        while evolution.generation < plan.generations:
            started, episodes = time.monotonic(), evolution.episodes
            advance(evolution, plan, proving, _Counter(progress, done, steps))
            done += planned[evolution.generation - 1]
            seconds = time.monotonic() - started
            evolution.seconds += seconds
            checkpoint.write(run, evolution, plan.species)
            rate = (evolution.episodes - episodes) * steps / seconds
            _log(writer, evolution, seconds, rate)
            progress.note = f"generation {evolution.generation} of {plan.generations}"
            progress.say(f"{progress.note}: {_figures(evolution)}, {seconds:.1f} s, {rate:,.0f} steps/s")


class _Counter:
    """Tells the progress of the steps within a generation."""

    def __init__(self, progress: TrainingProgress, done: float, steps: float) -> None:
        self._progress, self._done, self._steps = progress, done, steps

    def __call__(self, episodes: int) -> None:
        self._done += episodes * self._steps
        self._progress.at(round(self._done))


def _figures(evolution: Evolution) -> str:
    record = evolution.history[-1]
    names = [name.removesuffix("_best") for name in record if name.endswith("_best")]
    return ", ".join(f"{name} {record[f'{name}_best']:,.2f} (median {record[f'{name}_median']:,.2f})" for name in names)


@contextmanager
def _scalars(plan: Plan, run: Path) -> Iterator[Any]:
    """A TensorBoard writer, or None where none is wanted or TensorBoard is missing."""
    if not plan.options.tensorboard or find_spec("tensorboard") is None:
        yield None
        return
    from tensorboard.summary import Writer

    writer = Writer(str(run / "tensorboard"))
    try:
        yield writer
    finally:
        writer.close()


def _log(writer: Any, evolution: Evolution, seconds: float, rate: float) -> None:
    if writer is None:
        return
    figures = evolution.history[-1] | {"seconds": seconds, "steps_per_second": rate}
    for name, value in figures.items():
        if name != "generation":
            writer.add_scalar(f"gp/{name}", value, evolution.generation)
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


def finish(plan: Plan, run: RunDirectory, evolution: Evolution, proving: Proving) -> None:
    """Choose the winner, measure it, write it down and say what it is.

    Args:
        plan: The evolution's.
        run: Its folder; the winner goes into `policy`.
        evolution: Finished.
        proving: Where genomes are tried.
    """
    pool = candidates(evolution, plan)
    print(f"choosing among {len(pool)} candidates on validation markets …", file=sys.stderr, flush=True)
    episodes = proving.episodes(len(pool), len(plan.validation_seeds))
    with TrainingProgress(round(episodes * plan.steps_per_episode)) as progress:
        winner = choose(pool, plan, proving, _Counter(progress, 0.0, plan.steps_per_episode))
    write_front(run.path, winner, plan)
    print("playing the held-out episodes of the final table …", file=sys.stderr, flush=True)
    metrics = measure(winner.player, plan, run)
    with _scalars(plan, run.path) as writer:
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
