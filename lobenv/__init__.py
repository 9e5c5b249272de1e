"""A simulated limit order book with latency and a background population, as reinforcement-learning environments.

Importing this package registers `Sentinel-MM-v0` with Gymnasium and compiles nothing;
`gym.make("lobenv:Sentinel-MM-v0")` imports it by itself. Without reinforcement learning, `lobenv.simulate` runs a
market with a `lobenv.Strategy` in it; `lobenv.presets()` says which markets there are.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import gymnasium as gym

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from lobenv.agents.base import AgentConfig
    from lobenv.detect.base import DetectorKind
    from lobenv.roles.base import Role
    from lobenv.scenario.loading import presets
    from lobenv.simulation import Market, Snapshot, Strategy, simulate

__all__ = [
    "MARKET_MAKING",
    "Market",
    "Snapshot",
    "Strategy",
    "__version__",
    "presets",
    "register_agent",
    "register_detector",
    "register_role",
    "simulate",
]

_HOMES = {
    "Market": "lobenv.simulation",
    "Snapshot": "lobenv.simulation",
    "Strategy": "lobenv.simulation",
    "presets": "lobenv.scenario.loading",
    "simulate": "lobenv.simulation",
}

try:
    __version__ = version("lobenv")
except PackageNotFoundError:  # a checkout that was never installed
    __version__ = "0+unknown"

MARKET_MAKING = "Sentinel-MM-v0"


def register_agent(
    config: type[AgentConfig],
    *,
    state: np.dtype,
    wake: Callable[..., Any],
    on_report: Callable[..., Any] | None = None,
) -> None:
    """Add a kind of background trader that scenarios can then name; before the first market runs in this process.

    A package that is installed can name its kinds as entry points of the group `lobenv.agents` instead.

    Args:
        config: Frozen configuration of a group; the default of its field `kind` is the kind's name.
        state: Aligned record of a trader's own state.
        wake: Kernel `wake(world, agent, next_wake)` that lets a trader decide and returns when it wakes next [ns].
        on_report: Kernel `on_report(world, agent, message)` that tells a trader of a report; None where it needs none.

    Raises:
        TypeError: An argument is not what it should be.
        RegistrationError: There is a kind of that name already, or the market has been compiled.
    """
    from lobenv.agents.base import AgentKind
    from lobenv.agents.kinds import KINDS

    kind = AgentKind(config, state, wake, on_report)
    KINDS.add(kind.name, kind, config.__module__)


def register_role(role: Role) -> None:
    """Add a role that learners of a scenario can then have; before the first market runs in this process.

    A package that is installed can name its roles as entry points of the group `lobenv.roles` instead.

    Args:
        role: What it is: see `lobenv.roles.base.Role`.

    Raises:
        RegistrationError: There is a role of that name already, or the market has been compiled.
    """
    from lobenv.roles.roles import ROLES

    ROLES.add(role.name, role, role.config.__module__)


def register_detector(kind: DetectorKind) -> None:
    """Add a detector, which `lobenv.detect` then knows by its name.

    A package that is installed can name its detectors as entry points of the group `lobenv.detectors` instead.

    Args:
        kind: What it is: see `lobenv.detect.DetectorKind`.

    Raises:
        RegistrationError: There is a detector of that name already, or it is not what it should be.
    """
    from lobenv.detect.detectors import DETECTORS

    DETECTORS.add(kind.name, kind, kind.config.__module__)


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for: Numba and pydantic take longer than an import of lobenv may."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__


def _register() -> None:
    """Register the environments, once."""
    if MARKET_MAKING not in gym.registry:
        gym.register(
            MARKET_MAKING,
            entry_point="lobenv.envs.market_making:MarketMakingEnv",
            vector_entry_point="lobenv.envs.vector:MarketMakingVectorEnv",
        )


_register()
