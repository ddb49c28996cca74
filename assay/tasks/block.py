"""Base class of the blocks of `task.yml`, and the types of scalar values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
Share = Annotated[float, Field(ge=0, le=1)]
Lifetime = Annotated[str, Field(pattern=r"^[1-9]\d{0,4} (minutes|hours|days)$")]
SECONDS_IN = {"minutes": 60.0, "hours": 3600.0, "days": 86_400.0}


class Block(BaseModel):
    """A block of `task.yml`: immutable; unknown keys are rejected."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class LocatedError(ValueError):
    """An error of a validator of a whole block: each part has the path of its value in the block, and a message."""

    def __init__(self, *found: tuple[tuple[str | int, ...], str]) -> None:
        super().__init__("; ".join(message for _, message in found))
        self.found = found


def refuse_repeated(names: Sequence[str], paths: Sequence[tuple[str | int, ...]], what: str) -> None:
    """Checks that no name occurs twice.

    Raises:
        LocatedError: a name does; the path is that of each occurrence after the first.
    """
    repeated = [index for index, name in enumerate(names) if name in names[:index]]
    if repeated:
        raise LocatedError(*((paths[index], f"duplicate {what}: {names[index]!r}") for index in repeated))


def lifetime_s(lifetime: str) -> float:
    """A lifetime such as `12 hours`, in seconds."""
    count, unit = lifetime.split()
    return int(count) * SECONDS_IN[unit]
