"""Every policy that ships: it loads, trades as its sidecar says, and stands in a market that it was trained on."""

from __future__ import annotations

import numpy as np
import pytest

import policies
from evaluate.lab_options import FIRST_SEED
from evaluate.metrics import episode_metrics
from evaluate.rollout import constants_of, play
from lobenv.engine.batch import Batch
from lobenv.scenario.loading import load, scenario_hash
from policies.artefact import find, read_sidecar, zoo
from policies.base import market_spec

FAMILIES = ("ppo", "gp", "tuned")
SHIPPED = [(family, name) for family in FAMILIES for name in zoo(family)]
EPISODES = 32


@pytest.mark.parametrize("family", FAMILIES)
def test_the_zoo_has_a_policy_for_calm_for_volatile_and_for_all_presets(family):
    assert set(zoo(family)) == {"all", "calm", "volatile"}


@pytest.mark.parametrize(("family", "name"), SHIPPED)
def test_a_shipped_policy_was_trained_on_the_presets_as_they_are(family, name):
    for trained in read_sidecar(zoo(family)[name], family).scenarios:
        assert trained.hash == scenario_hash(load(trained.name))


@pytest.mark.parametrize(("family", "name"), SHIPPED)
def test_a_shipped_policy_scores_within_what_its_sidecar_says(family, name):
    sidecar = read_sidecar(zoo(family)[name], family)
    scenario = load(sidecar.scenarios[0].name)
    seeds = range(FIRST_SEED, FIRST_SEED + EPISODES)
    rollout = play(Batch(scenario, EPISODES), policies.load(f"{family}:{name}", market_spec(scenario)), seeds)
    metrics = episode_metrics(rollout.paths, rollout.fills, rollout.counts, constants_of(scenario))
    scored = metrics["risk_adjusted_pnl"].to_numpy()
    recorded = sidecar.metrics[scenario.name]["risk_adjusted_pnl"]
    # Half of the recorded seeds: their mean may differ by four of its standard errors.
    slack = 4.0 * scored.std() / np.sqrt(EPISODES) + 1e-9
    assert recorded.low - slack <= scored.mean() <= recorded.high + slack


def test_the_zoo_chooses_by_scenario_and_falls_back_on_all():
    names = ("calm", "volatile", "news_jump")
    folders = [find("gp", "zoo", market_spec(load(name))) for name in names]
    assert [folder.parent.name for folder in folders] == ["calm", "volatile", "all"]
