"""The kernels and Python find every table of a market at the same place, with the same type and shape."""

from __future__ import annotations

import numpy as np
import pytest

from lobenv.engine.batch import Batch
from lobenv.engine.layout import LINE, Outputs, market, outputs
from lobenv.market.tables import World
from lobenv.scenario.loading import load

SHORT = {"session.duration_s": 5, "learners.rival.role": "maker"}


def seen(tables: World | Outputs) -> dict[str, tuple]:
    """Name of a table to its type, its shape and its first byte."""
    return {
        name: (table.dtype, table.shape, table.__array_interface__["data"][0])
        for name, table in zip(tables._fields, tables, strict=True)
        if table.size
    }


@pytest.mark.parametrize("row", [0, 2])
def test_the_tables_that_kernels_make_of_a_row_are_those_that_python_sees(row):
    store = Batch(load("two_venues", SHORT), 3, learners=("maker", "rival"), tape=True).store
    memory, shown, places = store.memory, store.shown, store.layout.places
    kernels_tables = getattr(market, "py_func", market)(memory, places, row)
    kernels_outputs = getattr(outputs, "py_func", outputs)(shown, places, row)
    assert seen(kernels_tables) == seen(store.market(row))
    assert seen(kernels_outputs) == seen(Outputs(*(table[row] for table in store.out)))


def test_rows_and_tables_begin_at_lines_of_the_cache():
    store = Batch(load("calm", SHORT), 3).store
    assert store.memory.ctypes.data % LINE == store.layout.row_bytes % LINE == 0
    assert (store.layout.places[:, 0] % LINE == 0).all()
    copy = store.copy()
    assert copy.memory.ctypes.data % LINE == 0
    assert np.array_equal(copy.memory, store.memory)
