"""Trains a neural market maker and exports it as a policy that runs without PyTorch.

    python -m train.ppo --total-timesteps 200000                  # PPO on calm, in seconds
    python -m train.ppo --scenarios volatile --seed 2
    python -m train.ppo --scenarios all --latencies metro retail  # six presets with both latencies
    python -m train.ppo --algo maskable_ppo                       # sac, td3, ddpg: the same script
    python -m train.ppo --resume runs/RUN --trust                 # goes on where an interrupted run stopped

Hyperparameters that are not given come from train/hyperparams. The run's folder gets evaluations on held-out seeds with
a checkpoint each, TensorBoard's files, and at the end the policy with its model card.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from evaluate.commands import Work, carry_out, command_line, from_here
from evaluate.commands import parse as parse_options
from evaluate.run_directory import RunDirectory
from evaluate.statistics import summarise
from evaluate.stored_options import with_stored
from evaluate.tables import print_tables
from policies.artefact import CARD
from train.neural import checkpoint
from train.neural.options import CHANGEABLE, MODULE, Options, Plan, check
from train.neural.training import BASELINE, POLICY, Training, config_of, examination_of
from train.shared.evaluation import Examination

KEPT = "the training up to the last checkpoint is kept"


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line of the module.

    Args:
        arguments: By default those of the process.

    Returns:
        Exit status: 0, 1 if the run could not be finished, 2 for a wrong option, 130 after Ctrl-C.
    """
    return carry_out(lambda: _prepare(parse(arguments)))


def parse(arguments: Sequence[str] | None = None) -> Options:
    """The options of a command line; ends the process with status 2 for one that does not exist."""
    return parse_options(Options, MODULE, __doc__, arguments)


def _prepare(options: Options) -> Work:
    """The checked training, its folder, and what it goes on from; the folder is made when nothing can be refused."""
    run, state = None, None
    if options.resume is not None:
        run = RunDirectory.open(options.resume)
        options = with_stored(options, run.config, run.path, MODULE, CHANGEABLE)
        state = checkpoint.latest(run.path, trusted=options.trust)
    plan = check(options)
    examination = examination_of(plan)
    if run is None:
        run = RunDirectory.create(options.out, plan.name, config_of(plan))
    else:
        run = RunDirectory.resume(run.path, config_of(plan))
    again = command_line(MODULE, "--resume", from_here(run.path), "--trust")
    return Work(partial(_train, plan, run, examination, state), lambda: KEPT, again)


def _train(plan: Plan, run: RunDirectory, examination: Examination, state: Mapping[str, Any] | None) -> int:
    _announce(plan, run)
    training = Training.of(plan, run, examination, state)
    training.learn()
    training.conclude()
    _report(training)
    return 0


def _announce(plan: Plan, run: RunDirectory) -> None:
    values, options = plan.hyperparameters, plan.options
    kinds = " x ".join(", ".join(names) for names in (plan.scenarios, options.latencies, options.fees) if names)
    print(f"{values.algo}: {values.total_timesteps:,} steps of {values.num_envs} markets ({kinds}), in {run.path}")
    logs = from_here(run.path / "tensorboard")
    print(f"tensorboard  {command_line('tensorboard.main', '--logdir', logs)}", flush=True)


def _report(training: Training) -> None:
    """Print the final table and say where everything is."""
    history, run, export = training.history, training.run, training.plan.options.export
    address = f"ppo:{run.path / POLICY}"
    print_tables(summarise(run.rows(), BASELINE), BASELINE)
    best, win = history.verdicts[history.best], history.first_win
    print(f"\nbest on the evaluation seeds after {best.timesteps:,} steps; exported: the {export} one")
    if win is None:
        print(f"never beat {BASELINE} on the evaluation seeds with an interval clear of zero")
    else:
        print(
            f"beat {BASELINE} on the evaluation seeds, the 95 % interval of the paired gain clear of zero, after "
            f"{win.timesteps:,} steps and {win.seconds:,.0f} s"
        )
    print(f"policy       {address}")
    print(f"card         {run.path / POLICY / CARD}")
    print(f"episodes     {run.path / 'episodes.parquet'}")


if __name__ == "__main__":
    sys.exit(main())
