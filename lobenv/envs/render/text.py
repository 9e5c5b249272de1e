"""Shows a market as text: numbers, ladder with own quotes in their queues, last fills, the course of the episode."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lobenv.envs.render.frame import Frame, Level, bar_scale, read_frame, spread_text
from lobenv.envs.render.scales import Prices, dollars, number
from lobenv.market.tables import World
from lobenv.scenario.config import Scenario

WIDTH = 80  # columns
LEVELS = 8  # a side
BAR = 16  # columns of a full bar
LADDER = 52  # columns
SPARK = 40  # columns at most
BLOCKS = "▁▂▃▄▅▆▇█"
OTHERS, OWN = "▒", "█"


def render_ansi(world: World, scenario: Scenario, history: np.ndarray, external: int = 0) -> str:
    """Show a market as 24 lines of at most 80 columns, without colour codes.

    Args:
        world: The market as it is now.
        scenario: What it is a market of.
        history: (T, STATE_WIDTH) float64, the agent's STATE at every decision of the episode so far, this one last.
        external: Index of the agent among the external agents.

    Raises:
        ValueError: The history is empty.
    """
    frame, prices = read_frame(world, scenario, history, external, LEVELS), Prices(scenario.tick_size)
    rows = _ladder_rows(frame, prices)
    fills = _fill_rows(frame, prices, len(rows))
    body = [f"{row:<{LADDER}}  {fill}" for row, fill in zip(rows, fills, strict=True)]
    lines = [*_header(frame, scenario), *body, *_sparklines(frame, scenario, prices)]
    return "\n".join(line[:WIDTH].rstrip() for line in lines)


def _header(frame: Frame, scenario: Scenario) -> list[str]:
    clock = f"{frame.time_s:,.1f} of {scenario.session.duration_s:,.1f} s   step {frame.step:,} of {scenario.steps:,}"
    room = WIDTH - len(clock) - len(frame.state) - 4
    numbers = [
        f"P&L $ {dollars(frame.pnl)}",
        f"inventory {number(frame.lots)} lots",
        f"fees $ {dollars(frame.fees)}",
        spread_text(frame),
    ]
    gap = "   " if len("   ".join(numbers)) <= WIDTH else " "
    return [f"{scenario.name[:room]:<{room}}  {clock}  {frame.state}", gap.join(numbers), "─" * WIDTH]


def _ladder_rows(frame: Frame, prices: Prices) -> list[str]:
    """Column heads, asks from the furthest to the best, the mid, bids from the best."""
    scale = bar_scale(frame)
    asks = [_level_row(level, prices, scale) for level in frame.asks] or ["          no asks"]
    bids = [_level_row(level, prices, scale) for level in frame.bids] or ["          no bids"]
    asks += [""] * (LEVELS - len(asks))
    bids += [""] * (LEVELS - len(bids))
    head = f"{'price $':>9} {'shares':>7} {OTHERS + ' displayed':<{BAR}} {OWN} own, in queue"
    rule = f" {frame.state} " if frame.state != "OPEN" else ""
    middle = f"{prices.mid(frame.mid):>9} {'mid':>7} {rule:┄^{LADDER - 18}}"
    return [head, *reversed(asks), middle, *bids]


def _level_row(level: Level, prices: Prices, scale: float) -> str:
    mark = f"{level.own:,}, {level.ahead:,} ahead" if level.own else ""
    return f"{prices.price(level.price):>9} {level.qty:>7,} {_bar(level, scale):<{BAR}} {mark}".rstrip()


def _bar(level: Level, scale: float) -> str:
    """Displayed shares from the front of the queue to its back, own ones where they stand."""
    if not level.qty:
        return ""
    length = max(round(level.qty / scale * BAR), 1)
    if not level.own:
        return OTHERS * length
    first = min(round(level.ahead / scale * BAR), length - 1)
    last = min(max(round((level.ahead + level.own) / scale * BAR), first + 1), length)
    return OTHERS * first + OWN * (last - first) + OTHERS * (length - last)


def _fill_rows(frame: Frame, prices: Prices, count: int) -> list[str]:
    """Column heads and the last fills, newest first."""
    rows = [f"{'fill at s':>9} {'shares':>7} {'price $':>8}"]
    newest = list(zip(frame.fill_times, frame.fills, strict=True))[::-1]
    rows += [
        f"{time:>9,.1f} {int(fill['side']) * int(fill['qty']):>+7,} {prices.price(fill['price']):>8}"
        for time, fill in newest[: count - 1]
    ]
    return rows + [""] * (count - len(rows))


def _sparklines(frame: Frame, scenario: Scenario, prices: Prices) -> list[str]:
    lots = frame.column("inventory") / scenario.maker.order_size_shares
    return [
        _sparkline("mid $", frame.column("mid"), prices.mid),
        _sparkline("inventory lots", lots, number),
        _sparkline("P&L $", frame.column("pnl"), dollars),
    ]


def _sparkline(name: str, values: np.ndarray, text: Callable[[float], str]) -> str:
    """The course of a number over the episode so far, with its least and largest value."""
    extent = f"{text(float(values.min()))} to {text(float(values.max()))}"
    room = min(SPARK, WIDTH - 17 - len(extent))
    return f"{name:<15} {spark(values, room):<{room}} {extent}"


def spark(values: np.ndarray, width: int) -> str:
    """A line of block characters, one for each value, or for as many evenly spaced ones as there are columns.

    Args:
        values: (T,) finite.
        width: Most columns.
    """
    if len(values) > width:
        values = values[np.linspace(0, len(values) - 1, width).round().astype(int)]
    low, high = float(values.min()), float(values.max())
    if high == low:
        return BLOCKS[0] * len(values)
    places = np.rint((values - low) / (high - low) * (len(BLOCKS) - 1)).astype(int)
    return "".join(BLOCKS[place] for place in places)
