"""What a role of a learner is: a frozen configuration, a record, the rules it follows, and what a face needs of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pydantic

from lobenv.compiled.choices import check_record, check_rule, name_in
from lobenv.roles.modes import Mode
from lobenv.settings import Frozen, LossLimit, MessageRate, Microseconds, Seconds

PARAMETERS = {  # of a role's rules
    "begin": ("world", "external"),
    "photograph": ("world", "external"),
    "on_report": ("world", "external", "message"),
    "act": ("world", "external", "action"),
    "is_done": ("world", "external"),
    "observe": ("world", "external", "out"),
    "pay": ("world", "external", "ended", "liquidated", "parts"),
    "write_mask": ("world", "external", "mask"),
    "write_state": ("world", "external", "state"),
}
REQUIRED = ("act", "observe", "pay")


class Field(NamedTuple):
    """One column of an observation."""

    name: str
    unit: str
    low: float
    high: float
    meaning: str


class Column(NamedTuple):
    """One column of the exchange's own picture of an external agent: evaluation reads it, the agent never sees it."""

    name: str
    unit: str


class Seat(NamedTuple):
    """What a learner is told of its market before the first instant."""

    tick_size: float  # $ a tick
    interval_s: float  # between two of its decisions [s]
    session_s: float  # length of the part that learners trade in [s]


class Size(NamedTuple):
    """A size that a configuration names, to be held against the money that fits the tables."""

    field: str
    value: float
    shares: float  # that one unit of it can come to in one order or position
    is_position: bool = False


class LearnerConfig(Frozen):
    """Learners of one role.

    Attributes:
        count: How many there are. The first bears the name itself, the others `name_1`, `name_2` …; a learner's name
            keys its random streams, so that one more shifts nobody.
        book: Name of the book traded; empty for the first.
        decision_interval_s: Time between two decisions [s].
        latency: Name of the latency profile of its links.
        computation_us: From decision to sending [us].
        order_rate_per_s: Messages a second that the exchange accepts; 0 for no limit.
        loss_limit: Loss at which the kill switch ends the session [$]; 0 for none.
    """

    count: int = pydantic.Field(default=1, ge=0, le=1_000)
    book: str = ""
    decision_interval_s: Seconds = 0.5
    latency: str = "metro"
    computation_us: Microseconds = 50.0
    order_rate_per_s: MessageRate = 0
    loss_limit: LossLimit = 0.0

    def position_limit(self) -> int:
        """Largest position that the exchange lets a learner build up [shares]; 0 for none."""
        return 0

    def sizes(self) -> Iterator[Size]:
        """Sizes that money has to fit: by default every field in shares, as that of one order."""
        for name in type(self).model_fields:
            if name.endswith("_shares"):
                yield Size(name, getattr(self, name), 1.0)

    def write(self, record: np.ndarray, seat: Seat) -> None:
        """Fill the record of one learner, in place.

        Args:
            record: Of the role's dtype, all zeros.
            seat: What it is told of its market.
        """
        raise NotImplementedError(type(self).__name__)


@dataclass(frozen=True)
class Role:
    """A role: a table, and the rules by which a learner acts, sees, is paid and ends.

    Each rule is a kernel. `external` is the learner's index among the external agents.

    Attributes:
        config: Frozen configuration of its learners; the default of its field `role` is the role's name.
        record: Aligned record of one learner.
        fields: Columns of its observation, in their order.
        modes: Ways to act by name; where there are several, the configuration's field `action` names one.
        act: `act(world, external, action)` carries out an action, (n,) float64.
        observe: `observe(world, external, out)` writes the observation, (F,) float32.
        pay: `pay(world, external, ended, liquidated, parts)` writes the parts of the reward [$] and returns their sum;
            `liquidated` shares were held before the forced liquidation where the session has `ended`.
        parts: Names of the parts of the reward.
        columns: Of the exchange's own picture of a learner.
        begin: `begin(world, external)` brings the record to the market's first instant.
        photograph: `photograph(world, external)` adds to the view captured now what the role sees beyond the book.
        on_report: `on_report(world, external, message)` takes in a report that has just reached the learner.
        is_done: `is_done(world, external)` says at a decision whether the learner's own end has come.
        write_mask: `write_mask(world, external, mask)` says which choices make sense now, (M,) int8.
        write_state: `write_state(world, external, state)` writes the exchange's picture, (S,) float64.

    Raises:
        TypeError: One of them is not what it should be; one line.
    """

    config: type[LearnerConfig]
    record: np.dtype
    fields: tuple[Field, ...]
    modes: Mapping[str, Mode]
    act: Callable[..., Any]
    observe: Callable[..., Any]
    pay: Callable[..., Any]
    parts: tuple[str, ...] = ("pnl",)
    columns: tuple[Column, ...] = ()
    begin: Callable[..., Any] | None = None
    photograph: Callable[..., Any] | None = None
    on_report: Callable[..., Any] | None = None
    is_done: Callable[..., Any] | None = None
    write_mask: Callable[..., Any] | None = None
    write_state: Callable[..., Any] | None = None

    def __post_init__(self) -> None:
        if not (isinstance(self.config, type) and issubclass(self.config, LearnerConfig)):
            raise TypeError(f"config must be a subclass of LearnerConfig, got {self.config!r}")
        name_in(self.config, "role")
        check_record("record", self.record)
        _check_all("fields", self.fields, Field)
        _check_all("modes", tuple(self.modes.values()), Mode)
        for rule, function in {**{name: getattr(self, name) for name in REQUIRED}, **self.rules}.items():
            check_rule(rule, function, PARAMETERS[rule])

    @property
    def name(self) -> str:
        """What scenarios call it."""
        return name_in(self.config, "role")

    @property
    def rules(self) -> dict[str, Callable[..., Any]]:
        """The rules that it has, by name."""
        return {name: rule for name in PARAMETERS if (rule := getattr(self, name)) is not None}

    @property
    def widths(self) -> dict[str, int]:
        """Numbers that one learner needs of each thing that it is shown, and of its action."""
        return {
            "observation": len(self.fields),
            "parts": len(self.parts),
            "state": len(self.columns),
            "mask": max(mode.mask_size for mode in self.modes.values()),
            "action": max(mode.width for mode in self.modes.values()),
        }

    def mode_of(self, config: LearnerConfig) -> Mode:
        """How a learner acts: as its `action` says, in the only way where there is no such setting."""
        return self.modes[getattr(config, "action", next(iter(self.modes)))]


def _check_all(name: str, entries: tuple[object, ...], kind: type) -> None:
    """Refuse an empty list, or one with anything else in it."""
    if not entries or not all(isinstance(entry, kind) for entry in entries):
        raise TypeError(f"{name} must be at least one {kind.__name__}, got {entries!r}")
