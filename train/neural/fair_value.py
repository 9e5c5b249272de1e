"""Pays a learner for its fills at once, by what the shares are worth and what keeping them would cost.

The reward of a market-making environment marks inventory at the mid. Most of what it differs by from one episode to
the next is what the mid did while a position was held, which is chance; what a fill was worth shows only as the mid
moves on over the next ten seconds, and what its inventory costs over the next minute. All three make learning slow.
In a simulation the fundamental value is known. It is nobody's doing, and where traders watch it the mid comes back to
it. So the learner's positions are marked there, less what they would cost if they were kept for ever, and what the
value's own unforeseeable moves do to them is taken out. What is left is, nearly, the edge of every fill over the value
and over the price of the inventory that it makes.

Over a session the learner's discounted return stays what it was, but for chance. Marking elsewhere adds the change of a
potential (Ng, Harada and Russell 1999), and those changes add up to nothing, as nothing is held before the first step
and after the last. A position times the next innovation of a process that nobody influences is a control variate of
known mean, zero (Glasserman 2004, section 4.1); the last step's stays in, as the market is in its next session by then.
So no preference among policies changes, as far as the learner's clipped rewards and its estimates of values do not
distort it. The policy sees no more than before, and evaluations are paid the real reward.

Letters: E markets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnvWrapper, VecMonitor

from lobenv.engine.batch import Batch
from lobenv.roles.maker.reward import STATE_INDEX
from train.neural.mixed_markets import MixedVecEnv


@dataclass(frozen=True)
class Mark:
    """What is held in some markets, and what it is worth.

    Attributes:
        held: (E,) inventory [lots].
        mid: (E,) [ticks].
        value: (E,) fundamental value [ticks].
        expected: (E,) what the value is expected to be at the next decision [ticks].
        lot_value: What a tick on a lot is worth [$].
        step_charge: What a lot squared is charged for a step, in the reward mode `inventory` [$].
    """

    held: NDArray[np.float64]
    mid: NDArray[np.float64]
    value: NDArray[np.float64]
    expected: NDArray[np.float64]
    lot_value: float
    step_charge: float

    def potential(self, discount: float) -> NDArray[np.float64]:
        """(E,) how much more the inventory is worth than at the mid, the charges for keeping it deducted [$]."""
        charges = self.step_charge * self.held**2 / (1.0 - discount)
        return self.lot_value * self.held * (self.value - self.mid) - charges

    def innovation(self, after: Mark) -> NDArray[np.float64]:
        """(E,) what the unexpected part of the value's move until the next decision is worth to the inventory [$]."""
        return self.lot_value * self.held * (after.value - self.expected)


class FairValue(VecEnvWrapper):
    """Marks the learner's inventory at the fundamental value; keeps nothing from one step to the next."""

    def __init__(self, venv: VecMonitor, discount: float) -> None:
        """Lay it over the markets.

        Args:
            venv: A `MixedVecEnv` that is monitored, so that what is logged is the real reward.
            discount: The learner's, of a step: it makes the shaping one that changes no preference.
        """
        super().__init__(venv)
        self._discount = discount

    @property
    def _markets(self) -> MixedVecEnv:
        markets: Any = self.venv
        return markets.venv

    def reset(self) -> Any:
        """Begin a session in every market."""
        return self.venv.reset()

    def step_wait(self) -> Any:
        """Step, and pay."""
        markets, before = self._markets, self._marks()
        observation, reward, done, info = self.venv.step_wait()
        ended = [done[low:high] for low, high in markets.shares]
        added = [self._added(*each) for each in zip(before, self._marks(), ended, strict=True)]
        return observation, reward + (np.concatenate(added) / markets.scales).astype(np.float32), done, info

    def _marks(self) -> list[Mark]:
        return [mark(part.batch) for part in self._markets.parts]

    def _added(self, before: Mark, after: Mark, ended: NDArray[np.bool_]) -> NDArray[np.float64]:
        """(E,) what is paid beside the reward [$]; a market that ended is in its next session by now."""
        going_on = self._discount * after.potential(self._discount) - before.innovation(after)
        return np.where(ended, 0.0, going_on) - before.potential(self._discount)


def mark(batch: Batch) -> Mark:
    """What the first external agent of every market holds, and what it is worth."""
    maker, state = batch.scenario.maker, batch.out.state[:, 0]
    held = state[:, STATE_INDEX["inventory"]] / maker.order_size_shares
    lot_value = batch.scenario.tick_size * maker.order_size_shares
    charge = batch.task.reward.inventory_aversion * maker.decision_interval_s
    return Mark(held, state[:, STATE_INDEX["mid"]].copy(), *_fundamental(batch), lot_value, charge)


def _fundamental(batch: Batch) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(E,) value now, and as it is expected at the next decision [ticks]."""
    worlds, rows = batch.worlds, np.arange(batch.num_envs)
    maker = worlds.externals[:, 0]
    fundamental = worlds.fundamentals[rows, worlds.books["symbol"][rows, maker["book"]]]
    now, grid = worlds.clock["now"][:, 0], fundamental["step"]
    kept = fundamental["decay"] ** ((now + maker["interval"]) // grid - now // grid)
    mean, value = fundamental["mean"], fundamental["value"]
    return value.copy(), mean + (value - mean) * kept
