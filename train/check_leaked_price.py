"""Checks that a future price in the observation is found at once, and that it makes the difference.

    python -m train.check_leaked_price

PPO is trained twice on a Poisson-fill market with large moves of the mid: shown the move that comes next, and not.
Shown it, the learner has to reach 90 % of what the best policy makes of the leak, within 200,000 steps. Not shown it,
no policy can, nor earn more than the best that does not know. Where the first fails, the training does not learn;
where the second does, it sees what it should not.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from evaluate.plots import COLOURS, LEGEND, SETTINGS
from train.neural.hyperparameters import Hyperparameters
from train.poisson.check_command import CheckResult, command
from train.poisson.market import CRITERION, MARKET, Decide, PoissonVecEnv, depths_of, play
from train.poisson.optimum import Optimum, solve
from train.poisson.training import MeasuredTraining, learn

NAME = "leaked_price"
# A step moves the mid by 1.5 $, half again what a fill at the best quote pays without the leak.
VOLATILE = replace(MARKET, sigma=15.0, arrival_rate=30.0)
# A position moves the reward by as much, which teaches nothing; so at most one lot is held.
PENALTIES = replace(CRITERION, inventory_cap=1)
SHARE = 0.9  # of what the leak is worth to the best policy
LARGEST_SURPLUS = 3.0  # standard errors by which one that is not told may earn more than the best such policy
EPISODES = 2048
EPISODES_ON_THE_WAY = 512
EVALUATION_SEED = 900_000
DASHED = (0, (3, 2))
SHOWN = {True: "next move shown", False: "not shown"}

Floats = NDArray[np.float64]


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line of the module.

    Args:
        arguments: By default those of the process.

    Returns:
        Exit status: 0, 1 if the check failed, 2 for a wrong option, 130 after Ctrl-C.
    """
    return command(NAME, __doc__, check, arguments)


def check(hyperparameters: Hyperparameters, seed: int) -> CheckResult:
    """Train with and without the leak, and hold both to the best policy with the leak on the same markets.

    Args:
        hyperparameters: What shapes both trainings.
        seed: Of both.
    """
    optima = {leaked: solve(VOLATILE, PENALTIES, leaked=leaked) for leaked in SHOWN}
    courses = {leaked: _train(hyperparameters, seed, leaked) for leaked in SHOWN}
    learned = {leaked: _earned(course.policy, leaked) for leaked, course in courses.items()}
    best = {leaked: _earned(optimum.policy(VOLATILE.k), leaked) for leaked, optimum in optima.items()}
    shares = {leaked: float(earned.mean() / best[True].mean()) for leaked, earned in learned.items()}
    _print(learned, best)
    surplus = learned[False] - best[False]  # on the same markets
    within = surplus.mean() <= LARGEST_SURPLUS * surplus.std() / np.sqrt(len(surplus))
    passed = shares[True] >= SHARE > shares[False] and bool(within)
    print(
        f"{'passed' if passed else 'FAILED'}: of what the best policy makes of the leak PPO reaches {shares[True]:.1%} "
        f"where it is shown the next move ({SHARE:.0%} needed) and {shares[False]:.1%} where it is not"
    )
    document = {
        SHOWN[leaked]: {
            "ppo": _mean_and_error(learned[leaked]),
            "optimum": _mean_and_error(best[leaked]),
            "optimum_exact": optima[leaked].value[0, PENALTIES.inventory_cap],
            "share_of_the_optimum_with_the_leak": shares[leaked],
            "timesteps": course.timesteps,
            "earned": course.measured,
            "steps_per_second": course.rate,
        }
        for leaked, course in courses.items()
    }
    return CheckResult(passed, {"seed": seed, "episodes": EPISODES} | document, draw(courses, optima))


def _train(hyperparameters: Hyperparameters, seed: int, leaked: bool) -> MeasuredTraining:
    env = PoissonVecEnv(hyperparameters.num_envs, VOLATILE, PENALTIES, widest_start=0, leaked=leaked)
    return learn(env, hyperparameters, seed, lambda policy: float(_earned(policy, leaked, EPISODES_ON_THE_WAY).mean()))


def _earned(policy: Decide, leaked: bool, episodes: int = EPISODES) -> Floats:
    """The criterion of each evaluation episode [$], shape (episodes,); the same markets for every policy."""
    env = PoissonVecEnv(episodes, VOLATILE, PENALTIES, widest_start=0, leaked=leaked)
    return play(env, policy, EVALUATION_SEED)


def _mean_and_error(values: Floats) -> dict[str, float]:
    return {"mean": float(values.mean()), "standard_error": float(values.std(ddof=1) / np.sqrt(len(values)))}


def _print(learned: dict[bool, Floats], best: dict[bool, Floats]) -> None:
    table = Table("policy", "agent's observation", title=f"Criterion, mean of {EPISODES:,} episodes, $", box=None)
    table.add_column("mean", justify="right")
    table.add_column("s.e.", justify="right")
    table.add_column("of the best with the leak", justify="right")
    for name, earned in (("best possible", best), ("PPO", learned)):
        for leaked, words in SHOWN.items():
            figures = _mean_and_error(earned[leaked])
            share = earned[leaked].mean() / best[True].mean()
            table.add_row(name, words, f"{figures['mean']:.2f}", f"{figures['standard_error']:.2f}", f"{share:.1%}")
    Console(width=100).print(table)


def draw(courses: dict[bool, MeasuredTraining], optima: dict[bool, Optimum]) -> Figure:
    """What both policies earned in the course of their training, and the quotes of the one that is shown the next move.

    Args:
        courses: Of the trainings, by whether the next move is shown.
        optima: Best policies, likewise.
    """
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(8.0, 3.0))
        earning, quoting = figure.subplots(1, 2)
        _draw_earning(earning, courses, optima)
        _draw_quotes(quoting, courses[True].policy, optima[True])
    return figure


def _draw_earning(axes: Any, courses: dict[bool, MeasuredTraining], optima: dict[bool, Optimum]) -> None:
    for leaked, colour in ((True, "blue"), (False, "muted")):
        course = courses[leaked]
        best = _earned(optima[leaked].policy(VOLATILE.k), leaked, EPISODES_ON_THE_WAY).mean()
        axes.axhline(float(best), color=COLOURS[colour], linewidth=0.8, linestyle=DASHED)
        axes.plot(
            np.array(course.timesteps) / 1e3, course.measured, color=COLOURS[colour], label=f"PPO, {SHOWN[leaked]}"
        )
    axes.plot([], [], color=COLOURS["ink"], linewidth=0.8, linestyle=DASHED, label="best policy, same markets")
    axes.set(xlabel="steps of training, thousands", ylabel="criterion of an episode, $")
    axes.set_title("what is earned", pad=36)
    axes.margins(x=0)
    axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2, **LEGEND)


def _draw_quotes(axes: Any, policy: Decide, optimum: Optimum) -> None:
    """Quotes that can be filled, half way through the episode: the optimum as lines, PPO as dots."""
    cap = PENALTIES.inventory_cap
    for move, words, style in ((1, "up", "-"), (0, "down", DASHED)):
        for side, name, colour in ((0, "bid", "blue"), (1, "ask", "orange")):
            inventory = np.arange(-cap, cap) + side
            same = np.ones(len(inventory))
            told = np.stack([inventory, 0.5 * same, optimum.moves[move] * same], axis=1).astype(np.float32)
            best = optimum.at(VOLATILE.steps // 2, inventory, move)[:, side]
            quoted = depths_of(policy(told), VOLATILE.k)[:, side]
            axes.plot(inventory, best, color=COLOURS[colour], linestyle=style, label=f"{name}, {words} next")
            axes.plot(inventory, quoted, "o", color=COLOURS[colour], markersize=4.0, markeredgewidth=0)
    axes.set(xlabel="inventory, lots", ylabel="distance from the mid, $", xticks=np.arange(-cap, cap + 1))
    axes.set_title("quotes at half time: best (lines) and PPO (dots)", pad=36)
    axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2, **LEGEND)


if __name__ == "__main__":
    sys.exit(main())
