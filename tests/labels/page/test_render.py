"""Values become blocks of text, and each level has the key that one would press for it."""

from __future__ import annotations

import pytest

from assay.labels.page.render import blocks, level_keys, reflowed


@pytest.mark.parametrize(
    ("labels", "keys", "unsure"),
    [
        (["wrong", "right"], ["1", "2"], "0"),
        (["1", "2", "3", "4", "5"], ["1", "2", "3", "4", "5"], "0"),
        (["0", "1", "2"], ["0", "1", "2"], "x"),
        ([str(n) for n in range(1, 11)], [*"1234567890"], "x"),
        (["-1", "0", "1"], ["1", "2", "3"], "0"),
        (["5", "15"], ["1", "2"], "0"),
    ],
)
def test_a_level_that_is_a_number_has_its_own_key(labels: list[str], keys: list[str], unsure: str) -> None:
    assert level_keys(labels) == (keys, unsure)


def test_values_are_shown_as_text_and_structures_as_json() -> None:
    shown = [(block.name, block.text, block.is_code) for block in blocks({"a_b": "x", "n": 0.5, "none": None, "l": ["p", "q"], "d": {"k": [1]}})]  # fmt: skip
    assert shown == [
        ("a b", "x", False), ("n", "0.5", False), ("none", "–", False), ("l", "• p\n• q", False),
        ("d", '{\n  "k": [\n    1\n  ]\n}', True),
    ]  # fmt: skip


def test_text_that_was_wrapped_in_its_file_flows_and_points_keep_their_lines() -> None:
    assert reflowed("Say how\nit is.\n1. First\n   point.\n2. Second.\n\nEnd.") == "Say how it is.\n1. First point.\n2. Second.\n\nEnd."  # fmt: skip
