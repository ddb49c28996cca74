"""The output fields whose values are classes, and the class of an output and of its expected value in each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

from assay.checks import compared_field
from assay.checks.output_schema import closed_values, known_fields
from assay.checks.scoring import Unscorable, value_at
from assay.tasks.output_model import output_schema
from assay.tasks.task import Task

Scrub = Callable[[str], str]


class ClassPair(NamedTuple):
    """The expected and the answered class of one output in one field; each is None if there is none."""

    expected: str | None
    answered: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassField:
    """An output field whose values are classes; `scorer` is the check that compares it, None without one.

    `labels` are the classes of a closed list in the order of the schema, empty for a text field. `normalized` returns a
    value as the check compares it.
    """

    field: str
    scorer: str | None
    labels: tuple[str, ...]
    normalized: Callable[[object], object] = lambda value: value

    @property
    def is_text(self) -> bool:
        """True if the values are not a closed list."""
        return not self.labels


class ClassReader:
    """Reads the classes of outputs in the fields of one task; `scrub` masks labels that the schema does not list."""

    def __init__(self, task: Task, *, scrub: Scrub) -> None:
        self.fields = class_fields(task)
        self._scrub = scrub
        self._known = {
            one.field: {_text(one.normalized(label)): label for label in one.labels if one.scorer is not None}
            for one in self.fields
        }
        self._seen: dict[str, str] = {}

    def pairs(self, output: Mapping[str, Any] | None, expected: Mapping[str, Any] | None) -> dict[str, ClassPair]:
        """Returns the expected and the answered class of each field."""
        return {one.field: ClassPair(self._class(one, expected), self._class(one, output)) for one in self.fields}

    def _class(self, field: ClassField, document: Mapping[str, Any] | None) -> str | None:
        if document is None:
            return None
        try:
            value = value_at(document, field.field, where="document")
        except Unscorable:
            return None
        text = _text(field.normalized(value))
        known = self._known[field.field].get(text, text)
        return known if known in field.labels else self._scrubbed(known)

    def _scrubbed(self, label: str) -> str:
        if label not in self._seen:
            if len(self._seen) > REMEMBERED:
                self._seen.clear()
            self._seen[label] = self._scrub(label)
        return self._seen[label]


REMEMBERED = 1024


def class_fields(task: Task) -> tuple[ClassField, ...]:
    """Returns the fields that a check compares, if their values are a closed list or the check takes texts as classes;
    then the other fields with a closed list of values.

    If several checks compare a field, the first one counts.
    """
    found: dict[str, ClassField] = {}
    schema = output_schema(task.output_model)
    for field in (*_compared(task, schema), *_closed(schema)):
        found.setdefault(field.field, field)
    return tuple(found.values())


def scorer_fields(task: Task) -> dict[str, ClassField]:
    """Returns the field of each check that compares classes, by the name of the check."""
    return {field.scorer: field for field in class_fields(task) if field.scorer is not None}


def _compared(task: Task, schema: Mapping[str, Any]) -> Iterator[ClassField]:
    for check in task.spec.checks:
        compared = compared_field(check.type, check.parameters)
        if compared is None:
            continue
        labels = tuple(_text(value) for value in closed_values(schema, compared.field))
        if labels or compared.of_text:
            yield ClassField(field=compared.field, scorer=check.name, labels=labels, normalized=compared.normalized)


def _closed(schema: Mapping[str, Any]) -> Iterator[ClassField]:
    for path in known_fields(schema):
        if values := closed_values(schema, path):
            yield ClassField(field=path, scorer=None, labels=tuple(_text(value) for value in values))


def _text(value: object) -> str:
    """Returns the label of a value: a text as it is, anything else as JSON; 1.0 is 1."""
    if isinstance(value, str):
        return value
    whole = int(value) if isinstance(value, float) and value.is_integer() else value
    return orjson.dumps(whole).decode()
