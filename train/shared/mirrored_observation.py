"""The market seen from the other side of the book: what was bid is ask, and what had a sign has the other.

A market that treats buyers and sellers alike has mirrored answers to mirrored questions, so that what is learned about
the bid is learned about the ask too.
"""

from __future__ import annotations

import numpy as np

from lobenv.roles.maker.observation import FIELDS, INDEX

SIGNED = frozenset(
    name for name in INDEX if name.startswith(("inventory", "microprice", "imbalance", "signed_flow", "return"))
)


def other_side(field: str) -> str:
    """The field that stands in the mirror where this one stands; its sign changes if it is `SIGNED`."""
    for own, other in (("bid_", "ask_"), ("ask_", "bid_")):
        if field.startswith(own):
            return other + field.removeprefix(own)
    return field


# (F,): an observation x in the mirror is x[ORDER] * SIGNS.
ORDER = np.array([INDEX[other_side(field.name)] for field in FIELDS])
SIGNS = np.array([-1.0 if field.name in SIGNED else 1.0 for field in FIELDS], np.float32)
