"""Market makers that follow a formula found by genetic programming: addresses `gp:NAME`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from policies.artefact import SIDECAR, ArtefactError, prepare, read_files, read_sidecar
from policies.base import MarketSpec, check_observation, encode_quotes, env_seeds, takes_one_or_many
from policies.expression import Formula, lower

__all__ = ["TREES", "FormulaPolicy", "prepare_gp"]

TREES = ("bid", "ask")  # what the trees of an artefact compute: distances from the visible mid [ticks]


class FormulaPolicy:
    """Formulas for the bid's and the ask's distance at work in a market; obeys `policies.base.Policy`.

    A distance below 0 is quoted at the mid, and one beyond the widest offset withdraws the side. With several pairs of
    formulas, a population, the envs are shared out among them: of E envs the first E / n follow the first of n pairs.

    Attributes:
        folder: The artefact it was read from, if it was.
    """

    def __init__(
        self,
        pairs: Sequence[Sequence[Formula]],
        market: MarketSpec,
        *,
        name: str = "gp:unnamed",
        folder: Path | None = None,
    ) -> None:
        """Lower the formulas.

        Args:
            pairs: formulas of bid and ask, each a prefix list; at least one pair.
            market: the environment's constants.
            name: address under which `policies.load` builds the same policy again.
            folder: the artefact that they were read from.

        Raises:
            ValueError: a formula does not do.
        """
        self.market, self.folder = market, folder
        self._name = name
        self._program = lower(pairs, market.index)
        self._pairs = len(pairs)
        self._pair_of_env = np.zeros(0, np.int64)

    @classmethod
    def read(cls, folder: Path, market: MarketSpec, address: str) -> FormulaPolicy:
        """Read an artefact.

        Args:
            folder: with the sidecar of a pair of formulas.
            market: the environment's constants.
            address: under which the policy was asked for.

        Raises:
            ArtefactError: the artefact is missing or broken, or its formulas observe what the market does not show.
        """
        sidecar = read_sidecar(folder, "gp")
        read_files(folder, sidecar)  # what is printed of a formula is then what plays
        trees = sidecar.parameters.trees
        if set(trees) != set(TREES):
            raise ArtefactError(f"{folder / SIDECAR}: trees must be {' and '.join(TREES)}, got {', '.join(trees)}")
        try:
            return cls([[trees[name] for name in TREES]], market, name=address, folder=folder)
        except ValueError as error:
            raise ArtefactError(f"{folder / SIDECAR}: trees: {error}") from None

    @property
    def name(self) -> str:
        """Address under which `policies.load` builds the same policy again in the same market."""
        return self._name

    def __repr__(self) -> str:
        """Return the address."""
        return f"FormulaPolicy({self.name!r})"

    def reset(self, num_envs: int, seed: int | Sequence[int]) -> None:
        """Start new episodes; a formula draws nothing.

        Raises:
            ValueError: num_envs is below 1 or no multiple of the number of pairs, or the seeds do not fit it.
        """
        env_seeds(num_envs, seed)
        if num_envs % self._pairs:
            raise ValueError(f"num_envs must be a multiple of the {self._pairs} pairs of formulas, got {num_envs}")
        self._pair_of_env = np.repeat(np.arange(self._pairs), num_envs // self._pairs)

    @takes_one_or_many
    def act(self, observation: NDArray[np.float32]) -> NDArray[np.float32]:
        """Choose the quotes of every env.

        Args:
            observation: shape (E, F), natural units.

        Returns:
            Shape (E, 2), float32: bid and ask, a fresh array.

        Raises:
            ValueError: the observation has another shape than `reset` and the market announced.
        """
        num_envs = len(self._pair_of_env)
        check_observation(observation, num_envs, self.market)
        distance = self._program.run(observation, self._pair_of_env)
        distance[distance > self.market.max_offset_ticks] = np.inf
        return encode_quotes(distance[:, 0], distance[:, 1], num_envs, self.market)


def prepare_gp(name: str, parameters: Mapping[str, object]) -> Callable[[MarketSpec], FormulaPolicy]:
    """See `artefact.prepare`."""
    return prepare("gp", FormulaPolicy.read, name, parameters)
