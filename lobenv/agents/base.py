"""What a kind of background trader is: a frozen configuration, a record, and the rules by which it acts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from pydantic import Field

from lobenv.compiled.choices import check_record, check_rule, name_in
from lobenv.market.memory import aligned
from lobenv.market.tables import POISSON
from lobenv.settings import Frozen, FrozenDict, MessageRate, Microseconds, PositionLimit, Seconds
from lobenv.tape.labels import INTENTS

if TYPE_CHECKING:
    Intent = str
else:
    Intent = Literal[INTENTS]


PARAMETERS = {"wake": ("world", "agent", "next_wake"), "on_report": ("world", "agent", "message")}  # of a kind's rules


class Place(NamedTuple):
    """Where one trader of a group stands in its market."""

    number: int  # which of the group, from 0
    books: tuple[int, ...]  # indices of the books that the group trades
    tick_size: float  # $ a tick
    close_ns: int  # end of the session [ns]

    @property
    def home(self) -> int:
        """Index of the trader's own book: the group's books are dealt out in turn."""
        return self.books[self.number % len(self.books)]


class AgentConfig(Frozen):
    """A group of background traders of one kind.

    Attributes:
        count: How many there are.
        mean_interval_s: Mean time between two decisions of one trader [s]; Poisson unless the kind says else.
        latency: Name of the latency profile of its links.
        latency_by_venue: Venue to the name of another profile for the links to it.
        computation_us: From decision to sending [us].
        books: Names of the books traded, dealt out in turn; empty for all.
        inventory_cap_shares: Largest position that the exchange lets it build up; 0 for none.
        order_rate_per_s: Messages a second that the exchange accepts; 0 for no limit.
        self_trade_prevention: What happens when two orders of one trader meet.
        label: Ground truth of its intent on the tape, one of `lobenv.tape.labels.INTENTS`.
    """

    count: int = Field(default=1, ge=0, le=1_000_000)
    mean_interval_s: Seconds = 10.0
    latency: str = "metro"
    latency_by_venue: FrozenDict[str, str] = FrozenDict()
    computation_us: Microseconds = 50.0
    books: tuple[str, ...] = ()
    inventory_cap_shares: PositionLimit = 0
    order_rate_per_s: MessageRate = 0
    self_trade_prevention: Literal["off", "cancel_newest", "cancel_oldest", "cancel_both"] = "cancel_oldest"
    label: Intent = "none"

    @property
    def rhythm(self) -> int:
        """When a trader wakes: POISSON, REGULAR, or ONCE at a uniformly drawn time of the session."""
        return POISSON

    def check(self, symbols: Sequence[str]) -> str | None:
        """What keeps the group out of a market, in a few words; None where nothing does.

        Args:
            symbols: Those of the books that the group would trade, a book each.
        """
        return None

    def shared(self, place: Place) -> np.ndarray | None:
        """A table that all traders of the group read, such as the quantiles of sizes, computed once; None for none.

        Args:
            place: Of the group's first trader.

        Returns:
            (n,) of a dtype without objects; a trader finds a row by `lobenv.market.memory.shared`.
        """
        return None

    def write(self, state: np.ndarray, place: Place) -> None:
        """Fill the record of one trader's own state, in place.

        Args:
            state: Record of the kind's STATE dtype, all zeros.
            place: Where the trader stands.
        """
        raise NotImplementedError(type(self).__name__)


@dataclass(frozen=True)
class AgentKind:
    """A kind of background trader.

    Attributes:
        config: Frozen configuration of a group; the default of its field `kind` is the kind's name.
        state: Aligned record of a trader's own state.
        wake: Kernel `wake(world, agent, next_wake)` that lets a trader decide and returns when it wakes next [ns].
        on_report: Kernel `on_report(world, agent, message)` that tells a trader of a report; None where it needs none.

    Raises:
        TypeError: One of them is not what it should be; one line.
    """

    config: type[AgentConfig]
    state: np.dtype
    wake: Callable[..., Any]
    on_report: Callable[..., Any] | None = None

    def __post_init__(self) -> None:
        if not (isinstance(self.config, type) and issubclass(self.config, AgentConfig)):
            raise TypeError(f"config must be a subclass of AgentConfig, got {self.config!r}")
        name_in(self.config, "kind")
        check_record("state", self.state)
        for rule, function in {"wake": self.wake, **self.rules}.items():
            check_rule(rule, function, PARAMETERS[rule])

    @property
    def name(self) -> str:
        """What scenarios call it."""
        return name_in(self.config, "kind")

    @property
    def rules(self) -> dict[str, Callable[..., Any]]:
        """The rules that it has, by name."""
        return {name: rule for name in PARAMETERS if (rule := getattr(self, name)) is not None}

    @property
    def state_bytes(self) -> int:
        """Memory of one trader, such that the next record is aligned too."""
        return aligned(self.state.itemsize)
