"""What `info` tells: the exchange's own figures, for people and evaluation; what the agent may know it observes."""

from __future__ import annotations

from typing import Any

import numpy as np

from lobenv.envs.interface import Interface
from lobenv.market.tables import ENDED, KILLED, RUNNING
from lobenv.roles.maker.reward import PARTS, STATE_INDEX

FIGURES = ("pnl", "inventory", "cash", "fees", "mid", "best_bid", "best_ask")
_COLUMNS = np.array([STATE_INDEX[name] for name in FIGURES])
_NAMES = (*FIGURES, *(f"reward/{part}" for part in PARTS), "killed", "seed")
_HAS_NAMES = {name: f"_{name}" for name in (*_NAMES, "action_mask")}
_IS_KILLED = {status: np.int8(status == KILLED) for status in (RUNNING, ENDED, KILLED)}


def info_of(out: Any, row: int, learner: int, seed: np.uint64, interface: Interface) -> dict[str, Any]:
    """Diagnostics of one learner: flat, NumPy scalars of fixed type, the same keys at every step.

    Args:
        out: What the batch shows.
        row: Its market.
        learner: Its index among the external agents.
        seed: Of the market.
        interface: How it acts.
    """
    killed = _IS_KILLED[out.session.item(row, learner)]
    figures = out.state[row, learner][_COLUMNS]
    info = dict(zip(_NAMES, [*figures, *out.parts[row, learner], killed, seed], strict=True))
    if interface.mask_size:
        info["action_mask"] = interface.mask(out.mask[row, learner])
    return info


def vector_info_of(
    out: Any, learner: int, seeds: np.ndarray, interface: Interface, present: np.ndarray
) -> dict[str, Any]:
    """The same for all markets, in Gymnasium's form: for each key an array, and a mask of who has it.

    Args:
        out: What the batch shows.
        learner: Index among the external agents.
        seeds: (E,) uint64, of the markets.
        interface: How the learner acts.
        present: (E,) bool, who is asked about.
    """
    columns = [out.state[:, learner, i].copy() for i in _COLUMNS]
    columns += [out.parts[:, learner, i].copy() for i in range(len(PARTS))]
    killed = (out.session[:, learner] == KILLED).astype(np.int8)
    info = dict(zip(_NAMES, (*columns, killed, seeds.copy()), strict=True))
    if interface.mask_size:
        info["action_mask"] = interface.mask(out.mask[:, learner])
    return {**info, **{_HAS_NAMES[name]: present for name in info}}
