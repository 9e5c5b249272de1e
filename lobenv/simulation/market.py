"""One market with strategies in it: runs the compiled market from one call of a strategy to the next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np

from lobenv.market.network import slowest_ns
from lobenv.market.tables import NEVER, NONE, REACHED, RECORDED, TAPE_FULL, World
from lobenv.scenario.build import build, profile_of
from lobenv.scenario.config import Scenario
from lobenv.scenario.loading import Source, load
from lobenv.scenario.replay import Recording
from lobenv.settings import SECOND
from lobenv.simulation.entries import WATCH, advance
from lobenv.simulation.gateway import Gateway, Knowledge
from lobenv.simulation.result import Result, accounts_of, count, names_of_agents, reports_of, tape_of
from lobenv.simulation.strategy import Strategy, follows_books, terms_of
from lobenv.tape.schema import Tape


@dataclass(frozen=True, eq=False)
class Snapshot:
    """All of a market and of its strategies at one moment; it can be pickled if the strategies' attributes can.

    Attributes:
        world: Its tables.
        watches: (W,) WATCH.
        reports_read: How many reports the strategies have been called about.
        calls: How often each strategy has been called by the clock.
        tape: Records drained so far, in pieces.
        received: Reports so far.
        knowledge: What each strategy has been told.
        strategies: The attributes of each.
    """

    world: World
    watches: np.ndarray
    reports_read: int
    calls: tuple[int, ...]
    tape: tuple[np.ndarray, ...]
    received: tuple[np.void, ...]
    knowledge: tuple[Knowledge, ...]
    strategies: tuple[dict[str, Any], ...]


class Market:
    """A scenario's market under one seed, with strategies trading in it.

    It can be run in parts. After an exception in a callback, or Ctrl-C, it stands where it stood and `run` goes on with
    what comes next; the callback that was interrupted is not called again.

    Args:
        scenario: The market: a scenario, a preset's name, the path of a YAML file, or a mapping.
        strategies: Who trades beside the background agents.
        seed: Of everything random in it, 0 … 2^64 - 1.
        tape: Whether to keep a tape.

    Raises:
        ValueError: There is no such scenario, the terms of a strategy do not fit it, two strategies have one name, or
            the seed is out of range.
    """

    def __init__(
        self,
        scenario: Source = "calm",
        strategies: Iterable[Strategy] = (),
        seed: int = 0,
        *,
        tape: bool = True,
    ) -> None:
        if not 0 <= seed < 1 << 64:
            raise ValueError(f"seed must lie in 0 … 2^64 - 1, got {seed}")
        self.scenario = load(scenario)
        self.strategies = tuple(strategies)
        self.seed = seed
        terms = [terms_of(strategy) for strategy in self.strategies]
        _check_names([term.name for term in terms], self.scenario)
        externals = tuple(term.external(self.scenario) for term in terms)
        recording = None if self.scenario.replay is None else Recording(self.scenario)
        rows = None if recording is None else np.zeros(recording.most_rows, RECORDED)
        template = build(self.scenario, externals, tape=tape, recording=rows)
        self._opening = template.opening
        self.world: World = World(*(table.copy() for table in template.world))
        if recording is not None:
            recording.place(self.world, seed)
        self.gateways = tuple(Gateway(self.world, self.scenario, term, k) for k, term in enumerate(terms))
        self._watches = np.zeros(0, WATCH)
        self._reports_read = 0
        self._calls = [0] * len(terms)
        self._tape: list[np.ndarray] = [self.world.tape[:0].copy()]
        self._received: list[np.void] = []
        self._is_running = False

    @property
    def now_ns(self) -> int:
        """How far it has been run."""
        return int(self.world.clock[0]["now"])

    @property
    def end_ns(self) -> int:
        """The session's close, and as long after it as the slowest report to a strategy travels."""
        slowest = [slowest_ns(profile_of(self.scenario, gateway.terms.latency).report) for gateway in self.gateways]
        return int(self.world.clock[0]["session_close"]) + max(slowest, default=0)

    def run(self, until_s: float | None = None) -> None:
        """Run on, up to and including a time.

        Args:
            until_s: Time since the session's first instant [s]; None for the end of the session.

        Raises:
            ValueError: That time is past.
            OverflowError: A table is full; the message names the setting to raise.
        """
        until = self.end_ns if until_s is None else round(until_s * SECOND)
        if until < self.now_ns:
            raise ValueError(f"until_s must be >= {self.now_ns / SECOND}, the present, got {until_s}")
        with self._running():
            while True:
                status = self._advance(min(until, self._next_call()))
                if status == TAPE_FULL:
                    self._drain_tape()
                is_instant_over = status == REACHED
                has_called = self._call_strategies(with_clock=is_instant_over)
                if is_instant_over and self.now_ns == until and not has_called:
                    return

    def result(self) -> Result:
        """What there is to know about it, up to now."""
        self._drain_tape()
        strategies = [gateway.terms.name for gateway in self.gateways]
        names = names_of_agents(self.scenario, strategies)
        return Result(
            self.scenario,
            self.seed,
            self.now_ns,
            self.tape,
            accounts_of(self.world, self.scenario, names),
            reports_of(self._received, self.scenario, strategies),
            count(self.world),
        )

    @property
    def tape(self) -> Tape | None:
        """Everything that has happened in its books; None where no tape is kept."""
        if not len(self.world.tape):
            return None
        self._drain_tape()
        return tape_of(self._tape, self.scenario)

    def snapshot(self) -> Snapshot:
        """A copy of everything, strategies included (their attributes, by `copy.deepcopy`)."""
        return Snapshot(
            World(*(table.copy() for table in self.world)),
            self._watches.copy(),
            self._reports_read,
            tuple(self._calls),
            tuple(self._tape),
            tuple(self._received),
            tuple(gateway.knowledge.copy() for gateway in self.gateways),
            tuple(deepcopy([vars(strategy) for strategy in self.strategies])),
        )

    def restore(self, snapshot: Snapshot) -> None:
        """Go to a snapshot of this market, or of another of the same scenario and strategies; it goes on bit for bit.

        Raises:
            ValueError: The snapshot's tables or strategies are not those of this market.
        """
        if [table.shape for table in snapshot.world] != [table.shape for table in self.world]:
            raise ValueError("snapshot: its tables have other sizes than those of this market")
        for table, saved in zip(self.world, snapshot.world, strict=True):
            table[...] = saved
        self._watches = snapshot.watches.astype(WATCH)
        self._reports_read = snapshot.reports_read
        self._calls = list(snapshot.calls)
        self._tape, self._received = list(snapshot.tape), list(snapshot.received)
        followed = set(self._watches["agent"].tolist())
        for agent, (gateway, knowledge) in enumerate(zip(self.gateways, snapshot.knowledge, strict=True), start=1):
            gateway.restore(knowledge, watches=agent in followed)
        for strategy, saved in zip(self.strategies, deepcopy(list(snapshot.strategies)), strict=True):
            vars(strategy).clear()
            vars(strategy).update(saved)

    # ---------------------------------------------------------------- running

    @contextmanager
    def _running(self) -> Iterator[None]:
        if self._is_running:
            raise RuntimeError("run: this market is running, and a callback cannot run it")
        self._is_running = True
        try:
            yield
        finally:
            self._is_running = False

    def _advance(self, until: int) -> int:
        self.world.clock[0]["attention"] = NONE
        return advance(self.world, self._watches, until, np.uint64(self.seed), self._opening)

    def _drain_tape(self) -> None:
        clock = self.world.clock[0]
        if clock["tape_count"]:
            self._tape.append(self.world.tape[: clock["tape_count"]].copy())
            clock["tape_count"] = 0

    # ---------------------------------------------------------------- calling strategies
    # Each of the three moves its mark on before it calls, so that nothing is told twice whatever a callback raises.

    def _call_strategies(self, *, with_clock: bool) -> bool:
        """Call about all that is due, one thing at a time: reports, views, then the clock; whether anything was."""
        has_called = False
        while self._tell_report() or self._tell_view() or (with_clock and self._tell_time()):
            has_called = True
        return has_called

    def _tell_report(self) -> bool:
        if self.world.clock[0]["inbox_count"] == self._reports_read:
            return False
        row = self.world.inbox[self._reports_read % len(self.world.inbox)].copy()
        self._reports_read += 1
        self._received.append(row)
        k = int(row["external"])
        report = self.gateways[k].receive_report(row)
        self._call(k, "on_report", report)
        if report.is_fill:
            self._call(k, "on_fill", report)
        return True

    def _tell_view(self) -> bool:
        due = np.flatnonzero(self._watches["arrival"] <= self.now_ns)
        if not len(due):
            return False
        watch = self._watches[due[0]]
        k = int(watch["agent"]) - 1
        self._call(k, "on_book_update", self.gateways[k].receive_view(watch))
        return True

    def _tell_time(self) -> bool:
        due = [k for k in range(len(self.gateways)) if self._call_time(k) <= self.now_ns]
        if not due:
            return False
        k = due[0]
        self._calls[k] += 1
        if self._calls[k] > 1:
            self._call(k, "on_timer")
            return True
        if follows_books(self.strategies[k]):
            self._watches = np.concatenate([self._watches, self.gateways[k].watch()])
        self._call(k, "on_start")
        return True

    def _call_time(self, k: int) -> int:
        """When the clock calls a strategy next [ns]: for its start, then for its timer while the session lasts."""
        own = self.world.externals[k]
        if self._calls[k] == 0:
            return int(own["first_decision"])
        time = int(own["first_decision"] + self._calls[k] * own["interval"])
        is_over = own["interval"] == 0 or time >= self.world.clock[0]["session_close"]
        return int(NEVER) if is_over else time

    def _next_call(self) -> int:
        return min((self._call_time(k) for k in range(len(self.gateways))), default=int(NEVER))

    def _call(self, k: int, callback: str, *news: object) -> None:
        try:
            getattr(self.strategies[k], callback)(self.gateways[k], *news)
        except Exception as error:
            error.add_note(f"in {callback} of strategy {self.gateways[k].terms.name!r} at {self.now_ns / SECOND:.9f} s")
            raise


def simulate(
    scenario: Source = "calm",
    strategies: Iterable[Strategy] = (),
    seed: int = 0,
    *,
    tape: bool = True,
    until_s: float | None = None,
) -> Result:
    """Run a market from its first instant to the end of the session.

    Args:
        scenario: The market: a scenario, a preset's name, the path of a YAML file, or a mapping.
        strategies: Who trades beside the background agents.
        seed: Of everything random in it.
        tape: Whether to keep a tape.
        until_s: Where to stop [s since the session's first instant]; None for the end of the session.

    Returns:
        What there is to know about it.

    Raises:
        ValueError: There is no such scenario, the terms of a strategy do not fit it, two strategies have one name, or
            the seed is out of range.
        OverflowError: A table is full; the message names the setting to raise.
    """
    market = Market(scenario, strategies, seed, tape=tape)
    market.run(until_s)
    return market.result()


def _check_names(names: list[str], scenario: Scenario) -> None:
    """A name keys random streams, so no two traders may share one."""
    taken = {"opening", *scenario.agents}
    for name in names:
        if name in taken:
            raise ValueError(f"strategies: name {name!r} is taken, by a strategy or a group of the scenario")
        taken.add(name)
