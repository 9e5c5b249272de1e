"""A simulated limit order book with latency and a background population, as reinforcement-learning environments.

Importing this package registers `Sentinel-MM-v0` with Gymnasium and compiles nothing;
`gym.make("lobenv:Sentinel-MM-v0")` imports it by itself.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

import gymnasium as gym

try:
    __version__ = version("lobenv")
except PackageNotFoundError:  # a checkout that was never installed
    __version__ = "0+unknown"

MARKET_MAKING = "Sentinel-MM-v0"


def _register() -> None:
    """Register the environments, once."""
    if MARKET_MAKING not in gym.registry:
        gym.register(
            MARKET_MAKING,
            entry_point="lobenv.envs.market_making:MarketMakingEnv",
            vector_entry_point="lobenv.envs.vector:MarketMakingVectorEnv",
        )


_register()
