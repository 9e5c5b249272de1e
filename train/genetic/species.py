"""What the evolution needs to know of a kind of genome, and the numbers that all kinds draw.

DEAP draws from Python's global generator. `Draws` lends it a stream of the run's own, so that a run depends on its seed
alone and goes on exactly where it stopped. Everything here that draws does so from the global generator.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any, Protocol, Self

from policies.expression import Formula
from policies.rule import Rule

SIGNIFICANT_DIGITS = 3  # of every constant: what a person reads is then exactly what runs

Player = Rule | tuple[Formula, Formula]  # what acts for a genome: a rule, or formulas for bid and ask


class Species(Protocol):
    """A kind of genome."""

    @property
    def objectives(self) -> tuple[str, ...]:
        """Names of what its fitness consists of, in order."""
        ...

    def initial(self, count: int) -> list[Any]:
        """The first population."""
        ...

    def children(self, mother: Any, father: Any) -> Sequence[Any]:
        """Two new individuals made of parts of both, or two copies."""
        ...

    def mutant(self, parent: Any) -> Any:
        """A new individual with something changed."""
        ...

    def to_json(self, individual: Any) -> Any:
        """The genome as plain data; equal genomes give equal data."""
        ...

    def from_json(self, genome: Any) -> Any:
        """The individual with a genome that `to_json` gave."""
        ...

    def player(self, individual: Any) -> Player:
        """What acts for it."""
        ...

    def size(self, individual: Any) -> int:
        """How large it is, in nodes or parameters."""
        ...


class Draws:
    """A stream of random numbers that takes the place of the global one within a ``with`` block.

    Attributes:
        state: Where the stream stands, JSON-able.
    """

    def __init__(self, state: Any) -> None:
        """Go on with a stream.

        Args:
            state: As an earlier `state`.
        """
        self.state = state
        self._outer: Any = None

    @classmethod
    def seeded(cls, seed: int) -> Draws:
        """A fresh stream."""
        return cls(_plain(random.Random(seed).getstate()))

    def __enter__(self) -> Self:
        self._outer = random.getstate()
        version, words, gauss = self.state
        random.setstate((version, tuple(words), gauss))
        return self

    def __exit__(self, *_error: object) -> None:
        self.state = _plain(random.getstate())
        random.setstate(self._outer)


def _plain(state: Any) -> list[Any]:
    version, words, gauss = state
    return [version, list(words), gauss]


def rounded(value: float) -> float:
    """The number with `SIGNIFICANT_DIGITS`."""
    return float(f"{value:.{SIGNIFICANT_DIGITS}g}")
