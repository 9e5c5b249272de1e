"""A way to act: it holds its number, its space, its check and the size of its mask together."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces


@dataclass(frozen=True)
class Mode:
    """One way to act.

    Attributes:
        number: What the compiled market knows it by.
        shape: Of one action.
        sizes: How many choices each part of an action has; empty where an action is not a choice.
    """

    number: int
    shape: tuple[int, ...]
    sizes: tuple[int, ...] = ()

    @property
    def width(self) -> int:
        """Numbers in one action."""
        return math.prod(self.shape)

    @property
    def mask_size(self) -> int:
        """Entries of the mask, which says choice by choice what makes sense now; 0 for no mask."""
        return sum(self.sizes)

    def space(self) -> spaces.Space[Any]:
        """A new space of one action."""
        if not self.sizes:
            return spaces.Box(-1.0, 1.0, self.shape, np.float32)
        return spaces.MultiDiscrete(list(self.sizes)) if self.shape else spaces.Discrete(self.sizes[0])

    def encode(self, action: Any, num_envs: int) -> np.ndarray:
        """Turn the actions of one agent in every market into the core's array.

        Args:
            action: (E, …) of the space; one action of the space will do for one market.
            num_envs: E.

        Returns:
            (E, 1, n) float64.

        Raises:
            ValueError: Not of that shape, not finite, or not one of the choices. What lies beyond an end of a
                continuous range is taken for that end.
        """
        try:
            array = np.asarray(action, np.float64)
        except (TypeError, ValueError):
            raise ValueError(f"action must be numbers of shape {(num_envs, *self.shape)}, got {action!r}") from None
        is_alone = num_envs == 1 and array.shape == self.shape
        if not is_alone and array.shape != (num_envs, *self.shape):
            raise ValueError(f"action must have shape {(num_envs, *self.shape)}, got {array.shape}")
        array = array.reshape(num_envs, 1, -1)
        if self.sizes:
            self._check_choices(array)
        elif np.count_nonzero(np.isfinite(array)) < array.size:  # a third of the price of `all`
            raise ValueError(f"action must be finite, got {array[~np.isfinite(array)][0]}")
        return array

    def _check_choices(self, array: np.ndarray) -> None:
        allowed = ((array >= 0) & (array < self.sizes) & (array == np.floor(array))).all(axis=2)
        if not allowed.all():
            sizes = list(self.sizes) if self.shape else self.sizes[0]
            raise ValueError(f"action must be whole and below {sizes}, got {array[~allowed][0].tolist()}")
