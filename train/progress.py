"""Shows how far a training has come: a bar where somebody watches, a plain line now and then where nobody does."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

BAR_PERIOD_S = 0.1
LINE_PERIOD_S = 10.0


class TrainingProgress:
    """Counts steps and tells standard error how many a second there are and what time is left.

    Attributes:
        note: What the last evaluation said; stands beside the figures.
    """

    def __init__(self, total: int, done: int = 0, unit: str = "steps", console: Console | None = None) -> None:
        """Begin to count.

        Args:
            total: How many there are to do.
            done: How many of them an earlier process has done.
            unit: What is counted.
            console: Where to show; standard error by default. One that is no terminal gets plain lines.
        """
        self.note = ""
        self._console = console or Console(stderr=True)
        self._period = BAR_PERIOD_S if self._console.is_terminal else LINE_PERIOD_S
        self._total, self._first, self._done, self._unit = total, done, done, unit
        self._started = self._shown = time.monotonic()
        self._bar = Progress(
            TextColumn("{task.fields[count]}", markup=False),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[rate]}", markup=False),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            console=self._console,
            expand=True,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task("", total=total, completed=done, count="", rate="", note="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    @property
    def rate(self) -> float:
        """How many a second, over all of this process."""
        return (self._done - self._first) / max(time.monotonic() - self._started, 1e-9)

    def at(self, done: int) -> None:
        """Note how many are done by now."""
        self._done = done
        now = time.monotonic()
        if now - self._shown >= self._period:
            self._shown = now
            self._show()

    def say(self, line: str) -> None:
        """Print a line on standard error, above the bar."""
        self._bar.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def _show(self) -> None:
        count, rate = f"{self._done:,} of {self._total:,} {self._unit}", f"{self.rate:,.0f} {self._unit}/s"
        if self._console.is_terminal:
            self._bar.update(self._task, completed=self._done, count=count, rate=rate, note=self.note)
            return
        left = max(self._total - self._done, 0) / max(self.rate, 1e-9)
        self.say(", ".join([count, rate, f"{left:,.0f} s left", *([self.note] if self.note else [])]))
