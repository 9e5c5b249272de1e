"""How a market maker acts and is paid."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from lobenv.roles.maker.table import DAMPENED, INVENTORY, PNL
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
