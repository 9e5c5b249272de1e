"""What every room of the package uses: the frozen configuration class, and one spelling of a second."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

SECOND = 1_000_000_000  # ns


class Frozen(BaseModel):
    """A configuration: immutable, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
