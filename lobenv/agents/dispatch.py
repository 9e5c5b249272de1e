"""Every kind of background trader in one place: its number, and which rule decides when one of them wakes or is told.

A new kind is a file with STATE, a configuration and `wake`, a line in KINDS, and a branch below.
"""

from __future__ import annotations

import numpy as np

from lobenv.agents import (
    arbitrageur,
    avellaneda_stoikov,
    institution,
    market_maker,
    mean_reversion,
    momentum,
    noise,
    opening,
    recorded,
    retail,
    value,
)
from lobenv.compiled import kernel
from lobenv.market.streams import GOLDEN, exponential, mix
from lobenv.market.tables import NEVER, REGULAR, World

(
    EXTERNAL,
    OPENING,
    RECORDED_FLOW,
    NOISE,
    RETAIL,
    VALUE,
    MOMENTUM,
    MEAN_REVERSION,
    MARKET_MAKER,
    AVELLANEDA_STOIKOV,
    INSTITUTION,
    ARBITRAGEUR,
) = range(12)

# kind of configuration -> (number, record of its own state)
KINDS = {
    "noise": (NOISE, noise.STATE),
    "retail": (RETAIL, retail.STATE),
    "value": (VALUE, value.STATE),
    "momentum": (MOMENTUM, momentum.STATE),
    "mean_reversion": (MEAN_REVERSION, mean_reversion.STATE),
    "market_maker": (MARKET_MAKER, market_maker.STATE),
    "avellaneda_stoikov": (AVELLANEDA_STOIKOV, avellaneda_stoikov.STATE),
    "institution": (INSTITUTION, institution.STATE),
    "arbitrageur": (ARBITRAGEUR, arbitrageur.STATE),
}


@kernel
def begin(world: World, agent):
    """Set the agent's stream for this wakeup and draw when the next is."""
    record = world.agents[agent]
    record["wakes"] += 1
    stream = record["stream"]
    world.streams[stream] = mix(record["key"] + GOLDEN * np.uint64(record["wakes"]))
    now = world.clock[0]["now"]
    if record["rhythm"] == REGULAR:
        return now + int(record["interval"])
    return now + int(exponential(world.streams, stream, record["interval"]))


@kernel
def wake(world: World, agent):
    """Let an agent decide.

    Returns:
        When it wakes next [ns], or NEVER.
    """
    kind = world.agents[agent]["kind"]
    next_wake = begin(world, agent)
    if kind == NOISE:
        return noise.wake(world, agent, next_wake)
    if kind == RETAIL:
        return retail.wake(world, agent, next_wake)
    if kind == VALUE:
        return value.wake(world, agent, next_wake)
    if kind == MOMENTUM:
        return momentum.wake(world, agent, next_wake)
    if kind == MEAN_REVERSION:
        return mean_reversion.wake(world, agent, next_wake)
    if kind == MARKET_MAKER:
        return market_maker.wake(world, agent, next_wake)
    if kind == AVELLANEDA_STOIKOV:
        return avellaneda_stoikov.wake(world, agent, next_wake)
    if kind == INSTITUTION:
        return institution.wake(world, agent, next_wake)
    if kind == ARBITRAGEUR:
        return arbitrageur.wake(world, agent, next_wake)
    if kind == RECORDED_FLOW:
        return recorded.wake(world, agent, next_wake)
    if kind == OPENING:
        return opening.wake(world, agent, next_wake)
    return NEVER


@kernel
def informed(world: World, message_slot):
    """Let the owner of an order learn from a report that has just reached it."""
    message = world.messages[message_slot]
    agent = message["owner"]
    kind = world.agents[agent]["kind"]
    if kind == MARKET_MAKER:
        market_maker.informed(world, agent, message)
    elif kind == AVELLANEDA_STOIKOV:
        avellaneda_stoikov.informed(world, agent, message)
    elif kind == INSTITUTION:
        institution.informed(world, agent, message)
