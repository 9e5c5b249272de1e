"""What readers are given of a tape: the public no owner and no reason, the venue no intent."""

from __future__ import annotations

import numpy as np

from lobenv.tape.labels import NO_INTENT
from lobenv.tape.reasons import REASON_NONE
from lobenv.tape.schema import FIELDS, RECORD, UNKNOWN_AGENT

NOT_KNOWN = {
    "owner": UNKNOWN_AGENT,
    "aggressor": UNKNOWN_AGENT,
    "label": NO_INTENT,
    "aggressor_label": NO_INTENT,
    "reason": REASON_NONE,
}  # the columns that no public reader is given, and what stands in them where nobody knows
TRUTH = ("label", "aggressor_label")  # the columns that no reader is given but the one who judges the others
PUBLIC_FIELDS: tuple[str, ...] = tuple(name for name in FIELDS if name not in NOT_KNOWN)
PUBLIC_RECORD = np.dtype([(name, RECORD[name]) for name in PUBLIC_FIELDS], align=True)
VENUE_FIELDS: tuple[str, ...] = tuple(name for name in FIELDS if name not in TRUTH)
VENUE_RECORD = np.dtype([(name, RECORD[name]) for name in VENUE_FIELDS], align=True)


def public_records(records: np.ndarray) -> np.ndarray:
    """A copy of (N,) RECORD as (N,) PUBLIC_RECORD: no owner, no aggressor, no intent, no reason."""
    return _of_fields(records, PUBLIC_RECORD)


def venue_records(records: np.ndarray) -> np.ndarray:
    """A copy of (N,) RECORD as (N,) VENUE_RECORD: whose orders they were and why they went, but no intent."""
    return _of_fields(records, VENUE_RECORD)


def _of_fields(records: np.ndarray, dtype: np.dtype) -> np.ndarray:
    copy = np.zeros(len(records), dtype)
    for name in dtype.names or ():
        copy[name] = records[name]
    return copy


def records_of_public(public: np.ndarray) -> np.ndarray:
    """A copy of (N,) PUBLIC_RECORD as (N,) RECORD in which all that is not public is not known."""
    records = np.zeros(len(public), RECORD)
    for name in PUBLIC_FIELDS:
        records[name] = public[name]
    for name, value in NOT_KNOWN.items():
        records[name] = value
    return records
