"""Functions that are made from their text: they can be read, and a traceback shows their lines."""

from __future__ import annotations

import linecache
from typing import Any


def define(text: str, file: str, names: dict[str, Any]) -> None:
    """Carry out the text of functions.

    Args:
        text: Their definitions.
        file: What a traceback calls the place.
        names: What they refer to; the functions are added to it.
    """
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    exec(compile(text, file, "exec"), names)
