"""Round numbers for axes, and numbers as the text that a frame shows."""

from __future__ import annotations

import math
from decimal import Decimal


def nice_step(span: float, lines: int) -> float:
    """The least 1, 2 or 5 times a power of ten that divides a span into no more than so many parts."""
    return nice_ceiling(span / lines)


def nice_ceiling(value: float) -> float:
    """The least 1, 2 or 5 times a power of ten that is no smaller than a positive value."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= value * (1 - 1e-9))


def multiples(low: float, high: float, step: float) -> list[float]:
    """Multiples of a step from low to high."""
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [i * step for i in range(first, last + 1)]


def widened(low: float, high: float, step: float) -> tuple[float, float]:
    """The nearest multiples of a step that hold a range."""
    return math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step


def decimals_of(step: float) -> int:
    """Decimals that multiples of a step need."""
    exponent = Decimal(str(float(step))).normalize().as_tuple().exponent
    return max(-int(exponent), 0)


class Prices:
    """Prices of a scenario as text, with as many decimals as its tick needs."""

    def __init__(self, tick_size: float) -> None:
        self._tick = tick_size
        self._decimals = decimals_of(tick_size)
        self._mid_decimals = decimals_of(tick_size / 2)

    def price(self, ticks: float) -> str:
        """A price on the grid [$]."""
        return f"{ticks * self._tick:.{self._decimals}f}"

    def mid(self, ticks: float) -> str:
        """A price between two ticks [$]."""
        return f"{ticks * self._tick:.{self._mid_decimals}f}"


def number(value: float, decimals: int = 2) -> str:
    """A number with at most so many decimals, without those that say nothing, never a negative zero."""
    text = f"{value:,.{decimals}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def dollars(value: float) -> str:
    """Money with two decimals, never a negative zero."""
    text = f"{value:,.2f}"
    return "0.00" if text == "-0.00" else text
