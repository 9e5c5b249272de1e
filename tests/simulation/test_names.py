"""A misspelt callback, term or option of a strategy is one line with what was meant; names of one's own are free."""

import pytest

from lobenv.simulation import Strategy


@pytest.mark.parametrize(
    ("name", "value", "meant"),
    [
        ("on_bookupdate", len, "on_book_update"),
        ("onBookUpdate", len, "on_book_update"),
        ("book_update", len, "on_book_update"),
        ("on_fills", len, "on_fill"),
        ("on_timers", 3, "on_timer"),
        ("timer_interval", 1.0, "timer_interval_s"),
        ("timer_interval_ms", 1.0, "timer_interval_s"),
        ("inventory_cap", 100, "inventory_cap_shares"),
        ("order_rate", 10, "order_rate_per_s"),
        ("lossLimit", 1.0, "loss_limit"),
        ("latency_us", 3.0, "latency"),
        ("book", "main", "books"),
    ],
)
def test_a_name_that_is_nearly_one_of_the_base_class_is_refused_when_the_class_is_made(name, value, meant):
    with pytest.raises(TypeError, match=f"Own: '{name}' is not one of .*, did you mean {meant}\\?") as caught:
        type("Own", (Strategy,), {name: value})
    assert "\n" not in str(caught.value)


def test_every_other_name_that_begins_like_a_callback_is_refused_too():
    with pytest.raises(TypeError, match="Own: 'on_tick' is not one of on_start, on_book_update, on_report, on_fill"):
        type("Own", (Strategy,), {"on_tick": len})


def test_a_misspelt_callback_of_a_base_that_is_no_strategy_is_found():
    class Quotes:
        def on_bookupdate(self, market, view): ...

    with pytest.raises(TypeError, match="did you mean on_book_update"):
        type("Own", (Quotes, Strategy), {})


def test_helpers_and_state_of_one_s_own_are_free():
    class Own(Strategy):
        order_ids, orders, timer, interval, max_loss, stop_loss = (), (), 0, 1.0, 2.0, 3.0
        _on_book, latencies, flat, fills, position_limit = None, (), False, (), 3

        def start(self): ...

        def fill(self): ...

        def update_book(self): ...

        @property
        def report(self):
            return self.order_ids

    class Derived(Own):
        timer_interval_s = 1.0

    assert Derived(latency="colo").latency == "colo"


def test_a_misspelt_option_is_told_what_was_perhaps_meant():
    with pytest.raises(TypeError, match=r"Strategy: 'latencies' is not one of name, .*, did you mean latency\?"):
        Strategy(latencies="colo")
