"""The event heap against the standard library's."""

from __future__ import annotations

import heapq
from operator import itemgetter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lobenv.agents.noise import Noise
from lobenv.compiled import JIT_ENABLED
from lobenv.market.tables import EVENT
from lobenv.scenario.config import Capacity, OpeningBook
from tests.market.driver import SECOND, Market, small_template, trader
from tests.market.invariants import check_heap
from tests.market.parts import HEAP_STEP, POP, PUSH, REPLACE_TOP, use_heap

ROOM = 200
steps = st.lists(st.tuples(st.sampled_from([PUSH, PUSH, POP, REPLACE_TOP]), st.integers(0, 20)), max_size=ROOM)


def entries(heap, size):
    return sorted(
        zip(
            heap["time"][:size].tolist(), heap["sequence"][:size].tolist(), heap["subject"][:size].tolist(), strict=True
        )
    )


@settings(max_examples=300 if JIT_ENABLED else 100, deadline=None)
@given(steps=steps)
def test_the_heap_gives_its_entries_in_the_order_of_heapq(steps):
    heap, twin, size = np.zeros(ROOM, EVENT), [], 0
    for sequence, (op, time) in enumerate(steps):
        if op != PUSH and not twin:
            continue
        entry = (time, sequence, 3 * sequence)
        size = use_heap(heap, np.array([(op, *entry)], HEAP_STEP), size)
        if op == PUSH:
            heapq.heappush(twin, entry)
        elif op == POP:
            heapq.heappop(twin)
        else:
            heapq.heapreplace(twin, entry)
        assert size == len(twin)
        assert entries(heap, size) == sorted(twin)
        assert size == 0 or heap[["time", "sequence", "subject"]][0].item() == twin[0]
        check_heap(heap, size, 0)


def test_entries_of_one_time_come_in_the_order_of_their_making():
    heap = np.zeros(ROOM, EVENT)
    pushes = [(PUSH, 7, sequence, sequence) for sequence in np.random.default_rng(1).permutation(ROOM).tolist()]
    size = use_heap(heap, np.array(pushes, HEAP_STEP), 0)
    order = []
    while size:
        order.append(heap[0].item())
        size = use_heap(heap, np.array([(POP, 0, 0, 0)], HEAP_STEP), size)
    assert list(map(itemgetter(1), order)) == list(range(ROOM))


def test_a_full_event_queue_is_an_error_that_names_the_setting():
    capacity = Capacity(orders=64, messages=512, events=16, ladder_ticks=64, feed=64, inbox=64)
    market = Market(small_template(trader(1, computation_ns=SECOND), capacity=capacity))
    while market.world.clock["events_size"][0] < 16:
        market.order(1, 1, 990, 1)
    with pytest.raises(OverflowError, match=r"capacity\.events"):
        market.order(1, 1, 990, 1)


def test_a_full_message_table_is_an_error_that_names_the_setting():
    capacity = Capacity(orders=64, messages=16, events=512, ladder_ticks=64, feed=64, inbox=64)
    market = Market(small_template(trader(1), trader(2), capacity=capacity))
    for _ in range(10):
        market.order(1, 1, 1_000, 1)
    with pytest.raises(OverflowError, match=r"capacity\.messages"):
        market.order(2, -1, 1_000, 10)


def test_a_full_order_table_at_the_opening_is_an_error_that_names_the_setting():
    capacity = Capacity(orders=16, messages=64, events=64, ladder_ticks=64, feed=64, inbox=64)
    with pytest.raises(OverflowError, match=r"capacity\.orders"):
        Market(small_template(capacity=capacity, opening=OpeningBook(levels=20)))


def test_every_background_trader_has_exactly_one_wakeup_pending():
    market = Market(small_template(agents={"noise": Noise(count=30, mean_interval_s=0.5)}))
    for _ in range(5):
        market.wait(SECOND)
        size = int(market.world.clock["wakes_size"][0])
        assert sorted(market.world.wakes["subject"][:size].tolist()) == [0, *range(3, 33)]
