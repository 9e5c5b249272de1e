"""Checkpoints of an evolution: one JSON file after each generation, from which it goes on as if it had not stopped.

<run>/checkpoints/generation_0007.json
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from evaluate.whole_files import write_whole
from train.genetic.evolution import Evolution
from train.genetic.species import Draws, Species

FORMAT = 1
FOLDER = "checkpoints"


def to_json(evolution: Evolution, species: Species) -> dict[str, Any]:
    """Everything an evolution goes on from."""
    return {
        "format": FORMAT,
        "generation": evolution.generation,
        "population": [
            {
                "genome": species.to_json(one),
                "fitness": list(one.fitness.values),
                "played": one.played.tolist(),
                "crowding": _finite_or_none(one.fitness.crowding_dist),
            }
            for one in evolution.population
        ],
        "hall": evolution.hall,
        "episodes": evolution.episodes,
        "seconds": round(evolution.seconds, 1),
        "history": evolution.history,
        "draws": evolution.draws.state,
    }


def from_json(state: dict[str, Any], species: Species) -> Evolution:
    """See `to_json`.

    Raises:
        ValueError: It was written by another version.
    """
    if state["format"] != FORMAT:
        raise ValueError(f"format of the checkpoint must be {FORMAT}, got {state['format']!r}")
    population = []
    for entry in state["population"]:
        individual = species.from_json(entry["genome"])
        individual.fitness.values = tuple(entry["fitness"])
        individual.played = np.array(entry["played"])
        individual.fitness.crowding_dist = float("inf") if entry["crowding"] is None else entry["crowding"]
        population.append(individual)
    names = ("generation", "hall", "episodes", "seconds", "history")
    return Evolution(Draws(state["draws"]), population=population, **{name: state[name] for name in names})


def write(run: Path, evolution: Evolution, species: Species) -> Path:
    """Write the state after a generation, whole or not at all: whatever stops the program, the last one stays."""
    path = run / FOLDER / f"generation_{evolution.generation:04d}.json"
    write_whole(path, json.dumps(to_json(evolution, species)).encode())
    return path


def latest(run: Path, species: Species) -> Evolution | None:
    """The last state that a run has written; None if it has not finished a generation.

    Raises:
        ValueError: The file is damaged; one line naming it.
    """
    files = sorted((run / FOLDER).glob("generation_*.json"))
    if not files:
        return None
    try:
        return from_json(json.loads(files[-1].read_text(encoding="utf-8")), species)
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{files[-1]}: no readable checkpoint: {' '.join(str(error).split())}") from None


def _finite_or_none(distance: float) -> float | None:
    """JSON has no infinity, which is the crowding distance at the ends of a front."""
    return None if distance == float("inf") else distance
