"""Liquidity shocks: the depth displayed at the touch collapses, and the spread widens or both sides go.

Depth is compared with its own recent past, so that one threshold serves thin books and deep ones: `1 - depth / median
of the last minute`, which has to stay above the threshold for some updates or a moment. Depth at the best price and
spread around a shock, and how soon they are back, are what Degryse, de Jong, van Ravenswaaij and Wuyts (Review of
Finance 9(2), 2005) follow after an aggressive order. Deviations:

- Depth is that of the best level, which every feed shows, not of a band around the mid. An order that improves the
  touch thins it too, so that nothing is said while the spread is narrower than its median.
- Their shocks are orders; here any loss of depth is one, whether executed or cancelled, which the features tell.
- The median is of the values at the ends of the last 60 full seconds, not weighted by time within a second.
- Time passes with records: a book in which nothing happens raises no alert until something does.
"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from lobenv.compiled import kernel
from lobenv.detect.alerts import EVIDENCE, name_orders, remember
from lobenv.detect.base import PUBLIC, DetectorConfig, DetectorKind
from lobenv.settings import SECOND, SecondsFromZero
from lobenv.tape.schema import ADD, EXECUTE, HALT, NO_ASK, NO_BID, TRADING_RESUMES

SECONDS = 60  # of the reference
BID, ASK, SPREAD = range(3)  # what is referred to

SERIES = np.dtype(
    [
        ("standing", "i8"),  # value after the last record [shares, or ticks]
        ("samples", "i8", (SECONDS,)),  # at the ends of the last seconds, in a ring
        ("ordered", "i8", (SECONDS,)),  # the same, ascending
    ],
    align=True,
)
SIDE = np.dtype(
    [
        ("best", "i8"),  # price of the touch [ticks]
        ("is_armed", "i8"),  # whether depth has been there since the last alert
        ("updates", "i8"),  # in a row after which depth was missing
        ("since", "i8"),  # the first of them [ns]
        ("healthy", "i8"),  # when depth was last there [ns]
        ("executed", "i8"),  # at the touch since then [shares]
        ("cancelled", "i8"),  # at the touch since then [shares]
        ("orders", "i8", (EVIDENCE,)),  # that went since then, newest first
    ],
    align=True,
)
STATE = np.dtype(
    [
        ("series", SERIES, (3,)),
        ("sides", SIDE, (2,)),
        ("second", "i8"),  # that the last record was in
        ("is_started", "i8"),
        ("is_halted", "i8"),
        ("samples", "i8"),  # in each series, SECONDS at most
        ("place", "i8"),  # in the rings, of the next sample
        ("threshold", "f8"),
        ("recovered", "f8"),
        ("spread_ratio", "f8"),
        ("updates", "i8"),
        ("persistence", "i8"),  # [ns]
    ],
    align=True,
)
FEATURES = ("drop", "depth", "reference_depth", "spread_ratio", "executed", "cancelled")


class LiquidityShock(DetectorConfig):
    """Liquidity shocks.

    Attributes:
        threshold: Share of the reference depth that has to be missing. On recorded days of AMZN and AAPL (LOBSTER,
            2012-06-21) the defaults raise three alerts an hour; 0.38, after 3 updates or 0.1 s, more than 200.
        updates: Changes of the book in a row after which it is still missing ...
        persistence_s: ... or time after which it is [s], whichever comes first.
        spread_ratio: Spread in units of its median that a shock to one side has to come with; not asked of both.
        recovered: Share of the reference depth at which a shock is over; until then it is not reported again.
    """

    detector: Literal["liquidity_shock"] = "liquidity_shock"
    threshold: Annotated[float, Field(ge=0.01, le=0.999)] = 0.95
    updates: Annotated[int, Field(ge=1, le=1_000_000)] = 20
    persistence_s: SecondsFromZero = 1.0
    spread_ratio: Annotated[float, Field(ge=1.0, le=1e6)] = 2.0
    recovered: Annotated[float, Field(ge=0.01, le=10.0)] = 0.8

    def write(self, state: np.ndarray) -> None:
        """Only settings: the book is not known yet."""
        for name in ("threshold", "updates", "spread_ratio", "recovered"):
            state[name] = getattr(self, name)
        state["persistence"] = round(self.persistence_s * SECOND)


@kernel
def watch(state, event, alert):
    """Follow the touch, and compare it with the last minute."""
    kind = event["kind"]
    if kind == HALT:
        _follow_halt(state, event["price"])
        return False
    if kind < ADD or kind > EXECUTE or state["is_halted"] != 0:
        return False
    _close_seconds(state, event["time"] // SECOND)
    _attribute(state, event)
    _follow_touch(state, event)
    if state["samples"] < SECONDS:
        return False
    return _judge(state, event["time"], alert)


@kernel
def _follow_halt(state, price):
    """Wait for trading, and then forget the time before it."""
    state["is_halted"] = price != TRADING_RESUMES
    state["is_started"] = state["samples"] = state["place"] = 0
    for side in range(2):
        state["sides"][side]["is_armed"] = 0


@kernel
def _close_seconds(state, second):
    """Note what stood at the end of every second that is over."""
    if state["is_started"] != 0:
        for _ in range(min(second - state["second"], SECONDS)):
            for which in range(3):
                _sample(state["series"][which], state["samples"], state["place"])
            state["samples"] = min(state["samples"] + 1, SECONDS)
            state["place"] = (state["place"] + 1) % SECONDS
    state["is_started"] = 1
    state["second"] = second


@kernel
def _sample(series, count, place):
    """Add the standing value to the samples in place of the oldest, and keep them ordered."""
    ordered = series["ordered"]
    if count == SECONDS:
        oldest, at = series["samples"][place], 0
        while ordered[at] != oldest:
            at += 1
        for k in range(at, SECONDS - 1):
            ordered[k] = ordered[k + 1]
        count -= 1
    value, at = series["standing"], count
    while at > 0 and ordered[at - 1] > value:
        ordered[at] = ordered[at - 1]
        at -= 1
    ordered[at] = series["samples"][place] = value


@kernel
def _median(series):
    return (series["ordered"][SECONDS // 2 - 1] + series["ordered"][SECONDS // 2]) / 2


@kernel
def _attribute(state, event):
    """Count what leaves the touch, and remember the orders that it leaves with."""
    side = state["sides"][(1 - event["side"]) >> 1]
    if event["kind"] == ADD or event["price"] != side["best"]:
        return
    if event["kind"] == EXECUTE:
        side["executed"] += event["qty"]
    else:
        side["cancelled"] += event["qty"]
    remember(side, event["order_id"])


@kernel
def _follow_touch(state, event):
    series, sides = state["series"], state["sides"]
    series[BID]["standing"], series[ASK]["standing"] = event["bid_qty"], event["ask_qty"]
    sides[BID]["best"], sides[ASK]["best"] = event["best_bid"], event["best_ask"]
    if event["best_bid"] != NO_BID and event["best_ask"] != NO_ASK:
        series[SPREAD]["standing"] = int(event["best_ask"]) - int(event["best_bid"])


@kernel
def _judge(state, time, alert):
    """Whether a side, or both, has lost its depth for long enough and with a spread that says so too."""
    bid, ask, spread = _drop(state, BID), _drop(state, ASK), _spread_ratio(state)
    bid_holds, ask_holds = _follow_drop(state, BID, bid, time), _follow_drop(state, ASK, ask, time)
    if bid > state["threshold"] and ask > state["threshold"]:
        if (bid_holds or ask_holds) and spread >= 1.0:
            _report(state, alert, BID if bid >= ask else ASK, max(bid, ask), spread)
            alert["side"] = 0
            state["sides"][BID]["is_armed"] = state["sides"][ASK]["is_armed"] = 0
            return True
        return False
    if (bid_holds or ask_holds) and spread > state["spread_ratio"]:
        _report(state, alert, BID if bid_holds else ASK, bid if bid_holds else ask, spread)
        return True
    return False


@kernel
def _drop(state, side):
    """Share of the reference depth that is missing; below 0 where there is more than usual."""
    reference = _median(state["series"][side])
    return 1.0 - state["series"][side]["standing"] / reference if reference > 0.0 else 0.0


@kernel
def _spread_ratio(state):
    """Spread in units of its median; infinite where a side is empty."""
    if state["sides"][BID]["best"] == NO_BID or state["sides"][ASK]["best"] == NO_ASK:
        return np.inf
    reference = _median(state["series"][SPREAD])
    return state["series"][SPREAD]["standing"] / reference if reference > 0.0 else 1.0


@kernel
def _follow_drop(state, column, drop, time):
    """Whether the loss of one side is new, and has lasted."""
    side = state["sides"][column]
    if drop <= 1.0 - state["recovered"]:
        _recover(side, time)
    if drop <= state["threshold"]:
        side["updates"] = 0
        return False
    if side["updates"] == 0:
        side["since"] = time
    side["updates"] += 1
    has_lasted = side["updates"] >= state["updates"] or time - side["since"] >= state["persistence"]
    return side["is_armed"] != 0 and has_lasted


@kernel
def _recover(side, time):
    """The depth is there: from now on its loss is news."""
    side["is_armed"] = 1
    side["healthy"] = time
    side["executed"] = side["cancelled"] = 0
    for k in range(EVIDENCE):
        side["orders"][k] = 0


@kernel
def _report(state, alert, column, drop, spread):
    """Fill an alert about one side, which is not reported again until its depth has been there."""
    side, series = state["sides"][column], state["series"][column]
    side["is_armed"] = 0
    alert["start"] = side["healthy"]
    alert["side"] = 1 - 2 * column
    alert["score"] = drop
    name_orders(alert, side)
    features = alert["features"]
    features[0], features[1], features[2], features[3] = drop, series["standing"], _median(series), spread
    features[4], features[5] = side["executed"], side["cancelled"]


KIND = DetectorKind(LiquidityShock, STATE, PUBLIC, FEATURES, watch)
