"""What a message meets when it arrives at the exchange: checks, order types, the book, and the answer."""

from __future__ import annotations

from lobenv.compiled import kernel
from lobenv.market import ledger, matching, order_book, pegs
from lobenv.market.feed import publish
from lobenv.market.fill_or_kill import can_fill
from lobenv.market.halts import follow_reference
from lobenv.market.recorder import record_order
from lobenv.market.reports import release_message, report_end, report_order, send_report
from lobenv.market.resting import crosses, end_taker, match_and_rest
from lobenv.market.tables import (
    ACK,
    CANCEL,
    CANCEL_ALL,
    CANCELLED,
    FOK,
    GTC,
    HALTED,
    HIGHEST_PRICE,
    LIMIT,
    MARKET,
    MOST_SHARES,
    NONE,
    OPEN,
    POST_ONLY,
    REDUCE,
    REJECTED,
    REPLACED,
    RESTING,
    TAKING,
    World,
)
from lobenv.tape.labels import LIQUIDATION
from lobenv.tape.reasons import (
    REASON_BAD_QUANTITY,
    REASON_CLOSED,
    REASON_HALTED,
    REASON_KILLED,
    REASON_LIMIT_BREACHED,
    REASON_NONE,
    REASON_NOT_FILLABLE,
    REASON_ON_REQUEST,
    REASON_ORDER_TYPE,
    REASON_OUT_OF_WINDOW,
    REASON_PRICE_BAND,
    REASON_RATE_LIMIT,
    REASON_REPLACED,
    REASON_TOO_LARGE,
    REASON_UNFILLED,
    REASON_UNKNOWN_ORDER,
    REASON_WOULD_CROSS,
    REASON_WRONG_OWNER,
)
from lobenv.tape.schema import DELETE
from lobenv.tape.schema import REDUCE as REDUCE_RECORD

# ---------------------------------------------------------------- new orders


@kernel
def arrive_order(world: World, slot):
    """A new order reaches its book."""
    order = world.orders[slot]
    order["state"] = TAKING
    world.clock[0]["messages"] += 1
    reason = _check_order(world, slot)
    if reason == REASON_NONE and order["kind"] != LIMIT:
        reason = _price_order(world, slot)
    if reason == REASON_NONE and crosses(world, slot) and order["flags"] & POST_ONLY:
        reason = REASON_WOULD_CROSS
    if reason != REASON_NONE:
        report_end(world, slot, REJECTED, reason)
        order_book.release(world, slot)
        return
    report_order(world, slot, ACK, REASON_NONE)
    if order["tif"] == FOK and not can_fill(world, slot):
        end_taker(world, slot, REASON_NOT_FILLABLE)
        return
    match_and_rest(world, slot)
    settle_book(world, order["book"])


@kernel
def _check_order(world: World, slot):
    """The reason to refuse a new order, or REASON_NONE."""
    order = world.orders[slot]
    book, owner = order["book"], order["owner"]
    state = world.books[book]["state"]
    if state != OPEN:
        return REASON_HALTED if state == HALTED else REASON_CLOSED
    if not ledger.within_order_rate(world, owner, book):
        return REASON_RATE_LIMIT
    if world.accounts[owner, book]["killed"]:
        return REASON_KILLED
    if order["qty"] <= 0:
        return REASON_BAD_QUANTITY
    if not ledger.within_bounds(world, owner, book, order["side"], order["price"], order["qty"]):
        return REASON_TOO_LARGE
    if order["kind"] == LIMIT and not order_book.in_window(world, book, order["price"]):
        return REASON_PRICE_BAND
    if not is_allowed(world, owner, order):
        return REASON_ORDER_TYPE
    if not ledger.within_inventory_cap(world, owner, book, order["side"], order["qty"]):
        return REASON_LIMIT_BREACHED
    return REASON_NONE


@kernel
def is_allowed(world: World, owner, order):
    """Whether the owner may send this type of order: bit k of its `allowed` stands for order type k."""
    allowed = world.agents[owner]["allowed"]
    return allowed == 0 or (allowed >> order["kind"]) & 1 == 1


@kernel
def _price_order(world: World, slot):
    """Give a market order the worst price of the window and a pegged order its peg."""
    order = world.orders[slot]
    if order["kind"] == MARKET:
        order["price"] = order_book.outside(world, order["book"], -order["side"]) - order["side"]
        return REASON_NONE
    return pegs.price_pegged(world, slot)


# ---------------------------------------------------------------- requests about resting orders


@kernel
def arrive_request(world: World, message_slot):
    """A cancel, reduce, replace or cancel-all reaches its book."""
    message = world.messages[message_slot]
    owner, book, kind = message["owner"], message["book"], message["kind"]
    world.clock[0]["messages"] += 1
    if kind == CANCEL_ALL:
        cancel_all(world, owner, book, REASON_ON_REQUEST)
    else:
        slot = order_book.slot_of(world, message["order_id"])
        reason = _check_request(world, message, slot)
        if reason != REASON_NONE:
            _refuse(world, message, slot, reason)
        elif kind == CANCEL:
            matching.remove_order(world, slot, REASON_ON_REQUEST)
        elif kind == REDUCE:
            _reduce(world, slot, message["qty"])
        else:
            _replace(world, slot, message["price"], message["qty"])
    release_message(world, message_slot)
    settle_book(world, book)


@kernel
def _check_request(world: World, message, slot):
    """The reason to refuse a request, or REASON_NONE."""
    if slot == NONE or world.orders[slot]["state"] != RESTING:
        return REASON_UNKNOWN_ORDER
    owner = message["owner"]
    if world.orders[slot]["owner"] != owner or world.orders[slot]["book"] != message["book"]:
        return REASON_WRONG_OWNER
    if message["kind"] == CANCEL:
        return REASON_NONE
    if not ledger.within_order_rate(world, owner, message["book"]):
        return REASON_RATE_LIMIT
    if message["qty"] <= 0:
        return REASON_BAD_QUANTITY
    return REASON_NONE


@kernel
def _refuse(world: World, message, slot, reason):
    """Answer a refused request; an order that is the sender's own is reported as it still stands."""
    if reason == REASON_UNKNOWN_ORDER or reason == REASON_WRONG_OWNER:
        world.accounts[message["owner"], message["book"]]["rejected"] += 1
        send_report(world, message["owner"], message["book"], REJECTED, reason, message["order_id"], 0, 0, 0, 0, 0, 0)
    else:
        report_order(world, slot, REJECTED, reason)


@kernel
def _reduce(world: World, slot, qty):
    """Take shares off an order, the undisplayed first; its place is kept. All of them is a cancel."""
    order = world.orders[slot]
    if qty >= order["qty"] + order["reserve"]:
        matching.remove_order(world, slot, REASON_ON_REQUEST)
        return
    _lower(world, slot, qty)
    report_order(world, slot, REPLACED, REASON_NONE)


@kernel
def _lower(world: World, slot, qty):
    """Take fewer shares than it has off a resting order."""
    order = world.orders[slot]
    from_reserve = min(qty, order["reserve"])
    order["reserve"] -= from_reserve
    ledger.take_off_open(world, slot, qty)
    if qty > from_reserve:
        order_book.shrink(world, slot, qty - from_reserve)
        if order_book.is_displayed(order):
            record_order(world, REDUCE_RECORD, slot, qty - from_reserve, REASON_ON_REQUEST)
            world.books[order["book"]]["changed"] = 1


@kernel
def _replace(world: World, slot, price, qty):
    """Change price or open size: a smaller size keeps the place in the queue, anything else loses it."""
    order = world.orders[slot]
    left = order["qty"] + order["reserve"]
    if price == order["price"] and qty <= left:
        if qty < left:
            _lower(world, slot, left - qty)
        report_order(world, slot, REPLACED, REASON_NONE)
        return
    reason = _check_replacement(world, slot, price, qty, qty - left)
    if reason != REASON_NONE:
        report_order(world, slot, REJECTED, reason)
        return
    order_book.leave(world, slot)
    ledger.unlist_order(world, slot)
    if order_book.is_displayed(order):
        record_order(world, DELETE, slot, order["qty"], REASON_REPLACED)
        world.books[order["book"]]["changed"] = 1
    order["state"] = TAKING
    order["price"] = price
    order["qty"] = qty
    order["reserve"] = 0
    report_order(world, slot, REPLACED, REASON_NONE)
    match_and_rest(world, slot)


@kernel
def _check_replacement(world: World, slot, price, qty, growth):
    """The reason to refuse a replacement, or REASON_NONE; the order then stays as it was."""
    order = world.orders[slot]
    book, owner, side = order["book"], order["owner"], order["side"]
    state = world.books[book]["state"]
    if state != OPEN:
        return REASON_HALTED if state == HALTED else REASON_CLOSED
    if world.accounts[owner, book]["killed"]:
        return REASON_KILLED
    if order["kind"] != LIMIT:
        return REASON_ORDER_TYPE
    if not order_book.in_window(world, book, price):
        return REASON_PRICE_BAND
    if not ledger.within_bounds(world, owner, book, side, price, qty):
        return REASON_TOO_LARGE
    if growth > 0 and not ledger.within_inventory_cap(world, owner, book, side, growth):
        return REASON_LIMIT_BREACHED
    best = world.books[book]["best"][order_book.column(-side)]
    if order["flags"] & POST_ONLY and side * (price - best) >= 0:
        return REASON_WOULD_CROSS
    return REASON_NONE


@kernel
def cancel_all(world: World, owner, book, reason):
    """Cancel every resting order of an agent in a book."""
    while world.accounts[owner, book]["first_order"] >= 0:
        matching.remove_order(world, world.accounts[owner, book]["first_order"], reason)


# ---------------------------------------------------------------- kill switch


@kernel
def check_risk(world: World, agent, book):
    """Pull the kill switch of an agent whose loss limit is breached."""
    if ledger.breaches_loss_limit(world, agent, book):
        pull_kill_switch(world, agent, book)
        settle_book(world, book)


@kernel
def pull_kill_switch(world: World, agent, book):
    """Cancel all of an agent's orders, refuse new ones and, where it is configured so, close its position at once."""
    account = world.accounts[agent, book]
    account["killed"] = 1
    cancel_all(world, agent, book, REASON_KILLED)
    if world.agents[agent]["flatten"]:
        flatten(world, agent, book)


@kernel
def flatten(world: World, agent, book):
    """Close a position with a market order that is at the exchange already; what finds no other side stays open.

    Returns:
        Shares that are still held.
    """
    position = world.accounts[agent, book]["position"]
    if position == 0 or world.books[book]["state"] != OPEN:
        return position
    slot = order_book.allocate(world)
    if slot == NONE:
        raise OverflowError("order table full: raise capacity.orders of the scenario")
    order = world.orders[slot]
    side, qty = -1 if position > 0 else 1, min(abs(position), MOST_SHARES)
    order_book.write_order(world, slot, agent, book, side, 0, qty, MARKET, GTC, 0, 0, LIQUIDATION)
    order["state"] = TAKING
    _price_order(world, slot)
    matching.take(world, slot)
    if order["qty"] > 0:
        report_end(world, slot, CANCELLED, REASON_UNFILLED)
    order_book.release(world, slot)
    return world.accounts[agent, book]["position"]


# ---------------------------------------------------------------- after every message


@kernel
def settle_book(world: World, book):
    """Publish what changed, let pegged orders follow, and slide the window of prices after the touch."""
    record = world.books[book]
    if record["changed"] == 0:
        return
    if record["first_pegged"] >= 0:
        pegs.reprice(world, book)
    _slide(world, book)
    follow_reference(world, book)
    publish(world, book)
    record["changed"] = 0
    if world.clock[0]["guarded"] > 0:
        _watch_losses(world, book)


@kernel
def _watch_losses(world: World, book):
    """Have the kill switch pulled of every external agent whose loss limit the new touch breaches."""
    for k in range(world.externals.shape[0]):
        agent = world.externals[k]["agent"]
        if ledger.breaches_loss_limit(world, agent, book):
            matching.schedule_risk_check(world, agent, book)


@kernel
def _slide(world: World, book):
    """Keep the touch in the middle half of the window."""
    width = world.levels.shape[1]
    twice_middle = 2 * world.books[book]["base"] + width
    twice_mid = ledger.twice_mid_of(world, book)
    if twice_mid > 0 and 2 * abs(twice_mid - twice_middle) > width:
        move_window(world, book, twice_mid // 2 - width // 2)


@kernel
def move_window(world: World, book, base):
    """Let the window begin at another price; orders that fall out of it are cancelled with a report."""
    record = world.books[book]
    old = record["base"]
    width = world.levels.shape[1]
    base = min(max(base, 1), HIGHEST_PRICE + 1 - width)
    if base > old:
        _clear_prices(world, book, old, min(base, old + width))
    else:
        _clear_prices(world, book, max(base + width, old), old + width)
    for i in range(2):
        empty_before = old - 1 if i == 0 else old + width
        empty_after = base - 1 if i == 0 else base + width
        if record["best"][i] == empty_before:
            record["best"][i] = empty_after
        if record["shown"][i] == empty_before:
            record["shown"][i] = empty_after
    record["base"] = base


@kernel
def _clear_prices(world: World, book, low, high):
    """Cancel every order at the prices low … high-1."""
    for price in range(low, high):
        level = world.levels[book, order_book.level_index(world, price)]
        while level["head"] >= 0:
            matching.remove_order(world, level["head"], REASON_OUT_OF_WINDOW)
        while level["hidden_head"] >= 0:
            matching.remove_order(world, level["hidden_head"], REASON_OUT_OF_WINDOW)
