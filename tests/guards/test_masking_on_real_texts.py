"""Recall and exact restoring on public data; skipped, visibly, where the data is not beside the checkout."""

from __future__ import annotations

import json
from typing import Any

import pytest

from assay.guards.masking import Masker, MaskingRules, restore
from assay.guards.recognizers import Recognizers
from tests.paths import SHARED

DATA = SHARED / "data"
pytestmark = pytest.mark.skipif(
    not DATA.is_dir(), reason="the public data sets are not beside the checkout (../shared/data)"
)


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    return [json.loads(line) for line in (DATA / "pii" / "presidio_synth_v2.jsonl").read_text("utf-8").splitlines()]


@pytest.mark.parametrize(
    ("entity", "least"),
    [("EMAIL_ADDRESS", 1.0), ("CREDIT_CARD", 1.0), ("IBAN_CODE", 1.0), ("US_SSN", 1.0), ("PHONE_NUMBER", 1.0)],
)
def test_every_labelled_identifier_is_found_under_its_own_kind(
    rows: list[dict[str, Any]], entity: str, least: float
) -> None:
    recognizers = Recognizers()
    found = []
    for row in rows:
        spans = [span for span in recognizers.find(row["full_text"]) if span.entity == entity]
        labeled = [span for span in row["spans"] if span["entity_type"] == entity]
        found += [
            any(s.start <= label["start_position"] and label["end_position"] <= s.end for s in spans)
            for label in labeled
        ]
    assert sum(found) / len(found) >= least


def test_few_texts_without_identifiers_lose_anything(rows: list[dict[str, Any]]) -> None:
    kinds = set(MaskingRules().entities)
    clean = [row["full_text"] for row in rows if not kinds & {span["entity_type"] for span in row["spans"]}]
    touched = sum(Masker(MaskingRules()).mask({"t": text}).count > 0 for text in clean)
    assert touched / len(clean) <= 0.02


def test_every_text_comes_back_as_it_was(rows: list[dict[str, Any]]) -> None:
    naughty = json.loads((DATA / "text" / "blns.json").read_text("utf-8"))
    masker = Masker(MaskingRules())
    for text in [row["full_text"] for row in rows] + naughty:
        result = masker.mask({"t": text})
        assert restore(result.texts["t"], result.placeholders) == text
