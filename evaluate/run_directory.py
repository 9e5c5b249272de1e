"""The folder in which a comparison of policies is kept: configuration, versions and one row for every finished episode.

    <root>/<UTC time>_<name>/
        config.json        configuration, seeds, versions, machine, commit
        episodes/          one Parquet file for each finished batch, until they are gathered in
        episodes.parquet   one row for each episode
        paths/ quotes/ fills/   what the plots draw, one Parquet file for each batch that recorded it

A file comes into being under a temporary name and is then renamed, the rows of a batch after its recordings. So
whatever stops the program, every file is whole and a batch is either finished or not there.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from itertools import zip_longest
from pathlib import Path
from typing import Any

import polars as pl

from evaluate.provenance import provenance
from evaluate.whole_files import remove_unfinished, write_whole

RECORDINGS = ("paths", "quotes", "fills")
REQUIRED = ("policies", "scenarios", "seeds", "baseline")
KEYS = ["policy", "scenario", "seed"]
SHOWN_DIFFERENCES = 3


@dataclass(frozen=True)
class RunDirectory:
    """One run on disk; make it by `create`, `resume` (to go on) or `open` (to read).

    Attributes:
        path: the folder.
    """

    path: Path

    @classmethod
    def create(cls, root: str | Path, name: str, config: Mapping[str, Any]) -> RunDirectory:
        """A new run folder under `root`, with its `config.json`.

        Args:
            root: folder of all runs, made if missing.
            name: what the run is about: letters, digits, dot, dash, underscore.
            config: full configuration of the run, JSON-able; needs at least `policies`, `scenarios`, `seeds` (lists)
                and `baseline` (a policy or null); with `inputs` where it reads files, as `provenance.inputs` says.

        Raises:
            ValueError: a wrong name, or a configuration that lacks something.
        """
        if not re.fullmatch(r"[A-Za-z0-9._-]+", name):
            raise ValueError(f"name must consist of letters, digits, dot, dash and underscore, got {name!r}")
        missing = [key for key in REQUIRED if key not in config]
        if missing:
            raise ValueError(f"config must have {', '.join(REQUIRED)}, lacks {', '.join(missing)}")
        created = datetime.now(UTC)
        document = {"created": created.isoformat(timespec="seconds"), "config": dict(config)} | provenance()
        Path(root).mkdir(parents=True, exist_ok=True)
        building = Path(root) / f".{uuid.uuid4().hex}"
        try:
            (building / "episodes").mkdir(parents=True)
            _write_json(building / "config.json", document)
            return cls(_claim(building, Path(root) / f"{created:%Y%m%dT%H%M%S}_{name}"))
        finally:
            shutil.rmtree(building, ignore_errors=True)

    @classmethod
    def open(cls, path: str | Path) -> RunDirectory:
        """The run in folder `path`; FileNotFoundError if it holds none."""
        if not (Path(path) / "config.json").is_file():
            raise FileNotFoundError(f"{path} is no run directory: it has no config.json")
        return cls(Path(path))

    @classmethod
    def resume(cls, path: str | Path, config: Mapping[str, Any]) -> RunDirectory:
        """The run in folder `path`, to be continued with the same configuration and on the same input files.

        The resumption is put on record.

        Raises:
            FileNotFoundError: the folder holds no run.
            ValueError: the run was started with another configuration, or a file that it reads is another one now;
                the message names what differs.
        """
        run = cls.open(path)
        before, now = dict(run.config), json.loads(json.dumps(config))
        changes = [*_changed_inputs(before.pop("inputs", {}), now.pop("inputs", {})), *_changes(before, now)]
        if changes:
            more = f" and {len(changes) - SHOWN_DIFFERENCES} more" if len(changes) > SHOWN_DIFFERENCES else ""
            raise ValueError(
                f"{path} was run with another configuration: {'; '.join(changes[:SHOWN_DIFFERENCES])}{more}"
            )
        remove_unfinished(run.path)
        resumption = {"resumed": datetime.now(UTC).isoformat(timespec="seconds")} | provenance()
        document = run.document | {"resumptions": [*run.document.get("resumptions", []), resumption]}
        _write_json(run.path / "config.json", document)
        return cls(run.path)

    @cached_property
    def document(self) -> dict[str, Any]:
        """What `config.json` holds: config, created, argv, python, platform, cpu, cores, packages, git, resumptions."""
        return json.loads((self.path / "config.json").read_text(encoding="utf-8"))

    @property
    def config(self) -> dict[str, Any]:
        """The configuration of the run."""
        return self.document["config"]

    def append(
        self,
        policy: str,
        scenario: str,
        seeds: Sequence[int],
        metrics: pl.DataFrame,
        recordings: Mapping[str, pl.DataFrame] | None = None,
    ) -> None:
        """Keep a finished batch; once this returns no interruption loses it.

        Args:
            policy: name of the policy, one of the configuration's.
            scenario: name of the scenario, one of the configuration's.
            seeds: (E,) seed of each episode.
            metrics: E rows, as `metrics.episode_metrics` returns them.
            recordings: tables named `paths`, `quotes` or `fills`, in which a column `env` gives the row of the batch.

        Raises:
            ValueError: the configuration knows no such policy or scenario, seeds and metrics differ in number, or a
                recording has another name.
        """
        for key, name, known in (
            ("policy", policy, self.config["policies"]),
            ("scenario", scenario, self.config["scenarios"]),
        ):
            if name not in known:
                raise ValueError(f"{key} must be one of {', '.join(known)}, got {name!r}")
        if len(seeds) != len(metrics):
            raise ValueError(f"seeds must be as many as the rows of metrics, {len(metrics)}, got {len(seeds)}")
        unknown = set(recordings or {}) - set(RECORDINGS)
        if unknown:
            raise ValueError(f"recordings must be among {', '.join(RECORDINGS)}, got {', '.join(sorted(unknown))}")
        batch = _batch_name(policy, scenario, seeds)
        keys = {"policy": [policy] * len(seeds), "scenario": [scenario] * len(seeds), "seed": [int(s) for s in seeds]}
        episodes = pl.DataFrame(keys | {"batch": [batch] * len(seeds)})
        numbered = episodes.with_row_index("env").with_columns(pl.col("env").cast(pl.Int32))
        for name, table in (recordings or {}).items():
            labelled = numbered.join(table, on="env", how="inner", maintain_order="right").drop("env")
            _write_parquet(labelled, self.path / name / f"{batch}.parquet")
        _write_parquet(pl.concat([episodes, metrics], how="horizontal"), self.path / "episodes" / f"{batch}.parquet")

    def rows(self) -> pl.DataFrame:
        """One row for each finished episode: policy, scenario, seed and the metrics, in the configuration's order."""
        return self._episodes().drop("batch")

    def recording(self, name: str) -> pl.DataFrame:
        """The table `paths`, `quotes` or `fills` of all finished batches; empty if none was recorded."""
        episodes = self._episodes().select(*KEYS, "batch")
        files = [self.path / name / f"{batch}.parquet" for batch in episodes["batch"].unique(maintain_order=True)]
        tables = [pl.read_parquet(file) for file in files if file.is_file()]
        if not tables:
            return pl.DataFrame()
        kept = pl.concat(tables, how="diagonal_relaxed")
        return kept.join(episodes, on=[*KEYS, "batch"], how="semi", maintain_order="left").drop("batch")

    def finished(self) -> set[tuple[str, str, int]]:
        """(policy, scenario, seed) of every finished episode."""
        return set(self._episodes().select(KEYS).rows())

    def consolidate(self) -> None:
        """Gather the rows of all batches into `episodes.parquet`; the run can still be added to afterwards."""
        batches = self._batches()
        if batches:
            _write_parquet(self._episodes(), self.path / "episodes.parquet")
        for file in batches:
            file.unlink()

    def _batches(self) -> list[Path]:
        return sorted((self.path / "episodes").glob("[!.]*.parquet"))

    def _episodes(self) -> pl.DataFrame:
        """The rows with the batch that each came from: what its recordings, renamed before it, are found by."""
        gathered = self.path / "episodes.parquet"
        files = [*([gathered] if gathered.is_file() else []), *self._batches()]
        if not files:
            return pl.DataFrame(
                schema={"policy": pl.String, "scenario": pl.String, "seed": pl.Int64, "batch": pl.String}
            )
        table = pl.concat([pl.read_parquet(file) for file in files], how="diagonal_relaxed")
        listed = (("scenario", self.config["scenarios"]), ("policy", self.config["policies"]))
        order = [
            pl.col(key).replace_strict(names, range(len(names)), default=len(names), return_dtype=pl.Int64)
            for key, names in listed
        ]
        return table.unique(KEYS, keep="first", maintain_order=True).sort(*order, "scenario", "policy", "seed")


def _batch_name(policy: str, scenario: str, seeds: Sequence[int]) -> str:
    """What the files of a batch are called: the same in every run that has it, so that equal runs are equal files."""
    named = json.dumps([policy, scenario, [int(seed) for seed in seeds]])
    return hashlib.blake2b(named.encode(), digest_size=16).hexdigest()


def _claim(building: Path, wanted: Path) -> Path:
    """Rename a finished folder to the wanted name, or to that name with the first free number behind it.

    Renaming fails where the name is taken by a folder with something in it, so of two runs one gets the next name.
    """
    for number in range(1, 1_000):
        target = wanted if number == 1 else wanted.with_name(f"{wanted.name}-{number}")
        try:
            building.rename(target)
        except OSError:
            if not target.exists():
                raise
        else:
            return target
    raise FileExistsError(f"{wanted} and the names after it are taken")


def _write_json(target: Path, document: Mapping[str, Any]) -> None:
    write_whole(target, (json.dumps(document, indent=2) + "\n").encode())


def _write_parquet(table: pl.DataFrame, target: Path) -> None:
    buffer = io.BytesIO()
    table.write_parquet(buffer)
    write_whole(target, buffer.getvalue())


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one, keyed by dotted path."""
    if not isinstance(value, Mapping) or not value:
        return {prefix: value}
    return {key: leaf for name in value for key, leaf in _flat(value[name], f"{prefix}.{name}".lstrip(".")).items()}


_Inputs = Mapping[str, Sequence[Mapping[str, Any]]]


def _changed_inputs(before: _Inputs, now: _Inputs) -> list[str]:
    """One phrase for each input file that differs."""
    return [
        f"input of {scenario} {_file(old)} there, {_file(new)} here"
        for scenario in {**before, **now}
        for old, new in zip_longest(before.get(scenario, ()), now.get(scenario, ()))
        if old != new
    ]


def _file(facts: Mapping[str, Any] | None) -> str:
    return "missing" if facts is None else f"{facts['name']} ({facts['size']} bytes, SHA-256 {facts['sha256'][:12]}…)"


def _changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """One phrase for each setting that differs."""
    old, new = _flat(before), _flat(now)
    keys = [*old, *(key for key in new if key not in old)]
    return [
        f"{key} {_brief(old, key)} there, {_brief(new, key)} here"
        for key in keys
        if key not in old or key not in new or old[key] != new[key]
    ]


def _brief(settings: Mapping[str, Any], key: str) -> str:
    if key not in settings:
        return "missing"
    text = json.dumps(settings[key])
    return text if len(text) <= 60 else f"{text[:40]}… ({len(settings[key])} items)"
