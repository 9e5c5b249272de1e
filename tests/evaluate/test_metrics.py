"""Every metric against episodes whose accounts are worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluate.episode import COUNT, FILL, Constants, Paths, fill_table, path_table, quote_table
from evaluate.metrics import METRICS, episode_metrics, metric

CONSTANTS = Constants(tick_size=0.01, order_size=100, interval_s=1.0)
NAN = np.nan


def paths(mid, fills=(), *, bid=None, ask=None, best_bid=None, best_ask=None, length=None, times=None):
    """One episode on the given mids, its accounts kept from its fills."""
    samples = len(mid)
    times = np.arange(samples, dtype=float) if times is None else np.array(times, dtype=float)
    inventory, cash, fees = np.zeros(samples), np.zeros(samples), np.zeros(samples)
    for _, time_ns, side, _, price, qty, _, fee in fills:
        after = np.rint(times * 1e9) >= time_ns
        inventory[after] += side * qty
        cash[after] -= side * price * qty * CONSTANTS.tick_size
        fees[after] += fee
    rows = {"time_s": times, "mid": mid, "inventory": inventory, "cash": cash, "fees": fees}
    quotes = {"bid": bid, "ask": ask, "best_bid": best_bid, "best_ask": best_ask}
    rows |= {name: [NAN] * samples if values is None else values for name, values in quotes.items()}
    columns = {name: np.array([values], dtype=float) for name, values in rows.items()}
    length = samples if length is None else length
    return Paths(**columns, length=np.array([length]), held_at_end=inventory[None, length - 1])


def fill(time_s, side, price, mid, *, qty=100, maker=1, fee=0.0):
    return (0, round(time_s * 1e9), side, maker, price, qty, mid, fee)


def counts(**values):
    row = np.zeros(1, COUNT)
    for name, value in values.items():
        row[name] = value
    return row


def measure(course, fills=(), sent=None):
    frame = episode_metrics(course, np.array(list(fills), FILL), counts() if sent is None else sent, CONSTANTS)
    return frame.row(0, named=True)


def test_the_table_has_one_documented_column_for_each_metric():
    frame = episode_metrics(paths([100, 100]), np.empty(0, FILL), counts(), CONSTANTS)
    assert frame.columns == list(METRICS)
    for name, entry in METRICS.items():
        assert entry.name == name
        assert entry.meaning.endswith(".")
        assert entry.better in {"higher", "lower", "neither"}
        assert entry.text(1234.5)


def test_an_unknown_metric_is_named_in_one_line():
    with pytest.raises(ValueError, match=r"metric must be one of pnl, .*, got 'alpha'"):
        metric("alpha")


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("pnl", 1234.567, "1,234.57"),
        ("pnl", -0.001, "0.00"),
        ("fill_ratio", 0.1234, "12.3%"),
        ("fills", None, "–"),
        ("order_to_trade", NAN, "–"),
    ],
)
def test_a_value_is_written_in_its_format(name, value, text):
    assert METRICS[name].text(value) == text


def test_an_episode_without_an_order_has_zero_money_and_no_ratios():
    row = measure(paths([100, 105, 95]))
    for name in ("pnl", "spread_captured", "inventory_revaluation", "fees", "sharpe", "max_drawdown", "quote_time"):
        assert row[name] == 0.0
    for name in ("fill_ratio", "maker_share", "order_to_trade", "quoted_spread", "inventory_half_life"):
        assert row[name] is None


def test_pnl_splits_into_spread_revaluation_and_fees():
    # Buy 100 at 98 with the mid at 100, sell 50 at 103 with the mid at 102; the mid ends at 99; fees 1.5 less 0.25.
    fills = [fill(0.5, 1, 98, 100, fee=1.5), fill(1.5, -1, 103, 102, qty=50, fee=-0.25)]
    row = measure(paths([100, 101, 102, 99], fills), fills)
    assert row["spread_captured"] == pytest.approx(2.00 + 0.50)
    assert row["inventory_revaluation"] == pytest.approx(100 * (99 - 100) * 0.01 - 50 * (99 - 102) * 0.01)
    assert row["fees"] == pytest.approx(1.25)
    assert row["pnl"] == pytest.approx(2.5 + 0.5 - 1.25)


def test_taking_liquidity_costs_spread():
    fills = [fill(0.5, 1, 101, 100, maker=0)]
    row = measure(paths([100, 100, 100], fills), fills)
    assert row["spread_captured"] == pytest.approx(-1.0)
    assert row["maker_share"] == 0.0
    assert row["adverse_selection_1s"] == 0.0


moves = st.lists(st.integers(-30, 30), min_size=3, max_size=20)
trade = st.tuples(st.sampled_from([-1, 1]), st.integers(-5, 5), st.integers(1, 500), st.sampled_from([0, 1]))


@given(moves, st.lists(trade, max_size=10), st.floats(-5, 5))
def test_parts_add_up_and_revaluation_is_the_move_of_the_mid_after_each_fill(steps, trades, fee):
    mid = 10_000.0 + np.cumsum(steps)
    fills = []
    for index, (side, distance, qty, maker) in enumerate(trades):
        time = (len(mid) - 1) * (index + 0.5) / len(trades)
        at_fill = mid[int(time)]
        fills.append(fill(time, side, int(at_fill - side * distance), at_fill, qty=qty, maker=maker, fee=fee))
    row = measure(paths(mid, fills), fills)
    moved = sum(side * qty * (mid[-1] - at) * 0.01 for _, _, side, _, _, qty, at, _ in fills)
    assert row["inventory_revaluation"] == pytest.approx(moved, abs=1e-6)
    assert row["pnl"] == pytest.approx(row["spread_captured"] + row["inventory_revaluation"] - row["fees"], abs=1e-9)
    assert row["realised_spread_1s"] - row["adverse_selection_1s"] == pytest.approx(
        sum(side * qty * (at - price) * 0.01 for _, _, side, maker, price, qty, at, _ in fills if maker), abs=1e-6
    )


def test_adverse_selection_takes_the_last_mid_at_or_before_each_horizon():
    mid = np.full(41, 100.0)
    mid[2:] = 97.0  # known from second 2 on
    mid[6:] = 95.0
    fills = [fill(1.0, 1, 99, 100)]  # horizons end at 2, 6 and 31 seconds
    row = measure(paths(mid, fills), fills)
    assert row["adverse_selection_1s"] == pytest.approx(-3.0)
    assert row["adverse_selection_5s"] == pytest.approx(-5.0)
    assert row["adverse_selection_30s"] == pytest.approx(-5.0)
    assert row["realised_spread_1s"] == pytest.approx(-2.0)


def test_adverse_selection_just_before_a_sample_does_not_see_it():
    fills = [fill(0.999, 1, 99, 100)]
    row = measure(paths([100, 100, 90, 90], fills), fills)
    assert row["adverse_selection_1s"] == 0.0


def test_adverse_selection_is_clipped_at_the_end_of_the_episode():
    fills = [fill(0.5, -1, 101, 100)]
    row = measure(paths([100, 104, 109], fills, length=2), fills)
    assert row["adverse_selection_30s"] == pytest.approx(-4.0)


def test_the_mid_at_the_fill_stands_until_the_next_sample():
    fills = [fill(3.0, 1, 97, 98)]
    row = measure(paths([100, 90], fills, times=[0.0, 10.0]), fills)
    assert row["adverse_selection_5s"] == 0.0
    assert row["adverse_selection_30s"] == pytest.approx(-8.0)


def test_sharpe_is_mean_over_deviation_of_step_pnl_times_root_of_steps():
    fills = [fill(0.5, 1, 100, 100)]
    mid = np.array([100.0, 103, 101, 106])
    row = measure(paths(mid, fills), fills)
    step = np.diff(mid)
    assert row["sharpe"] == pytest.approx(step.mean() / step.std(ddof=1) * np.sqrt(3))


def test_sharpe_is_zero_when_pnl_grows_evenly():
    fills = [fill(0.5, 1, 100, 100)]
    assert measure(paths([100 + 0.1 * i for i in range(50)], fills), fills)["sharpe"] == 0.0


def test_drawdown_is_the_largest_fall_below_the_running_maximum():
    fills = [fill(0.5, 1, 100, 100)]
    row = measure(paths([100, 110, 104, 112, 103, 111], fills), fills)
    assert row["max_drawdown"] == pytest.approx(9.0)


def test_inventory_maximum_sees_what_happened_between_two_decisions():
    fills = [fill(0.2, 1, 99, 100), fill(0.4, 1, 99, 100), fill(0.6, -1, 101, 100)]
    row = measure(paths([100, 100, 100, 100], fills), fills)
    assert row["inventory_abs_max"] == 200
    assert row["inventory_abs_mean"] == pytest.approx(75.0)
    assert row["inventory_final"] == 100


def test_inventory_half_life_of_geometric_decay():
    qty = [1024, 512, 256, 128, 64, 32, 16, 8]
    course = paths([100.0] * 8)
    course = replace(course, inventory=np.array([qty], float), cash=np.array([[-q for q in qty]], float))
    fills = [(0, int(1e9 * i), -1, 1, 100, qty[i] - qty[i + 1], 100.0, 0.0) for i in range(7)]
    assert measure(course, fills)["inventory_half_life"] == pytest.approx(1.0)


def test_quoting_is_counted_between_first_and_last_sample():
    course = paths(
        [100] * 6,
        bid=[NAN, 99, 98, NAN, 99, NAN],
        ask=[NAN, 101, 101, 101, NAN, NAN],
        best_bid=[99] * 6,
        best_ask=[101] * 6,
    )
    row = measure(course)
    assert row["quote_time"] == pytest.approx(2 / 4)
    assert row["time_at_best"] == pytest.approx((2 + 3) / 2 / 4)
    assert row["quoted_spread"] == pytest.approx((2 + 3) / 2)


def test_trading_ratios():
    fills = [fill(0.2, 1, 99, 100, qty=60), fill(0.4, -1, 99, 100, qty=20, maker=0)]
    sent = counts(
        orders_sent=6, cancels_sent=3, replaces_sent=1, orders_rejected=2, quantity_quoted=400, quantity_filled=80
    )
    row = measure(paths([100, 100], fills), fills, sent)
    assert row["fill_ratio"] == pytest.approx(0.2)
    assert row["order_to_trade"] == pytest.approx(5.0)
    assert (row["fills"], row["volume"], row["messages"], row["orders_rejected"]) == (2, 80, 10, 2)
    assert row["maker_share"] == pytest.approx(0.75)


def test_risk_adjusted_pnl_charges_inventory_at_the_end_of_every_step_and_what_is_left_at_the_close():
    # 200, 100, 100 shares at the ends of three steps of a second, the last of them sold by the liquidation.
    fills = [fill(0.5, 1, 100, 100, qty=200), fill(1.5, -1, 100, 100), fill(3.0, -1, 100, 100, maker=0)]
    row = measure(replace(paths([100] * 4, fills), held_at_end=np.array([100.0])), fills)
    assert row["pnl"] == pytest.approx(0.0, abs=1e-9)
    assert row["risk_adjusted_pnl"] == pytest.approx(-0.01 * (2**2 + 1 + 1) - 0.1 * 1, abs=1e-9)


def test_what_follows_an_early_end_is_ignored():
    fills = [fill(0.5, 1, 99, 100)]
    whole = measure(paths([100, 101, 99], fills), fills)
    course = paths([100, 101, 99, NAN, NAN], fills, length=3)
    course.inventory[0, 3:], course.cash[0, 3:] = 10**6, NAN
    assert measure(course, fills) == whole


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("inventory", r"inventory of episode 0 must change by its fills' 100.0, got 0.0"),
        ("cash", r"cash of episode 0 must change by its fills' -99.0, got 0.0"),
        ("fees", r"fees of episode 0 must change by its fills' 0.5, got 0.0"),
    ],
)
def test_fills_that_do_not_explain_the_accounts_are_an_error(name, message):
    fills = [fill(0.5, 1, 99, 100, fee=0.5)]
    course = replace(paths([100, 100], fills), **{name: np.zeros((1, 2))})
    with pytest.raises(ValueError, match=message):
        measure(course, fills)


def test_fills_of_an_episode_outside_the_batch_are_an_error():
    with pytest.raises(ValueError, match=r"fills.env must be in 0..0, got 3..3"):
        measure(paths([100, 100]), [(3, 0, 1, 1, 100, 1, 100.0, 0.0)])


def test_records_of_another_shape_or_dtype_are_errors():
    with pytest.raises(ValueError, match=r"fills must have the fields \('env', .*, got \('price',\)"):
        episode_metrics(paths([100, 100]), np.empty(0, [("price", "i4")]), counts(), CONSTANTS)
    with pytest.raises(ValueError, match=r"counts must have shape \(1,\), got \(2,\)"):
        episode_metrics(paths([100, 100]), np.empty(0, FILL), np.zeros(2, COUNT), CONSTANTS)


def test_paths_name_the_field_that_does_not_fit():
    course = paths([100, 101])
    with pytest.raises(ValueError, match=r"mid must have shape \(1, 2\) as time_s has, got \(1, 3\)"):
        replace(course, mid=np.zeros((1, 3)))
    with pytest.raises(ValueError, match=r"length must be in 1..2, got 3..3"):
        replace(course, length=np.array([3]))
    with pytest.raises(ValueError, match=r"mid must be finite, got nan in episode \[0 1\]"):
        replace(course, mid=np.array([[100.0, NAN]]))


def test_constants_must_be_positive():
    with pytest.raises(ValueError, match=r"tick_size must be > 0, got -0.01"):
        Constants(tick_size=-0.01, order_size=100, interval_s=1.0)


def test_a_large_order_does_not_overflow():
    fills = [fill(0.5, 1, 99_999, 100_000, qty=1_000_000)]
    assert measure(paths([100_000, 100_000], fills), fills)["spread_captured"] == pytest.approx(10_000.0)


def test_a_batch_gives_the_rows_of_its_episodes_alone(simulate_batch):
    both = simulate_batch("fixed_spread", "calm", [4, 9], steps=60)
    frame = episode_metrics(both.paths, both.fills, both.counts, both.constants)
    for row, seed in enumerate([4, 9]):
        one = simulate_batch("fixed_spread", "calm", [seed], steps=60)
        assert episode_metrics(one.paths, one.fills, one.counts, one.constants).equals(frame[row : row + 1])


def test_path_table_keeps_first_and_last_sample_and_holds_the_end():
    fills = [fill(0.5, 1, 99, 100)]
    table = path_table(paths([100, 101, 103, NAN, NAN, NAN], fills, length=3), CONSTANTS, points=4)
    assert table["step"].to_list() == [0, 2, 3, 5]
    assert table["pnl"].to_list() == [0.0, 4.0, 4.0, 4.0]
    assert table["elapsed_s"].to_list() == [0.0, 2.0, 3.0, 5.0]


def test_quote_and_fill_tables_hold_the_chosen_episodes(simulate_batch):
    batch = simulate_batch("fixed_spread", "calm", [1, 2, 3], steps=60)
    quotes = quote_table(batch.paths, batch.constants, [2])
    fills = fill_table(batch.fills, [2])
    assert quotes["env"].unique().to_list() == [2]
    assert len(quotes) == 61
    assert fills.equals(fill_table(batch.fills, [0, 1, 2]).filter(pl.col("env") == 2))
