"""Keeps machine code on disk, in a folder of our own: what is damaged is made anew, and what cannot be kept is said.

The cache never decides whether a market runs, or which: a file is taken only if it bears our mark and its own digest,
and everything that goes wrong with the disk costs one line on stderr and the time to compile again.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from pathlib import Path

OWN_FOLDER = "lobenv-kernels"
SUFFIX = ".lobenv-kernel"
MARK = b"lobenv machine code 1\n"
DIGEST_BYTES = 16
KEPT_FILES = 12  # the oldest of ours beyond these are removed, so that the cache does not grow with every edit


def folder() -> Path:
    """Where machine code is kept: below `LOBENV_CACHE_DIR`, the user's cache folder, or in a temporary one."""
    return next((place for place in _candidates() if _is_writable(place)), _candidates()[-1])


def _candidates() -> list[Path]:
    chosen = os.environ.get("LOBENV_CACHE_DIR")
    own = Path(tempfile.gettempdir()) / f"{OWN_FOLDER}-{os.getuid() if hasattr(os, 'getuid') else 'user'}"
    try:
        base = Path(chosen or os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    except RuntimeError:  # nobody knows where the home is
        return [own]
    return [base.absolute() / OWN_FOLDER, own]


def _is_writable(place: Path) -> bool:
    """Whether files can be made there; the folder is made if need be. A folder of somebody else's is not ours."""
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        if hasattr(os, "getuid") and place.stat().st_uid != os.getuid():
            return False
        with tempfile.TemporaryFile(dir=place):
            return True
    except OSError:
        return False


def read(name: str) -> bytes | None:
    """What was kept under a name, or None where there is nothing, or nothing whole."""
    for place in _candidates():
        try:
            content = (place / (name + SUFFIX)).read_bytes()
        except OSError:
            continue
        body = content[len(MARK) + DIGEST_BYTES :]
        if content.startswith(MARK) and content[len(MARK) : len(MARK) + DIGEST_BYTES] == _digest(body):
            return body
        tell(f"{place / (name + SUFFIX)} is damaged and will be made anew")
    return None


def write(name: str, body: bytes) -> None:
    """Keep something under a name, whole or not at all."""
    place = folder()
    file = place / (name + SUFFIX)
    part = file.with_suffix(f".{os.getpid()}.part")
    try:
        part.write_bytes(MARK + _digest(body) + body)
        part.replace(file)
    except OSError as error:
        _remove(part)
        tell(f"machine code cannot be kept in {place} ({error.strerror}): the next start compiles again")
        return
    _remove_old(place)


def _remove_old(place: Path) -> None:
    """Remove the oldest files that bear our name and our mark; nothing else in the folder is touched."""
    try:
        files = sorted(place.glob(f"*{SUFFIX}"), key=lambda file: file.stat().st_mtime, reverse=True)
        for file in files[KEPT_FILES:]:
            with file.open("rb") as content:
                is_ours = content.read(len(MARK)) == MARK
            if is_ours:
                file.unlink()
    except OSError:
        return  # another process was faster


def _remove(file: Path) -> None:
    try:
        file.unlink(missing_ok=True)
    except OSError:
        return


def _digest(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=DIGEST_BYTES).digest()


def tell(text: str) -> None:
    """Say something on stderr, in one line."""
    print(f"lobenv: {text}", file=sys.stderr, flush=True)
