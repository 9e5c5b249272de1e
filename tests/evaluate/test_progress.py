"""A command tells how far it has come: plain lines where nobody watches, a bar where somebody does."""

from __future__ import annotations

import io
import re

from rich.console import Console

from evaluate import progress
from evaluate.progress import EpisodeProgress, StepProgress


def lines(monkeypatch, reached, **settings):
    """What is printed by a training whose clock moves six seconds at every look."""
    clock = iter(range(0, 6_000, 6))
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    written = io.StringIO()
    console = Console(file=written, force_terminal=False, width=200)
    with StepProgress(1_000, console=console, **settings) as shown:
        shown.note = "going well"
        for done in reached:
            shown.at(done)
    return written.getvalue().splitlines()


def test_a_line_says_count_rate_and_time_left(monkeypatch):
    # Looks at 6 and 12 s; at 12 s a line is due, and the rate is asked for at 18 s.
    (line,) = lines(monkeypatch, [100, 360])
    assert line == "360 of 1,000 steps, 20 steps/s, 32 s left, going well"


def test_steps_of_an_earlier_process_do_not_count_for_the_rate(monkeypatch):
    (line,) = lines(monkeypatch, [520, 860], done=500, unit="generations")
    assert line.startswith("860 of 1,000 generations, 20 generations/s")


def test_what_is_said_stands_on_a_line_of_its_own():
    written = io.StringIO()
    with StepProgress(10, console=Console(file=written, force_terminal=False)) as shown:
        shown.say("done [1]")
    assert written.getvalue() == "done [1]\n"


def test_episodes_are_counted_on_plain_lines_where_nobody_watches(monkeypatch):
    monkeypatch.setattr(progress, "LINE_PERIOD_S", 0.0)
    written = io.StringIO()
    with EpisodeProgress(4, 40, Console(file=written)) as shown:
        shown.label = "calm, glft"
        shown.step(2)
        shown.end(2, 20)
        shown.end(2, 20)
    lines = written.getvalue().splitlines()
    assert re.fullmatch(r"0 of 4 episodes, [\d,]+ steps/s, [\d,]+ s left", lines[0])
    assert re.fullmatch(r"4 of 4 episodes, [\d,]+ steps/s", lines[-1])
    assert "\x1b" not in written.getvalue()


def test_episodes_are_counted_on_a_bar_on_a_terminal():
    written = io.StringIO()
    console = Console(file=written, force_terminal=True, width=120, color_system=None)
    with EpisodeProgress(4, 40, console) as shown:
        shown.end(4, 40)
        shown.say("error: one line above the bar")
    assert "4 of 4 episodes" in written.getvalue()
    assert "error: one line above the bar" in written.getvalue()
