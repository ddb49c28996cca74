"""Validation issues of a task folder: each has its file and line, and all of them are reported at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import yaml
from pydantic import ValidationError

from assay.bounds import LEAST_INTEGER, MOST_INTEGER
from assay.errors import UsageError, foreign_text
from assay.tasks.files import read_text, reason

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

SHOWN_CHARACTERS = 80
YAML_TAG = "tag:yaml.org,2002:"
SCALARS = {
    "int": f"expected an integer from {LEAST_INTEGER} to {MOST_INTEGER}",
    "float": "expected a number",
    "timestamp": "expected a date or time of the calendar",
}
"""What is expected of a scalar of the type, which may look like one and have no value: day 99 of a month."""
LONGEST_SCALAR = 100
"""Characters of a number or date; an integer of 64 bits has at most 66, in base 2."""


@dataclass(frozen=True, slots=True, order=True)
class ValidationIssue:
    """One issue in a task folder; `file` is relative to the project, `line` counts from 1.

    The message states either `expected` or `problem`, a statement of its own; an empty part is omitted.
    """

    file: str
    line: int
    expected: str = ""
    found: str = ""
    next_step: str = ""
    problem: str = ""

    def __str__(self) -> str:
        expected = f"expected {self.expected}" if self.expected else ""
        found = f"found {self.found}" if self.found else ""
        parts = [part for part in (self.problem, expected, found, self.next_step) if part]
        return f"{self.file}:{self.line}: {'; '.join(parts)}"


class TaskValidationError(UsageError):
    """A task folder has issues; the message lists all of them, one per line."""

    def __init__(self, issues: Sequence[ValidationIssue]) -> None:
        self.issues = tuple(sorted(set(issues)))
        super().__init__("\n".join(str(issue) for issue in self.issues))


def pydantic_issue(file: str, line: int, key: str, detail: ErrorDetails) -> ValidationIssue:
    """Returns the issue for one Pydantic error in the value of `key`; an empty key means the whole file."""
    next_step = {"missing": "add it", "extra_forbidden": "remove it or correct its name"}.get(detail["type"], "")
    is_quoted = not next_step and not isinstance(detail["input"], dict)
    found = shown(detail["input"]) if is_quoted else ""
    return ValidationIssue(file, line, problem=stated(detail, key), found=found, next_step=next_step)


def stated(detail: ErrorDetails, key: str) -> str:
    """Returns what a Pydantic error states about `key`, without the value."""
    if detail["type"] == "missing":
        return f"{key} is missing"
    if detail["type"] == "extra_forbidden":
        return f"{key} is not a known key"
    # `msg` would add "Value error, " to the message of a validator.
    message = str(detail["ctx"]["error"]) if detail["type"] == "value_error" else detail["msg"]
    requirement = message.removeprefix("Input should be ")
    if requirement != message:
        return f"{key or 'the value'} must be {requirement}"
    return f"{key}: {message}" if key else message


def shown(value: object) -> str:
    """Returns the value as text, truncated to one short line."""
    text = " ".join(repr(value).split())
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 1] + "…"


class YamlDocument:
    """A parsed YAML file that knows the line of each value."""

    def __init__(self, path: Path, *, shown_as: str) -> None:
        self.file = shown_as
        self.issues: list[ValidationIssue] = []
        self._root: yaml.Node | None = None
        self.value: object = None
        try:
            text = read_text(path)
            self._root = yaml.compose(text, Loader=yaml.SafeLoader)
            if self._root is None or not self._collect_invalid_scalars(self._root, seen_nodes=set()):
                self.value = yaml.safe_load(text)
        except FileNotFoundError:
            self._report(1, "no such file", "`assay init TASK` creates a task folder")
        except OSError as error:
            self._report(1, f"the file cannot be read: {reason(error)}")
        except RecursionError:
            self._report(1, "YAML is nested too deeply")
        except UnicodeDecodeError as error:
            byte = f"byte {error.object[error.start]:#04x} at offset {error.start}"
            self._report(1, f"the file is not UTF-8 text: invalid {byte}", "save it as UTF-8")
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            self._report(line, f"invalid YAML: {error.problem or 'syntax error'}")
        except yaml.YAMLError as error:
            self._report(1, f"invalid YAML: {foreign_text(error)}")
        if self._root is not None:
            self._collect_repeated_keys(self._root, seen_nodes=set())

    def _report(self, line: int, problem: str, next_step: str = "") -> None:
        self.issues.append(ValidationIssue(self.file, line, problem=problem, next_step=next_step))

    def line(self, path: Sequence[str | int]) -> int:
        """The line of the value at `path`, or of its deepest ancestor in the file."""
        node = self._root
        line = 1
        for step in path:
            key, node = _child(node, step)
            if node is None:
                break
            line = (key or node).start_mark.line + 1
        return line

    def issues_of(self, error: ValidationError, *, under: Sequence[str | int] = ()) -> list[ValidationIssue]:
        """Returns one issue for each Pydantic error in the value at `under`."""
        found = []
        for detail in error.errors(include_url=False):
            if _is_consequence(detail):
                continue
            steps = self._untagged([*under, *detail["loc"]])
            key = f"`{'.'.join(str(step) for step in steps)}`" if steps else ""
            found.append(pydantic_issue(self.file, self.line(steps), key, detail))
        return found

    def _untagged(self, path: Sequence[str | int]) -> list[str | int]:
        """Returns the path without the type names that Pydantic inserts for blocks with a `type` discriminator."""
        node, found = self._root, list[str | int]()
        for step in path:
            kind = _child(node, "type")[1]
            if isinstance(kind, yaml.ScalarNode) and kind.value == step and _child(node, step)[1] is None:
                continue
            found.append(step)
            node = _child(node, step)[1]
        return found

    def _collect_invalid_scalars(self, node: yaml.Node, *, seen_nodes: set[int]) -> bool:
        """Reports each number and date that no column can hold, which Python would refuse without its line."""
        if id(node) in seen_nodes:
            return False
        seen_nodes.add(id(node))
        if isinstance(node, yaml.ScalarNode):
            problem = _scalar_problem(node)
            if problem:
                self._report(node.start_mark.line + 1, f"{problem}, found {shown(node.value)}")
            return bool(problem)
        inner = [part for pair in node.value for part in (pair if isinstance(node, yaml.MappingNode) else (pair,))]
        found = [self._collect_invalid_scalars(part, seen_nodes=seen_nodes) for part in inner]
        return any(found)

    def _collect_repeated_keys(self, node: yaml.Node, *, seen_nodes: set[int]) -> None:
        if id(node) in seen_nodes:  # an alias leads to a node that was visited
            return
        seen_nodes.add(id(node))
        if isinstance(node, yaml.MappingNode):
            seen: set[str] = set()
            for key, value in node.value:
                if str(key.value) in seen:
                    self._report(key.start_mark.line + 1, f"duplicate key `{key.value}`", "remove one of the two")
                seen.add(str(key.value))
                self._collect_repeated_keys(value, seen_nodes=seen_nodes)
        elif isinstance(node, yaml.SequenceNode):
            for item in node.value:
                self._collect_repeated_keys(item, seen_nodes=seen_nodes)


def _scalar_problem(node: yaml.ScalarNode) -> str:
    """Returns why the scalar has no usable value; empty if it has one."""
    kind = node.tag.removeprefix(YAML_TAG)
    if kind not in SCALARS:
        return ""
    try:
        value = yaml.SafeLoader("").construct_object(node) if len(node.value) <= LONGEST_SCALAR else None
    except (ValueError, OverflowError):
        value = None
    if value is None or (isinstance(value, int) and not LEAST_INTEGER <= value <= MOST_INTEGER):
        return SCALARS[kind]
    return ""


def _is_consequence(detail: ErrorDetails) -> bool:
    """True if a list counts as too short only because its items are invalid; each item has its own issue."""
    return detail["type"] == "too_short" and len(detail["input"]) >= detail["ctx"]["min_length"]


def _child(node: yaml.Node | None, step: str | int) -> tuple[yaml.Node | None, yaml.Node | None]:
    if isinstance(node, yaml.MappingNode):
        return next(((key, value) for key, value in node.value if str(key.value) == str(step)), (None, None))
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return None, node.value[step]
    return None, None
