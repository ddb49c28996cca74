"""Issues in a task folder: each with file, line, expected and found, all reported at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import yaml
from pydantic import ValidationError

from assay.errors import UsageError, foreign_text

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

SHOWN_CHARACTERS = 80


@dataclass(frozen=True, slots=True, order=True)
class ValidationIssue:
    """One issue in a task folder; `file` is relative to the project, `line` counts from 1."""

    file: str
    line: int
    expected: str
    found: str
    next_step: str = ""

    def __str__(self) -> str:
        text = f"{self.file}:{self.line}: expected {self.expected}; found {self.found}"
        return f"{text}; {self.next_step}" if self.next_step else text


class TaskValidationError(UsageError):
    """A task folder has issues; the message lists all of them, one per line."""

    def __init__(self, issues: Sequence[ValidationIssue]) -> None:
        self.issues = tuple(sorted(set(issues)))
        super().__init__("\n".join(str(issue) for issue in self.issues))


def shown(value: object) -> str:
    """Returns the value as readable text, cut to one short line."""
    text = " ".join(repr(value).split())
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 1] + "…"


class YamlDocument:
    """A YAML file with the line of each of its values."""

    def __init__(self, path: Path, *, shown_as: str) -> None:
        self.file = shown_as
        self.issues: list[ValidationIssue] = []
        self._root: yaml.Node | None = None
        self.value: object = None
        try:
            text = path.read_text("utf-8")
            self._root = yaml.compose(text, Loader=yaml.SafeLoader)
            self.value = yaml.safe_load(text)
        except FileNotFoundError:
            self.issues.append(
                ValidationIssue(self.file, 1, "the file", "nothing there", "`assay init TASK` writes one")
            )
        except OSError as error:
            self.issues.append(ValidationIssue(self.file, 1, "a readable file", error.strerror or type(error).__name__))
        except RecursionError:
            self.issues.append(ValidationIssue(self.file, 1, "YAML of a few levels", "levels without end"))
        except UnicodeDecodeError as error:
            self.issues.append(
                ValidationIssue(
                    self.file, 1, "UTF-8 text", f"byte {error.object[error.start]:#04x} at offset {error.start}"
                )
            )
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            self.issues.append(ValidationIssue(self.file, line, "valid YAML", error.problem or "a syntax error"))
        except yaml.YAMLError as error:
            self.issues.append(ValidationIssue(self.file, 1, "valid YAML", foreign_text(error)))
        if self._root is not None:
            self._collect_repeated_keys(self._root, seen_nodes=set())

    def line(self, path: Sequence[str | int]) -> int:
        """The line of the value at `path`, or of the deepest part of it that exists."""
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
            place = ".".join(str(step) for step in steps) or "the file"
            line = self.line(steps)
            if detail["type"] == "missing":
                found.append(ValidationIssue(self.file, line, f"`{place}`", "nothing", "add it"))
            elif detail["type"] == "extra_forbidden":
                found.append(
                    ValidationIssue(self.file, line, "a known key", f"`{place}`", "remove it or correct its name")
                )
            else:
                # Pydantic puts "Value error, " before the message of a validator.
                message = str(detail["ctx"]["error"]) if detail["type"] == "value_error" else detail["msg"]
                wanted = f"`{place}` to be right: {message.removeprefix('Input should be ')}"
                value = "see there" if isinstance(detail["input"], dict) else shown(detail["input"])
                found.append(ValidationIssue(self.file, line, wanted, value))
        return found

    def _untagged(self, path: Sequence[str | int]) -> list[str | int]:
        """Returns the path without the type names that Pydantic inserts for blocks whose `type` selects their keys."""
        node, found = self._root, list[str | int]()
        for step in path:
            kind = _child(node, "type")[1]
            if isinstance(kind, yaml.ScalarNode) and kind.value == step and _child(node, step)[1] is None:
                continue
            found.append(step)
            node = _child(node, step)[1]
        return found

    def _collect_repeated_keys(self, node: yaml.Node, *, seen_nodes: set[int]) -> None:
        if id(node) in seen_nodes:  # an alias leads to a node that was visited
            return
        seen_nodes.add(id(node))
        if isinstance(node, yaml.MappingNode):
            seen: set[str] = set()
            for key, value in node.value:
                if str(key.value) in seen:
                    self.issues.append(
                        ValidationIssue(self.file, key.start_mark.line + 1, "each key once", f"`{key.value}` again")
                    )
                seen.add(str(key.value))
                self._collect_repeated_keys(value, seen_nodes=seen_nodes)
        elif isinstance(node, yaml.SequenceNode):
            for item in node.value:
                self._collect_repeated_keys(item, seen_nodes=seen_nodes)


def _is_consequence(detail: ErrorDetails) -> bool:
    """True for a list reported as too short only because its items are invalid; each item has its own issue."""
    return detail["type"] == "too_short" and len(detail["input"]) >= detail["ctx"]["min_length"]


def _child(node: yaml.Node | None, step: str | int) -> tuple[yaml.Node | None, yaml.Node | None]:
    if isinstance(node, yaml.MappingNode):
        return next(((key, value) for key, value in node.value if str(key.value) == str(step)), (None, None))
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return None, node.value[step]
    return None, None
