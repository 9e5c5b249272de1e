"""`Sentinel-MM-v0`: one market maker in a simulated market, as a Gymnasium environment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np

from lobenv.engine.store import Snapshot
from lobenv.envs.face import Face
from lobenv.envs.interface import Setup
from lobenv.envs.pictures import METADATA
from lobenv.envs.sessions import Sessions
from lobenv.market.tables import RUNNING
from lobenv.scenario.loading import Source


class MarketMakingEnv(Face, gym.Env[Any, Any]):  # pyright: ignore[reportIncompatibleVariableOverride]  spec
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
    place in the queue. A side that would breach the inventory cap is not quoted. A continuous action beyond an end of its range
    is taken for that end. The discrete modes give an int8 `action_mask` in `info` and `action_masks()` for MaskablePPO.

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
    | `strategies` | sequence of `Strategy`, or a function that gives one | `()` | who else trades in the market, written in Python |
    | `render_mode` | str | `None` | `"ansi"`, or with Pillow `"rgb_array"` |

    `reset(options={"scenario": …})` changes the market from that session on.

    ## Info
    NumPy scalars, the exchange's own picture, for people and evaluation: `pnl`, `cash`, `fees` [$], `inventory` [shares], `mid`,
    `best_bid`, `best_ask` [ticks, NaN while the side is empty], the parts of the reward, `killed` (1 after the kill switch), and `seed`, that of
    the market: `reset(seed=int(info["seed"]))` plays it again, also where no seed was given.

    ## Example
    >>> import gymnasium as gym
    >>> import numpy as np
    >>> env = gym.make("lobenv:Sentinel-MM-v0", latency="colo", overrides={"session.duration_s": 30.0})
    >>> observation, info = env.reset(seed=7)
    >>> observation.shape, int(info["seed"])
    ((35,), 7)
    >>> at_the_touch, no_quote = -1.0, 1.0
    >>> observation, reward, terminated, truncated, info = env.step(np.array([at_the_touch, no_quote], np.float32))
    >>> terminated, truncated, float(info["inventory"])
    (False, False, 0.0)
    >>> kept = env.unwrapped.snapshot()
    >>> steps = [env.step(env.action_space.sample()) for _ in range(59)]
    >>> steps[-1][2]
    True
    >>> env.unwrapped.restore(kept)
    >>> env.step(np.zeros(2, np.float32))[2]
    False

    A strategy of one's own trades beside the agent:

    >>> from lobenv.simulation import Strategy
    >>> class Lifter(Strategy):
    ...     timer_interval_s = 1.0
    ...     def on_timer(self, market):
    ...         market.buy(None, 100, "market")
    >>> env = gym.make("lobenv:Sentinel-MM-v0", strategies=[Lifter()])

    ## Vectorized environment
    `gym.make_vec("lobenv:Sentinel-MM-v0", num_envs=256)` runs on the same compiled core. Row i of `reset(seed=s)` equals the
    single environment with seed s + i, bit for bit. There `strategies` is a function that gives new ones for each market.

    ## Version History
    - v0: initial version.
    """

    metadata: dict[str, Any] = {**METADATA}  # noqa: RUF012  Gymnasium has it on instances too

    def __init__(self, scenario: Source = "calm", *, render_mode: str | None = None, **arguments: Any) -> None:
        """Build the market; the first reset starts it.

        Args:
            scenario: The market, like all arguments as the table above says.
            render_mode: See there.
            **arguments: `overrides`, `action`, `observation`, `reward`, `latency`, `fees`, `strategies`.

        Raises:
            ValueError: One of them is not allowed; one line.
            TypeError: There is no such argument.
        """
        self.sessions = Sessions(Setup.of({"scenario": scenario, **arguments}), render_mode=render_mode)
        self.render_mode = render_mode
        self.action_space = self.interface.action_space
        self.observation_space = self.interface.observation_space

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin a session.

        Args:
            seed: Of the market, at least 0; more than 64 bits are folded. Without one, the next session of the last
                seed begins.
            options: `scenario`: another market, from this session on.

        Returns:
            Observation and info.

        Raises:
            ValueError: A seed or an option is not allowed; the session goes on.
        """
        plan = self.sessions.plan(seed, options, ("scenario",))
        super().reset(seed=None if seed is None else int(seed))
        self.sessions.reset(plan, lambda: self.np_random)
        return self.sessions.observation(0), self.sessions.info(0)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Carry out an action and go on to the next decision.

        Raises:
            gymnasium.error.ResetNeeded: There is no running session.
            ValueError: The action has another shape than the space's, is not finite, or is none of its choices. A
                continuous action beyond an end of its range is taken for that end.
            lobenv.engine.batch.InterruptedMarketError: The last step did not come to its end, by Ctrl-C or an error.
        """
        sessions = self.sessions
        sessions.step_alone(sessions.interface.encode(action, 1))
        out = sessions.batch.out
        terminated = out.session.item(0, 0) != RUNNING
        return sessions.observation(0), out.reward.item(0, 0), terminated, False, sessions.info(0)

    @property
    def action_masks(self) -> Callable[[], np.ndarray]:
        """Where the action is discrete, what gives its mask as sb3-contrib wants it: (n,) bool."""
        masks = self.sessions.masks_of_rows()
        return lambda: masks()[0]

    def snapshot(self) -> Snapshot:
        """The whole state of the market, to be restored as often as one likes, also in another process."""
        return self.sessions.snapshot()

    def restore(self, snapshot: Snapshot) -> None:
        """Put the market back to where it was; it goes on bit for bit, and so do the sessions that follow.

        Raises:
            lobenv.engine.store.SnapshotError: It is of another scenario, with other strategies, or of another action or
                reward mode.
        """
        self.sessions.restore(snapshot)

    def render(self) -> Any:
        """Draw the market as it stands, in the mode chosen at construction.

        Returns:
            Text for `ansi`, an (H, W, 3) uint8 image for `rgb_array`, None without a mode.
        """
        if self.render_mode is None:
            gym.logger.warn("no render_mode was given to gym.make, so there is nothing to render")
            return None
        return self.sessions.draw(0)

    def close(self) -> None:
        """Let the threads go."""
        self.batch.close()
