"""What a training consists of: the options of its command line, and what they come to once checked.

Flags are named as CleanRL names them; where a flag is left out, the file of hyperparameters says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from evaluate.commands import default
from evaluate.lab_options import FIRST_SEED, parse_overrides
from lobenv import MARKET_MAKING
from lobenv.roles.maker.task import ActionMode
from lobenv.scenario.config import Scenario
from train.neural.hyperparameters import FALLING, FOLDER, GAMMA, Hyperparameters, read, usual
from train.shared.evaluation import FIRST_VALIDATION_SEED
from train.shared.markets import Market, combinations, shares

Switch = tyro.conf.DisallowNone  # --x, --no-x, or left to the algorithm
Algorithm = Literal["ppo", "sac", "ddpg", "td3", "maskable_ppo"]

SEEDS_A_RUN = 4_096  # market seeds set aside for a run, so that two runs share no market
LARGEST_SEED = FIRST_VALIDATION_SEED // SEEDS_A_RUN - 1
MIRRORED = "ppo"  # the algorithm with a network that quotes both sides by one function
ON_POLICY = ("ppo", "maskable_ppo")  # what one update does owes much to the chance of one rollout
INITIAL_OFFSET_TICKS = 3.0
EVALUATIONS = 20  # in a whole training, where that leaves SHORTEST_PERIOD between two
SHORTEST_PERIOD = 50_000  # steps between two evaluations, unless eval_every is given

MODULE = "train.ppo"
# What changes no figure, and so may be another when a run is resumed.
CHANGEABLE = ("resume", "trust", "threads")
NOT_RECORDED = (*CHANGEABLE, "out", "name")  # of what the sidecar keeps as the command

# Option to the hyperparameter of Stable-Baselines3 that it sets.
SETTINGS = {
    "num_steps": "n_steps",
    "batch_size": "batch_size",
    "update_epochs": "n_epochs",
    "gamma": "gamma",
    "gae_lambda": "gae_lambda",
    "clip_coef": "clip_range",
    "ent_coef": "ent_coef",
    "vf_coef": "vf_coef",
    "max_grad_norm": "max_grad_norm",
    "target_kl": "target_kl",
    "buffer_size": "buffer_size",
    "learning_starts": "learning_starts",
    "tau": "tau",
    "train_frequency": "train_freq",
    "gradient_steps": "gradient_steps",
    "num_envs": "n_envs",
    "total_timesteps": "n_timesteps",
}


def _of_files(setting: str) -> Any:
    """Has the help say what the files of hyperparameters have where an option is left out."""
    return tyro.conf.arg(help_behavior_hint=lambda _: f"(default: {usual(setting, MARKET_MAKING)})")


@dataclass(frozen=True)
class Options:
    """What to train, in which markets, and how."""

    algo: Algorithm = "ppo"
    """Algorithm: ppo, sac, ddpg and td3 on the continuous action, maskable_ppo on the discrete one."""
    seed: int = 1
    """Of weights, exploration and markets; two runs of different seeds share no market."""
    total_timesteps: Annotated[int | None, _of_files("n_timesteps")] = None
    """Steps of all markets together."""
    scenarios: tuple[str, ...] = ("calm",)
    """Scenarios to train in: names of presets, YAML files, or all."""
    latencies: tuple[str, ...] = ()
    """Latency profiles of the market maker, each with every scenario; by default the scenarios' own."""
    fees: tuple[str, ...] = ()
    """Fee schedules, each with every scenario and latency; by default the scenarios' own."""
    data: Annotated[str | None, default("the scenario's")] = None
    """Folder or message file of the recorded day, for scenarios that replay one."""
    symbol: Annotated[str | None, default("the scenario's")] = None
    """Ticker to look for in the folder."""
    lenient: bool = False
    """Skip damaged rows of the recorded day and say how many, instead of refusing it."""
    overrides: tuple[str, ...] = ()
    """Values that replace the scenarios', such as session.duration_s=60 learners.maker.inventory_cap_lots=5."""
    num_envs: Annotated[int | None, _of_files("n_envs")] = None
    """Markets stepped at once, shared out equally among the combinations of scenario, latency and fees."""
    learning_rate: Annotated[float | None, _of_files("learning_rate")] = None
    """Learning rate at the start."""
    anneal_lr: Annotated[bool | None, Switch, default("where the file writes lin_")] = None
    """Whether the learning rate falls to 0 over the training."""
    num_steps: Annotated[int | None, _of_files("n_steps")] = None
    """Steps of each market in a rollout."""
    batch_size: Annotated[int | None, _of_files("batch_size")] = None
    """Samples of a gradient step."""
    num_minibatches: Annotated[int | None, default("what batch_size makes of a rollout")] = None
    """Gradient steps that a rollout is divided into, instead of batch_size."""
    update_epochs: Annotated[int | None, _of_files("n_epochs")] = None
    """Times that each rollout is gone through."""
    gamma: Annotated[float | None, _of_files("gamma")] = None
    """Discount of a step."""
    gae_lambda: Annotated[float | None, _of_files("gae_lambda")] = None
    """Lambda of generalised advantage estimation."""
    clip_coef: Annotated[float | None, _of_files("clip_range")] = None
    """PPO's clipping range."""
    ent_coef: Annotated[float | None, _of_files("ent_coef")] = None
    """Weight of the entropy."""
    vf_coef: Annotated[float | None, _of_files("vf_coef")] = None
    """Weight of the value function's loss."""
    max_grad_norm: Annotated[float | None, _of_files("max_grad_norm")] = None
    """Largest norm of a gradient."""
    target_kl: Annotated[float | None, _of_files("target_kl")] = None
    """Divergence at which the epochs of a rollout are cut short."""
    buffer_size: Annotated[int | None, _of_files("buffer_size")] = None
    """Transitions that the replay buffer holds."""
    learning_starts: Annotated[int | None, _of_files("learning_starts")] = None
    """Steps before off-policy learning begins."""
    tau: Annotated[float | None, _of_files("tau")] = None
    """Speed of the target networks."""
    train_frequency: Annotated[int | None, _of_files("train_freq")] = None
    """Steps of each market between off-policy updates."""
    gradient_steps: Annotated[int | None, _of_files("gradient_steps")] = None
    """Gradient steps of an off-policy update."""
    net_arch: Annotated[tuple[int, ...] | None, _of_files("net_arch")] = None
    """Widths of the hidden layers."""
    log_std_init: Annotated[float | None, _of_files("log_std_init")] = None
    """Logarithm of the exploration's deviation at the start, in units of the action."""
    mirrored: Annotated[bool | None, Switch, default("for ppo")] = None
    """Whether one function quotes both sides, the ask as the bid in the mirror; by default for ppo."""
    fair_value: Annotated[bool | None, Switch, default("for ppo and maskable_ppo, except on a recorded day")] = None
    """Whether the learner's inventory is marked at the fundamental value of the simulation, less what it would cost to
    keep, so that a fill pays at once what it is worth; by default for ppo and maskable_ppo, except on a recorded day.
    Evaluations are paid the real reward."""
    averaged: Annotated[bool | None, Switch, default("for ppo and maskable_ppo")] = None
    """Whether what is evaluated and exported are the weights averaged over the later part of the training; by default
    for ppo and maskable_ppo."""
    initial_offset_ticks: Annotated[float | None, default("3")] = None
    """Distance from the mid at which an untrained policy of continuous actions quotes both sides, by default 3 ticks.
    Begun ten ticks away, in the middle of the action's range, PPO settles at never trading."""
    hyperparameters: Annotated[Path | None, default("the algorithm's in train/hyperparams")] = None
    """File of hyperparameters in RL Zoo's form; by default the algorithm's in train/hyperparams."""
    eval_every: Annotated[int | None, default("a twentieth of the training, 50,000 at least")] = None
    """Steps between evaluations on held-out seeds, with a checkpoint each; by default a twentieth of the training,
    and 50,000 at least."""
    eval_episodes: int = 32
    """Episodes of each scenario in such an evaluation, on seeds from 900,000."""
    test_episodes: int = 64
    """Episodes of each scenario in the final table, on the lab's held-out seeds from 1,000,000."""
    export: Literal["best", "last"] = "best"
    """Which policy is exported: the best on the evaluation seeds, or the last."""
    save_model: bool = False
    """Also save the last model as Stable-Baselines3 does: model.zip, with averaged weights, and vecnormalize.pkl."""
    threads: Annotated[int | None, default("the cores")] = None
    """Most threads to step markets with; changes no figure. By default as many as there are cores."""
    out: Path = Path("runs")
    """Folder in which the run gets its own."""
    name: Annotated[str | None, default("algorithm, scenarios and seed")] = None
    """What the run's folder is called, after the time; by default the algorithm, the scenarios and the seed."""
    resume: Annotated[Path | None, default("none")] = None
    """Folder of an interrupted run to finish; it brings its own options. Goes with --trust."""
    trust: bool = False
    """With --resume: the checkpoint is your own. It is a pickle, and reading one does whatever it says."""


@dataclass(frozen=True)
class Plan:
    """A checked training.

    Attributes:
        options: What it was made from.
        hyperparameters: Of the learner.
        markets: Kinds of markets to train in.
        scenarios: Label to scenario of every kind of market, to evaluate in.
    """

    options: Options
    hyperparameters: Hyperparameters
    markets: tuple[Market, ...]
    scenarios: Mapping[str, Scenario]

    @property
    def action(self) -> ActionMode:
        """Action mode of the markets."""
        return "discrete" if self.options.algo == "maskable_ppo" else "continuous"

    @property
    def mirrored(self) -> bool:
        """Whether one function quotes both sides."""
        return self.options.algo == MIRRORED if self.options.mirrored is None else self.options.mirrored

    @property
    def fair_value(self) -> bool:
        """Whether the learner's inventory is marked at the fundamental value; a recorded day has none."""
        usual = self.options.algo in ON_POLICY and not self.replays
        return usual if self.options.fair_value is None else self.options.fair_value

    @property
    def replays(self) -> bool:
        """Whether some market is a recorded day."""
        return any(market.scenario.replay is not None for market in self.markets)

    @property
    def averaged(self) -> bool:
        """Whether averaged weights are evaluated and exported."""
        return self.options.algo in ON_POLICY if self.options.averaged is None else self.options.averaged

    @property
    def first_market_seed(self) -> int:
        """Seed of the first market; the next one has the next seed."""
        return self.options.seed * SEEDS_A_RUN

    @property
    def initial_fraction(self) -> float | None:
        """Distance of an untrained policy's quotes, as a part of the widest offset; None for discrete actions."""
        if self.action != "continuous":
            return None
        offset = self.options.initial_offset_ticks
        offset = INITIAL_OFFSET_TICKS if offset is None else offset
        return offset / self.markets[0].scenario.maker.max_offset_ticks

    @property
    def eval_every(self) -> int:
        """Steps between two evaluations."""
        return self.options.eval_every or max(self.hyperparameters.total_timesteps // EVALUATIONS, SHORTEST_PERIOD)

    @property
    def name(self) -> str:
        """What the run is called."""
        stems = "-".join(Path(name).stem for name in self.options.scenarios)
        return self.options.name or f"{self.options.algo}_{stems}_seed{self.options.seed}"

    @property
    def test_seeds(self) -> tuple[int, ...]:
        """Of the final table's episodes."""
        return tuple(range(FIRST_SEED, FIRST_SEED + self.options.test_episodes))

    @property
    def validation_seeds(self) -> tuple[int, ...]:
        """Of the evaluations during training."""
        return tuple(range(FIRST_VALIDATION_SEED, FIRST_VALIDATION_SEED + self.options.eval_episodes))


def check(options: Options) -> Plan:
    """Check everything before anything is trained.

    Raises:
        ValueError: One line naming what is wrong and what is allowed.
    """
    for name in ("num_envs", "total_timesteps", "eval_every", "eval_episodes", "test_episodes", "threads"):
        value = getattr(options, name)
        if value is not None and value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")
    if not 0 <= options.seed <= LARGEST_SEED:
        raise ValueError(f"seed must be from 0 to {LARGEST_SEED}, got {options.seed}")
    path = options.hyperparameters or FOLDER / f"{options.algo}.yml"
    own = read(path, options.algo, MARKET_MAKING)
    hyperparameters = read(path, options.algo, MARKET_MAKING, _changes(options, own))
    if hyperparameters.num_envs > SEEDS_A_RUN:
        raise ValueError(f"num_envs must be at most {SEEDS_A_RUN}, got {hyperparameters.num_envs}")
    recording = {"data": options.data, "symbol": options.symbol, "lenient": options.lenient}
    overrides = parse_overrides(options.overrides)
    markets = combinations(options.scenarios, options.latencies, options.fees, overrides, **recording)
    shares(hyperparameters.num_envs, len(markets))
    plan = Plan(options, hyperparameters, markets, {market.label: market.scenario for market in markets})
    if plan.mirrored and options.algo != MIRRORED:
        raise ValueError(f"mirrored goes with {MIRRORED}, got it with {options.algo}")
    if plan.mirrored:
        _check_mirrored(hyperparameters.policy_kwargs)
    if plan.fair_value:
        _check_fair_value(plan)
    _check_offset(plan)
    return plan


def _changes(options: Options, own: Hyperparameters) -> dict[str, Any]:
    """Hyperparameters that the command line gives, where the file has `own`."""
    changes = {
        setting: getattr(options, name) for name, setting in SETTINGS.items() if getattr(options, name) is not None
    }
    if options.learning_rate is not None or options.anneal_lr is not None:
        changes["learning_rate"] = _learning_rate(options, own)
    if options.num_minibatches is not None:
        changes["batch_size"] = _minibatch(options, own)
    policy = {"net_arch": options.net_arch and list(options.net_arch), "log_std_init": options.log_std_init}
    given = {name: value for name, value in policy.items() if value is not None}
    return {**changes, "policy_kwargs": given} if given else changes


def _learning_rate(options: Options, own: Hyperparameters) -> float | str:
    """The learning rate with whatever of rate and annealing the command line leaves to the file."""
    text = str(own.settings.get("learning_rate", "3e-4"))
    rate = text.removeprefix(FALLING) if options.learning_rate is None else repr(options.learning_rate)
    anneal = text.startswith(FALLING) if options.anneal_lr is None else options.anneal_lr
    return FALLING + rate if anneal else float(rate)


def _minibatch(options: Options, own: Hyperparameters) -> int:
    """Samples of a gradient step where the number of those in a rollout is given."""
    steps, number = options.num_steps or own.settings.get("n_steps"), options.num_minibatches or 0
    if steps is None:
        raise ValueError(f"num_minibatches goes with ppo and maskable_ppo, got it with {options.algo}")
    if options.batch_size is not None:
        raise ValueError("num_minibatches and batch_size say the same, give one of them")
    rollout = (options.num_envs or own.num_envs) * steps
    if number < 1 or rollout % number:
        raise ValueError(f"num_minibatches must divide a rollout's {rollout} samples, got {options.num_minibatches}")
    return rollout // number


def _check_mirrored(kwargs: Mapping[str, Any]) -> None:
    widths, activation = kwargs.get("net_arch", []), kwargs.get("activation_fn", "nn.Tanh")
    if isinstance(widths, dict) or activation != "nn.Tanh":
        raise ValueError(f"mirrored goes with one list of net_arch and with nn.Tanh, got {widths} and {activation}")


def _check_fair_value(plan: Plan) -> None:
    discount = plan.hyperparameters.settings.get("gamma", GAMMA)
    if discount >= 1.0:
        raise ValueError(f"gamma must be below 1 where fair_value is true, got {discount}")
    if plan.replays:
        raise ValueError("fair_value must be false where a scenario replays a recorded day, got true")


def _check_offset(plan: Plan) -> None:
    offset, fraction = plan.options.initial_offset_ticks, plan.initial_fraction
    if fraction is None and offset is not None:
        raise ValueError(f"initial_offset_ticks goes with continuous actions, got it with {plan.options.algo}")
    if fraction is not None and not 0 < fraction < 1:
        widest = plan.markets[0].scenario.maker.max_offset_ticks
        raise ValueError(f"initial_offset_ticks must be above 0 and below {widest:g}, got {offset}")
