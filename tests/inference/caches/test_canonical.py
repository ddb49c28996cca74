"""A body is taken apart into the same two parts however it is written, parsed or not."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from assay.inference.caches.canonical import FRAMES_KEPT, BodyParts

MESSAGES = [{"role": "system", "content": "You sort texts."}, {"role": "user", "content": "Where is my card?"}]


def body(messages: Any = MESSAGES, **parameters: Any) -> bytes:
    return orjson.dumps({"model": "gpt-5-nano", "messages": messages, "temperature": 0, **parameters})


def test_a_body_that_is_seen_again_is_split_as_at_first() -> None:
    parts = BodyParts()
    first = parts.split(body())

    assert parts.split(body()) == first == BodyParts().split(body())


def test_a_known_frame_gives_what_parsing_gives() -> None:
    parts, other = BodyParts(), [{"role": "user", "content": 'quote " and ] and "temperature":1'}]
    parts.split(body())

    assert parts.split(body(other)) == BodyParts().split(body(other))


@pytest.mark.parametrize("hidden", ['],"temperature":0}', '"messages":[', '{"role":"user"}]'])
def test_texts_that_look_like_the_frame_stay_texts(hidden: str) -> None:
    parts, tricky = BodyParts(), [{"role": "user", "content": hidden}]
    parts.split(body())

    assert parts.split(body(tricky)) == BodyParts().split(body(tricky))
    assert parts.split(body(tricky)) != parts.split(body())


def test_another_parameter_is_another_frame() -> None:
    parts = BodyParts()

    assert parts.split(body()) != parts.split(body(temperature=1)) != parts.split(body(seed=1))


def test_bodies_that_are_never_written_alike_are_still_split_right() -> None:
    parts = BodyParts()
    split = [parts.split(body(user=str(number))) for number in range(3 * FRAMES_KEPT)]

    assert split == [BodyParts().split(body(user=str(number))) for number in range(3 * FRAMES_KEPT)]


def test_bodies_without_messages_share_nothing_and_are_equal_where_they_ask_the_same() -> None:
    first, again, other = b'{"turns":["a"],"size":1}', b'{"size": 1, "turns": ["a"]}', b'{"turns":["b"],"size":1}'
    (shared, said), (_, said_again), (shared_by_other, said_otherwise) = map(BodyParts().split, (first, again, other))

    assert shared == shared_by_other
    assert said == said_again != said_otherwise


@pytest.mark.parametrize("text", [b"", b"[]", b"{", b'"x"'])
def test_what_is_no_json_object_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"JSON|expected|line|char"):
        BodyParts().split(text)
