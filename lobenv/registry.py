"""Things that are chosen by name, and how another package adds its own: by a call, or by an entry point."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar

E = TypeVar("E")

OWN = "lobenv"


class RegistrationError(RuntimeError):
    """Something cannot be added; one line naming it, the package it comes from, and why."""


class Registry(Generic[E]):
    """Name to entry: what is built in, in its order, then what others add, by name.

    Entry points are loaded when somebody first looks, not when the registry is made.
    """

    def __init__(
        self, noun: str, group: str, built_in: Mapping[str, E], check: Callable[[str, object], None] | None = None
    ) -> None:
        """Begin with what is built in.

        Args:
            noun: What an entry is, for errors.
            group: Entry-point group in which packages name theirs.
            built_in: Name to entry.
            check: Raises a TypeError or ValueError about an entry that is not what it should be.
        """
        self._noun, self._group, self._check = noun, group, check
        self._built_in = tuple(built_in)
        self._entries: dict[str, E] = dict(built_in)
        self._origins = dict.fromkeys(built_in, OWN)
        self._is_loaded = False
        self._closed = ""

    def add(self, name: str, entry: E, origin: str) -> None:
        """Add an entry. The same one again changes nothing.

        Args:
            name: What it is chosen by.
            entry: It.
            origin: Package or module that it comes from.

        Raises:
            RegistrationError: The name is taken, the entry is not what it should be, or it is too late.
        """
        if name in self._entries and self._entries[name] == entry:
            return
        self._refuse_if(name in self._entries, name, origin, f"{self._origins.get(name)} has one of that name already")
        self._refuse_if(bool(self._closed), name, origin, self._closed)
        try:
            if self._check is not None:
                self._check(name, entry)
        except (TypeError, ValueError) as error:
            self._refuse_if(True, name, origin, str(error))
        self._entries[name], self._origins[name] = entry, origin

    def entries(self) -> dict[str, E]:
        """Everything there is.

        Raises:
            RegistrationError: An entry point cannot be loaded or added.
        """
        self._load()
        names = (*self._built_in, *sorted(self._entries.keys() - set(self._built_in)))
        return {name: self._entries[name] for name in names}

    def find(self, name: object) -> E:
        """The entry of a name.

        Raises:
            ValueError: There is none; what the name must be, and what was perhaps meant.
        """
        self._load()
        if not isinstance(name, str) or name not in self._entries:
            names = self.entries()
            raise ValueError(f"must be one of {', '.join(names)}, got {name!r}{did_you_mean(name, names)}")
        return self._entries[name]

    def close(self, reason: str) -> None:
        """Refuse every further entry, for a reason."""
        self._load()
        self._closed = reason

    def _load(self) -> None:
        """Add what entry points name, the first time."""
        if self._is_loaded:
            return
        self._is_loaded = True  # an entry point may ask while it is loaded
        try:
            for point in sorted(entry_points(group=self._group)):
                self._add_point(point)
        except BaseException:
            self._is_loaded = False
            raise

    def _add_point(self, point: EntryPoint) -> None:
        origin = point.dist.name if point.dist is not None else point.module
        try:
            entry = point.load()
        except Exception as error:
            text = " ".join(str(error).split())
            why = f"entry point {point.value} cannot be loaded: {type(error).__name__}: {text}"
            raise RegistrationError(self._line(point.name, origin, why)) from error
        self.add(point.name, entry, origin)

    def _refuse_if(self, is_wrong: bool, name: str, origin: str, why: str) -> None:
        if is_wrong:
            raise RegistrationError(self._line(name, origin, why)) from None

    def _line(self, name: str, origin: str, why: str) -> str:
        return f"{self._noun} {name!r} of {origin} cannot be added: {why}"


def did_you_mean(word: object, allowed: Iterable[str]) -> str:
    """The end of a message about a word that is not allowed: the allowed one nearest to it, if one is near."""
    close = difflib.get_close_matches(str(word), list(allowed), 1)
    return f", did you mean {close[0]}?" if close else ""
