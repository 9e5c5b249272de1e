"""Every role in one place: its number, and which rules an external agent of it follows.

A role is a table, and the rules `begin`, `photograph`, `on_report`, `observe`, `act`, `pay`, `write_mask`,
`write_state`.
"""

from __future__ import annotations

from lobenv.compiled import kernel
from lobenv.market.tables import World
from lobenv.roles.maker import action, observation, reward, rules

NO_ROLE, MAKER = 0, 1


@kernel
def begin(world: World, external):
    """Bring an external agent's own record to the market's first instant."""
    if world.externals[external]["role"] == MAKER:
        rules.begin(world, external)


@kernel
def photograph(world: World, external):
    """Add to the view captured now what the role sees beyond the book."""
    if world.externals[external]["role"] == MAKER:
        rules.photograph(world, external)


@kernel
def on_report(world: World, message_slot):
    """Let an external agent's role take in a report that has just reached it."""
    message = world.messages[message_slot]
    external = world.agents[message["owner"]]["external"]
    if external >= 0 and world.externals[external]["role"] == MAKER:
        rules.on_report(world, external, message)


@kernel
def act(world: World, external, actions):
    """Carry out an external agent's action."""
    if world.externals[external]["role"] == MAKER:
        action.act(world, external, actions)


@kernel
def observe(world: World, external, out):
    """Write an external agent's observation."""
    if world.externals[external]["role"] == MAKER:
        observation.observe(world, external, out)


@kernel
def pay(world: World, external, ended, liquidated, parts):
    """Write the parts of an external agent's reward; their sum [$]."""
    if world.externals[external]["role"] == MAKER:
        return reward.pay(world, external, ended, liquidated, parts)
    return 0.0


@kernel
def write_mask(world: World, external, mask):
    """Write which choices of an external agent make sense now."""
    if world.externals[external]["role"] == MAKER:
        action.write_mask(world, external, mask)


@kernel
def write_state(world: World, external, state):
    """Write the exchange's picture of an external agent."""
    if world.externals[external]["role"] == MAKER:
        reward.write_state(world, external, state)
