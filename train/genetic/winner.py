"""Chooses the winner of an evolution on markets that it never met, measures it on others, and writes it down."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

import lobenv
from evaluate.provenance import package_versions
from evaluate.run_directory import RunDirectory
from lobenv.engine.batch import Batch
from lobenv.roles.maker.observation import FIELDS
from policies import MarketSpec, Policy, market_spec
from policies.artefact import write_artefact
from policies.gp import TREES, FormulaPolicy
from policies.rule import Rule, RulePolicy
from policies.sidecar import (
    Commit,
    RuleParameters,
    RuleSidecar,
    Sidecar,
    Training,
    TreeParameters,
    TreeSidecar,
)
from train.cards import model_card
from train.evaluation import Examination
from train.genetic.evolution import Evolution, Proving, front, rate
from train.genetic.fitness import objectives
from train.genetic.formula_text import formula_text
from train.genetic.options import CHANGEABLE, CONTROLS, Options, Plan, stored
from train.genetic.species import Player
from train.measured import intervals

FRONT_FILE = "front.json"
ENV_ID = lobenv.MARKET_MAKING
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


def choose(pool: list[Any], plan: Plan, proving: Proving, on_task: Callable[[int], None] | None = None) -> Winner:
    """Rate candidates on the validation seeds; the best mean risk-adjusted P&L wins, the smaller genome in a tie.

    Args:
        pool: Of `candidates`; rated in place.
        plan: The evolution.
        proving: Where they are tried.
        on_task: As in `Proving.try_out`.
    """
    species = plan.species
    scores = proving.try_out([species.player(one) for one in pool], plan.validation_seeds, on_task)
    rate(pool, [objectives(played, proving.scale, doubt=0) for played in scores], species)
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
    folder, common = run.path / "policy", _common(metrics, evolution, plan, run.document["git"])
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
    (run / FRONT_FILE).write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def _sample(player: Player, plan: Plan) -> NDArray[np.float32]:
    """Observations that the winner meets in one session."""
    scenario = plan.markets[0].scenario
    batch, policy = Batch(scenario, threads=1), policy_of(player)(market_spec(scenario))
    batch.reset(np.zeros(1, np.int64), np.array(plan.validation_seeds[:1], np.uint64))
    policy.reset(1, plan.validation_seeds[:1])
    rows = []
    for _ in range(min(PROOF_STEPS, scenario.steps)):
        rows.append(batch.out.observation[0].copy())
        batch.step(policy.act(rows[-1])[:, None].astype(np.float64))
    return np.concatenate(rows)


def _common(
    metrics: Mapping[str, pl.DataFrame], evolution: Evolution, plan: Plan, git: Mapping[str, Any] | None
) -> dict[str, Any]:
    """What the sidecars of both families say."""
    maker = plan.markets[0].scenario.maker
    return {
        "name": plan.name,
        "algorithm": "nsga2",
        "created": datetime.now(UTC).date(),
        "lobenv_version": lobenv.__version__,
        "env_id": ENV_ID,
        "scenarios": tuple(market.trained_on for market in plan.markets),
        "order_size": maker.order_size_shares,
        "max_offset_ticks": maker.max_offset_ticks,
        "observation": tuple(field.name for field in FIELDS),
        "training": Training(
            command=command_of(plan.options),
            seeds=(plan.options.seed,),
            total_steps=round(evolution.episodes * plan.steps_per_episode),
            total_episodes=evolution.episodes,
            hyperparameters=_hyperparameters(plan.options) | {"generations": evolution.generation},
            packages=package_versions(),
            wall_seconds=round(evolution.seconds, 1),
        ),
        "commit": None if git is None else Commit(**git),
        "metrics": {label: intervals(table) for label, table in metrics.items()},
    }


def _hyperparameters(options: Options) -> dict[str, Any]:
    names = ("genome", "rule", "population", "first_population", "episodes", "latencies", "fields", "height")
    return {name: stored(options)[name] for name in names}


def command_of(options: Options) -> str:
    """The command line that evolves the same again."""
    words = ["python", "-m", "train.gp"]
    left_out = {"out", "name", *CHANGEABLE}
    for name, default in vars(Options()).items():
        value = getattr(options, name)
        if name not in left_out and value != default:
            words += [f"--{name.replace('_', '-')}", *map(str, value if isinstance(value, tuple) else (value,))]
    return shlex.join(words)
