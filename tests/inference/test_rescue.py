"""What a text lacks is completed where only one completion is possible; nothing is ever invented."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from pydantic import BaseModel

from assay.inference.rescue import completed, unwrapped
from assay.inference.validation import Valid, validate
from tests.inference.test_validation import TEXTS, Anything, needs_texts

SUITE = TEXTS / "json_test_suite.jsonl"
LONGEST = 300


class Two(BaseModel):
    first: Any
    second: Any


def suite(expected: str) -> Iterator[str]:
    for line in SUITE.read_text("utf-8").splitlines():
        row = json.loads(line)
        text = base64.b64decode(row["content_base64"]).decode("utf-8", "surrogateescape")
        if row["expected"] == expected and len(text) <= LONGEST:
            yield text


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('Sure! {"a": 1}', {"a": 1}),
        ('{"a": {"b": [1, {"c": "}"}]}} done', {"a": {"b": [1, {"c": "}"}]}}),
        ('x {"a": "\\"} {"} y', {"a": '"} {'}),
        ("```json\n{}\n", {}),
    ],
)
def test_the_one_object_in_other_words_is_taken_out(text: str, found: object) -> None:
    assert unwrapped(text) == found


@pytest.mark.parametrize(
    "text",
    [
        *("", "no braces", "}{", '{"a": 1', '{"a": 1]', '{"a": [1}]', "{'a': 1}", '{"a": NaN}', '{"a": 1,}', "{a}"),
        *('{"a": 1} or {"a": 2}', 'as {x} said: {"a": 1}', '{"a": 1} {', '{"a": "\ud800"}'),
    ],
)
def test_where_there_is_not_one_whole_object_nothing_is_taken(text: str) -> None:
    assert unwrapped(text) is None


@pytest.mark.parametrize(
    "text",
    ['{"a": "b"', '{"a": [1, 2]', '{"a": {"b": 1}', '{"a": true', '{"a": null \n', 'So: {"a": "b"'],
)
def test_a_last_brace_is_put_back(text: str) -> None:
    assert completed(text) == orjson.loads(text[text.index("{") :].rstrip() + "}")


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", '{"a"', '{"a":', '{"a": tru', '{"a": nul', '{"a": 1', '{"a": 1.5', '{"a": -', '{"a": 1e5'),
        *('{"a": "b', '{"a": "b\\', '{"a": "b\\"', '{"a": [1', '{"a": [1, 2', '{"a": {"b": 1', '{"a": "b",'),
        *('{"a": "b"}', '{"a": "b"} {"c": "d"', '{"a": ["b"', "{\"a\": 'b'", '{"a" "b"'),
    ],
)
def test_a_text_that_lacks_anything_else_is_left_alone(text: str) -> None:
    assert completed(text) is None


@pytest.mark.parametrize("text", ["[" * 50_000, "{" * 50_000, '{"a":' * 20_000, '{"a": ' + "[" * 50_000 + "]" * 50_000])
def test_a_text_nested_without_end_is_left_alone(text: str) -> None:
    assert completed(text) is None
    assert unwrapped(text) is None


@needs_texts
def test_no_beginning_of_an_answer_is_taken_for_another_answer() -> None:
    cut = 0
    for text in suite("accept"):
        whole = f'{{"value": {text}}}'
        judged = validate(whole, Anything)
        for end in range(len(whole)):
            part = validate(whole[:end], Anything)
            assert not isinstance(part, Valid) or part.output == getattr(judged, "output", None), whole[:end]
            cut += isinstance(part, Valid)

    assert cut > 30  # some lack nothing but the last brace


@needs_texts
def test_no_beginning_of_an_answer_loses_a_property() -> None:
    for text in suite("accept"):
        whole = f'{{"first": {text}, "second": {text}}}'
        judged = validate(whole, Two)
        for end in range(len(whole)):
            part = validate(whole[:end], Two)
            assert not isinstance(part, Valid) or part.output == getattr(judged, "output", None), whole[:end]


@needs_texts
@pytest.mark.parametrize("frame", ['{"value": %s}', '{"value": %s', 'Sure! {"value": %s} Well.', "%s"])
def test_what_the_suite_calls_wrong_is_not_mended(frame: str) -> None:
    for text in suite("reject"):
        framed = frame.replace("%s", text)
        judged = validate(framed, Anything)
        if isinstance(judged, Valid):  # only where the object is there by itself, as another parser reads it
            there, _ = json.JSONDecoder().raw_decode(f"{framed}}}", framed.index("{"))
            assert there["value"] == judged.output["value"], framed


@needs_texts
def test_words_around_an_answer_change_nothing_in_it() -> None:
    for text in suite("accept"):
        whole = f'{{"value": {text}}}'
        judged, wrapped = validate(whole, Anything), validate(f"Here it is: {whole}\nBye.", Anything)
        if isinstance(judged, Valid):
            assert isinstance(wrapped, Valid)
            assert (wrapped.output, wrapped.rescued) == (judged.output, True)
