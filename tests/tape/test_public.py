"""What public readers are given of a tape: everything but who was behind it, and why."""

import numpy as np

from lobenv.tape.labels import NO_INTENT
from lobenv.tape.public import NOT_KNOWN, PUBLIC_FIELDS, PUBLIC_RECORD, public_records
from lobenv.tape.reasons import REASON_NONE
from lobenv.tape.schema import FIELDS, RECORD, UNKNOWN_AGENT, Tape


def full_records():
    records = np.zeros(3, RECORD)
    for k, name in enumerate(FIELDS):
        records[name] = [k + 1, k + 2, k + 3]
    return records


def test_public_records_have_every_field_but_owner_aggressor_intents_and_reason():
    hidden = {"owner", "aggressor", "label", "aggressor_label", "reason"}
    assert set(NOT_KNOWN) == hidden
    assert set(PUBLIC_FIELDS) == set(PUBLIC_RECORD.names or ()) == set(FIELDS) - hidden
    records = full_records()
    public = public_records(records)
    assert all(np.array_equal(public[name], records[name]) for name in PUBLIC_FIELDS)
    assert public.itemsize < records.itemsize


def test_public_tape_keeps_what_is_public_and_knows_nothing_else():
    tape = Tape(full_records(), 0.01, 0, "X", "sim")
    public = tape.public()
    assert public.metadata == tape.metadata
    assert all(np.array_equal(public.records[name], tape.records[name]) for name in PUBLIC_FIELDS)
    assert set(public.records["owner"]) == set(public.records["aggressor"]) == {UNKNOWN_AGENT}
    assert set(public.records["label"]) == set(public.records["aggressor_label"]) == {NO_INTENT}
    assert set(public.records["reason"]) == {REASON_NONE}
