"""The limit order book: a ladder of price levels, each a queue of orders in order of arrival.

One ring of levels serves both sides, since every bid is below every ask. At a level, displayed orders are served
first in first out, then the non-displayed ones. Where a side is empty its best price stands one tick outside the
window of prices, so that no comparison needs a special case.
"""

from __future__ import annotations

from lobenv.compiled import kernel
from lobenv.market.tables import FREE, HIDDEN, LIMIT, NONE, SLOT_BITS, World


@kernel
def column(side):
    """Column of a side: 0 for bid, 1 for ask."""
    return (1 - side) >> 1


@kernel
def level_index(world: World, price):
    """Place of a price in the ring of levels."""
    return price & (world.levels.shape[1] - 1)


@kernel
def outside(world: World, book, side):
    """The price that stands for an empty side: one tick below the window for bids, one above it for asks."""
    base = world.books[book]["base"]
    return base - 1 if side > 0 else base + world.levels.shape[1]


@kernel
def in_window(world: World, book, price):
    """Whether the ladder has a level for this price now."""
    base = world.books[book]["base"]
    return base <= price < base + world.levels.shape[1]


@kernel
def is_displayed(order):
    """Whether an order shows in the book: neither hidden nor pegged."""
    return order["kind"] <= LIMIT and (order["flags"] & HIDDEN) == 0


@kernel
def slot_of(world: World, order_id):
    """The slot of a live order, or NONE where this id is not live."""
    slot = order_id & ((1 << SLOT_BITS) - 1)
    if order_id <= 0 or slot >= world.orders.shape[0]:
        return NONE
    if world.orders[slot]["id"] != order_id or world.orders[slot]["state"] == FREE:
        return NONE
    return slot


@kernel
def enter(world: World, slot):
    """Put an order at the back of the queue at its price and keep the best prices right."""
    order = world.orders[slot]
    book, side, price = order["book"], order["side"], order["price"]
    level = world.levels[book, level_index(world, price)]
    order["next"] = NONE
    if is_displayed(order):
        order["previous"] = level["tail"]
        if level["tail"] >= 0:
            world.orders[level["tail"]]["next"] = slot
        else:
            level["head"] = slot
        level["tail"] = slot
        level["qty"] += order["qty"]
        _raise_shown(world, book, side, price)
    else:
        order["previous"] = level["hidden_tail"]
        if level["hidden_tail"] >= 0:
            world.orders[level["hidden_tail"]]["next"] = slot
        else:
            level["hidden_head"] = slot
        level["hidden_tail"] = slot
        level["hidden"] += order["qty"]
    best = world.books[book]["best"]
    i = column(side)
    if side * (price - best[i]) > 0:
        best[i] = price


@kernel
def _raise_shown(world: World, book, side, price):
    shown = world.books[book]["shown"]
    i = column(side)
    if side * (price - shown[i]) > 0:
        shown[i] = price


@kernel
def leave(world: World, slot):
    """Take an order out of the queue at its price and keep the best prices right."""
    order = world.orders[slot]
    level = world.levels[order["book"], level_index(world, order["price"])]
    before, after = order["previous"], order["next"]
    if before >= 0:
        world.orders[before]["next"] = after
    if after >= 0:
        world.orders[after]["previous"] = before
    if is_displayed(order):
        level["qty"] -= order["qty"]
        if before < 0:
            level["head"] = after
        if after < 0:
            level["tail"] = before
    else:
        level["hidden"] -= order["qty"]
        if before < 0:
            level["hidden_head"] = after
        if after < 0:
            level["hidden_tail"] = before
    if level["head"] < 0:
        _find_best(world, order["book"], order["side"], order["price"], level["hidden_head"] < 0)


@kernel
def _find_best(world: World, book, side, price, empty):
    """Look for the next best prices of a side after the displayed queue at `price` has run empty."""
    i = column(side)
    last = outside(world, book, side)
    best, shown = world.books[book]["best"], world.books[book]["shown"]
    if empty and best[i] == price:
        found = price - side
        while found != last and _is_empty(world, book, found):
            found -= side
        best[i] = found
    if shown[i] == price:
        found = price - side
        while found != last and world.levels[book, level_index(world, found)]["head"] < 0:
            found -= side
        shown[i] = found


@kernel
def _is_empty(world: World, book, price):
    level = world.levels[book, level_index(world, price)]
    return level["head"] < 0 and level["hidden_head"] < 0


@kernel
def first_at_best(world: World, book, side):
    """The order that is served next on a side, or NONE where the side is empty."""
    price = world.books[book]["best"][column(side)]
    if price == outside(world, book, side):
        return NONE
    level = world.levels[book, level_index(world, price)]
    return level["head"] if level["head"] >= 0 else level["hidden_head"]


@kernel
def shrink(world: World, slot, qty):
    """Take shares off a resting order without touching its place; it must keep at least one."""
    order = world.orders[slot]
    level = world.levels[order["book"], level_index(world, order["price"])]
    order["qty"] -= qty
    if is_displayed(order):
        level["qty"] -= qty
    else:
        level["hidden"] -= qty


@kernel
def displayed(world: World, book, price):
    """Displayed shares at a price."""
    if not in_window(world, book, price):
        return 0
    return world.levels[book, level_index(world, price)]["qty"]


@kernel
def queue_ahead(world: World, slot):
    """Displayed shares ahead of a resting order at its price, by walking its queue towards the front."""
    ahead = 0
    other = world.orders[slot]["previous"]
    while other >= 0:
        ahead += world.orders[other]["qty"]
        other = world.orders[other]["previous"]
    return ahead


# ---------------------------------------------------------------- order slots


@kernel
def allocate(world: World):
    """Take a free order slot and give it a fresh id; NONE where the table is full."""
    slot = world.clock[0]["free_order"]
    if slot < 0:
        return NONE
    world.clock[0]["free_order"] = world.orders[slot]["next"]
    sequence = world.clock[0]["next_order"] + 1
    world.clock[0]["next_order"] = sequence
    world.orders[slot]["id"] = (sequence << SLOT_BITS) | slot
    return slot


@kernel
def write_order(world: World, slot, owner, book, side, price, qty, kind, tif, flags, peak, label):
    """Fill the record of a new order; the arguments are its fields."""
    order = world.orders[slot]
    order["owner"] = owner
    order["book"] = book
    order["side"] = side
    order["price"] = price
    order["limit"] = price
    order["qty"] = qty
    order["reserve"] = 0
    order["peak"] = peak
    order["kind"] = kind
    order["tif"] = tif
    order["flags"] = flags
    order["label"] = label


@kernel
def release(world: World, slot):
    """Give an order slot back."""
    world.orders[slot]["state"] = FREE
    world.orders[slot]["next"] = world.clock[0]["free_order"]
    world.clock[0]["free_order"] = slot
