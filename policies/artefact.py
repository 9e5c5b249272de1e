"""Learned policies as folders of plain data: where they are found, how they are read and written.

    <folder>/policy.json       `sidecar.Sidecar`: all that is needed to run it and to judge it
             MODEL_CARD.md     the same for people
             ...               what else the family needs, such as the weights of a network

Nothing here is executed: the sidecar is JSON that is validated field by field, and no pickle is read.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Literal, TypeVar, overload

from pydantic import ValidationError

from lobenv.validation import describe
from policies.base import MarketSpec
from policies.sidecar import SIDECARS, Family, NetworkSidecar, RuleSidecar, Sidecar, TreeSidecar

SIDECAR, CARD = "policy.json", "MODEL_CARD.md"
DIGEST_BYTES = 16
ZOO = Path(__file__).parent / "zoo"  # <name>/<family>/
BY_SCENARIO = "zoo"  # the name that stands for the zoo's policy of the scenario at hand
FOR_ANY_SCENARIO = "all"  # the policy it falls back on
SWITCH = "RL_POLICY_ENABLED"
SWITCHED_FAMILIES = ("ppo", "gp")
SWITCHED_OFF = ("0", "false", "no", "off")


class ArtefactError(ValueError):
    """A learned policy cannot be had; one line naming the file and what is wrong with it."""


# ------------------------------------------------------------ reading and writing


@overload
def read_sidecar(folder: Path, family: Literal["ppo"]) -> NetworkSidecar: ...
@overload
def read_sidecar(folder: Path, family: Literal["gp"]) -> TreeSidecar: ...
@overload
def read_sidecar(folder: Path, family: Literal["tuned"]) -> RuleSidecar: ...
@overload
def read_sidecar(folder: Path, family: Family) -> Sidecar: ...
def read_sidecar(folder: Path, family: Family) -> Sidecar:
    """Read and check the sidecar in a folder.

    Raises:
        ArtefactError: there is none, or it is not one of that family.
    """
    path = folder / SIDECAR
    text = read_bytes(path)
    try:
        sidecar = SIDECARS[family].model_validate_json(text, strict=True)
    except ValidationError as error:
        if error.errors()[0]["type"] == "json_invalid":
            raise ArtefactError(f"{path}: not valid JSON") from None
        values = json.loads(text)
        _refuse_outdated(path, values)
        raise ArtefactError(describe(error, SIDECARS[family], [(str(path), values)])) from None
    if sidecar.digest != _sealed(sidecar, sidecar.files).digest:
        raise ArtefactError(f"{path}: was altered after it was written: its digest is not that of its content")
    return sidecar


def _refuse_outdated(path: Path, values: object) -> None:
    if isinstance(values, dict) and values.get("format") == 1:
        raise ArtefactError(
            f"{path}: is a sidecar of format 1; this version reads format 2: write it anew by the command in its "
            "training.command"
        )


def read_file(folder: Path, name: str, sidecar: Sidecar) -> bytes:
    """The content of a file of an artefact, held to the digest that its sidecar has of it.

    Raises:
        ArtefactError: It cannot be read, or was altered.
    """
    path = folder / name
    content = read_bytes(path)
    if _digest(content) != sidecar.files.get(name):
        raise ArtefactError(f"{path}: was altered after it was written: its digest is not the one in {SIDECAR}")
    return content


def read_files(folder: Path, sidecar: Sidecar) -> dict[str, bytes]:
    """Name to content of every file that an artefact has beside its sidecar and its card.

    Raises:
        ArtefactError: As `read_file`.
    """
    return {name: read_file(folder, name, sidecar) for name in sidecar.files}


S = TypeVar("S", bound=Sidecar)


def _sealed(sidecar: S, files: Mapping[str, str]) -> S:
    """The sidecar with the digests of the files that belong to it, and its own."""
    whole = sidecar.model_copy(update={"files": dict(files), "digest": ""})
    return whole.model_copy(update={"digest": _digest(whole.model_dump_json().encode())})


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=DIGEST_BYTES).hexdigest()


def read_bytes(path: Path) -> bytes:
    """The content of a file.

    Raises:
        ArtefactError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise ArtefactError(f"{path}: cannot be read: {error.strerror}") from None


def write_artefact(folder: Path, sidecar: Sidecar, card: str, files: Mapping[str, bytes] | None = None) -> Path:
    """Write a learned policy as a folder that is either whole or not there; one that was there is replaced.

    Args:
        folder: What it is to be called.
        sidecar: Of a family.
        card: Content of the model card.
        files: Plain name to content of what else belongs to it.

    Returns:
        The folder.

    Raises:
        ValueError: a file has no plain name, or the name of the sidecar or the card.
    """
    files = files or {}
    for name in files:
        if name in {"", "..", SIDECAR, CARD} or Path(name).name != name:
            raise ValueError(f"files must have plain names other than {SIDECAR} and {CARD}, got {name!r}")
    sealed = _sealed(sidecar, {name: _digest(content) for name, content in files.items()})
    contents = {SIDECAR: (sealed.model_dump_json(indent=2) + "\n").encode(), CARD: card.encode()}
    folder.parent.mkdir(parents=True, exist_ok=True)
    building = folder.with_name(f".{uuid.uuid4().hex}")
    try:
        building.mkdir()
        for name, content in {**contents, **files}.items():
            _write_through(building / name, content)
        _put_in_place(building, folder)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return folder


def _write_through(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _put_in_place(building: Path, folder: Path) -> None:
    """Rename a finished folder to its name; a folder of that name goes once the new one has it."""
    if not folder.exists():
        building.rename(folder)
        return
    previous = folder.with_name(f"{building.name}.previous")
    folder.rename(previous)
    building.rename(folder)
    shutil.rmtree(previous)


# ------------------------------------------------------------ finding


def zoo(family: Family) -> dict[str, Path]:
    """Name to folder of every policy of a family that is shipped."""
    return {folder.parent.name: folder for folder in sorted(ZOO.glob(f"*/{family}"))}


def find(family: Family, name: str, market: MarketSpec | None = None) -> Path:
    """The folder of a learned policy.

    Args:
        family: Its address family.
        name: Name in the zoo; `zoo` for the one trained on the very scenario at hand, else the one called `all`; or the
            path of a folder, which contains a separator or begins with a dot.
        market: The scenario at hand, which only the name `zoo` asks for.

    Raises:
        ArtefactError: there is no such policy, or RL_POLICY_ENABLED switches its family off.
    """
    if name.startswith(".") or any(separator in name for separator in (os.sep, os.altsep) if separator):
        folder = _expanded(name)
    else:
        folder = _in_zoo(family, name, market)
    if not _is_file(folder / SIDECAR):
        raise ArtefactError(f"{folder / SIDECAR}: no such file{_known(family)}")
    _refuse_if_switched_off(family, folder)
    return folder


def _expanded(name: str) -> Path:
    try:
        return Path(name).expanduser()
    except RuntimeError as error:
        raise ArtefactError(f"{name}: no such folder: {error}") from None


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # such as a name that is too long
        return False


def _in_zoo(family: Family, name: str, market: MarketSpec | None) -> Path:
    shipped = zoo(family)
    if name == BY_SCENARIO:
        for folder in shipped.values() if market is not None else ():
            if market is not None and _trained_on(folder, family) == {market.scenario_hash}:
                return folder
        name = FOR_ANY_SCENARIO
    return ZOO / name / family


def _trained_on(folder: Path, family: Family) -> set[str]:
    """Hashes of the scenarios that a policy was trained on; none of a broken one, which need not concern the others."""
    try:
        return {scenario.hash for scenario in read_sidecar(folder, family).scenarios}
    except ArtefactError:
        return set()


def _known(family: Family) -> str:
    names = zoo(family)
    return f"; the zoo has {', '.join(f'{family}:{name}' for name in names)}" if names else ""


def _refuse_if_switched_off(family: Family, folder: Path) -> None:
    value = os.environ.get(SWITCH, "")
    if family in SWITCHED_FAMILIES and value.strip().lower() in SWITCHED_OFF:
        raise ArtefactError(f"{folder / SIDECAR}: not loaded, as {SWITCH}={value} switches {family} policies off")


P = TypeVar("P")
Build = Callable[[Path, MarketSpec, str], P]  # folder, market, address under which it was asked for


def prepare(family: Family, build: Build[P], name: str, parameters: Mapping[str, object]) -> Callable[[MarketSpec], P]:
    """Check what can be checked of a learned policy's address before its market is known.

    Args:
        family: Address family.
        build: Makes the policy of an artefact's folder.
        name: As in `find`.
        parameters: Of the address; a learned policy takes none.

    Returns:
        What builds the policy for a market.

    Raises:
        ValueError: the address has no name, or parameters.
        ArtefactError: as `find`.
    """
    if parameters:
        raise ValueError(f"{family} policies take no parameters, got {next(iter(parameters))!r}")
    if not name:
        raise ValueError(f"name must be one of {', '.join([BY_SCENARIO, *zoo(family)])} or a folder's path, got ''")
    if name != BY_SCENARIO:
        find(family, name)
    return partial(_build, family, build, name)


def _build(family: Family, build: Build[P], name: str, market: MarketSpec) -> P:
    return build(find(family, name, market), market, f"{family}:{name}")
