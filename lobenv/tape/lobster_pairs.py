"""Whether a LOBSTER day agrees with itself: each message must turn the book row before it into its own book row.

Two rows of the orderbook file can be compared as far down as both show the book. Beyond the last level of a full row
anything may have happened unseen, so nothing is asked there. What an order had left is followed from its addition on.
"""

from __future__ import annotations

import numpy as np

from lobenv.tape.schema import ADD, DELETE, EXECUTE, EXECUTE_HIDDEN, NO_ASK, NO_BID, REDUCE

ROWS_AT_ONCE = 20_000  # rows x levels x levels are compared at once
OF_ORDERS = (ADD, REDUCE, DELETE, EXECUTE)


def rows_that_do_not_follow(records: np.ndarray, prices: np.ndarray, quantities: np.ndarray) -> np.ndarray:
    """Rows whose message does not lead from the book before to the book after, where the two rows show it.

    Args:
        records: (N,) RECORD, the messages.
        prices: (N, 2, L) [ticks] after each message, as in `LobsterDay`.
        quantities: (N, 2, L) [shares], 0 where there is no level.

    Returns:
        (N,) bool; of the first row only what it adds is asked for.
    """
    wrong = np.zeros(len(records), bool)
    for first in range(0, len(records), ROWS_AT_ONCE):
        rows = np.arange(first, min(first + ROWS_AT_ONCE, len(records)))
        for index, side in enumerate((1, -1)):
            # A better price has a lower rank, on either side.
            ranks, shown = -side * prices[:, index].astype(np.int64), quantities[:, index].astype(np.int64)
            before, after = (ranks[rows - 1], shown[rows - 1]), (ranks[rows], shown[rows])
            if not first:
                before[1][0] = 0
            wrong[rows] |= _side_differs(records[rows], side, before, after, rows == 0)
    wrong[1:] |= _executed_elsewhere(records[1:], prices[:-1, 0, 0], prices[:-1, 1, 0])
    return wrong


def _executed_elsewhere(messages: np.ndarray, bid: np.ndarray, ask: np.ndarray) -> np.ndarray:
    """(n,) whether an execution is not at the best price of its side, or a hidden one outside the touch before it."""
    price, own = messages["price"], np.where(messages["side"] > 0, bid, ask)
    shown = (own != NO_BID) & (own != NO_ASK)
    hidden = (messages["kind"] == EXECUTE_HIDDEN) & ((price < bid) | (price > ask))
    return hidden | ((messages["kind"] == EXECUTE) & shown & (price != own))


_Levels = tuple[np.ndarray, np.ndarray]  # (n, L) ranks and (n, L) quantities of one side


def _side_differs(
    messages: np.ndarray, side: int, before: _Levels, after: _Levels, unknown_before: np.ndarray
) -> np.ndarray:
    """(n,) whether one side of the book after a message is not that before it, changed by the message."""
    concerned = np.isin(messages["kind"], OF_ORDERS) & (messages["side"] == side)
    change = np.where(concerned, np.where(messages["kind"] == ADD, 1, -1) * messages["qty"].astype(np.int64), 0)
    rank = -side * messages["price"].astype(np.int64)
    sight_before = np.where(unknown_before, np.iinfo(np.int64).min, _sight(*before))
    sight = np.minimum(sight_before, _sight(*after))
    wrong = _level_differs(before, after, rank, change, sight).any(1)
    wrong |= _level_differs(after, before, rank, -change, sight).any(1)
    return wrong | _acted_level_differs(before, after, rank, change, (sight_before, _sight(*after)))


def _sight(ranks: np.ndarray, quantities: np.ndarray) -> np.ndarray:
    """(n,) rank of the worst price that a row tells of: its last level, or any price where levels are left over."""
    return np.where(quantities[:, -1] > 0, ranks[:, -1], np.iinfo(np.int64).max)


def _level_differs(
    levels: _Levels, others: _Levels, rank: np.ndarray, change: np.ndarray, sight: np.ndarray
) -> np.ndarray:
    """(n, L) whether a level in sight of both rows does not hold in the other what it holds here and the change."""
    ranks, quantities = levels
    expected = quantities + np.where(ranks == rank[:, None], change[:, None], 0)
    return (quantities > 0) & (ranks <= sight[:, None]) & (expected != _held(others, ranks))


def _acted_level_differs(
    before: _Levels, after: _Levels, rank: np.ndarray, change: np.ndarray, sights: tuple[np.ndarray, np.ndarray]
) -> np.ndarray:
    """(n,) whether the message's own level is short of what it takes (before it) or adds (after it), or not there."""
    held_before, held_after = (_held(levels, rank[:, None])[:, 0] for levels in (before, after))
    taken_from_less = (change < 0) & (rank <= sights[0]) & (held_before + change < 0)
    added_to_less = (change > 0) & (rank <= sights[1]) & (held_after < change)
    return taken_from_less | added_to_less


def _held(levels: _Levels, wanted: np.ndarray) -> np.ndarray:
    """(n, M) quantity that a row shows at each of (n, M) ranks, 0 where it shows no such level."""
    ranks, quantities = levels
    same = (ranks[:, None, :] == wanted[:, :, None]) & (quantities[:, None, :] > 0)
    return np.where(same, quantities[:, None, :], 0).sum(2)


def messages_about_other_orders(records: np.ndarray, prices: np.ndarray, quantities: np.ndarray) -> np.ndarray:
    """Messages that cannot be about the order they name, as its addition and its earlier messages describe it.

    An order that no message adds (it rested before the first, or came from out of sight) is asked nothing. One that
    was out of sight may have less left than its messages say, never more.

    Args:
        records: (N,) RECORD, the messages.
        prices: (N, 2, L) [ticks] after each message; L = 0 where there is no orderbook file.
        quantities: (N, 2, L) [shares].

    Returns:
        (N,) bool: an order is added that still rests, side or price is not the addition's, more is taken than was left,
        a REDUCE takes all of it, or a DELETE less than that from an order that never was out of sight.
    """
    found = np.zeros(len(records), bool)
    order, rows, addition, known = _by_order(records)
    left = _left_of(order, addition)
    wrong = (order["side"] != order["side"][addition]) | (order["price"] != order["price"][addition]) | (left < 0)
    wrong |= (order["kind"] == REDUCE) & (left == 0)
    again = (order["kind"][1:] == ADD) & known[:-1] & (order["order_id"][1:] == order["order_id"][:-1])
    wrong[1:] |= again & (left[:-1] > 0)
    if quantities.shape[2]:
        for k in np.flatnonzero(known & (order["kind"] == DELETE) & (left > 0)):
            wrong[k] |= _in_sight(order[k], prices, quantities, int(rows[addition[k]]), int(rows[k]))
    found[rows[known & wrong]] = True
    return found


def _by_order(records: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The messages about orders, sorted by order and time.

    Returns:
        order: (n,) RECORD.
        rows: (n,) their rows among all records.
        addition: (n,) index in `order` of the last addition up to each.
        known: (n,) whether that is the addition of the same order.
    """
    concerned = np.flatnonzero(np.isin(records["kind"], OF_ORDERS))
    rows = concerned[np.lexsort((concerned, records["order_id"][concerned]))]
    order = records[rows]
    additions = np.where(order["kind"] == ADD, np.arange(len(rows)), 0)
    addition = np.maximum.accumulate(additions) if len(rows) else additions
    known = (order["kind"][addition] == ADD) & (order["order_id"][addition] == order["order_id"])
    return order, rows, addition, known


def _left_of(order: np.ndarray, addition: np.ndarray) -> np.ndarray:
    """(n,) shares left after each message, counted from its addition; meaningless where it has none."""
    change = np.where(order["kind"] == ADD, 1, -1) * order["qty"].astype(np.int64)
    total = np.cumsum(change)
    return total - (total - change)[addition]


def _in_sight(message: np.void, prices: np.ndarray, quantities: np.ndarray, first: int, last: int) -> bool:
    """Whether the book rows from `first` to before `last` all show the price of a message."""
    index, side = (0, 1) if message["side"] > 0 else (1, -1)
    ranks = -side * prices[first:last, index].astype(np.int64)
    return bool((-side * int(message["price"]) <= _sight(ranks, quantities[first:last, index])).all())


def orders_gone_unsaid(records: np.ndarray, prices: np.ndarray, quantities: np.ndarray) -> list[tuple[int, int]]:
    """Orders that the book no longer holds although no message took them away, while it always showed their price.

    Args:
        records: (N,) RECORD, the messages.
        prices: (N, 2, L) [ticks] after each message.
        quantities: (N, 2, L) [shares].

    Returns:
        For each such order the row that shows less than it had left, and the row of its last message; by row.
    """
    order, rows, addition, known = _by_order(records)
    last = np.append(order["order_id"][1:] != order["order_id"][:-1], True)
    left = _left_of(order, addition)
    gone = []
    for index, side in enumerate((1, -1)):
        ranks, shown = -side * prices[:, index].astype(np.int64), quantities[:, index]
        sight = _sight(ranks, shown)
        for k in np.flatnonzero(last & known & (left > 0) & (order["side"] == side)):
            rank = -side * int(order["price"][addition[k]])
            row = _first_short(ranks, shown, sight, rank, int(left[k]), int(rows[k]))
            if row is not None and _in_sight(order[k], prices, quantities, int(rows[addition[k]]), row):
                gone.append((row, int(rows[k])))
    return sorted(gone)


def _first_short(
    ranks: np.ndarray, shown: np.ndarray, sight: np.ndarray, rank: int, left: int, first: int
) -> int | None:
    """The first row from `first` on that shows less than `left` at a rank, unless it was out of sight before."""
    size = 16
    while first < len(ranks):
        part = slice(first, first + size)
        hidden = rank > sight[part]
        short = ~hidden & (np.where(ranks[part] == rank, shown[part], 0).sum(1) < left)
        ends = hidden | short
        if ends.any():
            row = int(np.argmax(ends))
            return first + row if short[row] else None
        first, size = first + size, 2 * size
    return None
