"""Random streams: one 64-bit state for each agent, link and fundamental, so that nobody's draws shift another's.

The generator is SplitMix64 (Steele, Lea and Flood 2014): the state advances by a constant and is hashed. It is
counter-based, so a stream can be set to any point at once. An agent's stream is set anew at each of its wakeups from
its key and the number of the wakeup: how many numbers one decision used does not shift the next.
"""

from __future__ import annotations

import math

import numpy as np

from lobenv.compiled import kernel

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
MIX_2 = np.uint64(0x94D049BB133111EB)
SHIFT_1, SHIFT_2, SHIFT_3 = np.uint64(30), np.uint64(27), np.uint64(31)
DROP_BITS = np.uint64(11)
UNIT = 1.0 / (1 << 53)
TWO_PI = 2.0 * math.pi

# Roles that own streams
AGENT_ROLE, ORDER_LINK_ROLE, REPORT_LINK_ROLE, FEED_LINK_ROLE = 1, 2, 3, 4
FUNDAMENTAL_ROLE, JUMP_ROLE, OPENING_ROLE = 5, 6, 7


@kernel
def mix(z):
    """Hash 64 bits to 64 bits (the finaliser of SplitMix64)."""
    z = (z ^ (z >> SHIFT_1)) * MIX_1
    z = (z ^ (z >> SHIFT_2)) * MIX_2
    return z ^ (z >> SHIFT_3)


@kernel
def key_of(seed, role, index):
    """Key of the stream of (seed, role, index).

    Args:
        seed: uint64 seed of the market.
        role: Which kind of owner, one of the roles above.
        index: Which of that kind.
    """
    z = mix(np.uint64(seed) + GOLDEN)
    z = mix(z ^ (np.uint64(role) * MIX_1))
    return mix(z ^ (np.uint64(index) * MIX_2))


@kernel
def uniform(streams, i):
    """A number in [0, 1), advancing stream i."""
    state = streams[i] + GOLDEN
    streams[i] = state
    return np.int64(mix(state) >> DROP_BITS) * UNIT


@kernel
def integer(streams, i, n):
    """An integer in 0 … n-1, advancing stream i."""
    return np.int64(uniform(streams, i) * n)


@kernel
def exponential(streams, i, mean):
    """An exponential number of the given mean, advancing stream i."""
    return -mean * math.log(1.0 - uniform(streams, i))


@kernel
def normal(streams, i):
    """A standard normal number by the Box-Muller transform, advancing stream i twice."""
    radius = math.sqrt(-2.0 * math.log(1.0 - uniform(streams, i)))
    return radius * math.cos(TWO_PI * uniform(streams, i))


@kernel
def geometric(streams, i, p):
    """Failures before the first success at probability p, advancing stream i."""
    return np.int64(math.log(1.0 - uniform(streams, i)) / math.log(1.0 - p))
