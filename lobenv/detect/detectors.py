"""Every detector in one table: those of this package, and those that others register."""

from __future__ import annotations

from lobenv.compiled.choices import outside_number
from lobenv.detect import liquidity_shock, quote_stuffing
from lobenv.detect.base import DetectorConfig, DetectorKind
from lobenv.registry import Registry

BUILT_IN = (liquidity_shock.KIND, quote_stuffing.KIND)
_NUMBERS = {kind.name: number for number, kind in enumerate(BUILT_IN, 1)}


def _check(name: str, entry: object) -> None:
    if not isinstance(entry, DetectorKind):
        raise TypeError(f"it must be a DetectorKind, got {entry!r}")
    if entry.name != name:
        raise ValueError(f"its configuration calls it {entry.name!r}")


DETECTORS: Registry[DetectorKind] = Registry(
    "detector", "lobenv.detectors", {kind.name: kind for kind in BUILT_IN}, _check
)


def available() -> dict[str, DetectorKind]:
    """Every detector there is, by name.

    Raises:
        RegistrationError: A package names one that cannot be loaded or added.
    """
    return DETECTORS.entries()


def find(name: object) -> DetectorKind:
    """The detector of a name.

    Raises:
        ValueError: There is none; what the name must be, and what was perhaps meant.
    """
    try:
        return DETECTORS.find(name)
    except ValueError as error:
        raise ValueError(f"detector {error}") from None


def kind_of(config: DetectorConfig) -> DetectorKind:
    """The detector that a configuration is of.

    Raises:
        ValueError: There is none of its name, or it is another's.
    """
    kind = find(getattr(config, "detector", None))
    if type(config) is not kind.config:
        raise ValueError(f"detector {kind.name} is configured by {kind.config.__name__}, got {type(config).__name__}")
    return kind


def number_of(name: str) -> int:
    """What stands for a detector in its alerts: the same whatever other detectors are registered."""
    return _NUMBERS[name] if name in _NUMBERS else outside_number(name)
