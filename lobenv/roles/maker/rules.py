"""What a market maker does apart from its decisions: how it begins, what it photographs, and what reports tell it."""

from __future__ import annotations

import math

from lobenv.compiled import kernel
from lobenv.market.feed import shares_ahead_of
from lobenv.market.tables import ACK, PARTIAL, REJECTED, REPLACED, World
from lobenv.roles.maker.table import QUOTE_CANCELLING, QUOTE_LIVE, QUOTE_NONE, maker_of


@kernel
def begin(world: World, external):
    """Take the fundamental value for the mid until a view has come."""
    maker = maker_of(world, external)
    symbol = world.books[world.externals[external]["book"]]["symbol"]
    maker["mid"] = world.fundamentals[symbol]["value"]
    maker["held_at_end"] = math.nan


@kernel
def photograph(world: World, external):
    """Add to the view captured now what stands ahead of its own quotes."""
    view = world.captures[external, world.externals[external]["capture"] % world.captures.shape[1]]
    for i in range(2):
        view["ahead"][i] = shares_ahead_of(world, maker_of(world, external)["quote_id"][i])


@kernel
def on_report(world: World, external, message):
    """Follow the reported life of the two quotes."""
    maker, kind = maker_of(world, external), message["kind"]
    for i in range(2):
        if maker["quote_state"][i] == QUOTE_NONE or maker["quote_id"][i] != message["order_id"]:
            continue
        if kind == PARTIAL:
            maker["quote_qty"][i] = message["remaining"]
        elif kind == ACK or kind == REPLACED or (kind == REJECTED and message["remaining"] > 0):
            # A refused request leaves the order resting as it was.
            maker["quote_price"][i] = message["price"]
            maker["quote_qty"][i] = message["remaining"]
            if maker["quote_state"][i] != QUOTE_CANCELLING:
                maker["quote_state"][i] = QUOTE_LIVE
        else:
            maker["quote_state"][i] = QUOTE_NONE
            maker["quote_qty"][i] = 0
