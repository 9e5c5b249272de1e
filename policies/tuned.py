"""Closed-form rules whose parameters were searched on training seeds: addresses `tuned:NAME`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from policies.artefact import SIDECAR, ArtefactError, prepare, read_sidecar
from policies.base import MarketSpec, parse_address
from policies.rule import RulePolicy, build

__all__ = ["TunedPolicy", "prepare_tuned"]


class TunedPolicy(RulePolicy):
    """A rule at work with the parameters that its artefact gives it; obeys `policies.base.Policy`.

    Attributes:
        folder: The artefact it was read from.
    """

    def __init__(self, folder: Path, market: MarketSpec, address: str) -> None:
        """Read the artefact.

        Args:
            folder: with the sidecar of a tuned rule.
            market: the environment's constants.
            address: under which the policy was asked for.

        Raises:
            ArtefactError: the artefact is missing or broken.
        """
        text = read_sidecar(folder, "tuned").parameters.rule
        try:
            _, rule, parameters = parse_address(text)
            super().__init__(build(rule, parameters), market)
        except ValueError as error:
            raise ArtefactError(f"{folder / SIDECAR}: rule {text!r}: {error}") from None
        self.folder = folder
        self._address = address

    @property
    def name(self) -> str:
        """Address under which `policies.load` builds the same policy again in the same market."""
        return self._address


def prepare_tuned(name: str, parameters: Mapping[str, object]) -> Callable[[MarketSpec], TunedPolicy]:
    """See `artefact.prepare`."""
    return prepare("tuned", TunedPolicy, name, parameters)
