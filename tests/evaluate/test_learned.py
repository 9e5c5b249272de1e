"""What a run keeps of its learned policies: which artefact it was, to the byte, and where it came from."""

from __future__ import annotations

import json

import pytest

import policies
from evaluate.learned import artefacts_played, digest, facts
from policies.sidecar import Training
from tests.policies.artefacts import CALM, write_rule


def loaded(folder):
    """A policy from a folder, and its address."""
    address = f"tuned:{folder}"
    return policies.load(address, CALM), address


def test_a_rule_has_nothing_to_tell():
    assert facts(policies.load("rule:glft?gamma=0.01", CALM), "rule:glft?gamma=0.01") is None


def test_an_artefact_tells_the_key_lines_of_its_card(tmp_path):
    training = Training(command="python -m train.gp", seeds=(1,), total_steps=1_000, wall_seconds=30.0)
    folder = write_rule(tmp_path / "own", "rule:fixed_spread?half_spread=4", training=training)
    told = facts(*loaded(folder))
    assert told == {
        "plays": f"tuned:{folder}",
        "folder": str(folder),
        "digest": digest(folder),
        "algorithm": "nsga2",
        "trained_on": ["calm"],
        "steps": 1_000,
        "seeds": [1],
        "minutes": 0.5,
        "command": "python -m train.gp",
        "commit": None,
        "created": "2026-11-21",
        "formula": "rule:fixed_spread?half_spread=4",
    }
    assert json.loads(json.dumps(told)) == told


def test_the_formula_is_the_one_beside_the_sidecar_where_there_is_one(tmp_path):
    folder = write_rule(tmp_path / "own", "rule:glft")
    (folder / "formula.txt").write_text("half = 3\n")
    told = facts(*loaded(folder))
    assert told is not None
    assert told["formula"] == "half = 3"


def test_a_policy_that_stands_in_is_told_by_its_address():
    with pytest.warns(RuntimeWarning, match="rule:glft plays instead"):
        policy = policies.load("tuned:./nowhere", CALM, fallback="rule:glft")
    assert facts(policy, "tuned:./nowhere") == {"plays": "rule:glft"}


def test_the_digest_changes_with_any_byte_and_any_name(tmp_path):
    folder = write_rule(tmp_path / "own", "rule:glft")
    digests = [digest(folder)]
    (folder / "MODEL_CARD.md").write_text("another card")
    digests.append(digest(folder))
    (folder / "MODEL_CARD.md").rename(folder / "CARD.md")
    digests.append(digest(folder))
    assert len(set(digests)) == 3
    assert digest(folder) == digests[-1]


def test_a_policy_is_listed_once_for_each_artefact_that_it_was():
    one, other = {"plays": "ppo:zoo", "folder": "a"}, {"plays": "ppo:zoo", "folder": "b"}
    stand_in = {"plays": "rule:glft"}
    learned = {"ppo:zoo": {"x": one, "y": other, "z": one}, "gp:zoo": {"y": stand_in}}
    assert artefacts_played(learned, ["x", "y", "z"]) == [
        ("ppo:zoo", "x, z", one),
        ("ppo:zoo", "y", other),
        ("gp:zoo", "y", stand_in),
    ]
    assert artefacts_played(learned, ["y"]) == [("ppo:zoo", "y", other), ("gp:zoo", "y", stand_in)]
