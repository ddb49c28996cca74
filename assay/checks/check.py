"""What every check is: a Pydantic model of its parameters, with a version of its own and a score function.

The checks that come with Assay are in `builtin`, a task's own Python is in `custom`, the list of both in `registry`.
"""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from assay.checks.scoring import CheckResult, JsonObject, Scorer, Subject, on_output, shown

VERSION_CHARACTERS = 16
JOINT = "joint"
"""The error type of what is wrong with several parameters together; its message is whole already."""
UNKNOWN = frozenset({"extra_forbidden", "invalid_key"})

# A message says of a parameter what its description says: "expected <description>, found <value>".
FieldPath = Annotated[str, Field(min_length=1, description="the name or dotted path of an output field")]
Flag = Annotated[bool, Field(description="true or false")]
Texts = Annotated[
    list[Annotated[str, Field(min_length=1)]],
    Field(min_length=1, description="a list of texts"),
]


class Check(BaseModel, ABC):
    """One check with its parameters; equal checks give equal subjects equal results.

    A subclass states its `type`, under which a task names it, and its `version`, which rises with every change of what
    it answers; of the parameters in `any_of` at least one must be given.
    """

    # Built on first use: a command that makes no check pays nothing for the ten of them (15 ms).
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, defer_build=True)

    type: ClassVar[str]
    version: ClassVar[int]
    any_of: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def scorer(self, task_dir: Path, /) -> Scorer:
        """The score function, ready to be called.

        Raises:
            UsageError: a file of the task folder that it needs cannot be loaded.
        """

    def source(self, _: Path, /) -> bytes | None:
        """The task's own code that decides the result; None where the check has none.

        Raises:
            UsageError: the code cannot be read.
        """
        return None

    def scorer_version(self, task_dir: Path, /) -> str:
        """16 hex digits that change with the type, its version, a stated parameter or the task's own code.

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
    def parameter_errors(cls, given: Mapping[str, Any]) -> list[str]:
        """One line per error, each with what was expected and found; empty when the check can be made."""
        try:
            cls.model_validate(given)
        except ValidationError as error:
            found = {str(one["loc"][:1]): one for one in reversed(error.errors(include_url=False))}
            lines = [cls._error_line(one, given) for one in reversed(found.values())]
            # Pydantic looks at parameters together only when each is right by itself.
            if cls._lacks_any_of(given) and JOINT not in {one["type"] for one in found.values()}:
                lines.append(f"{cls.type}: {cls._neither()}")
            return lines
        return []

    @classmethod
    def _error_line(cls, error: ErrorDetails, given: Mapping[str, Any]) -> str:
        if error["type"] == JOINT:
            return f"{cls.type}: {error['msg']}"
        name = error["loc"][0]
        if error["type"] in UNKNOWN:
            names = cls.model_fields
            return f"{cls.type}: parameter {shown(name)} is not known: expected {', '.join(names) or 'no parameters'}{nearest(name, names)}"
        expected = cls.model_fields[str(name)].description
        if error["type"] == "missing":
            return f"{cls.type}: parameter {name!r} is missing: expected {expected}, found nothing"
        reason = f" ({error['ctx']['error']})" if error["type"] == "value_error" else ""
        return f"{cls.type}: parameter {name!r}: expected {expected}, found {shown(given[str(name)])}{reason}"

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
    """A check of one field of the output; without an output it is unscored."""

    field: FieldPath

    @abstractmethod
    def judge(self, output: JsonObject, subject: Subject, /) -> CheckResult:
        """The result for an output.

        Raises:
            Unscorable: the output gives nothing to judge.
        """

    def scorer(self, _: Path, /) -> Scorer:
        """See `Check.scorer`."""
        return on_output(self.judge)


def joint_error(message: str) -> PydanticCustomError:
    """The error of a validator that looks at several parameters together."""
    return PydanticCustomError(JOINT, "{message}", {"message": message})


def nearest(name: object, known: Iterable[str]) -> str:
    """The known name that the given one may have been meant as, as the end of a message."""
    close = get_close_matches(str(name), list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
