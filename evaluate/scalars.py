"""The comparison's figures as TensorBoard scalars, under the same `market/…` names that training logs."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl

from evaluate.metrics import METRICS


def write_scalars(rows: pl.DataFrame, folder: Path) -> int:
    """Write `market/<metric>` of every policy and scenario, one TensorBoard run for each: `<scenario>/<policy>`.

    The value at step k is the mean over the first k episodes in order of their seeds, so a curve shows how far the
    mean has settled, and its last point is the figure of the tables.

    Args:
        rows: table of episodes.
        folder: log folder; event files of an earlier call are replaced.

    Returns:
        number of scalars written.

    Raises:
        ModuleNotFoundError: TensorBoard is missing; the message says how to install it.
    """
    try:
        from tensorboard.summary import Writer
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("TensorBoard scalars need tensorboard: pip install tensorboard") from error
    for old in folder.rglob("events.out.tfevents.*"):
        old.unlink()
    written = 0
    for (scenario, policy), own in rows.sort("seed").group_by(["scenario", "policy"], maintain_order=True):
        writer = Writer(str(folder / _file_name(str(scenario)) / _file_name(str(policy))))
        for name in (name for name in METRICS if name in own.columns):
            values = own[name].cast(pl.Float64).drop_nulls()
            for step, value in enumerate(values.cum_sum() / pl.int_range(1, len(values) + 1, eager=True), start=1):
                writer.add_scalar(f"market/{name}", value, step, description=METRICS[name].meaning)
                written += 1
        writer.close()
    return written


def _file_name(name: str) -> str:
    """A policy's or scenario's name with what a file system minds replaced."""
    return re.sub(r"[^A-Za-z0-9._=,-]+", "_", name)
