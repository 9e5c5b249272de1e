"""Quote stuffing: one owner sends far more messages than the whole book usually has, and cancels what they bring.

Egginton, Van Ness and Van Ness (Financial Management 45(3), 2016) call a minute stuffed in which a stock has more than
its mean of quotes a minute of the last 20 days and 20 standard deviations. Here it is asked of one owner, and of
seconds, so that it is seen while it happens and the one who does it is named. Deviations from the paper:

- A rate is a count that decays over `window_s`; the book's own mean and deviation are exponential averages of its
  messages in each second, over `memory_s` rather than 20 days. The deviation is never taken for less than a Poisson
  count of that mean would have, or than one message.
- A second counts for at most what would have been stuffed, so that an episode does not hide the next one.
- Most of what the owner adds must be cancelled, and next to nothing trade: bursts of orders that stay or fill are none.
- Removals that the owner did not ask for (the session's end, a price that left the window) are no messages.

Of one book the busiest owners are followed, WAYS for each remainder of their number by SETS.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from lobenv.compiled import kernel
from lobenv.detect.alerts import EVIDENCE, name_orders, remember
from lobenv.detect.base import VENUE, DetectorConfig, DetectorKind
from lobenv.settings import SECOND, Seconds, SecondsFromZero, Share
from lobenv.tape.reasons import REASON_NONE, REASON_ON_REQUEST, REASON_REPLACED
from lobenv.tape.schema import ADD, DELETE, EXECUTE, REDUCE, UNKNOWN_AGENT

SETS, WAYS = 64, 4
ONE_SIDED = 0.8  # of the messages on one side more than on the other, from which on an alert has a side

OWNER = np.dtype(
    [
        ("owner", "i8"),
        ("last", "i8"),  # its last event [ns]
        ("start", "i8"),  # when it was last no busier than the book usually is [ns]
        ("hold", "i8"),  # nothing is said of it before [ns]
        ("messages", "f8"),  # these five decay
        ("added", "f8"),
        ("cancelled", "f8"),
        ("traded", "f8"),
        ("signed", "f8"),  # messages about bids less those about asks
        ("orders", "i8", (EVIDENCE,)),  # cancelled last, newest first
    ],
    align=True,
)
STATE = np.dtype(
    [
        ("owners", OWNER, (SETS * WAYS,)),
        ("second", "i8"),  # that the last record was in
        ("seconds", "i8"),  # that are over
        ("is_started", "i8"),
        ("messages", "f8"),  # of the book in this second
        ("weight", "f8"),  # of the averages: their sums are over 1 - (1 - rate)^seconds
        ("sum", "f8"),  # of messages a second
        ("squares", "f8"),
        ("rate", "f8"),  # at which a second is forgotten
        ("window", "f8"),  # [ns]
        ("warm_up", "f8"),  # [s]
        ("quiet", "i8"),  # [ns]
        ("deviations", "f8"),
        ("cancelled_share", "f8"),
        ("traded_share", "f8"),
    ],
    align=True,
)
FEATURES = ("rate_per_s", "deviations", "book_mean_per_s", "book_deviation_per_s", "cancelled_share", "traded_share")


class QuoteStuffing(DetectorConfig):
    """Quote stuffing.

    Attributes:
        deviations: Standard deviations of the book's messages a second that an owner's rate must be above their mean.
        cancelled_share: Cancelled orders for an order added, at least.
        traded_share: Executions for an order added, at most.
        window_s: Over which an owner's count decays [s].
        memory_s: Over which the book's averages forget [s].
        warm_up_s: Of a tape, in which they are only learned [s].
        quiet_s: For so long an owner must have stopped before it is reported again [s].
    """

    detector: Literal["quote_stuffing"] = "quote_stuffing"
    deviations: Annotated[float, Field(ge=1.0, le=1e6)] = 20.0
    cancelled_share: Share = 0.9
    traded_share: Share = 0.01
    window_s: Annotated[float, Field(ge=0.01, le=3_600.0)] = 1.0
    memory_s: Annotated[float, Field(ge=2.0, le=1e6)] = 1_200.0
    warm_up_s: SecondsFromZero = 60.0
    quiet_s: Seconds = 10.0

    def write(self, state: np.ndarray) -> None:
        """Settings, and nobody followed yet."""
        for name in ("deviations", "cancelled_share", "traded_share"):
            state[name] = getattr(self, name)
        state["owners"]["owner"] = UNKNOWN_AGENT
        state["rate"] = 1.0 / self.memory_s
        state["window"] = self.window_s * SECOND
        state["warm_up"] = self.warm_up_s
        state["quiet"] = round(self.quiet_s * SECOND)


@kernel
def watch(state, event, alert):
    """Count a message or an execution for whom it is of, and compare an owner's rate with the book's."""
    _close_seconds(state, event["time"] // SECOND)
    if event["kind"] == EXECUTE:
        _count_trade(state, event["owner"], event["time"])
        _count_trade(state, event["aggressor"], event["time"])
        return False
    if not _is_message(event):
        return False
    state["messages"] += 1.0
    if event["owner"] == UNKNOWN_AGENT:
        return False
    owner = _owner(state, event["owner"], event["time"])
    _count_message(owner, event)
    return state["seconds"] >= state["warm_up"] and _judge(state, owner, event["time"], alert)


@kernel
def _is_message(event):
    """Whether somebody sent it: an order, or a change of one that its owner asked for, as far as is known."""
    if event["kind"] == ADD:
        return True
    reason = event["reason"]
    is_asked_for = reason == REASON_NONE or reason == REASON_ON_REQUEST or reason == REASON_REPLACED
    return is_asked_for and (event["kind"] == DELETE or event["kind"] == REDUCE)


@kernel
def _close_seconds(state, second):
    """Take the seconds that are over into the book's averages: one with messages, and any number without."""
    if state["is_started"] != 0 and second > state["second"]:
        empty = second - state["second"] - 1
        _learn(state, min(state["messages"], _most(state)))
        kept = (1.0 - state["rate"]) ** empty
        state["weight"] = 1.0 - (1.0 - state["weight"]) * kept
        state["sum"] *= kept
        state["squares"] *= kept
        state["seconds"] += 1 + empty
        state["messages"] = 0.0
    state["is_started"] = 1
    state["second"] = second


@kernel
def _learn(state, messages):
    rate = state["rate"]
    state["weight"] += rate * (1.0 - state["weight"])
    state["sum"] += rate * (messages - state["sum"])
    state["squares"] += rate * (messages * messages - state["squares"])


@kernel
def _mean(state):
    """Messages of the book in a second [1/s]."""
    return state["sum"] / state["weight"] if state["weight"] > 0.0 else 0.0


@kernel
def _deviation(state):
    """Their standard deviation, at least that of a Poisson count and at least one message [1/s]."""
    mean = _mean(state)
    variance = state["squares"] / state["weight"] - mean * mean if state["weight"] > 0.0 else 0.0
    return math.sqrt(max(variance, mean, 1.0))


@kernel
def _most(state):
    """Messages that a second counts for at most."""
    if state["seconds"] < state["warm_up"]:
        return np.inf
    return _mean(state) + state["deviations"] * _deviation(state)


@kernel
def _owner(state, number, time):
    """The record of an owner, decayed to now; a new one takes the place of the least busy of its set."""
    first = number % SETS * WAYS
    least, fewest = first, np.inf
    for k in range(first, first + WAYS):
        owner = state["owners"][k]
        if owner["owner"] == number:
            _decay(owner, time, state["window"])
            return owner
        messages = owner["messages"] * math.exp((owner["last"] - time) / state["window"])
        if messages < fewest:
            least, fewest = k, messages
    owner = state["owners"][least]
    _begin(owner, number, time)
    return owner


@kernel
def _decay(owner, time, window):
    kept = math.exp((owner["last"] - time) / window)
    owner["messages"] *= kept
    owner["added"] *= kept
    owner["cancelled"] *= kept
    owner["traded"] *= kept
    owner["signed"] *= kept
    owner["last"] = time


@kernel
def _begin(owner, number, time):
    owner["owner"] = number
    owner["last"] = owner["start"] = owner["hold"] = time
    owner["messages"] = owner["added"] = owner["cancelled"] = owner["traded"] = owner["signed"] = 0.0
    for k in range(EVIDENCE):
        owner["orders"][k] = 0


@kernel
def _count_trade(state, number, time):
    if number != UNKNOWN_AGENT:
        _owner(state, number, time)["traded"] += 1.0


@kernel
def _count_message(owner, event):
    owner["messages"] += 1.0
    owner["signed"] += event["side"]
    if event["kind"] == ADD:
        owner["added"] += 1.0
    elif event["kind"] == DELETE:
        owner["cancelled"] += 1.0
        remember(owner, event["order_id"])


@kernel
def _judge(state, owner, time, alert):
    """Whether this owner stuffs the book, and is not known for it."""
    mean, deviation = _mean(state), _deviation(state)
    rate = owner["messages"] * SECOND / state["window"]
    above = (rate - mean) / deviation
    if rate <= mean:
        owner["start"] = time
    if above <= state["deviations"] or owner["added"] <= 0.0:
        return False
    cancelled, traded = owner["cancelled"] / owner["added"], owner["traded"] / owner["added"]
    if cancelled < state["cancelled_share"] or traded > state["traded_share"]:
        return False
    is_known = time < owner["hold"]
    owner["hold"] = time + state["quiet"]
    if is_known:
        return False
    alert["score"] = above / (above + state["deviations"])
    features = alert["features"]
    features[0], features[1], features[2], features[3] = rate, above, mean, deviation
    features[4], features[5] = cancelled, traded
    _name(alert, owner)
    return True


@kernel
def _name(alert, owner):
    """Say who it is, since when, with which orders, and on which side."""
    alert["agent"] = owner["owner"]
    alert["start"] = owner["start"]
    name_orders(alert, owner)
    share = owner["signed"] / owner["messages"]
    alert["side"] = 1 if share > ONE_SIDED else -1 if share < -ONE_SIDED else 0


KIND = DetectorKind(QuoteStuffing, STATE, VENUE, FEATURES, watch)
