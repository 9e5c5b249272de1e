"""The batch of markets that every face drives: E markets with K external agents each, in one set of tables."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np

from lobenv.engine.step import CLOSED, CONTINUE, IDLE, RESET, STEP, advance
from lobenv.market.streams import GOLDEN, MIX_1
from lobenv.market.tables import DTYPES, EXECUTED, REACHED, RECORDED, TAPE_FULL, World
from lobenv.roles.maker import reward
from lobenv.roles.maker.action import ACTION_WIDTH, MASK_SIZE
from lobenv.roles.maker.observation import WIDTH
from lobenv.roles.maker.task import TASK, Task
from lobenv.scenario.build import External, build
from lobenv.scenario.config import Scenario
from lobenv.scenario.loading import scenario_hash
from lobenv.scenario.replay import Recording
from lobenv.tape.schema import RECORD

SMALLEST_SHARE = 64  # markets a thread must get for handing them over to pay


class Outputs(NamedTuple):
    """What one call writes: E markets, K external agents."""

    observation: np.ndarray  # (E, K, F) float32
    reward: np.ndarray  # (E, K) float64 [$]
    parts: np.ndarray  # (E, K, P) float64 [$]
    state: np.ndarray  # (E, K, S) float64, the exchange's picture
    mask: np.ndarray  # (E, K, M) int8
    session: np.ndarray  # (E,) int8: RUNNING, CLOSED or KILLED; CLOSED before the first reset
    status: np.ndarray  # (E,) int8


@dataclass(frozen=True)
class Snapshot:
    """The whole state of one market, to be restored as often as one likes, also in another process."""

    scenario: str  # hash of the scenario it is a market of
    tables: tuple[np.ndarray, ...]
    outputs: tuple[np.ndarray, ...]
    tape: np.ndarray  # (n,) RECORD, of the session so far

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Snapshot):
            return NotImplemented
        if self.scenario != other.scenario or len(self.tables) != len(other.tables):
            return False
        pairs = zip((*self.tables, self.tape), (*other.tables, other.tape), strict=True)
        return all(a.tobytes() == b.tobytes() for a, b in pairs)

    __hash__ = None  # pyright: ignore[reportAssignmentType]


def maker_of(scenario: Scenario, name: str = "maker") -> External:
    """The external market maker that a scenario describes."""
    maker = scenario.maker
    books = [book.name for book in scenario.books]
    return External(
        name=name,
        book=books.index(maker.book) if maker.book else 0,
        latency=maker.latency,
        interval_ns=round(maker.decision_interval_s * 1e9),
        computation_ns=round(maker.computation_us * 1e3),
        inventory_cap=maker.inventory_cap_lots * maker.order_size_shares,
        loss_limit=maker.loss_limit,
        order_rate=maker.order_rate_per_s,
    )


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


def _bytes(array: np.ndarray) -> np.ndarray:
    """The same memory as rows of bytes, so that padding is copied too."""
    return array.view(np.uint8).reshape(array.shape[0], -1)


class Batch:
    """E markets of one scenario.

    Attributes:
        scenario: What they are markets of.
        num_envs: E.
        num_agents: K.
        worlds: Their tables.
        out: What the last call wrote; every call writes it anew.
    """

    def __init__(
        self,
        scenario: Scenario,
        num_envs: int = 1,
        *,
        task: Task | None = None,
        externals: Sequence[External] | None = None,
        tape: bool = False,
        threads: int | None = None,
    ) -> None:
        """Lay out the tables.

        Args:
            scenario: The market.
            num_envs: How many of them, at least 1.
            task: How external agents act and are paid.
            externals: External agents; the scenario's one market maker by default. All decide at the same times.
            tape: Whether the markets keep tapes.
            threads: Most threads to use; the machine's cores by default.
        """
        if num_envs < 1:
            raise ValueError(f"num_envs must be at least 1, got {num_envs}")
        if threads is not None and threads < 1:
            raise ValueError(f"threads must be at least 1, got {threads}")
        if externals is None and scenario.steps < 1:
            raise ValueError(
                f"maker.decision_interval_s must be at most session.duration_s ({scenario.session.duration_s:g}), "
                f"got {scenario.maker.decision_interval_s:g}"
            )
        self.scenario, self.num_envs = scenario, num_envs
        self.task = task or Task()
        self.externals = tuple(externals) if externals is not None else (maker_of(scenario),)
        self.num_agents = len(self.externals)
        self.threads = threads or os.cpu_count() or 1
        self._scenario_hash = scenario_hash(scenario)
        self._recording = Recording(scenario) if scenario.replay is not None else None
        rows = None if self._recording is None else np.zeros(self._recording.most_rows, RECORDED)
        self._template = build(scenario, self.externals, tape=tape, recording=rows)
        self._task = self.task.table(scenario)
        self._opening = np.array(self._template.opening, dtype=np.float64)
        self._seeds = np.zeros(num_envs, np.uint64)
        self._todo = np.zeros(num_envs, np.int8)
        self._actions = np.zeros((num_envs, self.num_agents, ACTION_WIDTH))
        self._fills_read = np.zeros(num_envs, np.int64)
        self._tapes: list[list[np.ndarray]] = [[] for _ in range(num_envs)]
        self.worlds = World(*(np.zeros((num_envs, *table.shape), table.dtype) for table in self._template.world))
        self.out = self._allocate_outputs()
        self._executor: tuple[int, ThreadPoolExecutor] | None = None

    def _allocate_outputs(self) -> Outputs:
        e, k = self.num_envs, self.num_agents
        return Outputs(
            observation=np.zeros((e, k, WIDTH), np.float32),
            reward=np.zeros((e, k)),
            parts=np.zeros((e, k, reward.PARTS_WIDTH)),
            state=np.zeros((e, k, reward.STATE_WIDTH)),
            mask=np.ones((e, k, MASK_SIZE), np.int8),
            session=np.full(e, CLOSED, np.int8),
            status=np.zeros(e, np.int8),
        )

    # ------------------------------------------------------------ advancing

    def reset(self, rows: np.ndarray, seeds: np.ndarray) -> None:
        """Begin new sessions.

        Args:
            rows: Indices of the markets.
            seeds: (len(rows),) uint64, one each.
        """
        self._seeds[rows] = seeds
        for table, template in zip(self.worlds, self._template.world, strict=True):
            if table.size:
                _bytes(table)[rows] = template.view(np.uint8).reshape(-1)
        self._fills_read[rows] = 0
        for row, seed in zip(rows, self._seeds[rows], strict=True):
            self._tapes[row] = []
            if self._recording is not None:
                self._recording.place(self.market(row), seed)
        self._todo[:] = IDLE
        self._todo[rows] = RESET
        self._advance(-1 if self.num_agents else 0)

    def step(self, actions: np.ndarray, rows: np.ndarray | None = None) -> None:
        """Carry out actions and bring the markets to their next decision.

        Args:
            actions: (E, K, n) in the task's action mode, n at most ACTION_WIDTH.
            rows: Indices of the markets to step; all by default.
        """
        self._actions[:, :, : actions.shape[2]] = actions
        if rows is None:
            self._todo[:] = STEP
        else:
            self._todo[:] = IDLE
            self._todo[rows] = STEP
        self._advance(-1)

    def run(self, until_ns: int) -> None:
        """Run all markets to a given time [ns], without a decision of the external agents."""
        self._todo[:] = CONTINUE
        self._advance(until_ns)

    def _advance(self, until: int) -> None:
        """Run the markets that have something to do; drain full tapes and go on until all are through."""
        while True:
            self._run(until)
            full = np.flatnonzero((self.out.status != REACHED) & (self._todo != IDLE))
            if not len(full):
                return
            self._todo[:] = IDLE
            for row in full:
                if self.out.status[row] == TAPE_FULL:
                    self._drain_tape(int(row))
                self._todo[row] = CONTINUE

    def _run(self, until: int) -> None:
        """Share the markets out among threads; the calling thread takes the first share itself."""
        shares = min(self.threads, max(self.num_envs // SMALLEST_SHARE, 1))
        edges = [self.num_envs * i // shares for i in range(shares + 1)]
        pending = [self._pool().submit(self._run_rows, until, edges[i], edges[i + 1]) for i in range(1, shares)]
        try:
            self._run_rows(until, edges[0], edges[1])
        finally:
            for share in pending:
                share.result()

    def _run_rows(self, until: int, low: int, high: int) -> None:
        advance(
            self.worlds,
            self._task,
            self._opening,
            self._todo,
            until,
            self._seeds,
            self._actions,
            self.out,
            low,
            high,
        )

    def _pool(self) -> ThreadPoolExecutor:
        """The pool of this process; one made before a fork has no threads in the child."""
        if self._executor is None or self._executor[0] != os.getpid():
            self._executor = (os.getpid(), ThreadPoolExecutor(max(self.threads - 1, 1), "lobenv"))
        return self._executor[1]

    # ------------------------------------------------------------ looking at it

    def market(self, row: int = 0) -> World:
        """The tables of one market: views, not copies."""
        return World(*(table[row] for table in self.worlds))

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
            rows = np.zeros(len(log), FILL)
            for name in EXECUTED.names or ():
                rows[name] = log[name]
            rows["env"] = row
            found.append(rows)
        self._fills_read[:] = counts
        return np.concatenate(found) if found else np.zeros(0, FILL)

    def _drain_tape(self, row: int) -> None:
        count = int(self.worlds.clock[row, 0]["tape_count"])
        self._tapes[row].append(_copied(self.worlds.tape[row, :count]))
        self.worlds.clock[row, 0]["tape_count"] = 0

    def tape(self, row: int = 0) -> np.ndarray:
        """Every record of one market's session so far, (n,) RECORD; empty when the tape is off."""
        self._drain_tape(row)
        joined = np.concatenate([chunk.view(np.uint8) for chunk in self._tapes[row]]).view(RECORD)
        self._tapes[row] = [joined]
        return joined

    # ------------------------------------------------------------ copying it

    def snapshot(self, row: int = 0) -> Snapshot:
        """Copy the state of one market."""
        tape = self.tape(row)
        return Snapshot(
            self._scenario_hash,
            tuple(_bytes(table)[row].copy() if table.size else np.zeros(0, np.uint8) for table in self.worlds),
            tuple(output[row].copy() for output in self.out),
            tape,
        )

    def restore(self, snapshot: Snapshot, row: int = 0) -> None:
        """Put a market back to where it was; it continues bit for bit.

        Raises:
            ValueError: The snapshot is of another scenario, or of a market with other tables.
        """
        if snapshot.scenario != self._scenario_hash:
            raise ValueError(
                f"snapshot is of another scenario than {self.scenario.name!r}: restore it where it was taken"
            )
        sizes = [_bytes(table).shape[1] if table.size else 0 for table in self.worlds]
        if [len(table) for table in snapshot.tables] != sizes:
            raise ValueError(
                "snapshot is of a market with other external agents, or with a tape where this one has none"
            )
        for table, saved in zip(self.worlds, snapshot.tables, strict=True):
            if table.size:
                _bytes(table)[row] = saved
        for output, saved in zip(self.out, snapshot.outputs, strict=True):
            output[row] = saved
        self._fills_read[row] = self.worlds.clock[row, 0]["fills_count"]
        self._tapes[row] = [snapshot.tape]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_executor": None, "_recording": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        # An equal dtype that is another object costs microseconds at every call.
        views = (table.view(dtype) for table, dtype in zip(self.worlds, DTYPES.values(), strict=True))
        self.worlds = World(*views)
        self._task = self._task.view(TASK)
        # A recorded day stays in the memory of its process.
        self._recording = Recording(self.scenario) if self.scenario.replay is not None else None

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        copy = object.__new__(type(self))
        memo[id(self)] = copy
        state = self.__getstate__()
        state["worlds"] = World(*(_copied(table) for table in self.worlds))
        state["out"] = Outputs(*(output.copy() for output in self.out))
        for name in ("_seeds", "_todo", "_actions", "_fills_read"):
            state[name] = state[name].copy()
        state["_tapes"] = [list(chunks) for chunks in self._tapes]
        copy.__setstate__(state)
        return copy

    def __iter__(self) -> Iterator[World]:
        return (self.market(row) for row in range(self.num_envs))

    def close(self) -> None:
        """Let the threads go."""
        if self._executor is not None and self._executor[0] == os.getpid():
            self._executor[1].shutdown(wait=False)
        self._executor = None


def _copied(table: np.ndarray) -> np.ndarray:
    """A copy of the padding too, so that equal tables have equal bytes."""
    copy = np.zeros(table.shape, table.dtype)
    if table.size:
        _bytes(copy)[:] = _bytes(table)
    return copy


FILL = np.dtype([("env", "i8"), *((name, EXECUTED.fields[name][0]) for name in EXECUTED.names)], align=True)  # pyright: ignore[reportOptionalSubscript, reportOptionalIterable, reportArgumentType]
