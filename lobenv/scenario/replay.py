"""Recorded order flow as the background of a market: each seed draws its own window of a recorded day.

A LOBSTER day is read, completed and rescaled once a process. A window of it begins with additions, at the session's
first instant, that build the book of the day as it stood; the day's own messages follow at their times. What replay
shows is whether quotes would have been reached, in the queue and in time; it cannot show how the others would react.
"""

from __future__ import annotations

import hashlib
import warnings
from functools import lru_cache
from pathlib import Path

import numpy as np

from lobenv.market.tables import NEVER, NONE, RECORDED, World
from lobenv.scenario.config import Scenario
from lobenv.scenario.problems import ScenarioError
from lobenv.tape.lobster import read_lobster
from lobenv.tape.lobster_day import LobsterName
from lobenv.tape.reconstruct import Reconstruction, reconstruct
from lobenv.tape.schema import ADD, EXECUTE_HIDDEN, TapeError

NANOSECONDS = 1e9
ADVICE = (
    "LOBSTER (lobsterdata.com) offers sample files: unpack the message and orderbook file of a day into a folder and "
    "name it by --data DIR (replay.data)"
)
FILES_KEPT = 4
AS_BYTES = np.dtype((np.void, RECORDED.itemsize))  # copying rows whole is seventy times faster than field by field


class RecordedDay:
    """A day's complete flow, laid out so that a window of it is found in well under a millisecond.

    Attributes:
        rows: (M,) RECORDED, times on the day's clock [ns]; a REDUCE or DELETE refers to the row that added its order.
        end: (M,) first row after which the order of an ADD rests no more; M if it rests to the end, -1 for other rows.
        live: (M + 1,) orders that rest before each row, and at the end.
        first_ns: When the day's book is first known [ns].
        last_ns: Time of the last message [ns].
        dropped: Halts and crosses, which are left out.
    """

    def __init__(self, day: Reconstruction) -> None:
        records = day.tape.records
        kept = records["kind"] <= EXECUTE_HIDDEN
        place = np.cumsum(kept) - 1
        adds = np.where(day.acts_on >= 0, place[day.acts_on], NONE)[kept]
        records = records[kept]
        self.dropped = int(np.count_nonzero(~kept))
        self.rows = np.zeros(len(records), RECORDED)
        for name in ("time", "price", "qty", "kind", "side"):
            self.rows[name] = records[name]
        self.first_ns, self.last_ns = int(records["time"][0]), int(records["time"][-1])
        self._follow_orders(adds)
        self.rows["reference"] = np.where(self.rows["kind"] == ADD, NONE, adds)

    def _follow_orders(self, adds: np.ndarray) -> None:
        """What is left of each row's order after it, in order of ADD and row, and where each order ends."""
        size = len(self.rows)
        concerned = np.flatnonzero(adds >= 0)
        by_order = concerned[np.argsort(adds[concerned], kind="stable")]
        change = np.where(self.rows["kind"] == ADD, 1, -1) * self.rows["qty"].astype(np.int64)
        total = np.cumsum(change[by_order])
        is_add = self.rows["kind"][by_order] == ADD
        before = np.repeat(total[is_add] - change[by_order[is_add]], np.diff(np.flatnonzero([*is_add, True])))
        self._left = total - before
        self.rows["left"][by_order] = self._left
        self._keys = adds[by_order].astype(np.int64) * size + by_order
        self.end = np.where(self.rows["kind"] == ADD, size, NONE).astype(np.int32)
        gone = self._left == 0
        self.end[adds[by_order[gone]]] = by_order[gone]
        steps = np.zeros(size + 1, np.int64)
        steps[1:] = self.rows["kind"] == ADD
        np.subtract.at(steps, by_order[gone] + 1, 1)
        self.live = np.cumsum(steps)

    def resting(self, row: int) -> tuple[np.ndarray, np.ndarray]:
        """Orders that rest before a row.

        Returns:
            (n,) rows of their ADDs, in the order of their queues, and (n,) shares left of each.
        """
        adds = np.flatnonzero(self.end[:row] >= row)
        last = np.searchsorted(self._keys, adds * len(self.rows) + row) - 1
        return adds, self._left[last]


class Recording:
    """The recorded flow of a scenario, window by window.

    Attributes:
        day: The whole day.
        most_rows: Rows of the longest window there is; `prepare` always returns as many.
        most_live: Most recorded orders that rest at once.
    """

    def __init__(self, scenario: Scenario) -> None:
        """Read the day that `scenario.replay` names, or take it from memory.

        Raises:
            ScenarioError: No data are named or found, a file is damaged, or the day and the scenario do not fit.
        """
        if scenario.replay is None:
            raise ScenarioError(f"replay: scenario {scenario.name} has none; {ADVICE}")
        self.day = _read_day(*message_file(scenario), scenario.tick_size, scenario.replay.lenient)
        self._open_ns = round(scenario.session.open_s * NANOSECONDS)
        self._length_ns = scenario.close_ns - self._open_ns
        self._slack_ns = self.day.last_ns - self.day.first_ns - self._length_ns
        if self._slack_ns < 0:
            recorded_s = (self.day.last_ns - self.day.first_ns) / NANOSECONDS
            raise ScenarioError(
                f"session.duration_s: warm-up and duration together must be at most the {recorded_s:.0f} s recorded, "
                f"got {self._length_ns / NANOSECONDS:g}"
            )
        times = self.day.rows["time"]
        ends = np.searchsorted(times, times + self._length_ns, side="right")
        self.most_rows = int((ends - np.arange(len(times)) + self.day.live[:-1]).max())
        self.most_live = int(self.day.live.max())
        if scenario.capacity.orders < self.most_live:
            raise ScenarioError(
                f"capacity.orders: must be more than the {self.most_live} recorded orders that rest at once, "
                f"got {scenario.capacity.orders}"
            )

    def window_start_ns(self, seed: int) -> int:
        """Where in the day the window of a seed begins, uniform over all starts that leave room for a session [ns]."""
        digest = hashlib.blake2b(str(int(seed)).encode(), digest_size=8, person=b"replay").digest()
        return self.day.first_ns + (int.from_bytes(digest, "little") * (self._slack_ns + 1) >> 64)

    def prepare(self, seed: int) -> tuple[np.ndarray, int]:
        """The window of a seed.

        Args:
            seed: Of the market.

        Returns:
            (most_rows,) RECORDED: additions that build the book, then the recorded messages, then rows that never come;
            and the mid of the book at the window's start [ticks].
        """
        day, start = self.day, self.window_start_ns(seed)
        first, last = np.searchsorted(day.rows["time"], (start, start + self._length_ns))
        adds, left = day.resting(first)
        opening, count = len(adds), len(adds) + last - first
        rows = np.zeros(self.most_rows, RECORDED)
        rows.view(AS_BYTES)[:opening] = day.rows.view(AS_BYTES)[adds]
        rows["qty"][:opening] = left
        rows["time"][:opening] = self._open_ns
        rows.view(AS_BYTES)[opening:count] = day.rows.view(AS_BYTES)[first:last]
        rows["time"][opening:count] += self._open_ns - start
        rows["time"][count:] = NEVER
        rows["reference"][:opening] = rows["reference"][count:] = NONE
        _renumber(rows["reference"][opening:count], adds, first)
        return rows, _mid(rows[:opening])

    def place(self, world: World, seed: int) -> None:
        """Put the window of a seed into a market built from the template and not yet started, in place.

        The market must have been built with a recording of `most_rows` rows.
        """
        rows, mid = self.prepare(seed)
        world.recording.view(AS_BYTES)[:] = rows.view(AS_BYTES)
        width = world.levels.shape[1]
        base = max(mid - width // 2, 1)
        world.books["base"] = base
        world.books["best"] = world.books["shown"] = (base - 1, base + width)
        world.books["last_price"] = mid
        world.fundamentals["value"] = world.fundamentals["mean"] = mid


def _renumber(reference: np.ndarray, adds: np.ndarray, first: int) -> None:
    """Turn rows of the day into rows of the window, in place.

    Args:
        reference: (n,) rows of the day, NONE where there is none.
        adds: (m,) rows of the day that the window begins with.
        first: Row of the day that follows them.
    """
    earlier = np.flatnonzero((reference >= 0) & (reference < first))
    places = np.searchsorted(adds, reference[earlier])
    reference[reference >= first] += len(adds) - first
    reference[earlier] = places


def _mid(opening: np.ndarray) -> int:
    """Mid of the book that additions build [ticks]."""
    bids = opening["side"] > 0
    return (int(opening["price"][bids].max()) + int(opening["price"][~bids].min())) // 2


def message_file(scenario: Scenario) -> tuple[Path, Path]:
    """Message and orderbook file of the day that a scenario replays, with the most levels there are.

    Raises:
        ScenarioError: There are none, or several symbols to choose from.
    """
    assert scenario.replay is not None
    place, symbol = Path(scenario.replay.data), scenario.replay.symbol
    if not scenario.replay.data:
        raise ScenarioError(f"replay.data: no recorded day is named; {ADVICE}")
    if not place.exists():
        raise ScenarioError(f"replay.data: {place} does not exist; {ADVICE}")
    pairs = _pairs(place)
    symbols = sorted({name.symbol for name in pairs})
    if not pairs:
        raise ScenarioError(f"replay.data: {place} holds no pair of message and orderbook file; {ADVICE}")
    if symbol and symbol not in symbols:
        raise ScenarioError(f"replay.symbol: {symbol!r} is not in {place}, there are {', '.join(symbols)}")
    if not symbol and len(symbols) > 1:
        raise ScenarioError(f"replay.symbol: must be one of {', '.join(symbols)}, which are in {place}")
    wanted = [name for name in pairs if name.symbol == (symbol or symbols[0])]
    return pairs[max(wanted, key=lambda name: (name.levels, name.date, -name.start_ms))]


def _pairs(place: Path) -> dict[LobsterName, tuple[Path, Path]]:
    """Message files that have an orderbook file beside them, by what their names say."""
    pairs = {}
    for messages in sorted(place.glob("*_message_*")) if place.is_dir() else [place]:
        name = LobsterName.parse(messages)
        book = messages.with_name(messages.name.replace("_message_", "_orderbook_"))
        if name is not None and book != messages and book.is_file():
            pairs[name] = (messages, book)
    return pairs


def _read_day(messages: Path, book: Path, tick_size: float, lenient: bool) -> RecordedDay:
    changed_ns = (messages.stat().st_mtime_ns, book.stat().st_mtime_ns)
    return _read_day_once(messages, book, tick_size, lenient, changed_ns)


@lru_cache(maxsize=FILES_KEPT)
def _read_day_once(
    messages: Path,
    book: Path,
    tick_size: float,
    lenient: bool,
    changed_ns: tuple[int, int],  # noqa: ARG001 (a file that has changed since is read anew)
) -> RecordedDay:
    try:
        day = read_lobster(messages, book, lenient=lenient)
        if day.skipped:
            skipped = ", ".join(f"{count} ({reason})" for reason, count in day.skipped.items())
            warnings.warn(f"{messages.name}: rows skipped: {skipped}", stacklevel=2)
        return RecordedDay(reconstruct(day.rescale(tick_size)))
    except TapeError as error:
        raise ScenarioError(f"replay.data: {error}") from None
