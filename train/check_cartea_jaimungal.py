"""Checks that PPO finds the optimal quotes of Cartea and Jaimungal where nothing else is to be found.

    python -m train.check_cartea_jaimungal

The Poisson-fill market has a closed form. Trained on it with the learner of `train.ppo`, the mean action has to be
within 0.1 $ of it on both sides for every inventory of three lots or fewer, half way through the episode. The closed
form is in continuous time; what is best in the 100 steps that are trained on is printed beside it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from evaluate.plots import COLOURS, LEGEND, SETTINGS
from lobenv.theory.quoting import cartea_jaimungal_quotes
from train.neural.hyperparameters import Hyperparameters
from train.poisson.check_command import CheckResult, command
from train.poisson.market import CRITERION, MARKET, Decide, PoissonVecEnv, depths_of, play
from train.poisson.optimum import Optimum, solve
from train.poisson.training import MeasuredTraining, learn

NAME = "cartea_jaimungal"
TOLERANCE = 0.1  # [$]
INVENTORY = np.arange(-3, 4)  # [lots]
TIMES = np.arange(0, 100, 10)  # [steps], at which quotes are compared
MIDDLE = 5  # index in TIMES of the time at which they have to agree
EPISODES = 4096
EVALUATION_SEED = 900_000
AVERAGED = 0.6  # share of the training over which the weights are averaged
DASHED = (0, (3, 2))

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Quotes:
    """Distances to the mid [$] at `TIMES` (T,) for `INVENTORY` (Q,), bid and ask, each (T, Q, 2)."""

    learned: Floats
    closed_form: Floats  # best in continuous time
    discrete: Floats  # best in the steps of the environment

    def error(self, best: Floats) -> float:
        """Largest distance of the learned quotes to the best ones half way through the episode [$]."""
        return float(np.abs(self.learned - best)[MIDDLE].max())


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line of the module.

    Args:
        arguments: By default those of the process.

    Returns:
        Exit status: 0, 1 if the check failed, 2 for a wrong option, 130 after Ctrl-C.
    """
    return command(NAME, __doc__, check, arguments)


def check(hyperparameters: Hyperparameters, seed: int) -> CheckResult:
    """Train, and hold the quotes to the optimum.

    Args:
        hyperparameters: What shapes the training.
        seed: Of the training.
    """
    best = closed_form()
    env = PoissonVecEnv(hyperparameters.num_envs)

    def error(policy: Decide) -> float:
        return float(np.abs(learned(policy) - best)[MIDDLE].max())

    course = learn(env, hyperparameters, seed, error, AVERAGED)
    optimum = solve(MARKET, CRITERION)
    quotes = Quotes(learned(course.policy), best, optimum.depths[TIMES, 0][:, INVENTORY + CRITERION.inventory_cap])
    _print(quotes)
    values = _values(course.policy, optimum)
    passed = quotes.error(best) <= TOLERANCE
    print(
        f"{'passed' if passed else 'FAILED'}: largest error {quotes.error(best):.3f} $ ({TOLERANCE:g} allowed); "
        f"{quotes.error(quotes.discrete):.3f} $ to the optimum in discrete steps\n"
        f"before the weights were averaged over the last {AVERAGED:.0%} of the training: {course.measured[-2]:.3f} $\n"
        f"at ten times up to 0.9: {np.abs(quotes.learned - best).max():.3f} $ at most, "
        f"{np.abs(quotes.learned - best).mean():.3f} $ on average\n"
        f"PPO earns {values['ppo']:.3f} $, the optimum {values['optimum']:.3f} $: a mean difference of "
        f"{values['difference']:+.3f} ± {values['standard_error']:.3f} $ on the same {EPISODES:,} markets"
    )
    document = {
        "seed": seed,
        "largest_error": quotes.error(best),
        "largest_error_without_averaging": course.measured[-2],
        "largest_error_to_discrete_optimum": quotes.error(quotes.discrete),
        "criterion": values,
        "times": (TIMES / MARKET.steps).tolist(),
        "inventory": INVENTORY.tolist(),
        "quotes": {name: depths.tolist() for name, depths in vars(quotes).items()},
        "timesteps": course.timesteps,
        "errors": course.measured,
        "steps_per_second": course.rate,
    }
    return CheckResult(passed, document, draw(quotes, course))


def closed_form() -> Floats:
    """The optimum in continuous time, (T, Q, 2) [$]: Cartea, Jaimungal and Penalva (2015), section 10.2."""
    sides = cartea_jaimungal_quotes(
        MARKET.time_left()[TIMES],
        arrival_rate=MARKET.arrival_rate,
        k=MARKET.k,
        phi=CRITERION.phi,
        alpha=CRITERION.alpha,
        inventory_cap=CRITERION.inventory_cap,
    )
    return np.stack(sides, axis=-1)[:, INVENTORY + CRITERION.inventory_cap]


def learned(policy: Decide) -> Floats:
    """What a policy quotes, (T, Q, 2) [$]."""
    time, inventory = np.meshgrid(TIMES / MARKET.steps, INVENTORY, indexing="ij")
    observations = np.stack((inventory, time), axis=-1).reshape(-1, 2).astype(np.float32)
    return depths_of(policy(observations), MARKET.k).reshape(*time.shape, 2)


def _values(policy: Decide, optimum: Optimum) -> dict[str, float]:
    """What PPO and the best policy earn on the same markets, begun without a position [$]."""
    env = PoissonVecEnv(EPISODES, widest_start=0)
    ppo, best = (play(env, decide, EVALUATION_SEED) for decide in (policy, optimum.policy(MARKET.k)))
    difference = ppo - best
    return {
        "ppo": float(ppo.mean()),
        "optimum": float(best.mean()),
        "difference": float(difference.mean()),
        "standard_error": float(difference.std(ddof=1) / np.sqrt(EPISODES)),
        "optimum_exact": float(optimum.value[0, CRITERION.inventory_cap]),
    }


def _print(quotes: Quotes) -> None:
    table = Table(title="Distance from the mid half way through the episode, $", title_justify="left", box=None)
    for head in (
        "q",
        *(f"{side}\n{what}" for side in ("bid", "ask") for what in ("PPO", "optimum", "error", "in steps")),
    ):
        table.add_column(head, justify="right")
    for place, inventory in enumerate(INVENTORY):
        cells = [f"{inventory:+d}".replace("+0", "0")]
        for side in (0, 1):
            own, best, steps = (x[MIDDLE, place, side] for x in (quotes.learned, quotes.closed_form, quotes.discrete))
            cells += [f"{own:.4f}", f"{best:.4f}", f"{own - best:+.4f}", f"{steps:.4f}"]
        table.add_row(*cells)
    Console(width=100).print(table)


def draw(quotes: Quotes, course: MeasuredTraining) -> Figure:
    """Quotes against inventory and against time, and the error in the course of the training.

    Args:
        quotes: Learned and best.
        course: Of the training.
    """
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(9.6, 3.0))
        inventory, time, error = figure.subplots(1, 3)
        _draw_against_inventory(inventory, quotes)
        _draw_against_time(time, quotes)
        error.axhline(TOLERANCE, color=COLOURS["muted"], linewidth=0.8, linestyle=DASHED, label="allowed")
        millions = np.array(course.timesteps) / 1e6
        error.plot(millions[:-1], course.measured[:-1], color=COLOURS["blue"], label="largest error")
        error.plot(
            millions[-1],
            course.measured[-1],
            "D",
            color=COLOURS["ink"],
            markersize=4.0,
            clip_on=False,
            label="averaged",
        )
        error.set(xlabel="steps of training, millions", ylabel="largest error at half time, $", yscale="log")
        error.set_title("training", pad=36)
        error.margins(x=0)
        error.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=3, **LEGEND)
    return figure


def _draw_against_inventory(axes: Any, quotes: Quotes) -> None:
    for side, name, colour in ((0, "bid", "blue"), (1, "ask", "orange")):
        axes.plot(INVENTORY, quotes.closed_form[MIDDLE, :, side], color=COLOURS[colour], label=f"{name}, optimum")
        axes.plot(
            INVENTORY,
            quotes.learned[MIDDLE, :, side],
            "o",
            color=COLOURS[colour],
            markersize=4.0,
            markeredgewidth=0,
            label=f"{name}, PPO",
        )
    axes.set(xlabel="inventory, lots", ylabel="distance from the mid, $")
    axes.set_title("at half time", pad=36)
    axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2, **LEGEND)


def _draw_against_time(axes: Any, quotes: Quotes) -> None:
    """Bids at three inventories; asks mirror them."""
    times = TIMES / MARKET.steps
    for inventory, colour in ((3, "violet"), (0, "ink"), (-3, "muted")):
        place = int(np.flatnonzero(inventory == INVENTORY)[0])
        axes.plot(
            times, quotes.closed_form[:, place, 0], color=COLOURS[colour], label=f"q = {inventory}".replace("-", "−")
        )
        axes.plot(times, quotes.learned[:, place, 0], "o", color=COLOURS[colour], markersize=4.0, markeredgewidth=0)
    axes.set(xlabel="time, share of the episode", ylabel="bid's distance from the mid, $")
    axes.set_title("bids: optimum (lines) and PPO (dots)", pad=36)
    axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=3, **LEGEND)


if __name__ == "__main__":
    sys.exit(main())
