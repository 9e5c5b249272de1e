"""Finds the own record of a trader, or of what an external agent is, and the table that a group of traders reads."""

from __future__ import annotations

from lobenv.compiled import kernel
from lobenv.market.tables import World

ALIGNMENT = 16  # bytes


def aligned(size: int) -> int:
    """A number of bytes after which the next record is aligned too."""
    return -(-size // ALIGNMENT) * ALIGNMENT


@kernel
def own(world: World, agent, dtype, size):
    """The trader's own record, to read and to write.

    Args:
        world: The market.
        agent: The trader.
        dtype: STATE of its kind.
        size: `dtype.itemsize`, which compiled code cannot ask for.
    """
    start = world.agents[agent]["memory"]
    return world.memory[start : start + size].view(dtype)[0]


@kernel
def shared(world: World, agent, row, dtype, size):
    """One row of the table of the trader's group; to read only, as all of the group read the same.

    Args:
        world: The market.
        agent: The trader.
        row: Which, from 0; how many there are is for the trader's own record to know.
        dtype: Of the array that `AgentConfig.shared` returned.
        size: `dtype.itemsize`, which compiled code cannot ask for.
    """
    start = world.agents[agent]["shared"] + row * size
    return world.shared[start : start + size].view(dtype)[0]
