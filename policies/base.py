"""What every policy is, what it may know of its market, and how it writes a pair of quotes as an action.

Assumes the default action of the environment: two numbers in [-1, 1], bid first, that place a quote
``(action + 1) / 2 * max_offset_ticks`` from the visible mid; exactly +1 withdraws that side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, Protocol, TypeVar, cast, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lobenv.roles.maker.observation import INDEX
from lobenv.roles.maker.task import ActionMode
from lobenv.scenario.config import Scenario
from lobenv.scenario.loading import scenario_hash
from lobenv.settings import shortened

__all__ = [
    "WITHDRAW",
    "MarketSpec",
    "Policy",
    "action_mode_of",
    "check_observation",
    "encode_quotes",
    "env_seeds",
    "market_spec",
    "parse_address",
    "takes_one_or_many",
]

Act = TypeVar("Act", bound=Callable[..., NDArray[Any]])

WITHDRAW = np.float32(1.0)  # the action that takes a side's quote away

_WIDEST_QUOTE = np.nextafter(WITHDRAW, np.float32(0.0))
# A quote meant for a price on the grid must not slip a tick outward because the action is a float32; this is far above
# that rounding (1e-6 ticks) and far below anything a policy means.
_GRID_SLACK_TICKS = 2.0**-10


@runtime_checkable
class Policy(Protocol):
    """Decides for a batch of markets at once.

    Row i of `act` is env i. A policy with the same seed and the same observations decides the same, alone or as a row.
    One that does not speak the default action names its mode in an attribute `action_mode`; see `action_mode_of`.
    """

    @property
    def name(self) -> str:
        """Short address under which `policies.load` builds the same policy again."""
        ...

    def reset(self, num_envs: int, seed: int | Sequence[int]) -> None:
        """Start new episodes.

        Args:
            num_envs: E.
            seed: env i draws from ``seed + i``, or from ``seed[i]`` where a sequence of length E is given.
        """
        ...

    def act(self, observation: NDArray[np.float32]) -> NDArray[Any]:
        """Choose the action of every env.

        Args:
            observation: shape (E, F), float32 in natural units; (F,) of a single env.

        Returns:
            Shape (E, 2), float32 in [-1, 1]: bid and ask. In the discrete mode, shape (E,), int64: choices. Of a
            single observation, without the axis E.
        """
        ...


def action_mode_of(policy: Policy) -> ActionMode:
    """The action mode of the environment that a policy decides for: continuous, unless it says otherwise."""
    return getattr(policy, "action_mode", "continuous")


@dataclass(frozen=True)
class MarketSpec:
    """The constants of an environment that a policy may rely on."""

    order_size: int  # size of one quote; one lot [shares]
    max_offset_ticks: float  # distance of the widest quote from the visible mid [ticks]
    tick_size: float  # [$]
    inventory_cap_lots: float  # largest position allowed on either side [lots]
    decision_interval_s: float  # [s]
    session_s: float  # [s]
    index: Mapping[str, int] = field(hash=False, repr=False)  # observation field -> its column
    scenario: str = ""  # what it is called
    scenario_hash: str = ""  # `lobenv.scenario.scenario_hash` of it; empty where it is no scenario's market

    def __post_init__(self) -> None:
        """Check every constant, and keep an own copy of the index.

        Raises:
            ValueError: a constant is not a finite positive number, or the index is empty or not a permutation.
        """
        for name in (
            "order_size",
            "max_offset_ticks",
            "tick_size",
            "inventory_cap_lots",
            "decision_interval_s",
            "session_s",
        ):
            value = getattr(self, name)
            if not (np.isfinite(value) and value > 0):
                raise ValueError(f"{name} must be finite and > 0, got {value}")
        if not self.index or sorted(self.index.values()) != list(range(len(self.index))):
            raise ValueError("index must name every column 0..F-1 once")
        object.__setattr__(self, "index", dict(self.index))

    def column(self, name: str) -> int:
        """Return the observation column of a field.

        Raises:
            ValueError: the observation has no such field.
        """
        if name not in self.index:
            raise ValueError(f"observation has no field {name!r}; it has: {', '.join(sorted(self.index))}")
        return self.index[name]


def parse_address(address: str) -> tuple[str, str, dict[str, str]]:
    """Take ``family:NAME?parameter=value&...`` apart.

    Returns:
        Family, name, and parameter to the text of its value.

    Raises:
        ValueError: it is no text, the parameters are not written so, or one stands twice.
    """
    if not isinstance(address, str):
        raise ValueError(f"address must be text such as 'rule:fixed_spread', got {type(address).__name__}")
    family, _, rest = address.partition(":")
    name, _, query = rest.partition("?")
    parameters: dict[str, str] = {}
    for pair in query.split("&") if query else ():
        parameter, equals, value = pair.partition("=")
        if not (parameter and equals and value):
            raise ValueError(f"parameters must read 'name=value&name=value', got {query!r}")
        if parameter in parameters:
            raise ValueError(f"parameter {parameter!r} must be given once, got {query!r}")
        parameters[parameter] = value
    return family, name, parameters


def market_spec(scenario: Scenario) -> MarketSpec:
    """The constants of a scenario that a policy may rely on."""
    maker = scenario.maker
    return MarketSpec(
        order_size=maker.order_size_shares,
        max_offset_ticks=maker.max_offset_ticks,
        tick_size=scenario.tick_size,
        inventory_cap_lots=maker.inventory_cap_lots,
        decision_interval_s=maker.decision_interval_s,
        session_s=scenario.session.duration_s,
        index=INDEX,
        scenario=scenario.name,
        scenario_hash=scenario_hash(scenario),
    )


def check_observation(observation: NDArray[np.float32], num_envs: int, market: MarketSpec) -> None:
    """Refuse an observation of another batch than was reset, or of another market.

    Raises:
        ValueError: the shape is not (num_envs, F).
    """
    shape = (num_envs, len(market.index))
    if observation.shape != shape:
        raise ValueError(f"observation must have shape {shape} after reset, got {observation.shape}")


def takes_one_or_many(act: Act) -> Act:
    """Let the `act` of a batch also take the observation of a single env, (F,), and give its single action."""

    @wraps(act)
    def act_on_one_or_many(self: Any, observation: NDArray[Any]) -> Any:
        observation = np.asarray(observation)
        return act(self, observation[np.newaxis])[0] if observation.ndim == 1 else act(self, observation)

    return cast("Act", act_on_one_or_many)


def encode_quotes(
    bid_distance: ArrayLike, ask_distance: ArrayLike, num_envs: int, market: MarketSpec
) -> NDArray[np.float32]:
    """Write distances from the visible mid as an action.

    A distance below 0 is quoted at the mid, one beyond the widest offset at the widest offset; inf withdraws the side.

    Args:
        bid_distance: scalar or shape (E,) [ticks].
        ask_distance: scalar or shape (E,) [ticks].
        num_envs: E.
        market: supplies the widest offset.

    Returns:
        Shape (E, 2), float32 in [-1, 1]; +1 only for a withdrawn side.

    Raises:
        ValueError: a distance is NaN.
    """
    distance = np.empty((num_envs, 2), dtype=np.float64)
    distance[:, 0] = bid_distance
    distance[:, 1] = ask_distance
    if np.isnan(distance).any():
        raise ValueError("quote distance must be a number or inf, got nan")
    fraction = (distance - _GRID_SLACK_TICKS) / market.max_offset_ticks
    action = np.clip(2.0 * fraction - 1.0, -1.0, _WIDEST_QUOTE).astype(np.float32)
    action[np.isposinf(distance)] = WITHDRAW
    return action


def env_seeds(num_envs: int, seed: int | Sequence[int]) -> tuple[int, ...]:
    """Return one seed per env: ``seed + i``, or the given sequence.

    Raises:
        ValueError: num_envs is below 1, a sequence has another length, or a seed is no whole number >= 0.
    """
    if num_envs < 1:
        raise ValueError(f"num_envs must be >= 1, got {num_envs}")
    if isinstance(seed, int | np.integer) and not isinstance(seed, bool):
        seeds = tuple(range(int(seed), int(seed) + num_envs))
    else:
        seeds = tuple(seed) if isinstance(seed, Iterable) else (seed,)
    if len(seeds) != num_envs:
        raise ValueError(f"seed must be one number or {num_envs} of them, got {len(seeds)}")
    for one in seeds:
        if not isinstance(one, int | np.integer) or isinstance(one, bool):
            raise ValueError(f"seed must be a whole number, got {shortened(one)}")
    if min(seeds) < 0:
        raise ValueError(f"seed must be >= 0, got {min(seeds)}")
    return seeds
