"""Base classes of checks: a Pydantic model of the parameters, with a version and a score function."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from assay.checks.output_schema import ANY_TYPE, field_issue, nearest
from assay.checks.scoring import CheckResult, JsonObject, ScoredItem, Scorer, on_output, shown

VERSION_CHARACTERS = 16
JOINT = "joint"
"""Type of an error that concerns several parameters; its message is displayed as it is."""
UNKNOWN = frozenset({"extra_forbidden", "invalid_key"})

# Messages quote the description of a parameter: "expected <description>, found <value>".
FieldPath = Annotated[str, Field(min_length=1, description="the name or dotted path of an output field")]
Flag = Annotated[bool, Field(description="true or false")]
Texts = Annotated[
    list[Annotated[str, Field(min_length=1)]],
    Field(min_length=1, description="a list of strings"),
]


@dataclass(frozen=True, slots=True)
class CheckError:
    """An error in the declaration of a check; `parameter` is None if it concerns several parameters."""

    message: str
    parameter: str | None = None

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True, slots=True)
class ComparedField:
    """The output field that a check compares with the expected value.

    `normalized` returns a value as the check compares it. `of_text` is true if texts of the field are classes, too.
    """

    field: str
    normalized: Callable[[object], object]
    of_text: bool


class Check(BaseModel, ABC):
    """One check with its parameters; equal checks return equal results for equal items.

    A subclass declares its `type`, which is the name in `task.yml`, and its `version`, which increases whenever its
    results change. At least one of the parameters in `any_of` must be given.
    """

    # Built on first use: a command without checks does not spend the 15 ms that all take.
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, defer_build=True)

    type: ClassVar[str]
    version: ClassVar[int]
    any_of: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def scorer(self, task_dir: Path, /) -> Scorer:
        """Returns the score function.

        Raises:
            UsageError: a required file of the task folder cannot be loaded.
        """

    def output_errors(self, _: Mapping[str, Any], /) -> list[CheckError]:
        """Returns why the check scores no output of this JSON schema; empty if it can score one."""
        return []

    def compared_field(self) -> ComparedField | None:
        """Returns the field that the check compares with the expected value; None if it compares none."""
        return None

    def source(self, _: Path, /) -> bytes | None:
        """Returns the task's code that determines the result; None if there is no such code.

        Raises:
            UsageError: the code cannot be read.
        """
        return None

    def scorer_version(self, task_dir: Path, /) -> str:
        """Returns 16 hexadecimal digits that depend on the type, its version, the given parameters and the task's code.

        Raises:
            UsageError: the code cannot be read.
        """
        # Landed scores carry this hash: `builtin_version` keeps its name, so that an unchanged check keeps its version.
        stated = {
            "type": self.type,
            "parameters": self.model_dump(exclude_unset=True),
            "builtin_version": self.version,
        }
        digest = hashlib.sha256(json.dumps(stated, sort_keys=True, separators=(",", ":")).encode())
        if (source := self.source(task_dir)) is not None:
            digest.update(b"\0" + source)
        return digest.hexdigest()[:VERSION_CHARACTERS]

    @classmethod
    def parameter_errors(cls, given: Mapping[str, Any]) -> list[CheckError]:
        """Returns the errors, each with the expected and the found value; empty if the parameters are valid."""
        try:
            cls.model_validate(given)
        except ValidationError as error:
            found = {str(one["loc"][:1]): one for one in reversed(error.errors(include_url=False))}
            errors = [cls._error(one, given) for one in reversed(found.values())]
            # Pydantic validates parameters jointly only if each is valid by itself.
            if cls._lacks_any_of(given) and JOINT not in {one["type"] for one in found.values()}:
                errors.append(CheckError(f"{cls.type}: {cls._neither()}"))
            return errors
        return []

    @classmethod
    def _error(cls, error: ErrorDetails, given: Mapping[str, Any]) -> CheckError:
        if error["type"] == JOINT:
            return CheckError(f"{cls.type}: {error['msg']}")
        name = str(error["loc"][0])
        if error["type"] in UNKNOWN:
            names = cls.model_fields
            known = f"expected {', '.join(names) or 'no parameters'}{nearest(name, names)}"
            return CheckError(f"{cls.type}: parameter {shown(error['loc'][0])} is unknown; {known}", name)
        expected = cls.model_fields[name].description
        if error["type"] == "missing":
            return CheckError(f"{cls.type}: parameter {name!r} is missing; expected {expected}")
        reason = f" ({error['ctx']['error']})" if error["type"] == "value_error" else ""
        return CheckError(
            f"{cls.type}: parameter {name!r}: expected {expected}, found {shown(given[name])}{reason}", name
        )

    @classmethod
    def _lacks_any_of(cls, given: Iterable[str]) -> bool:
        return bool(cls.any_of) and set(cls.any_of).isdisjoint(given)

    @classmethod
    def _neither(cls) -> str:
        return f"expected at least one of {' and '.join(cls.any_of)}, found neither"

    @model_validator(mode="after")
    def _has_any_of(self) -> Self:
        if self._lacks_any_of(self.model_fields_set):
            raise joint_error(self._neither())
        return self


class OutputCheck(Check):
    """A check of one field of the output; unscored if there is no output."""

    scored_types: ClassVar[frozenset[str]] = ANY_TYPE
    """JSON types of the values that the check can score; a value of another type is unscored."""

    field: FieldPath

    @abstractmethod
    def judge(self, output: JsonObject, item: ScoredItem, /) -> CheckResult:
        """Returns the result for an output.

        Raises:
            Unscorable: the output lacks what the check needs.
        """

    def scorer(self, _: Path, /) -> Scorer:
        """See `Check.scorer`."""
        return on_output(self.judge)

    def output_errors(self, schema: Mapping[str, Any], /) -> list[CheckError]:
        """See `Check.output_errors`."""
        issue = field_issue(schema, self.field, self.scored_types)
        return [CheckError(f"{self.type}: parameter 'field': {issue}", "field")] if issue else []


def joint_error(message: str) -> PydanticCustomError:
    """Returns an error for a validator of several parameters."""
    return PydanticCustomError(JOINT, "{message}", {"message": message})
