"""What holds in every market at every instant, as functions that raise AssertionError where it does not."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from lobenv.market.tables import FREE, HIDDEN, LIMIT, NEW_ORDER, REPORT, REQUEST, RESTING, TRAVELLING, World

SLOT_MASK = (1 << 20) - 1


def check_all(world: World) -> None:
    """Every invariant below."""
    for book in range(len(world.books)):
        check_queues(world, book)
        check_best_prices(world, book)
        check_book_is_not_crossed(world, book)
        check_pegged_orders(world, book)
        check_conservation(world, book)
    check_own_lists(world)
    check_free_slots(world)
    check_heap(world.events, int(world.clock["events_size"][0]), int(world.clock["now"][0]))
    check_heap(world.wakes, int(world.clock["wakes_size"][0]), int(world.clock["now"][0]))


def walk(following: np.ndarray, slot: int) -> list[int]:
    """Slots of a linked list."""
    slots: list[int] = []
    while slot >= 0:
        assert len(slots) < len(following), "a list of orders runs in a circle"
        slots.append(slot)
        slot = int(following[slot])
    return slots


def _resting(world: World, book: int) -> np.ndarray:
    return np.flatnonzero((world.orders["state"] == RESTING) & (world.orders["book"] == book))


def _shows(orders: np.ndarray) -> np.ndarray:
    return (orders["kind"] == LIMIT) & (orders["flags"] & HIDDEN == 0)


def _price_of(world: World, book: int, index: int) -> int:
    base = int(world.books["base"][book])
    return base + (index - base) % world.levels.shape[1]


def check_queues(world: World, book: int) -> None:
    """Each resting order is in the one queue it belongs to, and each level's sums are those of its queues."""
    found: list[int] = []
    for index, level in enumerate(world.levels[book]):
        shown = walk(world.orders["next"], int(level["head"]))
        hidden = walk(world.orders["next"], int(level["hidden_head"]))
        for slots, shows, tail in ((shown, True, level["tail"]), (hidden, False, level["hidden_tail"])):
            orders = world.orders[slots]
            assert (orders["price"] == _price_of(world, book, index)).all()
            assert (_shows(orders) == shows).all()
            assert len(set(orders["side"].tolist())) <= 1
            assert orders["previous"].tolist() == [-1, *slots][: len(slots)]
            assert tail == (slots[-1] if slots else -1)
        assert level["qty"] == world.orders["qty"][shown].sum()
        assert level["hidden"] == world.orders["qty"][hidden].sum()
        found += shown + hidden
    assert sorted(found) == _resting(world, book).tolist()
    orders = world.orders[found]
    assert (orders["qty"] > 0).all()
    assert (orders["reserve"] >= 0).all()
    icebergs = orders[orders["reserve"] > 0]
    assert _shows(icebergs).all()
    assert (icebergs["qty"] <= icebergs["peak"]).all()


def check_best_prices(world: World, book: int) -> None:
    """`best` and `shown` are the best prices of all and of the displayed resting orders."""
    record, orders = world.books[book], world.orders[_resting(world, book)]
    empty = (int(record["base"]) - 1, int(record["base"]) + world.levels.shape[1])
    for i, side in enumerate((1, -1)):
        mine = orders[orders["side"] == side]
        for name, prices in (("best", mine["price"]), ("shown", mine["price"][_shows(mine)])):
            expected = side * (side * prices).max() if len(prices) else empty[i]
            assert record[name][i] == expected, f"{name}[{i}] is {record[name][i]}, the orders say {expected}"


def check_book_is_not_crossed(world: World, book: int) -> None:
    """No resting bid would trade with a resting ask."""
    assert world.books["best"][book, 0] < world.books["best"][book, 1]


def check_pegged_orders(world: World, book: int) -> None:
    """The book's list of pegged orders holds the resting ones, once each, linked both ways."""
    slots = walk(world.orders["next_pegged"], int(world.books["first_pegged"][book]))
    resting = _resting(world, book)
    assert sorted(slots) == resting[world.orders["kind"][resting] > LIMIT].tolist()
    for before, after in pairwise(slots):
        assert world.orders["previous_pegged"][after] == before


def check_conservation(world: World, book: int) -> None:
    """Shares and money move between traders and the venue, and neither come nor go."""
    accounts = world.accounts[:, book]
    assert accounts["position"].sum() == 0
    assert accounts["cash"].sum() == 0
    assert accounts["fees"].sum() == world.books["revenue"][book]
    assert accounts["volume"].sum() == 2 * accounts["maker_volume"].sum()
    traded = world.books["buy_volume"][book] + world.books["sell_volume"][book]
    assert accounts["maker_volume"].sum() == traded


def check_own_lists(world: World) -> None:
    """Each account lists its own resting orders and counts them and their shares."""
    owned: list[int] = []
    for index in np.ndindex(world.accounts.shape):
        account = world.accounts[index]
        slots = walk(world.orders["next_own"], int(account["first_order"]))
        orders = world.orders[slots]
        assert orders["previous_own"].tolist() == [-1, *slots][: len(slots)]
        assert account["open_orders"] == len(slots)
        assert ((orders["owner"] == index[0]) & (orders["book"] == index[1])).all()
        for i, side in enumerate((1, -1)):
            mine = orders[orders["side"] == side]
            assert account["open_qty"][i] == (mine["qty"] + mine["reserve"]).sum()
        owned += slots
    assert sorted(owned) == np.flatnonzero(world.orders["state"] == RESTING).tolist()


def check_free_slots(world: World) -> None:
    """Every order and message slot is either free once or in use once."""
    free = walk(world.orders["next"], int(world.clock["free_order"][0]))
    assert sorted(free) == np.flatnonzero(world.orders["state"] == FREE).tolist()
    events = world.events[: int(world.clock["events_size"][0])]
    travelling = np.flatnonzero(world.orders["state"] == TRAVELLING).tolist()
    assert sorted(events["subject"][events["kind"] == NEW_ORDER].tolist()) == travelling
    in_use = events["subject"][np.isin(events["kind"], (REPORT, REQUEST))].tolist()
    free_messages = walk(world.messages["next"], int(world.clock["free_message"][0]))
    assert sorted(free_messages + in_use) == list(range(len(world.messages)))
    live = world.orders[world.orders["state"] != FREE]
    assert (live["id"] & SLOT_MASK == np.flatnonzero(world.orders["state"] != FREE)).all()


def check_heap(heap: np.ndarray, size: int, now: int) -> None:
    """No entry comes before its parent, and nothing that is due lies in the past."""
    entries = list(zip(heap["time"][:size].tolist(), heap["sequence"][:size].tolist(), strict=True))
    for i in range(1, size):
        assert entries[(i - 1) // 4] < entries[i]
    assert not entries or entries[0][0] >= now
