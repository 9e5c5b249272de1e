"""What reaches a strategy: views and reports, taken off the market's tables when their way to it is over."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from lobenv.engine.requests import LOOK
from lobenv.market.tables import FEED, NEVER
from lobenv.simulation.records import REPORT_KINDS, OpenOrder, Report, View, view_of
from lobenv.simulation.units import Units
from lobenv.tape.reasons import REASON_NAMES

if TYPE_CHECKING:
    from lobenv.engine.batch import Batch
    from lobenv.simulation.strategy import Terms


@dataclass
class Knowledge:
    """What a strategy has been told and the tables do not hold.

    Attributes:
        orders: Id to open order.
        views: Index of a book to the last view of it, and when that was looked at [ns].
    """

    orders: dict[int, OpenOrder] = field(default_factory=dict)
    views: dict[int, tuple[View, int]] = field(default_factory=dict)

    def copy(self) -> Knowledge:
        """An independent copy."""
        return Knowledge(dict(self.orders), dict(self.views))


class Delivery:
    """Delivers to one strategy in one market of a batch.

    Attributes:
        knowledge: What the strategy has been told so far.
        external: Its index among the external agents.
        agent: Its index among all agents.
    """

    def __init__(self, batch: Batch, row: int, terms: Terms) -> None:
        self.knowledge = Knowledge()
        self.external = [agent.name for agent in batch.externals].index(terms.name)
        self._batch, self._row = batch, row
        self._world = batch.market(row)
        self.agent = int(self._world.externals[self.external]["agent"])
        self._names = [book.name for book in batch.scenario.books]
        self._books = terms.books_in(batch.scenario)
        self._units = Units(batch.scenario.tick_size)
        self._watched: frozenset[int] = frozenset()

    def look(self, index: int) -> View:
        """The touch of a book: the last one delivered, or what the feed has by now where nothing is delivered."""
        known = self.knowledge.views.get(index)
        now = int(self._world.clock[0]["now"])
        if known is not None and (index in self._watched or known[1] == now):
            # Looking twice at one instant would draw a second, perhaps shorter, delay.
            return known[0]
        place = self._batch.request(self._row, request=LOOK, agent=self.agent, book=index)
        return self._see(index, self._world.feed[index, place])

    def watch(self) -> None:
        """Begin to follow the strategy's books, from the first view on that has not reached it."""
        before = sum(len(agent.follows) for agent in self._batch.externals[: self.external])
        for place, index in enumerate(self._books, start=before):
            watch = self._world.watches[place]
            self.look(index)
            seen = self._world.sessions[self.agent, index]["last"][FEED]
            ring, first = self._world.feed[index], int(self._world.books[index]["feed_count"])
            while first > 0 and ring[(first - 1) % len(ring)]["time"] > seen:
                first -= 1
            watch["agent"], watch["book"] = self.agent, index
            # A view is compared with the one before it, and the very first has none.
            watch["next"], watch["arrival"] = max(first, 1), NEVER
        self._watched = frozenset(self._books)

    def deliver_view(self, watch: Any) -> View:
        """Deliver the view that arrives now, and let the next one follow; `watch` (WATCH) changes in place."""
        index = int(watch["book"])
        ring = self._world.feed[index]
        view = self._see(index, ring[int(watch["next"]) % len(ring)])
        watch["next"] += 1
        watch["arrival"] = NEVER
        return view

    def deliver_report(self, row: np.void) -> Report:
        """Deliver a report, a RECEIVED record."""
        report = Report(
            REPORT_KINDS[row["kind"]],
            REASON_NAMES[row["reason"]],
            int(row["order_id"]),
            self._names[row["book"]],
            int(row["side"]),
            int(row["price"]),
            int(row["qty"]),
            int(row["remaining"]),
            self._units.dollars(row["fee"]),
            bool(row["maker"]),
            int(row["time"]),
            int(row["delivered"]),
        )
        self._follow_order(report)
        return report

    def restore(self, knowledge: Knowledge, *, watches: bool) -> None:
        """Know what was known at a snapshot, and follow the books where the strategy did then."""
        self.knowledge = knowledge.copy()
        self._watched = frozenset(self._books) if watches else frozenset()

    def _follow_order(self, report: Report) -> None:
        orders = self.knowledge.orders
        order = orders.get(report.order_id)
        if order is None:
            return
        if report.remaining == 0 and report.kind != "ack":
            del orders[report.order_id]
            return
        price = order.price if report.kind == "partial" else report.price
        orders[report.order_id] = order._replace(price=price, qty=report.remaining, is_acknowledged=True)

    def _see(self, index: int, record: np.void) -> View:
        view = view_of(record, self._names[index])
        self.knowledge.views[index] = (view, int(self._world.clock[0]["now"]))
        return view
