"""Writes a file whole or not at all: whatever stops the program, what was there stays, nothing unfinished is left."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

UNFINISHED = ".*.tmp"  # what a program that is killed while it writes may leave


def write_whole(target: Path, content: bytes | memoryview) -> None:
    """Write a file under a temporary name and give it its own once it is on the disk; its folder is made if missing.

    Raises:
        OSError: It cannot be written, because the disk is full for instance; names the file.
    """
    target.parent.mkdir(exist_ok=True)
    unfinished = target.with_name(f".{uuid.uuid4().hex}.tmp")
    try:
        with unfinished.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(target)
    except BaseException as error:
        unfinished.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise OSError(error.errno, error.strerror, str(target)) from error
        raise


def remove_unfinished(folder: Path) -> None:
    """Remove what a program that was killed left unfinished in a folder and those below it."""
    for file in folder.rglob(UNFINISHED):
        file.unlink(missing_ok=True)
