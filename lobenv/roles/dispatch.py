"""Lets an external agent follow the rules of its role, whatever that is: kernels written out from the table of roles.

The chain that chooses between the roles is there to be read: `print(dispatch.source())`. It is made when the market is
first compiled; from then on no role can be added.
"""

from __future__ import annotations

from typing import Any

from lobenv.compiled import choices
from lobenv.compiled.choices import Choice, Entry
from lobenv.roles.base import PARAMETERS
from lobenv.roles.roles import NO_ROLE, ROLES, number_of

PURPOSES = {
    "begin": "Bring an external agent's own record to the market's first instant.",
    "photograph": "Add to the view captured now what the role sees beyond the book.",
    "act": "Carry out an external agent's action.",
    "is_done": "Whether an external agent's own end has come.",
    "observe": "Write an external agent's observation.",
    "pay": "Write the parts of an external agent's reward; their sum [$].",
    "write_mask": "Write which choices of an external agent make sense now.",
    "write_state": "Write the exchange's picture of an external agent.",
}
OTHERWISE = {"is_done": "False", "pay": "0.0"}

_RULE = '''
def {rule}({parameters}):
    """{purpose}"""
    role = world.externals[external]["role"]
'''

_ON_REPORT = '''
def on_report(world, message_slot):
    """Let an external agent's role take in a report that has just reached it."""
    message = world.messages[message_slot]
    external = world.agents[message["owner"]]["external"]
    role = world.externals[external]["role"] if external >= 0 else NO_ROLE
'''


def _choice(rule: str) -> Choice:
    parameters = PARAMETERS[rule]
    head = _RULE.format(rule=rule, parameters=", ".join(parameters), purpose=PURPOSES[rule])
    return Choice(rule, head, "role", parameters, OTHERWISE.get(rule))


CHOICES = (*map(_choice, PURPOSES), Choice("on_report", _ON_REPORT, "role", PARAMETERS["on_report"]))
WRITTEN = tuple(choice.rule for choice in CHOICES)


def _entries() -> dict[str, Entry]:
    return {name: Entry(number_of(name), role.rules) for name, role in ROLES.entries().items()}


def source() -> str:
    """The text of all of them as they are compiled."""
    return choices.source(CHOICES, _entries())


def __getattr__(name: str) -> Any:
    """Write and compile all of them when the market first asks for one."""
    if name not in WRITTEN:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    ROLES.close("the market has been compiled in this process; add it before the first market runs")
    globals().update(choices.written(__name__, CHOICES, _entries(), {"NO_ROLE": NO_ROLE}))
    return globals()[name]
