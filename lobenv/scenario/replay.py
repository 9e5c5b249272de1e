"""Recorded order flow as the background of a market: each seed draws its own window of a recorded day.

A LOBSTER day is read, completed and rescaled once a process. A window of it begins with additions, at the session's
first instant, that build the book of the day as it stood; the day's own messages follow at their times. What replay
shows is whether quotes would have been reached, in the queue and in time; it cannot show how the others would react.
"""

from __future__ import annotations

import hashlib
import sys
import warnings
from collections.abc import Iterator
from functools import cache, lru_cache
from pathlib import Path

import numpy as np

from lobenv.market.tables import NEVER, NONE, RECORDING_ROW, World
from lobenv.scenario.config import Replay, Scenario
from lobenv.scenario.problems import ScenarioError
from lobenv.scenario.recorded_files import ADVICE, RecordedFiles, recorded_files
from lobenv.settings import SECOND
from lobenv.tape.lobster import read_lobster
from lobenv.tape.lobster_day import LobsterName, RowFault
from lobenv.tape.reconstruct import Reconstruction, reconstruct
from lobenv.tape.schema import ADD, CROSS, EXECUTE_HIDDEN, HALT, TapeError

FILES_KEPT = 4
AS_BYTES = np.dtype((np.void, RECORDING_ROW.itemsize))  # copying rows whole is seventy times faster than field by field


class RecordedDay:
    """A day's complete flow, laid out so that a window of it is found in well under a millisecond.

    Attributes:
        rows: (M,) RECORDING_ROW, times on the day's clock [ns]; a REDUCE or DELETE refers to the row that added its
            order.
        end: (M,) first row after which the order of an ADD rests no more; M if it rests to the end, -1 for other rows.
        live: (M + 1,) orders that rest before each row, and at the end.
        first_ns: When the day's book is first known [ns].
        last_ns: Time of the last message [ns].
        halts: Recorded halts, which are left out.
        crosses: Recorded crosses, which are left out.
        faults: Rows of the files that were left out, or kept although they contradict others.
    """

    def __init__(self, day: Reconstruction, faults: tuple[RowFault, ...] = ()) -> None:
        """Lay out a day.

        Raises:
            TapeError: It holds no message about an order.
        """
        records = day.tape.records
        kept = records["kind"] <= EXECUTE_HIDDEN
        place = np.cumsum(kept) - 1
        adds = np.where(day.acts_on >= 0, place[day.acts_on], NONE)[kept]
        records = records[kept]
        self.halts, self.crosses = (int(np.count_nonzero(day.tape.records["kind"] == kind)) for kind in (HALT, CROSS))
        self.faults = faults
        if not len(records):
            raise TapeError(f"the recorded day of {day.tape.symbol} holds no message about an order")
        self.rows = np.zeros(len(records), RECORDING_ROW)
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

    def limits(self, levels: int) -> Iterator[str]:
        """What its replay cannot show, a line each.

        Args:
            levels: Of the orderbook file.
        """
        left_out = [
            f"{count} recorded {one if count == 1 else many}"
            for count, one, many in ((self.halts, "halt", "halts"), (self.crosses, "cross", "crosses"))
            if count
        ]
        if left_out:
            yield f"replay leaves out {' and '.join(left_out)}: trading goes on, and no auction is held"
        if levels == 1:
            yield (
                "a file of one level shows the best price of each side alone: orders behind it are not known, so a "
                "quote there waits behind nobody and is filled sooner than it would have been"
            )

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
        self.day = _read_day(scenario, scenario.replay)
        self._open_ns = round(scenario.session.open_s * SECOND)
        self._length_ns = scenario.close_ns - self._open_ns
        self._slack_ns = self.day.last_ns - self.day.first_ns - self._length_ns
        if self._slack_ns < 0:
            recorded_s = (self.day.last_ns - self.day.first_ns) / SECOND
            raise ScenarioError(
                f"session.duration_s: warm-up and duration together must be at most the {recorded_s:.0f} s recorded, "
                f"got {self._length_ns / SECOND:g}"
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
            (most_rows,) RECORDING_ROW: additions that build the book, then the recorded messages, then rows that never
            come; and the mid of the book at the window's start, or the nearest to it that is known [ticks].
        """
        day, start = self.day, self.window_start_ns(seed)
        first, last = np.searchsorted(day.rows["time"], (start, start + self._length_ns))
        adds, left = day.resting(first)
        opening, count = len(adds), len(adds) + last - first
        rows = np.zeros(self.most_rows, RECORDING_ROW)
        rows.view(AS_BYTES)[:opening] = day.rows.view(AS_BYTES)[adds]
        rows["qty"][:opening] = left
        rows["time"][:opening] = self._open_ns
        rows.view(AS_BYTES)[opening:count] = day.rows.view(AS_BYTES)[first:last]
        rows["time"][opening:count] += self._open_ns - start
        rows["time"][count:] = NEVER
        rows["reference"][:opening] = rows["reference"][count:] = NONE
        _renumber(rows["reference"][opening:count], adds, first)
        return rows, _mid(rows[:opening], int(day.rows["price"][max(first - 1, 0)]))

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


def _mid(opening: np.ndarray, last_price: int) -> int:
    """Mid of the book that additions build; of one side its best price, of an empty book the last price [ticks]."""
    bids, asks = (opening["price"][opening["side"] == side] for side in (1, -1))
    best = [int(bids.max())] if len(bids) else []
    best += [int(asks.min())] if len(asks) else []
    return sum(best) // len(best) if best else last_price


def _read_day(scenario: Scenario, replay: Replay) -> RecordedDay:
    files = recorded_files(scenario)
    states = tuple((path.stat().st_mtime_ns, path.stat().st_size) for path in files)
    symbol = replay.symbol or (None if LobsterName.parse(files.messages) else files.messages.name)
    try:
        return _read_day_once(files, scenario.tick_size, replay.lenient, symbol, states)
    except TapeError as error:
        raise ScenarioError(f"replay.{'messages' if replay.messages else 'data'}: {error}") from None


@lru_cache(maxsize=FILES_KEPT)
def _read_day_once(
    files: RecordedFiles,
    tick_size: float,
    lenient: bool,
    symbol: str | None,
    states: tuple[tuple[int, int], ...],  # noqa: ARG001 (a file that has changed since is read anew)
) -> RecordedDay:
    day = read_lobster(*files, lenient=lenient, symbol=symbol)
    recorded = RecordedDay(reconstruct(day.rescale(tick_size)), (*day.refused, *day.contradicting))
    _tell_damage(files.messages, day.refused, day.contradicting)
    for limit in recorded.limits(day.levels):
        _tell_once(f"lobenv: {files.messages.name}: {limit}")
    return recorded


def _tell_damage(messages: Path, refused: tuple[RowFault, ...], contradicting: tuple[RowFault, ...]) -> None:
    """Warn of the rows that were left out or doubted, the first few with line and reason."""
    for what, faults in (("skipped", refused), ("kept that contradict others", contradicting)):
        if faults:
            shown = [f"{Path(fault.path).name}:{fault.line}: {fault.reason}: {fault.detail}" for fault in faults[:3]]
            more = f"; and {len(faults) - 3} more" if len(faults) > 3 else ""
            warnings.warn(f"{messages.name}: rows {what}: {len(faults)} ({'; '.join(shown)}{more})", stacklevel=2)


@cache
def _tell_once(line: str) -> None:
    """Print a line on stderr, the first time that it is to be said."""
    print(line, file=sys.stderr, flush=True)
