"""What all kinds of background trader share: the frozen configuration, and the first steps of every decision."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field, PositiveFloat

from lobenv.settings import Frozen
from lobenv.tape.labels import INTENTS

Intent = Literal[INTENTS]  # pyright: ignore[reportInvalidTypeForm]


class AgentConfig(Frozen):
    """A group of background traders of one kind.

    Attributes:
        count: How many there are.
        mean_interval_s: Mean time between two decisions of one trader [s]; Poisson unless the kind says else.
        latency: Name of the latency profile of its links.
        latency_by_venue: Venue to the name of another profile for the links to it.
        computation_us: From decision to sending [us].
        books: Names of the books traded, dealt out in turn; empty for all.
        inventory_cap_shares: Largest position that the exchange lets it build up; 0 for none.
        order_rate_per_s: Messages a second that the exchange accepts; 0 for no limit.
        self_trade_prevention: What happens when two orders of one trader meet.
        label: Ground truth of its intent on the tape, one of `lobenv.tape.labels.INTENTS`.
    """

    count: int = Field(default=1, ge=0, le=1_000_000)
    mean_interval_s: PositiveFloat = 10.0
    latency: str = "metro"
    latency_by_venue: dict[str, str] = Field(default_factory=dict)
    computation_us: float = Field(default=50.0, ge=0)
    books: tuple[str, ...] = ()
    inventory_cap_shares: int = Field(default=0, ge=0)
    order_rate_per_s: int = Field(default=0, ge=0)
    self_trade_prevention: Literal["off", "cancel_newest", "cancel_oldest", "cancel_both"] = "cancel_oldest"
    label: Intent = "none"

    def write(self, state: np.ndarray, index: int, close_ns: int) -> None:
        """Fill the record of one trader's own state, in place.

        Args:
            state: Record of the kind's STATE dtype.
            index: Which of the group.
            close_ns: End of the session [ns].
        """
        raise NotImplementedError(type(self).__name__)
