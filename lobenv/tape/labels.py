"""The vocabulary of intent: what an order was sent for, as only the simulator knows it.

A record of the tape bears two of them: of the owner of the resting order, and in an execution of the aggressor. No
public reader is given either.
"""

from __future__ import annotations

# The place in this tuple is the number on the tape; names are only ever added at the end.
INTENTS = (
    "none",  # ordinary trading, or not known
    "liquidation",  # the venue closes a position: end of the session, or kill switch
    "spoofing",
    "layering",
    "momentum_ignition",
    "quote_stuffing",
    "wash_trading",
    "marking_the_close",
    "iceberg",
    "twap",
    "vwap",
    "pov",
    "market_making",
    "informed",
)
INTENT_NUMBERS = {name: number for number, name in enumerate(INTENTS)}
NO_INTENT = INTENT_NUMBERS["none"]
LIQUIDATION = INTENT_NUMBERS["liquidation"]
