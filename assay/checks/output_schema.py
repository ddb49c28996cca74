"""Finds the types that a field of the output can have, in the JSON schema of the output."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from assay.errors import did_you_mean

Schema = Mapping[str, Any]
ANY_TYPE = frozenset({"string", "number", "integer", "boolean", "object", "array", "null"})
"""All types of JSON values."""
TEXT = frozenset({"string"})
NUMBERS = frozenset({"number", "integer"})
JSON_TYPES: Mapping[type, str] = {bool: "boolean", int: "integer", float: "number", str: "string", type(None): "null"}


def types_at(schema: Schema, path: str) -> frozenset[str]:
    """Returns the JSON types of the value at a dotted path, as `value_at` resolves it; empty if it cannot exist."""
    return frozenset().union(*(_types(found, schema) for found in _schemas_at(schema, path)))


def closed_values(schema: Schema, path: str) -> tuple[Any, ...]:
    """Returns the values that the field can have, in the order of the schema; empty if they are not a closed list.

    A closed list is an enumeration, a constant or a boolean, each possibly with null beside it.
    """
    values: dict[str, Any] = {}
    for found in _schemas_at(schema, path):
        for part in _parts(found, schema):
            stated = _stated_values(part)
            if stated is None:
                return ()
            values |= {repr(value): value for value in stated if repr(value) not in values}
    return tuple(values.values()) if values.keys() - {"None"} else ()


def known_fields(schema: Schema) -> tuple[str, ...]:
    """Returns the dotted paths of the fields that the schema names, outermost first, without those of lists."""
    return tuple(dict.fromkeys(_named(schema, schema, depth=3)))


def field_issue(schema: Schema, path: str, accepted: frozenset[str]) -> str:
    """Returns why a check that scores values of the `accepted` types never scores the field, or an empty string."""
    found = types_at(schema, path)
    if not found:
        known = known_fields(schema)
        return f"expected a field of the output ({', '.join(known) or 'it has none'}), found {path!r}{nearest(path, known)}"
    if found.isdisjoint(accepted):
        wanted = " or ".join(sorted(accepted))
        return f"expected a field whose value is of type {wanted}, found {path!r} of type {' or '.join(sorted(found))}"
    return ""


def nearest(name: object, known: Iterable[str]) -> str:
    """Returns a suggestion of the closest known name, to append to a message, or an empty string."""
    hint = did_you_mean(name, known)
    return f"; {hint}" if hint else ""


def _schemas_at(schema: Schema, path: str) -> list[Schema]:
    """Returns the schemas of the value at a dotted path; a field name with dots wins."""
    inside = [part for part in _parts(schema, schema) if path in part.get("properties", {})]
    return [part["properties"][path] for part in inside] or _schemas_below(schema, path, schema)


def _schemas_below(part: Schema, path: str, root: Schema) -> list[Schema]:
    step, _, rest = path.partition(".")
    found = []
    for value in _values(part, step, root):
        found += _schemas_below(value, rest, root) if rest else [value]
    return found


def _stated_values(part: Schema) -> list[Any] | None:
    """Returns the values that one alternative of a schema lists; None if it lists none."""
    if "const" in part:
        return [part["const"]]
    if "enum" in part:
        return list(part["enum"])
    if part.get("type") == "boolean":
        return [False, True]
    return [None] if part.get("type") == "null" else None


def _values(schema: Schema, step: str, root: Schema) -> Iterator[Schema]:
    """Yields the schemas of the value that one step of a path leads to."""
    for part in _parts(schema, root):
        yield from _inside(part, step)


def _inside(part: Schema, step: str) -> Iterator[Schema]:
    """Yields the schema of the value at the step, or nothing if the part has no such value."""
    if not part.keys() & {"type", "properties", "items", "enum", "const"}:
        yield {}  # the schema allows any value
        return
    if step in part.get("properties", {}):
        yield part["properties"][step]
        return
    more = part.get("additionalProperties", False)
    if part.get("type") == "object" and more is not False:
        yield more if isinstance(more, Mapping) else {}
    if part.get("type") == "array" and step.isdecimal():
        first = part.get("prefixItems", [])
        yield first[int(step)] if int(step) < len(first) else part.get("items", {} if not first else {"enum": []})


def _parts(schema: Schema, root: Schema) -> Iterator[Schema]:
    """Yields the alternatives of a schema, with references resolved."""
    if "$ref" in schema:
        yield from _parts(_resolved(schema["$ref"], root), root)
        return
    alternatives = [*schema.get("anyOf", ()), *schema.get("oneOf", ()), *schema.get("allOf", ())]
    if not alternatives:
        yield schema
    for one in alternatives:
        yield from _parts(one, root)


def _resolved(reference: str, root: Schema) -> Schema:
    found: Any = root
    for step in reference.removeprefix("#/").split("/"):
        found = found[step]
    return found  # type: ignore[no-any-return]


def _types(schema: Schema, root: Schema) -> frozenset[str]:
    found: set[str] = set()
    for part in _parts(schema, root):
        values = [part["const"]] if "const" in part else part.get("enum")
        if values is not None:
            found |= {JSON_TYPES.get(type(value), "object") for value in values}
        elif "type" in part:
            found |= {part["type"]} if isinstance(part["type"], str) else set(part["type"])
        else:
            found |= ANY_TYPE
    return frozenset(found)


def _named(schema: Schema, root: Schema, *, depth: int) -> Iterator[str]:
    for part in _parts(schema, root):
        for name, value in part.get("properties", {}).items():
            yield name
            if depth > 1:
                yield from (f"{name}.{inner}" for inner in _named(value, root, depth=depth - 1))
