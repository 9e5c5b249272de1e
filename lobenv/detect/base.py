"""What a detector is: a frozen configuration, a record of fixed size, the feed it is given, and one rule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from lobenv.compiled.choices import check_record, check_rule, name_in
from lobenv.detect.alerts import FEATURES
from lobenv.settings import Frozen
from lobenv.tape.public import PUBLIC_RECORD, VENUE_RECORD, public_records, venue_records
from lobenv.tape.schema import RECORD

PARAMETERS = ("state", "event", "alert")  # of a detector's rule


class Feed(NamedTuple):
    """What detectors are given of a tape: a column that is not in its record cannot be read."""

    name: str
    record: np.dtype
    of_records: Callable[[np.ndarray], np.ndarray]  # (N,) RECORD -> (N,) of `record`

    def take(self, records: object) -> np.ndarray:
        """Records as they come on this feed.

        Args:
            records: (N,) RECORD, or (N,) of the feed's own record.

        Raises:
            ValueError: They are neither.
        """
        if isinstance(records, np.ndarray) and records.ndim == 1:
            if records.dtype == self.record:
                return np.ascontiguousarray(records, self.record)
            if records.dtype == RECORD:
                return self.of_records(records)
        wanted = f"a one-dimensional array of RECORD or {self.name}_RECORD"
        got = f"shape {records.shape}, {records.dtype}" if isinstance(records, np.ndarray) else type(records).__name__
        raise ValueError(f"records must be {wanted}, got {got}")


PUBLIC = Feed("PUBLIC", PUBLIC_RECORD, public_records)  # what everybody sees
VENUE = Feed("VENUE", VENUE_RECORD, venue_records)  # and whose orders they were, and why they went


class DetectorConfig(Frozen):
    """Settings of one detector; the default of the field `detector` is its name."""

    def write(self, state: np.ndarray) -> None:
        """Fill the detector's state before its first record, in place.

        Args:
            state: Record of the detector's state, all zeros.
        """
        raise NotImplementedError(type(self).__name__)


@dataclass(frozen=True)
class DetectorKind:
    """A detector.

    Attributes:
        config: Frozen configuration; the default of its field `detector` is the detector's name.
        state: Aligned record of all that it remembers. There is one for each book of the tape.
        feed: PUBLIC or VENUE.
        features: Names of the numbers behind an alert, FEATURES at most.
        watch: Kernel `watch(state, event, alert)` that looks at one record of the feed and says whether it raises an
            alert; then it has filled `alert`, a record of ALERT that `alerts.prepare` has laid out.
        per_book: Whether each book is watched by itself; otherwise one state sees the records of all.

    Raises:
        TypeError: One of them is not what it should be; one line.
    """

    config: type[DetectorConfig]
    state: np.dtype
    feed: Feed
    features: tuple[str, ...]
    watch: Callable[..., Any]
    per_book: bool = True

    def __post_init__(self) -> None:
        if not (isinstance(self.config, type) and issubclass(self.config, DetectorConfig)):
            raise TypeError(f"config must be a subclass of DetectorConfig, got {self.config!r}")
        name_in(self.config, "detector")
        check_record("state", self.state)
        if self.feed not in (PUBLIC, VENUE):
            raise TypeError(f"feed must be PUBLIC or VENUE, got {self.feed!r}")
        _check_features(self.features)
        check_rule("watch", self.watch, PARAMETERS)

    @property
    def name(self) -> str:
        """What it is chosen by."""
        return name_in(self.config, "detector")


def _check_features(features: object) -> None:
    names = features if isinstance(features, tuple) else (None,)
    are_names = all(isinstance(name, str) for name in names)
    if not are_names or len(set(names)) != len(names) or len(names) > FEATURES:
        raise TypeError(f"features must be a tuple of at most {FEATURES} different names, got {features!r}")
