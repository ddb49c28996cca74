"""Base class of the blocks of `task.yml`, and the types of scalar values."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from assay.bounds import MOST_USD

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
Share = Annotated[float, Field(ge=0, le=1)]
Usd = Annotated[float, Field(ge=0, le=MOST_USD)]
PositiveUsd = Annotated[float, Field(gt=0, le=MOST_USD)]
Lifetime = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,4} (minutes|hours|days)$")]
SECONDS_IN = {"minutes": 60.0, "hours": 3600.0, "days": 86_400.0}


class Block(BaseModel):
    """A block of `task.yml`: immutable; unknown keys are rejected."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def lifetime_s(lifetime: str) -> float:
    """A lifetime such as `12 hours`, in seconds."""
    count, unit = lifetime.split()
    return int(count) * SECONDS_IN[unit]
