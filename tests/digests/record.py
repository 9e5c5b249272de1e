"""Puts the digests of all runs on record: python -m tests.digests.record [RUN ...], by default every run.

A path that changes is a change that users see: it needs a reason, in changed.json and in the changelog. Digests of
recorded days that are not there (LOBENV_DATA) stay as they are.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.digests.runs import Digests, constructed, replayed, runs
from tests.scenario.recorded_day import write_day

RECORDED = Path(__file__).with_name("recorded.json")
CONSTRUCTED = tuple(name for name, _ in constructed(Path()))


def recorded() -> dict[str, Digests]:
    """Name of each run to the digests that are on record."""
    return json.loads(RECORDED.read_text(encoding="utf-8"))


def recorded_day() -> Path | None:
    """Folder of the real recorded days, where there is one."""
    folder = os.environ.get("LOBENV_DATA")
    return Path(folder) / "lobster" if folder else None


def wrong(name: str, found: Digests, known: Mapping[str, Digests]) -> str:
    """What differs between a run and what is on record, a line for each part; empty where nothing does."""
    expected = known.get(name, {})
    return "\n".join(
        f"{name}, {part}: on record {expected.get(part)}, now {found.get(part)}"
        for part in {**expected, **found}
        if expected.get(part) != found.get(part)
    )


def main(wanted: Sequence[str]) -> int:
    """Run what is wanted, or all there is, say what changed, and put it on record; 2 for a name that is none."""
    known, day = recorded(), recorded_day()
    with tempfile.TemporaryDirectory() as folder:
        every = dict(runs()) | dict(constructed(write_day(Path(folder))))
        every |= dict(replayed(day, "AMZN", "AMZN/")) if day else {}
        unknown = [name for name in wanted if name not in every]
        if unknown:
            print(f"error: no run is called {unknown[0]}; there are {', '.join(every)}", file=sys.stderr)
            return 2
        for name in wanted or every:
            found = every[name]()
            print(wrong(name, found, known) or f"{name}: as before", flush=True)
            known[name] = found
    RECORDED.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
