"""The plain face of a market, without reinforcement learning: run one, with strategies in it, and read what happened.

A strategy is a class with callbacks. This one buys where the displayed bid is twice as large as the ask, and sells
within a second:

    >>> from lobenv.agents.noise import Noise
    >>> from lobenv.scenario.config import Scenario, Session
    >>> from lobenv.simulation import Strategy, simulate
    >>>
    >>> class Imbalance(Strategy):
    ...     latency = "colo"
    ...     timer_interval_s = 1.0
    ...     inventory_cap_shares = 100
    ...
    ...     def on_book_update(self, market, view):
    ...         is_idle = market.position == 0 and not market.open_orders
    ...         if is_idle and view.ask is not None and view.bid_qty >= 2 * view.ask_qty:
    ...             market.buy(view.ask, 100, time_in_force="ioc")
    ...
    ...     def on_timer(self, market):
    ...         if market.position > 0:
    ...             market.sell(None, market.position, "market")
    >>>
    >>> scenario = Scenario(agents={"noise": Noise(count=50)}, session=Session(duration_s=5))
    >>> result = simulate(scenario, [Imbalance()], seed=1)
    >>> own = result.accounts.row(1, named=True)
    >>> own["name"], own["kind"], own["volume"] > 0
    ('Imbalance', 'strategy', True)
    >>> trades = result.tape.to_polars(named=True).filter(kind="execute")
    >>> trades.height == result.counters.trades
    True

`print(result)` shows a summary, `result.plot("result.png")` draws mid, fills and P&L. `result.tape` is the tape
(`result.tape.to_polars(named=True)`: in words), `result.accounts` what everybody earned, `result.reports` every report
that reached a strategy. `Market` is the same in parts: `run(until_s)`, `snapshot()`, `restore()`, `result()`. Learners
trade in it too: `Market(..., learners={"maker": policy})` has a policy quote for the scenario's market maker.

Prices are whole ticks (`market.to_ticks(100.05)`, `market.to_price(10005)`), quantities shares, times ns since the
session's first instant; money is $ here.

What reaches a strategy, and when:

- `on_start` comes when the scenario's warm-up is over; nothing comes before.
- `on_book_update` comes for every change of the touch, every trade and every change of the trading state, the feed's
  delay after it was published, in order. The market stops for each: a strategy that does not need every change leaves
  it out, sets `timer_interval_s` and reads `market.view`, the touch that its feed has by then, and `market.depth()`.
- `on_report` and `on_fill` come when the report arrives, after the order's way to the exchange and the report's back.
  `market.position`, `market.cash` and `market.open_orders` follow the reports, not the exchange.
- An order leaves `computation_us` after the callback in which it was sent. One that a link loses is never answered.
"""

from lobenv.engine.store import Snapshot
from lobenv.simulation.gateway import Gateway
from lobenv.simulation.market import Market, simulate
from lobenv.simulation.records import Depth, OpenOrder, Report, View
from lobenv.simulation.result import Counters, Result
from lobenv.simulation.strategy import Strategy

__all__ = [
    "Counters",
    "Depth",
    "Gateway",
    "Market",
    "OpenOrder",
    "Report",
    "Result",
    "Snapshot",
    "Strategy",
    "View",
    "simulate",
]
