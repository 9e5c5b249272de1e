"""How wide what external agents are shown has to be, so that every role among them fits; faces slice a role's own."""

from __future__ import annotations

from collections.abc import Iterable

from lobenv.roles.base import LearnerConfig
from lobenv.roles.roles import role_of

SHOWN = ("observation", "parts", "state", "mask")


def widths_of(configs: Iterable[LearnerConfig | None]) -> dict[str, int]:
    """The widest of everything shown, and of the actions, over the roles in one market; at least 1.

    Args:
        configs: Of its external agents, None for a strategy.
    """
    each = [role_of(config).widths for config in configs if config is not None]
    return {name: max((widths[name] for widths in each), default=1) or 1 for name in (*SHOWN, "action")}
