"""The report of a run: its console table, its page and its scalars say what the rows say."""

from __future__ import annotations

import builtins
import html.parser
import re
import shutil
import xml.etree.ElementTree as ET

import polars as pl
import pytest
from rich.console import Console

from evaluate import plots, report, statistics, tables
from evaluate.metrics import METRICS
from evaluate.report import Report
from evaluate.run_directory import RunDirectory
from evaluate.scalars import write_scalars

VOID = {"meta", "br", "link", "img", "hr", "input"}


class Page(html.parser.HTMLParser):
    """Collects what a page refers to, and fails if its tags do not close."""

    def __init__(self, text):
        super().__init__()
        self.open, self.references, self.tags = [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.references += [v for k, v in attrs if k in {"src", "href", "xlink:href", "action", "data"}]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.references += [v for k, v in attrs if k in {"src", "href", "xlink:href"}]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def printed(summary, baseline, width=120):
    console = Console(width=width, record=True, file=open("/dev/null", "w"))  # noqa: PTH123, SIM115
    with console.file:
        tables.print_tables(summary, baseline, console)
    return console.export_text()


def row(summary, scenario, policy, name):
    return summary.filter(scenario=scenario, policy=policy, metric=name).row(0, named=True)


@pytest.fixture(scope="module")
def finished_report(finished_run):
    return Report.of(finished_run.path)


@pytest.fixture(scope="module")
def page(finished_report):
    return finished_report.html()


def test_the_summary_is_derived_from_the_rows_on_disk(finished_run, finished_report):
    rows = pl.read_parquet(finished_run.path / "episodes.parquet")
    own = rows.filter(policy="inventory_skewed", scenario="volatile")["pnl"]
    found = row(finished_report.summary, "volatile", "inventory_skewed", "pnl")
    assert found["mean"] == pytest.approx(own.mean())
    assert found["n"] == 16
    assert finished_report.baseline == "fixed_spread"


def test_the_console_table_fits_120_columns_and_shows_every_policy(finished_report):
    text = printed(finished_report.summary, "fixed_spread")
    assert max(map(len, text.splitlines())) <= 120
    for name in ("calm", "volatile", "do_nothing", "fixed_spread", "inventory_skewed", "baseline, n=16"):
        assert name in text
    for column in tables.COLUMNS:
        for part in tables.cell(column, row(finished_report.summary, "calm", "inventory_skewed", column.name)):
            assert part in text


def test_the_console_table_fits_120_columns_with_large_figures_and_long_names():
    name = "rule:avellaneda_stoikov?gamma=0.0001&horizon=600"
    values = dict.fromkeys(METRICS, -123456.0) | {"fill_ratio": 1.0, "quote_time": 1.0, "sharpe": -12.34}
    rows = [
        {"policy": policy, "scenario": "s", "seed": seed} | values | {"pnl": -98_765.0 + step * seed}
        for policy, step in ((name, -1_000.0), ("base", 1_500.0))
        for seed in range(8)
    ]
    text = printed(statistics.summarise(pl.DataFrame(rows), "base"), "base")
    assert max(map(len, text.splitlines())) <= 120
    for shown in ("−123k", "−12.34", "−104k…−101k", "100%"):
        assert shown in text
    assert name in "".join(line[: tables.POLICY_WIDTH].strip() for line in text.splitlines())


@pytest.mark.parametrize(
    ("name", "figure", "value", "text"),
    [
        ("pnl", "mean", 3.14159, "3.1"),
        ("pnl", "mean", -0.01, "0.0"),
        ("pnl", "mean", -1234.5, "−1,234"),
        ("pnl", "mean", 54_321.0, "54.3k"),
        ("pnl", "difference", 20.0, "+20.0"),
        ("pnl", "p_improve", 0.5, "0.50"),
        ("fill_ratio", "mean", 0.0123, "1.2%"),
        ("fill_ratio", "mean", 1.0, "100%"),
        ("order_to_trade", "mean", None, "–"),
    ],
)
def test_a_cell_is_written_short(name, figure, value, text):
    column = tables.Column("head", name, figure, interval=False, meaning="")
    assert tables.written(column, value) == text


def compared(difference, low, high, seeds=16):
    """A row of a summary, as far as it is a paired comparison in the headline's metric."""
    ends = {"difference_low": low, "difference_high": high}
    return {"metric": tables.HEADLINE, "difference": difference, "paired_n": seeds} | ends


@pytest.mark.parametrize(
    ("row", "verdict"),
    [
        (compared(2.0, 0.1, 3.0), "ahead"),
        (compared(-2.0, -3.0, -0.1), "behind"),
        (compared(2.0, -0.1, 3.0), "not clear"),
        (compared(2.0, 0.0, 3.0), "not clear"),
        (compared(2.0, 2.0, 2.0), "not clear"),  # without width it tells nothing of chance
        (compared(2.0, 0.1, 3.0, seeds=15), "not clear"),
    ],
)
def test_a_gain_is_clear_only_where_its_whole_interval_is_on_one_side_of_zero(row, verdict):
    found = tables.gain(row)
    assert found is not None
    assert found.verdict == verdict
    assert found.clear == (verdict != "not clear")


def test_there_is_no_gain_without_a_shared_seed():
    assert tables.gain(compared(None, None, None)) is None


def test_the_headline_says_of_every_policy_and_scenario_whether_it_gains_risk_adjusted(finished_report, page):
    text = printed(finished_report.summary, "fixed_spread")
    headline = text[text.index("risk-adjusted gain over fixed_spread on the same seeds") :]
    section = page[page.index('<section id="gains">') :].partition("</section>")[0]
    found = tables.gains(finished_report.summary, "fixed_spread")
    assert list(found) == ["do_nothing", "inventory_skewed"]
    for policy, by_scenario in found.items():
        assert list(by_scenario) == ["calm", "volatile"]
        assert f">{policy}<" in section
        for shown in by_scenario.values():
            assert shown is not None
            for page_or_console in (headline, section):
                assert f"{shown.figure} {shown.verdict}" in page_or_console
            assert shown.clear == (f'<strong class="{shown.verdict}">{shown.figure}' in section)


def test_the_headline_is_the_paired_difference_of_the_sum_of_rewards(finished_run, finished_report):
    rows = finished_run.rows().filter(scenario="calm")
    own, other = (rows.filter(policy=name).sort("seed")["risk_adjusted_pnl"] for name in ("do_nothing", "fixed_spread"))
    found = row(finished_report.summary, "calm", "do_nothing", tables.HEADLINE)
    assert found["difference"] == pytest.approx((own - other).mean())
    assert tables.gains(finished_report.summary, "fixed_spread")["do_nothing"]["calm"] == tables.gain(found)


def test_the_page_refers_to_nothing_outside_itself(page):
    parsed = Page(page)
    assert all(reference.startswith("#") for reference in parsed.references)
    assert not re.search(r"@import|<script|<link|url\((?!#)", page)
    assert len(page) < 3_000_000


def test_the_page_has_every_figure_of_every_scenario(page):
    drawings = re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL)
    # For each of two scenarios: five comparisons, two panels for each of three policies, two views of one episode.
    assert len(drawings) == 2 * (5 + 2 * 3 + 2)
    for drawing in drawings:
        ET.fromstring(drawing)
        assert 'role="img"' in drawing
        assert not re.search(r'<svg[^>]* (width|height)="', drawing)
    for heading in (
        "Paired differences in P&amp;L",
        "Paired differences in risk",
        "Distribution of P&amp;L",
        "Where P&amp;L comes from",
        "One episode",
    ):
        assert page.count(f"<h3>{heading}") == 2


def test_drawings_follow_the_page_in_dark_mode(page):
    drawn = "".join(re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL))
    left = set(re.findall(r"(?<!,)#[0-9a-f]{6}\b", drawn))
    assert left == set()
    assert "prefers-color-scheme: dark" in page
    assert "@media print" in page


def test_the_page_states_configuration_versions_and_meanings(page, finished_run):
    document = finished_run.document
    for text in (document["cpu"], document["python"], document["packages"]["numpy"], finished_run.path.name):
        assert text in page
    assert "&#34;baseline&#34;: &#34;fixed_spread&#34;" in page
    for metric in METRICS.values():
        assert metric.meaning.split(";")[0].split("|")[0][:20].split("'")[0].split("&")[0] in page


def test_the_page_is_the_same_when_made_again(finished_run, page):
    assert Report.of(finished_run.path).html() == page


def test_names_from_a_configuration_are_escaped(tmp_path, record_batch, config):
    config |= {"policies": ["fixed_spread"], "scenarios": ["calm"], "note": "<script>alert(1)</script>"}
    run = RunDirectory.create(tmp_path, "escaped", config)
    record_batch(run, "fixed_spread", "calm", [0, 1], 20)
    text = Report.of(run.path).html()
    assert "<script>" not in text
    Page(text)


def test_an_unfinished_run_is_reported_on_as_far_as_it_came(tmp_path, record_batch, config):
    run = RunDirectory.create(tmp_path, "interrupted", config)
    record_batch(run, "inventory_skewed", "calm", [0], 20)
    unfinished = Report.of(run.path)
    assert unfinished.baseline is None
    text = unfinished.html()
    assert "95 configured episodes have not finished" in text
    assert "Paired differences" not in text
    assert "Risk-adjusted gain" not in text
    assert "inventory_skewed" in printed(unfinished.summary, None)
    Page(text)


LEARNED = {
    "plays": "ppo:zoo",
    "folder": "policies/zoo/calm/ppo",
    "digest": "00",
    "algorithm": "ppo",
    "trained_on": ["calm"],
    "steps": 12_345_678,
    "seeds": [1, 2],
    "minutes": 4.5,
    "command": "python -m train.ppo --seed 1",
    "commit": {"commit": "0123456789abcdef", "dirty": True},
    "created": "2026-11-21",
    "formula": "bid = 3 + inventory & more",
}


def test_the_report_says_which_artefact_played_where_and_how_it_was_trained(tmp_path, finished_run, config, capsys):
    everywhere = LEARNED | {"folder": "policies/zoo/all/ppo", "trained_on": ["calm", "volatile"], "commit": None}
    config |= {
        "policies": ["fixed_spread", "inventory_skewed"],
        "learned": {
            "inventory_skewed": {"calm": LEARNED, "volatile": everywhere},
            "fixed_spread": {"calm": {"plays": "rule:glft"}},
        },
    }
    run = RunDirectory.create(tmp_path, "learned", config)
    for policy in config["policies"]:
        for scenario in config["scenarios"]:
            metrics = finished_run.rows().filter(policy=policy, scenario=scenario).select(list(METRICS))
            run.append(policy, scenario, [0, 1], metrics[:2])
    found = Report.of(run.path)
    found.print()
    lines = capsys.readouterr().out.splitlines()[-3:]
    assert lines == [
        "inventory_skewed in calm: policies/zoo/calm/ppo, trained on calm",
        "inventory_skewed in volatile: policies/zoo/all/ppo, trained on calm, volatile",
        "fixed_spread in calm: rule:glft, a stand-in",
    ]
    text = found.html()
    Page(text)
    section = text[text.index('<section id="who">') :].partition("</section>")[0]
    for shown in ("12,345,678 steps", "4.5 min, seeds 1, 2", "0123456789<small>with changes", "inventory &amp; more"):
        assert shown in section
    assert section.count("stands in for a policy that could not be loaded") == 1


def test_files_that_a_recorded_day_was_played_from_are_named(tmp_path, finished_run, config, capsys):
    played = {"calm": [{"name": "AMZN_message_5.csv", "size": 12_345, "sha256": 32 * "ab"}]}
    run = RunDirectory.create(tmp_path, "recorded", config | {"inputs": played})
    metrics = finished_run.rows().filter(policy="fixed_spread", scenario="calm").select(list(METRICS))
    run.append("fixed_spread", "calm", range(16), metrics)
    found = Report.of(run.path)
    found.print()
    assert capsys.readouterr().out.splitlines()[-1] == "calm played AMZN_message_5.csv"
    made = found.html()
    section = made[made.index('<section id="made">') :]
    assert f"AMZN_message_5.csv, 12,345 bytes, SHA-256 <code>{32 * 'ab'}</code>" in section


def test_a_run_without_learned_policies_has_no_section_about_them(page):
    assert "Who they are" not in page


def test_a_run_without_recordings_has_a_page_without_courses(tmp_path, finished_run, config):
    run = RunDirectory.create(tmp_path, "bare", config)
    metrics = finished_run.rows().filter(policy="fixed_spread", scenario="calm").select(list(METRICS))
    run.append("fixed_spread", "calm", range(16), metrics)
    text = Report.of(run.path).html()
    assert "Distribution of P&amp;L" in text
    assert "over the session" not in text
    assert "One episode" not in text


def test_the_command_makes_the_report_again(tmp_path, finished_run, capsys):
    folder = shutil.copytree(finished_run.path, tmp_path / "copy")
    assert report.main([str(folder), "--baseline", "do_nothing"]) == 0
    assert f"report: {folder / 'report.html'}" in capsys.readouterr().out
    assert "differences are to <strong>do_nothing</strong>" in (folder / "report.html").read_text()


def test_the_command_answers_a_mistake_in_one_line(tmp_path, finished_run, config, capsys):
    assert report.main([str(tmp_path)]) == 2
    assert report.main([str(finished_run.path), "--baseline", "naive"]) == 2
    assert report.main([str(RunDirectory.create(tmp_path, "empty", config).path)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert "has no config.json" in lines[0]
    assert "baseline must be one of do_nothing, fixed_spread, inventory_skewed, got 'naive'" in lines[1]
    assert "has no finished episode to report on" in lines[2]


def test_a_run_whose_episodes_lack_a_figure_is_refused_in_one_line(tmp_path, finished_run, config):
    run = RunDirectory.create(tmp_path, "older", config)
    run.append("fixed_spread", "calm", range(16), finished_run.rows()[:16].select("pnl", "fills"))
    with pytest.raises(
        ValueError, match=r"was made by another version of the lab: its episodes lack risk_adjusted_pnl$"
    ):
        Report.of(run.path)


def test_scalars_end_at_the_means_of_the_tables(tmp_path, finished_run, finished_report):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    rows = finished_report.rows.filter(scenario="calm", policy="fixed_spread")
    write_scalars(rows, tmp_path)
    written = write_scalars(rows, tmp_path)  # a second call replaces the first one's files
    (folder,) = {path.parent for path in tmp_path.rglob("events*")}
    assert folder.relative_to(tmp_path).parts == ("calm", "fixed_spread")
    events = accumulator.EventAccumulator(str(folder), size_guidance={"tensors": 0}).Reload()
    assert events.Tags()["tensors"] == [f"market/{name}" for name in METRICS if rows[name].drop_nulls().len()]
    found = [tensor.tensor_proto.float_val[0] for tensor in events.Tensors("market/pnl")]
    expected = [rows["pnl"][:count].mean() for count in range(1, 17)]
    assert found == pytest.approx(expected, rel=1e-5)
    assert written == sum(rows[name].drop_nulls().len() for name in METRICS)


def test_scalars_without_tensorboard_say_what_to_install(tmp_path, finished_report, monkeypatch):
    real = builtins.__import__

    def missing(name, *arguments, **keywords):
        if name.startswith("tensorboard"):
            raise ModuleNotFoundError(name)
        return real(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(ModuleNotFoundError, match="pip install tensorboard"):
        write_scalars(finished_report.rows, tmp_path)


def test_the_close_up_shows_the_minute_with_the_most_maker_fills():
    times = pl.Series([float(second) for second in range(301)])
    quotes = pl.DataFrame({"time_s": times, "tick_size": 0.01} | dict.fromkeys(("mid", "bid", "ask"), times * 0 + 100))
    quotes = quotes.with_columns(best_bid=99.0, best_ask=101.0)
    seconds = [10.0, *(200.0 + i for i in range(20)), *[300.0] * 30]
    fills = pl.DataFrame({"time_ns": [round(s * 1e9) for s in seconds], "maker": [1] * 21 + [0] * 30})
    fills = fills.with_columns(side=pl.lit(1), price=pl.lit(100))
    assert plots.quotes_close_up(quotes, fills).axes[0].get_xlim() == (198.0, 258.0)
    assert plots.quotes_close_up(quotes, fills.clear()).axes[0].get_xlim() == (0.0, 60.0)


def test_a_long_policy_name_is_broken_at_its_punctuation(finished_run):
    name = "rule:avellaneda_stoikov?gamma=0.01"
    rows = finished_run.rows().filter(policy="fixed_spread", scenario="calm").with_columns(policy=pl.lit(name))
    (label,) = plots.distributions(rows, [name]).axes[0].get_yticklabels()
    assert label.get_text() == "rule:avellaneda_\nstoikov?gamma=0.01"
