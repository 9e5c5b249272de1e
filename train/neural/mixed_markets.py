"""Markets of several kinds side by side in one environment of Stable-Baselines3.

Letters: E markets in all, a share of them for each kind.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices

from lobenv.adapters.sb3 import SB3VecEnv
from lobenv.roles.maker.task import ActionMode
from lobenv.scenario.loading import scenario_hash
from train.shared.markets import Market, shares


class MixedVecEnv(VecEnv):
    """Markets of several kinds side by side; row by row the same as each kind by itself.

    Rewards of a kind may be divided by a scale of its own: without that the most volatile of several scenarios would
    decide what is learned. The sums that SB3 logs as `rollout/ep_rew_mean` are then in those units.

    Market i of `seed(s)` gets the seed s + i, and each later session of it a seed derived from that: 63 bits wide, so
    that it could be one of those held out for evaluation, but never is in practice.

    Attributes:
        parts: One environment for each kind.
        shares: First row of each kind, and the one after its last.
        scales: (E,) what rewards are divided by [$].
    """

    def __init__(
        self,
        markets: Sequence[Market],
        num_envs: int,
        *,
        action: ActionMode = "continuous",
        scales: Sequence[float] | None = None,
        threads: int | None = None,
    ) -> None:
        """Build the markets.

        Args:
            markets: Their kinds.
            num_envs: E, shared out among them.
            action: Action mode.
            scales: What the rewards of each kind are divided by [$]; 1 by default.
            threads: Most threads to use; the machine's cores by default.
        """
        self.render_mode = None
        self.threads = threads or os.cpu_count() or 1
        # Several kinds are stepped side by side, one a thread; a single one shares its markets out by itself.
        own = self.threads if len(markets) == 1 else 1
        sizes = shares(num_envs, len(markets))
        self.parts = [
            SB3VecEnv(size, scenario=market.scenario, action=action, threads=own)
            for size, market in zip(sizes, markets, strict=True)
        ]
        self.scales = np.repeat(np.ones(len(markets)) if scales is None else scales, sizes).astype(np.float32)
        self._edges = np.concatenate([[0], np.cumsum(sizes)])
        self.shares = tuple(zip(self._edges[:-1].tolist(), self._edges[1:].tolist(), strict=True))
        self._pool = ThreadPoolExecutor(min(self.threads, len(markets)), "markets") if len(markets) > 1 else None
        self._actions = np.zeros(0)
        super().__init__(num_envs, self.parts[0].observation_space, self.parts[0].action_space)

    def reset(self) -> np.ndarray:
        """Begin a session in every market; with the seeds given by `seed`, if any were."""
        for part, first in zip(self.parts, self._edges, strict=False):
            if self._seeds[first] is not None:
                part.seed(self._seeds[first])
        self._reset_seeds()
        self._reset_options()
        observations = [part.reset() for part in self.parts]
        self.reset_infos = [info for part in self.parts for info in part.reset_infos]
        return np.concatenate(observations)

    def step_async(self, actions: np.ndarray) -> None:
        """Keep the actions for `step_wait`."""
        self._actions = actions

    def step_wait(self) -> tuple[Any, np.ndarray, np.ndarray, list[dict[str, Any]]]:
        """Carry the actions out: observations, rewards, dones and infos as of `SB3VecEnv`, part after part."""
        actions = [self._actions[low:high] for low, high in pairwise(self._edges)]
        run = map if self._pool is None else self._pool.map
        observations, rewards, dones, infos = zip(*run(SB3VecEnv.step, self.parts, actions), strict=True)
        joined = [info for part in infos for info in part]
        return np.concatenate(observations), np.concatenate(rewards) / self.scales, np.concatenate(dones), joined

    def adopt(self, parts: Sequence[SB3VecEnv]) -> None:
        """Go on with the markets of another such environment, on this one's threads.

        Raises:
            ValueError: They are of other scenarios, or shared out in another way.
        """
        kinds = [[(scenario_hash(part.batch.scenario), part.num_envs) for part in each] for each in (self.parts, parts)]
        if kinds[0] != kinds[1]:
            raise ValueError(f"markets must be {kinds[0]} (scenario, number), got {kinds[1]}")
        for mine, theirs in zip(self.parts, parts, strict=True):
            theirs.batch.threads = mine.batch.threads
            mine.close()
        self.parts = list(parts)

    def close(self) -> None:
        """Let the threads go."""
        if self._pool is not None:
            self._pool.shutdown()
        for part in self.parts:
            part.close()

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """The attribute of each market asked for: the mixture's own, or else its part's."""
        if attr_name in self.__dict__:
            return [getattr(self, attr_name) for _ in self._get_indices(indices)]
        values = [value for part in self.parts for value in part.get_attr(attr_name)]
        return [values[row] for row in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Refuse: the markets are what they were made."""
        raise AttributeError(f"{attr_name} cannot be set: the markets are what they were made")

    def env_method(
        self, method_name: str, *method_args: Any, indices: VecEnvIndices = None, **method_kwargs: Any
    ) -> list[Any]:
        """Call a method of `SB3VecEnv.env_method` for each market asked for."""
        rows, results = list(self._get_indices(indices)), {}
        for part, (low, high) in zip(self.parts, self.shares, strict=True):
            own = [row for row in rows if low <= row < high]
            if own:
                places = [row - low for row in own]
                found = part.env_method(method_name, *method_args, indices=places, **method_kwargs)
                results.update(zip(own, found, strict=True))
        return [results[row] for row in rows]

    def env_is_wrapped(self, wrapper_class: type, indices: VecEnvIndices = None) -> list[bool]:
        """No market is wrapped."""
        return [False for _ in self._get_indices(indices)]
