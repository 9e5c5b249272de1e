"""A small session with every kind of background trader on two venues, and the fingerprint of all in its tables."""

from __future__ import annotations

import hashlib

import numpy as np

from lobenv.agents.arbitrageur import Arbitrageur
from lobenv.agents.avellaneda_stoikov import AvellanedaStoikovMaker
from lobenv.agents.institution import Institution
from lobenv.agents.market_maker import MarketMaker
from lobenv.agents.mean_reversion import MeanReversion
from lobenv.agents.momentum import Momentum
from lobenv.agents.noise import Noise
from lobenv.agents.retail import Retail
from lobenv.agents.value import Value
from lobenv.market.tables import World
from lobenv.scenario.build import External, Template, build
from lobenv.scenario.config import Book, Capacity, Fees, Fundamental, Halts, OpeningBook, Scenario, Session
from tests.market.driver import SECOND, Market

SECONDS = 20


def busy_scenario(seconds: int = SECONDS, **changes) -> Scenario:
    """Two venues for one symbol; every kind of trader, most of them waking about once a second."""
    settings = {
        "books": (
            Book(
                name="near",
                venue="near",
                fees=Fees(maker_per_share=-0.002, taker_per_share=0.003),
                halts=Halts(band_ticks=12, pause_s=1.0, memory_s=20.0),
            ),
            Book(name="far", venue="far", fees=Fees(taker_bps=0.3)),
        ),
        "fundamentals": {
            "SIM": Fundamental(volatility_ticks=3.0, reversion_per_s=0.01, jumps_per_hour=400.0, jump_mean_ticks=15.0)
        },
        "agents": {
            "noise": Noise(count=10, mean_interval_s=0.7, inventory_cap_shares=2_000),
            "retail": Retail(count=8, mean_interval_s=2.0),
            "value": Value(count=8, mean_interval_s=1.0),
            "momentum": Momentum(count=2, mean_interval_s=0.5, short_window=3, long_window=8),
            "reverting": MeanReversion(count=2, mean_interval_s=0.5, window_s=5.0, threshold=1.0),
            "makers": MarketMaker(
                count=4, mean_interval_s=0.3, levels=4, initial_spread_ticks=6.0, step_ticks=1, skew_ticks_per_lot=0.5
            ),
            "quoting": AvellanedaStoikovMaker(count=2, mean_interval_s=0.4),
            "institutions": Institution(
                count=4,
                styles=("twap", "vwap", "pov", "iceberg"),
                parent_mean_shares=800.0,
                duration_s=6.0,
                mean_interval_s=2.0,
            ),
            "arbitrage": Arbitrageur(count=2, mean_interval_s=0.1),
        },
        "opening": OpeningBook(levels=15, withdraw_s=3.0),
        "session": Session(warm_up_s=0.0, duration_s=float(seconds)),
        "capacity": Capacity(ladder_ticks=256, feed=2_048, tape=65_536),
    }
    return Scenario(**settings | changes)


def busy_template(**changes) -> Template:
    """The template of `busy_scenario`, with an external agent that does nothing but decide, and a tape."""
    external = External("onlooker", latency="colo", interval_ns=SECOND // 2)
    return build(busy_scenario(**changes), (external,), tape=True)


def fingerprint(world: World) -> str:
    """A hash of every field of every table; the bytes between fields are left out."""
    digest = hashlib.sha256()
    for table in world:
        for name in table.dtype.names or (None,):
            column = table if name is None else table[name]
            digest.update(np.ascontiguousarray(column).tobytes())
    return digest.hexdigest()


def run_session(seed: int = 11) -> Market:
    """The whole session."""
    market = Market(busy_template(), seed)
    market.run(SECONDS * SECOND + SECOND)
    return market


if __name__ == "__main__":
    print(fingerprint(run_session().world))  # noqa: T201
