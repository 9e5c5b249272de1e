"""One market with strategies in it: runs the compiled market from one call of a strategy to the next."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any

import numpy as np

from lobenv.engine.batch import Batch
from lobenv.engine.step import CONTINUE, RESET, STEP
from lobenv.engine.store import Snapshot
from lobenv.market.network import slowest_ns
from lobenv.market.tables import DECISION, World
from lobenv.scenario.build import profile_of
from lobenv.scenario.loading import Source, load
from lobenv.settings import SECOND, finite, seed_of, shortened
from lobenv.simulation.gateway import Gateway
from lobenv.simulation.learners import Learners, Policy
from lobenv.simulation.participants import Participants, attended_by, externals_of, strategies_of
from lobenv.simulation.progress import told_stops
from lobenv.simulation.result import Result, accounts_of, count, names_of_agents, reports_of, tape_of
from lobenv.simulation.strategy import Strategy
from lobenv.tape.schema import Tape

ROW = np.zeros(1, np.int64)
LATEST_S = 4e9  # half of what int64 ns can hold


class Market:
    """A scenario's market under one seed, with strategies trading in it.

    It can be run in parts. After an exception in a callback, or Ctrl-C, it stands where it stood and `run` goes on with
    what comes next; the callback that was interrupted is not called again.

    Args:
        scenario: The market: a scenario, a preset's name, the path of a YAML file, or a mapping.
        strategies: Who trades beside the background agents.
        seed: Of everything random in it, 0 … 2^64 - 1.
        tape: Whether to keep a tape.
        learners: Name of a market maker, which keys its random streams, to the policy that quotes for it.

    Raises:
        ValueError: There is no such scenario, the terms of a strategy do not fit it, two traders have one name, or the
            seed is out of range.
    """

    def __init__(
        self,
        scenario: Source = "calm",
        strategies: Iterable[Strategy] = (),
        seed: int = 0,
        *,
        tape: bool = True,
        learners: Mapping[str, Policy] | None = None,
    ) -> None:
        seed = seed_of(seed)
        self.scenario = load(scenario)
        self.strategies = strategies_of(strategies)
        self._learners = Learners(self.scenario, {} if learners is None else learners, first=len(self.strategies))
        externals = (*externals_of(self.strategies, self.scenario), *self._learners.externals)
        self._batch = Batch(
            self.scenario, externals=externals, tape=tape, attend=attended_by(lambda: self.strategies), threads=1
        )
        self._batch.begin(ROW, np.array([seed], np.uint64))
        self._learners.begin(seed)
        self._todo = RESET
        self._is_running = False

    @property
    def world(self) -> World:
        """Its tables."""
        return self._batch.market()

    @property
    def seed(self) -> int:
        """Of everything random in it."""
        return int(self._batch.seed_of(0))

    @property
    def gateways(self) -> tuple[Gateway, ...]:
        """What each strategy acts through."""
        return self._participants.gateways

    @property
    def _participants(self) -> Participants:
        attendant: Any = self._batch.attendant(0)
        return attendant

    @property
    def now_ns(self) -> int:
        """How far it has been run."""
        return int(self.world.clock[0]["now"])

    @property
    def end_ns(self) -> int:
        """The session's close, and as long after it as the slowest report to a strategy travels."""
        slowest = [slowest_ns(profile_of(self.scenario, gateway.terms.latency).report) for gateway in self.gateways]
        return int(self.world.clock[0]["session_close"]) + max(slowest, default=0)

    def run(self, until_s: float | None = None, *, progress: bool = False) -> None:
        """Run on, up to and including a time.

        Args:
            until_s: Time since the session's first instant [s]; None for the end of the session.
            progress: Whether to tell standard error now and then how far it is, how fast and for how long still.

        Raises:
            TypeError: That time is no number.
            ValueError: That time is past, or beyond what a clock of ns can show.
            OverflowError: A table is full; the message names the setting to raise.
            InterruptedMarketError: A run before this one ended in the middle, by a full table.
        """
        until = self.end_ns if until_s is None else self._time_of(until_s)
        with self._running(), closing(self._stops(until, progress)) as stops:
            for stop in stops:
                self._run_to(stop)

    def _stops(self, until: int, progress: bool) -> Generator[int]:
        """Times to stop at on the way [ns]: the last alone where nobody wants to be told."""
        if not progress:
            return (time for time in (until,))
        return told_stops(self.scenario.name, self.now_ns, until)

    def _time_of(self, until_s: float) -> int:
        """A time to run to [ns]."""
        until = finite("until_s", until_s)
        if until > LATEST_S:
            raise ValueError(f"until_s must be <= {LATEST_S:g}, got {shortened(until)}")
        time = round(until * SECOND)
        if time < self.now_ns:
            raise ValueError(f"until_s must be >= {self.now_ns / SECOND}, the present, got {shortened(until)}")
        return time

    def _run_to(self, stop: int) -> None:
        todo, self._todo = self._todo, CONTINUE
        while self._batch.continue_row(0, stop, todo=todo, actions=self._learners.actions) == DECISION:
            self._learners.act(self._batch)
            todo = STEP

    def result(self) -> Result:
        """What there is to know about it, up to now."""
        strategies = [gateway.terms.name for gateway in self.gateways]
        names = names_of_agents(self.scenario, strategies, self._learners.names)
        return Result(
            self.scenario,
            self.seed,
            self.now_ns,
            self.tape,
            accounts_of(self.world, self.scenario, names),
            reports_of(self._participants.received, self.scenario, strategies),
            count(self.world),
        )

    @property
    def tape(self) -> Tape | None:
        """Everything that has happened in its books; None where no tape is kept."""
        if not len(self.world.tape):
            return None
        return tape_of(self._batch.tape(), self.scenario)

    def snapshot(self) -> Snapshot:
        """A copy of everything, strategies included (their attributes, by `copy.deepcopy`)."""
        return self._batch.snapshot(0, {"todo": self._todo})

    def restore(self, snapshot: Snapshot) -> None:
        """Go to a snapshot of this market, or of another of the same scenario and strategies; it goes on bit for bit.

        Raises:
            SnapshotError: It is of another scenario, or of a market with other strategies.
        """
        self._batch.restore(snapshot)
        self._todo = snapshot.session["todo"]

    @contextmanager
    def _running(self) -> Iterator[None]:
        if self._is_running:
            raise RuntimeError("run: this market is running, and a callback cannot run it")
        self._is_running = True
        try:
            yield
        finally:
            self._is_running = False


def simulate(
    scenario: Source = "calm",
    strategies: Iterable[Strategy] = (),
    seed: int = 0,
    *,
    tape: bool = True,
    until_s: float | None = None,
    learners: Mapping[str, Policy] | None = None,
    progress: bool = False,
) -> Result:
    """Run a market from its first instant to the end of the session.

    Args:
        scenario: The market: a scenario, a preset's name, the path of a YAML file, or a mapping.
        strategies: Who trades beside the background agents.
        seed: Of everything random in it.
        tape: Whether to keep a tape.
        until_s: Where to stop [s since the session's first instant]; None for the end of the session.
        learners: Name of a market maker of the scenario to the policy that quotes for it, as in `Market`.
        progress: Whether to tell standard error now and then how far it is, how fast and for how long still.

    Returns:
        What there is to know about it.

    Raises:
        ValueError: There is no such scenario, the terms of a strategy do not fit it, two strategies have one name, or
            the seed is out of range.
        OverflowError: A table is full; the message names the setting to raise.
    """
    market = Market(scenario, strategies, seed, tape=tape, learners=learners)
    market.run(until_s, progress=progress)
    return market.result()
