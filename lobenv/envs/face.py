"""What every face shows of the sessions behind it."""

from __future__ import annotations

from gymnasium.envs.registration import EnvSpec

from lobenv.engine.batch import Batch
from lobenv.envs.interface import Interface, plain_spec
from lobenv.envs.sessions import Sessions
from lobenv.scenario.config import Scenario


class Face:
    """Mixed into the class that a library asks for, before that class.

    Attributes:
        sessions: Its markets, each somewhere in its series of sessions.
    """

    sessions: Sessions
    _spec: EnvSpec | None = None

    @property
    def spec(self) -> EnvSpec | None:
        """What `gym.make` or `gym.make_vec` made it from, in values that `to_json` can write."""
        return self._spec

    @spec.setter
    def spec(self, spec: EnvSpec | None) -> None:
        self._spec = plain_spec(spec)

    @property
    def interface(self) -> Interface:
        """How a learner acts, sees and is paid."""
        return self.sessions.interface

    @property
    def batch(self) -> Batch:
        """The compiled markets."""
        return self.sessions.batch

    @property
    def scenario(self) -> Scenario:
        """The market that all are of."""
        return self.batch.scenario
