"""Frozen, validated configuration of a market: what is traded, by whom, over which links, under which rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, SerializeAsAny, model_validator
from pydantic_core import PydanticCustomError

from lobenv.agents.base import AgentConfig
from lobenv.agents.kinds import KINDS
from lobenv.market.network import PROFILES
from lobenv.registry import Registry
from lobenv.roles.base import LearnerConfig
from lobenv.roles.maker.config import Maker
from lobenv.roles.roles import ROLES
from lobenv.scenario import limits
from lobenv.settings import (
    SECOND,
    Frozen,
    FrozenDict,
    MeanOrderSize,
    Microseconds,
    Seconds,
    SecondsFromZero,
    Ticks,
    ZeroOrAtLeast,
)

FeeOfValue = Annotated[float, Field(ge=-100, le=100), ZeroOrAtLeast(0.01)]  # basis points


def _by_its(key: str, table: Registry[Any], base: type[Frozen]) -> BeforeValidator:
    """Has a mapping validated by the configuration class of the entry of a table that it names under a key."""

    def validate(group: object) -> Frozen:
        if isinstance(group, base):
            name = getattr(group, key, None)
        elif isinstance(group, Mapping):
            if key not in group:
                raise ValueError(f"{key} is missing; it must be one of {', '.join(table.entries())}")
            name = group[key]
        else:
            raise PydanticCustomError("dict_type", "Input should be a mapping of keys to values")
        try:
            config = table.find(name).config
        except ValueError as error:
            raise ValueError(f"{key} {error}") from None
        return config.model_validate(group)

    return BeforeValidator(validate)


AnyAgent = Annotated[SerializeAsAny[AgentConfig], _by_its("kind", KINDS, AgentConfig)]
AnyLearner = Annotated[SerializeAsAny[LearnerConfig], _by_its("role", ROLES, LearnerConfig)]


class Link(Frozen):
    """Delay of one direction of a link: a base and jitter on top.

    Attributes:
        base_us: Shortest delay [us].
        jitter: Shape of what is added.
        scale_us: Width of uniform jitter, median of lognormal jitter [us].
        shape: Sigma of lognormal jitter.
        drop: Probability that a message is lost.
    """

    base_us: Microseconds
    jitter: Literal["constant", "uniform", "lognormal"] = "constant"
    scale_us: Microseconds = 0.0
    shape: float = Field(default=0.0, ge=0, le=2)
    drop: float = Field(default=0.0, ge=0, lt=1)


class Latency(Frozen):
    """Links of one class of trader to a venue."""

    order_entry: Link
    report: Link
    feed: Link


class Fees(Frozen):
    """Fees of a book; negative is a rebate.

    Attributes:
        maker_per_share: Of the resting side [$ a share].
        taker_per_share: Of the aggressor [$ a share].
        maker_bps: Of the resting side [basis points of the value].
        taker_bps: Of the aggressor [basis points of the value].
    """

    maker_per_share: float = Field(default=0.0, ge=-1, le=1)
    taker_per_share: float = Field(default=0.0, ge=-1, le=1)
    maker_bps: FeeOfValue = 0.0
    taker_bps: FeeOfValue = 0.0


FEE_SCHEDULES: dict[str, Fees] = {
    "none": Fees(),
    "nasdaq": Fees(maker_per_share=-0.0020, taker_per_share=0.0030),
    "inverted": Fees(maker_per_share=0.0018, taker_per_share=-0.0012),
    "crypto": Fees(maker_bps=-0.5, taker_bps=4.0),
}


class Halts(Frozen):
    """Volatility halts.

    Attributes:
        band_ticks: A trade further than this from the reference halts the book instead [ticks]; 0 switches halts off.
        pause_s: Length of a halt [s].
        memory_s: Time constant of the trailing reference [s].
    """

    band_ticks: int = Field(default=0, ge=0, le=limits.MOST_TICKS)
    pause_s: Seconds = 5.0
    memory_s: Seconds = 300.0


class Book(Frozen):
    """A limit order book: one symbol on one venue."""

    name: str = "main"
    venue: str = "main"
    symbol: str = "SIM"
    fees: Fees = Fees()
    halts: Halts = Halts()


class Fundamental(Frozen):
    """Value of a symbol: an Ornstein-Uhlenbeck process with jumps, which nobody sees without noise.

    Attributes:
        price: Where it begins, and its mean [$].
        reversion_per_s: Pull to the mean [1/s].
        volatility_ticks: Ticks per square root of a second.
        step_s: Grid on which it moves [s].
        jumps_per_hour: Mean number of news jumps an hour.
        jump_mean_ticks: Mean absolute size [ticks].
        jump_deviation_ticks: Deviation of the size [ticks].
    """

    price: float = Field(default=100.0, ge=1e-8, le=1e13)
    reversion_per_s: Annotated[float, Field(ge=0, le=1_000), ZeroOrAtLeast(1e-9)] = 0.0
    volatility_ticks: Ticks = 1.0
    step_s: Seconds = 0.5
    jumps_per_hour: Annotated[float, Field(ge=0, le=3_600_000), ZeroOrAtLeast(1e-9)] = 0.0
    jump_mean_ticks: Ticks = 0.0
    jump_deviation_ticks: Ticks = 0.0


DEFAULT_FUNDAMENTAL = Fundamental()


class OpeningBook(Frozen):
    """Orders that rest when the session opens.

    Attributes:
        levels: Levels a side.
        mean_shares: Mean size at a level, exponential [shares].
        half_spread_ticks: Distance of the best level from the fundamental value [ticks].
        withdraw_s: When what is left of it is withdrawn [s].
    """

    levels: int = Field(default=20, ge=0, le=400)
    mean_shares: MeanOrderSize = 300.0
    half_spread_ticks: int = Field(default=3, ge=1, le=1_000_000)
    withdraw_s: Seconds = 8.0


class Session(Frozen):
    """Trading hours.

    Attributes:
        open_s: When orders are first taken [s from time 0].
        duration_s: Length of the part that external agents trade in [s].
        warm_up_s: Trading before their first decision [s].
    """

    open_s: SecondsFromZero = 0.0
    duration_s: Seconds = 600.0
    warm_up_s: SecondsFromZero = 10.0


class Capacity(Frozen):
    """Sizes of the market's tables. A table that fills up is an error that names the setting to raise.

    Attributes:
        orders: Orders live at once.
        messages: Requests and reports under way at once.
        events: Events under way at once.
        ladder_ticks: Width of the window of prices [ticks], a power of two.
        feed: Views kept for looking back by the feed delay, a power of two.
        inbox: Reports to external agents kept.
        fills: Executions of external agents kept for evaluation between two looks.
        tape: Rows of the tape's buffer, when it is on.
    """

    orders: int = Field(default=1_024, ge=16, le=2**20)
    messages: int = Field(default=1_024, ge=16, le=2**20)
    events: int = Field(default=1_024, ge=16, le=2**20)
    ladder_ticks: int = Field(default=1_024, ge=64, le=2**20)
    feed: int = Field(default=512, ge=16, le=2**20)
    inbox: int = Field(default=256, ge=16, le=2**20)
    fills: int = Field(default=256, ge=16, le=2**20)
    tape: int = Field(default=65_536, ge=4_096, le=2**24)

    @model_validator(mode="after")
    def _powers_of_two(self) -> Self:
        for name in ("ladder_ticks", "feed"):
            size = getattr(self, name)
            if size & (size - 1):
                raise ValueError(f"{name} must be a power of two, got {size}")
        return self


class Replay(Frozen):
    """Recorded messages as the background flow.

    Attributes:
        data: Folder or message file of a LOBSTER day; empty until the caller names it.
        symbol: Ticker to look for in a folder of several.
        date: Day to look for in a folder of several (2012-06-21).
        messages: Message file of any name; takes the place of `data`, together with `orderbook`.
        orderbook: Its orderbook file.
        lenient: Skip damaged rows and say which, instead of refusing the files.
    """

    data: str = ""
    symbol: str = ""
    date: str = Field(default="", pattern=r"^(\d{4}-\d{2}-\d{2})?$")
    messages: str = ""
    orderbook: str = ""
    lenient: bool = False

    @model_validator(mode="after")
    def _named_once(self) -> Self:
        if bool(self.messages) != bool(self.orderbook):
            lacking = "orderbook" if self.messages else "messages"
            raise ValueError(f"messages and orderbook must be named together, {lacking} is not")
        if self.messages and self.data:
            raise ValueError(f"data must be empty where messages and orderbook name the files, got {self.data!r}")
        return self


class Scenario(Frozen):
    """A market: books, fundamental values, traders, links and rules.

    Attributes:
        name: Of the scenario.
        description: What it is for.
        tick_size: $ a tick.
        session: Trading hours.
        books: At least one.
        fundamentals: Symbol to its value; a symbol without an entry gets the default.
        agents: Name of a group to its traders. The name keys their random streams.
        learners: Name of a learner to its role; `maker` is a market maker unless a scenario says else.
        latencies: Named profiles beside the built-in ones.
        opening: Orders that rest when the session opens.
        capacity: Sizes of the tables.
        replay: Recorded flow, for the replay scenario.
    """

    elsewhere: ClassVar[Mapping[str, str]] = {"maker": "learners.maker"}  # keys that one may look for here

    name: str = "unnamed"
    description: str = ""
    tick_size: float = Field(default=0.01, ge=1e-8, le=10_000)
    session: Session = Session()
    books: tuple[Book, ...] = Field(default=(Book(),), min_length=1, max_length=64)
    fundamentals: FrozenDict[str, Fundamental] = FrozenDict()
    agents: FrozenDict[str, AnyAgent] = FrozenDict()
    learners: FrozenDict[str, AnyLearner] = FrozenDict({"maker": Maker()})
    latencies: FrozenDict[str, Latency] = FrozenDict()
    opening: OpeningBook = OpeningBook()
    capacity: Capacity = Capacity()
    replay: Replay | None = None

    @model_validator(mode="after")
    def _names_exist(self) -> Self:
        books = [book.name for book in self.books]
        if len(set(books)) != len(books):
            raise ValueError(f"books: names must differ, got {', '.join(books)}")
        self._check_learners(books)
        for group, agents in self.agents.items():
            self._check_name(f"agents.{group}.latency", agents.latency, self.known_latencies())
            for venue, latency in agents.latency_by_venue.items():
                self._check_name(f"agents.{group}.latency_by_venue", venue, [book.venue for book in self.books])
                self._check_name(f"agents.{group}.latency_by_venue.{venue}", latency, self.known_latencies())
            for name in agents.books:
                self._check_name(f"agents.{group}.books", name, books)
            problem = agents.check([self.books[i].symbol for i in self.books_of(agents)]) if agents.count else None
            if problem is not None:
                raise ValueError(f"agents.{group}: {problem}")
        return self

    def _check_learners(self, books: list[str]) -> None:
        for name, learner in self.learners.items():
            self._check_name(f"learners.{name}.latency", learner.latency, self.known_latencies())
            if learner.book:
                self._check_name(f"learners.{name}.book", learner.book, books)
        if len(self.each_learner()) != sum(learner.count for learner in self.learners.values()):
            raise ValueError("learners: names must differ, those of the further ones of a count (name_1 …) included")

    @model_validator(mode="after")
    def _numbers_fit(self) -> Self:
        limits.check(self)
        return self

    @staticmethod
    def _check_name(field: str, name: str, allowed: list[str]) -> None:
        if name not in allowed:
            raise ValueError(f"{field}: {name!r} is not one of {', '.join(allowed)}")

    def fundamental_of(self, symbol: str) -> Fundamental:
        """The value of a symbol, the default where the scenario says nothing of it."""
        return self.fundamentals.get(symbol, DEFAULT_FUNDAMENTAL)

    def known_latencies(self) -> list[str]:
        """Names of the latency profiles that can be used here."""
        return sorted({*PROFILES, *self.latencies})

    def books_of(self, agents: AgentConfig) -> tuple[int, ...]:
        """Indices of the books that a group of traders trades."""
        return tuple(i for i, book in enumerate(self.books) if not agents.books or book.name in agents.books)

    @property
    def first_decision_ns(self) -> int:
        """When external agents decide first [ns]."""
        return round((self.session.open_s + self.session.warm_up_s) * SECOND)

    @property
    def close_ns(self) -> int:
        """End of the session [ns]."""
        return self.first_decision_ns + round(self.session.duration_s * SECOND)

    def each_learner(self) -> dict[str, LearnerConfig]:
        """Name of every single learner to its configuration; several are `name`, `name_1`, `name_2` and so on."""
        return {
            f"{name}_{number}" if number else name: learner
            for name, learner in self.learners.items()
            for number in range(learner.count)
        }

    @property
    def maker_name(self) -> str:
        """Name of the first learner that is a market maker.

        Raises:
            ValueError: There is none.
        """
        for name, learner in self.learners.items():
            if isinstance(learner, Maker) and learner.count:
                return name
        raise ValueError(f"learners: one must have the role maker, got {', '.join(self.each_learner()) or 'none'}")

    @property
    def maker(self) -> Maker:
        """The first learner that is a market maker.

        Raises:
            ValueError: There is none.
        """
        maker: Any = self.learners[self.maker_name]
        return maker

    @property
    def steps(self) -> int:
        """Decisions of that market maker in a session."""
        return self.steps_of(self.maker)

    def steps_of(self, learner: LearnerConfig) -> int:
        """Decisions of a learner in a session."""
        return (self.close_ns - self.first_decision_ns) // round(learner.decision_interval_s * SECOND)
