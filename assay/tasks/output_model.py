"""The output schema of a task: a Pydantic class in the task folder, and its JSON schema for providers."""

from __future__ import annotations

import copy
import importlib.util
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, cast

from pydantic import BaseModel, PydanticUserError, TypeAdapter, ValidationError

from assay.errors import foreign_text
from assay.tasks.digest import digest
from assay.tasks.issues import ValidationIssue, shown, stated


def load_output_model(
    folder: Path, reference: str, *, shown_as: Callable[[str], str], issues: list[ValidationIssue]
) -> type[BaseModel] | None:
    """Returns the class that `file.py:Class` names; on an error, appends it to `issues` and returns None."""
    file, _, name = reference.partition(":")
    path = folder / file
    if not path.is_file():
        issues.append(
            ValidationIssue(
                shown_as(file), 1, problem="no such file", next_step="create it, or correct `output.model` in task.yml"
            )
        )
        return None
    module_name = f"assay_task_{folder.name}_{digest([str(path), path.read_bytes().hex()])}"
    module = sys.modules.get(module_name)
    if module is None:
        spec = importlib.util.spec_from_file_location(module_name, path)
        if spec is None or spec.loader is None:
            issues.append(ValidationIssue(shown_as(file), 1, "a Python file", shown(file)))
            return None
        module = importlib.util.module_from_spec(spec)
        sys.modules[module_name] = module  # Pydantic resolves annotations through it
        try:
            spec.loader.exec_module(module)
        except Exception as error:  # noqa: BLE001 - user code may raise any error; it becomes an issue
            del sys.modules[module_name]
            problem = f"importing the file failed: {type(error).__name__}: {error}"
            issues.append(ValidationIssue(shown_as(file), _line_of(error, path), problem=problem))
            return None
    model = getattr(module, name, None)
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        found = "no such name" if model is None else shown(model)
        issues.append(ValidationIssue(shown_as(file), 1, f"a Pydantic class named {name}", found))
        return None
    try:
        model.model_json_schema()
    except PydanticUserError as error:
        reason = foreign_text(error.message)
        issues.append(ValidationIssue(shown_as(file), 1, problem=f"{name} has no JSON schema: {reason}"))
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
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(cast(Any, Annotated[info.annotation, info]))
        adapter.validate_python(value)
    except ValidationError as error:
        return stated(error.errors(include_url=False)[0], key)
    return None


def _close(node: Any) -> None:
    if isinstance(node, dict):
        if node.get("type") == "object" and "properties" in node:
            node.setdefault("additionalProperties", False)
        for value in node.values():
            _close(value)
    elif isinstance(node, list):
        for value in node:
            _close(value)


def _line_of(error: BaseException, path: Path) -> int:
    if isinstance(error, SyntaxError) and error.lineno:
        return error.lineno
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename) == path]
    return frames[-1].lineno or 1 if frames else 1
