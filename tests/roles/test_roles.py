"""The table of roles: what a role has to be, the chains that are written from it, and what its learners need."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from lobenv.roles import dispatch
from lobenv.roles.base import PARAMETERS, REQUIRED, LearnerConfig
from lobenv.roles.maker.config import Maker
from lobenv.roles.maker.role import ROLE
from lobenv.roles.roles import BUILT_IN, NO_ROLE, ROLES, number_of
from lobenv.roles.widths import widths_of
from lobenv.scenario.config import Scenario


class Nameless(LearnerConfig):
    pass


def two_arguments(world, external):
    return 0.0


@pytest.mark.parametrize("role", BUILT_IN, ids=lambda role: role.name)
def test_every_rule_of_every_role_is_chosen_by_a_branch_of_its_own(role):
    text = dispatch.source()
    for rule, parameters in PARAMETERS.items():
        call = f"if role == {role.name.upper()}:\n        "
        call += f"{'return ' if rule in dispatch.OTHERWISE else ''}{role.name}_{rule}({', '.join(parameters)})"
        assert text.count(call) == (rule in role.rules)


def test_roles_bear_different_numbers_and_none_that_of_a_strategy():
    numbers = [NO_ROLE, *(number_of(name) for name in (*ROLES.entries(), "somebody's", "someone else's"))]
    assert len(set(numbers)) == len(numbers)


def test_a_name_that_the_module_does_not_have_is_no_kernel():
    with pytest.raises(AttributeError, match="has no attribute 'rest'"):
        dispatch.rest  # noqa: B018


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"config": Scenario}, "config must be a subclass of LearnerConfig"),
        ({"config": Nameless}, "Nameless must have a field `role"),
        ({"record": 3}, "record must be a structured dtype made with align=True"),
        ({"fields": ()}, "fields must be at least one Field"),
        ({"fields": ("mid",)}, "fields must be at least one Field"),
        ({"modes": {}}, "modes must be at least one Mode"),
        ({"act": two_arguments}, "act must "),
        ({"is_done": 3}, "is_done must be a function under @lobenv.compiled.kernel, got 3"),
        *(({rule: None}, f"{rule} must be a function under @lobenv.compiled.kernel, got None") for rule in REQUIRED),
    ],
)
def test_a_role_that_could_not_run_is_refused_when_it_is_made(changes: dict[str, Any], message):
    with pytest.raises(TypeError, match=rf"^{message}") as caught:
        replace(ROLE, **changes)
    assert "\n" not in str(caught.value)


def test_entries_that_are_no_roles_or_bear_another_name_are_refused():
    for name, entry in (("other", ROLE), ("no_role", ROLE), ("mine", Maker)):
        with pytest.raises((TypeError, ValueError)):
            ROLES._check(name, entry)  # pyright: ignore[reportOptionalCall]


def test_a_market_is_as_wide_as_its_widest_role_and_never_nothing():
    assert widths_of([Maker(), None]) == ROLE.widths
    assert set(widths_of([None]).values()) == {1}


@pytest.mark.parametrize("action", ROLE.modes)
def test_a_learner_acts_in_the_mode_that_its_configuration_names(action):
    assert ROLE.mode_of(Maker(action=action)) == ROLE.modes[action]
