"""Chooses among the training seeds of a policy on validation markets, and puts the chosen one into the zoo."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from lobenv.scenario.config import Scenario
from lobenv.scenario.loading import load
from policies.artefact import CARD, read_files, read_sidecar, write_artefact
from policies.sidecar import Sidecar
from train.shared.evaluation import CRITERION, FIRST_VALIDATION_SEED, RIVAL, Examination, scales_of
from train.zoo.settings import Entry, TrainingRun


def validation_scores(runs: Sequence[TrainingRun], episodes: int, threads: int | None = None) -> list[float]:
    """How well the policy of each run does on markets that neither training nor the lab draws.

    Args:
        runs: Finished ones of one entry.
        episodes: Of each scenario that it was trained in.
        threads: Most threads to use.

    Returns:
        Mean risk-adjusted P&L of each; where it was trained in several scenarios, the mean over them, each in units of
        the deviation of Avellaneda and Stoikov's there.
    """
    seeds = range(FIRST_VALIDATION_SEED, FIRST_VALIDATION_SEED + episodes)
    examination = Examination(_trained_in(runs[0]), seeds, threads)
    names = list(examination.scenarios)
    scales = scales_of(examination.metrics_of(RIVAL)) if len(names) > 1 else dict.fromkeys(names, 1.0)
    scores = []
    for run in runs:
        tables = examination.metrics_of(run.address)
        scores.append(float(np.mean([tables[name][CRITERION].to_numpy().mean() / scales[name] for name in names])))
    return scores


def _trained_in(run: TrainingRun) -> Mapping[str, Scenario]:
    """Name to scenario, each once and with its own latency and fees."""
    names = [scenario.name for scenario in read_sidecar(_policy(run), run.entry.family).scenarios]
    return {name: load(name) for name in dict.fromkeys(names)}


def install(run: TrainingRun, zoo: Path) -> Path:
    """Put the policy of a run into the zoo, under the entry's name.

    Args:
        run: Finished.
        zoo: Folder of the zoo.

    Returns:
        The policy's folder there; one that was there is replaced.

    Raises:
        ArtefactError: The policy was altered after it was written, which a copy must not hide.
    """
    folder, entry = _policy(run), run.entry
    sidecar = read_sidecar(folder, entry.family)
    files = read_files(folder, sidecar)
    card = (folder / CARD).read_text(encoding="utf-8")
    return write_artefact(zoo / entry.name / entry.family, _renamed(sidecar, entry), _retitled(card, entry), files)


def _policy(run: TrainingRun) -> Path:
    if run.policy is None:
        raise ValueError(f"{run.name} is not finished")
    return run.policy


def _renamed(sidecar: Sidecar, entry: Entry) -> Sidecar:
    return sidecar.model_copy(update={"name": entry.name})


def _retitled(card: str, entry: Entry) -> str:
    """The card with the name in the zoo in its title, and how it is loaded from there."""
    _, body = card.split("\n", 1)
    return f"# {entry.family}: {entry.name}\n{body}".replace(f"{entry.family}:FOLDER", f"{entry.family}:{entry.name}")
