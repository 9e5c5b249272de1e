"""What an agent may see: the newest view that is at least as old as its feed's delay, and its age."""

from __future__ import annotations

import pytest

from lobenv.market.feed import shares_ahead_of
from lobenv.market.tables import DEPTH, HIDDEN, NONE
from lobenv.scenario.config import Capacity, Latency, Link, Session
from tests.market.driver import SECOND, Market, small_template, trader

MICROSECOND = 1_000
AT_ONCE = Link(base_us=0)


def market_with_feed(feed, feed_ring=64):
    """Trader 1 sees late, trader 2 at once."""
    capacity = Capacity(orders=64, messages=512, events=512, ladder_ticks=64, feed=feed_ring, inbox=512)
    latencies = {"slow": Latency(order_entry=AT_ONCE, report=AT_ONCE, feed=feed)}
    return Market(small_template(trader(1, latency="slow"), trader(2), latencies=latencies, capacity=capacity))


def publish_one_view_a_microsecond(market, count):
    for i in range(count):
        market.order(2, 1, 970 + i, 1 + i, after=MICROSECOND)


def test_without_delay_the_latest_view_is_seen():
    market = market_with_feed(AT_ONCE)
    publish_one_view_a_microsecond(market, 5)
    view = market.look(1)
    assert (view["time"], view["price"][0], view["qty"][0]) == (market.now, 974, 5)


@pytest.mark.parametrize("delay", [1, 2, 3])
def test_the_newest_view_not_younger_than_the_delay_is_seen(delay):
    market = market_with_feed(Link(base_us=delay))
    publish_one_view_a_microsecond(market, 6)
    view = market.look(1)
    assert view["time"] == market.now - delay * MICROSECOND
    assert view["price"][0] == 975 - delay


def test_between_two_views_the_older_is_seen():
    market = market_with_feed(Link(base_us=1.5))
    publish_one_view_a_microsecond(market, 6)
    assert market.look(1)["time"] == market.now - 2 * MICROSECOND


def test_what_has_just_happened_is_not_seen_until_the_delay_is_over():
    market = market_with_feed(Link(base_us=400))
    market.order(2, 1, 1_000, 5, after=SECOND)
    assert market.look(1)["qty"].tolist() == [0, 0]
    market.wait(400 * MICROSECOND - 1)
    assert market.look(1)["qty"].tolist() == [0, 0]
    market.wait(1)
    assert market.look(1)["qty"].tolist() == [5, 0]


def test_views_are_never_seen_out_of_order():
    market = market_with_feed(Link(base_us=1, jitter="uniform", scale_us=20))
    times, ages = [], set()
    for i in range(200):
        market.order(2, 1, 1_000 if i % 2 else 999, 1, after=MICROSECOND)
        market.cancel_all(2)
        times.append(int(market.look(1)["time"]))
        ages.add(market.now - times[-1])
    assert times == sorted(times)
    assert min(ages) >= MICROSECOND
    assert len(ages) > 3


def test_a_view_older_than_the_ring_is_an_error_that_names_the_setting():
    market = market_with_feed(Link(base_us=1_000), feed_ring=16)
    for i in range(20):
        market.order(2, 1, 970 + i, 1, after=MICROSECOND)
    with pytest.raises(OverflowError, match=r"capacity\.feed"):
        market.look(1)


def test_a_view_shows_the_displayed_touch_the_last_price_and_the_signed_volume():
    market = market_with_feed(AT_ONCE)
    market.order(2, 1, 1_000, 5)
    market.order(2, 1, 1_000, 30, peak=4)
    market.order(2, 1, 1_001, 7, flags=HIDDEN)
    market.order(2, -1, 1_004, 3)
    market.order(1, -1, 1_001, 2)
    market.order(1, 1, 1_004, 1)
    view = market.look(1)
    assert view["price"].tolist() == [1_000, 1_004]
    assert view["qty"].tolist() == [9, 2]
    assert (view["last_price"], view["trades"]) == (1_004, 2)
    assert (view["buy_volume"], view["sell_volume"]) == (1, 2)


def test_changes_away_from_the_touch_and_of_undisplayed_shares_show_no_other_touch():
    market = market_with_feed(AT_ONCE)
    market.order(2, 1, 1_000, 5)
    before = market.look(1)
    market.order(2, 1, 998, 5)
    order = market.order(2, 1, 999, 5, flags=HIDDEN)
    market.cancel(2, order)
    after = market.look(1)
    assert (after["price"].tolist(), after["qty"].tolist()) == (before["price"].tolist(), before["qty"].tolist())


# ---------------------------------------------------------------- captures for external agents


def test_the_book_is_photographed_one_feed_delay_before_each_decision():
    latencies = {"slow": Latency(order_entry=AT_ONCE, report=AT_ONCE, feed=Link(base_us=300))}
    decider = trader(1, latency="slow", interval_ns=SECOND)
    market = Market(
        small_template(decider, trader(2), latencies=latencies, session=Session(warm_up_s=2.0, duration_s=60.0))
    )
    for price, qty in ((1_000, 4), (999, 5), (997, 6)):
        market.order(2, 1, price, qty)
    market.order(2, -1, 1_003, 7, flags=HIDDEN)
    market.order(2, -1, 1_004, 30, peak=8)
    own = market.order(1, 1, 999, 2)
    market.order(2, 1, 999, 9)
    assert [int(shares_ahead_of(market.world, order)) for order in (own, 12_345)] == [5, NONE]
    market.run(2 * SECOND - 300 * MICROSECOND)
    market.order(2, 1, 1_001, 1, after=1)
    market.run(2 * SECOND)
    seen = market.world.captures[0, 0]
    assert (seen["decision"], seen["time"]) == (0, 2 * SECOND - 300 * MICROSECOND)
    assert seen["price"].tolist() == [1_000, 1_004]
    assert seen["depth"][0].tolist() == [4, 16, 0, 6] + [0] * (DEPTH - 4)
    assert seen["depth"][1].tolist() == [8] + [0] * (DEPTH - 1)
    market.run(3 * SECOND)
    later = market.world.captures[0, 1 % market.world.captures.shape[1]]
    assert (later["decision"], later["price"][0]) == (1, 1_001)


def test_a_photograph_of_an_empty_side_shows_no_depth():
    decider = trader(1, interval_ns=SECOND)
    market = Market(small_template(decider, trader(2), session=Session(warm_up_s=2.0, duration_s=60.0)))
    market.order(2, 1, 1_000, 4)
    market.run(2 * SECOND)
    depth = market.world.captures[0, 0]["depth"]
    assert (depth[0, 0], depth[1].sum()) == (4, 0)
