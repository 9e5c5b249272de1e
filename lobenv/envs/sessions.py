"""The one state machine behind all faces: seeds, sessions that end and begin anew, copies of them, and their info.

A face translates: it hands seeds, options and actions on, and what comes back into the form that its users expect.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode

from lobenv.engine.batch import Batch, InterruptedMarketError, episode_seeds
from lobenv.engine.store import Snapshot
from lobenv.envs.infos import info_of, vector_info_of
from lobenv.envs.interface import Setup
from lobenv.envs.pictures import Pictures
from lobenv.market.streams import GOLDEN, mix
from lobenv.market.tables import RUNNING
from lobenv.scenario.config import Scenario
from lobenv.scenario.external import external_of
from lobenv.settings import whole

SEED_BITS = 64
WORD = (1 << SEED_BITS) - 1
OPTIONS = ("scenario", "reset_mask")
NO_ROWS: frozenset[int] = frozenset()
MODES = {mode.name: mode for mode in AutoresetMode} | {mode.value: mode for mode in AutoresetMode}

Seeds = int | Sequence[int | None] | None
Keep = Callable[[np.ndarray, "Outcome"], None]


class Plan(NamedTuple):
    """A reset that is allowed, of which nothing has happened yet.

    Attributes:
        seeds: One for each market; None to go on with the series of its last seed.
        rows: Indices of the markets to reset.
        scenario: Another market from now on; None for the same.
    """

    seeds: list[int | None]
    rows: np.ndarray
    scenario: Scenario | None


class Outcome(NamedTuple):
    """What a step came to: arrays with axes (E,) for one learner, (E, K) for all."""

    rewards: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray


class Sessions:
    """E markets, each somewhere in its own series of sessions.

    A reset with a seed begins session 0 of that seed. Every further session of the same market has a seed derived from
    it and from its number alone, so that market i of a batch lives through the same sessions as a single one.

    Attributes:
        setup: What the face was told.
        interface: How a learner acts, sees and is paid.
        batch: The markets.
        num_envs: E.
        max_episode_steps: Decisions after which a session is truncated; None for no limit.
        autoreset: When a session that is over makes way for the next.
        learners: Names of the K learners in each market.
        learner: Which of them the face is about: an index, or a slice for several.
        seeds: (E,) uint64, of the markets as they are now.
    """

    def __init__(
        self,
        setup: Setup,
        num_envs: int = 1,
        *,
        max_episode_steps: int | None = None,
        autoreset: AutoresetMode | str = AutoresetMode.DISABLED,
        threads: int | None = None,
        render_mode: str | None = None,
        learners: Sequence[str] = ("maker",),
        learner: int | slice = 0,
    ) -> None:
        """Build the markets; the first reset starts them.

        Args:
            setup: What the face was told.
            num_envs: E.
            max_episode_steps: Decisions after which a session is truncated; None for no limit.
            autoreset: When a session that is over makes way for the next.
            threads: Most threads to use; the machine's cores by default.
            render_mode: How markets are drawn.
            learners: Names of the K learners in each market, which key their random streams.
            learner: Which of them the face is about: an index, or a slice for several.

        Raises:
            ValueError: Something is not allowed; one line.
        """
        self.num_envs = whole("num_envs", num_envs, 1)
        self.max_episode_steps = None
        if max_episode_steps is not None:
            self.max_episode_steps = whole("max_episode_steps", max_episode_steps, 1)
        if autoreset not in MODES.values() and autoreset not in MODES:
            raise ValueError(f"autoreset_mode: {autoreset!r} is not one of {', '.join(MODES)}")
        self.autoreset = autoreset if isinstance(autoreset, AutoresetMode) else MODES[autoreset]
        self.pictures = Pictures(render_mode, self.num_envs)
        self.setup, self.interface = setup, setup.interface()
        self.learners, self.learner = tuple(learners), learner
        self._shown = learner if isinstance(learner, int) else 0  # whose pictures are drawn
        self._company = setup.company(self.num_envs)
        self.batch = self._new_batch(setup.market(), threads)
        self.seeds = np.zeros(num_envs, np.uint64)
        self._series = np.zeros(num_envs, np.uint64)
        self._numbers = np.full(num_envs, -1, np.int64)
        self._done = np.zeros(num_envs, bool)
        self._every = frozenset(range(num_envs))
        self._torn = NO_ROWS  # markets that an interrupted call may have left where no decision is

    def _new_batch(self, scenario: Scenario, threads: int | None) -> Batch:
        task = self.interface.task
        makers = [external_of(scenario, name, task) for name in self.learners]
        return Batch(
            scenario,
            self.num_envs,
            task=task,
            externals=(*makers, *self._company.externals(scenario)),
            attend=self._company.attend if self._company else None,
            threads=threads,
        )

    def own(self, output: np.ndarray) -> np.ndarray:
        """What is the learner's of an output of the batch, (E, …), or (E, K, …) for several: a view."""
        return output[:, self.learner]

    # ------------------------------------------------------------ beginning

    def plan(
        self, seed: Seeds = None, options: Mapping[str, Any] | None = None, allowed: Sequence[str] = OPTIONS
    ) -> Plan:
        """Read what a reset is asked for; nothing changes.

        Args:
            seed: Of the first market; market i gets seed + i. Or one for each. Numbers of more than 64 bits are folded.
            options: `scenario`: another market from now on, for all; `reset_mask`: (E,) bool, which markets to reset.
            allowed: Those that the face has.

        Raises:
            ValueError: One line naming what is wrong and what is allowed.
        """
        options = options or {}
        for name in options:
            if name not in allowed:
                raise ValueError(f"options: {name!r} is not one of {', '.join(allowed)}")
        rows = np.flatnonzero(self._mask_of(options))
        scenario = self.setup.market(options["scenario"]) if "scenario" in options else None
        if scenario is not None and len(rows) < self.num_envs:
            raise ValueError("options: scenario is the same for all markets, so reset_mask must name them all")
        return Plan(self._seeds_of(seed), rows, scenario)

    def _mask_of(self, options: Mapping[str, Any]) -> np.ndarray:
        mask = np.array(options.get("reset_mask", np.ones(self.num_envs, bool)))
        if mask.dtype != bool or mask.shape != (self.num_envs,) or not mask.any():
            shape = f"({self.num_envs},) bool with at least one True"
            raise ValueError(f"reset_mask must be {shape}, got {mask.shape} {mask.dtype}")
        return mask

    def _seeds_of(self, seed: Seeds) -> list[int | None]:
        if seed is None:
            return [None] * self.num_envs
        if not isinstance(seed, Sequence | np.ndarray) or isinstance(seed, str):
            first = whole("seed", seed, 0)
            return [folded(first + i) for i in range(self.num_envs)]
        if len(seed) != self.num_envs:
            raise ValueError(f"seed must be one number or {self.num_envs} of them, got {len(seed)}")
        return [None if one is None else folded(whole("seed", one, 0)) for one in seed]

    def reset(self, plan: Plan, random: Callable[[], np.random.Generator]) -> None:
        """Begin sessions.

        Args:
            plan: Which.
            random: Gives what the seed of a market is drawn from that has none yet.
        """
        if plan.scenario is not None and plan.scenario != self.batch.scenario:
            batch = self._new_batch(plan.scenario, self.batch.threads)
            self.batch.close()
            self.batch = batch
        for row in plan.rows:
            seed = plan.seeds[row]
            if seed is None and self._numbers[row] < 0:
                seed = int(random().integers(2**63, dtype=np.uint64))
            if seed is not None:
                self._series[row], self._numbers[row] = seed, -1
        self._begin(plan.rows)

    def _begin(self, rows: np.ndarray) -> None:
        """Begin the next sessions of markets."""
        numbers, begun = self._numbers[rows] + 1, frozenset(rows.tolist())
        seeds = episode_seeds(self._series[rows], numbers.astype(np.uint64))
        self._torn |= begun
        self.batch.reset(rows, seeds)
        self._numbers[rows], self.seeds[rows], self._done[rows] = numbers, seeds, False
        self.pictures.begin(begun, self._states())
        self._torn -= begun

    # ------------------------------------------------------------ going on

    def step(self, actions: np.ndarray, keep: Keep | None = None) -> Outcome:
        """Carry out actions and bring all markets to their next decision.

        Args:
            actions: (E, K, n), encoded.
            keep: Where sessions that are over make way in the same step, called before they do, with the indices of
                their markets and the outcome.

        Raises:
            gymnasium.error.ResetNeeded: A session has not begun, or is over and nothing resets it.
            InterruptedMarketError: The last step did not come to its end.
        """
        restarted = self._done & (self.autoreset == AutoresetMode.NEXT_STEP)
        self._check_running(restarted)
        self._torn = self._every
        if restarted.any():
            self.batch.step(actions, np.flatnonzero(~restarted))
            self._begin(np.flatnonzero(restarted))
        else:
            self.batch.step(actions)
        self.pictures.remember(self._states())
        outcome = self._outcome(restarted)
        if self.autoreset == AutoresetMode.SAME_STEP and self._done.any():
            rows = np.flatnonzero(self._done)
            if keep is not None:
                keep(rows, outcome)
            self._begin(rows)
        self._torn = NO_ROWS
        return outcome

    def step_alone(self, actions: np.ndarray) -> None:
        """The same for one market that nothing resets, as lean as can be: `batch.out` has what it came to."""
        if self._torn or self.batch.out.session.item(0, self._shown) != RUNNING:
            self._check_running(np.zeros(1, bool))
        self._torn = self._every
        self.batch.step(actions)
        if self.pictures.mode is not None:
            self.pictures.remember(self._states())
        self._torn = NO_ROWS

    def _check_running(self, restarted: np.ndarray) -> None:
        """Refuse to step markets that stand at no decision, but for those that begin anew instead."""
        if self._torn:
            raise InterruptedMarketError("the last step was interrupted before it was whole: call reset()")
        if ((self._done | self._is_over()) & ~restarted).any():
            raise ResetNeeded("a session has not begun or is over: call reset()")

    def _outcome(self, restarted: np.ndarray) -> Outcome:
        rewards = self.own(self.batch.out.reward).copy()
        over = self.own(self.batch.out.session) != RUNNING
        late = self._is_late() & ~over
        if restarted.any():
            rewards[restarted], late[restarted] = 0.0, False
        done = over | late
        self._done = done if done.ndim == 1 else done.all(axis=1)
        return Outcome(rewards, over, late)

    def _is_over(self) -> np.ndarray:
        """Which markets have no learner any more that is to decide, (E,) bool."""
        over = self.own(self.batch.out.session) != RUNNING
        return over if over.ndim == 1 else over.all(axis=1)

    def _is_late(self) -> np.ndarray:
        """Who has made as many decisions as a session may have."""
        decisions = self.own(self.batch.worlds.externals["decision"])
        if self.max_episode_steps is None:
            return np.zeros(decisions.shape, bool)
        return decisions >= self.max_episode_steps

    # ------------------------------------------------------------ looking, copying

    def observations(self) -> Any:
        """What the learners see, a copy in the form of the observation space."""
        return self.interface.decode(self.own(self.batch.out.observation))

    def observation(self, row: int) -> Any:
        """What the learner of one market sees."""
        return self.interface.decode(self.batch.out.observation[row, self.learner])

    def info(self, row: int, learner: int = 0) -> dict[str, Any]:
        """Diagnostics of a learner in one market; see `info_of`."""
        return info_of(self.batch.out, row, learner, self.seeds[row], self.interface)

    def infos(self, present: np.ndarray | None = None, learner: int = 0) -> dict[str, Any]:
        """Diagnostics of all markets, or of those that are asked about; see `vector_info_of`."""
        present = np.ones(self.num_envs, bool) if present is None else present
        return vector_info_of(self.batch.out, learner, self.seeds, self.interface, present)

    def masks_of_rows(self) -> Callable[[], np.ndarray]:
        """What gives the mask of every market's discrete action, (E, n) bool.

        Raises:
            AttributeError: The action is continuous, so that a face has no such attribute either.
        """
        if not self.interface.mask_size:
            raise AttributeError("the continuous action has no action_masks")
        return lambda: self.interface.mask(self.own(self.batch.out.mask)).astype(bool)

    def _states(self) -> np.ndarray:
        return self.batch.out.state[:, self._shown]

    def draw(self, row: int) -> Any:
        """The picture of one market."""
        return self.pictures.draw(self.batch, row, self._shown)

    def snapshot(self, row: int = 0) -> Snapshot:
        """The whole state of one market, its place in its series of sessions, and the strategies in it.

        Raises:
            InterruptedMarketError: Its last step did not come to its end.
        """
        if row in self._torn:
            raise InterruptedMarketError("the last step was interrupted: there is no whole state to copy")
        session = {"series": int(self._series[row]), "number": int(self._numbers[row])}
        return self.batch.snapshot(row, session)

    def restore(self, snapshot: Snapshot, row: int = 0) -> None:
        """Put one market back to where it was, with the sessions that are to follow; it goes on bit for bit.

        Raises:
            SnapshotError: It is of another scenario, other strategies, or another way to act or to be paid.
        """
        self.batch.restore(snapshot, row)
        self._series[row] = snapshot.session.get("series", snapshot.seed)
        self._numbers[row] = snapshot.session.get("number", 0)
        self.seeds[row] = snapshot.seed
        self._done[row] = (self._is_over() & (self._numbers >= 0))[row] or bool(np.all(self._is_late()[row]))
        self.pictures.begin([row], self._states())
        self._torn -= {row}


def folded(seed: int) -> int:
    """A seed of any size in the 64 bits that a market has: itself where it fits, else a hash of its words.

    So a Gymnasium `np_random_seed`, which has 128 bits, seeds a market too.

    Args:
        seed: At least 0.
    """
    low, high = seed & WORD, seed >> SEED_BITS
    if not high:
        return low
    with np.errstate(over="ignore"):
        return int(np.uint64(low) ^ mix(np.uint64(folded(high)) + GOLDEN))
