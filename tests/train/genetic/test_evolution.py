"""Evolution: the same whoever plays, and the same whether or not it was interrupted."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from train.genetic import checkpoint
from train.genetic.evolution import Evolution, GenomeEvaluator, advance, front, rate, survivors
from train.genetic.options import Options, check
from train.genetic.rules import Point, RuleSpecies
from train.genetic.species import Draws
from train.genetic.workers import start_workers

TREES = Options(
    generations=4,
    population=6,
    first_population=6,
    episodes=2,
    latencies=("retail",),
    overrides=("session.duration_s=10",),
    threads=1,
)
PARAMS = replace(TREES, genome="params")


def run(options, generations, evolution=None, workers=1):
    """Let generations live; where the evolution then stands."""
    plan = check(options)
    evolution = evolution or Evolution(Draws.seeded(options.seed))
    workers = start_workers(plan.conditions, workers, None, 1)
    evaluator = GenomeEvaluator(workers, len(plan.markets), plan.latencies, (1.0,) * len(plan.markets))
    try:
        for _ in range(generations):
            advance(evolution, plan, evaluator)
    finally:
        workers.close()
    return evolution


def state(evolution, options):
    """All that a run goes on from, but for the time it took."""
    return json.dumps({**checkpoint.to_json(evolution, check(options).species), "seconds": None})


@pytest.mark.parametrize("options", [TREES, PARAMS], ids=["trees", "params"])
def test_a_run_that_was_stopped_after_two_generations_ends_as_one_that_was_not(options, tmp_path):
    whole = run(options, 4)
    checkpoint.write(tmp_path, run(options, 2), check(options).species)
    restored = checkpoint.latest(tmp_path, check(options).species)
    assert restored is not None
    assert restored.generation == 2
    resumed = run(options, 2, restored)
    assert state(resumed, options) == state(whole, options)


def test_another_seed_is_another_evolution():
    assert state(run(TREES, 1), TREES) != state(run(replace(TREES, seed=2), 1), TREES)


@pytest.mark.slow
def test_two_worker_processes_find_what_one_process_does():
    options = replace(
        TREES, population=150, first_population=150, scenarios=("calm", "volatile")
    )  # more than one task in each condition
    alone, workers = run(options, 2), run(options, 2, workers=2)
    assert state(workers, options) == state(alone, options)
    assert [one.fitness.values for one in front(workers.population)] == [
        one.fitness.values for one in front(alone.population)
    ]


def test_parents_play_the_new_markets_beside_their_children():
    evolution = run(TREES, 1)
    species = check(TREES).species
    before = {json.dumps(species.to_json(one)): one.fitness.values for one in evolution.population}
    run(TREES, 1, evolution)
    survived = [one for one in evolution.population if json.dumps(species.to_json(one)) in before]
    assert evolution.episodes > TREES.population * TREES.episodes * 2 * 2  # of 2 conditions
    assert survived
    assert [record["generation"] for record in evolution.history] == [1.0, 2.0]


def test_the_better_part_by_the_criterion_survives_and_doubles_do_not():
    pool = [Point("fixed_spread", [i / 10]) for i in range(10)]
    values = np.array([[float(i), -float(i), 0.0] for i in range(10)])
    values[3] = values[4]
    rate(pool, values, RuleSpecies(("fixed_spread",)))
    chosen = survivors(pool, 4)
    assert len(chosen) == 4
    assert {5.0, 9.0} <= {one.fitness.values[0] for one in chosen} <= {5.0, 6.0, 7.0, 8.0, 9.0}
    assert [one.fitness.values[0] for one in survivors(pool, 10)].count(4.0) == 1


def test_a_front_holds_those_that_nothing_beats_in_everything():
    pool = [Point("fixed_spread", [i / 4]) for i in range(4)]
    rate(pool, np.array([[1.0, 5.0, 0.0], [2.0, 4.0, 0.0], [1.0, 4.0, 0.0], [3.0, 0.0, 0.0]]), RuleSpecies(("glft",)))
    assert [list(one) for one in front(pool)] == [[0.75], [0.25], [0.0]]


@pytest.mark.parametrize("content", ["", "{", '{"format": 1}', '{"format": 99}', "[]"])
def test_a_damaged_checkpoint_is_an_error_that_names_the_file(content, tmp_path):
    (tmp_path / checkpoint.FOLDER).mkdir()
    path = tmp_path / checkpoint.FOLDER / "generation_0003.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=r"generation_0003\.json: no readable checkpoint"):
        checkpoint.latest(tmp_path, check(TREES).species)


def test_a_run_without_a_checkpoint_begins_anew(tmp_path):
    assert checkpoint.latest(tmp_path, check(TREES).species) is None


def test_without_ray_a_cluster_is_refused_in_one_line(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(ValueError, match="ray_address needs Ray: pip install"):
        start_workers((), 1, "local", None)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"population": 3}, "population must be at least 4, got 3"),
        ({"first_population": 5}, "first_population must be at least 6, got 5"),
        ({"episodes": 0}, "episodes must be at least 1, got 0"),
        ({"height": 18}, "height must be from 6 to 17, got 18"),
        ({"height": 5}, "height must be from 6 to 17, got 5"),
        ({"genome": "params", "rule": "random"}, "rule must be one of fixed_spread, .* got 'random'"),
        ({"rule": "glft"}, "rule goes with genome params"),
        ({"genome": "params", "fields": ("spread",)}, "fields go with genome trees"),
        ({"fields": ("moon",)}, "fields must be among inventory, .* got 'moon'"),
        ({"latencies": ("geo", "geo")}, "latencies must differ, got 'geo' twice"),
        ({"latencies": ("telegraph",)}, "telegraph"),
        ({"scenarios": ("storm",)}, "storm"),
        ({"threads": 0}, "threads must be at least 1, got 0"),
    ],
)
def test_an_option_that_does_not_do_is_named(changes, complaint):
    with pytest.raises(ValueError, match=complaint) as caught:
        check(replace(TREES, **changes))
    assert "\n" not in str(caught.value)
