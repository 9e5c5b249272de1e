"""Shows how far a comparison has come: a bar where somebody watches, a plain line now and then where nobody does."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.table import Column
from rich.text import Text

BAR_PERIOD_S = 0.1
LINE_PERIOD_S = 10.0
LABEL_WIDTH = 30  # so that the bar does not jump from policy to policy


class _StepRate(ProgressColumn):
    """Steps a second, over the last half minute."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:,.0f} steps/s" if task.speed else "")


class LabProgress:
    """Counts steps and episodes of all batches, and tells standard error.

    Attributes:
        episodes: How many are to be run.
        finished: How many are.
    """

    def __init__(self, episodes: int, steps: int, console: Console | None = None) -> None:
        """Begin to count.

        Args:
            episodes: How many are to be run.
            steps: How many steps they have, if none ends early.
            console: Where to show; standard error by default. One that is no terminal gets plain lines.
        """
        self.episodes, self.finished = episodes, 0
        self._console = console or Console(stderr=True)
        self._period = BAR_PERIOD_S if self._console.is_terminal else LINE_PERIOD_S
        self._total, self._taken, self._settled = steps, 0, 0
        self._started = self._shown = time.monotonic()
        self._label = ""
        self._bar = Progress(
            TextColumn("{task.description}", markup=False, table_column=Column(min_width=LABEL_WIDTH)),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[finished]:,}/{task.fields[episodes]:,} episodes", markup=False),
            _StepRate(),
            TimeRemainingColumn(),
            console=self._console,
            expand=True,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task("", total=steps, finished=0, episodes=episodes)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def begin(self, policy: str, scenario: str) -> None:
        """Say what is being run."""
        self._label = f"{scenario}, {policy}"
        self._show_if_due()

    def step(self, episodes: int) -> None:
        """Count a step of so many episodes."""
        self._taken += episodes
        self._show_if_due()

    def end(self, episodes: int, steps: int) -> None:
        """Count so many episodes as done, of so many steps in all if none ended early."""
        self._settled += steps
        self._taken = self._settled
        self.finished += episodes
        self._show_if_due()

    def say(self, line: str) -> None:
        """Print a line on standard error, above the bar."""
        self._bar.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def _show_if_due(self) -> None:
        now = time.monotonic()
        if now - self._shown < self._period and self._taken < self._total:
            return
        self._shown = now
        if self._console.is_terminal:
            self._bar.update(self._task, completed=self._taken, description=self._label, finished=self.finished)
        else:
            self._print_line(now)

    def _print_line(self, now: float) -> None:
        rate = self._taken / max(now - self._started, 1e-9)
        left = f", {(self._total - self._taken) / rate:,.0f} s left" if 0 < self._taken < self._total else ""
        self.say(f"{self.finished:,} of {self.episodes:,} episodes, {rate:,.0f} steps/s{left}")
