"""The tables of E markets, what they have put on their tapes, and copies of single markets that go on bit for bit."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from lobenv.engine.layout import LINE, OUTPUT_DTYPES, Layout, lay_out, tables_of
from lobenv.market.tables import ENDED, World
from lobenv.roles.widths import widths_of
from lobenv.scenario.build import Template
from lobenv.scenario.loading import scenario_hash
from lobenv.tape.schema import RECORD

SNAPSHOT_FORMAT = "lobenv.snapshot 1"


class SnapshotError(ValueError):
    """A snapshot is not of this market, or its file is damaged; one line."""


@dataclass(frozen=True)
class Snapshot:
    """The whole state of one market, to be restored as often as one likes, also in another process.

    Attributes:
        scenario: Hash of the scenario it is a market of.
        setup: Hash of who trades in it from outside and how they act and are paid, and of the layout of its tables.
        seed: Of the market.
        row: Its tables, in bytes.
        shown: What it showed its external agents last, in bytes.
        tape: (n,) RECORD, of the session so far.
        session: Where the session stands in the face that took it, by name.
        strategies: State of the strategies in it, None without any.
    """

    scenario: str
    setup: str
    seed: int
    row: bytes
    shown: bytes
    tape: np.ndarray
    session: dict[str, int] = field(default_factory=dict)
    strategies: Any = None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Snapshot):
            return NotImplemented
        same = (self.scenario, self.setup, self.row, self.shown) == (
            other.scenario,
            other.setup,
            other.row,
            other.shown,
        )
        return same and self.tape.tobytes() == other.tape.tobytes()

    __hash__ = None  # pyright: ignore[reportAssignmentType]

    def save(self, path: str | PathLike[str]) -> None:
        """Write it to a file, whole or not at all.

        Raises:
            OSError: The file cannot be written.
        """
        head = {"format": SNAPSHOT_FORMAT, "scenario": self.scenario, "setup": self.setup, "seed": self.seed}
        content: dict[str, Any] = {name: np.frombuffer(getattr(self, name), np.uint8) for name in ("row", "shown")}
        content["tape"] = self.tape.view(np.uint8)
        if self.strategies is not None:
            content["strategies"] = np.frombuffer(pickle.dumps(self.strategies), np.uint8)
        body = b"".join(array.tobytes() for array in content.values())
        head |= {"session": self.session, "digest": hashlib.blake2b(body, digest_size=16).hexdigest()}
        sink = io.BytesIO()
        np.savez(sink, head=np.frombuffer(json.dumps(head).encode(), np.uint8), **content)
        part = Path(f"{path}.part")
        try:
            part.write_bytes(sink.getvalue())
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)

    @classmethod
    def load(cls, path: str | PathLike[str], *, trust: bool = False) -> Snapshot:
        """Read one that `save` wrote.

        Args:
            path: The file.
            trust: Whether the attributes of Python strategies, which are pickled, may be read: they can run code.

        Raises:
            SnapshotError: The file is damaged or no snapshot, or holds strategies and is not trusted.
            OSError: It cannot be read.
        """
        content = io.BytesIO(Path(path).read_bytes())
        try:
            with np.load(content) as file:
                head = json.loads(file["head"].tobytes())
                arrays = {name: file[name] for name in file.files if name != "head"}
            body = b"".join(array.tobytes() for array in arrays.values())
            whole = hashlib.blake2b(body, digest_size=16).hexdigest() == head["digest"]
        except (ValueError, KeyError, EOFError, OSError, zipfile.BadZipFile):
            raise SnapshotError(f"{path}: is no snapshot, or is damaged") from None
        if not whole or head.get("format") != SNAPSHOT_FORMAT:
            raise SnapshotError(f"{path}: is damaged, or not of the format {SNAPSHOT_FORMAT!r}")
        strategies = None
        if "strategies" in arrays:
            if not trust:
                raise SnapshotError(f"{path}: holds Python strategies, which are read with trust=True only")
            strategies = pickle.loads(arrays["strategies"].tobytes())
        tape = arrays["tape"].copy().view(RECORD)
        row, shown = (arrays[name].tobytes() for name in ("row", "shown"))
        return cls(head["scenario"], head["setup"], head["seed"], row, shown, tape, head["session"], strategies)


class TapeLog:
    """What a market has put on its tape since its session began, in pieces that are joined when somebody looks."""

    def __init__(self, records: np.ndarray | None = None) -> None:
        self._pieces: list[np.ndarray] = [] if records is None else [records]
        self._read = 0

    def append(self, records: np.ndarray) -> None:
        """Add a copy of some records."""
        if len(records):
            copy = np.zeros(len(records), RECORD)
            copy.view(np.uint8)[:] = np.ascontiguousarray(records).view(np.uint8)
            self._pieces.append(copy)

    def joined(self) -> np.ndarray:
        """(n,) RECORD, all of them."""
        if len(self._pieces) != 1:
            pieces = [piece.view(np.uint8) for piece in self._pieces]
            joined = np.concatenate(pieces).view(RECORD) if pieces else np.zeros(0, RECORD)
            self._pieces = [joined]
        return self._pieces[0]

    def new(self) -> np.ndarray:
        """(n,) RECORD, those since the last call."""
        first, self._read = self._read, sum(map(len, self._pieces))
        return self.joined()[first:]


def aligned_rows(rows: int, row_bytes: int) -> np.ndarray:
    """(rows, row_bytes) uint8 of zeros that begins at a line of the cache, as every row of whole lines then does."""
    memory = np.zeros(rows * row_bytes + LINE, np.uint8)
    first = -memory.ctypes.data % LINE
    return memory[first : first + rows * row_bytes].reshape(rows, row_bytes)


def _aligned_copy(memory: np.ndarray) -> np.ndarray:
    copy = aligned_rows(*memory.shape)
    copy[:] = memory
    return copy


class Store:
    """Rows of tables: E markets that begin as copies of a template.

    Attributes:
        template: What they begin as.
        layout: Of a row.
        widths: Numbers of everything that an external agent is shown, and of an action.
        memory: (E, row_bytes) uint8.
        shown: (E, shown_bytes) uint8.
        worlds: Their tables, each with a leading axis E: views of the rows.
        out: What they show, likewise.
        tapes: One for each market.
    """

    def __init__(self, template: Template, num_envs: int) -> None:
        self.template = template
        externals = len(template.externals)
        shapes = {name: table.shape for name, table in zip(World._fields, template.world, strict=True)}
        self.widths = widths_of(external.role for external in template.externals)
        shapes |= {
            name: (externals, self.widths[name]) if name in self.widths else (externals,) for name in OUTPUT_DTYPES
        }
        self.layout: Layout = lay_out(shapes)
        self._beginning, shown = self._lay_template()
        self.memory = aligned_rows(num_envs, self.layout.row_bytes)
        self.shown = aligned_rows(num_envs, self.layout.shown_bytes)
        self.memory[:], self.shown[:] = self._beginning, shown
        self._look()
        self.tapes = [TapeLog() for _ in range(num_envs)]
        self.identity = (scenario_hash(template.scenario), self._setup_hash())

    def _look(self) -> None:
        self.worlds, self.out = tables_of(self.memory, self.shown, self.layout)

    def _lay_template(self) -> tuple[np.ndarray, np.ndarray]:
        """A market's tables and what it shows before its first instant."""
        row, shown = np.zeros((1, self.layout.row_bytes), np.uint8), np.zeros((1, self.layout.shown_bytes), np.uint8)
        worlds, out = tables_of(row, shown, self.layout)
        for table, beginning in zip(worlds, self.template.world, strict=True):
            table[0] = beginning
        out.session[:], out.mask[:] = ENDED, 1
        return row[0], shown[0]

    def _setup_hash(self) -> str:
        told = repr((self.template.externals, sorted(self.layout.shapes.items())))
        return hashlib.blake2b(told.encode(), digest_size=8).hexdigest()

    def begin(self, rows: np.ndarray | Sequence[int]) -> None:
        """Let markets begin anew: tables of the template, an empty tape."""
        self.memory[rows] = self._beginning
        for row in rows:
            self.tapes[row] = TapeLog()

    def market(self, row: int) -> World:
        """The tables of one market: views, not copies."""
        return World(*(table[row] for table in self.worlds))

    def drain_tape(self, row: int) -> None:
        """Move what is in the tape's buffer to the tape."""
        clock = self.worlds.clock[row, 0]
        self.tapes[row].append(self.worlds.tape[row, : int(clock["tape_count"])])
        clock["tape_count"] = 0

    def snapshot(self, row: int, seed: int, session: dict[str, int] | None = None, strategies: Any = None) -> Snapshot:
        """Copy one market, of a seed."""
        self.drain_tape(row)
        scenario, setup = self.identity
        tape = self.tapes[row].joined()
        rows = (self.memory[row].tobytes(), self.shown[row].tobytes())
        return Snapshot(scenario, setup, seed, *rows, tape, session or {}, strategies)

    def restore(self, row: int, snapshot: Snapshot) -> None:
        """Put one market back to where it was; it continues bit for bit.

        Raises:
            SnapshotError: It is of another scenario, of other agents from outside, or of another way to act or be paid.
        """
        scenario, setup = self.identity
        if not isinstance(snapshot, Snapshot):
            raise SnapshotError(f"snapshot must be a Snapshot, got {type(snapshot).__name__}")
        if snapshot.scenario != scenario:
            name = self.template.scenario.name
            raise SnapshotError(f"snapshot is of another scenario than {name!r}: restore it where it was taken")
        if snapshot.setup != setup or len(snapshot.row) != self.layout.row_bytes:
            raise SnapshotError(
                "snapshot is of a market with other external agents, another way to act or to be paid, or another tape"
            )
        self.memory[row] = np.frombuffer(snapshot.row, np.uint8)
        self.shown[row] = np.frombuffer(snapshot.shown, np.uint8)
        self.tapes[row] = TapeLog(snapshot.tape)

    def copy(self) -> Store:
        """An independent copy."""
        other = object.__new__(Store)
        other.__dict__.update(self.__dict__)
        other.memory, other.shown = _aligned_copy(self.memory), _aligned_copy(self.shown)
        other._look()
        other.tapes = [TapeLog(tape.joined()) for tape in self.tapes]
        return other

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in ("worlds", "out")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.memory, self.shown = _aligned_copy(self.memory), _aligned_copy(self.shown)
        self._look()
