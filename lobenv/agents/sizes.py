"""Draws order sizes: round lots for the most part, and odd lots."""

from __future__ import annotations

import math

from lobenv.compiled import kernel
from lobenv.market import streams
from lobenv.market.tables import World

ODD_LOT_SHARE = 0.2
ODD_LOT_LOG_MEAN, ODD_LOT_LOG_DEVIATION = 2.9, 1.2
ROUND_LOT = 100
# Cumulative shares of 100, 200, 400 and 300 shares; the rest is spread over 500 … 1,000 (ABIDES' order size model).
UP_TO_100, UP_TO_200, UP_TO_400, UP_TO_300 = 0.9, 0.96, 0.9929, 0.9969
LARGE_LOTS = 6


@kernel
def draw_size(world: World, stream):
    """An order size [shares]: lognormal odd lots with probability 0.2, else round lots, 100 for the most part."""
    u = streams.uniform(world.streams, stream)
    if u < ODD_LOT_SHARE:
        odd = math.exp(ODD_LOT_LOG_MEAN + ODD_LOT_LOG_DEVIATION * streams.normal(world.streams, stream))
        return min(max(int(odd), 1), 10 * ROUND_LOT)
    if u < UP_TO_100:
        return ROUND_LOT
    if u < UP_TO_200:
        return 2 * ROUND_LOT
    if u < UP_TO_400:
        return 4 * ROUND_LOT
    if u < UP_TO_300:
        return 3 * ROUND_LOT
    return ROUND_LOT * (5 + streams.integer(world.streams, stream, LARGE_LOTS))


@kernel
def draw_odd_lot(world: World, stream, mean):
    """A geometric number of shares with the given mean, at least 1."""
    return 1 + streams.geometric(world.streams, stream, 1.0 / mean)


@kernel
def draw_side(world: World, stream):
    """+1 or -1 with equal probability."""
    return 1 if streams.uniform(world.streams, stream) < 0.5 else -1
