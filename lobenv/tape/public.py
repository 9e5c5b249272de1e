"""What a public reader is given of a tape: its records without who was behind them, and without why."""

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
PUBLIC_FIELDS: tuple[str, ...] = tuple(name for name in FIELDS if name not in NOT_KNOWN)
PUBLIC_RECORD = np.dtype([(name, RECORD[name]) for name in PUBLIC_FIELDS], align=True)


def public_records(records: np.ndarray) -> np.ndarray:
    """A copy of (N,) RECORD as (N,) PUBLIC_RECORD: no owner, no aggressor, no intent, no reason."""
    public = np.zeros(len(records), PUBLIC_RECORD)
    for name in PUBLIC_FIELDS:
        public[name] = records[name]
    return public


def records_of_public(public: np.ndarray) -> np.ndarray:
    """A copy of (N,) PUBLIC_RECORD as (N,) RECORD in which all that is not public is not known."""
    records = np.zeros(len(public), RECORD)
    for name in PUBLIC_FIELDS:
        records[name] = public[name]
    for name, value in NOT_KNOWN.items():
        records[name] = value
    return records
