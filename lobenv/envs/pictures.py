"""What faces need for drawing: which modes there are, what was seen so far of each market, and its picture."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec
from typing import Any

import numpy as np
from gymnasium.error import DependencyNotInstalled, ResetNeeded

from lobenv.engine.batch import Batch

MODES = ("ansi", "rgb_array")
AVAILABLE = [mode for mode in MODES if mode == "ansi" or find_spec("PIL") is not None]
METADATA: dict[str, Any] = {"render_modes": AVAILABLE, "render_fps": 10}


class Pictures:
    """The pictures of E markets, each with the states of its session so far.

    Attributes:
        mode: `ansi`, `rgb_array`, or None for no pictures: then nothing is kept.

    Raises:
        ValueError: There is no such mode.
        gymnasium.error.DependencyNotInstalled: It needs Pillow, which is not installed.
    """

    def __init__(self, mode: str | None, num_envs: int) -> None:
        if mode is not None and mode not in MODES:
            raise ValueError(f"render_mode: {mode!r} is not one of {', '.join(MODES)}")
        if mode is not None and mode not in AVAILABLE:
            raise DependencyNotInstalled(f'render_mode {mode!r} needs Pillow: run pip install "lobenv[render]"')
        self.mode = mode
        self._histories: list[list[np.ndarray]] = [[] for _ in range(num_envs)]

    def begin(self, rows: Iterable[int], states: np.ndarray) -> None:
        """Forget what was seen of some markets, and remember how they stand now.

        Args:
            rows: Their indices.
            states: (E, STATE_WIDTH), of all markets.
        """
        if self.mode is not None:
            for row in rows:
                self._histories[row] = [states[row].copy()]

    def remember(self, states: np.ndarray) -> None:
        """Add how the markets stand now, (E, STATE_WIDTH)."""
        if self.mode is not None:
            for history, state in zip(self._histories, states.copy(), strict=True):
                history.append(state)

    def draw(self, batch: Batch, row: int, learner: int) -> Any:
        """One market as it stands: text for `ansi`, an (H, W, 3) uint8 image for `rgb_array`.

        Raises:
            gymnasium.error.ResetNeeded: Its first session has not begun.
        """
        if not self._histories[row]:
            raise ResetNeeded("there is nothing to render before reset()")
        from lobenv.envs.render import render_ansi, render_rgb

        draw = render_ansi if self.mode == "ansi" else render_rgb
        return draw(batch.market(row), batch.scenario, np.array(self._histories[row]), learner)
