from __future__ import annotations

import hashlib
import hmac
from datetime import date

import pytest

from assay.guards.keys import input_hash, keyed_hash

KEY = b"k" * 32


def test_parts_that_read_the_same_when_joined_hash_differently() -> None:
    assert (
        len(
            {keyed_hash(KEY, "ab", "c"), keyed_hash(KEY, "a", "bc"), keyed_hash(KEY, "abc"), keyed_hash(KEY, "abc", "")}
        )
        == 4
    )


def test_the_hash_is_hmac_sha256_over_length_and_text() -> None:
    message = (2).to_bytes(8, "big") + b"\xc3\xa9"
    assert keyed_hash(KEY, "é") == hmac.new(KEY, message, hashlib.sha256).hexdigest()


def test_another_key_gives_another_hash() -> None:
    assert keyed_hash(KEY, "ann") != keyed_hash(b"j" * 32, "ann")


def test_an_empty_key_is_refused() -> None:
    with pytest.raises(ValueError, match="hash key is empty"):
        keyed_hash(b"", "ann")


def test_the_order_of_names_does_not_matter() -> None:
    assert input_hash(KEY, {"a": 1, "b": {"c": 2, "d": 3}}) == input_hash(KEY, {"b": {"d": 3, "c": 2}, "a": 1})


def test_values_of_different_types_hash_differently() -> None:
    values: list[object] = [1, "1", True, None, "null", 1.5, [1], date(2026, 1, 1), "2026-01-01"]
    assert len({input_hash(KEY, {"a": value}) for value in values}) == len(values)


def test_text_with_a_lone_surrogate_has_a_hash() -> None:
    assert len(keyed_hash(KEY, "\ud800")) == len(input_hash(KEY, {"a": "\ud800"})) == 64


def test_a_name_that_is_not_text_is_refused() -> None:
    with pytest.raises(ValueError, match="expected text"):
        input_hash(KEY, {1: "a"})  # type: ignore[dict-item]
