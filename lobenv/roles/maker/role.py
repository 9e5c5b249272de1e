"""The market maker as an entry of the table of roles."""

from __future__ import annotations

from lobenv.roles.base import Role
from lobenv.roles.maker import rules
from lobenv.roles.maker.action import act, write_mask
from lobenv.roles.maker.config import Maker
from lobenv.roles.maker.modes import MODES
from lobenv.roles.maker.observation import FIELDS, observe
from lobenv.roles.maker.reward import PARTS, STATE, pay, write_state
from lobenv.roles.maker.table import MAKER

ROLE = Role(
    Maker,
    MAKER,
    FIELDS,
    MODES,
    act,
    observe,
    pay,
    parts=PARTS,
    columns=STATE,
    begin=rules.begin,
    photograph=rules.photograph,
    on_report=rules.on_report,
    write_mask=write_mask,
    write_state=write_state,
)
