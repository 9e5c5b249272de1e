"""What was measured of a policy, in the form that its sidecar keeps."""

from __future__ import annotations

import polars as pl

from evaluate.metrics import METRICS
from evaluate.statistics import interval
from policies.sidecar import Interval


def intervals(metrics: pl.DataFrame) -> dict[str, Interval]:
    """Mean of every metric over the episodes that have it, with its 95 % interval."""
    found = {}
    for name in METRICS:
        values = metrics[name].drop_nulls().to_numpy()
        if len(values):
            mean, low, high = interval(values)
            found[name] = Interval(mean=mean, low=low, high=high, episodes=len(values))
    return found
