"""What a user writes: a strategy's terms, and what it does when something reaches it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, ValidationError

from lobenv.market.tables import PREVENTION
from lobenv.registry import did_you_mean
from lobenv.scenario.external import External
from lobenv.scenario.limits import milliticks
from lobenv.settings import SECOND, Frozen, LossLimit, MessageRate, Microseconds, PositionLimit, SecondsOrNone
from lobenv.simulation.names import check_names
from lobenv.simulation.records import ORDER_TYPES, Report, View
from lobenv.validation import describe

if TYPE_CHECKING:
    from lobenv.scenario.config import Scenario
    from lobenv.simulation.gateway import Gateway


class Terms(Frozen):
    """The terms on which a strategy trades, checked; `Strategy` says what they mean."""

    name: str = Field(min_length=1)
    books: tuple[str, ...]
    latency: str
    computation_us: Microseconds
    timer_interval_s: SecondsOrNone
    inventory_cap_shares: PositionLimit
    order_types: tuple[Literal["limit", "market", "peg_primary", "peg_midpoint"], ...]
    order_rate_per_s: MessageRate
    loss_limit: LossLimit
    flatten: bool
    self_trade_prevention: Literal["off", "cancel_newest", "cancel_oldest", "cancel_both"]

    def books_in(self, scenario: Scenario) -> list[int]:
        """Indices of the books it trades, the home book first.

        Raises:
            ValueError: The scenario has no such book.
        """
        names = [book.name for book in scenario.books]
        for book in self.books:
            if book not in names:
                raise ValueError(f"strategy {self.name}: books: {book!r} is not one of {', '.join(names)}")
        return [names.index(book) for book in self.books] or [0]

    def external(self, scenario: Scenario, *, follows: bool) -> External:
        """The external agent that stands for it in a scenario.

        Args:
            scenario: The market.
            follows: Whether every view of its books is to reach it.

        Raises:
            ValueError: The scenario has no such book or latency profile, or its ticks cannot express the loss limit.
        """
        latencies = scenario.known_latencies()
        if self.latency not in latencies:
            raise ValueError(f"strategy {self.name}: latency: {self.latency!r} is not one of {', '.join(latencies)}")
        milliticks(f"strategy {self.name}: loss_limit", self.loss_limit, scenario.tick_size)
        return External(
            self.name,
            book=self.books_in(scenario)[0],
            latency=self.latency,
            interval_ns=round(self.timer_interval_s * SECOND),
            computation_ns=round(self.computation_us * 1e3),
            inventory_cap=self.inventory_cap_shares,
            loss_limit=self.loss_limit,
            order_rate=self.order_rate_per_s,
            allowed=sum(1 << ORDER_TYPES.index(kind) for kind in set(self.order_types)),
            flatten=self.flatten,
            wants_reports=True,
            stp=PREVENTION[self.self_trade_prevention],
            follows=tuple(self.books_in(scenario)) if follows else (),
        )


class Strategy:
    """Base class of a trader written in Python: set its terms as class attributes or options, override its callbacks.

    It sees only what has reached it. Market data, reports and orders travel its links with the delays of its latency
    profile; it acts through the `market` handed to every callback, which is its own `Gateway`. An order that its terms
    forbid is not an error here: the exchange answers it with a rejection, as a real one does.

    What it keeps between callbacks it keeps as attributes; set in `on_start`, they are new in every market. Names that
    begin with `on_` are those of callbacks, and a name that is nearly one of these is taken for a misspelling.

    Attributes:
        name: Keys its random streams; the name of the class if empty.
        books: Names of the books it follows, its home book first; the scenario's first book if empty.
        latency: Name of the latency profile of its links.
        computation_us: From a callback to the sending of what it decided [us].
        timer_interval_s: Time between two `on_timer` [s]; 0 for none.
        inventory_cap_shares: Largest position that the exchange lets it build up; 0 for none.
        order_types: Names of the order types it may send; empty for all.
        order_rate_per_s: Messages a second that the exchange accepts; 0 for no limit.
        loss_limit: Loss at which the exchange pulls its kill switch [$]; 0 for none.
        flatten: Whether the kill switch also closes its position.
        self_trade_prevention: What happens when two of its orders meet: "off", "cancel_newest", "cancel_oldest" or
            "cancel_both".

    Raises:
        TypeError: An option has another name, or a subclass has what is nearly the name of a callback or of a term.
    """

    name: str = ""
    books: tuple[str, ...] = ()
    latency: str = "metro"
    computation_us: float = 50.0
    timer_interval_s: float = 0.0
    inventory_cap_shares: int = 0
    order_types: tuple[str, ...] = ()
    order_rate_per_s: int = 0
    loss_limit: float = 0.0
    flatten: bool = True
    self_trade_prevention: str = "cancel_oldest"

    def __init_subclass__(cls, **settings: Any) -> None:
        super().__init_subclass__(**settings)
        check_names(cls, Strategy, tuple(Terms.model_fields))

    def __init__(self, **options: Any) -> None:
        known = tuple(Terms.model_fields)
        for option, value in options.items():
            if option not in known:
                hint = did_you_mean(option, known)
                raise TypeError(f"{type(self).__name__}: {option!r} is not one of {', '.join(known)}{hint}")
            setattr(self, option, value)

    def on_start(self, market: Gateway) -> None:
        """The session's warm-up is over and it may trade."""

    def on_book_update(self, market: Gateway, view: View) -> None:
        """Another touch, trade or trading state of a book it follows has reached it."""

    def on_report(self, market: Gateway, report: Report) -> None:
        """A report of any kind has reached it."""

    def on_fill(self, market: Gateway, fill: Report) -> None:
        """The report of an execution has reached it; comes after `on_report` of the same."""

    def on_timer(self, market: Gateway) -> None:
        """Another `timer_interval_s` has passed since the start."""


def terms_of(strategy: Strategy) -> Terms:
    """The terms of a strategy, checked.

    Raises:
        ValueError: One of them is impossible.
    """
    values = {field: getattr(strategy, field) for field in Terms.model_fields}
    values["name"] = values["name"] or type(strategy).__name__
    try:
        return Terms(**values)
    except ValidationError as error:
        raise ValueError(describe(error, Terms, [(f"strategy {values['name']}", values)])) from None


def follows_books(strategy: Strategy) -> bool:
    """Whether it reacts to market data; if not, none is delivered and its gateway looks when it is asked."""
    return type(strategy).on_book_update is not Strategy.on_book_update
