"""The output schema of a task: a Pydantic class in the task folder, and its JSON schema for providers."""

from __future__ import annotations

import copy
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, cast

from pydantic import BaseModel, PydanticUserError, TypeAdapter, ValidationError

from assay.errors import foreign_text
from assay.tasks.digest import digest
from assay.tasks.files import ABSENT, read_file, reason
from assay.tasks.issues import ValidationIssue, shown, stated
from assay.tasks.user_code import UserCodeError, user_code


def load_output_model(
    folder: Path, reference: str, *, shown_as: Callable[[str], str], issues: list[ValidationIssue]
) -> type[BaseModel] | None:
    """Returns the class that `file.py:Class` names; on an error, appends it to `issues` and returns None."""
    file, _, name = reference.partition(":")
    path = folder / file
    try:
        source = read_file(path)
    except OSError as error:
        is_absent = error.errno in ABSENT
        problem = "no such file" if is_absent else f"the file cannot be read: {reason(error)}"
        next_step = "create it, or correct `output.model` in task.yml" if is_absent else ""
        issues.append(ValidationIssue(shown_as(file), 1, problem=problem, next_step=next_step))
        return None
    module_name = f"assay_task_{folder.name}_{digest([str(path), source.hex()])}"
    module = sys.modules.get(module_name)
    if module is None:
        spec = importlib.util.spec_from_file_location(module_name, path)
        if spec is None or spec.loader is None:
            issues.append(ValidationIssue(shown_as(file), 1, "a Python file", shown(file)))
            return None
        module = importlib.util.module_from_spec(spec)
        sys.modules[module_name] = module  # Pydantic resolves annotations through it
        try:
            with user_code(path):
                spec.loader.exec_module(module)
        except UserCodeError as error:
            del sys.modules[module_name]
            problem = f"importing the file failed: {error}"
            issues.append(ValidationIssue(shown_as(file), error.line or 1, problem=problem))
            return None
    model = getattr(module, name, None)
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        found = "no such name" if model is None else shown(model)
        issues.append(ValidationIssue(shown_as(file), 1, f"a Pydantic class named {name}", found))
        return None
    try:
        with user_code(path):
            model.model_json_schema()
    except UserCodeError as error:
        why = foreign_text(error.cause.message if isinstance(error.cause, PydanticUserError) else error)
        issues.append(ValidationIssue(shown_as(file), error.line or 1, problem=f"{name} has no JSON schema: {why}"))
        return None
    return model


def strict_schema(model: type[BaseModel]) -> dict[str, Any]:
    """Returns the JSON schema of the class, with `additionalProperties: false` on every object."""
    schema = copy.deepcopy(model.model_json_schema())
    _close(schema)
    return schema


def output_schema(model: type[BaseModel]) -> dict[str, Any]:
    """Returns the JSON schema of an output as checks see it: with the names and computed fields of `model_dump`."""
    by_alias = bool(model.model_config.get("serialize_by_alias", False))
    return model.model_json_schema(mode="serialization", by_alias=by_alias)


def is_strict(schema: Any) -> bool:
    """True if every object requires all its properties, as the strict mode of providers demands."""
    if isinstance(schema, list):
        return all(is_strict(item) for item in schema)
    if not isinstance(schema, dict):
        return True
    properties = schema.get("properties")
    if isinstance(properties, dict) and set(properties) != set(schema.get("required", ())):
        return False
    return all(is_strict(value) for value in schema.values())


def is_closed(schema: Any) -> bool:
    """True if no object with named properties accepts additional ones."""
    if isinstance(schema, list):
        return all(is_closed(item) for item in schema)
    if not isinstance(schema, dict):
        return True
    if "properties" in schema and schema.get("additionalProperties", False) is not False:
        return False
    return all(is_closed(value) for value in schema.values())


def value_issue(model: type[BaseModel], name: str, value: Any) -> str | None:
    """Returns why `value` is not a valid expected value of the field `name`, or None if it is valid."""
    key = f"`expected.{name}`"
    if name not in model.model_fields:
        return f"{key} is not a field of {model.__name__} ({', '.join(model.model_fields)})"
    info = model.model_fields[name]
    adapter: TypeAdapter[Any] = TypeAdapter(cast(Any, Annotated[info.annotation, info]))
    try:
        with user_code(source_of(model), expected=ValidationError):
            adapter.validate_python(value)
    except UserCodeError as error:
        return f"{key}: the output model {model.__name__} raised {error} in line {error.line or 'unknown'}"
    except ValidationError as error:
        return stated(error.errors(include_url=False)[0], key)
    return None


def source_of(model: type[BaseModel]) -> Path:
    """Returns the file in which the class is defined."""
    return Path(getattr(sys.modules.get(model.__module__), "__file__", None) or "unknown")


def _close(node: Any) -> None:
    if isinstance(node, dict):
        if node.get("type") == "object" and "properties" in node:
            node.setdefault("additionalProperties", False)
        for value in node.values():
            _close(value)
    elif isinstance(node, list):
        for value in node:
            _close(value)
