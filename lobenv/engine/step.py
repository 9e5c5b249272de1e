"""The one compiled entry to the market: brings markets of a batch to their next decision.

Everything that drives a market with external agents goes through here, whatever face it shows, so that there is one
dynamics and one program to compile.
"""

from __future__ import annotations

from lobenv.compiled import kernel
from lobenv.engine.event_loop import close_session, run
from lobenv.engine.start import start
from lobenv.market import exchange
from lobenv.market.tables import (
    REACHED,
    World,
)
from lobenv.roles.maker.action import act, write_mask
from lobenv.roles.maker.observation import observe
from lobenv.roles.maker.reward import pay, write_state
from lobenv.tape.reasons import (
    REASON_SESSION_END,
)

# What to do with a market
IDLE, RESET, STEP, CONTINUE = 0, 1, 2, 3
# How its session stands
RUNNING, CLOSED, KILLED = 0, 1, 2


@kernel
def market(worlds: World, e):
    """The e-th market of a batch."""
    return World(
        worlds.clock[e],
        worlds.books[e],
        worlds.levels[e],
        worlds.orders[e],
        worlds.messages[e],
        worlds.events[e],
        worlds.wakes[e],
        worlds.agents[e],
        worlds.memory[e],
        worlds.accounts[e],
        worlds.sessions[e],
        worlds.links[e],
        worlds.streams[e],
        worlds.feed[e],
        worlds.fundamentals[e],
        worlds.externals[e],
        worlds.captures[e],
        worlds.inbox[e],
        worlds.fills[e],
        worlds.tape[e],
        worlds.recording[e],
    )


@kernel(entry=True)
def advance(worlds, task, opening, todo, until, seeds, actions, out, low, high):
    """Bring markets low … high-1 of a batch to their next decision, or to a given time.

    Args:
        worlds: World with a leading axis E, changed in place.
        task: (1,) TASK.
        opening: (4,) float64: mean shares a level, levels, half-spread, withdrawal time of the opening book.
        todo: (E,) int8: IDLE, RESET, STEP or CONTINUE.
        until: Time to stop at [ns]; -1 for the next decision of the external agents.
        seeds: (E,) uint64, used by RESET.
        actions: (E, K, ACTION_WIDTH) float64, used by STEP.
        out: Outputs, each with leading axes (E, K) but the last two (E,): observation float32, reward, parts, state,
            mask int8, session int8, status int8.
        low: First market.
        high: One past the last.
    """
    for e in range(low, high):
        if todo[e] == IDLE:
            continue
        world = market(worlds, e)
        if todo[e] == RESET:
            start(world, seeds[e], opening[0], int(opening[1]), int(opening[2]), int(opening[3]))
        elif todo[e] == STEP:
            _act(world, task[0], actions[e])
        stop = until if until >= 0 else _next_decision(world)
        out.status[e] = run(world, stop)
        if out.status[e] == REACHED and until < 0:
            _decide(world, task[0], out, e)


@kernel
def _act(world: World, task, actions):
    for k in range(world.externals.shape[0]):
        act(world, task, k, actions[k])
        world.externals[k]["decision"] += 1


@kernel
def _next_decision(world: World):
    agent = world.externals[0]
    return agent["first_decision"] + agent["decision"] * agent["interval"]


@kernel
def _decide(world: World, task, out, e):
    """Settle the session if it has ended, then write what the agents see and what they are paid."""
    agents = world.externals.shape[0]
    killed = False
    for k in range(agents):
        agent = world.externals[k]
        exchange.check_risk(world, agent["agent"], agent["book"])
        killed = killed or world.accounts[agent["agent"], agent["book"]]["killed"] != 0
    ended = killed or world.externals[0]["decision"] >= task["steps"]
    for k in range(agents):
        held = _liquidate(world, k) if ended else 0
        observe(world, task, k, out.observation[e, k])
        out.reward[e, k] = pay(world, task, k, ended, held, out.parts[e, k])
        if not ended:
            write_mask(world, task, k, out.mask[e, k])
        write_state(world, task, k, out.state[e, k])
    if ended:
        close_session(world)
    out.session[e] = RUNNING
    if ended:
        out.session[e] = KILLED if killed else CLOSED


@kernel
def _liquidate(world: World, external):
    """Cancel an agent's quotes and close its position at the exchange, taker fees included; the shares it held."""
    agent = world.externals[external]
    held = world.accounts[agent["agent"], agent["book"]]["position"]
    exchange.cancel_all(world, agent["agent"], agent["book"], REASON_SESSION_END)
    exchange.flatten(world, agent["agent"], agent["book"])
    exchange.settle_book(world, agent["book"])
    return held
