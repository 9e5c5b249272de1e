"""Declares every record of the market's state, each field with its unit, and `World`, the tuple of tables they make up.

One market is a `World`; a batch of E markets is the same tuple with one more leading axis. There is no Python object in
it, so a copy is a snapshot, copying back is restoring, and equality is the equality of arrays.

Units: time int64 ns since the session's first instant; price int32 ticks; quantity shares; money int64 milliticks x
shares (one tick on one share is 1,000). Side is +1 for bid and -1 for ask; where a table has one column a side,
column 0 is the bid and column 1 the ask. Letters in shapes: B books, A agents, N orders, K external agents, W ladder
width in ticks.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lobenv.tape.schema import RECORD

MILLITICKS = 1000
NEVER = np.int64(2**62)  # a time that does not come
NONE = -1  # no slot, no agent, no order
NO_PRICE = -(2**31)  # below every price that an order can have
HIGHEST_PRICE = 2**30 - 1  # ticks; twice a price fits 32 bits
MOST_SHARES = 2**31 - 2  # of an order, and of all that rests on a side of a book
MOST_VALUE = 2**55  # of an order [milliticks x shares]
MOST_CASH = 2**61  # of an account, either way [milliticks x shares]
DEPTH = 10  # ticks a side in a capture of the book

# Order types
LIMIT, MARKET, PEG_PRIMARY, PEG_MIDPOINT = 0, 1, 2, 3

# Time in force
GTC, IOC, FOK = 0, 1, 2

# Order flags (bits)
POST_ONLY, HIDDEN = 1, 2

# Where an order is
FREE, TRAVELLING, RESTING, TAKING = 0, 1, 2, 3

# Self-trade prevention
STP_OFF, STP_CANCEL_NEWEST, STP_CANCEL_OLDEST, STP_CANCEL_BOTH = 0, 1, 2, 3
PREVENTION = {
    "off": STP_OFF,
    "cancel_newest": STP_CANCEL_NEWEST,
    "cancel_oldest": STP_CANCEL_OLDEST,
    "cancel_both": STP_CANCEL_BOTH,
}

# Trading states of a book
CLOSED, OPEN, HALTED = 0, 1, 2

# Kinds of event
(
    NEW_ORDER,
    REQUEST,
    REPORT,
    CAPTURE,
    HALT_END,
    RISK_CHECK,
    FUNDAMENTAL_STEP,
    FUNDAMENTAL_JUMP,
    SESSION_OPEN,
    SESSION_CLOSE,
) = range(10)

# Kinds of request that travel to the exchange beside new orders
CANCEL, REDUCE, REPLACE, CANCEL_ALL = 0, 1, 2, 3

# Kinds of execution report
ACK, PARTIAL, FILL, CANCELLED, REPLACED, REJECTED = range(6)

# Directions of a link
ORDER_ENTRY, REPORTING, FEED = 0, 1, 2

# Shapes of jitter
CONSTANT, UNIFORM, LOGNORMAL = 0, 1, 2

# Rhythms of an agent's wakeups
POISSON, REGULAR, ONCE = 0, 1, 2

# Why the kernel handed back control
REACHED, TAPE_FULL, ATTENTION, DECISION = 0, 1, 2, 3

# How the session of an external agent stands
RUNNING, ENDED, KILLED = 0, 1, 2


def _dtype(*fields: tuple) -> np.dtype:
    return np.dtype(list(fields), align=True)


CLOCK = _dtype(
    ("now", "i8"),  # ns
    ("seed", "u8"),  # of everything random in this market
    ("session_open", "i8"),  # ns
    ("session_close", "i8"),  # ns
    ("sequence", "i8"),  # next tie-breaking number
    ("next_order", "i8"),  # order ids issued so far
    ("events", "i8"),  # kernel events handled
    ("messages", "i8"),  # messages that arrived at an exchange
    ("trades", "i8"),  # executions
    ("lost", "i8"),  # messages dropped by a link
    ("inbox_count", "i8"),  # reports ever put in the inbox; the slot is this modulo its length
    ("fills_count", "i8"),  # executions of external agents ever logged; the slot is this modulo the log's length
    ("recording_next", "i8"),  # next row of the recording to send
    ("recording_dropped", "i8"),  # recorded messages that no longer applied
    ("recording_trimmed", "i8"),  # recorded orders that somebody else was filled in place of
    ("tape_count", "i8"),  # records on the tape since it was last drained
    ("events_size", "i4"),
    ("wakes_size", "i4"),
    ("free_order", "i4"),  # head of the list of free order slots
    ("free_message", "i4"),  # head of the list of free message slots
    ("attention", "i4"),  # external agent that a report has just reached, when it asked to be told
    ("guarded", "i4"),  # external agents with a loss limit
)

OPENING = _dtype(
    ("mean_shares", "f8"),  # at a level of the opening book
    ("withdraw_at", "i8"),  # when what is left of it is withdrawn [ns]
    ("levels", "i4"),  # a side; 0 for none
    ("half_spread", "i4"),  # distance of its best levels from the fundamental value [ticks]
)

BOOK = _dtype(
    ("venue", "i4"),
    ("symbol", "i4"),
    ("state", "i4"),  # CLOSED, OPEN or HALTED
    ("base", "i4"),  # lowest price of the window [ticks]
    ("best", "i4", (2,)),  # best price of any order a side [ticks]; one outside the window where there is none
    ("shown", "i4", (2,)),  # best displayed price a side [ticks]; one outside the window where there is none
    ("shown_qty", "i4", (2,)),  # displayed there [shares]
    ("resting", "i8", (2,)),  # all open shares a side, undisplayed ones too
    ("last_price", "i4"),  # of the last trade [ticks]; 0 before the first
    ("first_pegged", "i4"),  # the pegged order that has stood longest where it is
    ("last_pegged", "i4"),
    ("changed", "i4"),  # something happened that the feed has not shown
    ("halt_band", "i4"),  # allowed distance of a trade from the reference [ticks]; 0 switches halts off
    ("halt_pause", "i8"),  # ns
    ("halt_memory", "i8"),  # time constant of the trailing reference [ns]
    ("reference", "f8"),  # trailing mid [ticks]
    ("reference_time", "i8"),  # ns
    ("halts", "i8"),
    ("maker_fee", "i8"),  # milliticks a share; negative is a rebate
    ("taker_fee", "i8"),  # milliticks a share
    ("maker_ppm", "i8"),  # millionths of the value traded
    ("taker_ppm", "i8"),  # millionths of the value traded
    ("revenue", "i8"),  # fees taken less rebates paid [milliticks x shares]
    ("buy_volume", "i8"),  # buyer-initiated shares
    ("sell_volume", "i8"),  # seller-initiated shares
    ("trades", "i8"),
    ("feed_count", "i8"),  # views ever published; the slot is this modulo the ring's length
)

LEVEL = _dtype(
    ("qty", "i4"),  # displayed shares
    ("hidden", "i4"),  # shares of non-displayed orders
    ("head", "i4"),  # first displayed order
    ("tail", "i4"),
    ("hidden_head", "i4"),  # first non-displayed order
    ("hidden_tail", "i4"),
)

ORDER = _dtype(
    ("id", "i8"),  # sequence << SLOT_BITS | slot, so that a stale id is recognised
    ("owner", "i4"),
    ("price", "i4"),  # ticks
    ("qty", "i4"),  # open shares; of an iceberg, those displayed now
    ("reserve", "i4"),  # open shares of an iceberg that are not displayed
    ("peak", "i4"),  # shares an iceberg displays at a time; 0 for other orders
    ("limit", "i4"),  # worst price a pegged order may take [ticks]
    ("previous", "i4"),  # neighbours in the queue
    ("next", "i4"),
    ("previous_own", "i4"),  # neighbours in the owner's list
    ("next_own", "i4"),
    ("previous_pegged", "i4"),  # neighbours among the book's pegged orders
    ("next_pegged", "i4"),
    ("book", "i2"),
    ("side", "i1"),
    ("kind", "i1"),  # LIMIT, MARKET, PEG_PRIMARY or PEG_MIDPOINT
    ("tif", "i1"),
    ("flags", "i1"),
    ("state", "i1"),
    ("label", "i1"),  # ground truth of the owner's intent
)

MESSAGE = _dtype(
    ("order_id", "i8"),
    ("time", "i8"),  # at the exchange [ns]
    ("fee", "i8"),  # milliticks x shares
    ("owner", "i4"),
    ("price", "i4"),
    ("qty", "i4"),
    ("remaining", "i4"),  # open shares after it
    ("next", "i4"),  # next free slot, while free
    ("book", "i2"),
    ("kind", "i1"),
    ("reason", "i1"),
    ("side", "i1"),
    ("maker", "i1"),
)

EVENT = _dtype(
    ("time", "i8"),
    ("sequence", "i8"),
    ("kind", "i4"),
    ("subject", "i4"),  # what it is about: an order slot, a message slot, an agent, a book
)

AGENT = _dtype(
    ("key", "u8"),  # of its random stream
    ("wakes", "i8"),  # wakeups so far
    ("interval", "f8"),  # mean time between wakeups [ns]
    ("computation", "i8"),  # delay between deciding and sending [ns]
    ("inventory_cap", "i8"),  # shares; 0 for none
    ("loss_limit", "i8"),  # milliticks x shares; 0 for none
    ("order_rate", "i4"),  # messages a second; 0 for no limit
    ("allowed", "i4"),  # bits of the order types it may send; 0 for all
    ("kind", "i4"),
    ("rhythm", "i4"),  # POISSON, REGULAR or ONCE
    ("link_class", "i4"),
    ("book", "i4"),  # home book
    ("memory", "i4"),  # offset of its own state [bytes]
    ("shared", "i4"),  # offset of the table that its group reads together [bytes]
    ("stream", "i4"),
    ("identity", "i8"),  # keys its streams, whatever else there is in the market
    ("external", "i4"),  # index among the external agents, or NONE
    ("flatten", "i1"),  # the kill switch also closes the position
    ("stp", "i1"),
    ("label", "i1"),
)

ACCOUNT = _dtype(
    ("position", "i8"),  # shares
    ("cash", "i8"),  # from trading, before fees [milliticks x shares]
    ("fees", "i8"),  # paid, net of rebates
    ("cost", "i8"),  # what the open position cost, at average cost
    ("known_position", "i8"),  # as reported to the agent
    ("known_cash", "i8"),  # as reported, after fees
    ("known_cost", "i8"),
    ("open_qty", "i8", (2,)),  # shares resting a side
    ("volume", "i8"),  # shares traded
    ("maker_volume", "i8"),
    ("orders_sent", "i8"),
    ("cancels_sent", "i8"),
    ("replaces_sent", "i8"),
    ("rejected", "i8"),
    ("quantity_sent", "i8"),  # shares, of new orders and of replacements
    ("quantity_taking", "i8"),  # of these, in orders that never rest
    ("rate_second", "i8"),  # the second that the rate limit counts in
    ("rate_count", "i4"),
    ("open_orders", "i4"),
    ("first_order", "i4"),
    ("killed", "i4"),
)

SESSION = _dtype(
    ("last", "i8", (3,)),  # latest arrival, delivery and view time: nothing overtakes on a link [ns]
    ("stream", "i4", (3,)),
)

LINK = _dtype(
    ("base", "i8", (3,)),  # ns
    ("scale", "f8", (3,)),  # width of uniform jitter, median of lognormal jitter [ns]
    ("shape", "f8", (3,)),  # sigma of lognormal jitter
    ("drop", "f8", (3,)),  # probability that a message is lost
    ("jitter", "i4", (3,)),
)

VIEW = _dtype(
    ("time", "i8"),  # ns
    ("buy_volume", "i8"),
    ("sell_volume", "i8"),
    ("price", "i4", (2,)),  # best displayed prices
    ("qty", "i4", (2,)),
    ("last_price", "i4"),
    ("trades", "i4"),
    ("state", "i4"),
)

FUNDAMENTAL = _dtype(
    ("value", "f8"),  # ticks
    ("mean", "f8"),  # ticks
    ("reversion", "f8"),  # 1/s
    ("volatility", "f8"),  # ticks per sqrt(s)
    ("decay", "f8"),  # of the distance from the mean over one step
    ("deviation", "f8"),  # of the change over one step [ticks]
    ("jump_interval", "f8"),  # mean time between jumps [ns]; 0 for none
    ("jump_mean", "f8"),  # ticks, of the absolute size
    ("jump_deviation", "f8"),  # ticks
    ("step", "i8"),  # grid of the diffusion [ns]
    ("stream", "i4"),
    ("jump_stream", "i4"),
)

EXTERNAL = _dtype(
    ("interval", "i8"),  # between decisions or timers [ns]; 0 for none
    ("first_decision", "i8"),  # ns
    ("decision", "i8"),  # index of the last decision
    ("steps", "i8"),  # decisions of its session; 0 for no end
    ("capture", "i8"),  # index of the decision whose view is captured next
    ("agent", "i4"),
    ("book", "i4"),
    ("role", "i4"),  # how it acts and is paid; NO_ROLE for a strategy
    ("status", "i4"),  # RUNNING, ENDED or KILLED
    ("due", "i4"),  # it has been shown a view and its action is awaited
    ("wants_reports", "i4"),  # hand back control when a report reaches it
)

WATCH = _dtype(
    ("next", "i8"),  # index of the view that reaches the agent next, counted from the book's first
    ("arrival", "i8"),  # when it does [ns]; NEVER while it is not known
    ("agent", "i4"),  # NONE while nobody follows the book here
    ("book", "i4"),
)

CAPTURED = _dtype(
    ("time", "i8"),
    ("decision", "i8"),
    ("buy_volume", "i8"),
    ("sell_volume", "i8"),
    ("trades", "i8"),
    ("ahead", "i8", (2,)),  # displayed shares ahead of two orders that the agent's role names, NONE where one rests not
    ("price", "i4", (2,)),
    ("depth", "i4", (2, DEPTH)),  # displayed shares at each tick from the touch
    ("state", "i4"),
)

RECEIVED = _dtype(
    ("delivered", "i8"),  # ns
    ("time", "i8"),  # at the exchange [ns]
    ("order_id", "i8"),
    ("fee", "i8"),
    ("external", "i4"),
    ("price", "i4"),
    ("qty", "i4"),
    ("remaining", "i4"),
    ("book", "i2"),
    ("kind", "i1"),
    ("reason", "i1"),
    ("side", "i1"),
    ("maker", "i1"),
)

EXECUTED = _dtype(
    ("time", "i8"),  # ns
    ("fee", "i8"),  # milliticks x shares
    ("external", "i4"),
    ("price", "i4"),
    ("qty", "i4"),
    ("twice_mid", "i4"),  # twice the displayed mid before the execution [ticks]
    ("book", "i2"),
    ("side", "i1"),  # +1 bought, -1 sold
    ("maker", "i1"),
)

RECORDING_ROW = _dtype(
    ("time", "i8"),  # ns since the session's first instant
    ("order_id", "i8"),  # of the order this row added, once it has been sent
    ("price", "i4"),
    ("qty", "i4"),
    ("reference", "i4"),  # row that added the order this row is about, NONE where there is none
    ("left", "i4"),  # shares that this order had left after the row
    ("kind", "i1"),
    ("side", "i1"),
)

SLOT_BITS = 20  # an order id carries its slot, so that finding an order needs no search


class World(NamedTuple):
    """All tables of one market. With a leading axis E on each: a batch."""

    clock: np.ndarray  # (1,) CLOCK
    books: np.ndarray  # (B,) BOOK
    levels: np.ndarray  # (B, W) LEVEL, a ring: the price modulo W
    orders: np.ndarray  # (N,) ORDER
    messages: np.ndarray  # (M,) MESSAGE
    events: np.ndarray  # (H,) EVENT, heap of what is under way
    wakes: np.ndarray  # (A,) EVENT, heap of the agents' next wakeups
    agents: np.ndarray  # (A,) AGENT
    memory: np.ndarray  # (bytes,) uint8, each agent's own state in the record of its kind
    accounts: np.ndarray  # (A, B) ACCOUNT
    sessions: np.ndarray  # (A, B) SESSION
    links: np.ndarray  # (C, V) LINK, class of agent x venue
    streams: np.ndarray  # (S,) uint64, states of the random streams
    feed: np.ndarray  # (B, F) VIEW, ring of what was published
    fundamentals: np.ndarray  # (symbols,) FUNDAMENTAL
    externals: np.ndarray  # (K,) EXTERNAL
    captures: np.ndarray  # (K, C) CAPTURED, ring by decision
    inbox: np.ndarray  # (R,) RECEIVED, ring of reports that reached external agents
    fills: np.ndarray  # (R,) EXECUTED, ring of external agents' executions, for evaluation
    tape: np.ndarray  # (T,) RECORD; no row switches it off
    recording: np.ndarray  # (rows,) RECORDING_ROW; recorded flow of the replay scenario
    opening: np.ndarray  # (1,) OPENING
    watches: np.ndarray  # (F,) WATCH, books that strategies follow
    shared: np.ndarray  # (bytes,) uint8, tables of whole groups of traders, which nobody writes


DTYPES: dict[str, np.dtype] = {
    "clock": CLOCK,
    "books": BOOK,
    "levels": LEVEL,
    "orders": ORDER,
    "messages": MESSAGE,
    "events": EVENT,
    "wakes": EVENT,
    "agents": AGENT,
    "memory": np.dtype("u1"),
    "accounts": ACCOUNT,
    "sessions": SESSION,
    "links": LINK,
    "streams": np.dtype("u8"),
    "feed": VIEW,
    "fundamentals": FUNDAMENTAL,
    "externals": EXTERNAL,
    "captures": CAPTURED,
    "inbox": RECEIVED,
    "fills": EXECUTED,
    "tape": RECORD,
    "recording": RECORDING_ROW,
    "opening": OPENING,
    "watches": WATCH,
    "shared": np.dtype("u1"),
}
