"""Finds the misspelt callbacks and terms of a strategy, which would otherwise change nothing and say nothing."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

CALLBACK = "on_"
NEAR = 0.87  # of 1, about one letter in five: `book` is near to `books`, `order_ids` is not to `order_types`
UNITS = ("_per_s", "_s", "_us", "_shares")


def check_names(cls: type, base: type, terms: tuple[str, ...]) -> None:
    """Refuse a class with what is nearly the name of a callback or of a term.

    Args:
        cls: Subclass of `base`.
        base: Has the callbacks and the terms.
        terms: Names of the terms; attributes that are no functions are held against them.

    Raises:
        TypeError: One line with the name, and the one that was perhaps meant.
    """
    callbacks = tuple(name for name in vars(base) if name.startswith(CALLBACK))
    for name in sorted(set(dir(cls)) - set(dir(base))):
        if name.startswith("_"):
            continue
        is_callback = name.startswith(CALLBACK) or callable(getattr(cls, name))
        allowed = callbacks if is_callback else terms
        meant = _nearest(name, allowed)
        if meant or name.startswith(CALLBACK):
            hint = f", did you mean {meant}?" if meant else ""
            raise TypeError(f"{cls.__name__}: {name!r} is not one of {', '.join(allowed)}{hint}")


def _nearest(name: str, allowed: Iterable[str]) -> str:
    """The allowed name that a name is nearly; empty where there is none."""
    plain = {_plain(word): word for word in allowed}
    short = {_plain(_without_unit(word)): word for word in allowed}
    close = difflib.get_close_matches(_plain(name), plain, 1, NEAR)
    return short.get(_plain(name), "") or (plain[close[0]] if close else "")


def _plain(name: str) -> str:
    """A name as it is compared: `lossLimit` is `loss_limit`."""
    return name.replace("_", "").lower()


def _without_unit(name: str) -> str:
    return next((name.removesuffix(unit) for unit in UNITS if name.endswith(unit)), name)
