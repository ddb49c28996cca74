"""An answer is taken or refused, whatever it holds; nothing is guessed and nothing crashes."""

from __future__ import annotations

import base64
import json
from typing import Any, Literal

import orjson
import pytest
from pydantic import BaseModel, ConfigDict, field_validator

from assay.inference.validation import Invalid, Valid, validate
from tests.paths import SHARED

TEXTS = SHARED / "data" / "text"
needs_texts = pytest.mark.skipif(
    not TEXTS.is_dir(), reason="the public data sets are not beside the checkout (../shared/data)"
)


class Label(BaseModel):
    label: Literal["billing", "other"]


class Anything(BaseModel):
    value: Any


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")

    label: str


class Numbered(BaseModel):
    number: int


class Broken(BaseModel):
    label: str

    @field_validator("label")
    @classmethod
    def _fails(cls, value: str) -> str:
        return {"known": value}[value]


def valid(output: dict[str, Any], *, rescued: bool = False) -> Valid:
    return Valid(output, orjson.dumps(output).decode(), rescued=rescued)


@pytest.mark.parametrize(
    "text",
    [
        '{"label": "billing"}',
        ' \n{"label":"billing"}\n ',
        '```json\n{"label": "billing"}\n```',
        '```\n{"label": "billing"}\n```\n',
    ],
)
def test_one_json_object_is_taken_with_or_without_a_fence(text: str) -> None:
    assert validate(text, Label) == valid({"label": "billing"})


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "it is not JSON"),
        ("billing", "it is not JSON"),
        ('Either {"label": "billing"} or {"label": "other"}.', "it is not JSON"),
        ('Sure! {"label": "refund"}', "it is not JSON"),
        ('{"label": "bill', "it is not JSON"),
        ('{"label": "billing"}{"label": "other"}', "it is not JSON"),
        ("{'label': 'billing'}", "it is not JSON"),
        ("```\n```", "it is not JSON"),
        ("\ud800", "it is not JSON"),
        ('{"label": NaN}', "it is not JSON"),
        ('["billing"]', "it is a JSON list, not an object"),
        ('"billing"', "it is a JSON str, not an object"),
        ("null", "it is a JSON NoneType, not an object"),
        ("{}", "label: Field required"),
        ('{"label": "refund"}', "label: Input should be 'billing' or 'other'"),
        ('{"label": null}', "label: Input should be 'billing' or 'other'"),
        ('{"label": "billing", "why": "because"}', "why: Extra inputs are not permitted"),
        ("[" * 100_000, "it is not JSON"),
        (" " * 1_000_001, "it has 1,000,001 characters, more than 1,000,000"),
    ],
)
def test_anything_else_is_refused_with_its_fault(text: str, fault: str) -> None:
    judged = validate(text, Label)

    assert isinstance(judged, Invalid)
    assert judged.error.startswith(fault)


def test_a_model_that_asks_for_more_keys_gets_them() -> None:
    assert validate('{"label": "x", "why": "y"}', Open) == valid({"label": "x", "why": "y"})


def test_a_fault_quotes_no_more_than_a_line_of_a_huge_key() -> None:
    judged = validate(orjson.dumps({"label": "other", "k" * 100_000: 1}).decode(), Label)

    assert isinstance(judged, Invalid)
    assert len(judged.error) <= 500


@pytest.mark.parametrize("depth", [200, 254, 300, 900, 5000])
def test_an_answer_nested_without_end_is_judged_and_never_crashes(depth: int) -> None:
    judged = validate('{"value": ' + "[" * depth + "]" * depth + "}", Anything)

    assert isinstance(judged, Valid) == (depth == 200)


@pytest.mark.parametrize("number", ["1" * 30, '"' + "1" * 30 + '"', "1e300", "-1e40"])
def test_a_number_that_json_cannot_write_again_is_refused(number: str) -> None:
    assert isinstance(validate(f'{{"number": {number}}}', Numbered), Invalid)


def test_a_validator_of_the_task_that_breaks_makes_the_answer_invalid() -> None:
    assert validate('{"label": "x"}', Broken) == Invalid("the output model Broken rejects it (KeyError)")


@needs_texts
@pytest.mark.parametrize("frame", ["%s", '{"value": %s}', '{"value": %s', "```\n%s\n```"])
def test_no_text_of_the_json_test_suite_crashes_it(frame: str) -> None:
    for line in (TEXTS / "json_test_suite.jsonl").read_text("utf-8").splitlines():
        text = base64.b64decode(json.loads(line)["content_base64"]).decode("utf-8", "surrogateescape")

        judged = validate(frame.replace("%s", text), Anything)

        assert isinstance(judged, Invalid) or orjson.dumps(judged.output)


@needs_texts
def test_what_the_json_test_suite_calls_wrong_is_never_taken() -> None:
    for line in (TEXTS / "json_test_suite.jsonl").read_text("utf-8").splitlines():
        row = json.loads(line)
        text = base64.b64decode(row["content_base64"]).decode("utf-8", "surrogateescape")
        if row["expected"] == "reject" and text.lstrip().startswith("{"):
            assert isinstance(validate(text, Anything), Invalid), row["name"]


@needs_texts
def test_naughty_strings_come_back_as_they_were() -> None:
    for text in json.loads((TEXTS / "blns.json").read_text("utf-8")):
        assert validate(json.dumps({"value": text}), Anything) == valid({"value": text})


class Parts(BaseModel):
    items: list[str]
    count: int
    note: str = ""


@pytest.mark.parametrize(
    "text", ['Sure! {"label": "billing"}', '{"label": "billing"} Hope this helps.', '{"label": "billing"']
)
def test_the_one_reading_that_a_text_can_have_is_taken(text: str) -> None:
    assert validate(text, Label) == valid({"label": "billing"}, rescued=True)


@pytest.mark.parametrize(
    "text",
    [
        '{"items": ["a", "b"',  # there may have been more items
        '{"items": ["a"], "note": "", "count": 1',  # the number may have had more digits
        '{"items": ["a"], "count": 1, "note": "so',  # cut inside a text
        '{"count": 1, "items": ["a"]',  # an optional property may have been cut off
    ],
)
def test_what_may_have_gone_on_is_not_completed(text: str) -> None:
    assert isinstance(validate(text, Parts), Invalid)


def test_a_text_with_every_property_is_completed() -> None:
    assert validate('{"items": ["}"], "count": 1, "note": "a \\" {"', Parts) == valid(
        {"items": ["}"], "count": 1, "note": 'a " {'}, rescued=True
    )
