"""What a detector says: one row an alert, the same for all detectors."""

from __future__ import annotations

import numpy as np

from lobenv.compiled import kernel
from lobenv.tape.schema import UNKNOWN_AGENT

EVIDENCE = 4  # order ids that an alert names at most
FEATURES = 8  # numbers behind an alert at most
NO_AGENT = UNKNOWN_AGENT

ALERT = np.dtype(
    [
        ("time", "i8"),  # of the record at which it was raised, the end of its window [ns since session open]
        ("start", "i8"),  # of its window [ns since session open]
        ("score", "f8"),  # 0 … 1
        ("orders", "i8", (EVIDENCE,)),  # ids of orders that show it, newest first; 0 where there are fewer
        ("features", "f8", (FEATURES,)),  # what is behind it, as `DetectorKind.features` names it; NaN beyond those
        ("detector", "i4"),  # `lobenv.detect.number_of` its name
        ("agent", "i4"),  # who is meant; NO_AGENT for nobody, and from a PUBLIC feed always
        ("book", "i4"),  # of the record at which it was raised
        ("side", "i4"),  # +1 bid, -1 ask, 0 both or neither
    ],
    align=True,
)  # without gaps: equal alerts are equal bytes


@kernel
def prepare(alert, detector, event):
    """Lay out an alert at a record of the tape: of no length, no side, nobody's, and without evidence."""
    alert["time"] = alert["start"] = event["time"]
    alert["book"] = event["book"]
    alert["detector"] = detector
    alert["score"] = 0.0
    alert["agent"] = NO_AGENT
    alert["side"] = 0
    for k in range(EVIDENCE):
        alert["orders"][k] = 0
    for k in range(FEATURES):
        alert["features"][k] = np.nan


@kernel
def remember(holder, order_id):
    """Put an order before the others that `holder["orders"]`, of EVIDENCE places, names; the oldest goes."""
    for k in range(EVIDENCE - 1, 0, -1):
        holder["orders"][k] = holder["orders"][k - 1]
    holder["orders"][0] = order_id


@kernel
def name_orders(alert, holder):
    """Name in an alert the orders that a holder remembers."""
    for k in range(EVIDENCE):
        alert["orders"][k] = holder["orders"][k]
