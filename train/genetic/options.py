"""What an evolution consists of: the options of its command line, and what they come to once checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from evaluate.commands import default
from evaluate.lab_options import FIRST_SEED, parse_overrides
from evaluate.provenance import inputs
from evaluate.stored_options import KEY, stored
from lobenv.envs.interface import configure
from lobenv.roles.maker.observation import INDEX
from lobenv.scenario.config import Scenario
from train.genetic.formulas import TreeSpecies
from train.genetic.rules import SPACE
from train.genetic.species import Species
from train.shared.evaluation import FIRST_VALIDATION_SEED, RIVAL
from train.shared.markets import Market, combinations

MODULE = "train.gp"
ALL = "all"
SMALLEST_POPULATION = 4  # a tournament of NSGA-II takes four
HEIGHTS = (6, 17)  # that of the highest tree of the first population, and Koza's limit

GENERATIONS = 20
FIRST_POPULATION = 4  # times the population
BASELINE = RIVAL.removeprefix("rule:")
CONTROLS = ("do_nothing", BASELINE)  # played beside the winner in the final table
COUNTS = (
    *("generations", "population", "first_population", "episodes", "validation_episodes", "test_episodes"),
    *("workers", "threads"),
)
# What changes no figure, and so may be another when a run is resumed.
CHANGEABLE = ("workers", "ray_address", "threads", "tensorboard", "resume")
EXTENDABLE = ("generations",)
NOT_RECORDED = (*CHANGEABLE, "out", "name")  # of what the sidecar keeps as the command


@dataclass(frozen=True)
class Options:
    """What to evolve, in which markets, and how."""

    genome: Literal["trees", "params"] = "trees"
    """What evolves: formulas, or the parameters of closed-form rules."""
    rule: str = ALL
    """With params, the rule: fixed_spread, inventory_skewed, avellaneda_stoikov, glft, or all to let them compete."""
    seed: int = 1
    """Of the draws and of the market seeds."""
    generations: Annotated[int | None, default("20")] = None
    """Generations, the first population included; by default 20."""
    population: int = 50
    """Genomes that survive a generation, and children that they have."""
    first_population: Annotated[int | None, default("four times the population")] = None
    """Genomes drawn for the first generation, of which most are poor; by default four times the population."""
    episodes: int = 16
    """Episodes that each genome plays in each market and latency profile in a generation."""
    scenarios: tuple[str, ...] = ("calm",)
    """Scenarios to train in: names of presets, YAML files, or all."""
    latencies: tuple[str, ...] = ("retail", "geo")
    """Latency profiles to be robust to, beside the scenario's own."""
    fees: tuple[str, ...] = ()
    """Fee schedules, each with every scenario; by default the scenarios' own."""
    data: Annotated[str | None, default("the scenario's")] = None
    """Folder or message file of the recorded day, for scenarios that replay one."""
    symbol: Annotated[str | None, default("the scenario's")] = None
    """Ticker to look for in the folder."""
    lenient: bool = False
    """Skip damaged rows of the recorded day and say how many, instead of refusing it."""
    overrides: tuple[str, ...] = ()
    """Values that replace the scenarios', such as session.duration_s=60 learners.maker.inventory_cap_lots=5."""
    fields: tuple[str, ...] = ()
    """With trees, the observation fields that a formula may use, by default all."""
    height: int = 7
    """With trees, the largest height."""
    validation_episodes: int = 64
    """Episodes by which the winner is chosen at the end, on seeds from 900,000."""
    test_episodes: int = 64
    """Episodes by which the winner is measured, on the lab's held-out seeds from 1,000,000."""
    workers: int = 1
    """Processes that play; changes no figure. One is this process, with threads."""
    ray_address: Annotated[str | None, default("none")] = None
    """Ray cluster that plays: local, auto or an address; changes no figure."""
    threads: Annotated[int | None, default("the cores")] = None
    """Most threads of this process; changes no figure. By default as many as there are cores."""
    out: Path = Path("runs")
    """Folder in which the run gets its own."""
    name: Annotated[str | None, default("genome, scenarios and seed")] = None
    """What the run's folder is called, after the time; by default the genome, the scenarios and the seed."""
    resume: Annotated[Path | None, default("none")] = None
    """Folder of an interrupted run to finish; it brings its own options. --generations may prolong it."""
    tensorboard: bool = True
    """Write TensorBoard scalars, where TensorBoard is installed."""


@dataclass(frozen=True)
class Plan:
    """A checked evolution.

    Attributes:
        options: What it was made from.
        markets: M.
    """

    options: Options
    markets: tuple[Market, ...]

    @cached_property
    def species(self) -> Species:
        """The kind of genome."""
        if self.options.genome == "trees":
            return TreeSpecies(self.options.fields, self.options.height)
        from train.genetic.rules import RuleSpecies

        return RuleSpecies(tuple(SPACE) if self.options.rule == ALL else (self.options.rule,))

    @cached_property
    def conditions(self) -> tuple[Scenario, ...]:
        """Every market at every latency profile, its own first: M (1 + profiles) scenarios."""
        return tuple(
            configure(market.scenario, latency=latency)
            for market in self.markets
            for latency in (None, *self.options.latencies)
        )

    @property
    def generations(self) -> int:
        """How many there are to be."""
        return self.options.generations or GENERATIONS

    @property
    def first_population(self) -> int:
        """Genomes of the first generation."""
        return self.options.first_population or FIRST_POPULATION * self.options.population

    @property
    def latencies(self) -> int:
        """L, the markets' own counted."""
        return 1 + len(self.options.latencies)

    @property
    def steps_per_episode(self) -> float:
        """Environment steps of an episode, averaged over the conditions."""
        return sum(scenario.steps for scenario in self.conditions) / len(self.conditions)

    @property
    def scenarios(self) -> dict[str, Scenario]:
        """Label to scenario of every market, at its own latency."""
        return {market.label: market.scenario for market in self.markets}

    @property
    def family(self) -> Literal["gp", "tuned"]:
        """Address family of the winner."""
        return "gp" if self.options.genome == "trees" else "tuned"

    @property
    def name(self) -> str:
        """What the run is called."""
        stems = "-".join(Path(name).stem for name in self.options.scenarios)
        return self.options.name or f"{self.family}_{stems}_seed{self.options.seed}"

    @property
    def validation_seeds(self) -> tuple[int, ...]:
        """Of the episodes by which the winner is chosen."""
        return tuple(range(FIRST_VALIDATION_SEED, FIRST_VALIDATION_SEED + self.options.validation_episodes))

    @property
    def test_seeds(self) -> tuple[int, ...]:
        """Of the episodes by which the winner is measured."""
        return tuple(range(FIRST_SEED, FIRST_SEED + self.options.test_episodes))

    def config(self) -> dict[str, Any]:
        """Everything its figures depend on, JSON-able; its first keys are those of the policy lab."""
        return {
            "policies": [self.family, *CONTROLS],
            "scenarios": list(self.scenarios),
            "seeds": list(self.test_seeds),
            "baseline": BASELINE,
            KEY: stored(self.options, CHANGEABLE),
            "inputs": inputs(self.scenarios),
            "settings": {label: scenario.model_dump(mode="json") for label, scenario in self.scenarios.items()},
        }


def check(options: Options) -> Plan:
    """Check everything before anything is run.

    Raises:
        ValueError: One line naming what is wrong and what is allowed.
    """
    least = {"population": SMALLEST_POPULATION, "seed": 0}
    for name in ("seed", *COUNTS):
        value = getattr(options, name)
        if value is not None and value < least.get(name, 1):
            raise ValueError(f"{name} must be at least {least.get(name, 1)}, got {value}")
    low, high = HEIGHTS
    if not low <= options.height <= high:
        raise ValueError(f"height must be from {low} to {high}, got {options.height}")
    if options.rule not in (ALL, *SPACE):
        raise ValueError(f"rule must be one of {', '.join(SPACE)} or {ALL}, got {options.rule!r}")
    _check_names(options)
    plan = Plan(options, _markets(options))
    if plan.first_population < options.population:
        raise ValueError(f"first_population must be at least {options.population}, got {options.first_population}")
    return plan


def _check_names(options: Options) -> None:
    if options.genome == "trees" and options.rule != ALL:
        raise ValueError(f"rule goes with genome params, got {options.rule!r} with trees")
    if options.genome == "params" and options.fields:
        raise ValueError(f"fields go with genome trees, got {', '.join(options.fields)} with params")
    for name in options.fields:
        if name not in INDEX:
            raise ValueError(f"fields must be among {', '.join(INDEX)}, got {name!r}")
    for option in ("fields", "latencies"):
        values: Sequence[str] = getattr(options, option)
        doubled = [value for i, value in enumerate(values) if value in values[:i]]
        if doubled:
            raise ValueError(f"{option} must differ, got {doubled[0]!r} twice")


def _markets(options: Options) -> tuple[Market, ...]:
    """The scenarios with their fees; every latency profile is tried on each, so that a wrong one is found here."""
    recording = {"data": options.data, "symbol": options.symbol, "lenient": options.lenient}
    markets = combinations(options.scenarios, (), options.fees, parse_overrides(options.overrides), **recording)
    for latency in options.latencies:
        configure(markets[0].scenario, latency=latency)
    return markets
