"""Market makers that follow a written rule: the controls and closed forms every learner is compared with.

A rule is a frozen set of parameters that maps what is seen to two distances from the visible mid, in ticks;
`RulePolicy` makes a policy of it. Inventory is in lots, time in seconds, volatility in ticks per sqrt(s).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lobenv.settings import shortened
from lobenv.theory.quoting import avellaneda_stoikov_quotes, glft_quotes
from policies.base import MarketSpec, check_observation, encode_quotes, env_seeds, takes_one_or_many

__all__ = [
    "RULES",
    "AvellanedaStoikov",
    "DoNothing",
    "FixedSpread",
    "Glft",
    "InventorySkewed",
    "JoinTouch",
    "Random",
    "Rule",
    "RulePolicy",
    "View",
    "build",
]

_STREAM_ROLE = 0x706F6C  # keeps a policy's stream apart from the market's streams of the same seed
_BLOCK_STEPS = 64  # decisions drawn ahead per stream; the values do not depend on it


@dataclass(frozen=True)
class View:
    """What a rule decides on: one batch of observations, the market's constants, and its random numbers."""

    observation: NDArray[np.float32]  # (E, F)
    market: MarketSpec
    draws: NDArray[np.float64]  # (E, D), uniform on [0, 1)

    def __getitem__(self, name: str) -> NDArray[np.float64]:
        """Return an observation field as float64, shape (E,)."""
        return self.observation[:, self.market.column(name)].astype(np.float64)


def _parameter(default: float | None, unit: str, *, above: float = -np.inf, least: float = -np.inf) -> Any:
    """Declare a numeric parameter: its unit, and the bound it must exceed or at least reach."""
    return field(default=default, metadata={"unit": unit, "above": above, "least": least})


@dataclass(frozen=True)
class Rule(ABC):
    """Parameters and the rule itself; the first line of a rule's docstring is what `available` prints."""

    name: ClassVar[str]
    num_draws: ClassVar[int] = 0  # uniform numbers needed per decision and env

    def __post_init__(self) -> None:
        """Check every parameter against its declared bound.

        Raises:
            ValueError: a parameter is not a finite number within its bound.
        """
        for parameter in fields(self):
            value = getattr(self, parameter.name)
            if value is None and parameter.default is None:
                continue
            bound = parameter.metadata
            number = value if isinstance(value, int | float) and not isinstance(value, bool) else np.nan
            if not (bound["least"] <= number < np.inf and number > bound["above"]):
                allowed = f"> {bound['above']:g}" if np.isfinite(bound["above"]) else f">= {bound['least']:g}"
                raise ValueError(
                    f"{parameter.name} must be a number {allowed} [{bound['unit']}], got {shortened(value)}"
                )

    @abstractmethod
    def distances(self, view: View) -> tuple[ArrayLike, ArrayLike]:
        """Return bid and ask distance from the visible mid [ticks], scalars or shape (E,); inf means no quote."""


@dataclass(frozen=True)
class DoNothing(Rule):
    """Never quotes: the floor under every comparison."""

    name: ClassVar[str] = "do_nothing"

    def distances(self, view: View) -> tuple[ArrayLike, ArrayLike]:
        """Withdraw both sides."""
        return np.inf, np.inf


@dataclass(frozen=True)
class FixedSpread(Rule):
    """Quotes the same distance on both sides of the mid, whatever it holds."""

    name: ClassVar[str] = "fixed_spread"
    half_spread: float = _parameter(3.0, "ticks", least=0.0)

    def distances(self, view: View) -> tuple[ArrayLike, ArrayLike]:
        """Return the half-spread twice."""
        return self.half_spread, self.half_spread


@dataclass(frozen=True)
class JoinTouch(Rule):
    """Joins the visible best bid and best ask."""

    name: ClassVar[str] = "join_touch"

    def distances(self, view: View) -> tuple[ArrayLike, ArrayLike]:
        """Return half the visible spread twice."""
        half = 0.5 * view["spread"]
        return half, half


@dataclass(frozen=True)
class InventorySkewed(Rule):
    """Quotes a fixed spread that slides against the inventory, a fixed number of ticks per lot."""

    name: ClassVar[str] = "inventory_skewed"
    half_spread: float = _parameter(3.0, "ticks", least=0.0)
    skew: float = _parameter(0.5, "ticks per lot", least=0.0)

    def distances(self, view: View) -> tuple[ArrayLike, ArrayLike]:
        """Move both quotes down by the skew for every lot held."""
        shift = self.skew * view["inventory"]
        return self.half_spread + shift, self.half_spread - shift


@dataclass(frozen=True)
class AvellanedaStoikov(Rule):
    """Quotes about the reservation price of Avellaneda and Stoikov (2008), with the session's end as horizon."""

    name: ClassVar[str] = "avellaneda_stoikov"
    gamma: float = _parameter(0.001, "1 / (tick lot)", above=0.0)
    k: float = _parameter(0.4, "1 / tick", above=0.0)
    sigma: float | None = _parameter(None, "ticks / sqrt(s); observed when omitted", least=0.0)

    def distances(self, view: View) -> tuple[ArrayLike, ArrayLike]:
        """Return the finite-horizon quotes, eq. 29 and 30."""
        return avellaneda_stoikov_quotes(
            view["inventory"],
            np.maximum(view["seconds_left"], 0.0),
            gamma=self.gamma,
            sigma=_volatility(view, self.sigma),
            k=self.k,
        )


@dataclass(frozen=True)
class Glft(Rule):
    """Quotes by the long-horizon formula of Gueant, Lehalle and Fernandez-Tapia (Gueant 2017, eq. 4.6 and 4.7)."""

    name: ClassVar[str] = "glft"
    gamma: float = _parameter(0.01, "1 / (tick lot)", above=0.0)
    k: float = _parameter(0.4, "1 / tick", above=0.0)
    arrival_rate: float = _parameter(0.5, "fills / s at the mid", above=0.0)
    sigma: float | None = _parameter(None, "ticks / sqrt(s); observed when omitted", least=0.0)

    def distances(self, view: View) -> tuple[ArrayLike, ArrayLike]:
        """Return quotes linear in inventory, one lot an order."""
        return glft_quotes(
            view["inventory"],
            gamma=self.gamma,
            sigma=_volatility(view, self.sigma),
            arrival_rate=self.arrival_rate,
            k=self.k,
        )


@dataclass(frozen=True)
class Random(Rule):
    """Quotes each side at a fresh uniform distance, from the mid to the widest offset."""

    name: ClassVar[str] = "random"
    num_draws: ClassVar[int] = 2

    def distances(self, view: View) -> tuple[ArrayLike, ArrayLike]:
        """Scale the two draws to the widest offset."""
        distance = view.draws * view.market.max_offset_ticks
        return distance[:, 0], distance[:, 1]


RULES: Mapping[str, type[Rule]] = {
    rule.name: rule for rule in (DoNothing, FixedSpread, JoinTouch, InventorySkewed, AvellanedaStoikov, Glft, Random)
}


class RulePolicy:
    """A rule at work in a market; obeys `policies.base.Policy`."""

    def __init__(self, rule: Rule, market: MarketSpec) -> None:
        """Bind the rule to a market.

        Args:
            rule: parameters and rule.
            market: the environment's constants.
        """
        self.rule = rule
        self.market = market
        self._num_envs = 0
        self._streams: list[np.random.Generator] = []
        self._ahead = np.empty((0, _BLOCK_STEPS, rule.num_draws))  # (E, block, D)
        self._used = _BLOCK_STEPS

    @property
    def name(self) -> str:
        """Short address under which `policies.load` builds the same policy again, without defaults."""
        changed = [
            f"{parameter.name}={_shortest(getattr(self.rule, parameter.name))}"
            for parameter in fields(self.rule)
            if getattr(self.rule, parameter.name) != parameter.default
        ]
        return f"rule:{self.rule.name}" + ("?" + "&".join(changed) if changed else "")

    def __repr__(self) -> str:
        """Return the address."""
        return f"RulePolicy({self.name!r})"

    def reset(self, num_envs: int, seed: int | Sequence[int]) -> None:
        """Start new episodes.

        Args:
            num_envs: E.
            seed: env i draws from ``seed + i``, or from ``seed[i]``.

        Raises:
            ValueError: num_envs is below 1, or the seeds do not fit it.
        """
        seeds = env_seeds(num_envs, seed)
        self._num_envs = num_envs
        self._used = _BLOCK_STEPS
        if self.rule.num_draws:
            self._streams = [
                np.random.default_rng(np.random.SeedSequence(row, spawn_key=(_STREAM_ROLE,))) for row in seeds
            ]
            self._ahead = np.empty((num_envs, _BLOCK_STEPS, self.rule.num_draws))

    @takes_one_or_many
    def act(self, observation: NDArray[np.float32]) -> NDArray[np.float32]:
        """Choose the quotes of every env.

        Args:
            observation: shape (E, F), natural units; (F,) of a single env.

        Returns:
            Shape (E, 2), float32: bid and ask, a fresh array; (2,) of a single env.

        Raises:
            ValueError: the observation has another shape than `reset` and the market announced.
        """
        check_observation(observation, self._num_envs, self.market)
        bid, ask = self.rule.distances(View(observation, self.market, self._draw()))
        return encode_quotes(bid, ask, self._num_envs, self.market)

    def _draw(self) -> NDArray[np.float64]:
        if not self.rule.num_draws:
            return np.empty((self._num_envs, 0))
        if self._used == _BLOCK_STEPS:
            for stream, block in zip(self._streams, self._ahead, strict=True):
                stream.random(out=block)
            self._used = 0
        self._used += 1
        return self._ahead[:, self._used - 1]


def build(name: str, parameters: Mapping[str, object]) -> Rule:
    """Build a rule from its name and parameters, which may be text.

    Args:
        name: a key of `RULES`.
        parameters: parameter name to number, or to the text of one.

    Raises:
        ValueError: unknown name or parameter, or a value out of its range.
    """
    if name not in RULES:
        raise ValueError(f"name must be one of {', '.join(RULES)}, got {name!r}")
    rule = RULES[name]
    allowed = [parameter.name for parameter in fields(rule)]
    for parameter in parameters:
        if parameter not in allowed:
            raise ValueError(f"parameter must be one of {', '.join(allowed) or '(none)'}, got {parameter!r}")
    return rule(**{parameter: _number(parameter, value) for parameter, value in parameters.items()})


def _number(name: str, value: object) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return float(value)
    except ValueError:
        raise ValueError(f"{name} must be a number, got {value!r}") from None


def _shortest(value: float) -> str:
    return repr(float(value)).removesuffix(".0")


def _volatility(view: View, fixed: float | None) -> ArrayLike:
    return np.maximum(view["volatility"], 0.0) if fixed is None else fixed
