"""What happens beside the learning: progress, evaluations with a checkpoint each, and TensorBoard's own scalars."""

from __future__ import annotations

import signal
import time
from collections.abc import Mapping
from types import FrameType, TracebackType
from typing import Any, Self

import polars as pl
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import HParam
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from evaluate.progress import StepProgress
from evaluate.run_directory import RunDirectory
from train.neural import checkpoint
from train.neural.averaging import WeightAverage
from train.neural.export import TrainedActor, actor_of, export, record_of
from train.neural.options import Plan
from train.shared.evaluation import CRITERION, Examination, History, Verdict, judge
from train.shared.metric_intervals import intervals

BEST = "best"  # folder, in the run's, of the best policy so far
CHOSEN_BY = "The figures below are of the episodes that it was chosen by, and so flatter it."
TENSORBOARD_ONLY = ("stdout", "log", "json", "csv")


class Interruption:
    """Turns the first Ctrl-C into a wish that is granted between two iterations; the second one ends at once."""

    def __init__(self) -> None:
        """Start without a wish."""
        self.wanted = False
        self._before: Any = None

    def __enter__(self) -> Self:
        self._before = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        signal.signal(signal.SIGINT, self._before)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.wanted:
            raise KeyboardInterrupt
        self.wanted = True


class Milestones(BaseCallback):
    """Evaluates on held-out seeds and writes a checkpoint, every so many steps and at the end.

    Both happen between two iterations: after the learning from one rollout, before the next one begins.

    Attributes:
        history: Verdicts so far.
        best_actor: The actor of the best of them.
    """

    def __init__(
        self,
        plan: Plan,
        examination: Examination,
        rival: Mapping[str, pl.DataFrame],
        run: RunDirectory,
        history: History,
        best_actor: TrainedActor | None,
        average: WeightAverage,
        *,
        random: Mapping[str, Any] | None,
        interruption: Interruption,
        progress: StepProgress,
    ) -> None:
        """Take over what an earlier process has reached, if there was one.

        Args:
            plan: The training.
            examination: Episodes to be evaluated on.
            rival: What the rival got in them.
            run: Whose folder gets the checkpoint, and the best policy so far.
            history: Of an earlier process of the same training, or a fresh one.
            best_actor: Of the same.
            average: Of the weights, of the same; it is what is evaluated where the plan averages.
            random: Random streams of a checkpoint to go on from; None for a fresh training.
            interruption: Whether the user wants an end.
            progress: Where the last verdict is shown.
        """
        super().__init__()
        self.history, self.best_actor, self.average = history, best_actor, average
        self._plan, self._examination, self._run = plan, examination, run
        self._interruption, self._progress = interruption, progress
        self._rival, self._random = rival, random
        self._earlier = history.seconds
        self._began = time.monotonic()
        self._averaged_at = 0

    @property
    def seconds(self) -> float:
        """Seconds of training, those of earlier processes included."""
        return self._earlier + time.monotonic() - self._began

    def _on_training_start(self) -> None:
        self._began = time.monotonic()
        self._averaged_at = self.num_timesteps  # a checkpoint has averaged what it holds

    def _on_rollout_start(self) -> None:
        if self._random is not None:
            checkpoint.restore_random(self.model, self._random)
            self._random = None
        self._log_learning()
        self._take_average()
        if self._interruption.wanted:
            self.save()
            raise KeyboardInterrupt
        if self.num_timesteps >= self._due():
            self.evaluate()
            self.save()

    def _on_step(self) -> bool:
        self._progress.at(self.num_timesteps)
        return True

    def _log_learning(self) -> None:
        """Log what an on-policy learner did at the step after which it did it, which it else logs an iteration late."""
        if isinstance(self.model, OnPolicyAlgorithm):
            self.logger.dump(self.num_timesteps)

    def _take_average(self) -> None:
        """Take in the weights that the last rollout has led to, once."""
        if self._plan.averaged and self.num_timesteps > self._averaged_at:
            self.average.add(self.model.policy)
        self._averaged_at = self.num_timesteps

    def _on_training_end(self) -> None:
        self._log_learning()
        self._take_average()
        if not self.history.verdicts or self.history.verdicts[-1].timesteps != self.num_timesteps:
            self.evaluate()
        self.save()

    def _due(self) -> int:
        """When the next evaluation is due: before the first step, and then at multiples of the period."""
        every = self._plan.eval_every
        return 0 if not self.history.verdicts else (self.history.verdicts[-1].timesteps // every + 1) * every

    def actor(self) -> TrainedActor:
        """What would be exported now."""
        with self.average.in_place_of(self.model.policy):
            return actor_of(self.model)

    def evaluate(self) -> None:
        """Play the held-out episodes, log what they say, and keep the actor if it is the best so far."""
        actor = self.actor()
        own = self._examination.metrics(actor.policy)
        verdict = judge(own, self._rival, self.num_timesteps, self.seconds)
        if self.history.add(verdict):
            self.best_actor = actor
            self._keep_best(actor, own)
        self.history.write(self._run.path / "evaluations.json")
        self._log(verdict)
        self._progress.note = note_of(verdict)

    def _keep_best(self, actor: TrainedActor, own: Mapping[str, pl.DataFrame]) -> None:
        """Write the best policy so far where it can be loaded from, whatever becomes of the training."""
        steps = self.num_timesteps
        record = record_of(self._plan, steps, steps, self.seconds, self._run.document["git"])
        measured = {scenario: intervals(table) for scenario, table in own.items()}
        export(self._run.path / BEST, actor, self._plan, measured, record, CHOSEN_BY)

    def save(self) -> None:
        """Write the checkpoint that an interrupted run goes on from."""
        self.history.seconds = self.seconds
        state = checkpoint.capture(self.model) | {
            "history": self.history,
            "best_actor": self.best_actor,
            "average": self.average,
        }
        checkpoint.write(self._run.path / checkpoint.LAST, state)

    def _log(self, verdict: Verdict) -> None:
        """Write a verdict past the logger, whose own values wait for the learner to dump them."""
        figures = scalars_of(verdict)
        for output in self.logger.output_formats:
            output.write(figures, dict.fromkeys(figures, ()), self.num_timesteps)


def scalars_of(verdict: Verdict) -> dict[str, float]:
    """A verdict as TensorBoard's scalars: tag to value, with the scenario's name in the tag where there are several."""
    found: dict[str, float] = {}
    for scenario, means in verdict.means.items():
        place = f"{scenario}/" if len(verdict.means) > 1 else ""
        found |= {f"market/{place}{name}": value for name, value in means.items()}
        found |= {f"eval/{place}{name}": means[name] for name in (CRITERION, "pnl")}
        for end, value in verdict.gains[scenario]._asdict().items():
            tag = f"eval/{place}gain_over_avellaneda_stoikov"
            found[tag if end == "estimate" else f"{tag}_{end}"] = value
    rewards = [means[CRITERION] for means in verdict.means.values()]
    found["eval/mean_reward"] = sum(rewards) / len(rewards)
    found["eval/score"] = verdict.score
    found["eval/beats_avellaneda_stoikov"] = float(verdict.beats_rival)
    return found


def note_of(verdict: Verdict) -> str:
    """A verdict in a few words, for the progress bar."""
    figures = [f"{scenario} {means[CRITERION]:,.1f} $" for scenario, means in verdict.means.items()]
    return "risk-adjusted " + ", ".join(figures[:3]) + (" …" if len(figures) > 3 else "")


class HyperparameterTable(BaseCallback):
    """Tells TensorBoard the hyperparameters of the run, and by which scalars runs are to be compared."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        """Take the settings.

        Args:
            settings: Name to plain value.
        """
        super().__init__()
        self._settings = settings

    def _on_training_start(self) -> None:
        settings = {
            name: value if isinstance(value, bool | str | float | int) else str(value)
            for name, value in self._settings.items()
        }
        compared = ("eval/mean_reward", "eval/score", "eval/beats_avellaneda_stoikov", "rollout/ep_rew_mean")
        self.logger.record("hparams", HParam(settings, dict.fromkeys(compared, 0.0)), TENSORBOARD_ONLY)

    def _on_step(self) -> bool:
        return True
