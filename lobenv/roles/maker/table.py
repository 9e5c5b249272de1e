"""What a market maker is, as a record: its settings, what it knows of its two quotes, and what it remembers."""

from __future__ import annotations

import numpy as np

from lobenv.compiled import kernel
from lobenv.market.memory import own
from lobenv.market.tables import World

# Ways to act
CONTINUOUS, DISCRETE, MULTIDISCRETE = 0, 1, 2

# What is paid beside the profit
INVENTORY, DAMPENED, PNL = 0, 1, 2

# Life of a quote, as far as the maker knows
QUOTE_NONE, QUOTE_PENDING, QUOTE_LIVE, QUOTE_CANCELLING = 0, 1, 2, 3

TIME_CONSTANTS = (1.0, 5.0, 30.0)  # s, of flow and returns; volatility and trade rate use the last
HORIZONS = len(TIME_CONSTANTS)

MAKER = np.dtype(
    [
        # settings
        ("action_mode", "i8"),
        ("reward_mode", "i8"),
        ("order_size", "i8"),  # shares
        ("inventory_cap", "i8"),  # shares
        ("quote_timeout", "i8"),  # ns
        ("max_offset", "f8"),  # ticks
        ("interval", "f8"),  # s
        ("session", "f8"),  # s
        ("inventory_aversion", "f8"),  # $ per lot^2 per s
        ("terminal_aversion", "f8"),  # $ per lot^2
        ("dampening", "f8"),
        ("dollars", "f8"),  # $ per millitick x share
        # quotes: column 0 the bid, column 1 the ask
        ("quote_id", "i8", (2,)),
        ("quote_sent", "i8", (2,)),  # ns
        ("quote_price", "i4", (2,)),
        ("quote_qty", "i4", (2,)),  # open, as reported
        ("quote_state", "i4", (2,)),
        # what it has seen
        ("view_time", "i8"),  # of the view the features below were last updated with
        ("buy_volume", "i8"),
        ("sell_volume", "i8"),
        ("trades", "i8"),
        ("mid", "f8"),  # ticks
        ("views", "i8"),  # views taken in so far
        ("flow", "f8", (HORIZONS,)),  # shares
        ("mid_mean", "f8", (HORIZONS,)),  # ticks
        ("variance", "f8"),  # ticks^2 per s
        ("trade_rate", "f8"),  # 1/s
        # what it was paid by, at the last decision
        ("value", "i8"),  # P&L [milliticks x shares]
        ("twice_mid", "i8"),  # twice the mid, as the exchange had it
        ("held", "i8"),  # shares held, as the exchange had it
        ("held_at_end", "f8"),  # shares held before the liquidation at the end; NaN before
    ],
    align=True,
)
SIZE = MAKER.itemsize


@kernel
def maker_of(world: World, external):
    """The record of an external agent that is a market maker, to read and to write."""
    return own(world, world.externals[external]["agent"], MAKER, SIZE)
