"""Keeps a ladder of a maker's own orders where it wants it, moving only those that stand in the wrong place."""

from __future__ import annotations

import numpy as np

from lobenv.compiled import kernel
from lobenv.market import order_entry
from lobenv.market.order_book import column
from lobenv.market.tables import CANCELLED, FILL, REJECTED, World

MOST_LEVELS = 10
LADDER = np.dtype(
    [
        ("order", "i8", (2, MOST_LEVELS)),  # ids; 0 where there is none
        ("price", "i4", (2, MOST_LEVELS)),  # where they were last asked to stand [ticks]
        ("qty", "i4", (2, MOST_LEVELS)),  # shares last asked for
    ],
    align=True,
)


@kernel
def quote(world: World, agent, book, ladder, side, start, step, levels, qty):
    """Have `levels` orders of `qty` shares at start, start - side * step, … on one side.

    Orders that stand where one is wanted stay and keep their places in the queues; the others are replaced.

    Args:
        world: The market.
        agent: The maker.
        book: Where it quotes.
        ladder: Its LADDER record, updated in place.
        side: +1 bids, -1 asks.
        start: Price nearest to the mid [ticks].
        step: Distance between levels [ticks], at least 1.
        levels: Number of levels, at most MOST_LEVELS.
        qty: Shares a level.
    """
    i = column(side)
    covered = 0
    for k in range(MOST_LEVELS):
        rung = _rung(ladder, i, k, side, start, step, levels)
        if rung >= 0 and (covered >> rung) & 1 == 0:
            covered |= 1 << rung
    kept = 0
    for k in range(MOST_LEVELS):
        rung = _rung(ladder, i, k, side, start, step, levels)
        if rung >= 0 and (kept >> rung) & 1 == 0:
            kept |= 1 << rung
            continue
        free = _first_free(covered, levels)
        if free < 0:
            _withdraw(world, agent, book, ladder, i, k)
        else:
            covered |= 1 << free
            kept |= 1 << free
            _place(world, agent, book, ladder, i, k, side, start - side * step * free, qty)


@kernel
def _rung(ladder, i, k, side, start, step, levels):
    """Which wanted level an order stands at, or -1."""
    if ladder["order"][i, k] == 0:
        return -1
    distance = side * (start - ladder["price"][i, k])
    if distance < 0 or distance % step != 0 or distance // step >= levels:
        return -1
    return distance // step


@kernel
def _first_free(covered, levels):
    for rung in range(levels):
        if (covered >> rung) & 1 == 0:
            return rung
    return -1


@kernel
def _place(world: World, agent, book, ladder, i, k, side, price, qty):
    if ladder["order"][i, k] != 0:
        order_entry.send_replace(world, agent, book, ladder["order"][i, k], price, qty)
    else:
        ladder["order"][i, k] = order_entry.send_post_only(world, agent, book, side, price, qty)
    ladder["price"][i, k] = price
    ladder["qty"][i, k] = qty


@kernel
def _withdraw(world: World, agent, book, ladder, i, k):
    if ladder["order"][i, k] != 0:
        order_entry.send_cancel(world, agent, book, ladder["order"][i, k])
        ladder["order"][i, k] = 0


@kernel
def withdraw_side(world: World, agent, book, ladder, side):
    """Cancel every order on one side."""
    for k in range(MOST_LEVELS):
        _withdraw(world, agent, book, ladder, column(side), k)


@kernel
def apply_report(ladder, message):
    """Take an execution report in: an ended order leaves its place free, one that was not moved is where it was."""
    kind, i = message["kind"], column(message["side"])
    if message["side"] == 0:
        _forget(ladder, 0, message["order_id"])
        _forget(ladder, 1, message["order_id"])
    elif kind == FILL or kind == CANCELLED or (kind == REJECTED and message["remaining"] == 0):
        _forget(ladder, i, message["order_id"])
    elif kind == REJECTED:
        for k in range(MOST_LEVELS):
            if ladder["order"][i, k] == message["order_id"]:
                ladder["price"][i, k] = message["price"]


@kernel
def _forget(ladder, i, order_id):
    for k in range(MOST_LEVELS):
        if ladder["order"][i, k] == order_id:
            ladder["order"][i, k] = 0
