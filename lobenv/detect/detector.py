"""The face of detectors: records of a tape go in, live or all at once, and alerts come out."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import ValidationError

from lobenv.detect.alerts import ALERT
from lobenv.detect.base import DetectorConfig
from lobenv.detect.detectors import available, find, kind_of
from lobenv.detect.driver import NEW_BOOK, program
from lobenv.tape.schema import Tape
from lobenv.validation import describe

BOOKS = 1 << 16  # that the tape's number of a book, an int16, can tell apart
AT_ONCE = 256  # alerts that the program writes before they are taken from it


class Detector:
    """A detector at work: it goes on from chunk to chunk of a tape, and how the tape is cut makes no difference.

    Args:
        detector: Name of a detector, or its configuration.
        **settings: Of its configuration, where a name is given.

    Raises:
        ValueError: There is no such detector, or a setting is not what it may be.
    """

    def __init__(self, detector: str | DetectorConfig, **settings: Any) -> None:
        self.config = _configured(detector, settings)
        self.kind = kind_of(self.config)
        self.reset()

    @property
    def name(self) -> str:
        """What it is chosen by."""
        return self.kind.name

    def reset(self) -> None:
        """Forget everything: the next record is the first of another tape."""
        self._states = np.zeros(0, self.kind.state)
        self._rows = np.full(BOOKS, NEW_BOOK, np.int32)
        if not self.kind.per_book:
            self._states, self._rows = self._with_state(self._states, self._rows, slice(None))
        self._last_ns: int | None = None

    def run(self, records: np.ndarray) -> np.ndarray:
        """Look at the next records of the tape, in their order.

        What was seen before counts: give it every record once. It stands as before if an exception leaves it.

        Args:
            records: (N,) RECORD, or (N,) of the detector's feed.

        Returns:
            (A,) ALERT, in order of time.

        Raises:
            ValueError: They are no such records or go back in time, or the detector gave a score outside 0 … 1.
        """
        events = self.kind.feed.take(records)
        self._check_times(events["time"])
        states, rows, alerts = self._seen(events)
        self._check_scores(alerts["score"])
        self._states, self._rows = states, rows
        if len(events):
            self._last_ns = int(events["time"][-1])
        return alerts

    def _seen(self, events: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """States and rows after the events, and the alerts."""
        run = program(self.kind)
        states, rows, place = self._states.copy(), self._rows, 0
        buffer, found = np.zeros(AT_ONCE, ALERT), []
        while place < len(events):
            place, count = run(states, rows, events, buffer, place)
            found.append(buffer[:count].copy())
            if place < len(events) and rows[events["book"][place]] == NEW_BOOK:
                states, rows = self._with_state(states, rows, int(events["book"][place]))
        return states, rows, np.concatenate(found) if found else np.zeros(0, ALERT)

    def _with_state(self, states: np.ndarray, rows: np.ndarray, books: int | slice) -> tuple[np.ndarray, np.ndarray]:
        """States with a new one, and rows with it for some books."""
        new, rows = np.zeros(1, self.kind.state), rows.copy()
        self.config.write(new[0])
        rows[books] = len(states)
        return np.concatenate([states, new]), rows

    def _check_times(self, times: np.ndarray) -> None:
        if not len(times):
            return
        before = times[0] if self._last_ns is None else self._last_ns
        earlier = np.flatnonzero(np.diff(times, prepend=before) < 0)
        if len(earlier):
            at = int(earlier[0])
            last = times[at - 1] if at else before
            raise ValueError(f"records must be in order of time, got {times[at]} ns after {last} ns at record {at}")

    def _check_scores(self, scores: np.ndarray) -> None:
        wrong = scores[~((scores >= 0.0) & (scores <= 1.0))]
        if len(wrong):
            raise ValueError(f"detector {self.name}: score of an alert must lie in 0 … 1, got {wrong[0]:g}")


def scan(tape: Tape, *detectors: str | DetectorConfig) -> np.ndarray:
    """Let detectors look at a whole tape, each from its beginning.

    Args:
        tape: The tape.
        *detectors: Names or configurations; all that there are, as they come, by default.

    Returns:
        (A,) ALERT of all of them, in order of time.

    Raises:
        ValueError: There is no such detector, or the tape goes back in time.
    """
    found = [Detector(detector).run(tape.records) for detector in detectors or available()]
    alerts = np.concatenate(found)
    return alerts[np.argsort(alerts["time"], kind="stable")]


def _configured(detector: str | DetectorConfig, settings: dict[str, Any]) -> DetectorConfig:
    if isinstance(detector, DetectorConfig):
        if settings:
            raise ValueError(f"settings must stand in the configuration that is given, got {min(settings)} beside it")
        return detector
    config = find(detector).config
    try:
        return config(**settings)
    except ValidationError as error:
        raise ValueError(describe(error, config, [(f"detector {detector}", settings)])) from None
