"""Finds personal identifiers in a text: email addresses, IBANs, payment cards, social security and phone numbers.

Checksums, numbers that are never issued, context words and regional numbering plans come from Presidio, the formats of
IBANs from python-stdnum. Candidates are found by modules of this package: Presidio skips a pattern that times out, its
email pattern takes quadratic time on adversarial text, and its patterns know few spellings. Uses no NLP engine and no
network.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from assay.guards.cards import CardFinder
from assay.guards.emails import find_emails
from assay.guards.folding import fold
from assay.guards.ibans import find_ibans
from assay.guards.phones import PhoneFinder
from assay.guards.spelling import without
from assay.guards.ssns import SsnFinder

_DIGIT = re.compile(r"[0-9]")

Extent = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Span:
    """One identifier: `text[start:end]` of the given text."""

    entity: str
    start: int
    end: int

    def moved(self, by: int) -> Span:
        """The same identifier in a text with `by` characters before it."""
        return Span(self.entity, self.start + by, self.end + by)


class Recognizers:
    """Finds the five kinds of identifiers; created once, because loading Presidio takes about a second."""

    def __init__(self) -> None:
        from presidio_analyzer.predefined_recognizers import CreditCardRecognizer, UsSsnRecognizer

        # Strongest evidence first: a match of one finder is hidden from the next, so a card is never a phone.
        self._finders: tuple[tuple[str, Callable[[str], Iterator[Extent]]], ...] = (
            ("EMAIL_ADDRESS", find_emails),
            ("IBAN_CODE", find_ibans),
            ("CREDIT_CARD", CardFinder(CreditCardRecognizer())),
            ("US_SSN", SsnFinder(UsSsnRecognizer())),
            ("PHONE_NUMBER", PhoneFinder()),
        )

    def find(self, text: str) -> list[Span]:
        """Spans in order of position, without overlaps; offsets count characters of `text`."""
        folded = fold(text)
        unclaimed = folded.text
        spans: list[Span] = []
        has_digits = bool(_DIGIT.search(folded.text))
        for entity, finder in self._finders:
            if not has_digits and entity != "EMAIL_ADDRESS":
                break
            extents = list(finder(unclaimed))
            unclaimed = without(unclaimed, extents)
            spans.extend(Span(entity, *folded.original_span(start, end)) for start, end in extents)
        return sorted(spans, key=lambda span: span.start)
