"""Runs a policy through whole sessions of a batch of markets and keeps what metrics and plots are computed from.

Letters: E markets of the batch, n episodes run at once (its first n rows), T decisions of a session.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluate.episode import COUNT, FILL, Constants, Paths
from lobenv.engine.batch import Batch
from lobenv.envs.interface import Interface
from lobenv.market.tables import MILLITICKS, RUNNING
from lobenv.roles.maker.action import ACTION_WIDTH
from lobenv.roles.maker.reward import STATE_INDEX, STATE_WIDTH
from lobenv.scenario.config import Scenario
from policies import Policy, action_mode_of


def constants_of(scenario: Scenario) -> Constants:
    """The constants of a scenario that metrics are computed with."""
    maker = scenario.maker
    return Constants(scenario.tick_size, maker.order_size_shares, maker.decision_interval_s)


def markets_for(policy: Policy, batch: Batch) -> Batch:
    """The batch itself, or where the policy is of another action mode, one that differs in that alone."""
    mode = action_mode_of(policy)
    if mode == batch.task.action:
        return batch
    task = batch.task.model_copy(update={"action": mode})
    return Batch(batch.scenario, batch.num_envs, task=task, threads=batch.threads)


@dataclass(frozen=True)
class Rollout:
    """What n finished episodes left behind.

    Attributes:
        paths: Their course.
        fills: Executions of the policy's orders, dtype `episode.FILL`, in order of time per episode.
        counts: (n,) messages and quantities, dtype `episode.COUNT`.
    """

    paths: Paths
    fills: NDArray[Any]
    counts: NDArray[Any]


def play(batch: Batch, policy: Policy, seeds: Sequence[int], on_step: Callable[[int], None] | None = None) -> Rollout:
    """Run one session for every seed, from its first decision to its end.

    Args:
        batch: As in `sessions`.
        policy: Decides for all n at once.
        seeds: n of them; market and policy of an episode both draw from its seed.
        on_step: Called after every step with the number of episodes that took it.

    Raises:
        ValueError: As in `sessions`.
    """
    played = sessions(batch, policy, seeds)
    begun = next(played)
    recorder = _Recorder(batch, len(seeds))  # which asks the markets who their agent is, so they have to have begun
    recorder.sample(begun)
    for rows in played:
        recorder.sample(rows)
        if on_step is not None:
            on_step(len(rows))
    return recorder.rollout()


def sessions(batch: Batch, policy: Policy, seeds: Sequence[int]) -> Iterator[NDArray[np.int64]]:
    """Run one session for every seed; between two steps the batch can be looked at.

    Args:
        batch: At least n markets with one external agent, in the policy's action mode; the first n are begun anew.
        policy: Decides for all n at once.
        seeds: n of them; market and policy of an episode both draw from its seed.

    Yields:
        The rows that the batch has something new of: all n once they have begun, then those that took the step.

    Raises:
        ValueError: More seeds than markets, a policy of another action mode, or an action that is no action.
    """
    episodes = len(seeds)
    if episodes > batch.num_envs:
        raise ValueError(f"seeds must be at most the batch's {batch.num_envs}, got {episodes}")
    if action_mode_of(policy) != batch.task.action:
        raise ValueError(f"action mode of the batch must be {action_mode_of(policy)!r}, got {batch.task.action!r}")
    interface = Interface(batch.task.action)
    running = np.arange(episodes)
    batch.reset(running, np.array(seeds, np.uint64))
    policy.reset(episodes, seeds)
    actions = np.zeros((batch.num_envs, 1, ACTION_WIDTH))
    yield running
    while len(running):
        encoded = interface.encode(policy.act(batch.out.observation[:episodes, 0].copy()), episodes)
        actions[:episodes, :, : encoded.shape[2]] = encoded
        batch.step(actions, running)
        yield running
        running = running[batch.out.session[running, 0] == RUNNING]


class _Recorder:
    """Copies what a batch shows after every step, before the next one overwrites it."""

    def __init__(self, batch: Batch, episodes: int) -> None:
        self.batch = batch
        self.book = int(batch.worlds.externals["book"][0, 0])
        self.agent = int(batch.worlds.externals["agent"][0, 0])
        self.states = np.full((batch.scenario.steps + 1, episodes, STATE_WIDTH), np.nan)
        self.length = np.zeros(episodes, np.int64)
        self.fills: list[NDArray[Any]] = []

    def sample(self, rows: NDArray[np.int64]) -> None:
        """Keep the state of the given episodes, and every execution since the last call."""
        state = self.batch.out.state[rows, 0]
        self.states[self.length[rows], rows] = state
        self.length[rows] += 1
        fills = self.batch.new_fills()
        if len(fills):
            self.fills.append(fills)

    def rollout(self) -> Rollout:
        """Everything kept, in the arrays of `episode`."""
        names = ("time_s", "mid", "bid", "ask", "best_bid", "best_ask", "inventory", "cash", "fees")
        columns = {name: np.ascontiguousarray(self.states[:, :, STATE_INDEX[name]].T) for name in names}
        fills = self._fills()
        held = self.states[self.length - 1, np.arange(len(self.length)), STATE_INDEX["held_at_end"]]
        return Rollout(Paths(**columns, length=self.length, held_at_end=held), fills, self._counts())

    def _fills(self) -> NDArray[Any]:
        executed = np.concatenate(self.fills) if self.fills else np.zeros(0, self.batch.new_fills().dtype)
        fills = np.zeros(len(executed), FILL)
        for name in ("env", "side", "maker", "price", "qty"):
            fills[name] = executed[name]
        fills["time_ns"] = executed["time"]
        fills["mid"] = 0.5 * executed["twice_mid"]
        fills["fee"] = executed["fee"] * (self.batch.scenario.tick_size / MILLITICKS)
        return fills

    def _counts(self) -> NDArray[Any]:
        """Quotes are what may rest, so what making filled is what was filled of them; the liquidation was not sent."""
        account = self.batch.worlds.accounts[: len(self.length), self.agent, self.book]
        counts = np.zeros(len(self.length), COUNT)
        for name in ("orders_sent", "cancels_sent", "replaces_sent"):
            counts[name] = account[name]
        counts["quantity_quoted"] = account["quantity_sent"] - account["quantity_taking"]
        counts["orders_rejected"] = account["rejected"]
        counts["quantity_filled"] = account["maker_volume"]
        return counts
