"""What a run keeps of the learned policies that played in it: which artefact it was, and where that came from."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from policies import Policy
from policies.artefact import ZOO, read_sidecar
from policies.sidecar import Family, Sidecar, TrainingScenario

DIGEST_BYTES = 8
FORMULA = "formula.txt"  # beside the sidecar of a policy that can be written down


def facts(policy: Policy, address: str) -> dict[str, Any] | None:
    """Who plays under an address, JSON-able.

    Args:
        policy: What was loaded.
        address: Under which it was asked for.

    Returns:
        `plays` (address of what decides) for a policy that stands in for another; for one with an artefact also its
        `folder`, the `digest` of its files, and the key lines of its model card; None for a rule.

    Raises:
        ArtefactError: The artefact has gone since it was loaded.
    """
    folder: Path | None = getattr(policy, "folder", None)
    family = policy.name.partition(":")[0]
    if folder is None:
        return None if address.startswith("rule:") else {"plays": policy.name}
    sidecar = read_sidecar(folder, cast("Family", family))
    return {"plays": policy.name, "folder": _shown(folder), "digest": digest(folder)} | _card(folder, sidecar)


def digest(folder: Path) -> str:
    """Hexadecimal digest of names and contents of the files in a folder."""
    content = hashlib.blake2b(digest_size=DIGEST_BYTES)
    for file in sorted(path for path in folder.iterdir() if path.is_file()):
        for part in (file.name.encode(), file.read_bytes()):
            content.update(len(part).to_bytes(8, "little") + part)
    return content.hexdigest()


def _shown(folder: Path) -> str:
    """A folder of the zoo as it is written from the project, any other as it was given."""
    project = ZOO.parents[1].resolve()
    resolved = folder.resolve()
    return resolved.relative_to(project).as_posix() if resolved.is_relative_to(project) else str(folder)


def _card(folder: Path, sidecar: Sidecar) -> dict[str, Any]:
    """The key lines of a model card, taken from the sidecar that it was written from."""
    training, formula = sidecar.training, folder / FORMULA
    return {
        "algorithm": sidecar.algorithm,
        "trained_on": list(dict.fromkeys(_market(scenario) for scenario in sidecar.scenarios)),
        "steps": training.total_steps,
        "seeds": list(training.seeds),
        "minutes": round(training.wall_seconds / 60.0, 1),
        "command": training.command,
        "commit": None if sidecar.commit is None else sidecar.commit.model_dump(),
        "created": sidecar.created.isoformat(),
        "formula": formula.read_text(encoding="utf-8").strip() if formula.is_file() else _rule(sidecar),
    }


def _market(scenario: TrainingScenario) -> str:
    laid_over = [value for value in (scenario.latency, scenario.fees) if value is not None]
    return f"{scenario.name} ({', '.join(laid_over)})" if laid_over else scenario.name


def _rule(sidecar: Sidecar) -> str:
    """The address of a tuned rule; a network has no formula."""
    return getattr(getattr(sidecar, "parameters", None), "rule", "")


def artefacts_played(
    learned: dict[str, dict[str, dict[str, Any]]], scenarios: Sequence[str]
) -> list[tuple[str, str, dict[str, Any]]]:
    """Each policy once for every different artefact that it played with.

    Args:
        learned: Policy to scenario to `facts`.
        scenarios: In the order in which they are named.

    Returns:
        (policy, names of the scenarios it played there, facts).
    """
    found = []
    for policy, by_scenario in learned.items():
        groups: dict[str, tuple[list[str], dict[str, Any]]] = {}
        for scenario in scenarios:
            if scenario in by_scenario:
                own = by_scenario[scenario]
                groups.setdefault(own.get("folder", own["plays"]), ([], own))[0].append(scenario)
        found += [(policy, ", ".join(names), own) for names, own in groups.values()]
    return found
