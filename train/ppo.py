"""Trains a neural market maker and exports it as a policy that runs without PyTorch.

    python -m train.ppo --total-timesteps 200000                  # PPO on calm, in seconds
    python -m train.ppo --scenarios volatile --seed 2
    python -m train.ppo --scenarios all --latencies metro retail  # six presets with both latencies
    python -m train.ppo --algo maskable_ppo                       # sac, td3, ddpg: the same script
    python -m train.ppo --resume runs/RUN                         # goes on where an interrupted run stopped

Hyperparameters that are not given come from train/hyperparams. The run's folder gets evaluations on held-out seeds with
a checkpoint each, TensorBoard's files, and at the end the policy with its model card.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence

import tyro

from evaluate.run_directory import RunDirectory
from evaluate.statistics import summarise
from evaluate.tables import print_tables
from policies.artefact import CARD
from train.options import Options, Plan, check, with_stored
from train.training import BASELINE, POLICY, Training, config_of

WRONG_OPTION, INTERRUPTED = 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line of the module.

    Args:
        arguments: By default those of the process.

    Returns:
        Exit status: 0, 2 for an option that does not do, 130 after Ctrl-C.
    """
    options = parse(arguments)
    try:
        plan, run = _prepare(options)
        _announce(plan, run)
        training = Training.of(plan, run)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return WRONG_OPTION
    except KeyboardInterrupt:
        return INTERRUPTED
    try:
        training.learn()
        training.conclude()
        _report(training)
    except KeyboardInterrupt:
        _say_how_to_go_on(run)
        return INTERRUPTED
    return 0


def parse(arguments: Sequence[str] | None = None) -> Options:
    """The options of a command line; ends the process with status 2 for one that there is not."""
    return tyro.cli(Options, prog="python -m train.ppo", description=__doc__, args=arguments)


def _prepare(options: Options) -> tuple[Plan, RunDirectory]:
    """The checked training and its folder."""
    if options.resume is None:
        plan = check(options)
        return plan, RunDirectory.create(options.out, plan.name, config_of(plan))
    plan = check(with_stored(options, RunDirectory.open(options.resume).config))
    return plan, RunDirectory.resume(options.resume, config_of(plan))


def _announce(plan: Plan, run: RunDirectory) -> None:
    values, options = plan.hyperparameters, plan.options
    kinds = " x ".join(", ".join(names) for names in (plan.scenarios, options.latencies, options.fees) if names)
    print(f"{values.algo}: {values.total_timesteps:,} steps of {values.num_envs} markets ({kinds}), in {run.path}")
    print(f"tensorboard  {_command('tensorboard.main', '--logdir', str(run.path / 'tensorboard'))}", flush=True)


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


def _say_how_to_go_on(run: RunDirectory) -> None:
    print("\ninterrupted: the training up to the last checkpoint is kept; to go on:", file=sys.stderr)
    print(f"  {_command('train.ppo', '--resume', str(run.path))}", file=sys.stderr)


def _command(module: str, *arguments: str) -> str:
    """A command line that runs a module with the same interpreter."""
    return shlex.join([sys.executable, "-m", module, *arguments])


if __name__ == "__main__":
    sys.exit(main())
