"""Every kind of identifier in every spelling: the lower bound of the detection rate, and exact restoring."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from scipy.stats import beta

from assay.guards.masking import Masker, MaskingRules, restore
from assay.guards.recognizers import Recognizers
from tests.guards.identifiers import MAKERS, REGISTRY, iban
from tests.guards.tricks import BY_KIND, CARRIERS

VALUES = 400
LEAST = 0.98
NAMES = {"US_SSN": "SSN", "CREDIT_CARD": "CARD", "IBAN_CODE": "IBAN", "PHONE_NUMBER": "PHONE", "EMAIL_ADDRESS": "EMAIL"}
PAIRS = [(kind, trick) for kind, tricks in BY_KIND.items() for trick in tricks]


def lower_bound(found: int, n: int) -> float:
    """Clopper-Pearson, two-sided 95%."""
    return float(beta.ppf(0.025, found, n - found + 1)) if found else 0.0


@pytest.fixture(scope="module")
def recognizers() -> Recognizers:
    return Recognizers()


@pytest.mark.verify
@pytest.mark.parametrize(("kind", "trick"), PAIRS, ids=[f"{kind}: {trick}" for kind, trick in PAIRS])
def test_an_identifier_is_found_whole_and_restored_exactly(kind: str, trick: str) -> None:
    missed = missed_of(kind, trick, VALUES)
    assert lower_bound(VALUES - len(missed), VALUES) >= LEAST, missed[:5]


@pytest.mark.parametrize(("kind", "trick"), PAIRS, ids=[f"{kind}: {trick}" for kind, trick in PAIRS])
def test_some_identifiers_of_each_spelling_are_all_found(kind: str, trick: str) -> None:
    assert missed_of(kind, trick, VALUES // 10) == []


def missed_of(kind: str, trick: str, count: int) -> list[str]:
    """The texts, of so many, whose identifier is not found whole; each is restored exactly."""
    rng = random.Random(f"{kind} {trick}")
    masker = Masker(MaskingRules())
    missed = []
    for _ in range(count):
        before, spelling, after = BY_KIND[kind][trick](MAKERS[kind](rng), rng)
        text = before + spelling + after
        result = masker.mask({"text": text})
        if not any(spelling in original and NAMES[kind] in name for name, original in result.placeholders.items()):
            missed.append(text)
        assert restore(result.texts["text"], result.placeholders) == text
    return missed


@pytest.mark.parametrize("country", sorted(REGISTRY))
def test_the_ibans_of_each_country_are_found(recognizers: Recognizers, country: str) -> None:
    rng = random.Random(country)
    for _ in range(20):
        number = iban(rng, country)
        for written in (number.plain, "".join(number.groups)):
            before, after = rng.choice(CARRIERS["IBAN_CODE"])
            spans = recognizers.find(before + written + after)
            assert [(span.entity, span.start, span.end) for span in spans] == [
                ("IBAN_CODE", len(before), len(before) + len(written))
            ]


def test_a_changed_check_digit_is_no_iban(recognizers: Recognizers) -> None:
    rng = random.Random(5)
    digits_only = [country for country, bban in sorted(REGISTRY.items()) if "c" not in bban]
    for country in digits_only:
        number = "".join(iban(rng, country).groups)
        wrong = f"{number[:3]}{(int(number[3]) + 1) % 10}{number[4:]}"
        assert not [span for span in recognizers.find(wrong) if span.entity == "IBAN_CODE"]


def test_few_business_texts_lose_anything(recognizers: Recognizers) -> None:
    """Numbers of orders, parts, versions, dates and amounts; at most 2 of 60 false alarms."""
    texts = (Path(__file__).parent / "business_texts.txt").read_text("utf-8").splitlines()
    touched = [text for text in texts if recognizers.find(text)]
    assert len(texts) >= 60
    assert len(touched) * 60 <= 2 * len(texts), touched
