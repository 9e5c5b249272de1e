"""What had reached an external agent of its book when it decides."""

from __future__ import annotations

from lobenv.compiled import kernel
from lobenv.market.tables import World


@kernel
def view_of(world: World, external):
    """The photograph of the book that is meant for the decision that is due: a CAPTURED record, to read."""
    return world.captures[external, world.externals[external]["decision"] % world.captures.shape[1]]
