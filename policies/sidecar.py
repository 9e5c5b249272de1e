"""What a learned policy says of itself in its `policy.json`: what it observes, how it acts, where it came from.

Plain data, validated field by field when it is read and when it is made; an unknown key is an error.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal, Self

from pydantic import Field, JsonValue, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from lobenv.settings import Frozen

Family = Literal["ppo", "gp", "tuned"]
Text = Annotated[str, Field(min_length=1)]


class TrainingScenario(Frozen):
    """A market that the policy was trained on.

    Attributes:
        name: What the scenario is called.
        hash: `lobenv.scenario.scenario_hash` of it, latency and fees included.
        latency: Latency profile laid over the scenario's own.
        fees: Fee schedule laid over the scenario's own.
    """

    name: Text
    hash: str = Field(pattern=r"^[0-9a-f]{16}$")
    latency: str | None = None
    fees: str | None = None


class Action(Frozen):
    """How the policy acts.

    Attributes:
        mode: Action mode of the environment.
        masked: Whether a discrete policy was trained with the environment's mask, so that it chooses under it.
    """

    mode: Literal["continuous", "discrete"] = "continuous"
    masked: bool = False

    @model_validator(mode="after")
    def _mask_goes_with_choices(self) -> Self:
        if self.masked and self.mode != "discrete":
            raise ValueError(f"masked goes with mode 'discrete', got {self.mode!r}")
        return self


class Training(Frozen):
    """How the policy came about.

    Attributes:
        command: Command line that trains it again.
        seeds: Seeds of the training runs it was chosen from, or of the one it is from.
        total_steps: Environment steps, all runs together.
        total_episodes: Episodes, all runs together, where they were counted.
        hyperparameters: Settings of the learner.
        packages: Version of every package that matters.
        wall_seconds: Time it took, all runs together [s].
    """

    command: Text
    seeds: tuple[NonNegativeInt, ...] = Field(min_length=1)
    total_steps: NonNegativeInt
    total_episodes: NonNegativeInt | None = None
    hyperparameters: dict[str, JsonValue] = Field(default_factory=dict)
    packages: dict[str, str] = Field(default_factory=dict)
    wall_seconds: NonNegativeFloat


class Commit(Frozen):
    """Where the code stood that trained the policy.

    Attributes:
        commit: Hexadecimal.
        dirty: Whether the files differed from it.
    """

    commit: Text
    dirty: bool


class Interval(Frozen):
    """A measured mean; a metric that no episode defines is left out.

    Attributes:
        mean: Over episodes.
        low: Lower end of its 95 % interval.
        high: Upper end.
        episodes: How many held-out seeds were played.
    """

    mean: float
    low: float
    high: float
    episodes: PositiveInt


class Sidecar(Frozen):
    """What every learned policy says of itself.

    Attributes:
        format: Version of this description.
        name: What it is called, in the zoo the name of its folder.
        algorithm: Learner, such as `ppo` or `sac`.
        created: Day of its export.
        lobenv_version: Version it was trained with.
        env_id: Gymnasium id of the environment.
        scenarios: Markets that it was trained on.
        order_size: Size of a quote there; the unit of its inventory [shares].
        max_offset_ticks: Distance of the widest quote there [ticks].
        observation: Names of the fields that it observes, in its own order.
        action: How it acts.
        training: How it came about.
        commit: Where the code stood, where that is known.
        metrics: Scenario to metric to what was measured on held-out seeds.
        licence: Under which it may be used.
        files: Name of every other file of the policy, its card left out, to the digest of its content.
        digest: Of all of the above, as `policies.artefact` writes and checks it.
    """

    format: Literal[2] = 2
    name: Text
    algorithm: Text
    created: date
    lobenv_version: Text
    env_id: Text
    scenarios: tuple[TrainingScenario, ...] = Field(min_length=1)
    order_size: PositiveInt
    max_offset_ticks: PositiveFloat
    observation: tuple[Text, ...] = Field(min_length=1)
    action: Action = Action()
    training: Training
    commit: Commit | None = None
    metrics: dict[str, dict[str, Interval]] = Field(default_factory=dict)
    licence: Text = "MIT"
    files: dict[str, str] = Field(default_factory=dict)
    digest: str = ""

    @model_validator(mode="after")
    def _fields_differ(self) -> Self:
        doubled = [name for name in self.observation if self.observation.count(name) > 1]
        if doubled:
            raise ValueError(f"observation must name each field once, got {doubled[0]!r} twice")
        return self


class Network(Frozen):
    """A multilayer perceptron: the activation follows every hidden layer, the head is linear.

    Attributes:
        layers: Sizes of the hidden layers.
        activation: Of the hidden layers.
        squash: How a continuous head comes into [-1, 1]: `clip` (the mean of a Gaussian, as in PPO) or `tanh` (SAC,
            TD3, DDPG); null for choices.
    """

    layers: tuple[PositiveInt, ...]
    activation: Literal["tanh", "relu"]
    squash: Literal["clip", "tanh"] | None


class Normalisation(Frozen):
    """Observations become clip((x - mean) / sqrt(variance + epsilon), -clip, clip), as in SB3's VecNormalize.

    Attributes:
        mean: Of each observed field, in its unit.
        variance: Of each observed field.
        epsilon: Added to the variance.
        clip: Largest absolute value afterwards.
    """

    mean: tuple[float, ...]
    variance: tuple[NonNegativeFloat, ...]
    epsilon: PositiveFloat
    clip: PositiveFloat


class NetworkParameters(Frozen):
    """What a network needs besides its weights.

    Attributes:
        network: Its shape.
        normalisation: Of its observations; null where it sees them in natural units.
    """

    network: Network
    normalisation: Normalisation | None


class NetworkSidecar(Sidecar):
    """Sidecar of a network; its weights lie beside it."""

    family: Literal["ppo"] = "ppo"
    parameters: NetworkParameters

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        squash, normalisation = self.parameters.network.squash, self.parameters.normalisation
        if (squash is None) != (self.action.mode == "discrete"):
            raise ValueError(f"squash must be null for choices and only there, got {squash!r} with {self.action.mode}")
        for name in ("mean", "variance") if normalisation is not None else ():
            count = len(getattr(normalisation, name))
            if count != len(self.observation):
                raise ValueError(f"{name} must have one entry for each of {len(self.observation)} fields, got {count}")
        return self


class TreeParameters(Frozen):
    """Expression trees found by genetic programming.

    Attributes:
        trees: What a tree computes to the tree, as a prefix list of operators, fields and constants.
    """

    trees: dict[str, tuple[str | float, ...]] = Field(min_length=1)


class TreeSidecar(Sidecar):
    """Sidecar of a pair of expression trees."""

    family: Literal["gp"] = "gp"
    parameters: TreeParameters


class RuleParameters(Frozen):
    """A closed-form rule whose parameters were searched.

    Attributes:
        rule: Its address, such as `rule:glft?gamma=0.02`.
    """

    rule: str = Field(pattern=r"^rule:.+")


class RuleSidecar(Sidecar):
    """Sidecar of a tuned rule."""

    family: Literal["tuned"] = "tuned"
    parameters: RuleParameters


SIDECARS: dict[Family, type[Sidecar]] = {"ppo": NetworkSidecar, "gp": TreeSidecar, "tuned": RuleSidecar}
