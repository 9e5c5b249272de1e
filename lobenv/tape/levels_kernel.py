"""The compiled loop behind `lobenv.tape.levels`: sorted price levels, the best at the end, where most changes are.

A level's rank is side * price, so that the better of two levels has the higher rank on either side.
"""

import numpy as np

from lobenv.compiled import kernel

RANK = 0
QTY = 1
LARGEST_LEVEL = 2**31 - 1  # [shares]


@kernel(entry=True)
def replay(
    rank: np.ndarray,
    side: np.ndarray,
    change: np.ndarray,
    wanted: np.ndarray,
    ladder: np.ndarray,
    prices: np.ndarray,
    quantities: np.ndarray,
) -> int:
    """Apply (N,) changes [shares] at (N,) ranks; after the records `wanted` (R,) note the best L levels.

    Args:
        rank: (N,) int64 side * price [ticks].
        side: (N,) int64 +1 or -1.
        change: (N,) int64 [shares] added (> 0) or taken (< 0).
        wanted: (R,) int64 ascending record indices.
        ladder: (2, 2, C) int64 scratch for rank and quantity of bids and asks; C exceeds the number of additions.
        prices: (R, 2, L) int32 [ticks], filled in.
        quantities: (R, 2, L) int32 [shares], filled in.

    Returns:
        The first record that would leave its level with a quantity outside 0..LARGEST_LEVEL, or -1.
    """
    bids = 0
    asks = 0
    row = 0
    for k in range(len(rank)):
        if change[k] != 0:
            if side[k] > 0:
                bids = _apply(ladder[0], bids, rank[k], change[k])
            else:
                asks = _apply(ladder[1], asks, rank[k], change[k])
            if bids < 0 or asks < 0:
                return k
        while row < len(wanted) and wanted[row] == k:
            _note(ladder[0], bids, 1, prices[row, 0], quantities[row, 0])
            _note(ladder[1], asks, -1, prices[row, 1], quantities[row, 1])
            row += 1
    return -1


@kernel
def _apply(side_ladder: np.ndarray, count: int, rank: int, change: int) -> int:
    """Change one level; returns the number of levels, -1 if the level would hold less than nothing or too much."""
    at = count
    while at > 0 and side_ladder[RANK, at - 1] >= rank:
        at -= 1
    if at < count and side_ladder[RANK, at] == rank:
        side_ladder[QTY, at] += change
        if side_ladder[QTY, at] < 0 or side_ladder[QTY, at] > LARGEST_LEVEL:
            return -1
        if side_ladder[QTY, at] > 0:
            return count
        for k in range(at, count - 1):
            side_ladder[RANK, k] = side_ladder[RANK, k + 1]
            side_ladder[QTY, k] = side_ladder[QTY, k + 1]
        return count - 1
    if change < 0:
        return -1
    for k in range(count, at, -1):
        side_ladder[RANK, k] = side_ladder[RANK, k - 1]
        side_ladder[QTY, k] = side_ladder[QTY, k - 1]
    side_ladder[RANK, at] = rank
    side_ladder[QTY, at] = change
    return count + 1


@kernel
def _note(side_ladder: np.ndarray, count: int, sign: int, prices: np.ndarray, quantities: np.ndarray) -> None:
    for k in range(min(count, len(prices))):
        prices[k] = sign * side_ladder[RANK, count - 1 - k]
        quantities[k] = side_ladder[QTY, count - 1 - k]
