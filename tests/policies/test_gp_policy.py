"""Formula policies: how distances become quotes, and how artefacts are read or refused."""

from __future__ import annotations

import json
import shutil
from datetime import date

import numpy as np
import pytest

import policies
from lobenv.roles.maker.observation import FIELDS, INDEX, WIDTH
from lobenv.scenario.loading import load
from policies.artefact import SIDECAR, ArtefactError, find, write_artefact
from policies.base import market_spec
from policies.gp import FormulaPolicy
from policies.sidecar import Training, TrainingScenario, TreeParameters, TreeSidecar

MARKET = market_spec(load("calm"))
SKEWED = (("add", 3.0, "mul", 0.5, "inventory"), ("sub", 3.0, "mul", 0.5, "inventory"))


def observations(rows=32):
    values = np.random.default_rng(1).normal(size=(rows, WIDTH)).astype(np.float32)
    values[:, INDEX["inventory"]] = np.linspace(-5, 5, rows)
    return values


def actions(policy, observation):
    policy.reset(len(observation), 0)
    return policy.act(observation)


def write(folder, trees):
    sidecar = TreeSidecar(
        name="test",
        algorithm="nsga2",
        created=date(2026, 1, 1),
        lobenv_version="0",
        env_id="Sentinel-MM-v0",
        scenarios=(TrainingScenario(name="calm", hash="0" * 16),),
        order_size=100,
        max_offset_ticks=20.0,
        observation=tuple(field.name for field in FIELDS),
        training=Training(command="python -m train.gp", seeds=(1,), total_steps=1, wall_seconds=1.0),
        parameters=TreeParameters(trees=trees),
    )
    return write_artefact(folder, sidecar, "card")


def test_a_formula_that_was_altered_where_people_read_it_is_refused(tmp_path):
    folder = shutil.copytree(find("gp", "calm"), tmp_path / "own")
    path = folder / "formula.txt"
    path.write_bytes(path.read_bytes().replace(b"bid =", b"ask =", 1))
    with pytest.raises(ArtefactError) as caught:
        FormulaPolicy.read(folder, MARKET, "gp:own")
    assert str(caught.value) == f"{path}: was altered after it was written: its digest is not the one in {SIDECAR}"


def test_formulas_of_a_rule_decide_as_the_rule_does():
    rule = policies.load("rule:inventory_skewed?half_spread=3&skew=0.5", MARKET)
    formula = FormulaPolicy([SKEWED], MARKET)
    assert np.array_equal(actions(formula, observations()), actions(rule, observations()))


@pytest.mark.parametrize(("distance", "action"), [(20.5, 1.0), (20.0, 2 * (20 - 2.0**-10) / 20 - 1), (-3.0, -1.0)])
def test_a_distance_beyond_the_widest_withdraws_and_one_below_zero_quotes_at_the_mid(distance, action):
    policy = FormulaPolicy([((distance,), (distance,))], MARKET)
    assert np.all(actions(policy, observations(2)) == np.float32(action))


def test_a_population_shares_out_the_envs_in_order():
    pairs = [((2.0,), (3.0,)), ((4.0,), (5.0,))]
    together = actions(FormulaPolicy(pairs, MARKET), observations(6))
    for i, pair in enumerate(pairs):
        alone = actions(FormulaPolicy([pair], MARKET), observations(6)[3 * i : 3 * i + 3])
        assert np.array_equal(together[3 * i : 3 * i + 3], alone)
    with pytest.raises(ValueError, match="multiple of the 2 pairs of formulas, got 5"):
        FormulaPolicy(pairs, MARKET).reset(5, 0)


def test_an_artefact_decides_as_its_formulas_do_and_keeps_its_address(tmp_path):
    folder = write(tmp_path / "policy", {"bid": SKEWED[0], "ask": SKEWED[1]})
    policy = policies.load(f"gp:{folder}", MARKET)
    assert policy.name == f"gp:{folder}"
    assert np.array_equal(actions(policy, observations()), actions(FormulaPolicy([SKEWED], MARKET), observations()))


@pytest.mark.parametrize(
    ("trees", "complaint"),
    [
        ({"bid": (3.0,)}, "trees must be bid and ask, got bid"),
        ({"bid": (3.0,), "ask": ("add", 3.0)}, "add must be followed by"),
        ({"bid": (3.0,), "ask": ("moon_phase",)}, "'moon_phase' is neither"),
    ],
)
def test_a_broken_artefact_is_an_error_of_one_line_that_names_the_file(tmp_path, trees, complaint):
    folder = write(tmp_path / "policy", trees)
    with pytest.raises(ArtefactError, match=complaint) as caught:
        policies.load(f"gp:{folder}", MARKET)
    assert str(folder / "policy.json") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_damaged_json_is_an_error_that_names_the_file(tmp_path):
    folder = write(tmp_path / "policy", {"bid": (3.0,), "ask": (3.0,)})
    document = json.loads((folder / "policy.json").read_text())
    document["parameters"]["trees"]["bid"] = "3 + inventory"
    (folder / "policy.json").write_text(json.dumps(document))
    with pytest.raises(ArtefactError, match=r"policy\.json"):
        policies.load(f"gp:{folder}", MARKET)
