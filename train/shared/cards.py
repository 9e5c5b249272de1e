"""Writes the model card of a learned policy from its sidecar, so that neither says what the other does not."""

from __future__ import annotations

import json

from evaluate.metrics import METRICS
from policies.sidecar import SIDECARS, Interval, Sidecar

SHOWN = ("risk_adjusted_pnl", "pnl", "spread_captured", "inventory_abs_mean", "quote_time", "fill_ratio", "fills")


def model_card(sidecar: Sidecar, about: str = "") -> str:
    """The card of a learned policy, in Markdown.

    Args:
        sidecar: What the policy says of itself.
        about: Paragraphs of the family, such as the formula of a tree.
    """
    parts = [_head(sidecar), about.strip(), _results(sidecar), _training(sidecar), _limits(sidecar)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _head(sidecar: Sidecar) -> str:
    markets = "; ".join(
        ", ".join(
            [
                market.name,
                *([f"latency {market.latency}"] if market.latency else []),
                *([f"fees {market.fees}"] if market.fees else []),
            ]
        )
        for market in sidecar.scenarios
    )
    commit = "unknown"
    if sidecar.commit is not None:
        commit = f"`{sidecar.commit.commit[:12]}`{' with changes' if sidecar.commit.dirty else ''}"
    rows = [
        ("Algorithm", sidecar.algorithm),
        ("Environment", f"`{sidecar.env_id}`, {sidecar.action.mode} action, lobenv {sidecar.lobenv_version}"),
        ("Trained on", markets),
        ("Training steps", f"{sidecar.training.total_steps:,} in {sidecar.training.wall_seconds:,.0f} s"),
        ("Seeds", ", ".join(map(str, sidecar.training.seeds))),
        ("Commit", commit),
        ("Created", str(sidecar.created)),
        ("Licence", sidecar.licence),
    ]
    table = "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)])
    family = next(name for name, kind in SIDECARS.items() if isinstance(sidecar, kind))
    return (
        f"# {family}: {sidecar.name}\n\nA market maker for lobenv, loaded with "
        f'`policies.load("{family}:FOLDER", market)`.\n\n{table}'
    )


def _results(sidecar: Sidecar) -> str:
    """Means on held-out seeds with their 95 % intervals, one row for each scenario."""
    shown = [name for name in SHOWN if any(name in metrics for metrics in sidecar.metrics.values())]
    if not shown:
        return ""
    heads = [_heading(name) for name in shown]
    lines = ["| scenario | episodes | " + " | ".join(heads) + " |", "|---|---:|" + "---:|" * len(shown)]
    for scenario, metrics in sidecar.metrics.items():
        episodes = next(iter(metrics.values())).episodes
        cells = [_cell(name, metrics[name]) if name in metrics else "–" for name in shown]
        lines.append(f"| {scenario} | {episodes} | " + " | ".join(cells) + " |")
    note = f"Mean over held-out seeds and its 95 % bootstrap interval. Risk-adjusted: {METRICS[SHOWN[0]].meaning}"
    return f"## Results\n\n{note}\n\n" + "\n".join(lines)


def _heading(name: str) -> str:
    metric = METRICS[name]
    unit = f" [{metric.unit}]" if metric.unit else ""
    return metric.label.replace("|", "\\|") + unit  # a bar would end the cell


def _cell(name: str, interval: Interval) -> str:
    metric = METRICS[name]
    return f"{metric.text(interval.mean)} ({metric.text(interval.low)} … {metric.text(interval.high)})"


def _training(sidecar: Sidecar) -> str:
    settings = json.dumps(sidecar.training.hyperparameters, indent=2, ensure_ascii=False)
    return f"## Training\n\n```bash\n{sidecar.training.command}\n```\n\n```json\n{settings}\n```"


def _limits(sidecar: Sidecar) -> str:
    return (
        "## Limits\n\n"
        f"Trained in simulation with quotes of {sidecar.order_size} shares, at most {sidecar.max_offset_ticks:g} ticks "
        "from the mid. Nothing is known of it in markets that it was not trained on; it is no trading advice."
    )
