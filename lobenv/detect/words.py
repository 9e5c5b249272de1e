"""Alerts as a table for people who look at them: names in place of numbers, seconds in place of nanoseconds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lobenv.detect.alerts import NO_AGENT
from lobenv.detect.detectors import available, number_of
from lobenv.settings import SECOND
from lobenv.tape.words import WORDS

if TYPE_CHECKING:
    import polars as pl


def in_words(alerts: np.ndarray) -> pl.DataFrame:
    """One row an alert: (A,) ALERT with the detector's name, times [s], features by name, and null where nobody is."""
    import polars as pl

    features = {number_of(name): kind.features for name, kind in available().items()}
    names = {number_of(name): name for name in available()}
    columns = {
        "detector": pl.Series([names.get(int(number)) for number in alerts["detector"]], dtype=pl.String),
        "time_s": alerts["time"] / SECOND,
        "start_s": alerts["start"] / SECOND,
        "book": alerts["book"],
        "side": pl.Series([WORDS["side"].get(int(side)) for side in alerts["side"]], dtype=pl.String),
        "agent": pl.Series([None if agent == NO_AGENT else int(agent) for agent in alerts["agent"]], dtype=pl.Int32),
        "score": alerts["score"],
        "orders": pl.Series([[int(k) for k in orders if k] for orders in alerts["orders"]], dtype=pl.List(pl.Int64)),
        "features": pl.Series([_told(alert, features) for alert in alerts], dtype=pl.String),
    }
    return pl.DataFrame(columns)


def _told(alert: np.ndarray, features: dict[int, tuple[str, ...]]) -> str:
    """What is behind an alert, in one line."""
    names = features.get(int(alert["detector"]), ())
    return ", ".join(f"{name} {value:.4g}" for name, value in zip(names, alert["features"], strict=False))
