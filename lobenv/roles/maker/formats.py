"""The forms a market maker's observation comes in: each holds its space and the way to it together."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from gymnasium import spaces

from lobenv.roles.maker.observation import FIELDS, HIGH, LOW


class Format(Protocol):
    """One form of the observation."""

    def space(self) -> spaces.Space[Any]:
        """A new space of one observation."""
        ...

    def decode(self, observation: np.ndarray) -> Any:
        """Turn (…, F) observations into that form: a copy, never the core's buffer."""
        ...


class Flat:
    """All columns in one array."""

    def space(self) -> spaces.Space[Any]:
        """A Box of all columns."""
        return spaces.Box(LOW, HIGH, dtype=np.float32)

    def decode(self, observation: np.ndarray) -> np.ndarray:
        """A copy, (…, F) float32."""
        return observation.copy()


class Columns:
    """Every column by its name."""

    def space(self) -> spaces.Space[Any]:
        """A Dict of a Box for each column."""
        return spaces.Dict({field.name: spaces.Box(field.low, field.high, (1,), np.float32) for field in FIELDS})

    def decode(self, observation: np.ndarray) -> dict[str, np.ndarray]:
        """Copies of the columns, (…, 1) float32 each."""
        return {field.name: observation[..., i : i + 1].copy() for i, field in enumerate(FIELDS)}


FORMATS: dict[str, Format] = {"flat": Flat(), "dict": Columns()}
