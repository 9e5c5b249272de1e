"""`Sentinel-MM-v0`: one market maker in a simulated market, as a Gymnasium environment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np

from lobenv.engine.batch import Batch, Snapshot
from lobenv.envs.interface import Episodes, Interface, Source, configure, info_of
from lobenv.market.tables import RUNNING
from lobenv.roles.maker.task import ActionMode
from lobenv.scenario.config import Scenario

ROW = np.zeros(1, np.int64)


class MarketMakingEnv(gym.Env[Any, Any]):
    """Quote both sides of a limit order book, earn the spread, and do not get run over.

    ## Description
    A market maker quotes a bid and an ask in a limit order book with price-time priority. Around it trade noise, retail,
    value, momentum and mean-reversion traders, institutions working large orders, and rival makers. Its orders, the
    exchange's reports and the market data each travel a link with latency: it decides on the book as it was when its view
    left the exchange, and learns of a fill when the report arrives. Some of the flow knows more than it does.

    ## Action Space
    | Mode | Space | Meaning |
    |---|---|---|
    | `continuous` (default) | `Box(-1, 1, (2,), float32)` | distance of bid and ask from the visible mid, scaled to 0 … `max_offset_ticks`; exactly 1 is no quote on that side |
    | `discrete` | `Discrete(10)` | nine pairs of multiples of the visible half-spread, (1,1) (2,2) (3,3) (4,4) (5,5) (1,3) (3,1) (2,5) (5,2); 9 closes the position (Spooner et al. 2018) |
    | `multidiscrete` | `MultiDiscrete([8, 8, 3, 3])` | bid and ask: 0, 1, 2, 3, 5, 8 or 12 ticks behind the touch, or no quote; bid and ask size: 1, 2 or 3 lots |

    Quotes are post-only and are clamped so as not to cross the visible touch. A quote whose price does not change keeps its
    place in the queue. A side that would breach the inventory cap is not quoted. The discrete modes give an int8
    `action_mask` in `info` and `action_masks()` for MaskablePPO.

    ## Observation Space
    A finite float32 `Box`, or with `observation="dict"` a `Dict` of its columns. `lobenv.roles.maker.observation.FIELDS` gives every
    column's name, unit, bounds and meaning, `INDEX` its place.

    | Num | Observation | Unit |
    |---|---|---|
    | 0 | inventory | lots |
    | 1-2 | time_left, seconds_left | fraction, s |
    | 3-4 | bid_live, ask_live | 0/1 |
    | 5-6 | bid_distance, ask_distance of own quotes from the mid | ticks |
    | 7-8 | bid_queue_ahead, ask_queue_ahead | lots |
    | 9-10 | spread, microprice less mid | ticks |
    | 11-13 | imbalance over 1, 3, 5 ticks | -1 … 1 |
    | 14-23 | bid_depth_1 … 5, ask_depth_1 … 5 | lots |
    | 24-26 | signed_flow over 1, 5, 30 s | lots |
    | 27-29 | return over 1, 5, 30 s | ticks |
    | 30-31 | volatility, trade_rate | ticks per sqrt(s), 1/s |
    | 32 | unrealised profit | ticks x lots |
    | 33-34 | view_age, halted | ms, 0/1 |

    ## Rewards
    In dollars, the change of cash - fees + inventory x mid since the last decision, less, by mode:
    - `inventory` (default): `inventory_aversion` q^2 dt, and `terminal_aversion` q^2 for what had to be liquidated at the close;
    - `dampened`: max(0, `dampening` x q x change of mid) (Spooner et al. 2018);
    - `pnl`: nothing.

    The parts are in `info["reward/pnl"]`, `info["reward/inventory"]`, `info["reward/terminal"]`, `info["reward/dampening"]`.

    ## Starting State
    Flat, after the warm-up of the scenario (10 s in `calm`), in a market drawn from the seed.

    ## Episode End
    1. Termination: the session closes; quotes are cancelled and the position is closed with a market order first.
    2. Termination: the loss limit of the scenario's maker is breached and the kill switch pulled.
    3. Truncation: left to `gymnasium.wrappers.TimeLimit` (`max_episode_steps`).

    ## Arguments
    | Parameter | Type | Default | Description |
    |---|---|---|---|
    | `scenario` | name, path, mapping or `Scenario` | `"calm"` | the market |
    | `overrides` | mapping | `None` | values that replace the scenario's, nested or with dotted keys |
    | `action` | str | `"continuous"` | action mode |
    | `observation` | str | `"flat"` | `"flat"` or `"dict"` |
    | `reward` | str or mapping | `"inventory"` | reward mode, or the fields of `lobenv.roles.maker.task.Reward` |
    | `latency` | str | `None` | latency profile: none, colo, metro, cross_country_microwave, cross_country_fibre, leo, geo, retail |
    | `fees` | str or mapping | `None` | none, nasdaq, inverted, crypto, or the fields of `lobenv.scenario.config.Fees` |
    | `render_mode` | str | `None` | `"ansi"` or `"rgb_array"` |

    ```python
    env = gym.make("lobenv:Sentinel-MM-v0", scenario="volatile", latency="colo", overrides={"agents.retail.count": 80})
    ```

    `reset(options={"scenario": …})` changes the market from that session on.

    ## Vectorized environment
    `gym.make_vec("lobenv:Sentinel-MM-v0", num_envs=256)` runs on the same compiled core. Row i of `reset(seed=s)` equals the
    single environment with seed s + i, bit for bit.

    ## Version History
    - v0: initial version.
    """

    metadata: dict[str, Any] = {"render_modes": ["ansi", "rgb_array"], "render_fps": 10}  # noqa: RUF012  Gymnasium has it on instances too

    def __init__(
        self,
        scenario: Source = "calm",
        overrides: Mapping[str, Any] | None = None,
        action: ActionMode = "continuous",
        observation: str = "flat",
        reward: str | Mapping[str, Any] = "inventory",
        latency: str | None = None,
        fees: str | Mapping[str, float] | None = None,
        render_mode: str | None = None,
    ) -> None:
        """Build the market; the first reset starts it."""
        if render_mode not in (None, *self.metadata["render_modes"]):
            raise ValueError(f"render_mode: {render_mode!r} is not one of {', '.join(self.metadata['render_modes'])}")
        self._settings = (overrides, latency, fees)
        self.interface = Interface(action, observation, reward)
        self.action_space = self.interface.action_space
        self.observation_space = self.interface.observation_space
        self.render_mode = render_mode
        self.batch = Batch(configure(scenario, *self._settings), task=self.interface.task)
        self._episodes = Episodes(1)
        self._history: list[np.ndarray] = []

    @property
    def scenario(self) -> Scenario:
        """The market."""
        return self.batch.scenario

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin a session.

        Args:
            seed: Of the market, at least 0. Without one, the next session of the last seed begins.
            options: `scenario`: another market, from this session on.

        Returns:
            Observation and info.
        """
        super().reset(seed=seed)
        self._read_options(options or {})
        if seed is not None:
            self._episodes.seed(ROW, np.array([seed], np.uint64))
        elif self._episodes.numbers[0] < 0:
            self._episodes.seed(ROW, self.np_random.integers(2**63, size=1, dtype=np.uint64))
        self._episodes.begin(self.batch, ROW)
        self._history = []
        self._remember()
        return self._observation(), info_of(self.batch, 0, self.interface)

    def _read_options(self, options: dict[str, Any]) -> None:
        unknown = sorted(set(options) - {"scenario"})
        if unknown:
            raise ValueError(f"options: {unknown[0]!r} is not one of scenario")
        if "scenario" in options:
            scenario = configure(options["scenario"], *self._settings)
            if scenario != self.scenario:
                self.batch.close()
                self.batch = Batch(scenario, task=self.interface.task)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Carry out an action and go on to the next decision.

        Raises:
            gymnasium.error.ResetNeeded: There is no running session.
            ValueError: The action is not of the action space.
        """
        if self.batch.out.session[0, 0] != RUNNING:
            raise gym.error.ResetNeeded("the session has not begun or is over: call reset()")
        self.batch.step(self.interface.encode(action, 1))
        self._remember()
        terminated = bool(self.batch.out.session[0, 0] != RUNNING)
        info = info_of(self.batch, 0, self.interface)
        return self._observation(), float(self.batch.out.reward[0, 0]), terminated, False, info

    def _observation(self) -> Any:
        return self.interface.decode(self.batch.out.observation[0, 0])

    def _remember(self) -> None:
        if self.render_mode is not None:
            self._history.append(self.batch.out.state[0, 0].copy())

    def action_masks(self) -> np.ndarray:
        """Mask of the discrete modes as sb3-contrib wants it: (n,) bool."""
        return self.interface.mask(self.batch.out.mask[0, 0]).astype(bool)

    def snapshot(self) -> Snapshot:
        """The whole state of the market, to be restored as often as one likes, also in another process."""
        return self.batch.snapshot()

    def restore(self, snapshot: Snapshot) -> None:
        """Put the market back to where it was; it continues bit for bit."""
        self.batch.restore(snapshot)
        self._history = []
        self._remember()

    def render(self) -> Any:
        """Draw the market as it stands, in the mode chosen at construction.

        Returns:
            Text for `ansi`, an (H, W, 3) uint8 image for `rgb_array`, None without a mode.
        """
        if self.render_mode is None:
            gym.logger.warn("no render_mode was given to gym.make, so there is nothing to render")
            return None
        if not self._history:
            raise gym.error.ResetNeeded("there is nothing to render before reset()")
        from lobenv.envs.render import render_ansi, render_rgb

        draw = render_ansi if self.render_mode == "ansi" else render_rgb
        return draw(self.batch.market(), self.scenario, np.array(self._history))

    def close(self) -> None:
        """Let the threads go."""
        self.batch.close()
