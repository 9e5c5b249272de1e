"""What a training consists of: the options of its command line, and what they come to once checked.

Flags are named as CleanRL names them; where a flag is left out, the file of hyperparameters says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from evaluate.lab_options import FIRST_SEED, parse_overrides
from lobenv import MARKET_MAKING
from lobenv.roles.maker.task import ActionMode
from lobenv.scenario.config import Scenario
from train.evaluation import FIRST_VALIDATION_SEED
from train.hyperparameters import FALLING, FOLDER, GAMMA, Hyperparameters, read
from train.markets import Market, combinations, shares

Switch = Annotated[bool | None, tyro.conf.DisallowNone]  # --x, --no-x, or left to the algorithm
Algorithm = Literal["ppo", "sac", "ddpg", "td3", "maskable_ppo"]

SEEDS_A_RUN = 4_096  # market seeds set aside for a run, so that two runs share no market
LARGEST_SEED = FIRST_VALIDATION_SEED // SEEDS_A_RUN - 1
MIRRORED = "ppo"  # the algorithm with a network that quotes both sides by one function
ON_POLICY = ("ppo", "maskable_ppo")  # what one update does owes much to the chance of one rollout
INITIAL_OFFSET_TICKS = 3.0
EVALUATIONS = 20  # of a whole training, unless that makes them more frequent than this many steps:
SHORTEST_PERIOD = 50_000

OF_THE_PROCESS = {"resume", "threads"}  # options that a run does not keep

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


@dataclass(frozen=True)
class Options:
    """What to train, in which markets, and how."""

    algo: Algorithm = "ppo"
    """Algorithm: ppo, sac, ddpg and td3 on the continuous action, maskable_ppo on the discrete one."""
    seed: int = 1
    """Of weights, exploration and markets; two runs of different seeds share no market."""
    total_timesteps: int | None = None
    """Steps of all markets together."""
    scenarios: tuple[str, ...] = ("calm",)
    """Scenarios to train in: names of presets, YAML files, or all."""
    latencies: tuple[str, ...] = ()
    """Latency profiles of the market maker, each with every scenario; by default the scenarios' own."""
    fees: tuple[str, ...] = ()
    """Fee schedules, each with every scenario and latency; by default the scenarios' own."""
    overrides: tuple[str, ...] = ()
    """Values that replace the scenarios', such as session.duration_s=60 learners.maker.inventory_cap_lots=5."""
    num_envs: int | None = None
    """Markets stepped at once, shared out equally among the combinations of scenario, latency and fees."""
    learning_rate: float | None = None
    """Learning rate at the start."""
    anneal_lr: Switch = None
    """Whether the learning rate falls to 0 over the training."""
    num_steps: int | None = None
    """Steps of each market in a rollout."""
    batch_size: int | None = None
    """Samples of a gradient step."""
    num_minibatches: int | None = None
    """Gradient steps that a rollout is divided into, instead of batch_size."""
    update_epochs: int | None = None
    """Times that each rollout is gone through."""
    gamma: float | None = None
    """Discount of a step."""
    gae_lambda: float | None = None
    """Lambda of generalised advantage estimation."""
    clip_coef: float | None = None
    """PPO's clipping range."""
    ent_coef: float | None = None
    """Weight of the entropy."""
    vf_coef: float | None = None
    """Weight of the value function's loss."""
    max_grad_norm: float | None = None
    """Largest norm of a gradient."""
    target_kl: float | None = None
    """Divergence at which the epochs of a rollout are cut short."""
    buffer_size: int | None = None
    """Transitions that the replay buffer holds."""
    learning_starts: int | None = None
    """Steps before off-policy learning begins."""
    tau: float | None = None
    """Speed of the target networks."""
    train_frequency: int | None = None
    """Steps of each market between off-policy updates."""
    gradient_steps: int | None = None
    """Gradient steps of an off-policy update."""
    net_arch: tuple[int, ...] | None = None
    """Widths of the hidden layers."""
    log_std_init: float | None = None
    """Logarithm of the exploration's deviation at the start, in units of the action."""
    mirrored: Switch = None
    """Whether one function quotes both sides, the ask as the bid in the mirror; by default for ppo."""
    fair_value: Switch = None
    """Whether the learner's inventory is marked at the fundamental value of the simulation, less what it would cost to
    keep, so that a fill pays at once what it is worth; by default for ppo and maskable_ppo, except on a recorded day.
    Evaluations are paid the real reward."""
    averaged: Switch = None
    """Whether what is evaluated and exported are the weights averaged over the later part of the training; by default
    for ppo and maskable_ppo."""
    initial_offset_ticks: float | None = None
    """Distance from the mid at which an untrained policy of continuous actions quotes both sides, by default 3 ticks.
    Begun ten ticks away, in the middle of the action's range, PPO settles at never trading."""
    hyperparameters: Path | None = None
    """File of hyperparameters in RL Zoo's form; by default the algorithm's in train/hyperparams."""
    eval_every: int | None = None
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
    threads: int | None = None
    """Most threads to step markets with; changes no figure. By default as many as there are cores."""
    out: Path = Path("runs")
    """Folder in which the run gets its own."""
    name: str | None = None
    """What the run's folder is called, after the time; by default the algorithm, the scenarios and the seed."""
    resume: Path | None = None
    """Folder of an interrupted run to finish; it brings its own options. Only your own: a checkpoint is a pickle."""

    def given(self) -> dict[str, Any]:
        """The options that shape the training and differ from the defaults, and always the seed."""
        shaping = [field for field in fields(self) if field.name not in {"out", "name", *OF_THE_PROCESS}]
        values = {field.name: (getattr(self, field.name), field.default) for field in shaping}
        return {name: value for name, (value, default) in values.items() if name == "seed" or value != default}


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
    markets = combinations(options.scenarios, options.latencies, options.fees, parse_overrides(options.overrides))
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


def stored(options: Options) -> dict[str, Any]:
    """The options as a run keeps them, JSON-able; `with_stored` leads back."""
    values = {name: value for name, value in asdict(options).items() if name not in OF_THE_PROCESS}
    return {name: str(value) if isinstance(value, Path) else value for name, value in values.items()}


def with_stored(options: Options, config: Mapping[str, Any]) -> Options:
    """The options of a run that is to be finished: its own, save for what may change without changing its course.

    Args:
        options: Of the command line.
        config: Of the run.

    Raises:
        ValueError: The run is no training, or the command line gives an option that the run has settled.
    """
    values = config.get("options")
    if not isinstance(values, dict) or set(values) != {field.name for field in fields(Options)} - OF_THE_PROCESS:
        raise ValueError(f"{options.resume} must be a run of this version of train.ppo: it was made with other options")
    own: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    for name in ("out", "hyperparameters"):
        own[name] = None if own[name] is None else Path(own[name])
    for field in fields(Options):
        given = getattr(options, field.name)
        if field.name in own and given not in (field.default, own[field.name]):
            raise ValueError(f"{field.name} of {options.resume} is {own[field.name]!r} and stays so, got {given!r}")
    return replace(options, **own)


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
