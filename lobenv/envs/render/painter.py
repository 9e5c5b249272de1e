"""Draws a market with Pillow: the ladder with own quotes in their queues, prices, inventory, profit and loss."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Literal

import numpy as np
from gymnasium.error import DependencyNotInstalled

from lobenv.envs.render.frame import Frame, Level, bar_scale, read_frame, spread_text
from lobenv.envs.render.plot import Colour, Plot, arrowhead
from lobenv.envs.render.scales import Prices, decimals_of, dollars, multiples, nice_ceiling, nice_step, number, widened
from lobenv.market.tables import World
from lobenv.scenario.config import Scenario

if TYPE_CHECKING:
    from PIL import Image, ImageFont

WIDTH, HEIGHT = 960, 540  # pixels
LEFT, RIGHT = 24, WIDTH - 24

BACKGROUND: Colour = (15, 18, 24)
GRID: Colour = (37, 43, 53)
FAINT: Colour = (84, 94, 109)
BAND: Colour = (54, 63, 78)  # between best bid and best ask
MUTED: Colour = (138, 148, 162)
INK: Colour = (228, 233, 240)
ALARM: Colour = (240, 98, 98)
PROFIT: Colour = (122, 206, 176)
PROFIT_AREA: Colour = (27, 45, 46)
# Blue for buying and orange for selling: colour-blind readers tell them apart too.
BUY: Colour = (90, 162, 255)
SELL: Colour = (255, 158, 84)
SIDES = (BUY, SELL)
STATE_COLOURS = {"OPEN": MUTED, "CLOSED": INK, "HALTED": ALARM, "KILLED": ALARM}
DIM: tuple[Colour, Colour] = ((34, 60, 97), (98, 63, 36))  # displayed size that is not the agent's

SMALL, NORMAL, MEDIUM, LARGE = 11, 12, 15, 20  # font sizes

CELLS = (LEFT, 222, 370, 500, 624, 752, 850)  # left edges of the headline numbers, and of the badge
LABELS_Y, VALUES_Y, RULE_Y = 20, 42, 66

LEVELS, ROW = 10, 15  # of the ladder: levels a side, height of one
HEAD_Y = 84
ASKS_Y = HEAD_Y + 18  # of the furthest ask
MIDDLE_Y = ASKS_Y + LEVELS * ROW + 5
BIDS_Y = MIDDLE_Y + 20  # of the best bid
PRICE_RIGHT, SHARES_RIGHT, BAR_LEFT, BAR_RIGHT, OWN_LEFT, LADDER_RIGHT = 86, 140, 152, 276, 282, 384
FILLS_Y, FILLS = BIDS_Y + LEVELS * ROW + 10, 5

CHART_LEFT = 472
PRICE_BOX = (CHART_LEFT, 104, RIGHT, 288)
INVENTORY_BOX = (CHART_LEFT, 341, RIGHT, 403)
PROFIT_BOX = (CHART_LEFT, 446, RIGHT, 506)
AXIS_RIGHT, TITLE_LEFT = CHART_LEFT - 10, 416
WINDOW = 60.0  # s of the price path
LEGEND = (  # of the price path, from the right
    ("sold", SELL, "down"),
    ("bought", BUY, "up"),
    ("own ask", SELL, "line"),
    ("own bid", BUY, "line"),
    ("spread", BAND, "area"),
    ("mid", INK, "line"),
)


class Painter:
    """Draws pictures of one scenario's markets; what does not change between them is drawn once."""

    def __init__(self, scenario: Scenario) -> None:
        """Get ready.

        Raises:
            gymnasium.error.DependencyNotInstalled: Pillow is missing.
        """
        try:
            import PIL.Image  # noqa: F401
        except ImportError as error:
            raise DependencyNotInstalled(
                'render_mode="rgb_array" draws with Pillow: run pip install "lobenv[render]"'
            ) from error
        self._scenario, self._prices = scenario, Prices(scenario.tick_size)
        self._lot = scenario.maker.order_size_shares
        self._unit = scenario.tick_size * self._lot  # $ of one tick on one lot
        self._duration = scenario.session.duration_s
        self._window = min(WINDOW, self._duration)
        self._background = _background(self._lot, self._window, self._duration)

    def paint(self, world: World, history: np.ndarray, external: int = 0) -> np.ndarray:
        """Draw a market as it is now.

        Args:
            world: The market, of the painter's scenario.
            history: (T, STATE_WIDTH) float64, the agent's STATE at every decision of the episode so far, this one last.
            external: Index of the agent among the external agents.

        Returns:
            (540, 960, 3) uint8, the caller's own.

        Raises:
            ValueError: The history is empty.
        """
        frame = read_frame(world, self._scenario, history, external, LEVELS)
        picture = self._background.copy()
        self._draw_header(picture, frame)
        self._draw_ladder(picture, frame)
        self._draw_fills(picture, frame)
        self._draw_price(picture, frame)
        self._draw_inventory(picture, frame)
        self._draw_profit(picture, frame)
        return np.array(picture)

    # ------------------------------------------------------------ numbers

    def _draw_header(self, picture: Image.Image, frame: Frame) -> None:
        place = f"{self._scenario.name[:14]} · step {frame.step:,} of {self._scenario.steps:,}"
        _write(picture, LEFT, LABELS_Y, place, SMALL, MUTED)
        spread = "none" if frame.spread is None else f"{frame.spread:,}"
        values = (
            f"{frame.time_s:,.1f} s",
            dollars(frame.pnl),
            number(frame.lots),
            dollars(frame.fees),
            self._prices.mid(frame.mid),
            spread,
        )
        for value, x, end in zip(values, CELLS[:-1], CELLS[1:], strict=True):
            size = next((size for size in (LARGE, MEDIUM) if _lettering(value, size)[3] < end - x - 10), SMALL)
            _write(picture, x, VALUES_Y, value, size, INK)
        _draw_state(picture, frame.state)
        gone = min(max(frame.time_s / self._duration, 0.0), 1.0)
        _fill(picture, LEFT, RULE_Y, LEFT + round(gone * (RIGHT - LEFT)), RULE_Y + 1, MUTED)

    def _draw_ladder(self, picture: Image.Image, frame: Frame) -> None:
        scale = bar_scale(frame)
        for side, levels, best_y, down in ((1, frame.asks, MIDDLE_Y - 20, -ROW), (0, frame.bids, BIDS_Y, ROW)):
            for i, level in enumerate(levels):
                self._draw_level(picture, level, side, best_y + i * down, scale)
                if i and abs(level.price - levels[i - 1].price) > 1:
                    gap = best_y + i * down - down // 2
                    _fill(picture, LEFT, gap, BAR_RIGHT, gap, FAINT)
            if not levels:
                _write(picture, BAR_LEFT, best_y, "no asks" if side else "no bids", NORMAL, MUTED)
        _write(picture, PRICE_RIGHT, MIDDLE_Y, self._prices.mid(frame.mid), NORMAL, INK, "r")
        _write(picture, SHARES_RIGHT, MIDDLE_Y, "mid", SMALL, MUTED, "r")
        _write(picture, BAR_LEFT, MIDDLE_Y, spread_text(frame), SMALL, MUTED)
        if frame.state != "OPEN":
            _write(picture, LADDER_RIGHT, MIDDLE_Y, frame.state, SMALL, STATE_COLOURS[frame.state], "r")

    def _draw_level(self, picture: Image.Image, level: Level, side: int, y: int, scale: float) -> None:
        """One row: price, displayed shares, and a bar of them from the front of the queue to its back."""
        colour = SIDES[side] if level.own else INK if level.qty else FAINT
        _write(picture, PRICE_RIGHT, y, self._prices.price(level.price), NORMAL, colour, "r")
        if not level.qty:
            return
        _write(picture, SHARES_RIGHT, y, f"{level.qty:,}", NORMAL, MUTED, "r")
        pixels = (BAR_RIGHT - BAR_LEFT) / scale
        top, bottom = y - ROW // 2 + 1, y + ROW // 2 - 1
        _fill(picture, BAR_LEFT, top, BAR_LEFT + max(round(level.qty * pixels), 1), bottom, DIM[side])
        if level.own:
            first = BAR_LEFT + round(level.ahead * pixels)
            _fill(picture, first, top, max(first + round(level.own * pixels), first + 2), bottom, colour)
            _write(picture, LADDER_RIGHT, y, f"{level.own:,}, {level.ahead:,} ahead", SMALL, colour, "r")

    def _draw_fills(self, picture: Image.Image, frame: Frame) -> None:
        newest = list(zip(frame.fill_times[-FILLS:], frame.fills[-FILLS:], strict=True))[::-1]
        for i, (time, fill) in enumerate(newest):
            y, bought = FILLS_Y + 17 + i * ROW, fill["side"] > 0
            _write(picture, PRICE_RIGHT, y, f"{time:,.1f}", NORMAL, MUTED, "r")
            _write(picture, SHARES_RIGHT, y, f"{fill['qty']:,}", NORMAL, INK, "r")
            _write(picture, BAR_LEFT, y, "bought" if bought else "sold", NORMAL, BUY if bought else SELL)
            _write(picture, BAR_RIGHT, y, self._prices.price(fill["price"]), NORMAL, INK, "r")
            _write(picture, LADDER_RIGHT, y, "maker" if fill["maker"] else "taker", NORMAL, MUTED, "r")

    # ------------------------------------------------------------ charts

    def _draw_price(self, picture: Image.Image, frame: Frame) -> None:
        """The last minute: mid, best prices, own quotes and fills."""
        end = frame.time_s
        recent = slice(max(int(np.searchsorted(frame.times, end - self._window, "right")) - 1, 0), None)
        times = np.maximum(frame.times[recent], end - self._window)
        mid, bid, ask = (frame.column(name)[recent] for name in ("mid", "bid", "ask"))
        fills = [pair for pair in zip(frame.fill_times, frame.fills, strict=True) if pair[0] >= end - self._window]
        shown = np.concatenate((mid, bid, ask, [float(fill["price"]) for _, fill in fills]))
        low, high = float(np.nanmin(shown)), float(np.nanmax(shown))
        low, high = min(low, (low + high) / 2 - 2), max(high, (low + high) / 2 + 2)
        step = max(nice_step(high - low, 6), 1.0)
        plot = Plot(PRICE_BOX, (end - self._window, end), widened(low, high, step), BACKGROUND)
        touch = frame.touch()
        plot.area(times, touch[0][recent], touch[1][recent], BAND)
        _draw_values(picture, plot, step, self._prices.price)
        for values, colour in ((bid, BUY), (ask, SELL), (mid, INK)):
            plot.steps(times, values, colour, 3)
        for time, fill in fills:
            bought = bool(fill["side"] > 0)
            plot.arrow(float(time), float(fill["price"]), bought, BUY if bought else SELL)
        for values, colour in ((bid, BUY), (ask, SELL), (mid, INK)):
            plot.dot(float(times[-1]), float(values[-1]), colour)
        plot.paste_on(picture)

    def _draw_inventory(self, picture: Image.Image, frame: Frame) -> None:
        """Long above the line and short below it, over the session."""
        lots = frame.column("inventory") / self._lot
        most = nice_ceiling(max(float(np.abs(lots).max()), 1.0))
        plot = Plot(INVENTORY_BOX, (0.0, self._duration), (-most, most), BACKGROUND)
        zero = np.zeros(len(lots))
        _draw_values(picture, plot, most, number)
        plot.area(frame.times, zero, np.maximum(lots, 0.0), BUY)
        plot.area(frame.times, np.minimum(lots, 0.0), zero, SELL)
        plot.horizontal(0.0, FAINT)
        plot.dot(frame.time_s, float(lots[-1]), INK)
        plot.paste_on(picture)

    def _draw_profit(self, picture: Image.Image, frame: Frame) -> None:
        """Profit and loss over the session."""
        pnl = frame.column("pnl")
        low, high = min(float(pnl.min()), -self._unit), max(float(pnl.max()), self._unit)
        step = nice_step(high - low, 3)
        decimals = decimals_of(step)
        plot = Plot(PROFIT_BOX, (0.0, self._duration), widened(low, high, step), BACKGROUND)
        plot.area(frame.times, np.zeros(len(pnl)), pnl, PROFIT_AREA)
        _draw_values(picture, plot, step, lambda value: f"{value:,.{decimals}f}")
        plot.horizontal(0.0, FAINT)
        plot.steps(frame.times, pnl, PROFIT, 3)
        plot.dot(frame.time_s, float(pnl[-1]), PROFIT)
        plot.paste_on(picture)


def render_rgb(world: World, scenario: Scenario, history: np.ndarray, external: int = 0) -> np.ndarray:
    """Draw a market as it is now.

    Args:
        world: The market.
        scenario: What it is a market of.
        history: (T, STATE_WIDTH) float64, the agent's STATE at every decision of the episode so far, this one last.
        external: Index of the agent among the external agents.

    Returns:
        (540, 960, 3) uint8.

    Raises:
        gymnasium.error.DependencyNotInstalled: Pillow is missing.
        ValueError: The history is empty.
    """
    return Painter(scenario).paint(world, history, external)


# ---------------------------------------------------------------- what does not change


@lru_cache(maxsize=8)
def _background(lot: int, window: float, duration: float) -> Image.Image:
    """Everything that is the same in all pictures of markets with this lot [shares] and these times [s]."""
    from PIL import Image

    picture = Image.new("RGB", (WIDTH, HEIGHT), BACKGROUND)
    _draw_labels(picture, lot)
    _draw_legend(picture)
    _draw_time_axes(picture, window, duration)
    return picture


def _draw_labels(picture: Image.Image, lot: int) -> None:
    """Names of the numbers, heads of the columns, titles of the charts."""
    for x, text in zip(CELLS[1:-1], ("P&L, $", "inventory, lots", "fees, $", "mid, $", "spread, ticks"), strict=True):
        _write(picture, x, LABELS_Y, text, SMALL, MUTED)
    _fill(picture, LEFT, RULE_Y, RIGHT, RULE_Y + 1, GRID)
    _write(picture, PRICE_RIGHT, HEAD_Y, "price, $", SMALL, MUTED, "r")
    _write(picture, SHARES_RIGHT, HEAD_Y, "shares", SMALL, MUTED, "r")
    for y in (MIDDLE_Y - 11, MIDDLE_Y + 11):
        _fill(picture, LEFT, y, LADDER_RIGHT, y, GRID)
    for x, text in ((PRICE_RIGHT, "fill at, s"), (SHARES_RIGHT, "shares"), (BAR_RIGHT, "price, $")):
        _write(picture, x, FILLS_Y, text, SMALL, MUTED, "r")
    _write(picture, TITLE_LEFT, HEAD_Y, "price, $", SMALL, MUTED)
    _write(picture, TITLE_LEFT, INVENTORY_BOX[1] - 18, f"inventory, lots of {lot:,} shares", SMALL, MUTED)
    _write(picture, TITLE_LEFT, PROFIT_BOX[1] - 18, "profit and loss after fees, $", SMALL, MUTED)


def _draw_legend(picture: Image.Image) -> None:
    """What the colours of the ladder and of the price path mean."""
    from PIL import ImageDraw

    for x, colours, text in ((BAR_LEFT, DIM, "displayed"), (OWN_LEFT, SIDES, "own, in queue")):
        for i, colour in enumerate(colours):
            _fill(picture, x + 8 * i, HEAD_Y - 4, x + 8 * i + 7, HEAD_Y + 4, colour)
        _write(picture, x + 22, HEAD_Y, text, SMALL, MUTED)
    draw, x = ImageDraw.Draw(picture), RIGHT
    for text, colour, kind in LEGEND:
        x -= _lettering(text, SMALL)[3]
        _write(picture, x, HEAD_Y, text, SMALL, MUTED)
        x -= 18
        if kind in ("up", "down"):
            tip = HEAD_Y - 5 if kind == "up" else HEAD_Y + 5
            draw.polygon(arrowhead(x + 7, tip, kind == "up", 5.0), fill=colour)
        else:
            half = 4 if kind == "area" else 1
            _fill(picture, x, HEAD_Y - half, x + 12, HEAD_Y + half - 1, colour)
        x -= 16


def _draw_time_axes(picture: Image.Image, window: float, duration: float) -> None:
    """Times under the charts: of the last minute, and of the session."""
    left, _, right, bottom = PRICE_BOX
    for i in range(5):
        text = f"-{number(window * (4 - i) / 4)} s" if i < 4 else "now"
        _write(picture, left + (right - left) * i // 4, bottom + 13, text, SMALL, MUTED, "m")
    left, _, right, bottom = PROFIT_BOX
    for time in multiples(0.0, duration, nice_step(duration, 6)):
        x = left + round((right - left) * time / duration)
        _write(picture, x, bottom + 14, f"{number(time)} s", SMALL, MUTED, "m")


# ---------------------------------------------------------------- strokes


def _draw_values(picture: Image.Image, plot: Plot, step: float, text: Callable[[float], str]) -> None:
    """Horizontal lines at round values, and the values beside them."""
    for value in multiples(*plot.values, step):
        plot.horizontal(value, GRID)
        _write(picture, AXIS_RIGHT, plot.row(value), text(value), SMALL, MUTED, "r")


def _draw_state(picture: Image.Image, state: str) -> None:
    """A badge."""
    from PIL import ImageDraw

    width = _lettering(state, NORMAL)[3] + 20
    box = (RIGHT - width, 22, RIGHT, 46)
    ImageDraw.Draw(picture).rounded_rectangle(box, 5, fill=GRID)
    _write(picture, RIGHT - width // 2, 34, state, NORMAL, STATE_COLOURS[state], "m")


def _fill(picture: Image.Image, left: int, top: int, right: int, bottom: int, colour: Colour) -> None:
    """A rectangle, both corners included; nothing where it is empty."""
    if right >= left:
        picture.paste(colour, (left, top, right + 1, bottom + 1))


def _write(
    picture: Image.Image, x: int, y: int, text: str, size: int, colour: Colour, align: Literal["l", "m", "r"] = "l"
) -> None:
    """Text that begins, is centred or ends at x, with the middle of its capitals at y."""
    mask, left, top, length = _lettering(text, size)
    start = x - {"l": 0, "m": length // 2, "r": length}[align]
    picture.paste(colour, (start + left, y + round(0.36 * size) + top), mask)


@lru_cache(maxsize=4096)
def _lettering(text: str, size: int) -> tuple[Image.Image, int, int, int]:
    """A mask of a text, where it begins relative to the start of its base line, and the length of that."""
    from PIL import Image, ImageDraw

    font = _font(size)
    if size < LARGE:
        text = text.replace(" ", "  ")  # the font's own space is hardly seen at these sizes
    left, top, right, bottom = (round(edge) for edge in font.getbbox(text, anchor="ls"))
    mask = Image.new("L", (max(right - left, 1), max(bottom - top, 1)))
    ImageDraw.Draw(mask).text((-left, -top), text, fill=255, font=font, anchor="ls")
    return mask, left, top, round(font.getlength(text))


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    from PIL import ImageFont

    return ImageFont.load_default(size=size)
