"""Which files of recorded order flow a scenario replays, and by what they can be known again."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from lobenv.scenario.config import Replay, Scenario
from lobenv.scenario.problems import ScenarioError
from lobenv.tape.lobster_day import LobsterName

ADVICE = (
    "LOBSTER (lobsterdata.com) offers sample files: unpack the message and orderbook file of a day into a folder and "
    "name it by --data DIR (replay.data)"
)
OTHER_NAMES = "files of other names are named by replay.messages and replay.orderbook"
READ_AT_ONCE = 2**20  # bytes
HASHES_KEPT = 64


class RecordedFiles(NamedTuple):
    """The two files of a recorded day."""

    messages: Path
    orderbook: Path


class InputFile(NamedTuple):
    """A file that figures depend on."""

    name: str  # without its folder
    size: int  # [bytes]
    sha256: str  # of its bytes, hexadecimal


def input_files(scenario: Scenario) -> tuple[InputFile, ...]:
    """What a scenario reads besides its configuration: the files of the recorded day; none without `replay`.

    A file is hashed once a process, and again after it has changed.

    Raises:
        ScenarioError: The files are not named, not there, or there are several to choose from.
    """
    if scenario.replay is None:
        return ()
    return tuple(_known_again(path) for path in recorded_files(scenario))


def recorded_files(scenario: Scenario) -> RecordedFiles:
    """Message and orderbook file of the day that a scenario replays, with the most levels there are.

    Raises:
        ScenarioError: There are none, or several symbols, days or hours to choose from.
    """
    replay = scenario.replay
    if replay is None:
        raise ScenarioError(f"replay: scenario {scenario.name} has none; {ADVICE}")
    if replay.messages:
        return _named_files(replay)
    place = Path(replay.data)
    if not replay.data:
        raise ScenarioError(f"replay.data: no recorded day is named; {ADVICE}")
    if not place.exists():
        raise ScenarioError(f"replay.data: {place} does not exist; {ADVICE}")
    pairs = _pairs(place)
    if not pairs:
        raise ScenarioError(
            f"replay.data: {place} holds no pair of message and orderbook file ({OTHER_NAMES}); {ADVICE}"
        )
    for field, wanted in (("symbol", replay.symbol), ("date", replay.date)):
        pairs = _chosen(pairs, field, wanted, place)
    most = max(name.levels for name, _ in pairs)
    deepest = [files for name, files in pairs if name.levels == most]
    if len(deepest) > 1:
        names = ", ".join(files.messages.name for files in deepest)
        raise ScenarioError(f"replay.data: must name one message file, not {place}, which holds {names}")
    return deepest[0]


_Pairs = list[tuple[LobsterName, RecordedFiles]]


def _named_files(replay: Replay) -> RecordedFiles:
    for field in ("messages", "orderbook"):
        if not Path(getattr(replay, field)).is_file():
            raise ScenarioError(f"replay.{field}: {getattr(replay, field)}: no such file; {ADVICE}")
    return RecordedFiles(Path(replay.messages), Path(replay.orderbook))


def _pairs(place: Path) -> _Pairs:
    """Message files that have an orderbook file beside them, with what their names say."""
    pairs = []
    for messages in sorted(place.glob("*_message_*")) if place.is_dir() else [place]:
        name = LobsterName.parse(messages)
        book = messages.with_name(messages.name.replace("_message_", "_orderbook_"))
        if name is not None and book != messages and book.is_file():
            pairs.append((name, RecordedFiles(messages, book)))
    return pairs


def _chosen(pairs: _Pairs, field: str, wanted: str, place: Path) -> _Pairs:
    """The pairs of one symbol or date: the wanted one, or the only one there is."""
    there = sorted({getattr(name, field) for name, _ in pairs})
    if wanted and wanted not in there:
        raise ScenarioError(f"replay.{field}: {wanted!r} is not in {place}, there are {', '.join(there)}")
    if not wanted and len(there) > 1:
        raise ScenarioError(f"replay.{field}: must be one of {', '.join(there)}, which are in {place}")
    return [(name, files) for name, files in pairs if getattr(name, field) == (wanted or there[0])]


def _known_again(path: Path) -> InputFile:
    status = path.stat()
    return InputFile(path.name, status.st_size, _hash_of(path.resolve(), status.st_mtime_ns, status.st_size))


@lru_cache(maxsize=HASHES_KEPT)
def _hash_of(path: Path, changed_ns: int, size: int) -> str:  # noqa: ARG001 (a file that has changed is read anew)
    sink = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(READ_AT_ONCE):
            sink.update(chunk)
    return sink.hexdigest()
