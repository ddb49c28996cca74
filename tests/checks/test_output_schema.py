"""Which fields an output can have, and of which types, according to its schema."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, computed_field

from assay.checks import output_errors
from assay.checks.output_schema import ANY_TYPE, types_at
from assay.checks.scoring import Unscorable, value_at
from assay.tasks.output_model import output_schema


class Inner(BaseModel):
    sku: str
    count: int | None = None


class Output(BaseModel):
    label: Literal["a", "b"]
    level: Literal[1, 2]
    price: Decimal
    first: Inner
    maybe: Inner | None = None
    items: list[Inner]
    pair: tuple[int, str]
    scores: dict[str, float]
    anything: Any = None
    named: str = Field(alias="written")

    @computed_field
    def size(self) -> int:
        return len(self.items)


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")

    label: str


@pytest.mark.parametrize(
    ("path", "types"),
    [
        ("label", {"string"}),
        ("level", {"integer"}),
        ("price", {"string"}),
        ("first.sku", {"string"}),
        ("first.count", {"integer", "null"}),
        ("maybe.sku", {"string"}),
        ("items", {"array"}),
        ("items.0.sku", {"string"}),
        ("pair.1", {"string"}),
        ("scores.any", {"number"}),
        ("anything", ANY_TYPE),
        ("anything.else", ANY_TYPE),
        ("named", {"string"}),
        ("size", {"integer"}),
        ("written", set()),
        ("lable", set()),
        ("first.skv", set()),
        ("label.0", set()),
        ("items.sku", set()),
        ("pair.2", set()),
    ],
)
def test_the_types_of_a_path_are_those_of_the_values_that_a_check_finds_there(path: str, types: set[str]) -> None:
    assert types_at(output_schema(Output), path) == types


@pytest.mark.parametrize("path", ["label", "first.sku", "items.0.sku", "pair.1", "scores.x", "named", "size", "written", "label.0", "items.sku", "pair.2"])  # fmt: skip
def test_a_path_has_types_exactly_if_a_check_finds_a_value(path: str) -> None:
    inner = {"sku": "x", "count": 1}
    given = {"label": "a", "level": 1, "price": "1.5", "first": inner, "maybe": inner, "items": [inner], "pair": (1, "x"), "scores": {"x": 1.0}, "written": "n"}  # fmt: skip
    document = Output.model_validate(given).model_dump(mode="json")
    try:
        value_at(document, path, where="output")
        is_found = True
    except Unscorable:
        is_found = False

    assert bool(types_at(output_schema(Output), path)) is is_found


def test_an_output_that_accepts_more_fields_can_have_any() -> None:
    assert types_at(output_schema(Open), "more") == ANY_TYPE


@pytest.mark.parametrize(
    ("type", "more", "field", "message"),
    [
        ("regex", {"pattern": "x"}, "size", "expected a field whose value is of type string, found 'size' of type integer"),
        ("length", {"max": 3}, "items", "found 'items' of type array"),
        ("contains", {"values": ["x"]}, "level", "found 'level' of type integer"),
        ("not_contains", {"values": ["x"]}, "level", "found 'level' of type integer"),
        ("valid_json", {}, "first", "found 'first' of type object"),
        ("numeric_range", {"min": 1}, "price", "expected a field whose value is of type integer or number, found 'price' of type string"),
        ("exact_match", {}, "first.skv", "found 'first.skv'; did you mean 'first.sku'?"),
        ("allowed_value", {"values": [1]}, "lable", "found 'lable'; did you mean 'label'?"),
    ],
)  # fmt: skip
def test_a_check_that_no_output_can_pass_or_fail_has_an_error(
    type: str, more: dict[str, Any], field: str, message: str
) -> None:
    (error,) = output_errors(type, {"field": field, **more}, schema=output_schema(Output))

    assert error.parameter == "field"
    assert message in str(error)


def test_a_field_that_can_have_a_scored_type_is_no_error() -> None:
    assert output_errors("numeric_range", {"field": "first.count", "min": 1}, schema=output_schema(Output)) == []
