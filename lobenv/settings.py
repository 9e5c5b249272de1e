"""What every room of the package uses: frozen configuration, what its numbers may be, and one spelling of a second."""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass
from typing import Annotated, Any, NoReturn, Self, TypeVar, cast, get_args

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, PydanticKnownError, core_schema

SECOND = 1_000_000_000  # ns
LARGEST_SEED = 2**64 - 1
LONGEST_VALUE = 60  # characters of a value that a message repeats

Key = TypeVar("Key")
Value = TypeVar("Value")


# What a number may be. The least is what still means something once it is rounded to the tables' nanoseconds, ticks and
# shares; the most leaves room in int32 ticks and shares and in int64 nanoseconds for what is drawn from it or added up.
@dataclass(frozen=True)
class ZeroOrAtLeast:
    """Marks a number that may be 0, which switches something off, but not so near to it that it is rounded to 0.

    Attributes:
        least: Smallest size apart from 0.
    """

    least: float

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def _check(self, value: float) -> float:
        if value != 0 and abs(value) < self.least:
            raise PydanticCustomError(
                "too_near_zero", "Input should be 0 or at least {least} in size", {"least": self.least}
            )
        return value


Seconds = Annotated[float, Field(ge=1e-6, le=1e6)]
SecondsFromZero = Annotated[float, Field(ge=0, le=1e6)]
SecondsOrNone = Annotated[float, Field(ge=0, le=1e6), ZeroOrAtLeast(1e-6)]
Microseconds = Annotated[float, Field(ge=0, le=60_000_000)]
Share = Annotated[float, Field(ge=0, le=1)]  # of a whole: a fraction or a probability
OrderSize = Annotated[int, Field(ge=1, le=1_000_000)]  # shares
MeanOrderSize = Annotated[float, Field(gt=0, le=1_000_000)]  # shares
PositionLimit = Annotated[int, Field(ge=0, le=1_000_000_000)]  # shares; 0 for none
MessageRate = Annotated[int, Field(ge=0, le=1_000_000)]  # 1/s; 0 for no limit
LossLimit = Annotated[float, Field(ge=0, le=1e12)]  # $; 0 for none
WholeTicks = Annotated[int, Field(ge=0, le=1_000_000)]
Ticks = Annotated[float, Field(ge=0, le=1_000_000)]
SignedTicks = Annotated[float, Field(ge=-1_000_000, le=1_000_000)]


class FrozenDict(dict[Key, Value]):
    """A mapping that cannot be changed, so that what holds it can be hashed."""

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError("configuration cannot be changed: load it anew with overrides")

    __setitem__ = __delitem__ = __ior__ = clear = pop = popitem = setdefault = update = _refuse  # pyright: ignore[reportAssignmentType]

    def __hash__(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        return hash(frozenset(self.items()))

    def __reduce__(self) -> tuple[type[Self], tuple[dict[Key, Value]]]:
        return type(self), (dict(self),)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        key, value = get_args(source)
        return core_schema.no_info_after_validator_function(cls, handler(dict[key, value]))


def _guarded(schema: Any, model: type[BaseModel]) -> Any:
    """The schema of a model in which numbers take no yes or no; the models inside it guard themselves."""
    if isinstance(schema, list):
        return [_guarded(part, model) for part in schema]
    if not isinstance(schema, dict) or schema.get("cls", model) is not model:
        return schema
    if schema.get("type") in ("int", "float"):
        return core_schema.no_info_before_validator_function(_refuse_boolean, cast("CoreSchema", schema))
    guarded = {
        key: _guarded(schema[key], model) for key in ("schema", "items_schema", "values_schema") if key in schema
    }
    if schema.get("type") == "model-fields":
        guarded["fields"] = {name: _guarded(field, model) for name, field in schema["fields"].items()}
    return {**schema, **guarded}


def _refuse_boolean(value: Any) -> Any:
    if isinstance(value, bool | np.bool_):
        raise PydanticKnownError("float_type")
    return value


class Frozen(BaseModel):
    """A configuration: immutable; an unknown key is an error, and so is a yes or no in the place of a number."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return _guarded(handler(source), cls)


def shortened(value: Any) -> str:
    """A value as a message repeats it: in one line, and no longer than can be read."""
    try:
        text = repr(value)
    except ValueError:  # Python prints no integer of more than 4,300 digits
        text = f"an integer of {value.bit_length()} bits" if isinstance(value, int) else type(value).__name__
    text = " ".join(text.split())
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…"


def seed_of(value: Any, name: str = "seed") -> int:
    """A market's seed, checked.

    Args:
        value: What was given for it.
        name: What the message calls it.

    Raises:
        ValueError: It is not a whole number from 0 to 2^64 - 1.
    """
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not whole or not 0 <= value <= LARGEST_SEED:
        raise ValueError(f"{name} must lie in 0 … 2^64 - 1 and be a whole number, got {shortened(value)}")
    return int(value)


def whole(name: str, value: object, least: int) -> int:
    """A whole number that an argument has to be, as a Python integer.

    Raises:
        ValueError: It is none, or less than allowed; one line naming argument, value and what is allowed.
    """
    try:
        number = operator.index(value)  # pyright: ignore[reportArgumentType]
    except TypeError:
        number = None
    if number is None or isinstance(value, bool):
        raise ValueError(f"{name} must be a whole number, got {shortened(value)}")
    if number < least:
        raise ValueError(f"{name} must be at least {least}, got {shortened(number)}")
    return number


def finite(name: str, value: object) -> float:
    """A number that an argument has to be, as a Python float.

    Raises:
        TypeError: It is none, or a yes or no; one line naming argument, value and what is allowed.
        ValueError: It is NaN or infinite; the same.
    """
    try:
        if isinstance(value, bool | np.bool_ | str | bytes) or np.ndim(value) != 0:  # pyright: ignore[reportArgumentType]
            raise TypeError
        number = float(value)  # pyright: ignore[reportArgumentType]
    except OverflowError:
        number = math.inf
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a number, got {shortened(value)}") from None
    if not math.isfinite(number):
        raise ValueError(f"{name} must be a finite number, got {shortened(value)}")
    return number
