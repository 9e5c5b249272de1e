"""The opening book: orders that rest when the session opens and are withdrawn once the traders have taken over."""

from __future__ import annotations

from lobenv.compiled import kernel
from lobenv.market import order_entry
from lobenv.market.tables import NEVER, World


@kernel
def wake(world: World, agent, next_wake):
    """Withdraw what is left of the opening book."""
    for book in range(world.books.shape[0]):
        order_entry.send_cancel_all(world, agent, book)
    return NEVER
