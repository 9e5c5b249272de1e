"""`Sentinel-MM-v0` for many markets at once, as a Gymnasium vector environment on the compiled core."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from lobenv.engine.batch import Batch, Snapshot
from lobenv.envs.interface import (
    Episodes,
    Interface,
    Source,
    check_max_episode_steps,
    configure,
    info_of,
    vector_info_of,
)
from lobenv.market.tables import RUNNING
from lobenv.roles.maker.task import ActionMode
from lobenv.scenario.config import Scenario


class MarketMakingVectorEnv(VectorEnv):
    """E markets, each with one market maker. See `MarketMakingEnv` for the task.

    Sub-environment i of `reset(seed=s)` gets the seed s + i, and equals the single environment with that seed bit for
    bit, also in the sessions that follow. Observations are copies.
    """

    metadata: dict[str, Any] = {"render_modes": ["ansi", "rgb_array"], "render_fps": 10}  # noqa: RUF012  Gymnasium has it on instances too

    def __init__(
        self,
        num_envs: int = 1,
        max_episode_steps: int | None = None,
        scenario: Source = "calm",
        overrides: Mapping[str, Any] | None = None,
        action: ActionMode = "continuous",
        observation: str = "flat",
        reward: str | Mapping[str, Any] = "inventory",
        latency: str | None = None,
        fees: str | Mapping[str, float] | None = None,
        render_mode: str | None = None,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        threads: int | None = None,
    ) -> None:
        """Build the markets; the first reset starts them.

        Args:
            num_envs: E.
            max_episode_steps: Truncate sessions after this many steps.
            scenario: As for the single environment, like all up to `render_mode`.
            overrides: See there.
            action: See there.
            observation: See there.
            reward: See there.
            latency: See there.
            fees: See there.
            render_mode: See there.
            autoreset_mode: NEXT_STEP, SAME_STEP or DISABLED.
            threads: Most threads to use; the machine's cores by default.
        """
        self.closed = True  # until there is something to close: Gymnasium closes what it deletes
        if render_mode not in (None, *self.metadata["render_modes"]):
            raise ValueError(f"render_mode: {render_mode!r} is not one of {', '.join(self.metadata['render_modes'])}")
        check_max_episode_steps(max_episode_steps)
        self.interface = Interface(action, observation, reward)
        self.autoreset_mode = AutoresetMode(autoreset_mode)
        self.metadata = {**type(self).metadata, "autoreset_mode": self.autoreset_mode}
        self.batch = Batch(
            configure(scenario, overrides, latency, fees), num_envs, task=self.interface.task, threads=threads
        )
        self.closed = False
        self.num_envs, self.render_mode, self.max_episode_steps = num_envs, render_mode, max_episode_steps
        self.single_action_space = self.interface.action_space
        self.single_observation_space = self.interface.observation_space
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self._episodes = Episodes(num_envs)
        self._steps = np.zeros(num_envs, np.int64)
        self._done = np.zeros(num_envs, bool)
        self._history: list[np.ndarray] = []

    @property
    def scenario(self) -> Scenario:
        """The market that all are of."""
        return self.batch.scenario

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin sessions.

        Args:
            seed: Of the first market; market i gets seed + i. Or one for each.
            options: `reset_mask`: (E,) bool, which markets to reset; all by default.

        Returns:
            Observations (E, F) and infos.
        """
        mask = self._read_options(options or {})
        single = seed if isinstance(seed, int | np.integer) else None
        super().reset(seed=single)
        rows = np.flatnonzero(mask)
        self._seed(rows, seed)
        self._begin(rows)
        self._history = []
        self._remember()
        return self._observations(), vector_info_of(self.batch, self.interface, mask)

    def _read_options(self, options: dict[str, Any]) -> np.ndarray:
        """Which markets to reset, (E,) bool."""
        unknown = sorted(set(options) - {"reset_mask"})
        if unknown:
            raise ValueError(f"options: {unknown[0]!r} is not one of reset_mask")
        mask = np.array(options.get("reset_mask", np.ones(self.num_envs, bool)))
        if mask.dtype != bool or mask.shape != (self.num_envs,):
            raise ValueError(f"reset_mask must be ({self.num_envs},) bool, got {mask.shape} {mask.dtype}")
        return mask

    def _seed(self, rows: np.ndarray, seed: int | list[int | None] | None) -> None:
        """Seed those of the rows that a seed is given for, or that have none yet."""
        if isinstance(seed, int | np.integer):
            seeds: list[int | None] = [int(seed) + i for i in range(self.num_envs)]
        else:
            seeds = list(seed) if seed is not None else [None] * self.num_envs
        if len(seeds) != self.num_envs:
            raise ValueError(f"seed must be one number or {self.num_envs} of them, got {len(seeds)}")
        for row in rows:
            given = seeds[row]
            if given is not None:
                self._episodes.seed(np.array([row]), np.array([given], np.uint64))
            elif self._episodes.numbers[row] < 0:
                self._episodes.seed(np.array([row]), self.np_random.integers(2**63, size=1, dtype=np.uint64))

    def _begin(self, rows: np.ndarray) -> None:
        self._episodes.begin(self.batch, rows)
        self._steps[rows] = 0
        self._done[rows] = False

    def step(self, actions: Any) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Carry out one action in every market and go on to the next decision.

        Returns:
            Observations (E, F), rewards (E,), terminations (E,), truncations (E,), infos.

        Raises:
            gymnasium.error.ResetNeeded: A session has not begun, or is over and nothing resets it.
            ValueError: The actions are not of the action space.
        """
        encoded = self.interface.encode(actions, self.num_envs)
        restarted = self._done & (self.autoreset_mode == AutoresetMode.NEXT_STEP)
        if ((self._done | (self.batch.out.session[:, 0] != RUNNING)) & ~restarted).any():
            raise gym.error.ResetNeeded("a session has not begun or is over: call reset()")
        if restarted.any():
            self.batch.step(encoded, np.flatnonzero(~restarted))
            self._seed(np.flatnonzero(restarted), None)
            self._begin(np.flatnonzero(restarted))
        else:
            self.batch.step(encoded)
        self._steps[~restarted] += 1
        rewards = self.batch.out.reward[:, 0].copy()
        rewards[restarted] = 0.0
        terminations = (self.batch.out.session[:, 0] != RUNNING) & ~restarted
        truncations = np.zeros(self.num_envs, bool)
        if self.max_episode_steps is not None:
            truncations = (self._steps >= self.max_episode_steps) & ~terminations
        self._done = terminations | truncations
        infos = vector_info_of(self.batch, self.interface)
        if self.autoreset_mode == AutoresetMode.SAME_STEP and self._done.any():
            infos = self._reset_same_step(infos)
        self._remember()
        return self._observations(), rewards, terminations, truncations, infos

    def _reset_same_step(self, infos: dict[str, Any]) -> dict[str, Any]:
        """Reset the finished markets now; their last observation and info go into the infos."""
        done = self._done.copy()
        final_obs = np.full(self.num_envs, None, dtype=object)
        for row in np.flatnonzero(done):
            final_obs[row] = self.interface.decode(self.batch.out.observation[row, 0])
        final_info = {name: value.copy() for name, value in infos.items() if not name.startswith("_")}
        final_info |= {f"_{name}": done.copy() for name in list(final_info)}
        self._begin(np.flatnonzero(done))
        fresh = vector_info_of(self.batch, self.interface)
        return {**fresh, "final_obs": final_obs, "_final_obs": done, "final_info": final_info, "_final_info": done}

    def _observations(self) -> Any:
        return self.interface.decode(self.batch.out.observation[:, 0])

    def _remember(self) -> None:
        if self.render_mode is not None:
            self._history.append(self.batch.out.state[0, 0].copy())

    def action_masks(self) -> np.ndarray:
        """Masks of the discrete modes, (E, n) bool."""
        return self.interface.mask(self.batch.out.mask[:, 0]).astype(bool)

    def snapshot(self, env: int = 0) -> Snapshot:
        """The whole state of one market."""
        return self.batch.snapshot(env)

    def restore(self, snapshot: Snapshot, env: int = 0) -> None:
        """Put one market back to where it was."""
        self.batch.restore(snapshot, env)
        self._steps[env] = self.batch.worlds.externals["decision"][env, 0]
        self._done[env] = self.batch.out.session[env, 0] != RUNNING
        if env == 0:
            self._history = []
            self._remember()

    def info(self, env: int) -> dict[str, Any]:
        """Diagnostics of one market, as its single environment gives them."""
        return info_of(self.batch, env, self.interface)

    def render(self) -> tuple[Any, ...] | None:
        """Draw the first market.

        Returns:
            A tuple of one frame, as vector environments do; None without a mode.
        """
        if self.render_mode is None or not self._history:
            return None
        from lobenv.envs.render import render_ansi, render_rgb

        draw = render_ansi if self.render_mode == "ansi" else render_rgb
        return (draw(self.batch.market(), self.scenario, np.array(self._history)),)

    def close_extras(self, **kwargs: Any) -> None:
        """Let the threads go."""
        self.batch.close()
