"""The batch of markets that everything drives: E markets with K external agents each, in one set of tables."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, Self

import numpy as np

from lobenv.engine.step import AWAITED, CONTINUE, CONTROL, DECIDE, IDLE, IGNORED, MADE, REQUEST, RESET, STEP, advance
from lobenv.engine.store import Snapshot, Store
from lobenv.market.streams import GOLDEN, MIX_1
from lobenv.market.tables import ATTENTION, EXECUTED, NEVER, REACHED, RECORDING_ROW, TAPE_FULL, World
from lobenv.roles.maker.config import Maker
from lobenv.roles.maker.task import Task
from lobenv.scenario.build import Template, build
from lobenv.scenario.config import Scenario
from lobenv.scenario.external import External, external_of
from lobenv.scenario.replay import Recording
from lobenv.settings import whole

SMALLEST_SHARE = 64  # markets a thread must get for handing them over to pay


class Attendant(Protocol):
    """Whoever has to be called while a market runs: the strategies in it."""

    def begin(self) -> None:
        """The market has begun anew."""
        ...

    def next_call(self) -> int:
        """When the clock calls next [ns], NEVER for never."""
        ...

    def call(self, *, with_clock: bool) -> bool:
        """Call about all that is due, by the clock too where an instant is over; whether anything was."""
        ...

    def snapshot(self) -> Any:
        """A copy of all that is not in the market's tables."""
        ...

    def restore(self, state: Any) -> None:
        """Go back to such a copy."""
        ...


class InterruptedMarketError(RuntimeError):
    """A run of the market did not come to its end, so that its tables may be half changed."""


def episode_seeds(seeds: np.ndarray, episodes: np.ndarray) -> np.ndarray:
    """Seeds of the markets of the n-th episodes after a reset with these seeds; the first is the seed itself.

    Args:
        seeds: (E,) uint64.
        episodes: (E,) uint64, counted from 0.

    Returns:
        (E,) uint64.
    """
    with np.errstate(over="ignore"):
        mixed = (seeds + GOLDEN * episodes) * MIX_1
        mixed = (mixed ^ (mixed >> np.uint64(31))) >> np.uint64(1)
    return np.where(episodes == 0, seeds, mixed)


class Batch:
    """E markets of one scenario.

    Attributes:
        scenario: What they are markets of.
        num_envs: E.
        num_agents: K.
        externals: The external agents of each.
        task: How the first market maker among them acts and is paid.
        store: Their tables.
        threads: Most threads to use.
    """

    def __init__(
        self,
        scenario: Scenario,
        num_envs: int = 1,
        *,
        task: Task | Mapping[str, Any] | None = None,
        learners: Sequence[str] | None = None,
        externals: Sequence[External] | None = None,
        tape: bool = False,
        threads: int | None = None,
        attend: Callable[[Batch, int], Attendant] | None = None,
    ) -> None:
        """Lay out the tables.

        Args:
            scenario: The market.
            num_envs: How many of them, at least 1.
            task: How the learners act and are paid, where not as the scenario says.
            learners: Names of those of the scenario's learners that play, such as all of `scenario.each_learner()`; the
                first market maker alone by default.
            externals: External agents, in the place of `learners`.
            tape: Whether the markets keep tapes.
            threads: Most threads to use; the machine's cores by default.
            attend: Makes of a batch and a row whoever has to be called while that market runs.
        """
        _check_counts(num_envs, threads)
        if externals is None:
            names = (None,) if learners is None else learners
            externals = [external_of(scenario, name, task) for name in names]
        self._recording = Recording(scenario) if scenario.replay is not None else None
        rows = None if self._recording is None else np.zeros(self._recording.most_rows, RECORDING_ROW)
        self._set_up(build(scenario, tuple(externals), tape=tape, recording=rows), num_envs, threads)
        self._attendants = [attend(self, row) for row in range(num_envs)] if attend is not None else []

    @classmethod
    def of_template(cls, template: Template, num_envs: int = 1, *, threads: int | None = None) -> Self:
        """A batch of markets that begin as a template does."""
        _check_counts(num_envs, threads)
        batch = object.__new__(cls)
        batch._recording, batch._attendants = None, []
        batch._set_up(template, num_envs, threads)
        return batch

    def _set_up(self, template: Template, num_envs: int, threads: int | None) -> None:
        self.scenario, self.externals, self.num_envs = template.scenario, template.externals, num_envs
        self.num_agents = len(self.externals)
        self.task = next((agent.role.task for agent in self.externals if isinstance(agent.role, Maker)), Task())
        self.threads = threads or os.cpu_count() or 1
        self.store = Store(template, num_envs)
        self._control = np.zeros(num_envs, CONTROL)
        self._actions = np.zeros((num_envs, self.num_agents, self.store.widths["action"]))
        self._fills_read = np.zeros(num_envs, np.int64)
        self._interrupted = np.zeros(num_envs, bool)
        self._executor: tuple[int, ThreadPoolExecutor] | None = None
        self._look()

    def _look(self) -> None:
        """Keep at hand what every step looks at."""
        self.worlds, self.out = self.store.worlds, self.store.out
        self._todo, self._status = self._control["todo"], self._control["status"]
        self._stop, self._decisions = self._control["stop"], self._control["decisions"]
        self._stops_early = any(agent.wants_reports for agent in self.externals) or self.worlds.tape.shape[1] > 0

    # ------------------------------------------------------------ advancing

    def reset(self, rows: np.ndarray, seeds: np.ndarray) -> None:
        """Begin new sessions, and bring them to their first decision.

        Args:
            rows: Indices of the markets.
            seeds: (len(rows),) uint64, one each.
        """
        self.begin(rows, seeds)
        self._advance(rows, RESET, NEVER if self.num_agents else 0)

    def begin(self, rows: np.ndarray, seeds: np.ndarray) -> None:
        """Lay out new sessions, of which nothing has run; arguments as in `reset`."""
        if self._interrupted.any():
            self._let_threads_end()  # a second Ctrl-C may have cut the first waiting short
        self.store.begin(rows)
        self._control["seed"][rows] = seeds
        self._fills_read[rows] = 0
        self._interrupted[rows] = False
        for row, seed in zip(rows, seeds, strict=True):
            if self._recording is not None:
                self._recording.place(self.market(row), seed)
            if self._attendants:
                self._attendants[row].begin()

    def step(self, actions: np.ndarray, rows: np.ndarray | None = None) -> None:
        """Carry out actions and bring the markets to their next decision.

        Args:
            actions: (E, K, n) in the action mode of each agent, n at most `store.widths["action"]`.
            rows: Indices of the markets to step; all by default.

        Raises:
            InterruptedMarketError: The last run of one of them did not come to its end.
        """
        self._actions[:, :, : actions.shape[2]] = actions
        self._advance(slice(None) if rows is None else rows, STEP, NEVER)

    def run(self, until_ns: int) -> None:
        """Run all markets to a given time [ns], without a decision of the external agents."""
        self._advance(slice(None), CONTINUE, until_ns, IGNORED)

    def _advance(self, rows: Any, todo: int, until: int | np.int64, decisions: int = MADE) -> None:
        """Run markets; drain full tapes and go on until all are through."""
        if np.count_nonzero(self._interrupted) and self._interrupted[rows].any():
            raise InterruptedMarketError(
                "the last run of the market was interrupted before it was whole: reset or restore it"
            )
        self._todo[rows], self._stop[rows], self._decisions[rows] = todo, until, decisions
        try:
            if self._attendants:
                for row in np.arange(self.num_envs)[rows]:
                    self._run_attended(int(row), todo, int(until))
            else:
                self._run_through()
        except BaseException:
            self._interrupted[rows] = True
            self._let_threads_end()
            self._todo[:] = IDLE
            raise

    def _let_threads_end(self) -> None:
        """See to it that no thread of a run that was interrupted goes on writing to the tables; new ones can begin."""
        if self._executor is not None and self._executor[0] == os.getpid():
            self._executor[1].shutdown(wait=True)
        self._executor = None

    def _run_through(self) -> None:
        self._run()
        while self._stops_early:
            early = np.flatnonzero((self._status == TAPE_FULL) | (self._status == ATTENTION))
            if not len(early):
                return
            for row in early:
                if self._status[row] == TAPE_FULL:
                    self.store.drain_tape(int(row))
            self._todo[early] = CONTINUE
            self._run()

    def _run(self) -> None:
        """Share the markets out among threads; the calling thread takes the first share itself."""
        shares = min(self.threads, max(self.num_envs // SMALLEST_SHARE, 1))
        if shares == 1:
            self._run_rows(0, self.num_envs)
            return
        edges = [self.num_envs * i // shares for i in range(shares + 1)]
        pending = [self._pool().submit(self._run_rows, edges[i], edges[i + 1]) for i in range(1, shares)]
        try:
            self._run_rows(edges[0], edges[1])
        finally:
            for share in pending:
                share.result()

    def _run_rows(self, low: int, high: int) -> None:
        advance(self.store.memory, self.store.shown, self.store.layout.places, self._control, self._actions, low, high)

    def _pool(self) -> ThreadPoolExecutor:
        """The pool of this process; one made before a fork has no threads in the child."""
        if self._executor is None or self._executor[0] != os.getpid():
            self._executor = (os.getpid(), ThreadPoolExecutor(max(self.threads - 1, 1), "lobenv"))
        return self._executor[1]

    # ------------------------------------------------------------ one market, and whoever attends it

    def run_row(self, row: int, todo: int, stop: int, decisions: int = AWAITED) -> int:
        """Run one market alone.

        Args:
            row: Which.
            todo: RESET, STEP, CONTINUE or DECIDE.
            stop: Time to stop at [ns].
            decisions: IGNORED, AWAITED or MADE.

        Returns:
            Why it stopped: REACHED, TAPE_FULL, ATTENTION or DECISION.
        """
        control = self._control[row]
        control["todo"], control["stop"], control["decisions"] = todo, stop, decisions
        try:
            self._run_rows(row, row + 1)
        except OverflowError:
            self._interrupted[row], control["todo"] = True, IDLE
            raise
        if control["status"] == TAPE_FULL:
            self.store.drain_tape(row)
        return int(control["status"])

    def _run_attended(self, row: int, todo: int, until: int) -> int:
        """Bring one market to its next decision or to a time, calling its attendant whenever something is due."""
        attendant = self._attendants[row]
        while True:
            status = self.run_row(row, todo, min(until, attendant.next_call()))
            todo = CONTINUE
            is_instant_over = status == REACHED
            has_called = attendant.call(with_clock=is_instant_over)
            if is_instant_over and not has_called:
                now = int(self.worlds.clock["now"][row, 0])
                if now == self._control["decision"][row]:
                    return self.run_row(row, DECIDE, now)
                if now == until:
                    return REACHED

    def continue_row(self, row: int, until: int, *, todo: int = CONTINUE, actions: np.ndarray | None = None) -> int:
        """Run one market on to its next decision or to a time, whichever comes first.

        It stands where it stood after an exception of whoever attends it.

        Args:
            row: Which.
            until: Time to stop at [ns].
            todo: RESET, STEP or CONTINUE.
            actions: (K, n), used by STEP.

        Returns:
            DECISION or REACHED.

        Raises:
            InterruptedMarketError: Its last run did not come to its end.
        """
        if self._interrupted[row]:
            raise InterruptedMarketError("the last run of the market was interrupted before it was whole: restore it")
        if actions is not None:
            self._actions[row, :, : actions.shape[1]] = actions
        return self._run_attended(row, todo, until)

    def request(self, row: int, **fields: int) -> int:
        """Have one message sent, or one look taken, by an external agent of one market.

        Args:
            row: Which market.
            **fields: Of CONTROL, from `order_id` on; what is left out is 0.

        Returns:
            Id of a new order, place in the feed's ring of the view, or 0.
        """
        control = self._control[row]
        for name in REQUEST_FIELDS:
            control[name] = fields.get(name, 0)
        control["todo"] = REQUEST
        self._run_rows(row, row + 1)
        return int(control["answer"])

    # ------------------------------------------------------------ looking at it

    def market(self, row: int = 0) -> World:
        """The tables of one market: views, not copies."""
        return self.store.market(row)

    def seed_of(self, row: int) -> int:
        """Seed of the market that a row is now."""
        return int(self._control["seed"][row])

    def attendant(self, row: int) -> Attendant:
        """Who is called while that market runs."""
        return self._attendants[row]

    def new_fills(self) -> np.ndarray:
        """Executions of external agents since the last call or reset, and the row each was in.

        Returns:
            (n,) records with the fields of EXECUTED and `env`, in order of row and time.

        Raises:
            OverflowError: More executions than the log holds happened between two calls.
        """
        counts = self.worlds.clock["fills_count"][:, 0]
        size = self.worlds.fills.shape[1]
        found = []
        for row in np.flatnonzero(counts > self._fills_read):
            if counts[row] - self._fills_read[row] > size:
                raise OverflowError("fill log overrun: raise capacity.fills of the scenario")
            log = self.worlds.fills[row][np.arange(self._fills_read[row], counts[row]) % size]
            rows = np.zeros(len(log), FILL_OF_ENV)
            for name in EXECUTED.names or ():
                rows[name] = log[name]
            rows["env"] = row
            found.append(rows)
        self._fills_read[:] = counts
        return np.concatenate(found) if found else np.zeros(0, FILL_OF_ENV)

    def tape(self, row: int = 0) -> np.ndarray:
        """Every record of one market's session so far, (n,) RECORD; empty when the tape is off."""
        self.store.drain_tape(row)
        return self.store.tapes[row].joined()

    def new_records(self, row: int = 0) -> np.ndarray:
        """(n,) RECORD: what has come on one market's tape since the last call or reset."""
        self.store.drain_tape(row)
        return self.store.tapes[row].new()

    # ------------------------------------------------------------ copying it

    def snapshot(self, row: int = 0, session: dict[str, int] | None = None) -> Snapshot:
        """Copy the state of one market, and of the strategies in it.

        Args:
            row: Which.
            session: Where the session stands in the face that asks, to be found again in the snapshot.

        Raises:
            InterruptedMarketError: Its last run did not come to its end.
        """
        if self._interrupted[row]:
            raise InterruptedMarketError("the last run of the market was interrupted: there is no whole state to copy")
        strategies = self._attendants[row].snapshot() if self._attendants else None
        return self.store.snapshot(row, self.seed_of(row), session, strategies)

    def restore(self, snapshot: Snapshot, row: int = 0) -> None:
        """Put a market back to where it was; it continues bit for bit.

        Raises:
            SnapshotError: The snapshot is of another scenario, or of a market with other agents from outside.
        """
        if self._interrupted.any():
            self._let_threads_end()
        self.store.restore(row, snapshot)
        self._control["seed"][row] = snapshot.seed
        self._fills_read[row] = self.worlds.clock["fills_count"][row, 0]
        self._interrupted[row] = False
        if self._attendants:
            self._attendants[row].restore(snapshot.strategies)

    def __getstate__(self) -> dict[str, Any]:
        if self._attendants:
            raise TypeError("a batch with strategies in it cannot be pickled: take snapshots")
        left_out = ("worlds", "out", "_todo", "_status", "_stop", "_decisions")
        state = {name: value for name, value in self.__dict__.items() if name not in left_out}
        return {**state, "_executor": None, "_recording": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._look()
        # A recorded day stays in the memory of its process.
        self._recording = Recording(self.scenario) if self.scenario.replay is not None else None

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        copy = object.__new__(type(self))
        memo[id(self)] = copy
        state = self.__getstate__()
        state["store"] = self.store.copy()
        for name in ("_control", "_actions", "_fills_read", "_interrupted"):
            state[name] = state[name].copy()
        copy.__setstate__(state)
        return copy

    def __iter__(self) -> Iterator[World]:
        return (self.market(row) for row in range(self.num_envs))

    def close(self) -> None:
        """Let the threads go."""
        if self._executor is not None and self._executor[0] == os.getpid():
            self._executor[1].shutdown(wait=False)
        self._executor = None


def _check_counts(num_envs: int, threads: int | None) -> None:
    whole("num_envs", num_envs, 1)
    if threads is not None:
        whole("threads", threads, 1)


_CONTROL_FIELDS = CONTROL.names or ()
REQUEST_FIELDS = _CONTROL_FIELDS[_CONTROL_FIELDS.index("order_id") :]
FILL_OF_ENV = np.dtype(
    [("env", "i8"), *((name, EXECUTED.fields[name][0]) for name in EXECUTED.names)],  # pyright: ignore[reportOptionalSubscript, reportOptionalIterable, reportArgumentType]
    align=True,
)
