"""Chooses the winner of an evolution on markets that it never met, measures it on others, and writes it down."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from evaluate.rollout import sessions
from evaluate.run_directory import RunDirectory
from evaluate.stored_options import command_of, stored
from evaluate.whole_files import write_whole
from lobenv.engine.batch import Batch
from policies import MarketSpec, Policy, market_spec
from policies.artefact import write_artefact
from policies.gp import TREES, FormulaPolicy
from policies.rule import Rule, RulePolicy
from policies.sidecar import RuleParameters, RuleSidecar, Sidecar, TreeParameters, TreeSidecar
from train.genetic.evolution import Evolution, GenomeEvaluator, front, rate
from train.genetic.fitness import objectives
from train.genetic.formula_text import formula_text
from train.genetic.options import CHANGEABLE, CONTROLS, MODULE, NOT_RECORDED, Plan
from train.genetic.species import Player
from train.shared.cards import model_card
from train.shared.evaluation import Examination
from train.shared.metric_intervals import intervals
from train.shared.sidecars import TrainingRecord, common_fields

FRONT_FILE = "front.json"
ALGORITHM = "nsga2"
# Options that the sidecar lists as hyperparameters.
SHAPING = ("genome", "rule", "population", "first_population", "episodes", "latencies", "fields", "height")
PROOF_STEPS = 200  # decisions whose observations the text of a formula is checked on


@dataclass(frozen=True)
class Winner:
    """The genome that an evolution ends with.

    Attributes:
        player: What acts for it.
        front: Genomes that no other candidate is better than in everything, on the validation seeds, best mean first.
    """

    player: Player
    front: list[Any]


def candidates(evolution: Evolution, plan: Plan) -> list[Any]:
    """The first front of the last generation and the hall of fame, each genome once and none of them rated."""
    species = plan.species
    genomes = [species.to_json(one) for one in front(evolution.population)] + evolution.hall
    distinct = {json.dumps(genome): genome for genome in genomes}
    return [species.from_json(genome) for genome in distinct.values()]


def choose(
    pool: list[Any], plan: Plan, evaluator: GenomeEvaluator, on_task: Callable[[int], None] | None = None
) -> Winner:
    """Rate candidates on the validation seeds; the best mean risk-adjusted P&L wins, the smaller genome in a tie.

    Args:
        pool: Of `candidates`; rated in place.
        plan: The evolution.
        evaluator: Has them play.
        on_task: As in `GenomeEvaluator.scores`.
    """
    species = plan.species
    scores = evaluator.scores([species.player(one) for one in pool], plan.validation_seeds, on_task)
    rate(pool, [objectives(played, evaluator.scale, doubt=0) for played in scores], species)
    best = max(pool, key=lambda one: (one.fitness.values[0], -species.size(one)))
    return Winner(species.player(best), front(pool))


def policy_of(player: Player) -> Callable[[MarketSpec], Policy]:
    """Builds the policy that acts for a genome."""
    if isinstance(player, Rule):
        return lambda market: RulePolicy(player, market)
    return lambda market: FormulaPolicy([player], market)


def measure(player: Player, plan: Plan, run: RunDirectory) -> Mapping[str, pl.DataFrame]:
    """Play the winner and the controls on the held-out seeds, as the policy lab does, and keep their rows in the run.

    Args:
        player: What acts for the winner.
        plan: Of the evolution.
        run: Its folder; what it has of an earlier winner stands no longer.

    Returns:
        Market to every metric of each of the winner's episodes.
    """
    examination = Examination(plan.scenarios, plan.test_seeds, plan.options.threads)
    tables = {plan.family: examination.metrics(policy_of(player))}
    tables |= {name: examination.metrics_of(f"rule:{name}") for name in CONTROLS}
    for earlier in (run.path / "episodes.parquet", *(run.path / "episodes").glob("*.parquet")):
        earlier.unlink(missing_ok=True)
    for policy, episodes in tables.items():
        for scenario, metrics in episodes.items():
            run.append(policy, scenario, plan.test_seeds, metrics)
    run.consolidate()
    return tables[plan.family]


def export(
    run: RunDirectory, winner: Winner, metrics: Mapping[str, pl.DataFrame], evolution: Evolution, plan: Plan
) -> Path:
    """Write the winner as an artefact.

    Args:
        run: Of the evolution; the artefact goes into its `policy`, and one that is there is replaced.
        winner: Of `choose`.
        metrics: Of `measure`.
        evolution: That it came from.
        plan: Of the evolution.

    Returns:
        The folder.
    """
    folder, record = run.path / "policy", _record(evolution, plan, run.document["git"])
    measured = {label: intervals(table) for label, table in metrics.items()}
    common = common_fields(plan.name, ALGORITHM, plan.markets, record, measured)
    if isinstance(winner.player, Rule):
        address = RulePolicy(winner.player, market_spec(plan.markets[0].scenario)).name
        sidecar = RuleSidecar(parameters=RuleParameters(rule=address), **common)
        return write_artefact(folder, sidecar, model_card(sidecar, f"## Rule\n\n`{address}`"))
    trees = {side: tuple(tree) for side, tree in zip(TREES, winner.player, strict=True)}
    sidecar: Sidecar = TreeSidecar(parameters=TreeParameters(trees=trees), **common)
    text = formula_text(winner.player[0], _sample(winner.player, plan))
    card = model_card(sidecar, f"## Formula\n\n```text\n{text}```")
    return write_artefact(folder, sidecar, card, {"formula.txt": text.encode()})


def write_front(run: Path, winner: Winner, plan: Plan) -> None:
    """Write the front on the validation seeds, for people and plots: objectives and genome, best mean first."""
    rows = [
        {**dict(zip(plan.species.objectives, one.fitness.values, strict=True)), "genome": plan.species.to_json(one)}
        for one in winner.front
    ]
    write_whole(run / FRONT_FILE, (json.dumps(rows, indent=1) + "\n").encode())


def _sample(player: Player, plan: Plan) -> NDArray[np.float32]:
    """Observations that the winner meets in one session."""
    scenario = plan.markets[0].scenario
    batch, seeds = Batch(scenario, threads=1), plan.validation_seeds[:1]
    played = islice(sessions(batch, policy_of(player)(market_spec(scenario)), seeds), min(PROOF_STEPS, scenario.steps))
    return np.concatenate([batch.out.observation[0].copy() for _ in played])


def _record(evolution: Evolution, plan: Plan, git: Mapping[str, Any] | None) -> TrainingRecord:
    """How the evolution went, for the sidecars of both families."""
    options = stored(plan.options, CHANGEABLE)
    return TrainingRecord(
        command=command_of(plan.options, MODULE, NOT_RECORDED),
        seed=plan.options.seed,
        steps=round(evolution.episodes * plan.steps_per_episode),
        seconds=evolution.seconds,
        hyperparameters={name: options[name] for name in SHAPING} | {"generations": evolution.generation},
        git=git,
        episodes=evolution.episodes,
    )
