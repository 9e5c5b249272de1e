"""The Poisson-fill market of Cartea and Jaimungal as a vector environment: what trained quotes are held to.

Unlike the markets of `lobenv` it has a known optimum (`train.poisson.optimum`). A step of length dt, in the units of
`evaluate.closed_form`:

1. The agent sees its inventory q and the time, and quotes a distance to the mid on each side.
2. Each quote is filled, for one lot, with probability ``arrival_rate exp(-k distance) dt``.
3. The mid moves by ``+- sigma sqrt(dt)``. With `leaked` the agent has seen this move before it quoted.
4. The reward is the change of cash plus marked inventory, less ``phi q^2 dt`` for the q it quoted at, and after the
   last step less ``alpha q^2``: over an episode the criterion of Cartea, Jaimungal and Penalva (2015), section 10.2.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices

from evaluate.closed_form import Criterion, PoissonMarket

__all__ = ["CRITERION", "DEPTH_RANGE", "MARKET", "Decide", "PoissonVecEnv", "actions_of", "depths_of", "play"]

Floats = NDArray[np.float64]
Step = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_], list[dict[str, Any]]]
Decide = Callable[[NDArray[np.float32]], NDArray[Any]]  # observations (E, F) -> actions (E, 2)

# The case that published reinforcement-learning runs are held to: mbt_gym's notebook on Cartea and Jaimungal.
MARKET = PoissonMarket(horizon=1.0, steps=100, sigma=0.1, arrival_rate=10.0, k=1.0)
CRITERION = Criterion(phi=0.5, alpha=0.001, inventory_cap=10)

# What the actions -1 and 1 quote [1 / k]. At the lower end a quote stands through the mid.
DEPTH_RANGE = (-1.0, 3.0)


def depths_of(actions: NDArray[Any], k: float) -> Floats:
    """Distances to the mid [$] that actions in [-1, 1] stand for, in the shape of the actions; bid first, then ask."""
    low, high = DEPTH_RANGE
    return (low + 0.5 * (high - low) * (np.clip(actions, -1.0, 1.0).astype(np.float64) + 1.0)) / k


def actions_of(depths: Floats, k: float) -> NDArray[np.float32]:
    """Actions that quote these distances [$], the nearest ones where a distance lies outside of `DEPTH_RANGE`."""
    low, high = DEPTH_RANGE
    return np.clip(2.0 * (depths * k - low) / (high - low) - 1.0, -1.0, 1.0).astype(np.float32)


class PoissonVecEnv(VecEnv):
    """E independent markets that begin and end together; `seed(s)` fixes them all.

    An observation is float32 ``[inventory in lots, time passed as a share of the horizon]``; with `leaked` a third
    column is the move [$] that the mid is about to make. No fill carries the inventory over the cap.

    Attributes:
        market: The stock.
        criterion: The penalties, and the cap of the inventory.
    """

    def __init__(
        self,
        num_envs: int,
        market: PoissonMarket = MARKET,
        criterion: Criterion = CRITERION,
        *,
        widest_start: int = 4,
        leaked: bool = False,
    ) -> None:
        """Build the markets.

        Args:
            num_envs: E.
            market: The stock.
            criterion: The penalties, and the cap of the inventory.
            widest_start: Episodes begin with an inventory drawn evenly from -widest_start..widest_start [lots].
            leaked: Whether the next move of the mid is seen.

        Raises:
            ValueError: widest_start is beyond the cap, or a quote could be filled with a probability above 1.
        """
        if not 0 <= widest_start <= criterion.inventory_cap:
            raise ValueError(f"widest_start must be within 0..{criterion.inventory_cap}, got {widest_start}")
        likeliest = market.arrival_rate * market.dt * np.exp(-DEPTH_RANGE[0])
        if likeliest > 1.0:
            raise ValueError(f"steps must be >= {int(np.ceil(likeliest * market.steps))}, got {market.steps}")
        self.market, self.criterion = market, criterion
        self.render_mode = None
        self._widest_start, self._leaked = widest_start, leaked
        self._rng = np.random.default_rng()
        self._step = 0
        self._inventory = np.zeros(num_envs, np.int64)
        self._move = np.zeros(num_envs)
        self._pending = np.zeros((num_envs, 2))
        low, high = [-criterion.inventory_cap, 0.0], [criterion.inventory_cap, 1.0]
        if leaked:
            low, high = [*low, -np.inf], [*high, np.inf]
        observations = spaces.Box(np.array(low, np.float32), np.array(high, np.float32))
        super().__init__(num_envs, observations, spaces.Box(-1.0, 1.0, (2,), np.float32))

    def reset(self) -> NDArray[np.float32]:
        """Begin an episode in every market; from the seed given by `seed`, if one was."""
        if self._seeds[0] is not None:
            self._rng = np.random.default_rng(self._seeds[0])
        self._reset_seeds()
        self._reset_options()
        self._begin()
        return self._observations()

    def step(self, actions: NDArray[Any]) -> Step:
        """Carry actions out, (E, 2) in [-1, 1]; returns what `step_wait` does."""
        self.step_async(actions)
        return self.step_wait()

    def step_async(self, actions: NDArray[Any]) -> None:
        """Keep the actions, (E, 2) in [-1, 1], for `step_wait`."""
        self._pending = actions

    def step_wait(self) -> Step:
        """Carry the kept actions out.

        Returns:
            Observations (E, F), rewards (E,), dones (E,) and infos; the step that ends the episodes begins the next.
        """
        rewards = self._trade(depths_of(self._pending, self.market.k))
        self._step += 1
        self._draw_move()
        done = self._step == self.market.steps
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        if done:
            rewards -= self.criterion.alpha * np.square(self._inventory)
            for info, last in zip(infos, self._observations(), strict=True):
                info |= {"terminal_observation": last, "TimeLimit.truncated": False}
            self._begin()
        return self._observations(), rewards.astype(np.float32), np.full(self.num_envs, done), infos

    def _begin(self) -> None:
        self._step = 0
        self._inventory = self._rng.integers(-self._widest_start, self._widest_start, self.num_envs, endpoint=True)
        self._draw_move()

    def _draw_move(self) -> None:
        size = self.market.sigma * np.sqrt(self.market.dt)
        self._move = size * self._rng.choice((-1.0, 1.0), self.num_envs)

    def _trade(self, depth: Floats) -> Floats:
        """Fill the quotes, move the mid, and return the rewards without the penalty at the end.

        As many random numbers are drawn whatever the quotes: agents on one seed meet the same flow.
        """
        market, criterion, held = self.market, self.criterion, self._inventory
        filled = self._rng.random((self.num_envs, 2)) < market.arrival_rate * market.dt * np.exp(-market.k * depth)
        filled &= np.stack((held < criterion.inventory_cap, held > -criterion.inventory_cap), axis=1)
        self._inventory = held + filled[:, 0] - filled[:, 1]
        spread = np.where(filled, depth, 0.0).sum(axis=1)
        return spread + self._inventory * self._move - criterion.phi * np.square(held) * market.dt

    def _observations(self) -> NDArray[np.float32]:
        time = np.full(self.num_envs, self._step / self.market.steps)
        columns = [self._inventory, time, self._move] if self._leaked else [self._inventory, time]
        return np.stack(columns, axis=1).astype(np.float32)

    def close(self) -> None:
        """There is nothing to let go."""

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """The attribute, once for each market asked for."""
        value = getattr(self, attr_name)
        return [value for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Refuse: the markets have no attributes of their own."""
        raise AttributeError(f"{attr_name!r} cannot be set: the markets of a batch share their attributes")

    def env_method(
        self, method_name: str, *method_args: Any, indices: VecEnvIndices = None, **method_kwargs: Any
    ) -> Any:
        """Refuse: the markets have no methods of their own."""
        raise AttributeError(f"{method_name!r} is no method of a single market")

    def env_is_wrapped(self, wrapper_class: type, indices: VecEnvIndices = None) -> list[bool]:
        """No market of the batch is wrapped."""
        return [False for _ in self._get_indices(indices)]


def play(env: PoissonVecEnv, decide: Decide, seed: int) -> Floats:
    """What each of one episode's markets came to under a policy [$], shape (E,).

    Args:
        env: The markets; a new episode is begun.
        decide: The policy.
        seed: Of the markets.
    """
    env.seed(seed)
    observation = env.reset()
    total = np.zeros(env.num_envs)
    for _ in range(env.market.steps):
        observation, reward, _, _ = env.step(decide(observation))
        total += reward
    return total
