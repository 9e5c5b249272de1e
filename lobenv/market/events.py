"""The event queue: four-ary heaps ordered by time and, between equal times, by the sequence number of their making.

The market keeps two of them. `wakes` holds one entry for each background agent, and a wakeup replaces the top entry by
the agent's next; `events` holds what is under way (orders, reports, halts), which is little, so that it stays in cache.
"""

from __future__ import annotations

from lobenv.compiled import kernel
from lobenv.market.tables import World


@kernel
def _before(heap, i, time, sequence):
    """Whether entry i comes before (time, sequence)."""
    return heap[i]["time"] < time or (heap[i]["time"] == time and heap[i]["sequence"] < sequence)


@kernel
def _write(heap, i, time, sequence, kind, subject):
    heap[i]["time"] = time
    heap[i]["sequence"] = sequence
    heap[i]["kind"] = kind
    heap[i]["subject"] = subject


@kernel
def _move(heap, to, source):
    _write(heap, to, heap[source]["time"], heap[source]["sequence"], heap[source]["kind"], heap[source]["subject"])


@kernel
def heap_push(heap, size, time, sequence, kind, subject):
    """Add an entry to a heap of `size` entries, in place. The caller has made sure that there is room."""
    i = size
    while i > 0:
        parent = (i - 1) >> 2
        if _before(heap, parent, time, sequence):
            break
        _move(heap, i, parent)
        i = parent
    _write(heap, i, time, sequence, kind, subject)


@kernel
def heap_replace_top(heap, size, time, sequence, kind, subject):
    """Put an entry in the place of the first, in place, and restore the order."""
    i = 0
    while True:
        child = 4 * i + 1
        if child >= size:
            break
        first = child
        for other in range(child + 1, min(child + 4, size)):
            if _before(heap, other, heap[first]["time"], heap[first]["sequence"]):
                first = other
        if not _before(heap, first, time, sequence):
            break
        _move(heap, i, first)
        i = first
    _write(heap, i, time, sequence, kind, subject)


@kernel
def heap_pop(heap, size):
    """Take the first entry off a heap of `size` entries, in place; `size - 1` remain."""
    last = size - 1
    heap_replace_top(heap, last, heap[last]["time"], heap[last]["sequence"], heap[last]["kind"], heap[last]["subject"])


@kernel
def next_sequence(world: World):
    """The next tie-breaking number."""
    sequence = world.clock[0]["sequence"]
    world.clock[0]["sequence"] = sequence + 1
    return sequence


@kernel
def schedule(world: World, time, kind, subject):
    """Put an event in the queue.

    Raises:
        OverflowError: The queue is full.
    """
    size = world.clock[0]["events_size"]
    if size >= world.events.shape[0]:
        raise OverflowError("event queue full: raise capacity.events of the scenario")
    heap_push(world.events, size, time, next_sequence(world), kind, subject)
    world.clock[0]["events_size"] = size + 1


@kernel
def pop_event(world: World):
    """Take the first event off the queue."""
    size = world.clock[0]["events_size"]
    heap_pop(world.events, size)
    world.clock[0]["events_size"] = size - 1


@kernel
def schedule_wake(world: World, time, agent):
    """Enter an agent that has no wakeup pending."""
    size = world.clock[0]["wakes_size"]
    heap_push(world.wakes, size, time, next_sequence(world), 0, agent)
    world.clock[0]["wakes_size"] = size + 1


@kernel
def reschedule_first_wake(world: World, time):
    """Give the agent at the top of the wakeups, which is awake now, its next time."""
    agent = world.wakes[0]["subject"]
    heap_replace_top(world.wakes, world.clock[0]["wakes_size"], time, next_sequence(world), 0, agent)
