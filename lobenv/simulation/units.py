"""Ticks and milliticks in dollars and back, each rounded once."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from lobenv.market.tables import MILLITICKS
from lobenv.settings import finite


@dataclass(frozen=True)
class Units:
    """The money of one market.

    Attributes:
        tick_size: $ a tick.
    """

    tick_size: float

    @cached_property
    def _tick(self) -> Fraction:
        """The tick size as it is written in decimal, not its binary neighbour."""
        return Fraction(str(float(self.tick_size)))

    def to_price(self, ticks: float) -> float:
        """A price in ticks (a mid may lie between two) as one in $.

        Raises:
            TypeError: That is no number.
            ValueError: That number is not finite.
        """
        return float(Fraction(finite("ticks", ticks)) * self._tick)

    def to_ticks(self, price: float) -> int:
        """The whole number of ticks nearest to a price in $.

        Raises:
            TypeError: That is no number.
            ValueError: That number is not finite.
        """
        return round(Fraction(str(finite("price", price))) / self._tick)

    def dollars(self, money: int) -> float:
        """Milliticks x shares as $."""
        return float(Fraction(int(money), MILLITICKS) * self._tick)
