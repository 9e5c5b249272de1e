"""From an action to quotes: three ways to say where to quote, one way to get the quotes there.

A quote that should stand where it stands is left alone and keeps its place in the queue. A quote that should move is
replaced, one that should not stand is cancelled, and one that nothing has been heard of for too long is taken for lost.
"""

from __future__ import annotations

import math

import numpy as np

from lobenv.compiled import kernel
from lobenv.market import order_entry
from lobenv.market.order_book import column
from lobenv.market.tables import NONE, World
from lobenv.roles.maker.table import (
    CONTINUOUS,
    DISCRETE,
    MULTIDISCRETE,
    QUOTE_CANCELLING,
    QUOTE_LIVE,
    QUOTE_NONE,
    QUOTE_PENDING,
    maker_of,
)
from lobenv.roles.view import view_of

WITHDRAW = 1.0  # the end of the continuous range: no quote on that side

# Spooner et al. (2018): quote distances as multiples of the half-spread, and last an action that closes the position.
PAIRS = ((1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (1, 3), (3, 1), (2, 5), (5, 2))
FLATTEN = len(PAIRS)
DISCRETE_ACTIONS = len(PAIRS) + 1
_PAIRS = np.array(PAIRS, dtype=np.int64)

# Multi-discrete: ticks behind the touch (the last choice is no quote), and size in lots.
OFFSETS = (0, 1, 2, 3, 5, 8, 12)
SIZES = (1, 2, 3)
NO_QUOTE = len(OFFSETS)
CHOICES = (len(OFFSETS) + 1, len(OFFSETS) + 1, len(SIZES), len(SIZES))
MASK_SIZE = sum(CHOICES)
_OFFSETS = np.array(OFFSETS, dtype=np.int64)
_SIZES = np.array(SIZES, dtype=np.int64)

ACTION_WIDTH = 4  # columns of the core's action array; each mode uses the first of them


@kernel
def act(world: World, external, action):
    """Carry out a market maker's action.

    Args:
        world: The market; messages are put on the maker's link.
        external: Index of the maker among the external agents.
        action: (ACTION_WIDTH,) float64, in its action mode.
    """
    maker = maker_of(world, external)
    view = view_of(world, external)
    mode, mid = maker["action_mode"], maker["mid"]
    if mode == DISCRETE and int(action[0]) == FLATTEN:
        _flatten(world, external)
        return
    bid_qty = ask_qty = maker["order_size"]
    if mode == CONTINUOUS:
        bid, ask = _from_offsets(maker["max_offset"], mid, action)
    elif mode == DISCRETE:
        bid, ask = _from_pair(view, mid, int(action[0]))
    else:
        bid, ask = _from_touch(view, mid, int(action[0]), int(action[1]))
        bid_qty *= _SIZES[int(action[2])]
        ask_qty *= _SIZES[int(action[3])]
    if bid != NONE and ask != NONE and bid >= ask:
        bid, ask = min(bid, int(math.ceil(mid)) - 1), max(ask, int(math.floor(mid)) + 1)
    if bid != NONE and view["depth"][1, 0] > 0:
        bid = min(bid, view["price"][1] - 1)
    if ask != NONE and view["depth"][0, 0] > 0:
        ask = max(ask, view["price"][0] + 1)
    _quote(world, external, 1, bid, bid_qty)
    _quote(world, external, -1, ask, ask_qty)


@kernel
def _from_offsets(max_offset, mid, action):
    """Continuous: distance from the visible mid, -1 … 1 for 0 … max_offset ticks; 1 is no quote."""
    scale = 0.5 * max_offset
    bid = int(math.floor(mid - max(action[0] + 1.0, 0.0) * scale)) if action[0] < WITHDRAW else NONE
    ask = int(math.ceil(mid + max(action[1] + 1.0, 0.0) * scale)) if action[1] < WITHDRAW else NONE
    return bid, ask


@kernel
def _from_pair(view, mid, choice):
    """Discrete: a pair of multiples of the visible half-spread."""
    half = 0.5 * (view["price"][1] - view["price"][0])
    if view["depth"][0, 0] == 0 or view["depth"][1, 0] == 0:
        half = 1.0
    return int(math.floor(mid - _PAIRS[choice, 0] * half)), int(math.ceil(mid + _PAIRS[choice, 1] * half))


@kernel
def _from_touch(view, mid, bid_choice, ask_choice):
    """Multi-discrete: ticks behind the visible touch."""
    bid = ask = NONE
    if bid_choice < NO_QUOTE:
        best = view["price"][0] if view["depth"][0, 0] > 0 else int(math.floor(mid))
        bid = best - _OFFSETS[bid_choice]
    if ask_choice < NO_QUOTE:
        best = view["price"][1] if view["depth"][1, 0] > 0 else int(math.ceil(mid))
        ask = best + _OFFSETS[ask_choice]
    return bid, ask


@kernel
def _quote(world: World, external, side, price, qty):
    """Have a quote of a side where it is wanted, no larger than the inventory cap leaves room for."""
    agent, maker = world.externals[external], maker_of(world, external)
    held = world.accounts[agent["agent"], agent["book"]]["known_position"]
    qty = min(qty, maker["inventory_cap"] - side * held)
    i = column(side)
    state = maker["quote_state"][i]
    if _is_overdue(world, maker, i):
        _cancel(world, external, i)
    elif price == NONE or qty <= 0:
        if state == QUOTE_LIVE or state == QUOTE_PENDING:
            _cancel(world, external, i)
    elif state == QUOTE_NONE:
        maker["quote_id"][i] = order_entry.send_post_only(world, agent["agent"], agent["book"], side, price, qty)
        _note(world, maker, i, QUOTE_PENDING, price, qty)
    elif state != QUOTE_CANCELLING and (price != maker["quote_price"][i] or qty < maker["quote_qty"][i]):
        order_entry.send_replace(world, agent["agent"], agent["book"], maker["quote_id"][i], price, qty)
        _note(world, maker, i, QUOTE_PENDING, price, qty)


@kernel
def _is_overdue(world: World, maker, i):
    """Whether an answer about a quote is overdue."""
    if maker["quote_state"][i] != QUOTE_PENDING and maker["quote_state"][i] != QUOTE_CANCELLING:
        return False
    return world.clock[0]["now"] - maker["quote_sent"][i] > maker["quote_timeout"]


@kernel
def _note(world: World, maker, i, state, price, qty):
    """Remember what was last asked for."""
    maker["quote_state"][i] = state
    maker["quote_sent"][i] = world.clock[0]["now"]
    maker["quote_price"][i] = price
    maker["quote_qty"][i] = qty


@kernel
def _cancel(world: World, external, i):
    agent, maker = world.externals[external], maker_of(world, external)
    order_entry.send_cancel(world, agent["agent"], agent["book"], maker["quote_id"][i])
    maker["quote_state"][i] = QUOTE_CANCELLING
    maker["quote_sent"][i] = world.clock[0]["now"]


@kernel
def _flatten(world: World, external):
    """Cancel both quotes and close the position, as far as it is known, with a market order."""
    agent, maker = world.externals[external], maker_of(world, external)
    for i in range(2):
        standing = maker["quote_state"][i] == QUOTE_LIVE or maker["quote_state"][i] == QUOTE_PENDING
        if standing or _is_overdue(world, maker, i):
            _cancel(world, external, i)
    held = world.accounts[agent["agent"], agent["book"]]["known_position"]
    if held != 0:
        order_entry.send_market(world, agent["agent"], agent["book"], -1 if held > 0 else 1, abs(held))


@kernel
def write_mask(world: World, external, mask):
    """Which choices of the discrete modes make sense now: 1 yes, 0 no.

    Args:
        world: The market.
        external: Index of the maker among the external agents.
        mask: (MASK_SIZE,) int8, written in place. Discrete: the first DISCRETE_ACTIONS; multi-discrete: all, choice by
            choice.
    """
    agent, maker = world.externals[external], maker_of(world, external)
    held = world.accounts[agent["agent"], agent["book"]]["known_position"]
    mask[:] = 1
    if maker["action_mode"] == DISCRETE:
        mask[FLATTEN] = 1 if held != 0 else 0
    elif maker["action_mode"] == MULTIDISCRETE:
        for i in range(2):
            room = maker["inventory_cap"] - (1 - 2 * i) * held
            first = i * (NO_QUOTE + 1)
            for choice in range(NO_QUOTE):
                mask[first + choice] = 1 if room > 0 else 0
            first = 2 * (NO_QUOTE + 1) + i * len(SIZES)
            for choice in range(1, len(SIZES)):
                mask[first + choice] = 1 if room >= _SIZES[choice] * maker["order_size"] else 0
