"""The one compiled entry to the market: brings markets of a batch to their next decision, or carries out a request.

Everything that drives a market goes through here, whatever face it shows and whoever trades in it, so that there is one
dynamics and one program to compile.
"""

from __future__ import annotations

import numpy as np

from lobenv.compiled import kernel
from lobenv.engine.event_loop import close_session
from lobenv.engine.layout import market, outputs
from lobenv.engine.requests import carry_out
from lobenv.engine.start import start
from lobenv.engine.views import run_telling_views
from lobenv.market import exchange
from lobenv.market.tables import DECISION, ENDED, KILLED, NEVER, NONE, REACHED, RUNNING, World
from lobenv.roles import dispatch as roles
from lobenv.tape.reasons import REASON_SESSION_END

# What to do with a market
IDLE, RESET, STEP, CONTINUE, DECIDE, REQUEST = range(6)

# What decisions of external agents are to a run
IGNORED, AWAITED, MADE = range(3)

INTERRUPTED = -1  # status of a market whose run did not come to its end

CONTROL = np.dtype(
    [
        ("todo", "i8"),  # IDLE, RESET, STEP, CONTINUE, DECIDE or REQUEST; IDLE again when it is done
        ("stop", "i8"),  # time to stop at [ns]; NEVER for the next decision alone
        ("decisions", "i8"),  # IGNORED; AWAITED: stop at the next; MADE: and show the agents what they decide on
        ("status", "i8"),  # why it stopped: REACHED, TAPE_FULL, ATTENTION, DECISION or INTERRUPTED
        ("decision", "i8"),  # written: time of the next decision [ns], NEVER for none
        ("seed", "u8"),  # used by RESET
        ("order_id", "i8"),  # from here on: used by REQUEST
        ("price", "i8"),
        ("qty", "i8"),
        ("peak", "i8"),
        ("answer", "i8"),
        ("request", "i4"),
        ("agent", "i4"),
        ("book", "i4"),
        ("side", "i4"),
        ("kind", "i4"),
        ("tif", "i4"),
        ("flags", "i4"),
    ],
    align=True,
)


@kernel(entry=True)
def advance(memory, shown, places, control, actions, low, high):
    """Do with markets low … high-1 of a batch what their control says.

    Args:
        memory: (E, row_bytes) uint8, changed in place.
        shown: (E, shown_bytes) uint8, changed in place.
        places: Of the layout.
        control: (E,) CONTROL, changed in place.
        actions: (E, K, ACTION_WIDTH) float64, used by STEP.
        low: First market.
        high: One past the last.
    """
    for e in range(low, high):
        own = control[e]
        if own["todo"] != IDLE:
            own["status"] = INTERRUPTED
            own["status"] = _carry_out(market(memory, places, e), outputs(shown, places, e), own, actions[e])
            own["todo"] = IDLE


@kernel
def _carry_out(world: World, out, control, actions):
    """Do with one market what its control says; why it stopped."""
    todo = control["todo"]
    if todo == REQUEST:
        carry_out(world, control)
        return REACHED
    if todo == DECIDE:
        return _decide(world, out)
    if todo == RESET:
        start(world, control["seed"])
        out.session[:] = RUNNING
    elif todo == STEP:
        _act(world, actions)
    world.clock[0]["attention"] = NONE
    if control["decisions"] == IGNORED:
        return run_telling_views(world, control["stop"])
    decision = next_decision(world)
    control["decision"] = decision
    stop = min(control["stop"], decision)
    if stop == NEVER:
        return REACHED  # all have ended, and nobody says how far to go on without them
    status = run_telling_views(world, stop)
    if status == REACHED and world.clock[0]["now"] == decision and control["decisions"] == MADE:
        return _decide(world, out)
    return status


@kernel
def _act(world: World, actions):
    """Carry out the actions of the agents whose decision is due."""
    for k in range(world.externals.shape[0]):
        agent = world.externals[k]
        if agent["due"]:
            roles.act(world, k, actions[k])
            agent["decision"] += 1
            agent["due"] = 0


@kernel
def next_decision(world: World):
    """When the next of the external agents with a role decides [ns], NEVER where none does any more."""
    time = NEVER
    for k in range(world.externals.shape[0]):
        time = min(time, _decision_of(world, k))
    return time


@kernel
def _decision_of(world: World, k):
    agent = world.externals[k]
    if agent["role"] == roles.NO_ROLE or agent["status"] != RUNNING or agent["interval"] == 0:
        return NEVER
    return agent["first_decision"] + agent["decision"] * agent["interval"]


@kernel
def _decide(world: World, out):
    """Show those agents whose decision is due what they decide on, and what they are paid; end what has ended."""
    now = world.clock[0]["now"]
    for k in range(world.externals.shape[0]):
        agent = world.externals[k]
        agent["due"] = 1 if _decision_of(world, k) == now else 0
        out.due[k] = agent["due"]
        out.reward[k] = 0.0
        if agent["due"]:
            exchange.check_risk(world, agent["agent"], agent["book"])
    for k in range(world.externals.shape[0]):
        if world.externals[k]["due"]:
            _show(world, out, k)
    if next_decision(world) == NEVER and not _has_strategies(world):
        close_session(world)
    return DECISION


@kernel
def _show(world: World, out, k):
    """Write what an agent sees and is paid; liquidate it first where its session is over."""
    agent = world.externals[k]
    killed = world.accounts[agent["agent"], agent["book"]]["killed"] != 0
    ended = killed or _is_over(world, agent) or roles.is_done(world, k)
    held = _liquidate(world, k) if ended else 0
    roles.observe(world, k, out.observation[k])
    out.reward[k] = roles.pay(world, k, ended, held, out.parts[k])
    if not ended:
        roles.write_mask(world, k, out.mask[k])
    roles.write_state(world, k, out.state[k])
    if ended:
        agent["status"] = KILLED if killed else ENDED
        agent["due"] = out.due[k] = 0
    out.session[k] = agent["status"]


@kernel
def _has_strategies(world: World):
    """Whether somebody trades on when all who decide by the clock have ended."""
    for k in range(world.externals.shape[0]):
        if world.externals[k]["role"] == roles.NO_ROLE:
            return True
    return False


@kernel
def _is_over(world: World, agent):
    """Whether an agent has made all its decisions, or where it has no number of them, the market has closed."""
    if agent["steps"] > 0:
        return agent["decision"] >= agent["steps"]
    return world.clock[0]["now"] >= world.clock[0]["session_close"]


@kernel
def _liquidate(world: World, external):
    """Cancel an agent's orders and close its position at the exchange, taker fees included; the shares it held."""
    agent = world.externals[external]
    held = world.accounts[agent["agent"], agent["book"]]["position"]
    exchange.cancel_all(world, agent["agent"], agent["book"], REASON_SESSION_END)
    exchange.flatten(world, agent["agent"], agent["book"])
    exchange.settle_book(world, agent["book"])
    return held
