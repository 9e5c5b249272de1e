"""Draws a market-making episode with Pillow: the ladder with own quotes in their queues, the price path, inventory, P&L."""

from __future__ import annotations

import math
from functools import cache, lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lobenv.envs.frame import (
    Frame,
    Level,
    Prices,
    bar_scale,
    dollars,
    nice_ceiling,
    number,
    read_frame,
    spread_text,
)
from lobenv.market.tables import World
from lobenv.scenario.config import Scenario

if TYPE_CHECKING:
    from PIL import Image, ImageDraw, ImageFont

Colour = tuple[int, int, int]

WIDTH, HEIGHT = 960, 540  # pixels
MARGIN = 24
FINE = 2  # charts are drawn this many times larger, then reduced, so that their lines are smooth

BACKGROUND: Colour = (15, 18, 24)
GRID: Colour = (36, 42, 52)
BAND: Colour = (44, 52, 64)  # between best bid and best ask
MUTED: Colour = (131, 141, 155)
INK: Colour = (226, 231, 238)
ALARM: Colour = (240, 98, 98)
BUY: Colour = (90, 162, 255)  # blue and orange: told apart by colour-blind readers too
SELL: Colour = (255, 158, 84)
PROFIT: Colour = (122, 206, 176)
SIDES = (BUY, SELL)
DIM = ((34, 60, 97), (98, 63, 36))  # displayed size that is not the agent's

SMALL, NORMAL, LARGE = 11, 12, 20  # font sizes

# Ladder
LEVELS = 10  # a side
ROW = 15
LADDER_TOP = 96  # of the column heads
ASKS_TOP = LADDER_TOP + 10
MIDDLE = ASKS_TOP + LEVELS * ROW + 15  # centre of the row that tells the mid
BIDS_TOP = MIDDLE + 15
PRICE_RIGHT, SHARES_RIGHT, BAR_LEFT, BAR_RIGHT, LADDER_RIGHT = 86, 142, 154, 290, 384
FILLS_TOP = BIDS_TOP + LEVELS * ROW + 22
FILLS = 4

# Charts
CHART_LEFT, CHART_RIGHT = 476, WIDTH - MARGIN
PRICE_TOP, PRICE_BOTTOM = 114, 288
INVENTORY_TOP, INVENTORY_BOTTOM = 336, 404
PROFIT_TOP, PROFIT_BOTTOM = 436, 504
WINDOW = 60.0  # s, of the price path


class Chart(NamedTuple):
    """A rectangle of the picture and the range of values it shows."""

    top: int
    bottom: int
    start: float  # s, at CHART_LEFT
    end: float  # s, at CHART_RIGHT
    low: float  # at the bottom
    high: float  # at the top
    step: float  # between horizontal lines

    def x(self, time: np.ndarray | float) -> np.ndarray | float:
        """Pixels from the left, not whole."""
        return CHART_LEFT + (time - self.start) / (self.end - self.start) * (CHART_RIGHT - CHART_LEFT)

    def y(self, value: np.ndarray | float) -> np.ndarray | float:
        """Pixels from the top, not whole."""
        return self.bottom - (value - self.low) / (self.high - self.low) * (self.bottom - self.top)

    def lines(self) -> list[float]:
        """Values with a horizontal line."""
        first, last = math.ceil(self.low / self.step - 1e-9), math.floor(self.high / self.step + 1e-9)
        return [i * self.step for i in range(first, last + 1)]
