"""What an agent may see, and when: a ring of the touch as it was published, looked at with the agent's feed delay.

Sending every change of the book to every agent would cost time in proportion to the number of agents. Looking back in a
ring by the delay of one's link shows the same thing at the time it is needed. External agents that want depth get a
capture of the book instead, taken at (decision time - feed delay) and shown at the decision.
"""

from __future__ import annotations

from lobenv.compiled import kernel
from lobenv.market.network import feed_delay
from lobenv.market.order_book import column, in_window, level_index, queue_ahead, slot_of
from lobenv.market.tables import DEPTH, FEED, NONE, RESTING, World


@kernel
def shown_qty(world: World, book, i):
    """Displayed shares at the best displayed price of column i."""
    price = world.books[book]["shown"][i]
    if not in_window(world, book, price):
        return 0
    return world.levels[book, level_index(world, price)]["qty"]


@kernel
def publish(world: World, book):
    """Append the touch to the book's ring."""
    record = world.books[book]
    count = record["feed_count"]
    view = world.feed[book, count & (world.feed.shape[1] - 1)]
    view["time"] = world.clock[0]["now"]
    view["buy_volume"] = record["buy_volume"]
    view["sell_volume"] = record["sell_volume"]
    for i in range(2):
        qty = shown_qty(world, book, i)
        record["shown_qty"][i] = qty
        view["price"][i] = record["shown"][i]
        view["qty"][i] = qty
    view["last_price"] = record["last_price"]
    view["trades"] = record["trades"]
    view["state"] = record["state"]
    record["feed_count"] = count + 1


@kernel
def look(world: World, agent, book):
    """Place in the book's ring of the view that has reached an agent by now; views are never seen out of order.

    Raises:
        OverflowError: The ring no longer holds a view that old.
    """
    seen = world.sessions[agent, book]["last"]
    time = max(world.clock[0]["now"] - feed_delay(world, agent, book), seen[FEED])
    seen[FEED] = time
    ring = world.feed.shape[1]
    newest = world.books[book]["feed_count"] - 1
    oldest = max(newest - ring + 1, 0)
    for i in range(newest, oldest - 1, -1):
        if world.feed[book, i & (ring - 1)]["time"] <= time:
            return i & (ring - 1)
    if oldest > 0:
        raise OverflowError("feed history too short for the feed delay: raise capacity.feed of the scenario")
    return 0


@kernel
def has_both_sides(world: World, book, view):
    """Whether a view shows a bid and an ask."""
    seen = world.feed[book, view]
    return seen["qty"][0] > 0 and seen["qty"][1] > 0


@kernel
def price_of(world: World, book, view, side):
    """Best displayed price of a side in a view [ticks]; the last price where that side shows nothing."""
    seen = world.feed[book, view]
    i = column(side)
    return seen["price"][i] if seen["qty"][i] > 0 else seen["last_price"]


@kernel
def mid_of(world: World, book, view):
    """Mid of a view [ticks]; the last price where a side shows nothing."""
    seen = world.feed[book, view]
    if has_both_sides(world, book, view):
        return 0.5 * (seen["price"][0] + seen["price"][1])
    return 1.0 * seen["last_price"]


@kernel
def capture(world: World, external):
    """Photograph the book for an external agent's next decision: touch and depth."""
    agent = world.externals[external]
    book = agent["book"]
    index = agent["capture"]
    view = world.captures[external, index % world.captures.shape[1]]
    record = world.books[book]
    view["time"] = world.clock[0]["now"]
    view["decision"] = index
    view["buy_volume"] = record["buy_volume"]
    view["sell_volume"] = record["sell_volume"]
    view["trades"] = record["trades"]
    view["state"] = record["state"]
    for i in range(2):
        view["price"][i] = record["shown"][i]
        for tick in range(DEPTH):
            price = record["shown"][i] - (1 - 2 * i) * tick
            inside = in_window(world, book, price) and in_window(world, book, record["shown"][i])
            view["depth"][i, tick] = world.levels[book, level_index(world, price)]["qty"] if inside else 0


@kernel
def shares_ahead_of(world: World, order_id):
    """Displayed shares ahead of a resting order at its price, or NONE where there is no such order."""
    slot = slot_of(world, order_id)
    if slot < 0 or world.orders[slot]["state"] != RESTING:
        return NONE
    return queue_ahead(world, slot)


@kernel
def has_side(world: World, book, i):
    """Whether column i of the book displays something."""
    return in_window(world, book, world.books[book]["shown"][i])


@kernel
def has_touch(world: World, book):
    """Whether both sides of the book display something."""
    return has_side(world, book, 0) and has_side(world, book, 1)
