"""The ways a market maker can act."""

from __future__ import annotations

from lobenv.roles.maker.action import CHOICES, DISCRETE_ACTIONS
from lobenv.roles.maker.table import CONTINUOUS, DISCRETE, MULTIDISCRETE
from lobenv.roles.modes import Mode

MODES = {
    "continuous": Mode(CONTINUOUS, (2,)),
    "discrete": Mode(DISCRETE, (), (DISCRETE_ACTIONS,)),
    "multidiscrete": Mode(MULTIDISCRETE, (len(CHOICES),), CHOICES),
}
