"""Shows how far a command has come: a bar where somebody watches, a plain line now and then where nobody does."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column

BAR_PERIOD_S = 0.1
LINE_PERIOD_S = 10.0
LABEL_WIDTH = 30  # so that the bar does not jump from policy to policy


class StepProgress:
    """Counts steps, and tells standard error how many a second there are and what time is left.

    Attributes:
        label: What is being done; before the bar alone.
        note: What the last evaluation said; stands beside the figures.
    """

    label_width = 0

    def __init__(self, total: int, done: int = 0, unit: str = "steps", console: Console | None = None) -> None:
        """Begin to count.

        Args:
            total: How many there are to do.
            done: How many of them an earlier process has done.
            unit: What is counted.
            console: Where to show; standard error by default. One that is no terminal gets plain lines.
        """
        self.label = self.note = ""
        self._console = console or Console(stderr=True)
        self._period = BAR_PERIOD_S if self._console.is_terminal else LINE_PERIOD_S
        self._total, self._first, self._done, self._unit = total, done, done, unit
        self._started = self._shown = time.monotonic()
        self._bar = Progress(
            TextColumn("{task.description}", markup=False, table_column=Column(min_width=self.label_width)),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[count]}", markup=False),
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
    def count(self) -> str:
        """How far it has come, in words."""
        return f"{self._done:,} of {self._total:,} {self._unit}"

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
        rate = self.rate
        shown = f"{rate:,.0f} {self._unit}/s"
        if self._console.is_terminal:
            fields: dict[str, Any] = {"count": self.count, "rate": shown, "note": self.note}
            self._bar.update(self._task, completed=self._done, description=self.label, **fields)
            return
        left = self._total - self._done
        parts = [self.count, shown, *([f"{left / rate:,.0f} s left"] if rate > 0 and left > 0 else []), self.note]
        self.say(", ".join(part for part in parts if part))


class EpisodeProgress(StepProgress):
    """Counts the episodes of a comparison too, of which some end before their last step.

    Attributes:
        episodes: How many are to be run.
        finished: How many are.
    """

    label_width = LABEL_WIDTH

    def __init__(self, episodes: int, steps: int, console: Console | None = None) -> None:
        """Begin to count.

        Args:
            episodes: How many are to be run.
            steps: How many steps they have, if none ends early.
            console: As in `StepProgress`.
        """
        super().__init__(steps, console=console)
        self.episodes, self.finished = episodes, 0
        self._taken = self._settled = 0

    @property
    def count(self) -> str:
        """See `StepProgress`."""
        return f"{self.finished:,} of {self.episodes:,} episodes"

    def step(self, episodes: int) -> None:
        """Count a step of so many episodes."""
        self._taken += episodes
        self.at(self._taken)

    def end(self, episodes: int, steps: int) -> None:
        """Count so many episodes as done, of so many steps in all if none ended early."""
        self.finished += episodes
        self._settled += steps
        self._taken = self._settled
        if self._taken >= self._total:
            self._period = 0.0  # the last line is always due
        self.at(self._taken)
