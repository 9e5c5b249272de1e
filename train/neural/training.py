"""A training from its plan to its policy: builds or restores the learner, trains it, and exports what came of it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import polars as pl
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from evaluate.progress import StepProgress
from evaluate.provenance import inputs
from evaluate.run_directory import RunDirectory
from evaluate.stored_options import KEY, stored
from train.neural import checkpoint
from train.neural.averaging import WeightAverage
from train.neural.callbacks import HyperparameterTable, Interruption, Milestones
from train.neural.export import TrainedActor, actor_of, export, record_of
from train.neural.learner import build, start_quoting_at
from train.neural.mixed_markets import MixedVecEnv
from train.neural.options import CHANGEABLE, Plan
from train.neural.tensorboard import logger_in
from train.shared.evaluation import RIVAL, Examination, History, scales_of
from train.shared.metric_intervals import intervals

BASELINE = RIVAL.removeprefix("rule:")
CONTROLS = ("do_nothing", BASELINE)  # played beside the policy in the final table
POLICY = "policy"  # folder of the artefact in the run's


def config_of(plan: Plan) -> dict[str, Any]:
    """Everything that a run's figures depend on, JSON-able; its first keys are those of the policy lab."""
    return {
        "policies": [plan.options.algo, *CONTROLS],
        "scenarios": list(plan.scenarios),
        "seeds": list(plan.test_seeds),
        "baseline": BASELINE,
        KEY: stored(plan.options, CHANGEABLE),
        "hyperparameters": plan.hyperparameters.plain(),
        "inputs": inputs(plan.scenarios),
        "settings": {market.label: market.scenario.model_dump(mode="json") for market in plan.markets},
    }


@dataclass
class Training:
    """A learner with its markets, its examination, and what is remembered of its course.

    Attributes:
        plan: What it is trained by.
        run: Where everything is kept.
        model: The learner, in its markets.
        examination: Episodes that it is evaluated on.
        rival: What the rule that it is compared with got in them.
        history: Of its evaluations.
        best_actor: The actor of the best of them.
        average: Of the weights, where the plan averages.
        random: Random streams of the checkpoint that it goes on from, if it does.
    """

    plan: Plan
    run: RunDirectory
    model: BaseAlgorithm
    examination: Examination
    rival: dict[str, pl.DataFrame]
    history: History
    best_actor: TrainedActor | None = None
    average: WeightAverage = field(default_factory=WeightAverage)
    random: dict[str, Any] | None = None

    @classmethod
    def of(
        cls, plan: Plan, run: RunDirectory, examination: Examination, state: Mapping[str, Any] | None = None
    ) -> Self:
        """A fresh training, or one that goes on.

        Args:
            plan: What it is trained by.
            run: Where everything is kept.
            examination: Of `examination_of`.
            state: Of the checkpoint to go on from; None to begin.
        """
        rival = examination.metrics_of(RIVAL)
        scales = scales_of(rival) if len(plan.scenarios) > 1 else dict.fromkeys(plan.scenarios, 1.0)
        training = cls(plan, run, _learner(plan, scales), examination, rival, History())
        if state is not None:
            checkpoint.restore(training.model, state)
            training.history, training.best_actor = state["history"], state["best_actor"]
            training.average = state["average"]
            training.random = state["random"]
        first_step = 0 if state is None else training.model.num_timesteps + 1
        training.model.set_logger(logger_in(run.path / "tensorboard", first_step))
        return training

    def learn(self) -> None:
        """Train to the end, or to the first Ctrl-C.

        Raises:
            KeyboardInterrupt: After Ctrl-C, with a checkpoint written.
        """
        plan, model, total = self.plan, self.model, self.plan.hyperparameters.total_timesteps
        with Interruption() as interruption, StepProgress(total, model.num_timesteps) as progress:
            milestones = Milestones(
                plan,
                self.examination,
                self.rival,
                self.run,
                self.history,
                self.best_actor,
                self.average,
                random=self.random,
                interruption=interruption,
                progress=progress,
            )
            model.learn(
                max(total - model.num_timesteps, 0),
                callback=[milestones, HyperparameterTable(plan.hyperparameters.plain() | {"seed": plan.options.seed})],
                # Off-policy learners count finished episodes, and those of a batch finish together.
                log_interval=1 if isinstance(model, OnPolicyAlgorithm) else plan.hyperparameters.num_envs,
                reset_num_timesteps=self.random is None,
            )
            self.best_actor = milestones.best_actor
            progress.say(f"{model.num_timesteps:,} steps, {progress.rate:,.0f} steps/s, evaluations included")

    def conclude(self) -> None:
        """Play the final table's episodes, keep their rows in the run's folder, and export the policy there."""
        plan, run = self.plan, self.run
        actor, exported_at = self._exported()
        print("playing the held-out episodes of the final table …", file=sys.stderr, flush=True)
        examination = Examination(plan.scenarios, plan.test_seeds, plan.options.threads)
        tables = {plan.options.algo: examination.metrics(actor.policy)}
        tables |= {name: examination.metrics_of(f"rule:{name}") for name in CONTROLS}
        finished = run.finished()
        for policy, episodes in tables.items():
            for scenario, metrics in episodes.items():
                if (policy, scenario, plan.test_seeds[0]) not in finished:
                    run.append(policy, scenario, plan.test_seeds, metrics)
        run.consolidate()
        measured = {scenario: intervals(metrics) for scenario, metrics in tables[plan.options.algo].items()}
        steps, seconds = self.model.num_timesteps, self.history.seconds
        record = record_of(plan, steps, exported_at, seconds, run.document["git"])
        export(run.path / POLICY, actor, plan, measured, record)
        if plan.options.save_model:
            self._save_model()

    def _exported(self) -> tuple[TrainedActor, int]:
        """The actor to export, and after how many steps it was what it is."""
        if self.plan.options.export == "best" and self.best_actor:
            return self.best_actor, self.history.verdicts[self.history.best].timesteps
        with self.average.in_place_of(self.model.policy):
            return actor_of(self.model), self.model.num_timesteps

    def _save_model(self) -> None:
        with self.average.in_place_of(self.model.policy):
            self.model.save(self.run.path / "model.zip")
        normalize = self.model.get_vec_normalize_env()
        if normalize is not None:
            normalize.save(str(self.run.path / "vecnormalize.pkl"))


def examination_of(plan: Plan) -> Examination:
    """The episodes that a training is evaluated on; what is wrong with its markets shows here."""
    return Examination(plan.scenarios, plan.validation_seeds, plan.options.threads)


def _learner(plan: Plan, scales: dict[str, float]) -> BaseAlgorithm:
    """A fresh learner in markets of its own seeds."""
    env = MixedVecEnv(
        plan.markets,
        plan.hyperparameters.num_envs,
        action=plan.action,
        scales=[scales[market.label] for market in plan.markets],
        threads=plan.options.threads,
    )
    model = build(env, plan.hyperparameters, plan.options.seed, mirrored=plan.mirrored, fair_value=plan.fair_value)
    env.seed(plan.first_market_seed)
    if plan.initial_fraction is not None:
        start_quoting_at(model, plan.initial_fraction)
    return model
