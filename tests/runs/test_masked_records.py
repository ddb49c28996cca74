"""Input and expected answer are masked as one, however deep a value lies."""

from __future__ import annotations

from assay.guards.masking import Masker, MaskingRules
from assay.runs.masked_records import mask_pair

GUARD = Masker(MaskingRules())
MAIL = "jane.roe@mail.example.org"


def test_a_value_has_one_placeholder_in_input_and_expected_answer() -> None:
    masked, expected = mask_pair(GUARD, {"text": f"I am {MAIL}."}, {"address": MAIL})
    assert masked.texts["text"] == "I am <EMAIL_1>."
    assert expected == {"address": "<EMAIL_1>"}


def test_lists_objects_and_numbers_of_the_expected_answer_are_masked_too() -> None:
    expected = {"people": [{"mail": MAIL, "age": 41, "known": True}], "card": 4111111111111111, "none": None}
    _, masked = mask_pair(GUARD, {"text": "t"}, expected)
    assert masked == {
        "people": [{"mail": "<EMAIL_1>", "age": 41, "known": True}],
        "card": "<CARD_1>",
        "none": None,
    }


def test_no_expected_answer_stays_none() -> None:
    masked, expected = mask_pair(GUARD, {"text": "plain"}, None)
    assert (masked.texts, expected) == ({"text": "plain"}, None)
