"""The report of a run, made from its folder alone: a console table, one self-contained HTML page, TensorBoard scalars.

    python -m evaluate.report RUN_DIR

Nothing is read but `config.json`, the episodes' rows and what was recorded for plots, so a report can be made again,
and made better, long after the run; a run that was interrupted is reported on as far as it came.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import jinja2
import polars as pl

from evaluate import learned, plots, statistics, tables
from evaluate.metrics import METRICS
from evaluate.run_directory import RunDirectory
from evaluate.scalars import write_scalars

PAIRED = ("risk_adjusted_pnl", "pnl")  # metrics in which the policies are compared seed by seed
TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Report:
    """Everything a report shows, derived from a run.

    Attributes:
        run: the run.
        rows: its finished episodes.
        baseline: policy that the others are compared with, None if the run has none, or none of its episodes yet.
    """

    run: RunDirectory
    rows: pl.DataFrame
    baseline: str | None

    @classmethod
    def of(cls, run_path: str | Path, baseline: str | None = None) -> Report:
        """The report of the run in a folder.

        Args:
            run_path: the run's folder.
            baseline: policy to compare with, by default the one the run was configured with.

        Raises:
            FileNotFoundError: the folder holds no run.
            ValueError: no episode has finished, the episodes lack a figure that the tables show, or `baseline` names a
                policy that has none.
        """
        run = RunDirectory.open(run_path)
        rows = run.rows()
        if rows.is_empty():
            raise ValueError(f"{run.path} has no finished episode to report on")
        lacking = [column.name for column in tables.COLUMNS if column.name not in rows.columns]
        if lacking:
            raise ValueError(f"{run.path} was made by another version of the lab: its episodes lack {lacking[0]}")
        policies = rows["policy"].unique(maintain_order=True).to_list()
        if baseline is not None and baseline not in policies:
            raise ValueError(f"baseline must be one of {', '.join(policies)}, got {baseline!r}")
        configured = run.config["baseline"] if run.config["baseline"] in policies else None
        return cls(run, rows, baseline or configured)

    @cached_property
    def summary(self) -> pl.DataFrame:
        """Every metric of every policy and scenario, as `statistics.summarise` returns it."""
        return statistics.summarise(self.rows, self.baseline)

    def print(self) -> None:
        """Print the comparison of every scenario on the console, and which artefact each learned policy was."""
        tables.print_tables(self.summary, self.baseline)
        if self.artefacts or self.inputs:
            print()
        for policy, scenarios, facts in self.artefacts:
            print(f"{policy} in {scenarios}: {facts.get('folder', facts['plays'])}{_trained_on(facts)}")
        for scenario, files in self.inputs.items():
            print(f"{scenario} played {', '.join(file['name'] for file in files)}")

    @cached_property
    def artefacts(self) -> list[tuple[str, str, dict[str, Any]]]:
        """Policy, scenarios and facts of every artefact that played, as `learned.artefacts_played` returns them."""
        return learned.artefacts_played(self.run.config.get("learned", {}), self.scenarios)

    @property
    def inputs(self) -> dict[str, list[dict[str, Any]]]:
        """Name, size and SHA-256 of the recorded files that each scenario played, as `provenance.inputs` gives them."""
        return self.run.config.get("inputs", {})

    @cached_property
    def scenarios(self) -> list[str]:
        """Those with a finished episode."""
        return self.rows["scenario"].unique(maintain_order=True).to_list()

    def html(self) -> str:
        """The report as one page that needs nothing but itself."""
        environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(TEMPLATES),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        return environment.get_template("report.html.j2").render(
            name=self.run.path.name,
            document=self.run.document,
            config=json.dumps(self.run.config, indent=2),
            baseline=self.baseline,
            columns=tables.COLUMNS,
            scenarios=[self._scenario(scenario) for scenario in self.scenarios],
            gains=tables.gains(self.summary, self.baseline),
            gains_note=tables.GAINS_NOTE,
            artefacts=self.artefacts,
            inputs=self.inputs,
            policies=self.rows["policy"].unique(maintain_order=True).to_list(),
            episodes=len(self.rows),
            missing=self._missing(),
            seeds=self.rows["seed"].n_unique(),
            metrics=[metric for metric in METRICS.values() if metric.name in self.rows.columns],
        )

    def write(self) -> Path:
        """Write `report.html` into the run's folder; returns its path."""
        target = self.run.path / "report.html"
        target.write_text(self.html(), encoding="utf-8")
        return target

    def _missing(self) -> int:
        """Number of configured episodes that have not finished."""
        config = self.run.config
        planned = {
            (policy, scenario, seed)
            for policy in config["policies"]
            for scenario in config["scenarios"]
            for seed in config["seeds"]
        }
        return len(planned - set(self.rows.select(statistics.KEYS).rows()))

    def _scenario(self, scenario: str) -> dict[str, Any]:
        """What the template shows of one scenario: its table, its full table, and its figures."""
        by_policy = tables.figures(self.summary, scenario)
        return {
            "name": scenario,
            "table": [
                {
                    "policy": policy,
                    "n": metrics["pnl"]["n"],
                    "plays": self._plays(policy, scenario),
                    "cells": [tables.cell(column, metrics[column.name]) for column in tables.COLUMNS],
                }
                for policy, metrics in by_policy.items()
            ],
            "full": [
                (metric, [_with_interval(metrics[metric.name], metrics["pnl"]["n"]) for metrics in by_policy.values()])
                for metric in METRICS.values()
                if metric.name in self.rows.columns
            ],
            "policies": list(by_policy),
            **self._comparisons(scenario, list(by_policy)),
            **self._courses(scenario, list(by_policy)),
            **self._episode(scenario, by_policy),
        }

    def _plays(self, policy: str, scenario: str) -> str:
        """What played under the name in a scenario, where the name does not say it."""
        facts = self.run.config.get("learned", {}).get(policy, {}).get(scenario, {})
        return facts.get("folder", facts.get("plays", ""))

    def _comparisons(self, scenario: str, policies: list[str]) -> dict[str, str]:
        """Figures made of episodes' rows alone."""
        rows = self.rows.filter(pl.col("scenario") == scenario)
        summary = self.summary.filter(pl.col("scenario") == scenario)
        return {
            "distributions": plots.svg(
                plots.distributions(rows, policies), f"d-{scenario}", f"Distribution of P&L by policy in {scenario}"
            ),
            "decomposition": plots.svg(
                plots.decomposition(summary, policies), f"p-{scenario}", f"Parts of P&L by policy in {scenario}"
            ),
            "markouts": plots.svg(
                plots.markouts(summary, policies), f"m-{scenario}", f"Worth of maker fills over time in {scenario}"
            ),
            **{f"paired_{name}": self._paired(scenario, policies, name) for name in PAIRED},
        }

    def _paired(self, scenario: str, policies: list[str], name: str) -> str:
        """The drawing of the differences to the baseline in a metric, empty where there are none."""
        if self.baseline not in policies or len(policies) == 1:
            return ""
        rows = self.rows.filter(pl.col("scenario") == scenario)
        compared = (pl.col("scenario") == scenario) & (pl.col("metric") == name) & (pl.col("policy") != self.baseline)
        figure = plots.paired_differences(
            statistics.differences(rows, str(self.baseline), name),
            self.summary.filter(compared),
            str(self.baseline),
            METRICS[name],
        )
        return plots.svg(figure, f"v-{name}-{scenario}", f"Differences to {self.baseline} in {name}, {scenario}")

    def _courses(self, scenario: str, policies: list[str]) -> dict[str, list[str]]:
        """Panels of P&L and inventory over time, one for each policy."""
        recorded = self._recording("paths", scenario)
        found: dict[str, list[str]] = {"pnl": [], "inventory": []}
        if recorded.is_empty():
            return found
        reference = recorded.filter(pl.col("policy") == self.baseline) if self.baseline else pl.DataFrame()
        for column, panels in found.items():
            limits = plots.band_limits(recorded, column)
            for policy in policies:
                own = recorded.filter(pl.col("policy") == policy)
                if own.is_empty():
                    continue
                shown = None if policy == self.baseline or reference.is_empty() else reference
                figure = plots.band_panel(own, column, policy, limits=limits, reference=shown)
                panels.append(plots.svg(figure, f"{column}-{scenario}-{policy}", f"{column} of {policy} in {scenario}"))
        return found

    def _episode(self, scenario: str, by_policy: dict[str, dict[str, dict[str, Any]]]) -> dict[str, Any]:
        """One recorded episode in full: of the policy that earned most among those that traded."""
        recorded = self._recording("quotes", scenario)
        traded = [p for p, metrics in by_policy.items() if metrics["fills"]["mean"]]
        kept = set(recorded["policy"]) if len(recorded) else set()
        candidates = [p for p in traded if p in kept]
        if not candidates:
            return {"episode": None}
        policy = max(candidates, key=lambda name: by_policy[name]["pnl"]["mean"])
        seed = int(recorded.filter(pl.col("policy") == policy)["seed"][0])
        quotes, fills = (
            self._recording(name, scenario, (pl.col("policy") == policy) & (pl.col("seed") == seed))
            for name in ("quotes", "fills")
        )
        whole, close_up = (
            plots.svg(draw(quotes, fills), f"{draw.__name__}-{scenario}", f"Quotes of {policy}, seed {seed}")
            for draw in (plots.quotes_on_price, plots.quotes_close_up)
        )
        return {"episode": {"policy": policy, "seed": seed, "whole": whole, "close_up": close_up}}

    def _recording(self, name: str, scenario: str, chosen: pl.Expr | bool = True) -> pl.DataFrame:
        table = self.run.recording(name)
        return table if table.is_empty() else table.filter(pl.col("scenario") == scenario, chosen)


def _trained_on(facts: dict[str, Any]) -> str:
    """What follows the folder of an artefact on the console."""
    return f", trained on {', '.join(facts['trained_on'])}" if "trained_on" in facts else ", a stand-in"


def _with_interval(row: dict[str, Any], episodes: int) -> tuple[str, str]:
    """Mean and interval of any metric, as printed, and in how many episodes it exists where that is not all."""
    metric = METRICS[row["metric"]]
    notes = []
    if row["mean"] is not None and row["mean_low"] != row["mean_high"]:
        notes.append(f"{metric.text(row['mean_low'])} … {metric.text(row['mean_high'])}".replace("-", "−"))
    if 0 < row["n"] < episodes:
        notes.append(f"n = {row['n']}")
    return metric.text(row["mean"]).replace("-", "−"), ", ".join(notes)


def main(arguments: list[str] | None = None) -> int:
    """Command line of the module; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m evaluate.report", description="Make the report of a run again.")
    parser.add_argument("run", type=Path, help="folder of the run")
    parser.add_argument("--baseline", help="policy to compare with (default: the run's)")
    parser.add_argument("--tensorboard", action="store_true", help="write TensorBoard scalars into RUN/tensorboard too")
    options = parser.parse_args(arguments)
    try:
        report = Report.of(options.run, options.baseline)
        report.print()
        print(f"report: {report.write()}")
        if options.tensorboard:
            folder = report.run.path / "tensorboard"
            print(f"{write_scalars(report.rows, folder)} scalars: tensorboard --logdir {folder}")
    except (ValueError, FileNotFoundError, ModuleNotFoundError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
