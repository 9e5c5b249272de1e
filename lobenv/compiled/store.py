"""Keeps machine code on disk, in a folder of our own: what is damaged is made anew, and what cannot be kept is said.

The cache never decides whether a market runs, or which: a file is taken only if nobody else can have put it there and
it bears our mark and its own digest, and everything that goes wrong with the disk costs one line on stderr and the
time to compile again.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

OWN_FOLDER = "lobenv-kernels"
SUFFIX = ".lobenv-kernel"
PART = ".lobenv-part"  # a file that is being written
MARK = b"lobenv machine code 2\n"
DIGEST_BYTES = 16
KEPT_BYTES = 256 * 2**20  # beyond these the files longest unused are removed: a market has about 13 MB
FORSAKEN_S = 3_600.0  # after this nobody is writing a part any more


def read(name: str) -> bytes | None:
    """What was kept under a name, or None where there is nothing, or nothing whole."""
    for place in _places():
        content = _content(place, name)
        if content is None:
            continue
        file = place / (name + SUFFIX)
        body = content[len(MARK) + DIGEST_BYTES :]
        if content.startswith(MARK) and content[len(MARK) : len(MARK) + DIGEST_BYTES] == _digest(name, body):
            with suppress(OSError):
                os.utime(file)  # the files longest unused are the first to go
            return body
        tell(f"{file} is damaged and not used")
    return None


def write(name: str, body: bytes) -> None:
    """Keep something under a name, whole or not at all; in a temporary folder where the user's cannot be written."""
    refused = []
    for place in _places():
        try:
            _write(place, name, body)
        except OSError as error:
            refused.append(f"not in {place} ({error.strerror})")
            continue
        if place == _temporary():
            tell(f"machine code is kept in {place}, {'; '.join(refused) or 'as nobody knows the home folder'}")
        _remove_old(place)
        return
    tell(f"machine code is not kept, so that the next start compiles again: {'; '.join(refused) or 'no folder'}")


def _places() -> list[Path]:
    """Folders in the order they are tried: below `LOBENV_CACHE_DIR` or the user's cache, then a temporary one."""
    places = []
    base = os.environ.get("LOBENV_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    with suppress(RuntimeError, OSError):  # nobody knows where the home is, or the working folder is gone
        places.append(Path(base).expanduser().absolute() / OWN_FOLDER)
    temporary = _temporary()
    return [*places, temporary] if temporary else places


def _temporary() -> Path | None:
    with suppress(OSError):  # no temporary folder on this machine
        return Path(tempfile.gettempdir()) / f"{OWN_FOLDER}-{os.geteuid() if hasattr(os, 'geteuid') else 'user'}"
    return None


def _content(place: Path, name: str) -> bytes | None:
    """The file of a name, if nobody but this user or the machine's administrator can have written it."""
    try:
        if not _is_private(place):
            return None
        with (place / (name + SUFFIX)).open("rb") as file:
            return file.read() if _is_trusted(os.fstat(file.fileno())) else None
    except OSError:
        return None


def _is_private(place: Path) -> bool:
    """Whether a folder is ours alone. What is kept is unpickled, so a folder that others can write in is a way in."""
    link, folder = place.lstat(), place.stat()
    return _is_owned(link) and _is_trusted(folder) and stat.S_ISDIR(folder.st_mode)


def _is_trusted(status: os.stat_result) -> bool:
    """Whether nobody else can have changed it; other systems than Unix keep folders of users apart by themselves."""
    return not hasattr(os, "geteuid") or (_is_owned(status) and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH))


def _is_owned(status: os.stat_result) -> bool:
    return not hasattr(os, "geteuid") or status.st_uid in (0, os.geteuid())


def _write(place: Path, name: str, body: bytes) -> None:
    """Keep something in a folder, which is made if need be.

    Raises:
        OSError: It cannot be written there, or the folder is not ours alone.
    """
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not _is_private(place):
        raise PermissionError(errno.EPERM, "it belongs to somebody else, or others can write in it")
    descriptor, part = tempfile.mkstemp(suffix=PART, prefix=name, dir=place)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(MARK + _digest(name, body) + body)
        Path(part).replace(place / (name + SUFFIX))
    except BaseException:
        with suppress(OSError):
            Path(part).unlink()
        raise


def _remove_old(place: Path) -> None:
    """Remove what was not used for longest, and parts that nobody finished; only what bears our name and our mark."""
    with suppress(OSError):  # the folder is gone
        kept = 0
        for file in _by_last_use(place, SUFFIX):
            kept += _bytes_of(file)
            if kept > KEPT_BYTES:
                _remove_ours(file)
        for part in _by_last_use(place, PART):
            if time.time() - _last_use(part) > FORSAKEN_S:
                _remove_ours(part)


def _by_last_use(place: Path, suffix: str) -> list[Path]:
    return sorted(place.glob(f"*{suffix}"), key=_last_use, reverse=True)


def _last_use(file: Path) -> float:
    with suppress(OSError):  # another process has removed it
        return file.stat().st_mtime
    return 0.0


def _bytes_of(file: Path) -> int:
    with suppress(OSError):
        return file.stat().st_size
    return 0


def _remove_ours(file: Path) -> None:
    with suppress(OSError):
        with file.open("rb") as content:
            is_ours = MARK.startswith(content.read(len(MARK)))  # of a part there may be less
        if is_ours:
            file.unlink()


def _digest(name: str, body: bytes) -> bytes:
    """Of the name too, so that a file that was renamed is not another kernel."""
    return hashlib.blake2b(name.encode() + b"\n" + body, digest_size=DIGEST_BYTES).digest()


def tell(text: str) -> None:
    """Say something on stderr, in one line; where there is no stderr, to nobody."""
    with suppress(OSError, ValueError):
        if sys.stderr is not None:
            print(f"lobenv: {text}", file=sys.stderr, flush=True)
