"""`SB3VecEnv`: the batched markets as a Stable-Baselines3 vector environment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium.error import ResetNeeded

try:
    from stable_baselines3.common.vec_env import VecEnv
    from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices
except ImportError as error:
    raise ImportError('Stable-Baselines3 is not installed: run pip install "lobenv[train]"') from error

from lobenv.engine.batch import Batch
from lobenv.envs.interface import Episodes, Interface, check_max_episode_steps, configure, info_of
from lobenv.market.tables import RUNNING


class SB3VecEnv(VecEnv):
    """E markets on the compiled core, resetting in the step that ends them, as Stable-Baselines3 expects.

    Takes the arguments of `MarketMakingEnv`. Market i of `seed(s)` gets the seed s + i. The `info` of a running market
    is empty unless `full_info` is set; that of a finished one has `terminal_observation`, `TimeLimit.truncated` and the
    diagnostics.
    """

    def __init__(
        self,
        num_envs: int = 64,
        max_episode_steps: int | None = None,
        *,
        full_info: bool = False,
        threads: int | None = None,
        render_mode: str | None = None,
        **settings: Any,
    ) -> None:
        """Build the markets.

        Args:
            num_envs: E.
            max_episode_steps: Truncate sessions after this many steps.
            full_info: Give diagnostics at every step, at the price of a dict for each market.
            threads: Most threads to use; the machine's cores by default.
            render_mode: As for the single environment.
            **settings: `scenario`, `overrides`, `action`, `observation`, `reward`, `latency`, `fees`.
        """
        check_max_episode_steps(max_episode_steps)
        self.render_mode = render_mode
        market = {name: settings.pop(name) for name in ("overrides", "latency", "fees") if name in settings}
        scenario = configure(settings.pop("scenario", "calm"), **market)
        self.interface = Interface(**settings)
        self.batch = Batch(scenario, num_envs, task=self.interface.task, threads=threads)
        self.max_episode_steps, self.full_info = max_episode_steps, full_info
        self._episodes = Episodes(num_envs)
        self._steps = np.zeros(num_envs, np.int64)
        self._pending = np.zeros(0)
        super().__init__(num_envs, self.interface.observation_space, self.interface.action_space)

    def reset(self) -> Any:
        """Begin a session in every market; with the seeds given by `seed`, if any were."""
        rows = np.arange(self.num_envs)
        for row, seed in enumerate(self._seeds):
            if seed is not None:
                self._episodes.seed(np.array([row]), np.array([seed], np.uint64))
        unseeded = np.flatnonzero((self._episodes.numbers < 0) & np.array([seed is None for seed in self._seeds]))
        self._episodes.seed(unseeded, np.random.default_rng().integers(2**63, size=len(unseeded), dtype=np.uint64))
        self._reset_seeds()
        self._reset_options()
        self._episodes.begin(self.batch, rows)
        self._steps[:] = 0
        self.reset_infos = [info_of(self.batch, row, self.interface) for row in range(self.num_envs)]
        return self._observations()

    def step_async(self, actions: np.ndarray) -> None:
        """Keep the actions for `step_wait`."""
        self._pending = self.interface.encode(actions, self.num_envs)

    def step_wait(self) -> tuple[Any, np.ndarray, np.ndarray, list[dict[str, Any]]]:
        """Carry the actions out.

        Returns:
            Observations, rewards float32, dones and infos; finished markets have begun their next session.

        Raises:
            gymnasium.error.ResetNeeded: The first sessions have not begun.
        """
        if (self.batch.out.session[:, 0] != RUNNING).any():
            raise ResetNeeded("the sessions have not begun: call reset()")
        self.batch.step(self._pending)
        self._steps += 1
        rewards = self.batch.out.reward[:, 0].astype(np.float32)
        terminated = self.batch.out.session[:, 0] != RUNNING
        truncated = np.zeros(self.num_envs, bool)
        if self.max_episode_steps is not None:
            truncated = (self._steps >= self.max_episode_steps) & ~terminated
        dones = terminated | truncated
        infos: list[dict[str, Any]] = [
            info_of(self.batch, row, self.interface) if self.full_info else {} for row in range(self.num_envs)
        ]
        if dones.any():
            self._restart(np.flatnonzero(dones), truncated, infos)
        return self._observations(), rewards, dones, infos

    def _restart(self, rows: np.ndarray, truncated: np.ndarray, infos: list[dict[str, Any]]) -> None:
        """Put the last things of finished markets into their infos and begin their next sessions."""
        for row in rows:
            infos[row] = info_of(self.batch, row, self.interface)
            infos[row]["terminal_observation"] = self.interface.decode(self.batch.out.observation[row, 0])
            infos[row]["TimeLimit.truncated"] = bool(truncated[row])
        self._episodes.begin(self.batch, rows)
        self._steps[rows] = 0

    def _observations(self) -> Any:
        return self.interface.decode(self.batch.out.observation[:, 0])

    def close(self) -> None:
        """Let the threads go."""
        self.batch.close()

    def action_masks(self) -> np.ndarray:
        """Masks of the discrete modes, (E, n) bool."""
        return self.interface.mask(self.batch.out.mask[:, 0]).astype(bool)

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """The attribute, once for each market asked for."""
        if attr_name == "action_masks" and not self.interface.has_mask:
            raise AttributeError("the continuous action has no mask")
        value = getattr(self, attr_name)
        return [value for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Set an attribute of all markets; they have none of their own.

        Raises:
            ValueError: Only some of the markets were named.
        """
        if len(list(self._get_indices(indices))) != self.num_envs:
            raise ValueError(f"{attr_name}: the markets of a batch share their attributes, set it for all of them")
        setattr(self, attr_name, value)

    def env_method(
        self, method_name: str, *method_args: Any, indices: VecEnvIndices = None, **method_kwargs: Any
    ) -> list[Any]:
        """Call a method for each market asked for: `action_masks`, `snapshot`, `restore`.

        Raises:
            AttributeError: There is no such method.
        """
        rows = list(self._get_indices(indices))
        if method_name == "action_masks":
            masks = self.action_masks()
            return [masks[row] for row in rows]
        if method_name in ("snapshot", "restore"):
            method = getattr(self.batch, method_name)
            results = [method(*method_args, row=row, **method_kwargs) for row in rows]
            self._steps[rows] = self.batch.worlds.externals["decision"][rows, 0]
            return results
        raise AttributeError(f"{method_name!r} is not one of action_masks, snapshot, restore")

    def env_is_wrapped(self, wrapper_class: type, indices: VecEnvIndices = None) -> list[bool]:
        """No market of the batch is wrapped."""
        return [False for _ in self._get_indices(indices)]

    def get_images(self) -> Sequence[np.ndarray | None]:
        """No pictures of single markets; render a `MarketMakingEnv` instead."""
        return [None] * self.num_envs
