"""A training tells how far it has come: plain lines where nobody watches."""

from __future__ import annotations

import io

from rich.console import Console

from train import progress
from train.progress import TrainingProgress


def lines(monkeypatch, reached, **settings):
    """What is printed by a training whose clock moves six seconds at every look."""
    clock = iter(range(0, 6_000, 6))
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    written = io.StringIO()
    console = Console(file=written, force_terminal=False, width=200)
    with TrainingProgress(1_000, console=console, **settings) as shown:
        shown.note = "going well"
        for done in reached:
            shown.at(done)
    return written.getvalue().splitlines()


def test_a_line_says_count_rate_and_time_left(monkeypatch):
    # Looks at 6 and 12 s; at 12 s a line is due, and the rate is asked for at 18 s and, for the time left, at 24 s.
    (line,) = lines(monkeypatch, [100, 360])
    assert line == "360 of 1,000 steps, 20 steps/s, 43 s left, going well"


def test_steps_of_an_earlier_process_do_not_count_for_the_rate(monkeypatch):
    (line,) = lines(monkeypatch, [520, 860], done=500, unit="generations")
    assert line.startswith("860 of 1,000 generations, 20 generations/s")


def test_what_is_said_stands_on_a_line_of_its_own():
    written = io.StringIO()
    with TrainingProgress(10, console=Console(file=written, force_terminal=False)) as shown:
        shown.say("done [1]")
    assert written.getvalue() == "done [1]\n"
