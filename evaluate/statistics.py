"""What many episodes say about a policy: robust means, bootstrap intervals, tail risk, paired comparison on seeds.

A table of episodes has the columns policy, scenario, seed and one for each metric. Every function is a function of its
arguments alone: the bootstrap draws from a generator seeded by `seed`.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from evaluate.metrics import METRICS, metric

LEVEL = 0.95  # coverage of every interval
RESAMPLES = 1_999  # the ends of an interval then vary by about 2 % of its width from one bootstrap seed to another
TAIL = 0.05  # share of the episodes that make up the tail
KEYS = ("policy", "scenario", "seed")


class Interval(NamedTuple):
    """An estimate with the ends of its interval; all three are NaN where there is no observation."""

    estimate: float
    low: float
    high: float


NONE = Interval(math.nan, math.nan, math.nan)


def mean(values: ArrayLike, axis: int = -1) -> Any:
    """Arithmetic mean along `axis`."""
    return np.mean(np.asarray(values), axis=axis)


def iqm(values: ArrayLike, axis: int = -1) -> Any:
    """Interquartile mean along `axis`: the mean without the lowest and the highest floor(n/4) values.

    Source: Agarwal et al. 2021, "Deep Reinforcement Learning at the Edge of the Statistical Precipice", section 4.2.
    """
    return stats.trim_mean(values, 0.25, axis=axis)


def interval(
    values: ArrayLike,
    statistic: Callable[..., Any] = mean,
    *,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Bootstrap interval of a statistic of independent observations.

    Bias-corrected and accelerated (Efron 1987); the percentile interval where the correction does not exist, as it
    does not when all but a few observations are equal. Equal observations, or a single one, give an interval without
    width: nothing in them tells of spread, so read it beside the number of observations.

    Args:
        values: (n,) observations; those that are not finite are left out.
        statistic: function of (values, axis).
        level: coverage, in (0, 1).
        resamples: number of bootstrap resamples.
        seed: of the resampling.
    """
    observed = _finite(values)
    if not len(observed):
        return NONE
    estimate = float(statistic(observed))
    if np.ptp(observed) == 0:
        return Interval(estimate, estimate, estimate)
    for method in ("BCa", "percentile"):
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")  # a correction that does not exist is answered by the next method
            found = stats.bootstrap(
                (observed,),
                statistic,
                n_resamples=resamples,
                confidence_level=level,
                method=method,
                vectorized=True,
                rng=np.random.default_rng(seed),
            ).confidence_interval
        if np.isfinite(found.low) and np.isfinite(found.high):
            return Interval(estimate, float(found.low), float(found.high))
    return Interval(estimate, estimate, estimate)


def cvar(values: ArrayLike, share: float = TAIL) -> float:
    """Mean of the lowest `share` of the values, the last one weighted by the part of it that belongs to the tail.

    With n < 1/share values it is the lowest of them. NaN without values.
    Source: Rockafellar and Uryasev 2002, eq. 26 (discrete distributions), as an expected gain instead of a loss.
    """
    ordered = np.sort(_finite(values))
    if not len(ordered):
        return math.nan
    tail = share * len(ordered)
    weights = np.clip(tail - np.arange(len(ordered)), 0.0, 1.0)
    return float(ordered @ (weights / weights.sum()))


def probability_of_improvement(differences: ArrayLike, level: float = LEVEL) -> Interval:
    """Probability that a policy beats the baseline on a fresh market, from paired differences (better is positive).

    A tie counts as half a win. The interval is Wilson's (1927): unlike a bootstrap it keeps a width when a policy won
    on all of the few seeds that were run.
    """
    observed = _finite(differences)
    number = len(observed)
    if not number:
        return NONE
    share = float(np.mean((observed > 0) + 0.5 * (observed == 0)))
    z = float(stats.norm.ppf(0.5 + level / 2))
    centre = (share + z * z / (2 * number)) / (1 + z * z / number)
    half = z / (1 + z * z / number) * math.sqrt(share * (1 - share) / number + (z / (2 * number)) ** 2)
    return Interval(share, max(centre - half, 0.0), min(centre + half, 1.0))


def differences(rows: pl.DataFrame, baseline: str, name: str) -> pl.DataFrame:
    """Policy less baseline on every seed that both have finished.

    Args:
        rows: table of episodes.
        baseline: policy to compare with.
        name: metric.

    Returns:
        columns policy, scenario, seed, value, baseline_value, difference; none for the baseline itself, for a seed
        that one side lacks, or where the metric is null on one side.

    Raises:
        ValueError: no such baseline or metric, or an episode stands twice in the table.
    """
    _check(rows, baseline)
    metric(name)
    values = rows.select(*KEYS, pl.col(name).cast(pl.Float64).alias("value")).drop_nulls("value")
    reference = values.filter(pl.col("policy") == baseline).select(
        "scenario", "seed", pl.col("value").alias("baseline_value")
    )
    return (
        values.filter(pl.col("policy") != baseline)
        .join(reference, on=["scenario", "seed"], how="inner", maintain_order="left")
        .with_columns(difference=pl.col("value") - pl.col("baseline_value"))
    )


def paired(rows: pl.DataFrame, baseline: str, name: str, *, seed: int = 0) -> pl.DataFrame:
    """Paired comparison of every policy with the baseline, on the seeds that both have finished.

    Args:
        rows: table of episodes.
        baseline: policy to compare with.
        name: metric.
        seed: of the bootstrap.

    Returns:
        one row for each (scenario, policy) but the baseline's: `paired_n` shared seeds, `paired_missing` seeds that
        only one side has, `difference` with `difference_low` and `difference_high`, and `p_improve` with `p_low` and
        `p_high` (null for a metric of which neither direction is better).

    Raises:
        ValueError: as `differences`.
    """
    shared = differences(rows, baseline, name)
    table = []
    for scenario, policy in _pairs(rows):
        if policy == baseline:
            continue
        own = shared.filter((pl.col("policy") == policy) & (pl.col("scenario") == scenario))
        table.append(
            {"scenario": scenario, "policy": policy}
            | _compare(own["difference"].to_numpy(), name, seed)
            | {"paired_missing": _union(rows, scenario, policy, baseline) - len(own)}
        )
    return pl.DataFrame(table, schema=_PAIRED_SCHEMA)


_PAIRED_SCHEMA = {
    "scenario": pl.String,
    "policy": pl.String,
    "difference": pl.Float64,
    "difference_low": pl.Float64,
    "difference_high": pl.Float64,
    "p_improve": pl.Float64,
    "p_low": pl.Float64,
    "p_high": pl.Float64,
    "paired_n": pl.Int64,
    "paired_missing": pl.Int64,
}


def summarise(
    rows: pl.DataFrame, baseline: str | None = None, names: list[str] | None = None, *, seed: int = 0
) -> pl.DataFrame:
    """Every figure of every metric for each (scenario, policy), in the order in which they stand in the table.

    Args:
        rows: table of episodes.
        baseline: policy to compare with on shared seeds; without it the paired columns are null.
        names: metrics, by default all that the table has.
        seed: of the bootstrap.

    Returns:
        one row for each (scenario, policy, metric): n (episodes in which the metric exists), mean, mean_low, mean_high,
        std, iqm, iqm_low, iqm_high, cvar (mean of the worst 5 %), min, median, max, and the columns of `paired`.

    Raises:
        ValueError: as `differences`.
    """
    _check(rows, baseline)
    table = []
    names = [name for name in METRICS if name in rows.columns] if names is None else names
    for scenario, policy in _pairs(rows):
        own = rows.filter((pl.col("policy") == policy) & (pl.col("scenario") == scenario))
        for name in names:
            values = own[name].cast(pl.Float64).drop_nulls().to_numpy()
            table.append({"scenario": scenario, "policy": policy, "metric": name} | _describe(values, name, seed))
    summary = pl.DataFrame(table, infer_schema_length=None)
    if baseline is None:
        return summary.with_columns(pl.lit(None, dtype).alias(name) for name, dtype in list(_PAIRED_SCHEMA.items())[2:])
    comparison = pl.concat(
        [paired(rows, baseline, name, seed=seed).with_columns(metric=pl.lit(name)) for name in names]
    )
    return summary.join(comparison, on=["scenario", "policy", "metric"], how="left", maintain_order="left")


def _describe(values: NDArray[np.float64], name: str, seed: int) -> dict[str, Any]:
    average, robust = interval(values, mean, seed=seed), interval(values, iqm, seed=seed)
    worst = 0.0 - cvar(-values) if metric(name).better == "lower" else cvar(values)
    low, middle, high = np.quantile(values, [0.0, 0.5, 1.0]) if len(values) else NONE
    figures = {
        "mean": average.estimate,
        "mean_low": average.low,
        "mean_high": average.high,
        "std": np.std(values, ddof=1) if len(values) > 1 else 0.0 if len(values) else math.nan,
        "iqm": robust.estimate,
        "iqm_low": robust.low,
        "iqm_high": robust.high,
        "cvar": worst,
        "min": low,
        "median": middle,
        "max": high,
    }
    return {"n": len(values)} | {key: _none_if_nan(value) for key, value in figures.items()}


def _compare(difference: NDArray[np.float64], name: str, seed: int) -> dict[str, Any]:
    gap = interval(difference, mean, seed=seed)
    sign = {"higher": 1.0, "lower": -1.0, "neither": math.nan}[metric(name).better]
    chance = probability_of_improvement(sign * difference)
    keys = ("difference", "difference_low", "difference_high", "p_improve", "p_low", "p_high")
    return {key: _none_if_nan(value) for key, value in zip(keys, (*gap, *chance), strict=True)} | {
        "paired_n": len(difference)
    }


def _check(rows: pl.DataFrame, baseline: str | None) -> None:
    doubled = rows.filter(rows.select(KEYS).is_duplicated())
    if len(doubled):
        raise ValueError(f"an episode must stand once in the table, {doubled.select(KEYS).row(0)} stands twice")
    policies = rows["policy"].unique(maintain_order=True).to_list()
    if baseline is not None and baseline not in policies:
        raise ValueError(f"baseline must be one of {', '.join(policies)}, got {baseline!r}")


def _pairs(rows: pl.DataFrame) -> list[tuple[str, str]]:
    return rows.select("scenario", "policy").unique(maintain_order=True).rows()


def _union(rows: pl.DataFrame, scenario: str, policy: str, baseline: str) -> int:
    """Number of seeds that the policy or the baseline has finished."""
    either = (pl.col("scenario") == scenario) & pl.col("policy").is_in([policy, baseline])
    return rows.filter(either)["seed"].n_unique()


def _finite(values: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64).ravel()
    return array[np.isfinite(array)]


def _none_if_nan(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
