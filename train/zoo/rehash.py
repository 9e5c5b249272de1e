"""Names the markets that a zoo's policies were trained in by their hashes of today, and says what changed in them.

A scenario's hash is of its keys: it changes with the name of a key, though the market trades as it did. What the
policies are made of stays as it is, byte by byte; one that was altered after it was written is refused.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from policies.artefact import CARD, SIDECAR, read_bytes, read_files, read_sidecar, write_artefact
from policies.sidecar import SIDECARS, Family, Sidecar, TrainingScenario
from train.shared.markets import combinations


@dataclass(frozen=True)
class Renamed:
    """A policy whose markets have been named anew, not yet written.

    Attributes:
        folder: Of the policy.
        sidecar: With the hashes of today.
        card: Its model card, with what changed.
        files: What else belongs to it.
        count: How many of its hashes are other ones than before.
    """

    folder: Path
    sidecar: Sidecar
    card: str
    files: Mapping[str, bytes]
    count: int

    def write(self) -> None:
        """Put it in the place of the policy that was there."""
        write_artefact(self.folder, self.sidecar, self.card, self.files)

    def __str__(self) -> str:
        """Folder, and how much was named anew."""
        return f"{self.folder}: {self.count} of {len(self.sidecar.scenarios)} hashes are new"


def parse_changes(texts: Sequence[str]) -> dict[str, str]:
    """Scenario to what has changed in its market since the training.

    Args:
        texts: Each the scenario's name, a colon and the rest of a sentence.

    Raises:
        ValueError: One is not made like that, or a scenario is named twice.
    """
    changes: dict[str, str] = {}
    for text in texts:
        name, _, change = (part.strip() for part in text.partition(":"))
        if not name or not change or "\n" in text or name in changes:
            raise ValueError(f"changed must name each scenario once, as 'NAME: in what it differs', got {text!r}")
        changes[name] = change
    return changes


def prepare(root: Path, labels: Collection[str], changes: Mapping[str, str]) -> list[Renamed]:
    """Read and check every policy, so that either all can be written or none is.

    Args:
        root: Folder of the zoo.
        labels: Name and family of the policies that are wanted, such as calm/ppo; each must be in the zoo.
        changes: Of `parse_changes`.

    Raises:
        ArtefactError: A policy is not there, broken, or was altered after it was written.
        ValueError: A scenario is not there any more, its quotes mean something else, or no policy was trained in one
            of which a change is told.
    """
    renamed = [
        _renamed(root / name / family, family, changes) for family in SIDECARS for name in _wanted(labels, family)
    ]
    trained_in = {scenario.name for policy in renamed for scenario in policy.sidecar.scenarios}
    unknown = [name for name in changes if name not in trained_in]
    if unknown:
        raise ValueError(f"changed must name some of {', '.join(sorted(trained_in))}, got {unknown[0]!r}")
    return renamed


def _wanted(labels: Collection[str], family: Family) -> list[str]:
    return [name for name, own in (label.split("/") for label in sorted(labels)) if own == family]


def _renamed(folder: Path, family: Family, changes: Mapping[str, str]) -> Renamed:
    sidecar = read_sidecar(folder, family)
    scenarios = tuple(_as_today(folder, sidecar, scenario) for scenario in sidecar.scenarios)
    count = sum(new != old for new, old in zip(scenarios, sidecar.scenarios, strict=True))
    card = read_bytes(folder / CARD).decode("utf-8")
    for name in dict.fromkeys(scenario.name for scenario in scenarios if scenario.name in changes):
        card = _with_change(card, name, changes[name])
    new = sidecar.model_copy(update={"scenarios": scenarios})
    return Renamed(folder, new, card, read_files(folder, sidecar), count)


def _as_today(folder: Path, sidecar: Sidecar, trained: TrainingScenario) -> TrainingScenario:
    """The scenario of that name as it is now, where a quote still means what it meant."""
    latencies, fees = ((value,) if value is not None else () for value in (trained.latency, trained.fees))
    (market,) = combinations((trained.name,), latencies, fees)
    task = market.scenario.maker
    for name, now in (("order_size", task.order_size_shares), ("max_offset_ticks", task.max_offset_ticks)):
        was = getattr(sidecar, name)
        if was != now:
            raise ValueError(f"{folder / SIDECAR}: {name}: must be that of {trained.name}, {now:g}, got {was:g}")
    return market.trained_on


def _with_change(card: str, scenario: str, change: str) -> str:
    """The card with a line on what changed in a market, once."""
    line = f"The market of {scenario} has changed since the training: {change}."
    return card if line in card.splitlines() else f"{card.rstrip()}\n\n{line}\n"
