"""The settings of the market-making task, as compiled code reads them."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from lobenv.market.tables import MILLITICKS
from lobenv.scenario.config import Scenario
from lobenv.settings import Frozen

ActionMode = Literal["continuous", "discrete", "multidiscrete"]
RewardMode = Literal["inventory", "dampened", "pnl"]
ACTION_MODES = {"continuous": 0, "discrete": 1, "multidiscrete": 2}
REWARD_MODES = {"inventory": 0, "dampened": 1, "pnl": 2}

TASK = np.dtype(
    [
        ("action_mode", "i8"),
        ("reward_mode", "i8"),
        ("steps", "i8"),  # decisions in a session
        ("order_size", "i8"),  # shares
        ("inventory_cap", "i8"),  # shares
        ("quote_timeout", "i8"),  # ns
        ("max_offset", "f8"),  # ticks
        ("interval", "f8"),  # s
        ("session", "f8"),  # s
        ("inventory_aversion", "f8"),  # $ per lot^2 per s
        ("terminal_aversion", "f8"),  # $ per lot^2
        ("dampening", "f8"),
        ("dollars", "f8"),  # $ per millitick x share
    ],
    align=True,
)


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
    inventory_aversion: float = Field(default=0.01, ge=0)
    terminal_aversion: float = Field(default=0.1, ge=0)
    dampening: float = Field(default=0.5, ge=0, le=1)


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

    def table(self, scenario: Scenario) -> np.ndarray:
        """The (1,) TASK record for a scenario."""
        table, maker = np.zeros(1, TASK), scenario.maker
        record = table[0]
        record["action_mode"] = ACTION_MODES[self.action]
        record["reward_mode"] = REWARD_MODES[self.reward.mode]
        record["steps"] = scenario.steps
        record["order_size"] = maker.order_size_shares
        record["inventory_cap"] = maker.inventory_cap_lots * maker.order_size_shares
        record["quote_timeout"] = round(maker.quote_timeout_s * 1e9)
        record["max_offset"] = maker.max_offset_ticks
        record["interval"] = maker.decision_interval_s
        record["session"] = scenario.session.duration_s
        record["inventory_aversion"] = self.reward.inventory_aversion
        record["terminal_aversion"] = self.reward.terminal_aversion
        record["dampening"] = self.reward.dampening
        record["dollars"] = scenario.tick_size / MILLITICKS
        return table
