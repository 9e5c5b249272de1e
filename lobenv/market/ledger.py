"""Positions, cash and fees of every agent in every book, and the limits that guard them.

Money is whole: what one side of a trade pays the other receives, and fees go to the venue, so that over all agents the
positions and the cash of a book sum to what they began with, exactly.
"""

from __future__ import annotations

import numpy as np

from lobenv.compiled import kernel
from lobenv.market.order_book import column
from lobenv.market.tables import MILLITICKS, MOST_CASH, MOST_SHARES, MOST_VALUE, NONE, World
from lobenv.settings import SECOND

MILLION = 1_000_000


@kernel
def value_of(price, qty):
    """What shares are worth at a price [milliticks x shares], in 64 bits from the first product on."""
    return np.int64(price) * qty * MILLITICKS


@kernel
def fee_of(book, maker, price, qty):
    """Fee of an execution [milliticks x shares]: so much a share and so many millionths of the value.

    Args:
        book: BOOK record.
        maker: 1 for the resting side, 0 for the aggressor.
        price: Ticks.
        qty: Shares.
    """
    value = value_of(price, qty)
    if maker:
        return book["maker_fee"] * qty + _millionths(value, book["maker_ppm"])
    return book["taker_fee"] * qty + _millionths(value, book["taker_ppm"])


@kernel
def _millionths(value, ppm):
    """So many millionths of a value, rounded down once; the product itself would not fit 64 bits."""
    return value // MILLION * ppm + value % MILLION * ppm // MILLION


@kernel
def cost_after(position, cost, side, price, qty):
    """Cost of the open position after a trade, at average cost [milliticks x shares].

    Args:
        position: Shares before the trade.
        cost: Cost of that position.
        side: +1 bought, -1 sold.
        price: Ticks.
        qty: Shares.
    """
    held = position * side
    if held >= 0:
        return cost + side * value_of(price, qty)
    if qty < -held:
        return cost - cost // -held * qty
    return side * value_of(price, qty + held)


@kernel
def book_trade(world: World, agent, book, side, price, qty, fee, maker, twice_mid):
    """Enter one side of an execution in the agent's account, and an external agent's in the log."""
    account = world.accounts[agent, book]
    account["cost"] = cost_after(account["position"], account["cost"], side, price, qty)
    account["position"] += side * qty
    account["cash"] -= side * value_of(price, qty)
    account["fees"] += fee
    account["volume"] += qty
    if maker:
        account["maker_volume"] += qty
    world.books[book]["revenue"] += fee
    if world.agents[agent]["external"] != NONE:
        _log_fill(world, agent, book, side, price, qty, fee, maker, twice_mid)


@kernel
def _log_fill(world: World, agent, book, side, price, qty, fee, maker, twice_mid):
    """Append an execution to the log of external agents' executions, which evaluation reads."""
    count = world.clock[0]["fills_count"]
    row = world.fills[count % world.fills.shape[0]]
    row["time"] = world.clock[0]["now"]
    row["fee"] = fee
    row["external"] = world.agents[agent]["external"]
    row["price"] = price
    row["qty"] = qty
    row["twice_mid"] = twice_mid
    row["book"] = book
    row["side"] = side
    row["maker"] = maker
    world.clock[0]["fills_count"] = count + 1


@kernel
def learn_trade(world: World, agent, book, side, price, qty, fee):
    """Enter an execution in what the agent knows, when the report has reached it."""
    account = world.accounts[agent, book]
    account["known_cost"] = cost_after(account["known_position"], account["known_cost"], side, price, qty)
    account["known_position"] += side * qty
    account["known_cash"] -= side * value_of(price, qty) + fee


@kernel
def list_order(world: World, slot):
    """Add a resting order to its owner's list and open quantity."""
    order = world.orders[slot]
    account = world.accounts[order["owner"], order["book"]]
    order["previous_own"] = NONE
    order["next_own"] = account["first_order"]
    if account["first_order"] >= 0:
        world.orders[account["first_order"]]["previous_own"] = slot
    account["first_order"] = slot
    account["open_orders"] += 1
    _count_open(world, order, order["qty"] + order["reserve"])


@kernel
def unlist_order(world: World, slot):
    """Take a resting order off its owner's list and open quantity."""
    order = world.orders[slot]
    account = world.accounts[order["owner"], order["book"]]
    before, after = order["previous_own"], order["next_own"]
    if before >= 0:
        world.orders[before]["next_own"] = after
    else:
        account["first_order"] = after
    if after >= 0:
        world.orders[after]["previous_own"] = before
    account["open_orders"] -= 1
    _count_open(world, order, -(order["qty"] + order["reserve"]))


@kernel
def _count_open(world: World, order, change):
    """Count open shares that come or go, for the owner and for the book."""
    i = column(order["side"])
    world.accounts[order["owner"], order["book"]]["open_qty"][i] += change
    world.books[order["book"]]["resting"][i] += change


@kernel
def take_off_open(world: World, slot, qty):
    """Count shares that a resting order has lost."""
    _count_open(world, world.orders[slot], -np.int64(qty))


@kernel
def within_inventory_cap(world: World, agent, book, side, qty):
    """Whether the agent's position stays within its cap if all its open orders on this side and this one fill."""
    cap = world.agents[agent]["inventory_cap"]
    if cap == 0:
        return True
    account = world.accounts[agent, book]
    return side * account["position"] + account["open_qty"][column(side)] + qty <= cap


@kernel
def within_bounds(world: World, agent, book, side, price, qty):
    """Whether an order of this size and value can be counted: no sum of shares or money may leave its field."""
    if world.books[book]["resting"][column(side)] + qty > MOST_SHARES:
        return False
    dearest = np.int64(max(price, world.books[book]["last_price"], 1))
    return dearest * qty <= MOST_VALUE // MILLITICKS and abs(world.accounts[agent, book]["cash"]) <= MOST_CASH


@kernel
def within_order_rate(world: World, agent, book):
    """Count a message of the agent at the exchange; whether this second's count is within its limit."""
    limit = world.agents[agent]["order_rate"]
    if limit == 0:
        return True
    account = world.accounts[agent, book]
    second = world.clock[0]["now"] // SECOND
    if account["rate_second"] != second:
        account["rate_second"] = second
        account["rate_count"] = 0
    account["rate_count"] += 1
    return account["rate_count"] <= limit


@kernel
def twice_mid_of(world: World, book):
    """Twice the displayed mid [ticks]; the better-known side where one is empty, the last price where both are."""
    record = world.books[book]
    bid, ask = record["shown"][0], record["shown"][1]
    no_bid, no_ask = bid < record["base"], ask >= record["base"] + world.levels.shape[1]
    if no_bid and no_ask:
        return 2 * record["last_price"]
    if no_bid:
        return 2 * ask
    if no_ask:
        return 2 * bid
    return bid + ask


@kernel
def net_value(world: World, agent, book):
    """Profit and loss of an account after fees, marked at the displayed mid [milliticks x shares]."""
    account = world.accounts[agent, book]
    marked = account["position"] * twice_mid_of(world, book) * (MILLITICKS // 2)
    return account["cash"] - account["fees"] + marked


@kernel
def breaches_loss_limit(world: World, agent, book):
    """Whether the kill switch has to be pulled now."""
    limit = world.agents[agent]["loss_limit"]
    if limit == 0 or world.accounts[agent, book]["killed"]:
        return False
    return net_value(world, agent, book) < -limit
