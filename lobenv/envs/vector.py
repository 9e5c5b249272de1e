"""`Sentinel-MM-v0` for many markets at once, as a Gymnasium vector environment on the compiled core."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from lobenv.engine.store import Snapshot
from lobenv.envs.face import Face
from lobenv.envs.interface import Setup
from lobenv.envs.pictures import METADATA
from lobenv.envs.sessions import Seeds, Sessions
from lobenv.scenario.loading import Source


class MarketMakingVectorEnv(Face, VectorEnv):  # pyright: ignore[reportIncompatibleVariableOverride]  spec
    """E markets, each with one market maker. See `MarketMakingEnv` for the task.

    Sub-environment i of `reset(seed=s)` gets the seed s + i, and equals the single environment with that seed bit for
    bit, also in the sessions that follow. Observations are copies.

    >>> import gymnasium as gym
    >>> import numpy as np
    >>> envs = gym.make_vec("lobenv:Sentinel-MM-v0", num_envs=3, max_episode_steps=20, autoreset_mode="SAME_STEP")
    >>> observations, infos = envs.reset(seed=7)
    >>> observations.shape, infos["seed"].tolist()
    ((3, 35), [7, 8, 9])
    >>> for _ in range(20):
    ...     observations, rewards, terminated, truncated, infos = envs.step(np.zeros((3, 2), np.float32))
    >>> truncated.tolist(), infos["final_info"]["seed"].tolist()
    ([True, True, True], [7, 8, 9])
    >>> envs.close()
    """

    metadata: dict[str, Any] = {**METADATA}  # noqa: RUF012  Gymnasium has it on instances too

    def __init__(
        self,
        num_envs: int = 1,
        max_episode_steps: int | None = None,
        scenario: Source = "calm",
        *,
        render_mode: str | None = None,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        threads: int | None = None,
        **arguments: Any,
    ) -> None:
        """Build the markets; the first reset starts them.

        Args:
            num_envs: E.
            max_episode_steps: Truncate sessions after this many steps.
            scenario: As for the single environment.
            render_mode: See there; every market is drawn.
            autoreset_mode: NEXT_STEP, SAME_STEP or DISABLED; Gymnasium's own values ("NextStep", …) do as well.
            threads: Most threads to use; the machine's cores by default.
            **arguments: As for the single environment; `strategies` is a function that gives new ones for each market.

        Raises:
            ValueError: One of them is not allowed; one line.
            TypeError: There is no such argument.
        """
        self.closed = True  # until there is something to close: Gymnasium closes what it deletes
        self.sessions = Sessions(
            Setup.of({"scenario": scenario, **arguments}),
            num_envs,
            max_episode_steps=max_episode_steps,
            autoreset=autoreset_mode,
            threads=threads,
            render_mode=render_mode,
        )
        self.closed = False
        self.autoreset_mode = self.sessions.autoreset
        self.metadata = {**type(self).metadata, "autoreset_mode": self.autoreset_mode}
        self.num_envs, self.max_episode_steps, self.render_mode = num_envs, max_episode_steps, render_mode
        self.single_action_space = self.interface.action_space
        self.single_observation_space = self.interface.observation_space
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.observation_space = batch_space(self.single_observation_space, num_envs)

    def reset(self, *, seed: Seeds = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin sessions.

        Args:
            seed: Of the first market, at least 0; market i gets seed + i. Or one for each, None to go on with its
                series. More than 64 bits are folded.
            options: `reset_mask`: (E,) bool, which markets to reset, all by default; `scenario`: another market, from
                these sessions on, for all.

        Returns:
            Observations (E, F) and infos.

        Raises:
            ValueError: A seed or an option is not allowed; the sessions go on.
        """
        plan = self.sessions.plan(seed, options)
        super().reset(seed=int(seed) if isinstance(seed, int | np.integer) else None)
        self.sessions.reset(plan, lambda: self.np_random)
        present = np.zeros(self.num_envs, bool)
        present[plan.rows] = True
        return self.sessions.observations(), self.sessions.infos(present)

    def step(self, actions: Any) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Carry out one action in every market and go on to the next decision.

        Returns:
            Observations (E, F), rewards (E,), terminations (E,), truncations (E,), infos.

        Raises:
            gymnasium.error.ResetNeeded: A session has not begun, or is over and nothing resets it.
            ValueError: The actions are of another shape, not finite, or none of the choices; see the single one.
            lobenv.engine.batch.InterruptedMarketError: The last step did not come to its end, by Ctrl-C or an error.
        """
        final: dict[str, Any] = {}
        encoded = self.interface.encode(actions, self.num_envs)
        rewards, terminated, truncated = self.sessions.step(encoded, lambda rows, _: final.update(self._final(rows)))
        return self.sessions.observations(), rewards, terminated, truncated, {**self.sessions.infos(), **final}

    def _final(self, rows: np.ndarray) -> dict[str, Any]:
        """Last observations and infos of markets that are about to be reset, in Gymnasium's form."""
        done = np.zeros(self.num_envs, bool)
        done[rows] = True
        observations = np.full(self.num_envs, None, dtype=object)
        for row in rows:
            observations[row] = self.sessions.observation(row)
        infos = self.sessions.infos(done)
        return {"final_obs": observations, "_final_obs": done, "final_info": infos, "_final_info": done}

    @property
    def action_masks(self) -> Callable[[], np.ndarray]:
        """Where the action is discrete, what gives its masks: (E, n) bool."""
        return self.sessions.masks_of_rows()

    def snapshot(self, env: int = 0) -> Snapshot:
        """The whole state of one market."""
        return self.sessions.snapshot(env)

    def restore(self, snapshot: Snapshot, env: int = 0) -> None:
        """Put one market back to where it was; see the single environment."""
        self.sessions.restore(snapshot, env)

    def info(self, env: int) -> dict[str, Any]:
        """Diagnostics of one market, as its single environment gives them."""
        return self.sessions.info(env)

    def render(self) -> tuple[Any, ...] | None:
        """Draw every market.

        Returns:
            E frames or texts; None without a mode.
        """
        if self.render_mode is None:
            gym.logger.warn("no render_mode was given to gym.make_vec, so there is nothing to render")
            return None
        return tuple(self.sessions.draw(row) for row in range(self.num_envs))

    def close_extras(self, **kwargs: Any) -> None:
        """Let the threads go."""
        self.batch.close()
