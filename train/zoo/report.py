"""Measures every training seed of the zoo on held-out markets against the best tuned rule, and lists them all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from evaluate.lab_options import FIRST_SEED
from evaluate.provenance import cpu_model
from evaluate.run_directory import RunDirectory
from evaluate.statistics import cvar, differences, interval
from lobenv.scenario.loading import load
from policies.artefact import FOR_ANY_SCENARIO
from train.shared.evaluation import CRITERION, Examination
from train.zoo.settings import TrainingRun

SCENARIOS = ("calm", "volatile", "news_jump")  # those of the policy lab
BASELINE = "tuned:zoo"
CONTROLS = ("rule:do_nothing", "rule:fixed_spread", "rule:avellaneda_stoikov", "rule:glft")


def measure(
    runs: Sequence[TrainingRun], chosen: Mapping[str, int], episodes: int, root: Path, threads: int | None = None
) -> RunDirectory:
    """Play every policy on the held-out seeds of the scenarios that it is for, and keep each episode.

    Args:
        runs: Finished ones.
        chosen: Label of an entry to the seed that ships.
        episodes: Of each scenario.
        root: Folder in which the run gets its own.
        threads: Most threads to use.
    """
    seeds = range(FIRST_SEED, FIRST_SEED + episodes)
    addresses = {name: name for name in CONTROLS} | {run.name: run.address for run in runs}
    tuned = _tuned(runs, chosen)
    config = {
        "policies": [BASELINE, *addresses],
        "scenarios": list(SCENARIOS),
        "seeds": list(seeds),
        "baseline": BASELINE,
    }
    kept = RunDirectory.create(root, "zoo", config | {"addresses": addresses})
    for scenario in SCENARIOS:
        examination = Examination({scenario: load(scenario)}, seeds, threads)
        meant = [run.name for run in runs if run.entry.name in (scenario, FOR_ANY_SCENARIO)]
        playing = {BASELINE: tuned.get(scenario, tuned.get(FOR_ANY_SCENARIO, BASELINE))}
        playing |= {name: addresses[name] for name in (*CONTROLS, *meant)}
        for name, address in playing.items():
            kept.append(name, scenario, seeds, examination.metrics_of(address)[scenario])
    kept.consolidate()
    return kept


def _tuned(runs: Sequence[TrainingRun], chosen: Mapping[str, int]) -> dict[str, str]:
    """Entry to the address of its tuned rule that ships, wherever it is installed."""
    shipping = [run for run in runs if run.entry.family == "tuned" and chosen[run.entry.label] == run.seed]
    return {run.entry.name: run.address for run in shipping}


def write(kept: RunDirectory, runs: Sequence[TrainingRun], chosen: Mapping[str, int], zoo: Path) -> Path:
    """Write the zoo's README: a table for each scenario, every training seed with its figures.

    Args:
        kept: What `measure` made.
        runs: The same.
        chosen: Label of an entry to the seed that ships.
        zoo: Folder of the zoo.
    """
    rows = kept.rows()
    parts = [
        _introduction(len(kept.config["seeds"])),
        *(_section(rows, scenario, runs, chosen) for scenario in SCENARIOS),
    ]
    path = zoo / "README.md"
    path.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    return path


def _introduction(episodes: int) -> str:
    return (
        "# The zoo\n\n"
        "Trained policies, data only. `make zoo` trains them again from `train/zoo/settings.yml` and writes this page "
        f"(here on: {cpu_model()}).\n\n"
        "Every policy was trained from each of the seeds; the one that ships (marked ✓) is the best on validation "
        "markets, which neither training nor this page uses. All are listed: "
        f"mean over {episodes} held-out markets a scenario, and the risk-adjusted P&L above that of the best tuned "
        "rule (`tuned:zoo`) on the same markets; in brackets 95 % bootstrap intervals. Risk-adjusted P&L is P&L less "
        "$0.01 per lot² and second of inventory and $0.1 per lot² at the close. A maker that never trades has 0."
    )


def _section(rows: pl.DataFrame, scenario: str, runs: Sequence[TrainingRun], chosen: Mapping[str, int]) -> str:
    rows = rows.filter(pl.col("scenario") == scenario)
    gains = differences(rows, BASELINE, CRITERION)
    lines = [
        f"## {scenario}\n",
        "| policy | seed | ships | risk-adjusted P&L, $ | P&L, $ | CVaR 5 %, $ | gain over the tuned rule, $ |",
        "|---|---:|:---:|---:|---:|---:|---:|",
        *(_line(rows, gains, name, name, "", "") for name in (BASELINE, *CONTROLS)),
    ]
    for run in sorted(runs, key=lambda run: (run.entry.name == FOR_ANY_SCENARIO, run.entry.family)):
        if run.entry.name in (scenario, FOR_ANY_SCENARIO):
            ships = "✓" if chosen[run.entry.label] == run.seed else ""
            address = f"{run.entry.family}:{run.entry.name}"
            lines.append(_line(rows, gains, run.name, address, str(run.seed), ships))
    return "\n".join(lines)


def _line(rows: pl.DataFrame, gains: pl.DataFrame, name: str, address: str, seed: str, ships: str) -> str:
    own = rows.filter(pl.col("policy") == name)
    adjusted, pnl = own[CRITERION].to_numpy(), own["pnl"].to_numpy()
    gain = gains.filter(pl.col("policy") == name)["difference"].to_numpy()
    shown = "–"
    if len(gain):
        estimate, low, high = interval(gain)
        shown = f"{estimate:+.1f} [{low:+.1f}, {high:+.1f}]"
        shown = f"**{shown}**" if low > 0 else shown
    own_interval = "{:.1f} [{:.1f}, {:.1f}]".format(*interval(adjusted))
    cells = (address, seed, ships, own_interval, f"{pnl.mean():.1f}", f"{cvar(pnl):.1f}", shown)
    return f"| {' | '.join(cells)} |"
