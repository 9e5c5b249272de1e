"""A market maker's session in the compiled market, with its plain twin hearing, seeing and sending beside it."""

from __future__ import annotations

from typing import Any

import numpy as np

from lobenv.engine.batch import Batch
from lobenv.engine.step import CONTINUE, MADE, STEP
from lobenv.market.tables import CANCEL as CANCELLING
from lobenv.market.tables import (
    GTC,
    HALTED,
    IOC,
    KILLED,
    LIMIT,
    NEVER,
    NEW_ORDER,
    POST_ONLY,
    REQUEST,
    RUNNING,
    World,
)
from lobenv.market.tables import MARKET as AT_MARKET
from lobenv.market.tables import REPLACE as REPLACING
from lobenv.roles.maker.observation import FIELDS
from lobenv.roles.maker.reward import PARTS
from lobenv.roles.maker.table import maker_of
from lobenv.roles.maker.task import Task
from lobenv.scenario.config import Scenario
from lobenv.scenario.external import External, external_of
from lobenv.simulation.participants import attended_by
from tests.reference.maker import CANCEL, MARKET, MOVE, NEW_QUOTE, Account, Maker, Message, Report, Terms, View

ROW = np.zeros(1, np.int64)
OWNER = 1  # the maker's place among the agents
CHOICES = {"discrete": (10,), "multidiscrete": (8, 8, 3, 3)}
SENT = {NEW_QUOTE: "orders_sent", MARKET: "orders_sent", MOVE: "replaces_sent", CANCEL: "cancels_sent"}


class Session:
    """One session, compared decision by decision.

    Attributes:
        twin: The plain maker.
        compared: Decisions compared so far.
        sent: Messages that the twin sent, by what they were.
        status: RUNNING, ENDED or KILLED.
    """

    def __init__(self, scenario: Scenario, task: Task, seed: int) -> None:
        # With somebody beside it the market does not close when the maker has ended, and can still be looked at.
        traders = (external_of(scenario, task=task), External("onlooker"))
        self.batch = Batch(scenario, externals=traders, threads=1, attend=attended_by(list))
        self.batch.reset(ROW, np.array([seed], np.uint64))
        self.world: World = self.batch.market()
        self.scenario, self.rng = scenario, np.random.default_rng(seed)
        self.twin = Maker(
            terms_of(scenario, task), scenario.fundamental_of(scenario.books[0].symbol).price / scenario.tick_size
        )
        self.compared, self.sent, self._heard = 0, dict.fromkeys(SENT, 0), 0
        self.status = RUNNING

    @property
    def now(self) -> int:
        return int(self.world.clock[0]["now"])

    def play(self, decisions: int) -> None:
        """Compare so many decisions, or until the session ends."""
        self.compare()
        while self.status == RUNNING and self.compared < decisions:
            self.act(random_action(self.twin.terms.action, self.rng))
            self.compare()

    def compare(self) -> None:
        """Hold what the kernels show at this decision to the twin."""
        out, self.status = self.batch.out, int(self.batch.out.session[0, 0])
        external, killed = self.world.externals[0], self.status == KILLED
        decision = int(external["decision"])
        before = int(self.world.clock[0]["inbox_count"])
        for row in range(self._heard, before):
            self.twin.hear(report_of(self.world.inbox[row % len(self.world.inbox)]))
        self._heard = before
        seen = self.twin.see(view_of(self.world, decision), self.now, decision)
        expected = [float(np.clip(seen[field.name], field.low, field.high)) for field in FIELDS]
        np.testing.assert_allclose(
            out.observation[0, 0, : len(FIELDS)], expected, rtol=3e-6, atol=2e-5, err_msg=str(FIELDS)
        )
        paid = self.twin.pay(account_of(self.world, self.scenario), self._liquidated(killed))
        if self.compared:  # at the first decision there is nothing before it
            np.testing.assert_allclose(
                out.parts[0, 0, : len(PARTS)], [paid[name] for name in PARTS], rtol=1e-9, atol=1e-7
            )
            np.testing.assert_allclose(out.reward[0, 0], sum(paid.values()), rtol=1e-9, atol=1e-7)
        mask = self.twin.mask()
        if mask and self.status == RUNNING:
            assert out.mask[0, 0, : len(mask)].tolist() == mask
        self.compared += 1

    def _liquidated(self, killed: bool) -> int | None:
        """Shares held before the liquidation at the end; None while the session goes on."""
        if self.status == RUNNING:
            return None
        held = int(self.world.accounts[OWNER, 0]["position"])
        count = int(self.world.clock[0]["fills_count"])
        last = [self.world.fills[i % len(self.world.fills)] for i in range(max(count - 100, 0), count)]
        closing = [fill for fill in last if fill["time"] == self.now and not fill["maker"]]
        return held if killed else held - sum(int(fill["side"]) * int(fill["qty"]) for fill in closing)

    def act(self, action: np.ndarray) -> None:
        """Have both act, and hold the messages that leave to the twin's; then go on to the next decision."""
        mark, counts = int(self.world.clock[0]["sequence"]), self.world.accounts[OWNER, 0].copy()
        now = self.now
        wanted = self.twin.act([float(number) for number in action], now)
        self.batch.continue_row(0, now, todo=STEP, actions=action[None])
        for side, quote in self.twin.quotes.items():
            quote.order_id = int(maker_of(self.world, 0)["quote_id"][(1 - side) // 2])
        left = self.leaving(mark)
        lost = len(wanted) - len(left)
        assert lost >= 0
        assert [message for message in wanted if message in left] == left if lost else wanted == left
        for message in wanted:
            self.sent[message.what] += 1
        for column in set(SENT.values()):
            expected = sum(SENT[message.what] == column for message in wanted)
            assert self.world.accounts[OWNER, 0][column] - counts[column] == expected
        links = self.scenario.latencies.get(self.scenario.maker.latency)
        assert not lost or (links is not None and links.order_entry.drop > 0)
        self.batch.run_row(0, CONTINUE, int(NEVER), MADE)

    def leaving(self, mark: int) -> list[Message]:
        """The maker's messages that were put on the wire since an event's number, in their order."""
        size = int(self.world.clock[0]["events_size"])
        made = sorted(
            (event for event in self.world.events[:size] if event["sequence"] >= mark), key=lambda e: e["sequence"]
        )
        found = []
        for event in made:
            if event["kind"] == NEW_ORDER and self.world.orders[event["subject"]]["owner"] == OWNER:
                found.append(new_order(self.world.orders[event["subject"]]))
            elif event["kind"] == REQUEST and self.world.messages[event["subject"]]["owner"] == OWNER:
                found.append(self._request(self.world.messages[event["subject"]]))
        return found

    def _request(self, message: Any) -> Message:
        sides = [side for side, quote in self.twin.quotes.items() if quote.order_id == message["order_id"]]
        what = {CANCELLING: CANCEL, REPLACING: MOVE}[int(message["kind"])]
        return Message(what, sides[0], int(message["price"]), int(message["qty"]))


def new_order(order: Any) -> Message:
    """A new order as a message: quotes are post-only limit orders, the rest market orders."""
    if order["kind"] == AT_MARKET:
        assert order["tif"] == IOC
        return Message(MARKET, int(order["side"]), 0, int(order["qty"]))
    assert (order["kind"], order["tif"], order["flags"]) == (LIMIT, GTC, POST_ONLY)
    return Message(NEW_QUOTE, int(order["side"]), int(order["price"]), int(order["qty"]))


def terms_of(scenario: Scenario, task: Task) -> Terms:
    """What the twin is told."""
    maker, reward = scenario.maker, task.reward
    return Terms(
        action=task.action,
        reward=reward.mode,
        lot=maker.order_size_shares,
        cap=maker.inventory_cap_lots * maker.order_size_shares,
        timeout_ns=round(maker.quote_timeout_s * 1e9),
        max_offset=maker.max_offset_ticks,
        interval_s=maker.decision_interval_s,
        session_s=scenario.session.duration_s,
        decisions=scenario.steps,
        tick=scenario.tick_size,
        inventory_aversion=reward.inventory_aversion,
        terminal_aversion=reward.terminal_aversion,
        dampening=reward.dampening,
    )


def view_of(world: World, decision: int) -> View:
    """The photograph that was taken for a decision."""
    seen = world.captures[0, decision % world.captures.shape[1]]
    assert seen["decision"] == decision
    return View(
        time_ns=int(seen["time"]),
        price=tuple(seen["price"].tolist()),
        depth=(tuple(seen["depth"][0].tolist()), tuple(seen["depth"][1].tolist())),
        bought=int(seen["buy_volume"]),
        sold=int(seen["sell_volume"]),
        trades=int(seen["trades"]),
        ahead=tuple(seen["ahead"].tolist()),
        is_halted=bool(seen["state"] == HALTED),
    )


def report_of(row: Any) -> Report:
    """A report that reached the maker; an order that was never taken in has nothing left."""
    return Report(*(int(row[name]) for name in ("order_id", "kind", "side", "price", "qty", "remaining")))


def account_of(world: World, scenario: Scenario) -> Account:
    """The maker's account at the exchange, valued at the displayed mid, one side of it or the last price."""
    account, book = world.accounts[OWNER, 0], world.books[0]
    bid, ask = (int(price) for price in book["shown"])
    has_bid, has_ask = bid >= book["base"], ask < book["base"] + scenario.capacity.ladder_ticks
    known = [price for price, shown in ((bid, has_bid), (ask, has_ask)) if shown]
    mid = sum(known) / len(known) if known else float(book["last_price"])
    dollars = scenario.tick_size / 1000
    return Account(int(account["position"]), int(account["cash"]) * dollars, int(account["fees"]) * dollars, mid)


def random_action(mode: str, rng: np.random.Generator) -> np.ndarray:
    """An action of a mode: near the touch for the most part, sometimes far away, at the ends, or no quote."""
    if mode != "continuous":
        return rng.integers(0, CHOICES[mode]).astype(np.float64)
    near = np.clip(rng.normal(-0.85, 0.12, 2), -1, 1)
    anywhere = np.float32(rng.uniform(-1, 1, 2)).astype(np.float64)
    return np.select([rng.random(2) < 0.7, rng.random(2) < 0.6], [near, anywhere], rng.choice([-1.0, 1.0, 0.0], 2))
