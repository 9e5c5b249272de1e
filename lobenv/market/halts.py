"""Trading states of a book: volatility halts around a trailing reference price, and their end."""

from __future__ import annotations

from lobenv.compiled import kernel
from lobenv.market import events
from lobenv.market.feed import has_touch
from lobenv.market.ledger import twice_mid_of
from lobenv.market.recorder import record_halt
from lobenv.market.tables import HALT_END, HALTED, OPEN, World


@kernel
def follow_reference(world: World, book):
    """Let the reference trail the mid with the book's time constant, by the time that the mid stood."""
    record = world.books[book]
    if record["halt_band"] == 0 or record["state"] != OPEN:
        return
    now = world.clock[0]["now"]
    mid = 0.5 * twice_mid_of(world, book)
    if record["reference"] <= 0.0:
        record["reference"] = mid
    elif has_touch(world, book):
        elapsed = now - record["reference_time"]
        record["reference"] += (mid - record["reference"]) * elapsed / (elapsed + record["halt_memory"])
    record["reference_time"] = now


@kernel
def outside_band(world: World, book, price):
    """Whether a trade at this price is not allowed; if so the book halts, and reopens around that price."""
    record = world.books[book]
    if record["reference"] <= 0.0 or abs(price - record["reference"]) <= record["halt_band"]:
        return False
    record["state"] = HALTED
    record["changed"] = 1
    record["halts"] += 1
    record["reference"] = price
    record_halt(world, book, -1)
    events.schedule(world, world.clock[0]["now"] + record["halt_pause"], HALT_END, book)
    return True


@kernel
def end_halt(world: World, book):
    """Let trading resume."""
    record = world.books[book]
    if record["state"] == HALTED:
        record["state"] = OPEN
        record["changed"] = 1
        record["reference_time"] = world.clock[0]["now"]
        record_halt(world, book, 1)
