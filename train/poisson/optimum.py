"""The best that anybody can do in the Poisson-fill market in discrete steps, by dynamic programming.

The closed form (`lobenv.theory.quoting.cartea_jaimungal_quotes`) is the limit of ever shorter steps; this is the
optimum of the very steps that an agent trains on, in which both quotes may be filled at once. It also covers the market
in which the next move of the mid is known, for which there is no closed form.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluate.closed_form import Criterion, PoissonMarket
from train.poisson.market import DEPTH_RANGE, Decide, actions_of

Floats = NDArray[np.float64]

SWEEPS = 100  # of the two quotes, each the best answer to the other
SETTLED = 1e-12  # [$]


@dataclass(frozen=True)
class Optimum:
    """Best quotes and what they are worth; N steps, M moves that may be known, inventories q = -Q..Q.

    Attributes:
        depths: (N, M, 2Q + 1, 2) distances to the mid of bid and ask [$].
        value: (N + 1, 2Q + 1) still to be earned, above cash and marked inventory, before the move is known [$].
        moves: (M,) moves that the agent is told of [$]: one, 0, where it is told nothing.
    """

    depths: Floats
    value: Floats
    moves: Floats

    def at(self, step: int, inventory: NDArray[np.int64], move: int = 0) -> Floats:
        """Bid and ask distance [$] at a step for inventories (n,), shape (n, 2)."""
        return self.depths[step, move, inventory + self.value.shape[1] // 2]

    def policy(self, k: float) -> Decide:
        """The optimum as a policy on observations of `PoissonVecEnv`."""
        steps = len(self.depths)

        def decide(observation: NDArray[np.float32]) -> NDArray[np.float32]:
            step = round(float(observation[0, 1]) * steps)
            told = observation[:, 2] if observation.shape[1] > 2 else np.zeros(len(observation))
            move = np.abs(told[:, None] - self.moves).argmin(axis=1)
            column = observation[:, 0].astype(np.int64) + self.value.shape[1] // 2
            return actions_of(self.depths[step, move, column], k)

        return decide


def solve(market: PoissonMarket, criterion: Criterion, *, leaked: bool = False) -> Optimum:
    """Step back from the horizon.

    Args:
        market: The stock.
        criterion: The penalties and the cap.
        leaked: Whether the agent is told the next move of the mid before it quotes.
    """
    jump = market.sigma * np.sqrt(market.dt)
    moves = np.array([-jump, jump]) if leaked else np.zeros(1)
    inventory = np.arange(-criterion.inventory_cap, criterion.inventory_cap + 1, dtype=np.float64)
    value = np.empty((market.steps + 1, len(inventory)))
    depths = np.empty((market.steps, len(moves), len(inventory), 2))
    value[-1] = -criterion.alpha * np.square(inventory)
    for step in reversed(range(market.steps)):
        depths[step], gain = _best_quotes(value[step + 1], moves[:, None], market)
        value[step] = value[step + 1] + gain.mean(axis=0) - criterion.phi * np.square(inventory) * market.dt
    return Optimum(depths, value, moves)


def _best_quotes(value: Floats, move: Floats, market: PoissonMarket) -> tuple[Floats, Floats]:
    """Best distances (M, 2Q + 1, 2) and their expected gain (M, 2Q + 1) over quoting nothing.

    With ``p = arrival_rate dt exp(-k distance)`` and both sides independent, a step is worth
    ``p_bid (bid + move) + p_ask (ask - move) + p_bid (1 - p_ask) up + p_ask (1 - p_bid) down``, whose maximum over one
    side is at ``1 / k`` above what that side's fill would cost.
    """
    # A side that would breach the cap is never filled; what it would lead to must then be a number, and is not used.
    up = np.append(np.diff(value), 0.0)
    down = np.append(0.0, -np.diff(value))
    room = np.stack((np.arange(len(value)) < len(value) - 1, np.arange(len(value)) > 0), axis=-1)
    low, high = DEPTH_RANGE[0] / market.k, DEPTH_RANGE[1] / market.k
    depths = np.full((len(move), len(value), 2), 1.0 / market.k)
    chance = np.zeros_like(depths)
    for _ in range(SWEEPS):
        chance = np.where(room, market.arrival_rate * market.dt * np.exp(-market.k * depths), 0.0)
        cost = np.stack(
            (
                -move - (1.0 - chance[..., 1]) * up + chance[..., 1] * down,
                move - (1.0 - chance[..., 0]) * down + chance[..., 0] * up,
            ),
            axis=-1,
        )
        before, depths = depths, np.clip(1.0 / market.k + cost, low, high)
        if np.abs(depths - before).max() < SETTLED:
            break
    bid, ask = chance[..., 0], chance[..., 1]
    gain = bid * (depths[..., 0] + move) + ask * (depths[..., 1] - move)
    return depths, gain + bid * (1.0 - ask) * up + ask * (1.0 - bid) * down
