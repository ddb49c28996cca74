"""Reads and validates `cases.jsonl`, the golden set of a task."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from assay.bounds import MOST_INTEGER
from assay.records.statuses import GoldenSplit
from assay.tasks.case import Case
from assay.tasks.files import is_inside, is_present, read_file, reason
from assay.tasks.issues import ValidationIssue, pydantic_issue, shown
from assay.tasks.spec import TaskSpec


class _CaseLine(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=False)

    case_id: str
    split: GoldenSplit
    input: dict[str, str]
    expected: dict[str, Any] | None = None
    slices: dict[str, str] = {}
    cluster_id: str | None = None
    author: str | None = None
    authored_on: date | None = None
    conversation: Annotated[str, Field(min_length=1)] | None = None
    turn: Annotated[int, Field(ge=0, le=MOST_INTEGER)] | None = None


def read_cases(path: Path, *, shown_as: str, issues: list[ValidationIssue]) -> tuple[tuple[Case, ...], tuple[int, ...]]:
    """Returns the cases and their line numbers; appends errors to `issues`. Without the file, there are no cases."""
    if not is_present(path):
        return (), ()
    try:
        if not is_inside(path, path.parent):
            raise FileNotFoundError(errno.ENOENT, "the path leads out of the task folder")
        content = read_file(path)
    except OSError as error:
        issues.append(ValidationIssue(shown_as, 1, problem=f"the file cannot be read: {reason(error)}"))
        return (), ()
    cases: list[Case] = []
    lines: list[int] = []
    first_seen: dict[str, int] = {}
    for number, raw in enumerate(content.splitlines(), start=1):
        if not raw.strip():
            continue
        case = _parse(raw, file=shown_as, line=number, issues=issues)
        if case is None:
            continue
        if case.case_id in first_seen:
            issues.append(
                ValidationIssue(
                    shown_as,
                    number,
                    problem=f"duplicate case_id {case.case_id!r}, first used on line {first_seen[case.case_id]}",
                )
            )
            continue
        first_seen[case.case_id] = number
        cases.append(case)
        lines.append(number)
    return tuple(cases), tuple(lines)


def turn_issues(cases: Sequence[Case], lines: Sequence[int], *, spec: TaskSpec, file: str) -> Iterator[ValidationIssue]:
    """Yields an issue for each incomplete turn, duplicate turn, and turn in a task without conversations."""
    first: dict[tuple[str, int | None], int] = {}
    for case, line in zip(cases, lines, strict=True):
        if (case.conversation is None) != (case.turn is None):
            alone = "`conversation`" if case.turn is None else "`turn`"
            yield ValidationIssue(file, line, "both `conversation` and `turn`, or neither", f"only {alone}")
        if case.conversation is None:
            continue
        if spec.input.conversation is None:
            yield ValidationIssue(
                file, line, "no `conversation`, because task.yml has no `input.conversation`", shown(case.conversation)
            )
        place = (case.conversation, case.turn)
        if first.setdefault(place, line) != line:
            duplicate = f"turn {case.turn} of conversation {case.conversation!r}"
            yield ValidationIssue(file, line, problem=f"duplicate {duplicate}, first on line {first[place]}")


def _parse(raw: bytes, *, file: str, line: int, issues: list[ValidationIssue]) -> Case | None:
    try:
        content = _CaseLine.model_validate(orjson.loads(raw))
    except orjson.JSONDecodeError as error:
        issues.append(ValidationIssue(file, line, problem=f"invalid JSON: {error.msg} at column {error.colno}"))
        return None
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            key = f"`{'.'.join(str(step) for step in detail['loc'])}`" if detail["loc"] else ""
            issues.append(pydantic_issue(file, line, key, detail))
        return None
    return Case(
        case_id=content.case_id,
        split=content.split,
        input=content.input,
        expected=content.expected,
        slices=content.slices,
        cluster_id=content.cluster_id,
        author=content.author,
        authored_on=content.authored_on.isoformat() if content.authored_on else None,
        conversation=content.conversation,
        turn=content.turn,
    )
