"""How wide what an external agent is shown has to be, so that every role fits; faces slice what is a role's own."""

from __future__ import annotations

from lobenv.roles.maker.action import ACTION_WIDTH, MASK_SIZE
from lobenv.roles.maker.observation import WIDTH
from lobenv.roles.maker.reward import PARTS_WIDTH, STATE_WIDTH

WIDTHS: dict[str, tuple[int, ...]] = {
    "observation": (WIDTH,),
    "reward": (),
    "parts": (PARTS_WIDTH,),
    "state": (STATE_WIDTH,),
    "mask": (MASK_SIZE,),
    "session": (),
    "due": (),
}
MOST_ACTIONS = ACTION_WIDTH
