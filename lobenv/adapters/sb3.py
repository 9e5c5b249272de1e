"""`SB3VecEnv`: the batched markets as a Stable-Baselines3 vector environment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

try:
    from stable_baselines3.common.vec_env import VecEnv
    from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices
except ImportError as error:
    raise ImportError('Stable-Baselines3 is not installed: run pip install "lobenv[train]"') from error

from lobenv.envs.face import Face
from lobenv.envs.interface import Setup
from lobenv.envs.pictures import METADATA
from lobenv.envs.sessions import Outcome, Sessions

ROW_METHODS = ("action_masks", "snapshot", "restore", "render")


class SB3VecEnv(Face, VecEnv):
    """E markets on the compiled core, resetting in the step that ends them, as Stable-Baselines3 expects.

    Takes the arguments of `MarketMakingEnv`; `strategies` is a function that gives new ones for each market. Market i
    of `seed(s)` gets the seed s + i. The `info` of a running market is empty unless `full_info` is set; that of a
    finished one has `terminal_observation`, `TimeLimit.truncated` and the diagnostics.

    >>> import numpy as np
    >>> from lobenv.adapters.sb3 import SB3VecEnv
    >>> envs = SB3VecEnv(num_envs=4, scenario="calm", max_episode_steps=10)
    >>> envs.seed(7)
    [7, 8, 9, 10]
    >>> envs.reset().shape
    (4, 35)
    >>> for _ in range(10):
    ...     observations, rewards, dones, infos = envs.step(np.zeros((4, 2), np.float32))
    >>> dones.tolist(), infos[0]["TimeLimit.truncated"], int(infos[0]["seed"])
    ([True, True, True, True], True, 7)
    >>> envs.set_options({"scenario": "volatile"})
    >>> envs.reset().shape, envs.scenario.name
    ((4, 35), 'volatile')
    >>> envs.close()
    """

    def __init__(
        self,
        num_envs: int = 64,
        max_episode_steps: int | None = None,
        *,
        full_info: bool = False,
        threads: int | None = None,
        render_mode: str | None = None,
        **arguments: Any,
    ) -> None:
        """Build the markets.

        Args:
            num_envs: E.
            max_episode_steps: Truncate sessions after this many steps.
            full_info: Give diagnostics at every step, at the price of a dict for each market.
            threads: Most threads to use; the machine's cores by default.
            render_mode: As for the single environment; `render` tiles the pictures of all markets.
            **arguments: As for the single environment.

        Raises:
            ValueError: One of them is not allowed; one line.
            TypeError: There is no such argument.
        """
        self.sessions = Sessions(
            Setup.of(arguments),
            num_envs,
            max_episode_steps=max_episode_steps,
            autoreset="SAME_STEP",
            threads=threads,
            render_mode=render_mode,
        )
        self.render_mode, self.max_episode_steps, self.full_info = render_mode, max_episode_steps, full_info
        self._pending = np.zeros(0)
        super().__init__(num_envs, self.interface.observation_space, self.interface.action_space)
        self.metadata["render_fps"] = METADATA["render_fps"]

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        """Seeds for the next reset: market i gets seed + i, or a random one without a seed.

        Raises:
            ValueError: It is no whole number of at least 0.
        """
        self.sessions.plan(seed)
        return super().seed(None if seed is None else int(seed))

    def set_options(self, options: list[dict[str, Any]] | dict[str, Any] | None = None) -> None:
        """Options for the next reset: `scenario`, another market from then on, the same for all.

        Raises:
            ValueError: There is no such option or scenario, or they differ.
        """
        given = [options or {}] * self.num_envs if options is None or isinstance(options, dict) else list(options)
        if len(given) != self.num_envs or any(one != given[0] for one in given):
            raise ValueError(f"options must be the same for all {self.num_envs} markets of a batch, got {options!r}")
        self.sessions.plan(options=given[0], allowed=("scenario",))
        super().set_options(given)

    def reset(self) -> Any:
        """Begin a session in every market; with the seeds and options given before, if any were."""
        self.sessions.reset(self.sessions.plan(self._seeds, self._options[0], ("scenario",)), np.random.default_rng)
        self._reset_seeds()
        self._reset_options()
        self.reset_infos = [self.sessions.info(row) for row in range(self.num_envs)]
        return self.sessions.observations()

    def step_async(self, actions: np.ndarray) -> None:
        """Keep the actions for `step_wait`."""
        self._pending = self.interface.encode(actions, self.num_envs)

    def step_wait(self) -> tuple[Any, np.ndarray, np.ndarray, list[dict[str, Any]]]:
        """Carry the actions out.

        Returns:
            Observations, rewards float32, dones and infos; finished markets have begun their next session.

        Raises:
            gymnasium.error.ResetNeeded: The first sessions have not begun.
            lobenv.engine.batch.InterruptedMarketError: The last step did not come to its end, by Ctrl-C or an error.
        """
        final: dict[int, dict[str, Any]] = {}
        outcome = self.sessions.step(self._pending, lambda rows, outcome: final.update(self._final(rows, outcome)))
        infos = [final.get(row) or self._running_info(row) for row in range(self.num_envs)]
        dones = outcome.terminated | outcome.truncated
        return self.sessions.observations(), outcome.rewards.astype(np.float32), dones, infos

    def _running_info(self, row: int) -> dict[str, Any]:
        return self.sessions.info(row) if self.full_info else {}

    def _final(self, rows: np.ndarray, outcome: Outcome) -> dict[int, dict[str, Any]]:
        """Infos of markets that are about to be reset, with the last of what was seen of them."""
        return {
            row: {
                **self.sessions.info(row),
                "terminal_observation": self.sessions.observation(row),
                "TimeLimit.truncated": bool(outcome.truncated[row]),
            }
            for row in rows.tolist()
        }

    def close(self) -> None:
        """Let the threads go."""
        self.batch.close()

    @property
    def action_masks(self) -> Callable[[], np.ndarray]:
        """Where the action is discrete, what gives its masks: (E, n) bool."""
        return self.sessions.masks_of_rows()

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """The attribute, once for each market asked for."""
        value = getattr(self, attr_name)
        return [value for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Set an attribute of all markets; they have none of their own.

        Raises:
            ValueError: Only some of the markets were named.
        """
        if sorted(self._get_indices(indices)) != list(range(self.num_envs)):
            raise ValueError(f"{attr_name}: the markets of a batch share their attributes, set it for all of them")
        setattr(self, attr_name, value)

    def env_method(
        self, method_name: str, *method_args: Any, indices: VecEnvIndices = None, **method_kwargs: Any
    ) -> list[Any]:
        """Call a method for each market asked for, and for no other: one of `ROW_METHODS`.

        Raises:
            AttributeError: There is no such method.
        """
        rows = list(self._get_indices(indices))
        if method_name not in ROW_METHODS:
            raise AttributeError(f"{method_name!r} is not one of {', '.join(ROW_METHODS)}")
        if method_name == "action_masks":
            masks = self.action_masks()
            return [masks[row] for row in rows]
        methods: dict[str, Callable[..., Any]] = {
            "snapshot": self.sessions.snapshot,
            "restore": self.sessions.restore,
            "render": self.sessions.draw,
        }
        return [methods[method_name](*method_args, row=row, **method_kwargs) for row in rows]

    def env_is_wrapped(self, wrapper_class: type, indices: VecEnvIndices = None) -> list[bool]:
        """No market of the batch is wrapped."""
        return [False for _ in self._get_indices(indices)]

    def get_images(self) -> Sequence[np.ndarray | None]:
        """The picture of every market; None without `render_mode="rgb_array"`."""
        if self.render_mode != "rgb_array":
            return [None] * self.num_envs
        return [self.sessions.draw(row) for row in range(self.num_envs)]
