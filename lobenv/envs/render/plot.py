"""One chart of a picture: scales, and smooth step lines, areas and marks drawn with Pillow."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

Colour = tuple[int, int, int]
V = TypeVar("V", float, np.ndarray)

FINE = 2  # a chart is drawn this many times larger, then reduced, so that its lines are smooth
PAD = 6  # pixels around the chart that marks may reach into
ARROW = 5.5  # half the width of an arrow [pixels]


@dataclass
class Plot:
    """A chart of values over time.

    Attributes:
        box: Left, top, right and bottom of its axes in the picture [pixels].
        times: First and last time [s].
        values: At the bottom and at the top.
        background: Colour that it is drawn on.
    """

    box: tuple[int, int, int, int]
    times: tuple[float, float]
    values: tuple[float, float]
    background: Colour
    _canvas: Image.Image = field(init=False)
    _draw: ImageDraw.ImageDraw = field(init=False)

    def __post_init__(self) -> None:
        from PIL import Image, ImageDraw

        left, top, right, bottom = self.box
        size = ((right - left + 2 * PAD) * FINE, (bottom - top + 2 * PAD) * FINE)
        self._canvas = Image.new("RGB", size, self.background)
        self._draw = ImageDraw.Draw(self._canvas)

    def row(self, value: float) -> int:
        """Pixels from the top of the picture to a value."""
        return round(self.box[1] + self._point(self.times[0], value)[1] / FINE - PAD)

    def _x(self, time: V) -> V:
        share = (time - self.times[0]) / (self.times[1] - self.times[0])
        return (PAD + share * (self.box[2] - self.box[0])) * FINE

    def _y(self, value: V) -> V:
        share = (self.values[1] - value) / (self.values[1] - self.values[0])
        return (PAD + share * (self.box[3] - self.box[1])) * FINE

    def _point(self, time: float, value: float) -> tuple[float, float]:
        return self._x(time), self._y(value)

    def horizontal(self, value: float, colour: Colour) -> None:
        """Draw a line across the chart."""
        (left, y), (right, _) = (self._point(time, value) for time in self.times)
        self._draw.line((left, y, right, y), fill=colour, width=FINE)

    def steps(self, times: np.ndarray, values: np.ndarray, colour: Colour, width: int) -> None:
        """Draw values that hold until the next one, with gaps where they are NaN.

        Args:
            times: (T,) float64 [s].
            values: (T,) float64.
            colour: Of the line.
            width: In fine pixels.
        """
        for first, last in _runs(np.isfinite(values)):
            corners = _corners(self._x(_until(times, first, last)), self._y(values[first:last]))
            self._draw.line(corners.ravel().tolist(), fill=colour, width=width)

    def area(self, times: np.ndarray, low: np.ndarray, high: np.ndarray, colour: Colour) -> None:
        """Fill between two values that hold until the next ones, with gaps where either is NaN.

        Args:
            times: (T,) float64 [s].
            low: (T,) float64.
            high: (T,) float64.
            colour: Of the area.
        """
        for first, last in _runs(np.isfinite(low + high)):
            x = self._x(_until(times, first, last))
            there, back = (_corners(x, self._y(edge[first:last])) for edge in (high, low))
            self._draw.polygon(np.concatenate((there, back[::-1])).ravel().tolist(), fill=colour)

    def dot(self, time: float, value: float, colour: Colour) -> None:
        """Mark a point; nothing where the value is NaN."""
        if math.isfinite(value):
            (x, y), radius = self._point(time, value), 3 * FINE
            self._draw.ellipse((x - radius, y - radius, x + radius, y + radius), colour, self.background, FINE)

    def arrow(self, time: float, value: float, up: bool, colour: Colour) -> None:
        """Mark a point with an arrowhead whose tip is the point."""
        x, y = self._point(time, value)
        self._draw.polygon(arrowhead(x, y, up, ARROW * FINE), fill=colour, outline=self.background, width=FINE)

    def paste_on(self, picture: Image.Image) -> None:
        """Put the chart in its place."""
        picture.paste(self._canvas.reduce(FINE), (self.box[0] - PAD, self.box[1] - PAD))


def arrowhead(x: float, y: float, up: bool, size: float) -> list[tuple[float, float]]:
    """Corners of an arrowhead with its tip at a point."""
    base = y + 1.8 * size if up else y - 1.8 * size
    return [(x, y), (x - size, base), (x + size, base)]


def _runs(there: np.ndarray) -> list[tuple[int, int]]:
    """First and one past the last index of each run of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], there, [False]))))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _until(times: np.ndarray, first: int, last: int) -> np.ndarray:
    """When each of some values begins, and when the last one ends: with the next time, or now."""
    return np.append(times[first:last], times[min(last, len(times) - 1)])


def _corners(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Corners of a step line, (2T, 2) float64; x is (T + 1,), y is (T,)."""
    return np.column_stack((np.repeat(x, 2)[1:-1], np.repeat(y, 2)))
