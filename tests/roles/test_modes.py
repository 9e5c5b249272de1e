"""A way to act and a form to see hold all that is theirs: number, space, check, mask."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest

from lobenv.roles.maker.action import ACTION_WIDTH, MASK_SIZE
from lobenv.roles.maker.formats import FORMATS
from lobenv.roles.maker.modes import MODES
from lobenv.roles.maker.observation import FIELDS, HIGH, LOW
from lobenv.roles.maker.task import ActionMode

every_mode = pytest.mark.parametrize("name", MODES)


def test_a_task_can_name_every_mode_and_no_other():
    assert get_args(ActionMode) == tuple(MODES)
    assert len({mode.number for mode in MODES.values()}) == len(MODES)


@every_mode
def test_what_is_of_the_space_is_encoded_as_it_is(name):
    mode = MODES[name]
    space = mode.space()
    space.seed(1)
    actions = np.stack([space.sample() for _ in range(50)])
    encoded = mode.encode(actions, 50)
    assert encoded.shape[:2] == (50, 1)
    assert encoded.shape[2] == mode.width <= ACTION_WIDTH
    np.testing.assert_array_equal(encoded.reshape(actions.shape), actions)
    np.testing.assert_array_equal(mode.encode(actions[0], 1), encoded[:1])


@every_mode
def test_a_mask_has_an_entry_for_every_choice(name):
    mode = MODES[name]
    space: Any = mode.space()
    choices = {"n": lambda: int(space.n), "nvec": lambda: int(space.nvec.sum())}
    found = [count() for attribute, count in choices.items() if hasattr(space, attribute)]
    assert mode.mask_size == (found[0] if found else 0) <= MASK_SIZE


OUTSIDE = {
    "continuous": [[0.0], [0.0, 0.0, 0.0], [np.nan, 0.0], [0.0, -np.inf], [1e308, np.inf], "up", None, [[0.0], [0.0]]],
    "discrete": [10, -1, 0.5, np.nan, np.inf, [0, 0], "up", None],
    "multidiscrete": [[0, 0, 0], [8, 0, 0, 0], [0, 0, 3, 0], [0, 0, 0, -1], [0.5, 0, 0, 0], [0, 0, 0, np.nan], 3],
}


@pytest.mark.parametrize(("name", "action"), [(name, action) for name in OUTSIDE for action in OUTSIDE[name]], ids=str)
def test_what_is_not_of_the_space_is_refused_in_one_line(name, action):
    with pytest.raises(ValueError, match=r"^action must be .*$|^action must have shape .*$") as caught:
        MODES[name].encode(action, 1)
    assert "\n" not in str(caught.value)


def test_finite_numbers_whose_sum_overflows_are_finite():
    assert MODES["continuous"].encode([1.7e308, 1.7e308], 1).tolist() == [[[1.7e308, 1.7e308]]]


def test_both_forms_of_an_observation_hold_the_same_copies():
    kernel_s = np.random.default_rng(1).uniform(LOW, HIGH).astype(np.float32)
    flat, columns = (FORMATS[form].decode(kernel_s) for form in ("flat", "dict"))
    assert flat in FORMATS["flat"].space()
    assert columns in FORMATS["dict"].space()
    assert list(columns) == [field.name for field in FIELDS]
    assert np.concatenate(list(columns.values())).tobytes() == flat.tobytes()
    assert not any(np.shares_memory(kernel_s, array) for array in (flat, *columns.values()))
