"""Entry kernels for parts of the market that have none of their own: random streams and the event heap."""

from __future__ import annotations

import numpy as np

from lobenv.compiled import kernel
from lobenv.market import events, streams

BITS, UNIFORM, INTEGER, EXPONENTIAL, NORMAL, GEOMETRIC = range(6)
PUSH, POP, REPLACE_TOP = range(3)

HEAP_STEP = np.dtype([("op", "i8"), ("time", "i8"), ("sequence", "i8"), ("subject", "i8")], align=True)


@kernel(entry=True)
def draw(states, stream, law, parameter, bits, numbers):
    """Fill `numbers` (n,) from one stream by a law with its parameter; `bits` (n,) where the law is BITS."""
    for i in range(numbers.shape[0]):
        if law == BITS:
            states[stream] = states[stream] + streams.GOLDEN
            bits[i] = streams.mix(states[stream])
        elif law == UNIFORM:
            numbers[i] = streams.uniform(states, stream)
        elif law == INTEGER:
            numbers[i] = streams.integer(states, stream, int(parameter))
        elif law == EXPONENTIAL:
            numbers[i] = streams.exponential(states, stream, parameter)
        elif law == NORMAL:
            numbers[i] = streams.normal(states, stream)
        else:
            numbers[i] = streams.geometric(states, stream, parameter)


@kernel(entry=True)
def keys(seed, role, indices, out):
    """Fill `out` (n,) with the keys of (seed, role, index)."""
    for i in range(indices.shape[0]):
        out[i] = streams.key_of(seed, role, indices[i])


@kernel(entry=True)
def use_heap(heap, steps, size):
    """Carry out HEAP_STEPs on a heap of `size` entries; how many remain."""
    for i in range(steps.shape[0]):
        step = steps[i]
        if step["op"] == PUSH:
            events.heap_push(heap, size, step["time"], step["sequence"], 0, step["subject"])
            size += 1
        elif step["op"] == POP:
            events.heap_pop(heap, size)
            size -= 1
        else:
            events.heap_replace_top(heap, size, step["time"], step["sequence"], 0, step["subject"])
    return size
