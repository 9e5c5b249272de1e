"""Takes out of a training's reward what inventory gained by moves of the mid that nothing told of beforehand.

Most of what a market maker's rewards differ by from one episode to the next is what the mid did while it held a
position. It is chance, for every policy alike, and hides what quotes are worth. A linear regression on what is seen
forecasts the next move; the learner is paid the forecast move of what it holds instead of the real one. The regression
is fitted to the moves that the policy itself meets and has its position among the regressors, so that what is taken out
is uncorrelated with the position: the mean of the present policy's reward stays about what it was, its variance falls.
(Control variates: Glasserman 2004, section 4.1, where the mean is known; here it is fitted, so that what a policy
learns can be off where the forecast is.) What was bought or sold in the last steps is paid in full: how the mid moves
after a fill is what the fill was worth. Evaluations are paid the real reward, and tell.

Letters: E markets, F observed fields.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnvWrapper, VecMonitor

from lobenv.envs.core import Batch
from lobenv.envs.observation import WIDTH
from lobenv.envs.reward import STATE_INDEX
from train.markets import MixedVecEnv
from train.mirror import ORDER, SIGNS

OWN = 2  # regressors beside the observed ones: the position, and the part of it that has been held for a while
SETTLED_STEPS = 10  # how long that is; 5 s, as far as flow tells of the mid in these markets
MEMORY = 500_000  # samples: older ones met another policy
RIDGE = 100.0
FIT_EVERY = 64  # steps
LARGEST_REGRESSOR = 30.0  # a rare burst of flow must not decide the fit


@dataclass
class Forecast:
    """Regression of the next move of the mid, for markets of one kind.

    Attributes:
        moments: Weighted sums of products of the regressors.
        products: Weighted sums of regressors times moves.
        coefficients: Of the last fit.
    """

    moments: NDArray[np.float64] = field(default_factory=lambda: np.zeros((WIDTH + OWN, WIDTH + OWN)))
    products: NDArray[np.float64] = field(default_factory=lambda: np.zeros(WIDTH + OWN))
    coefficients: NDArray[np.float64] = field(default_factory=lambda: np.zeros(WIDTH + OWN))

    def learn(self, regressors: NDArray[np.float64], moves: NDArray[np.float64]) -> None:
        """Take in one step of some markets."""
        kept = 1.0 - len(moves) / MEMORY
        self.moments = kept * self.moments + regressors.T @ regressors
        self.products = kept * self.products + regressors.T @ moves

    def fit(self) -> None:
        """Bring the coefficients up to date."""
        # Without the ridge it would be singular: what is odd of the bid's fields is that of the ask's.
        ridge = RIDGE * np.eye(len(self.moments))
        self.coefficients = np.linalg.solve(self.moments + ridge, self.products).astype(np.float64)


@dataclass
class Position:
    """What markets of one kind show before a step.

    Attributes:
        mid: (E,) [ticks].
        held: (SETTLED_STEPS + 1, E) now and after each of the last steps [lots].
    """

    mid: NDArray[np.float64]
    held: NDArray[np.float64]

    @property
    def settled(self) -> NDArray[np.float64]:
        """(E,) the part of the position that has been held all the time [lots]."""
        bought, sold = self.held.min(axis=0), self.held.max(axis=0)
        return np.maximum(bought, 0.0) + np.minimum(sold, 0.0)


class ControlVariate(VecEnvWrapper):
    """Pays the learner with the noise of unforeseeable moves taken out.

    Attributes:
        forecasts: One for each kind of market.
        regressors: (E, F + OWN) of the present step.
        positions: One for each kind of market.
    """

    def __init__(self, venv: VecMonitor) -> None:
        """Lay it over the markets.

        Args:
            venv: A `MixedVecEnv` that is monitored, so that what is logged is the real reward.
        """
        super().__init__(venv)
        self.forecasts = [Forecast() for _ in self._markets.parts]
        self.regressors: NDArray[np.float64] = np.zeros(0)
        self.positions: list[Position] = []
        self.steps = 0

    @property
    def _markets(self) -> MixedVecEnv:
        markets: Any = self.venv
        return markets.venv

    def reset(self) -> Any:
        """Begin a session in every market."""
        observation: Any = self.venv.reset()
        self.positions = [_position(part.batch) for part in self._markets.parts]
        self._note(observation)
        return observation

    def step_wait(self) -> Any:
        """Step, and pay."""
        observation, reward, done, info = self.venv.step_wait()
        noise = [self._settle(i, low, high, ~done[low:high]) for i, (low, high) in enumerate(self._markets.shares)]
        self.steps += 1
        if self.steps % FIT_EVERY == 0:
            for forecast in self.forecasts:
                forecast.fit()
        self._note(observation)  # pyright: ignore[reportArgumentType]
        return observation, reward - np.concatenate(noise).astype(np.float32), done, info

    def _settle(self, kind: int, low: int, high: int, running: NDArray[np.bool_]) -> NDArray[np.float64]:
        """What the positions of one kind of market gained in this step that was not to be foreseen, as it is paid."""
        before, forecast, regressors = self.positions[kind], self.forecasts[kind], self.regressors[low:high]
        after = _position(self._markets.parts[kind].batch)
        moves = after.mid - before.mid
        surprise = np.where(running, before.settled * (moves - regressors @ forecast.coefficients), 0.0)
        forecast.learn(regressors[running], moves[running])
        # A finished market is in its next session by now.
        after.held[1:] = np.where(running, before.held[:-1], 0.0)
        self.positions[kind] = after
        return surprise * self._markets.lot_values[low:high]

    def _note(self, observation: NDArray[np.float32]) -> None:
        """Keep what the next move is forecast from: a mirrored market has the opposite move, so only what is odd."""
        odd = 0.5 * (observation - observation[:, ORDER] * SIGNS).astype(np.float64)
        own = [np.column_stack([position.held[0], position.settled]) for position in self.positions]
        self.regressors = np.hstack([np.clip(odd, -LARGEST_REGRESSOR, LARGEST_REGRESSOR), np.concatenate(own)])


def _position(batch: Batch) -> Position:
    state = batch.out.state[:, 0]
    held = np.zeros((SETTLED_STEPS + 1, len(state)))
    held[0] = state[:, STATE_INDEX["inventory"]] / batch.scenario.maker.order_size_shares
    return Position(state[:, STATE_INDEX["mid"]].copy(), held)
