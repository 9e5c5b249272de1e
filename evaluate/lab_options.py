"""What a comparison of policies consists of: the options of its command line, and what they come to once checked."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import yaml

import policies
from evaluate.commands import default
from evaluate.learned import facts
from evaluate.provenance import inputs
from evaluate.recordings import with_recording
from evaluate.stored_options import KEY, stored
from lobenv.envs.interface import configure
from lobenv.scenario.config import Scenario
from policies import Policy
from policies.rule import RULES

FIRST_SEED = 1_000_000  # training draws its seeds from below
QUICK_SEEDS = 4
LARGEST_SEED = 2**63 - 1
BASELINES = ("tuned:zoo", "fixed_spread")  # the first of them that plays
DEFAULT_FAMILY = "rule:"
MODULE = "evaluate.policy_lab"
# What changes no figure, and so may be another when a run is resumed.
CHANGEABLE = ("batch", "threads", "resume", "tensorboard")


@dataclass(frozen=True)
class Options:
    """What to compare, and how to run it."""

    policies: tuple[str, ...] = (
        "do_nothing",
        "fixed_spread",
        "avellaneda_stoikov",
        "glft",
        "tuned:zoo",
        "ppo:zoo",
        "gp:zoo",
    )
    """Policies: names of rules, or addresses such as 'glft?gamma=0.02', ppo:calm, gp:zoo (the zoo's policy of the
    scenario at hand, else the one of all), ppo:./folder."""
    scenarios: tuple[str, ...] = ("calm", "volatile", "news_jump")
    """Scenarios: names of presets, or YAML files."""
    seeds: str = "128"
    """Markets that every policy meets: how many, or which (a range 100:116, a list 7,8,11)."""
    first_seed: int = FIRST_SEED
    """First seed where --seeds is a number; training draws from below the default, so that these are held out."""
    baseline: Annotated[str | None, default("tuned:zoo, else fixed_spread, else the first")] = None
    """Policy that the others are compared with; by default tuned:zoo, else fixed_spread, else the first."""
    fallback: Annotated[str | None, default("none")] = None
    """Policy that stands in, with a warning, where a learned one cannot be loaded; by default that is an error."""
    data: Annotated[str | None, default("the scenario's")] = None
    """Folder or message file of the recorded day, for scenarios that replay one."""
    symbol: Annotated[str | None, default("the scenario's")] = None
    """Ticker to look for in the folder."""
    lenient: bool = False
    """Skip damaged rows of the recorded day and say how many, instead of refusing it."""
    latency: Annotated[str | None, default("the scenario's")] = None
    """Latency profile of the market maker; by default the scenario's."""
    fees: Annotated[str | None, default("the scenario's")] = None
    """Fee schedule of all books; by default the scenario's."""
    overrides: tuple[str, ...] = ()
    """Values that replace the scenarios', such as session.duration_s=60 learners.maker.inventory_cap_lots=5."""
    quick: bool = False
    """A look in seconds: 4 seeds."""
    batch: Annotated[int | None, default("up to 128")] = None
    """Episodes to run at once; changes no figure. By default up to 128, fewer where sessions are long."""
    threads: Annotated[int | None, default("the cores")] = None
    """Most threads to use; changes no figure. By default as many as there are cores."""
    out: Path = Path("runs")
    """Folder in which the run gets its own."""
    name: str = "policy_lab"
    """What the run's folder is called, after the time."""
    resume: Annotated[Path | None, default("none")] = None
    """Folder of an interrupted run to finish; it brings its own options."""
    tensorboard: bool = True
    """Write TensorBoard scalars too, where TensorBoard is installed."""


@dataclass(frozen=True)
class Comparison:
    """A checked comparison.

    Attributes:
        policies: Names of the policies.
        scenarios: Name of each scenario to its market.
        loaded: (policy, scenario) to what decides there.
        learned: Policy to scenario to `learned.facts` of those that are no rules.
        warnings: What was said while they were loaded, a line each.
        seeds: Of the markets that every policy meets.
        baseline: Name of the policy that the others are compared with.
        options: What it was made from.
    """

    policies: tuple[str, ...]
    scenarios: Mapping[str, Scenario]
    loaded: Mapping[tuple[str, str], Policy]
    learned: Mapping[str, Mapping[str, Mapping[str, Any]]]
    warnings: tuple[str, ...]
    seeds: tuple[int, ...]
    baseline: str
    options: Options

    def config(self) -> dict[str, Any]:
        """Everything its figures depend on, JSON-able."""
        return {
            "policies": list(self.policies),
            "scenarios": list(self.scenarios),
            "seeds": list(self.seeds),
            "baseline": self.baseline,
            KEY: stored(self.options, CHANGEABLE),
            "learned": self.learned,
            "inputs": inputs(self.scenarios),
            "settings": {name: scenario.model_dump(mode="json") for name, scenario in self.scenarios.items()},
        }


def check(options: Options) -> Comparison:
    """Check everything before anything is run.

    Raises:
        ValueError: One line naming what is wrong and what is allowed.
    """
    for name in ("batch", "threads"):
        value = getattr(options, name)
        if value is not None and value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")
    seeds = _seeds(options)
    scenarios = _scenarios(options)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        loaded = _load(options, scenarios)
    names = tuple(dict.fromkeys(name for name, _ in loaded))
    return Comparison(
        names,
        scenarios,
        loaded,
        _learned(loaded),
        tuple(dict.fromkeys(str(warning.message) for warning in said)),
        seeds,
        _baseline(options, names),
        options,
    )


def _seeds(options: Options) -> tuple[int, ...]:
    text = str(QUICK_SEEDS) if options.quick else options.seeds.strip()
    wrong = ValueError(f"seeds must be a number (64), a range (100:116) or a list (7,8,11), got {text!r}")
    try:
        if ":" in text:
            low, high = (int(end) for end in text.split(":"))
            seeds: Sequence[int] = range(low, high)
        elif "," in text:
            seeds = [int(seed) for seed in text.split(",") if seed.strip()]
        else:
            seeds = range(options.first_seed, options.first_seed + int(text))
    except ValueError:
        raise wrong from None
    if not seeds:
        raise wrong
    if min(seeds) < 0 or max(seeds) > LARGEST_SEED:
        raise ValueError(f"seeds must be from 0 to 2**63 - 1, got {min(seeds) if min(seeds) < 0 else max(seeds)}")
    _refuse_doubled("seeds", seeds)
    if options.first_seed != FIRST_SEED and (":" in text or "," in text):
        raise ValueError(f"first_seed goes with a number of seeds, got {options.first_seed} with seeds {text!r}")
    return tuple(seeds)


def _address(text: str) -> str:
    """The address that a text stands for: a bare name is a rule's."""
    return text if ":" in text.partition("?")[0] else DEFAULT_FAMILY + text


def _name(address: str, policy: Policy) -> str:
    """What a policy is called in the comparison: one short name for all ways to write a rule's address."""
    return policy.name.removeprefix(DEFAULT_FAMILY) if address.startswith(DEFAULT_FAMILY) else address


def _load(options: Options, scenarios: Mapping[str, Scenario]) -> dict[tuple[str, str], Policy]:
    """Every policy in every scenario, policy by policy."""
    if not options.policies:
        raise ValueError(f"policies must name at least one of {', '.join(RULES)}, got none")
    fallback = None if options.fallback is None else _address(options.fallback)
    if fallback is not None:
        policies.check(fallback)
    loaded: dict[tuple[str, str], Policy] = {}
    for address in map(_address, options.policies):
        for scenario, market in scenarios.items():
            policy = policies.load(address, policies.market_spec(market), fallback=fallback)
            if (_name(address, policy), scenario) in loaded:
                raise ValueError(f"policies must differ, got {_name(address, policy)!r} twice")
            loaded[_name(address, policy), scenario] = policy
    return loaded


def _learned(loaded: Mapping[tuple[str, str], Policy]) -> dict[str, dict[str, dict[str, Any]]]:
    """Policy to scenario to `facts` of those that are no rules."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for (name, scenario), policy in loaded.items():
        told = facts(policy, _address(name))
        if told is not None:
            found.setdefault(name, {})[scenario] = told
    return found


def _baseline(options: Options, names: Sequence[str]) -> str:
    if options.baseline is None:
        return next((name for name in BASELINES if name in names), names[0])
    baseline = options.baseline.removeprefix(DEFAULT_FAMILY)
    if baseline not in names:
        raise ValueError(f"baseline must be one of {', '.join(names)}, got {options.baseline!r}")
    return baseline


def _scenarios(options: Options) -> dict[str, Scenario]:
    if not options.scenarios:
        raise ValueError("scenarios must name at least one, got none")
    _refuse_doubled("scenarios", options.scenarios)
    overrides = parse_overrides(options.overrides)
    scenarios = {
        name: configure(name, overrides, latency=options.latency, fees=options.fees) for name in options.scenarios
    }
    return with_recording(scenarios, options.data, options.symbol, lenient=options.lenient)


def parse_overrides(pairs: Sequence[str]) -> dict[str, Any]:
    """The values that replace the scenarios', from the form key=value.

    Raises:
        ValueError: A pair that does not read so, or a key given twice.
    """
    overrides: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not (key and equals):
            raise ValueError(f"overrides must read key=value, such as session.duration_s=60, got {pair!r}")
        if key in overrides:
            raise ValueError(f"overrides must give {key} once, got {overrides[key]} and {value}")
        try:
            overrides[key] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise ValueError(f"overrides: {key}: {value!r} is not valid YAML") from None
    return overrides


def _refuse_doubled(field: str, values: Sequence[Any]) -> None:
    seen = set()
    for value in values:
        if value in seen:
            raise ValueError(f"{field} must differ, got {value!r} twice")
        seen.add(value)
