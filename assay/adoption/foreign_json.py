"""JSON that other programs wrote: a value of another type than expected is an error that names its place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from assay.errors import UsageError

MOST_JSON_BYTES = 500_000_000
"""Size of a JSON text that is read as a whole."""
MOST_LINE_BYTES = 100_000_000
"""Size of one line, of a file that is read line by line."""
TYPES: Mapping[type, str] = {
    dict: "an object",
    list: "a list",
    str: "text",
    bool: "true or false",
    int: "a number",
    float: "a number",
    type(None): "null",
}


@dataclass(frozen=True, slots=True)
class ForeignObject:
    """An object in a foreign JSON text; `place` names file and line or sample, `path` the object itself, for messages.

    Each method returns the field as the type in its name, or its empty value if the field is absent or null.

    Raises:
        UsageError: in each method, the field has another type.
    """

    values: Mapping[str, Any]
    place: str
    path: str = ""

    def get(self, name: str) -> Any:
        """The field as it is, None if it is absent."""
        return self.values.get(name)

    def object(self, name: str) -> ForeignObject:
        """An object."""
        value = self._of_type(name, dict)
        return ForeignObject(value or {}, self.place, f"{self.path}{name}.")

    def objects(self, name: str) -> list[ForeignObject]:
        """A list of objects."""
        found = self._of_type(name, list) or []
        for number, item in enumerate(found):
            if not isinstance(item, dict):
                raise self.unexpected(f"{name}[{number}]", "an object", item)
        return [ForeignObject(item, self.place, f"{self.path}{name}[{number}].") for number, item in enumerate(found)]

    def text(self, name: str) -> str | None:
        """Text; None if it is absent or null."""
        found: str | None = self._of_type(name, str)
        return found

    def unexpected(self, name: str, expected: str, found: Any) -> UsageError:
        """The error that the field `name` is not what was expected."""
        return UsageError(
            f"{self.place}: expected `{self.path}{name}` to be {expected}, found {type_of(found)}",
            next_step="check that the file was not edited, and export it again.",
        )

    def _of_type(self, name: str, wanted: type) -> Any:
        value = self.values.get(name)
        if value is not None and not isinstance(value, wanted):
            raise self.unexpected(name, TYPES[wanted], value)
        return value


def type_of(value: object) -> str:
    """The JSON type of a value in words, such as "a list"."""
    return TYPES.get(type(value), type(value).__name__)


def bounded_lines(file: BinaryIO, *, label: str) -> Iterator[tuple[int, bytes]]:
    """Yields the lines that are not blank, each with its number from 1; no line is held beyond the bound.

    Raises:
        UsageError: a line is longer than the bound.
    """
    number = 0
    while line := file.readline(MOST_LINE_BYTES + 1):
        number += 1
        if len(line) > MOST_LINE_BYTES:
            raise UsageError(
                f"{label}, line {number:,}: expected at most {MOST_LINE_BYTES:,} bytes, found a longer line",
                next_step="check that the file has one answer per line.",
            )
        if line.strip():
            yield number, line
