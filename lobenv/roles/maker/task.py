"""How a market maker acts and is paid, and the record that its settings are written to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from lobenv.market.tables import MILLITICKS
from lobenv.roles.dispatch import MAKER as MAKER_ROLE
from lobenv.roles.maker.modes import MODES
from lobenv.roles.maker.table import DAMPENED, INVENTORY, MAKER, PNL
from lobenv.settings import Frozen, Share

ActionMode = Literal["continuous", "discrete", "multidiscrete"]
RewardMode = Literal["inventory", "dampened", "pnl"]
REWARD_MODES = {"inventory": INVENTORY, "dampened": DAMPENED, "pnl": PNL}


class Reward(Frozen):
    """What a learner is paid for.

    Attributes:
        mode: `inventory`: profit less `inventory_aversion` q^2 dt, and `terminal_aversion` q^2 at the end; `dampened`:
            profit less `dampening` times what inventory gained from moves of the mid (Spooner et al. 2018); `pnl`:
            profit alone.
        inventory_aversion: $ per lot squared per second.
        terminal_aversion: $ per lot squared, of the inventory that had to be liquidated at the close.
        dampening: Fraction of gains from holding that does not count.
    """

    mode: RewardMode = "inventory"
    inventory_aversion: float = Field(default=0.01, ge=0, le=1_000_000)
    terminal_aversion: float = Field(default=0.1, ge=0, le=1_000_000)
    dampening: Share = 0.5


class Task(Frozen):
    """How an external market maker acts and is paid.

    Attributes:
        action: Action mode.
        reward: What it is paid for.
    """

    action: ActionMode = "continuous"
    reward: Reward = Reward()

    @model_validator(mode="before")
    @classmethod
    def _reward_by_name(cls, values: dict[str, object]) -> dict[str, object]:
        """Let a reward be named by its mode alone."""
        if isinstance(values, dict) and isinstance(values.get("reward"), str):
            return {**values, "reward": {"mode": values["reward"]}}
        return values


@dataclass(frozen=True)
class MakerRole:
    """A market maker in one market: what its record begins with.

    Attributes:
        task: How it acts and is paid.
        order_size: Shares of a quote, a lot.
        inventory_cap: Shares.
        quote_timeout_ns: A quote not heard of for this long is taken for lost [ns].
        max_offset: Distance of a quote from the mid at the far end of the continuous action [ticks].
        interval_s: Between two decisions [s].
        session_s: Length of its session [s].
        tick_size: $ a tick.
    """

    task: Task
    order_size: int
    inventory_cap: int
    quote_timeout_ns: int
    max_offset: float
    interval_s: float
    session_s: float
    tick_size: float

    number: ClassVar[int] = MAKER_ROLE
    dtype: ClassVar[np.dtype] = MAKER

    def write(self, record: np.ndarray) -> None:
        """Fill the MAKER record, in place."""
        reward = self.task.reward
        record["action_mode"] = MODES[self.task.action].number
        record["reward_mode"] = REWARD_MODES[reward.mode]
        record["order_size"] = self.order_size
        record["inventory_cap"] = self.inventory_cap
        record["quote_timeout"] = self.quote_timeout_ns
        record["max_offset"] = self.max_offset
        record["interval"] = self.interval_s
        record["session"] = self.session_s
        record["inventory_aversion"] = reward.inventory_aversion
        record["terminal_aversion"] = reward.terminal_aversion
        record["dampening"] = reward.dampening
        record["dollars"] = self.tick_size / MILLITICKS
