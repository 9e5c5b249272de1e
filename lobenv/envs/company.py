"""The strategies that trade beside a learner, in one market or in each of many."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from lobenv.simulation.participants import Participants, externals_of
from lobenv.simulation.strategy import Strategy, terms_of

if TYPE_CHECKING:
    from lobenv.engine.batch import Batch
    from lobenv.scenario.build import External
    from lobenv.scenario.config import Scenario

Strategies = Sequence[Strategy] | Callable[[], Sequence[Strategy]]


class Company:
    """Strategies that begin every session as they were handed over, so that a session is a function of its seed.

    Args:
        strategies: For one market the strategies themselves, or for any number of markets a function that gives new
            ones for each.
        num_envs: How many markets.

    Raises:
        ValueError: They are no strategies, or are to be in more than one market.
    """

    def __init__(self, strategies: Strategies, num_envs: int) -> None:
        self._make = strategies if callable(strategies) else None
        self._first = _checked(strategies() if callable(strategies) else strategies)
        if self._make is None and self._first and num_envs > 1:
            raise ValueError(
                f"strategies must be a function that gives new ones for each of {num_envs} markets, got {strategies!r}"
            )
        self._beginnings = _attributes(self._first)
        self._terms = [terms_of(strategy) for strategy in self._first]
        self._members: dict[int, Strategy] = {}  # those in the markets of a batch so far, by id

    def __bool__(self) -> bool:
        return bool(self._first)

    def externals(self, scenario: Scenario) -> tuple[External, ...]:
        """The external agents that stand for them in a scenario.

        Raises:
            ValueError: The terms of a strategy do not fit it.
        """
        return externals_of(self._first, scenario)

    def attend(self, batch: Batch, row: int) -> Members:
        """Those in one market of a batch.

        Raises:
            ValueError: The function gave others than the first time, or the same object again.
        """
        strategies, beginnings = self._first, self._beginnings
        if row == 0:
            self._members = {}
        elif self._make is not None:
            strategies = self._more(row)
            beginnings = _attributes(strategies)
        self._members.update({id(strategy): strategy for strategy in strategies})
        return Members(batch, row, strategies, beginnings)

    def _more(self, row: int) -> tuple[Strategy, ...]:
        """New ones for another market."""
        strategies = _checked(self._make() if self._make is not None else ())
        if [terms_of(strategy) for strategy in strategies] != self._terms:
            raise ValueError(f"strategies must be of the same terms in every market, got others in market {row}")
        if any(id(strategy) in self._members for strategy in strategies):
            raise ValueError(f"strategies must be new ones for each market, got one again in market {row}")
        return strategies


class Members(Participants):
    """The strategies in one market, put back to their beginnings whenever it begins anew."""

    def __init__(
        self, batch: Batch, row: int, strategies: Sequence[Strategy], beginnings: Sequence[dict[str, Any]]
    ) -> None:
        super().__init__(batch, row, strategies, [terms_of(strategy) for strategy in strategies])
        self._beginnings = beginnings

    def begin(self) -> None:
        """Forget the market before."""
        super().begin()
        for strategy, beginning in zip(self.strategies, self._beginnings, strict=True):
            vars(strategy).clear()
            vars(strategy).update(deepcopy(beginning))


def _checked(strategies: Any) -> tuple[Strategy, ...]:
    if isinstance(strategies, Sequence) and all(isinstance(strategy, Strategy) for strategy in strategies):
        return tuple(strategies)
    raise ValueError(f"strategies must be a sequence of Strategy or a function that gives one, got {strategies!r}")


def _attributes(strategies: Sequence[Strategy]) -> list[dict[str, Any]]:
    return deepcopy([vars(strategy) for strategy in strategies])
