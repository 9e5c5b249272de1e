"""The strategies in one market: what each has been told, and who has to be called next about what."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lobenv.market.tables import NEVER, NONE
from lobenv.settings import SECOND, shortened
from lobenv.simulation.delivery import Delivery, Knowledge
from lobenv.simulation.gateway import Gateway
from lobenv.simulation.strategy import Strategy, Terms, follows_books, terms_of

if TYPE_CHECKING:
    from lobenv.engine.batch import Batch
    from lobenv.scenario.config import Scenario
    from lobenv.scenario.external import External


class ParticipantsState(NamedTuple):
    """A copy of all that strategies know and the tables do not hold; it can be pickled if their attributes can."""

    reports_read: int
    calls: tuple[int, ...]
    received: tuple[np.void, ...]
    knowledge: tuple[Knowledge, ...]
    strategies: tuple[dict[str, Any], ...]


class Participants:
    """Strategies in one market of a batch, which calls them while it runs.

    Attributes:
        strategies: In the order of their external agents.
        gateways: One for each.
        received: Every report that reached one of them.
    """

    def __init__(self, batch: Batch, row: int, strategies: Sequence[Strategy], terms: Sequence[Terms]) -> None:
        self.strategies = tuple(strategies)
        self._deliveries = tuple(Delivery(batch, row, term) for term in terms)
        self.gateways = tuple(
            Gateway(batch, row, term, delivery) for term, delivery in zip(terms, self._deliveries, strict=True)
        )
        self.received: list[np.void] = []
        self._of_external = {delivery.external: i for i, delivery in enumerate(self._deliveries)}
        self._of_agent = {delivery.agent: i for i, delivery in enumerate(self._deliveries)}
        self._world = batch.market(row)
        self._reports_read = 0
        self._calls = [0] * len(terms)

    @property
    def now_ns(self) -> int:
        """How far the market has been run."""
        return int(self._world.clock[0]["now"])

    def begin(self) -> None:
        """Forget the market before."""
        self.received = []
        self._reports_read = 0
        self._calls = [0] * len(self.gateways)
        for delivery in self._deliveries:
            delivery.knowledge = Knowledge()

    def next_call(self) -> int:
        """When the clock calls a strategy next [ns], NEVER for never."""
        return min((self._call_time(i) for i in range(len(self.gateways))), default=int(NEVER))

    # Each of the three moves its mark on before it calls, so that nothing is told twice whatever a callback raises.

    def call(self, *, with_clock: bool) -> bool:
        """Call about all that is due, one thing at a time: reports, views, then the clock; whether anything was."""
        has_called = False
        while self._tell_report() or self._tell_view() or (with_clock and self._tell_time()):
            has_called = True
        return has_called

    def _tell_report(self) -> bool:
        while self._reports_read < self._world.clock[0]["inbox_count"]:
            row = self._world.inbox[self._reports_read % len(self._world.inbox)].copy()
            self._reports_read += 1
            if int(row["external"]) in self._of_external:
                self._tell(self._of_external[int(row["external"])], row)
                return True
        return False

    def _tell(self, i: int, row: np.void) -> None:
        self.received.append(row)
        report = self._deliveries[i].deliver_report(row)
        self._call(i, "on_report", report)
        if report.is_fill:
            self._call(i, "on_fill", report)

    def _tell_view(self) -> bool:
        watches = self._world.watches
        due = np.flatnonzero((watches["agent"] != NONE) & (watches["arrival"] <= self.now_ns))
        if not len(due):
            return False
        watch = watches[due[0]]
        i = self._of_agent[int(watch["agent"])]
        self._call(i, "on_book_update", self._deliveries[i].deliver_view(watch))
        return True

    def _tell_time(self) -> bool:
        due = [i for i in range(len(self.gateways)) if self._call_time(i) <= self.now_ns]
        if not due:
            return False
        i = due[0]
        self._calls[i] += 1
        if self._calls[i] > 1:
            self._call(i, "on_timer")
            return True
        if follows_books(self.strategies[i]):
            self._deliveries[i].watch()
        self._call(i, "on_start")
        return True

    def _call_time(self, i: int) -> int:
        """When the clock calls a strategy next [ns]: for its start, then for its timer while the session lasts."""
        own = self._world.externals[self._deliveries[i].external]
        if self._calls[i] == 0:
            return int(own["first_decision"])
        time = int(own["first_decision"] + self._calls[i] * own["interval"])
        is_over = own["interval"] == 0 or time >= self._world.clock[0]["session_close"]
        return int(NEVER) if is_over else time

    def _call(self, i: int, callback: str, *news: object) -> None:
        try:
            getattr(self.strategies[i], callback)(self.gateways[i], *news)
        except Exception as error:
            error.add_note(f"in {callback} of strategy {self.gateways[i].terms.name!r} at {self.now_ns / SECOND:.9f} s")
            raise

    def snapshot(self) -> ParticipantsState:
        """A copy, the strategies' attributes by `copy.deepcopy`."""
        return ParticipantsState(
            self._reports_read,
            tuple(self._calls),
            tuple(self.received),
            tuple(delivery.knowledge.copy() for delivery in self._deliveries),
            tuple(deepcopy([vars(strategy) for strategy in self.strategies])),
        )

    def restore(self, state: ParticipantsState) -> None:
        """Go back to such a copy."""
        self._reports_read, self._calls = state.reports_read, list(state.calls)
        self.received = list(state.received)
        followed = set(self._world.watches["agent"].tolist())
        for delivery, knowledge in zip(self._deliveries, state.knowledge, strict=True):
            delivery.restore(knowledge, watches=delivery.agent in followed)
        for strategy, saved in zip(self.strategies, deepcopy(list(state.strategies)), strict=True):
            vars(strategy).clear()
            vars(strategy).update(saved)


def strategies_of(given: Any) -> tuple[Strategy, ...]:
    """The strategies that an argument names.

    Raises:
        TypeError: It is no sequence of strategies; one line.
    """
    strategies = tuple(given) if isinstance(given, Iterable) else (given,)
    wrong = [strategy for strategy in strategies if not isinstance(strategy, Strategy)]
    if wrong or not isinstance(given, Iterable):
        culprit = wrong[0] if wrong else given
        hint = f": make one with {culprit.__name__}()" if isinstance(culprit, type) else ""
        raise TypeError(f"strategies must be a sequence of Strategy, got {shortened(culprit)}{hint}")
    return strategies


def externals_of(strategies: Iterable[Strategy], scenario: Scenario) -> tuple[External, ...]:
    """The external agents that stand for strategies in a scenario.

    Raises:
        ValueError: The terms of a strategy do not fit it.
    """
    return tuple(terms_of(strategy).external(scenario, follows=follows_books(strategy)) for strategy in strategies)


def attended_by(make: Callable[[], Sequence[Strategy]]) -> Callable[[Batch, int], Participants]:
    """What a batch calls to have strategies in each of its markets.

    Args:
        make: Gives the strategies of one market: new ones for each, in the order of their external agents.
    """

    def attend(batch: Batch, row: int) -> Participants:
        strategies = make()
        return Participants(batch, row, strategies, [terms_of(strategy) for strategy in strategies])

    return attend
