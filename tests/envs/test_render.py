"""What a market shows of itself: the numbers of a constructed state in the text, the same pixels for the same state."""

from __future__ import annotations

import math
import sys
from dataclasses import replace

import numpy as np
import pytest
from gymnasium.error import DependencyNotInstalled
from hypothesis import given, settings
from hypothesis import strategies as st

from lobenv.engine.batch import Batch
from lobenv.envs.render import Painter, render_ansi, render_rgb
from lobenv.envs.render import painter as layout
from lobenv.envs.render.frame import own_fills, own_quote, read_frame
from lobenv.envs.render.scales import decimals_of, dollars, multiples, nice_ceiling, number, widened
from lobenv.envs.render.text import spark
from lobenv.market.tables import CLOSED, HALTED, NONE, OPEN, RESTING, SLOT_BITS, World
from lobenv.roles.maker.reward import STATE_INDEX, STATE_WIDTH
from lobenv.roles.maker.table import maker_of as record_of
from lobenv.scenario.build import build
from lobenv.scenario.config import Scenario
from lobenv.scenario.external import external_of

SCENARIO = Scenario.model_validate({"name": "constructed"})
BASE, LADDER_WIDTH = 9_800, 1_024
MAKER = 1  # the external agent's place among the agents
STEP = 247


class Market:
    """A market put together by hand: an empty open book to rest orders in."""

    def __init__(self, scenario: Scenario = SCENARIO, externals: int = 1) -> None:
        agents = tuple(replace(external_of(scenario), name=f"maker_{i}") for i in range(externals))
        self.scenario = scenario
        self.world = World(*(table.copy() for table in build(scenario, agents).world))
        book = self.world.books[0]
        book["state"], book["base"] = OPEN, BASE
        book["shown"] = BASE - 1, BASE + LADDER_WIDTH
        for name in ("head", "tail"):
            self.world.levels[0][name] = NONE
        self.world.externals[0]["decision"] = STEP
        self.world.fills["external"] = NONE
        self._slot = 0

    def rest(self, side: int, price: int, *quantities: int, own: int | None = None) -> Market:
        """Rest orders behind each other; `own` is the place of the agent's among them."""
        level = self.world.levels[0, price & (LADDER_WIDTH - 1)]
        column = (1 - side) // 2
        for place, qty in enumerate(quantities):
            order = self.world.orders[self._slot]
            order["id"] = (self._slot + 1) << SLOT_BITS | self._slot
            order["previous"], order["price"], order["qty"], order["state"] = level["tail"], price, qty, RESTING
            level["tail"] = self._slot
            level["qty"] += qty
            if place == own:
                record_of(self.world, 0)["quote_id"][column] = order["id"]
            self._slot += 1
        shown = self.world.books[0]["shown"]
        if side * (price - shown[column]) > 0:
            shown[column] = price
        return self

    def fill(self, time_s: float, side: int, qty: int, price: int, external: int = 0) -> Market:
        count = self.world.clock[0]["fills_count"]
        row = self.world.fills[count % len(self.world.fills)]
        row["time"] = self.scenario.first_decision_ns + round(time_s * 1e9)
        row["side"], row["qty"], row["price"], row["external"], row["maker"] = side, qty, price, external, 1
        self.world.clock[0]["fills_count"] = count + 1
        return self

    def text(self, history: np.ndarray) -> list[str]:
        return render_ansi(self.world, self.scenario, history).split("\n")


def state(time_s=123.5, scenario=SCENARIO, **columns):
    """One STATE row, by default of the book that `quoted` makes."""
    row = np.zeros(STATE_WIDTH)
    values = {"mid": 10_001.5, "best_bid": 10_000, "best_ask": 10_003, "bid": math.nan, "ask": math.nan, **columns}
    for name, value in values.items():
        row[STATE_INDEX[name]] = value
    row[STATE_INDEX["time_s"]] = scenario.first_decision_ns * 1e-9 + time_s
    return row


def quoted(externals: int = 1) -> Market:
    """Bids at 10,000 and 9,999, asks at 10,003 and 10,004; the agent is second at its bid and last at its ask."""
    market = Market(externals=externals)
    market.rest(1, 10_000, 250, 100, 150, own=1).rest(1, 9_999, 400)
    return market.rest(-1, 10_003, 300).rest(-1, 10_004, 1_000, 200, 100, own=2)


NOW = np.array([state(pnl=-1_234.5, inventory=-250, fees=-3.25, bid=10_000, ask=10_004)])


def episode(steps=300, seed=0):
    """A history with everything in it: quotes that come and go, a position that changes sign, an empty side."""
    rng = np.random.default_rng(seed)
    rows = np.stack([state(time_s=0.5 * i) for i in range(steps)])
    moves = rng.integers(-1, 2, steps).cumsum()
    for name in ("mid", "best_bid", "best_ask"):
        rows[:, STATE_INDEX[name]] += moves
    rows[:, STATE_INDEX["bid"]] = np.where(rng.random(steps) < 0.8, 9_998 + moves, np.nan)
    rows[:, STATE_INDEX["ask"]] = np.where(rng.random(steps) < 0.8, 10_006 + moves, np.nan)
    rows[:, STATE_INDEX["inventory"]] = 100 * rng.integers(-1, 2, steps).cumsum()
    rows[:, STATE_INDEX["pnl"]] = rng.normal(size=steps).cumsum()
    rows[50:60, STATE_INDEX["best_ask"]] = math.nan
    rows[50:60, STATE_INDEX["mid"]] = rows[50:60, STATE_INDEX["best_bid"]]
    return rows


# ---------------------------------------------------------------- text


def test_header_tells_time_step_profit_inventory_fees_and_spread():
    lines = quoted().text(NOW)
    assert lines[0] == f"{'constructed':<38}123.5 of 600.0 s   step 247 of 1,200  OPEN"
    assert len(lines[0]) == 80
    assert lines[1] == "P&L $ -1,234.50   inventory -2.5 lots   fees $ -3.25   spread 3 ticks"


def test_ladder_shows_own_quotes_where_they_stand_in_their_queues():
    lines = quoted().text(NOW)
    assert lines[4:12][-2:] == [
        "   100.04   1,300 ▒▒▒▒▒▒▒▒▒█       100, 1,200 ahead",
        "   100.03     300 ▒▒",
    ]
    assert lines[12].startswith("  100.015     mid ┄┄┄")
    assert lines[13:15] == [
        "   100.00     500 ▒▒█▒             100, 250 ahead",
        "    99.99     400 ▒▒▒",
    ]
    assert lines[15] == "    99.98       0"


def test_text_is_24_lines():
    assert len(quoted().text(NOW)) == 24
    assert len(Market().text(episode())) == 24


def test_own_quote_beyond_the_ladder_takes_its_last_row():
    market = quoted()
    market.rest(1, 9_970, 70, 30, own=1)
    assert market.text(NOW)[20] == "    99.70     100 █                30, 70 ahead"
    frame = read_frame(market.world, SCENARIO, NOW, 0, 8)
    assert [level.price for level in frame.bids] == [10_000 - i for i in range(7)] + [9_970]


def test_empty_side_is_said_and_leaves_no_spread():
    market = Market().rest(1, 10_000, 100)
    lines = market.text(np.array([state(mid=10_000, best_ask=math.nan)]))
    assert "no asks" in lines[11]
    assert "no bids" not in "\n".join(lines)
    assert lines[1].endswith("no spread")
    assert lines[12].split()[0] == "100.000"


def test_book_without_quotes_of_the_agent_marks_nothing():
    market = Market().rest(1, 10_000, 300).rest(-1, 10_003, 300)
    text = "\n".join(market.text(np.array([state()])))
    assert "ahead" not in text
    assert text.count("█") == 1  # in the heads of the columns


def test_order_that_has_gone_is_not_shown():
    market = quoted()
    market.world.orders["state"] = 0
    assert own_quote(market.world, 0, 0) is None
    market.world.orders["state"] = RESTING
    assert own_quote(market.world, 0, 0) is not None
    market.world.orders["id"] += 1 << SLOT_BITS
    assert own_quote(market.world, 0, 0) is None


@pytest.mark.parametrize(("book_state", "name"), [(OPEN, "OPEN"), (HALTED, "HALTED"), (CLOSED, "CLOSED")])
def test_trading_state_is_said(book_state, name):
    market = quoted()
    market.world.books[0]["state"] = book_state
    lines = market.text(NOW)
    assert lines[0].endswith(name)
    assert (name in lines[12]) == (name != "OPEN")


def test_kill_switch_is_said():
    market = quoted()
    market.world.accounts[MAKER, 0]["killed"] = 1
    assert market.text(NOW)[0].endswith("KILLED")


def test_last_fills_are_listed_newest_first():
    market = quoted().fill(12.0, 1, 100, 9_998).fill(99.5, -1, 1_060, 10_007)
    lines = market.text(NOW)
    assert lines[3].endswith("fill at s  shares  price $")
    assert lines[4][54:].split() == ["99.5", "-1,060", "100.07"]
    assert lines[5][54:].split() == ["12.0", "+100", "99.98"]
    assert lines[6][54:].split() == []


def test_fills_of_other_agents_are_left_out():
    market = quoted(externals=2).fill(1.0, 1, 100, 9_998, external=1).fill(2.0, 1, 100, 9_997)
    assert own_fills(market.world, 0)["price"].tolist() == [9_997]
    assert own_fills(market.world, 1)["price"].tolist() == [9_998]


def test_fills_come_in_order_after_the_log_has_wrapped_around():
    market = quoted()
    size = len(market.world.fills)
    for i in range(size + 3):
        market.fill(float(i), 1, 1 + i, 10_000)
    assert own_fills(market.world, 0)["qty"].tolist() == list(range(4, size + 4))


def test_sparklines_tell_least_and_largest_values():
    history = np.array([state(time_s=t, pnl=p, inventory=q) for t, p, q in ((0, 0, 0), (0.5, -7, 100), (1, 21, -300))])
    mid, inventory, pnl = quoted().text(history)[21:]
    assert mid.split() == ["mid", "$", "▁▁▁", "100.015", "to", "100.015"]
    assert inventory.split() == ["inventory", "lots", "▆█▁", "-3", "to", "1"]
    assert pnl.split() == ["P&L", "$", "▃▁█", "-7.00", "to", "21.00"]


def test_prices_have_the_decimals_of_the_tick():
    scenario = SCENARIO.model_copy(update={"tick_size": 0.5})
    text = "\n".join(Market(scenario).rest(1, 10_000, 100).rest(-1, 10_003, 100).text(NOW))
    assert "5000.75     mid" in text
    assert "5001.5" in text


magnitudes = st.floats(-1e12, 1e12)


@given(pnl=magnitudes, inventory=magnitudes, fees=magnitudes, name=st.text(max_size=60), qty=st.integers(1, 2**30))
@settings(max_examples=60, deadline=None)
def test_no_line_is_wider_than_80_columns(pnl, inventory, fees, name, qty):
    scenario = SCENARIO.model_copy(update={"name": "".join(c for c in name if c.isprintable())})
    market = Market(scenario).rest(1, 10_000, qty, qty // 3 + 1, own=1)
    history = np.array([state(), state(pnl=pnl, inventory=inventory, fees=fees)])
    lines = market.text(history)
    assert len(lines) == 24
    assert max(map(len, lines)) <= 80


def test_empty_history_is_an_error():
    with pytest.raises(ValueError, match="at least one row, got 0"):
        render_ansi(quoted().world, SCENARIO, np.zeros((0, STATE_WIDTH)))


def test_looking_changes_nothing():
    market, history = quoted(), episode()
    before = [table.tobytes() for table in market.world], history.tobytes()
    market.text(history)
    assert ([table.tobytes() for table in market.world], history.tobytes()) == before


# ---------------------------------------------------------------- what is read


@pytest.mark.parametrize(
    ("values", "width", "line"),
    [
        (range(8), 8, "▁▂▃▄▅▆▇█"),
        (range(8), 20, "▁▂▃▄▅▆▇█"),
        ([5, 5, 5], 8, "▁▁▁"),
        (range(100), 2, "▁█"),
        ([-1e12, 1e12], 8, "▁█"),
    ],
)
def test_sparkline_of_known_values(values, width, line):
    assert spark(np.array(values, float), width) == line


@pytest.mark.parametrize(("value", "rounded"), [(1, 1), (1.1, 2), (3, 5), (7, 10), (0.03, 0.05), (900, 1_000)])
def test_nice_ceiling_of_known_values(value, rounded):
    assert nice_ceiling(value) == pytest.approx(rounded, rel=1e-12)


@given(st.floats(1e-6, 1e12))
def test_nice_ceiling_is_never_less_and_at_most_two_and_a_half_times_as_much(value):
    assert value * (1 - 1e-8) <= nice_ceiling(value) <= 2.5 * value * (1 + 1e-8)


def test_axis_ends_and_lines_are_multiples_of_the_step():
    assert widened(-7.0, 11.0, 5.0) == (-10.0, 15.0)
    assert widened(-10.0, 15.0, 5.0) == (-10.0, 15.0)
    assert multiples(-10.0, 15.0, 5.0) == [-10.0, -5.0, 0.0, 5.0, 10.0, 15.0]


@pytest.mark.parametrize(("step", "decimals"), [(0.01, 2), (0.005, 3), (0.25, 2), (1, 0), (100, 0), (1e-5, 5)])
def test_decimals_that_a_step_needs(step, decimals):
    assert decimals_of(step) == decimals


def test_numbers_have_no_negative_zero():
    assert dollars(-0.001) == "0.00"
    assert number(-0.001) == "0"
    assert number(-2.50) == "-2.5"
    assert number(-1_200.0) == "-1,200"


# ---------------------------------------------------------------- pictures


@pytest.fixture(scope="module")
def painter():
    pytest.importorskip("PIL")
    return Painter(SCENARIO)


def pixels(picture, colour, left, top, right, bottom):
    """Pixels of exactly this colour in a part of a picture."""
    return int((picture[top:bottom, left:right] == np.array(colour, np.uint8)).all(axis=2).sum())


def price_chart(picture, colour):
    left, top, right, bottom = layout.PRICE_BOX
    return pixels(picture, colour, left, top, right, bottom)


def bar(picture, y):
    """Colours along the middle of a ladder row, from the left end of its bar."""
    return [tuple(pixel) for pixel in picture[y, layout.BAR_LEFT : layout.BAR_RIGHT].tolist()]


def test_picture_has_shape_and_type_of_a_video_frame(painter):
    picture = painter.paint(quoted().world, NOW)
    assert (picture.shape, picture.dtype) == ((540, 960, 3), np.uint8)
    assert picture.flags.writeable
    assert picture.flags.c_contiguous


def test_same_state_gives_the_same_pixels(painter):
    market, history = quoted().fill(120.0, 1, 100, 10_000), episode()
    first = painter.paint(market.world, history)
    painter.paint(Market().world, NOW)
    assert np.array_equal(painter.paint(market.world, history), first)
    assert np.array_equal(render_rgb(market.world, SCENARIO, history), first)


def test_picture_is_not_written_to_again(painter):
    first = painter.paint(quoted().world, NOW)
    kept = first.copy()
    painter.paint(Market().world, episode())
    assert np.array_equal(first, kept)


def test_bar_shows_own_shares_where_they_stand_in_the_queue(painter):
    colours = bar(painter.paint(quoted().world, NOW), layout.BIDS_Y)
    shares_a_pixel = 2_000 / (layout.BAR_RIGHT - layout.BAR_LEFT)
    first, last = round(250 / shares_a_pixel), round(350 / shares_a_pixel)
    assert colours[:first] == [layout.DIM[0]] * first
    assert colours[first : last + 1] == [layout.BUY] * (last + 1 - first)
    end = round(500 / shares_a_pixel)
    assert colours[last + 1 : end + 1] == [layout.DIM[0]] * (end - last)
    assert set(colours[end + 1 :]) == {layout.BACKGROUND}


def test_ladder_without_own_quotes_has_no_bright_bar(painter):
    market = quoted()
    record_of(market.world, 0)["quote_id"] = 0
    picture = painter.paint(market.world, NOW)
    box = (layout.BAR_LEFT, layout.ASKS_Y, layout.BAR_RIGHT, layout.FILLS_Y)
    assert pixels(picture, layout.BUY, *box) == pixels(picture, layout.SELL, *box) == 0
    assert pixels(picture, layout.DIM[0], *box) > 0


def test_fills_mark_the_price_path_in_the_colour_of_their_side(painter):
    history = np.stack([state(time_s=0.5 * i) for i in range(100)])
    plain = painter.paint(quoted().world, history)
    bought = painter.paint(quoted().fill(20.0, 1, 100, 10_000).world, history)
    sold = painter.paint(quoted().fill(20.0, -1, 100, 10_000).world, history)
    assert price_chart(plain, layout.BUY) == price_chart(plain, layout.SELL) == 0
    assert price_chart(bought, layout.BUY) > 20
    assert price_chart(bought, layout.SELL) == 0
    assert price_chart(sold, layout.SELL) > 20


def test_fill_of_more_than_a_minute_ago_is_off_the_price_path(painter):
    history = np.stack([state(time_s=0.5 * i) for i in range(200)])
    picture = painter.paint(quoted().fill(20.0, 1, 100, 10_000).world, history)
    assert price_chart(picture, layout.BUY) == 0


def test_own_quotes_run_along_the_price_path(painter):
    history = np.stack([state(time_s=0.5 * i, bid=9_999) for i in range(100)])
    picture = painter.paint(Market().world, history)
    assert price_chart(picture, layout.BUY) > 300
    assert price_chart(picture, layout.SELL) == 0


def test_inventory_is_blue_above_the_line_and_orange_below(painter):
    def drawn(inventory):
        history = np.stack([state(time_s=0.5 * i, inventory=inventory) for i in range(1_000)])
        picture = painter.paint(Market().world, history)
        left, top, right, bottom = layout.INVENTORY_BOX
        middle = (top + bottom) // 2
        halves = [(left, top, right, middle - 2), (left, middle + 3, right, bottom)]
        return [pixels(picture, colour, *half) for colour in (layout.BUY, layout.SELL) for half in halves]

    long, short = drawn(300), drawn(-300)
    assert long[0] > 1_000
    assert long[1:] == [0, 0, 0]
    assert short[3] > 1_000
    assert short[:3] == [0, 0, 0]


@pytest.mark.parametrize("name", ["HALTED", "CLOSED", "KILLED"])
def test_state_other_than_open_changes_badge_and_ladder_alone(painter, name):
    market = quoted()
    plain = painter.paint(market.world, NOW)
    market.world.books[0]["state"] = {"HALTED": HALTED, "CLOSED": CLOSED, "KILLED": OPEN}[name]
    market.world.accounts[MAKER, 0]["killed"] = name == "KILLED"
    rows, columns = np.nonzero((painter.paint(market.world, NOW) != plain).any(axis=2))
    badge = (columns >= layout.CELLS[-1]) & (rows < layout.RULE_Y)
    middle = (columns < layout.LADDER_RIGHT) & (abs(rows - layout.MIDDLE_Y) < 8)
    assert badge.any()
    assert middle.any()
    assert (badge | middle).all()


def test_layout_does_not_move_between_frames(painter):
    a = painter.paint(quoted().world, episode())
    b = painter.paint(Market().world, NOW)
    heads = slice(layout.HEAD_Y - 6, layout.HEAD_Y + 6)
    session_axis = slice(layout.PROFIT_BOX[3] + 8, layout.HEIGHT)
    assert np.array_equal(a[heads], b[heads])
    assert np.array_equal(a[session_axis, layout.CHART_LEFT :], b[session_axis, layout.CHART_LEFT :])


@given(
    pnl=magnitudes,
    inventory=magnitudes,
    mid=st.integers(-(2**30), 2**30),
    spread=st.integers(1, 2**20),
    bid=st.one_of(st.just(math.nan), st.integers(-(2**30), 2**30)),
    steps=st.integers(1, 4),
)
@settings(max_examples=30, deadline=None)
def test_any_state_can_be_drawn(painter, pnl, inventory, mid, spread, bid, steps):
    row = state(pnl=pnl, inventory=inventory, mid=mid, best_bid=mid - spread, best_ask=mid + spread, bid=bid)
    history = np.stack([state(time_s=120.0), *[row] * steps])
    assert painter.paint(Market().world, history).shape == (540, 960, 3)


def test_missing_pillow_names_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(DependencyNotInstalled, match=r'pip install "lobenv\[render\]"'):
        render_rgb(quoted().world, SCENARIO, NOW)
    assert render_ansi(quoted().world, SCENARIO, NOW)


# ---------------------------------------------------------------- a market that has been played


def test_ladder_of_a_played_market_shows_the_quotes_that_the_state_tells():
    scenario = Scenario.model_validate({"session": {"duration_s": 20.0, "warm_up_s": 1.0}})
    batch = Batch(scenario, threads=1)
    batch.reset(np.array([0]), np.array([7], np.uint64))
    history = [batch.out.state[0, 0].copy()]
    for _ in range(4):
        batch.step(np.full((1, 1, 2), -0.6))
        history.append(batch.out.state[0, 0].copy())
    frame = read_frame(batch.market(), scenario, np.array(history), 0, 8)
    last = dict(zip(STATE_INDEX, history[-1].tolist(), strict=True))
    assert [level.price for level in frame.bids if level.own] == [last["bid"]]
    assert [level.price for level in frame.asks if level.own] == [last["ask"]]
    assert (frame.bids[0].price, frame.asks[0].price) == (last["best_bid"], last["best_ask"])
    assert frame.step == 4
    assert frame.time_s == pytest.approx(2.0)
