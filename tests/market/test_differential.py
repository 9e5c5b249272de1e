"""The market against the reference exchange: the whole book, every account and every report after every message."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lobenv.compiled import JIT_ENABLED
from lobenv.market.tables import (
    ACK,
    CANCEL,
    CANCEL_ALL,
    CANCELLED,
    FILL,
    FOK,
    GTC,
    HIDDEN,
    IOC,
    LIMIT,
    MARKET,
    PARTIAL,
    PEG_MIDPOINT,
    PEG_PRIMARY,
    POST_ONLY,
    REDUCE,
    REJECTED,
    REPLACE,
    REPLACED,
)
from lobenv.scenario.config import Capacity, Fees, Halts
from lobenv.tape.reasons import (
    REASON_BAD_QUANTITY,
    REASON_HALTED,
    REASON_LIMIT_BREACHED,
    REASON_NO_REFERENCE,
    REASON_NONE,
    REASON_NOT_FILLABLE,
    REASON_ON_REQUEST,
    REASON_ORDER_TYPE,
    REASON_OUT_OF_WINDOW,
    REASON_PRICE_BAND,
    REASON_RATE_LIMIT,
    REASON_SELF_TRADE,
    REASON_UNFILLED,
    REASON_UNKNOWN_ORDER,
    REASON_WOULD_CROSS,
    REASON_WRONG_OWNER,
)
from tests.market.driver import MIDDLE, ORDER, SECOND, trader
from tests.market.invariants import check_all
from tests.market.twin import NEVER_SENT, Message, Twins, differential_template, four_traders

EXAMPLES = 300 if JIT_ENABLED else 150
LONG_STREAM = 20_000 if JIT_ENABLED else 5_000
CHECK_EVERY = 50

TEMPLATES = {
    "all rules": differential_template(four_traders()),
    "no rules": differential_template(tuple(trader(i, stp=3) for i in range(1, 5)), fees=Fees(), halts=Halts()),
    "few slots": differential_template(
        four_traders(),
        capacity=Capacity(orders=16, messages=512, events=512, ladder_ticks=64, feed=64, inbox=512),
    ),
}

CANCELLATIONS = (
    REASON_ON_REQUEST,
    REASON_SELF_TRADE,
    REASON_NOT_FILLABLE,
    REASON_UNFILLED,
    REASON_HALTED,
    REASON_OUT_OF_WINDOW,
)
REFUSALS = (
    REASON_UNKNOWN_ORDER,
    REASON_WRONG_OWNER,
    REASON_BAD_QUANTITY,
    REASON_PRICE_BAND,
    REASON_HALTED,
    REASON_LIMIT_BREACHED,
    REASON_RATE_LIMIT,
    REASON_WOULD_CROSS,
    REASON_ORDER_TYPE,
    REASON_NO_REFERENCE,
)
ANSWERS = {
    *((kind, REASON_NONE) for kind in (ACK, PARTIAL, FILL, REPLACED)),
    *((CANCELLED, reason) for reason in CANCELLATIONS),
    *((REJECTED, reason) for reason in REFUSALS),
}

messages = st.builds(
    Message,
    op=st.sampled_from([ORDER] * 6 + [CANCEL, REDUCE, REPLACE, REPLACE, CANCEL_ALL]),
    agent=st.integers(1, 4),
    side=st.sampled_from([1, -1]),
    price=st.integers(MIDDLE - 6, MIDDLE + 6) | st.integers(MIDDLE - 40, MIDDLE + 40),
    qty=st.integers(1, 30) | st.sampled_from([0, -3, 90, 150]),
    kind=st.sampled_from([LIMIT] * 6 + [MARKET, PEG_PRIMARY, PEG_MIDPOINT]),
    tif=st.sampled_from([GTC] * 6 + [IOC, FOK]),
    flags=st.sampled_from([0] * 4 + [POST_ONLY, HIDDEN, POST_ONLY | HIDDEN]),
    peak=st.sampled_from([0] * 3 + [1, 4, 9]),
    target=st.integers(NEVER_SENT, 12),
    is_owners=st.sampled_from([True] * 4 + [False]),
    wait=st.sampled_from([0] * 6 + [1, SECOND // 4, SECOND, 3 * SECOND]),
)


@pytest.mark.parametrize("rules", TEMPLATES)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(stream=st.lists(messages, min_size=1, max_size=60))
def test_market_equals_the_reference_after_every_message(rules, stream):
    twins = Twins(TEMPLATES[rules])
    for message in stream:
        twins.send(message)
    check_all(twins.market.world)


def random_message(generator: np.random.Generator, centre: int) -> Message:
    """A message whose price is mostly near `centre`."""
    pick = generator.choice
    far = generator.random() < 0.12
    return Message(
        op=int(pick([ORDER, CANCEL, REDUCE, REPLACE, CANCEL_ALL], p=[0.77, 0.08, 0.05, 0.098, 0.002])),
        agent=int(generator.integers(1, 5)),
        side=int(pick([1, -1])),
        price=centre + int(generator.integers(-60, 61) if far else generator.integers(-5, 6)),
        qty=int(generator.integers(1, 60)) if generator.random() < 0.98 else 0,
        kind=int(pick([LIMIT, MARKET, PEG_PRIMARY, PEG_MIDPOINT], p=[0.8, 0.06, 0.07, 0.07])),
        tif=int(pick([GTC, IOC, FOK], p=[0.86, 0.07, 0.07])),
        flags=int(pick([0, POST_ONLY, HIDDEN, POST_ONLY | HIDDEN], p=[0.7, 0.13, 0.13, 0.04])),
        peak=int(pick([0, 3, 11], p=[0.7, 0.15, 0.15])),
        target=int(generator.integers(NEVER_SENT, 40)),
        is_owners=bool(generator.random() < 0.9),
        wait=int(generator.exponential(0.15 * SECOND)),
    )


def test_market_equals_the_reference_through_a_long_stream_whose_price_wanders():
    twins = Twins(TEMPLATES["all rules"])
    generator = np.random.default_rng(20_240_611)
    seen, bases = Counter(), set()
    for i in range(LONG_STREAM):
        twins.send(random_message(generator, MIDDLE + round(40 * math.sin(i / 400))))
        seen.update((int(report.kind), int(report.reason)) for report in twins.last_reports)
        bases.add(twins.exchange.base)
        if i % CHECK_EVERY == 0:
            check_all(twins.market.world)
    assert set(seen) >= ANSWERS
    assert twins.exchange.halts > 0
    assert len(bases) > 1
