"""Trading states of a book: volatility halts around a trailing reference price, and their end."""

from __future__ import annotations

from lobenv.compiled import kernel
from lobenv.market import events
from lobenv.market.feed import has_both_sides
from lobenv.market.ledger import twice_mid_of
from lobenv.market.recorder import record_halt
from lobenv.market.tables import HALT_END, HALTED, OPEN, World


@kernel
def follow_reference(world: World, book):
    """Let the reference trail the mid that was published last with the book's time constant, by the time that it stood.

    Time in which a side showed nothing does not count.
    """
    record = world.books[book]
    if record["halt_band"] == 0 or record["state"] != OPEN:
        return
    now = world.clock[0]["now"]
    stood = (record["feed_count"] - 1) & (world.feed.shape[1] - 1)
    if record["reference"] <= 0.0:
        record["reference"] = 0.5 * twice_mid_of(world, book)
    elif has_both_sides(world, book, stood):
        touch = world.feed[book, stood]["price"]
        elapsed = now - record["reference_time"]
        away = 0.5 * (touch[0] + touch[1]) - record["reference"]
        record["reference"] += away * elapsed / (elapsed + record["halt_memory"])
    record["reference_time"] = now


@kernel
def outside_band(world: World, book, price):
    """Whether a trade at this price is not allowed."""
    record = world.books[book]
    band, reference = record["halt_band"], record["reference"]
    return band > 0 and reference > 0.0 and abs(price - reference) > band


@kernel
def halt(world: World, book, price):
    """Stop trading for the book's pause; it reopens around the price of the trade that was not allowed."""
    record = world.books[book]
    record["state"] = HALTED
    record["changed"] = 1
    record["halts"] += 1
    record["reference"] = price
    record_halt(world, book, -1)
    events.schedule(world, world.clock[0]["now"] + record["halt_pause"], HALT_END, book)


@kernel
def end_halt(world: World, book):
    """Let trading resume."""
    record = world.books[book]
    if record["state"] == HALTED:
        record["state"] = OPEN
        record["changed"] = 1
        record["reference_time"] = world.clock[0]["now"]
        record_halt(world, book, 1)
