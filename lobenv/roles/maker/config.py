"""The configuration of a market maker: what it quotes, how it acts and is paid, and its record's beginning."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
from pydantic import Field

from lobenv.market.tables import MILLITICKS
from lobenv.roles.base import LearnerConfig, Seat, Size
from lobenv.roles.maker.action import SIZES
from lobenv.roles.maker.modes import MODES
from lobenv.roles.maker.task import REWARD_MODES, Task
from lobenv.settings import SECOND, OrderSize, Seconds


class Maker(LearnerConfig, Task):
    """External market makers.

    Attributes:
        order_size_shares: Size of a quote, the lot of observations and rewards [shares].
        max_offset_ticks: Distance of a quote from the mid at the far end of the action [ticks].
        inventory_cap_lots: Largest position [lots]; the exchange refuses what could breach it.
        quote_timeout_s: A quote not heard of for this long is taken for lost, cancelled and sent anew [s].
    """

    role: Literal["maker"] = "maker"
    order_size_shares: OrderSize = 100
    max_offset_ticks: float = Field(default=20.0, ge=1e-3, le=1_000_000)
    inventory_cap_lots: int = Field(default=10, ge=1, le=1_000_000)
    quote_timeout_s: Seconds = 2.0

    @property
    def task(self) -> Task:
        """How it acts and is paid, alone."""
        return Task(action=self.action, reward=self.reward)

    def position_limit(self) -> int:
        """Its cap in shares."""
        return self.inventory_cap_lots * self.order_size_shares

    def sizes(self) -> Iterator[Size]:
        """Its quotes, of several lots where it chooses their sizes, and its largest position."""
        yield Size("order_size_shares", self.order_size_shares, max(SIZES))
        yield Size("inventory_cap_lots", self.inventory_cap_lots, self.order_size_shares, is_position=True)

    def write(self, record: np.ndarray, seat: Seat) -> None:
        """Fill a MAKER record, in place."""
        record["action_mode"] = MODES[self.action].number
        record["reward_mode"] = REWARD_MODES[self.reward.mode]
        record["order_size"] = self.order_size_shares
        record["inventory_cap"] = self.position_limit()
        record["quote_timeout"] = round(self.quote_timeout_s * SECOND)
        record["max_offset"] = self.max_offset_ticks
        record["interval"] = seat.interval_s
        record["session"] = seat.session_s
        record["inventory_aversion"] = self.reward.inventory_aversion
        record["terminal_aversion"] = self.reward.terminal_aversion
        record["dampening"] = self.reward.dampening
        record["dollars"] = seat.tick_size / MILLITICKS
