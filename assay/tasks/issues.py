"""Validation issues of a task folder: each has its file and line, and all of them are reported at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import yaml
from pydantic import ValidationError

from assay.bounds import LEAST_INTEGER, MOST_INTEGER
from assay.errors import UsageError, foreign_text
from assay.tasks.block import LocatedError
from assay.tasks.files import read_text, reason

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

SHOWN_CHARACTERS = 80
REQUIRED = "Input should be "
"""Start of Pydantic's messages about a value of the wrong type or size."""
MOST_VALUES = 100_000
"""Values in a YAML file, aliases written out."""
YAML_TAG = "tag:yaml.org,2002:"
MERGE = f"{YAML_TAG}merge"
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


@dataclass(frozen=True, slots=True)
class TaskFinding:
    """An issue of a value in a YAML file, before its line is known; `path` is that of the value."""

    path: tuple[str | int, ...]
    expected: str = ""
    found: str = ""
    next_step: str = ""
    problem: str = ""

    def under(self, *path: str | int) -> TaskFinding:
        """Returns the finding with `path` before its own."""
        return replace(self, path=(*path, *self.path))


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
    if detail["type"] == "union_tag_invalid":
        found = shown(detail["ctx"]["tag"])
    return ValidationIssue(file, line, problem=stated(detail, key), found=found, next_step=next_step)


def stated(detail: ErrorDetails, key: str) -> str:
    """Returns what a Pydantic error states about `key`, without the value."""
    if detail["type"] == "missing":
        return f"{key} is missing"
    if detail["type"] == "extra_forbidden":
        return f"{key} is not a known key"
    if detail["type"] == "union_tag_invalid":
        return (
            f"{detail['ctx']['discriminator'].strip(chr(39))} of {key} must be one of {detail['ctx']['expected_tags']}"
        )
    # `msg` would add "Value error, " to the message of a validator.
    message = str(detail["ctx"]["error"]) if detail["type"] == "value_error" else detail["msg"]
    requirement = message.removeprefix(REQUIRED)
    if requirement != message:
        return f"{key or 'the value'} must be {requirement.replace('a valid tuple', 'a list')}"
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
            if self._root is not None and _expanded(self._root, {}) > MOST_VALUES:
                line, self._root = self._root.start_mark.line + 1, None
                self._report(line, f"its aliases stand for more than {MOST_VALUES:,} values", "write the values out")
            elif self._root is None or not self._collect_invalid_scalars(self._root, seen_nodes=set()):
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

    def issue(self, finding: TaskFinding) -> ValidationIssue:
        """Returns the issue, with the line of the finding's value."""
        stated = (finding.expected, finding.found, finding.next_step, finding.problem)
        return ValidationIssue(self.file, self.line(finding.path), *stated)

    def holds(self, path: Sequence[str | int]) -> bool:
        """True if the file has a value at `path`."""
        node = self._root
        for step in path:
            node = _child(node, step)[1]
        return node is not None

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

    def issues_of(
        self, error: ValidationError, *, under: Sequence[str | int] = (), variant: str = ""
    ) -> list[ValidationIssue]:
        """Returns one issue for each Pydantic error in the value at `under`, or in the overrides of `variant`."""
        found = []
        for detail, value_path in _located(self._without_alternatives(error, under)):
            steps = self._untagged([*under, *detail["loc"]])
            key = f"`{'.'.join(str(step) for step in steps)}`" if steps else ""
            start: list[str | int] = ["variants", variant] if variant else []
            if variant:
                key = f"variant '{variant}', {key}" if key else f"variant '{variant}'"
            found.append(pydantic_issue(self.file, self.line([*start, *steps, *value_path]), key, detail))
        return found

    def _without_alternatives(self, error: ValidationError, under: Sequence[str | int]) -> list[ErrorDetails]:
        """Returns the errors without consequences of others, and one for each value that may have several types."""
        kept: dict[tuple[str | int, ...], list[ErrorDetails]] = {}
        for detail in error.errors(include_url=False):
            if not _is_consequence(detail):
                kept.setdefault(self._value_of(under, detail["loc"]), []).append(detail)
        return [one for path, details in kept.items() for one in _combined(path, details)]

    def _value_of(self, under: Sequence[str | int], path: Sequence[str | int]) -> tuple[str | int, ...]:
        """Returns the part of the path up to the first value that is not a mapping: Pydantic adds names of its types."""
        node = self._root
        for step in under:
            node = _child(node, step)[1]
        for index, step in enumerate(path):
            if node is not None and not isinstance(node, yaml.MappingNode) and isinstance(step, str):
                return tuple(path[:index])
            inner = _child(node, step)[1]
            node = node if inner is None and _is_type_of(node, step) else inner
        return tuple(path)

    def _untagged(self, path: Sequence[str | int]) -> list[str | int]:
        """Returns the path without the type names that Pydantic inserts for blocks with a `type` discriminator."""
        node, found = self._root, list[str | int]()
        for step in path:
            if _is_type_of(node, step):
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


def _expanded(node: yaml.Node, known: dict[int, int]) -> int:
    """The number of values in the node with every alias written out; an alias within its own node counts as one value."""
    if isinstance(node, yaml.ScalarNode):
        return 1
    if id(node) not in known:
        known[id(node)] = 1  # until it is counted
        inner = [part for pair in node.value for part in (pair if isinstance(node, yaml.MappingNode) else (pair,))]
        known[id(node)] = 1 + sum(_expanded(part, known) for part in inner)
    return known[id(node)]


def located_paths(error: ValidationError) -> list[tuple[str | int, ...]]:
    """Returns the path of the value of each Pydantic error."""
    return [(*detail["loc"], *path) for detail, path in _located(error.errors(include_url=False))]


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


def _is_type_of(node: yaml.Node | None, step: str | int) -> bool:
    """True if `step` is the value of the key `type` of the node, and no key of it."""
    kind = _child(node, "type")[1]
    return isinstance(kind, yaml.ScalarNode) and kind.value == step and _child(node, step)[1] is None


def _combined(path: tuple[str | int, ...], details: list[ErrorDetails]) -> list[ErrorDetails]:
    """Returns the errors of the value at `path`; those about one of its possible types become one error.

    An error in an item of a list is more specific than the error that the value is not of the other type.
    """
    depth = len(path)
    if not (typed := [one for one in details if len(one["loc"]) > depth]):
        return details
    if items := [one for one in typed if len(one["loc"]) > depth + 1]:
        return [_moved(one, (*path, *one["loc"][depth + 1 :])) for one in items]
    required = dict.fromkeys(one["msg"].removeprefix(REQUIRED) for one in typed)
    are_requirements = all(one["msg"].startswith(REQUIRED) for one in typed)
    message = REQUIRED + " or ".join(required) if are_requirements else typed[0]["msg"]
    return [_moved(typed[0], path, message=message)]


def _moved(detail: ErrorDetails, path: tuple[str | int, ...], *, message: str = "") -> ErrorDetails:
    moved = detail.copy()
    moved["loc"], moved["msg"] = path, message or detail["msg"]
    return moved


def _located(details: Sequence[ErrorDetails]) -> Iterator[tuple[ErrorDetails, tuple[str | int, ...]]]:
    """Yields each error with the path of its value in the block whose validator found it."""
    for detail in details:
        context = detail.get("ctx", {})
        error = context.get("error")
        if detail["type"] == "union_tag_invalid":
            yield detail, (context["discriminator"].strip("'"),)
            continue
        if not isinstance(error, LocatedError):
            yield detail, ()
            continue
        for path, message in error.found:
            yield {**detail, "ctx": {"error": ValueError(message)}}, path


def _child(node: yaml.Node | None, step: str | int) -> tuple[yaml.Node | None, yaml.Node | None]:
    if isinstance(node, yaml.MappingNode):
        own = next(((key, value) for key, value in node.value if str(key.value) == str(step)), None)
        return own or _merged_child(node, step)
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return None, node.value[step]
    return None, None


def _merged_child(node: yaml.MappingNode, step: str | int) -> tuple[yaml.Node | None, yaml.Node | None]:
    """Returns the key and value in the mappings that `<<` merges into the node."""
    merged = [value for key, value in node.value if key.tag == MERGE]
    mappings = [part for value in merged for part in (value.value if isinstance(value, yaml.SequenceNode) else [value])]
    return next((found for part in mappings if (found := _child(part, step))[1] is not None), (None, None))
