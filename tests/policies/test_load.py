"""Addresses of learned policies: where they lead, what plays where they lead nowhere, and what is refused."""

from __future__ import annotations

import os
import pickle
import re
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import policies
from lobenv.scenario.loading import load, scenario_hash
from policies import ArtefactError
from policies.artefact import SIDECAR, SWITCH, find
from policies.base import Policy
from policies.ppo import WEIGHTS
from policies.tuned import TunedPolicy
from tests.policies.artefacts import CALM, FIELDS, common, write_network, write_rule, write_trees

VOLATILE = policies.market_spec(load("volatile"))
FAMILIES = ("ppo", "gp", "tuned")
WRITERS = {"ppo": write_network, "gp": write_trees, "tuned": write_rule}


@pytest.fixture(autouse=True)
def switch(monkeypatch):
    """Learned policies are on, whatever the shell that runs the tests says."""
    monkeypatch.delenv(SWITCH, raising=False)
    return monkeypatch


@pytest.fixture
def zoo(tmp_path, monkeypatch):
    """A zoo with policies of each family for calm and for all scenarios."""
    folder = tmp_path / "zoo"
    monkeypatch.setattr("policies.artefact.ZOO", folder)
    for family, write in WRITERS.items():
        write(folder / "calm" / family)
        write(folder / "all" / family, **common("all", markets=(CALM, VOLATILE)))
    return folder


def refusal(action, *arguments, **options):
    """The one line in which an artefact is refused."""
    with pytest.raises(ArtefactError) as caught:
        action(*arguments, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# ------------------------------------------------------------ where an address leads


@pytest.mark.parametrize("family", FAMILIES)
def test_a_policy_of_the_zoo_is_loaded_by_its_name(zoo, family):
    policy = policies.load(f"{family}:calm", CALM)
    assert isinstance(policy, Policy)
    assert policy.name == f"{family}:calm"
    assert policy.folder == zoo / "calm" / family  # pyright: ignore[reportAttributeAccessIssue]
    policy.reset(2, [5, 6])
    action = policy.act(np.zeros((2, len(FIELDS)), np.float32))
    assert action.shape == (2, 2)
    np.testing.assert_array_equal(
        pickle.loads(pickle.dumps(policy)).act(np.zeros((2, len(FIELDS)), np.float32)), action
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_the_zoo_gives_the_policy_of_the_very_scenario_and_else_the_one_for_all(zoo, family):
    assert find(family, "zoo", CALM) == zoo / "calm" / family
    assert find(family, "zoo", replace(CALM, scenario="renamed")) == zoo / "calm" / family
    assert find(family, "zoo", VOLATILE) == zoo / "all" / family
    shorter = policies.market_spec(load("calm", {"session.duration_s": 60}))
    assert find(family, "zoo", shorter) == zoo / "all" / family
    assert find(family, "zoo", replace(CALM, scenario_hash="")) == zoo / "all" / family
    assert policies.load(f"{family}:zoo", CALM).name == f"{family}:zoo"


@pytest.mark.parametrize("family", FAMILIES)
def test_a_path_leads_to_the_artefact_in_that_folder(tmp_path, monkeypatch, family):
    folder = WRITERS[family](tmp_path / "runs" / "policy")
    monkeypatch.chdir(tmp_path)
    for name in (str(folder), "runs/policy", "./runs/policy", "runs/policy/"):
        policy = policies.load(f"{family}:{name}", CALM)
        assert policy.name == f"{family}:{name}"
    monkeypatch.chdir(folder)
    assert policies.load(f"{family}:.", CALM).name == f"{family}:."


def test_a_tuned_rule_plays_as_the_rule_with_its_parameters(tmp_path):
    policy = policies.load(f"tuned:{write_rule(tmp_path / 'a')}", CALM)
    assert isinstance(policy, TunedPolicy)
    seen = np.random.default_rng(0).normal(size=(5, len(FIELDS))).astype(np.float32)
    rule = policies.load("rule:inventory_skewed?half_spread=4", CALM)
    policy.reset(5, 0)
    rule.reset(5, 0)
    np.testing.assert_array_equal(policy.act(seen), rule.act(seen))


def test_market_spec_names_the_scenario_and_its_hash():
    scenario = load("volatile")
    assert (VOLATILE.scenario, VOLATILE.scenario_hash) == ("volatile", scenario_hash(scenario))
    assert VOLATILE.max_offset_ticks == scenario.maker.max_offset_ticks
    assert tuple(VOLATILE.index) == FIELDS


def test_available_lists_the_zoo_after_the_rules_with_a_line_each(zoo):
    (zoo / "all" / "gp" / SIDECAR).write_text("{")
    listed = policies.available()
    learned = [address for address in listed if not address.startswith("rule:")]
    assert learned == [f"{family}:{name}" for family in FAMILIES for name in ("all", "calm")]
    assert list(listed)[-6:] == learned
    assert listed["ppo:all"] == "Learned by ppo on calm, volatile in 1,000 steps."
    assert listed["gp:all"] == f"Cannot be loaded: {zoo / 'all' / 'gp' / SIDECAR}: not valid JSON."
    assert not any("\n" in line for line in listed.values())


# ------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("ppo:", "policy 'ppo:': name must be one of zoo, all, calm or a folder's path, got ''"),
        ("ppo", "policy 'ppo': name must be one of zoo, all, calm or a folder's path, got ''"),
        ("gp:calm?depth=3", "policy 'gp:calm?depth=3': gp policies take no parameters, got 'depth'"),
        ("tuned:calm?gamma", "policy 'tuned:calm?gamma': parameters must read 'name=value&name=value', got 'gamma'"),
    ],
)
def test_a_wrong_address_is_an_error_with_or_without_a_fallback(zoo, address, message):
    for fallback in (None, "rule:glft"):
        for refuse in (
            lambda f: policies.check(address, fallback=f),
            lambda f: policies.load(address, CALM, fallback=f),
        ):
            with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
                refuse(fallback)


@pytest.mark.parametrize("name", ["./" + "x" * 300, "~nosuchuser/policy"])
def test_a_path_that_no_file_can_have_is_a_policy_that_is_not_there(name):
    with pytest.raises(policies.ArtefactError):
        policies.load(f"ppo:{name}", CALM)
    with pytest.warns(RuntimeWarning, match="rule:glft plays instead"):
        assert policies.load(f"ppo:{name}", CALM, fallback="rule:glft").name.startswith("rule:glft")


def test_a_mistyped_fallback_is_an_error_before_it_is_needed():
    with pytest.raises(ValueError, match="rule:gltf"):
        policies.load("rule:glft", CALM, fallback="rule:gltf")


@pytest.mark.parametrize("family", FAMILIES)
def test_a_policy_that_is_not_there_is_an_error_naming_file_and_zoo(zoo, family):
    expected = f"{zoo / 'clam' / family / SIDECAR}: no such file; the zoo has {family}:all, {family}:calm"
    assert refusal(policies.load, f"{family}:clam", CALM) == expected
    assert refusal(policies.check, f"{family}:clam") == expected
    assert refusal(policies.load, f"{family}:./none", CALM).startswith(f"{Path('none') / SIDECAR}: no such file")


def test_without_a_zoo_nothing_but_a_path_can_be_loaded(tmp_path, monkeypatch):
    monkeypatch.setattr("policies.artefact.ZOO", tmp_path / "zoo")
    expected = f"{tmp_path / 'zoo' / 'all' / 'ppo' / SIDECAR}: no such file"
    assert refusal(policies.load, "ppo:zoo", CALM) == expected
    assert set(policies.available()) == {f"rule:{name}" for name in policies.rule.RULES}


def test_an_artefact_of_another_family_is_refused(tmp_path):
    folder = write_rule(tmp_path / "a")
    line = refusal(policies.load, f"ppo:{folder}", CALM)
    assert line.startswith(f"{folder / SIDECAR}: family: must be one of 'ppo', got 'tuned'")


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("rule:glft?gamma=-1", "gamma must be a number > 0"),
        ("rule:magic", "name must be one of do_nothing"),
        ("rule:glft?gamma", "parameters must read"),
    ],
)
def test_a_tuned_rule_that_there_is_not_is_refused_naming_the_file(tmp_path, rule, message):
    folder = write_rule(tmp_path / "a", rule)
    line = refusal(policies.load, f"tuned:{folder}", CALM)
    assert line.startswith(f"{folder / SIDECAR}: rule {rule!r}: {message}")


# ------------------------------------------------------------ the fallback


def loaded_with_warning(address, market=CALM, fallback="rule:glft"):
    """The policy that plays, and the one warning."""
    with pytest.warns(RuntimeWarning) as caught:
        policy = policies.load(address, market, fallback=fallback)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    return policy, str(caught[0].message)


def break_sidecar(folder):
    (folder / SIDECAR).write_text("{}")


def break_weights(folder):
    (folder / WEIGHTS).write_bytes(b"x")


def take_sidecar_away(folder):
    (folder / SIDECAR).unlink()


@pytest.mark.parametrize(
    ("damage", "file"), [(break_sidecar, SIDECAR), (break_weights, WEIGHTS), (take_sidecar_away, SIDECAR)]
)
def test_the_fallback_plays_for_a_policy_that_is_missing_or_broken(zoo, damage, file):
    damage(zoo / "calm" / "ppo")
    policy, warning = loaded_with_warning("ppo:calm")
    assert policy.name == "rule:glft"
    assert warning.startswith(str(zoo / "calm" / "ppo" / file))
    assert warning.endswith("; rule:glft plays instead")
    assert "\n" not in warning
    assert refusal(policies.load, "ppo:calm", CALM) == warning.removesuffix("; rule:glft plays instead")


def test_a_fallback_may_be_learned_and_has_none_of_its_own(zoo):
    assert loaded_with_warning("ppo:clam", fallback="tuned:zoo")[0].name == "tuned:zoo"
    with pytest.raises(ArtefactError, match="clam/gp"):
        policies.load("ppo:clam", CALM, fallback="gp:clam")


def test_check_lets_a_missing_policy_pass_where_a_fallback_plays(zoo):
    policies.check("ppo:zoo")
    policies.check("ppo:clam", fallback="rule:glft")
    with pytest.raises(ValueError, match="policy 'rule:gift': name must be one of"):
        policies.check("ppo:calm", fallback="rule:gift")


def test_no_warning_where_the_policy_can_be_had(zoo):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert policies.load("ppo:zoo", VOLATILE, fallback="rule:glft").name == "ppo:zoo"


# ------------------------------------------------------------ the switch


@pytest.mark.parametrize("value", ["false", "0", "no", "off", "False", " OFF "])
@pytest.mark.parametrize("family", ["ppo", "gp"])
def test_the_switch_turns_learned_policies_off(zoo, switch, family, value):
    switch.setenv(SWITCH, value)
    file = zoo / "calm" / family / SIDECAR
    expected = f"{file}: not loaded, as {SWITCH}={value} switches {family} policies off"
    assert refusal(policies.load, f"{family}:calm", CALM) == expected
    assert refusal(policies.load, f"{family}:zoo", CALM) == expected
    assert refusal(policies.load, f"{family}:{zoo}/calm/{family}", CALM) == expected
    policy, warning = loaded_with_warning(f"{family}:zoo")
    assert (policy.name, warning) == ("rule:glft", f"{expected}; rule:glft plays instead")


@pytest.mark.parametrize("value", ["true", "1", "yes", ""])
def test_any_other_value_leaves_learned_policies_on(zoo, switch, value):
    switch.setenv(SWITCH, value)
    assert policies.load("ppo:calm", CALM).name == "ppo:calm"


def test_the_switch_concerns_neither_rules_nor_tuned_ones(zoo, switch):
    switch.setenv(SWITCH, "false")
    assert policies.load("tuned:zoo", CALM).name == "tuned:zoo"
    assert policies.load("rule:glft", CALM).name == "rule:glft"
    assert os.environ[SWITCH] == "false"
