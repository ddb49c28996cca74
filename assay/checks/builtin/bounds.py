"""Base class of checks with a lower and an upper bound, both inclusive."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from assay.checks.check import OutputCheck, joint_error

Number = Annotated[int | float, Field(description="a number")]


class BoundedCheck(OutputCheck):
    """A check with `min` and `max`, at least one of which is given; a missing one means no limit."""

    any_of: ClassVar[tuple[str, ...]] = ("min", "max")

    min: Number = -math.inf
    max: Number = math.inf

    @property
    def range(self) -> str:
        """The given bounds as text."""
        if "min" not in self.model_fields_set:
            return f"at most {self.max}"
        return f"{self.min} to {self.max}" if "max" in self.model_fields_set else f"at least {self.min}"

    @model_validator(mode="after")
    def _is_in_order(self) -> Self:
        if {"min", "max"} <= self.model_fields_set and self.min > self.max:
            raise joint_error(f"expected min to be at most max, found min {self.min} and max {self.max}")
        return self
