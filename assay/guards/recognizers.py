"""Finds personal identifiers in a text: email addresses, IBANs, payment cards, social security and phone numbers.

Checksums, formats, weak patterns, context words and regional numbering plans come from Presidio. Candidates are found
here for three reasons: Presidio skips a pattern that times out, its email pattern takes quadratic time on adversarial
text, and its card pattern lacks 19-digit Visa numbers and the Mastercard 2-series. Uses no NLP engine and no network.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assay.guards.folding import fold
from assay.guards.phones import PhoneFinder

if TYPE_CHECKING:
    from presidio_analyzer import PatternRecognizer
    from presidio_analyzer.predefined_recognizers import UsSsnRecognizer

SCORE_THRESHOLD = 0.4
"""Presidio's score for a phone number, and its minimum score for a weak pattern beside a context word."""

CLAIMED = "\0"

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
        from presidio_analyzer.predefined_recognizers import CreditCardRecognizer, IbanRecognizer, UsSsnRecognizer

        # Strongest evidence first: a match of one finder is hidden from the next, so a card is never a phone.
        self._finders: tuple[tuple[str, Callable[[str], Iterator[Extent]]], ...] = (
            ("EMAIL_ADDRESS", _emails),
            ("IBAN_CODE", IbanFinder(IbanRecognizer(exact_match=True))),
            ("CREDIT_CARD", CardFinder(CreditCardRecognizer())),
            ("US_SSN", SsnFinder(UsSsnRecognizer())),
            ("PHONE_NUMBER", PhoneFinder()),
        )

    def find(self, text: str) -> list[Span]:
        """Spans in order of position, without overlaps; offsets count characters of `text`."""
        folded = fold(text)
        unclaimed = folded.text
        spans: list[Span] = []
        for entity, finder in self._finders:
            extents = list(finder(unclaimed))
            unclaimed = _without(unclaimed, extents)
            spans.extend(Span(entity, *folded.original_span(start, end)) for start, end in extents)
        return sorted(spans, key=lambda span: span.start)


def _without(text: str, extents: list[Extent]) -> str:
    if not extents:
        return text
    pieces, done = [], 0
    for start, end in extents:
        pieces += [text[done:start], CLAIMED * (end - start)]
        done = end
    return "".join([*pieces, text[done:]])


_AT = re.compile(r"@|%40|&#(?:64|x40);|&commat;", re.IGNORECASE)
_OUTSIDE = r"\s\x00-\x1f\x7f\u2018-\u201f\u00ab\u00bb\u3001\u3002\u3008-\u3011"
# Matched backwards from the @; a quoted local part may contain spaces.
_LOCAL_BACKWARDS = re.compile(rf'"\w[^"\n:,{{}}<>]{{0,60}}\w"|[^{_OUTSIDE}@<>()\[\]\\,;:"]++')
_LABEL = rf"[^{_OUTSIDE}\x21-\x2c\x2e\x2f\x3a-\x40\x5b-\x5e\x60\x7b-\x7e]++"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})++|\[[0-9a-f:.]{{3,45}}\]", re.IGNORECASE)
_LOCAL_LIMIT = 320
_LOCAL_LEAD = "!#$%&'*+-/=?^`{|}~."
_NUMERIC_END = re.compile(r"\.\d+\Z")
_IPV4 = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}\Z")


def _emails(text: str) -> Iterator[Extent]:
    """Start and end of each email address, under any domain with a dot, public or not."""
    claimed = 0
    for at in _AT.finditer(text):
        if at.start() < claimed:
            continue
        domain = _DOMAIN.match(text, at.end())
        if domain is None or _is_price(domain.group()):
            continue
        local = _LOCAL_BACKWARDS.match(text[max(claimed, at.start() - _LOCAL_LIMIT) : at.start()][::-1])
        name = local.group()[::-1].lstrip(_LOCAL_LEAD) if local else ""
        if name:
            claimed = domain.end()
            yield at.start() - len(name), claimed


def _is_price(domain: str) -> bool:
    return bool(_NUMERIC_END.search(domain)) and not _IPV4.match(domain)


_IBAN_START = re.compile(r"(?<![A-Za-z0-9])(?:IBAN)?([A-Z]{2}[ .\-]?\d[ .\-]?\d)", re.IGNORECASE)
_IBAN_RUN = re.compile(r"[A-Za-z0-9](?:[ .\-]{0,2}[A-Za-z0-9]){14,33}")
_LETTER_OR_DIGIT = re.compile(r"[A-Za-z0-9]")


class IbanFinder:
    """Finds IBANs, in upper or lower case: their country's format, and a checksum that Presidio validates."""

    def __init__(self, recognizer: PatternRecognizer) -> None:
        from presidio_analyzer.predefined_recognizers.generic.iban_patterns import regex_per_country

        self._recognizer = recognizer
        self._formats = {country: re.compile(pattern) for country, pattern in regex_per_country.items()}

    def __call__(self, text: str) -> Iterator[Extent]:
        """Start and end of each match, in order of position, without overlaps."""
        claimed = 0
        for start in _IBAN_START.finditer(text):
            if start.start(1) < claimed:
                continue
            end = self._end(text, start.start(1))
            if end:
                claimed = end
                yield start.start(1), end

    def _end(self, text: str, start: int) -> int | None:
        run = _IBAN_RUN.match(text, start)
        layout = self._formats.get(text[start : start + 2].upper())
        if run is None or layout is None:
            return None
        places = [match.start() for match in _LETTER_OR_DIGIT.finditer(text, start, run.end())]
        whole = layout.match("".join(text[place] for place in places).upper())
        if whole is None or not self._recognizer.validate_result(whole.group()):
            return None
        end = places[len(whole.group()) - 1] + 1
        return None if _LETTER_OR_DIGIT.match(text, end) else end


_ISSUER = re.compile(
    r"""4\d{12}(?:\d{3}){0,2}                                            # Visa
      | (?:5[1-5]\d\d | 222[1-9] | 22[3-9]\d | 2[3-6]\d\d | 27[01]\d | 2720)\d{12}   # Mastercard
      | 3[47]\d{13} | 3(?:0[0-5]|[689]\d)\d{11,16} | 35\d{14,17} | (?:2131|1800)\d{11}   # Amex, Diners, JCB
      | 6\d{11,18} | 5[0678]\d{10,17} | 0604\d{8}                        # Discover, UnionPay, Maestro
      | 1\d{14} | 220[0-4]\d{12,15} | 8[12]\d{14} | 9792\d{12}           # UATP, Mir, RuPay, Troy
    """,
    re.VERBOSE,
)
_CARD_RUN = re.compile(r"\d{4,}+(?:[ .\-]{1,3}\d{3,}+)*+")
_DIGITS = re.compile(r"\d+")
_CARD_LENGTHS = range(12, 20)
_CARD_GROUPS = 5


class CardFinder:
    """Finds payment cards: a known issuer's prefix and length, and a Luhn checksum that Presidio validates."""

    def __init__(self, recognizer: PatternRecognizer) -> None:
        self._recognizer = recognizer

    def __call__(self, text: str) -> Iterator[Extent]:
        """Start and end of each match, in order of position, without overlaps."""
        for run in _CARD_RUN.finditer(text):
            groups = [match.span() for match in _DIGITS.finditer(text, *run.span())]
            first = 0
            while first < len(groups):
                count = self._groups_of_card(text, groups[first : first + _CARD_GROUPS])
                if count:
                    yield groups[first][0], groups[first + count - 1][1]
                first += count or 1

    def _groups_of_card(self, text: str, groups: list[Extent]) -> int:
        """Number of leading groups of digits that form a card; 0 if none do."""
        number, longest = "", 0
        for count, (start, end) in enumerate(groups, start=1):
            if len(number) + end - start > _CARD_LENGTHS[-1]:
                break
            number += text[start:end]
            if len(number) in _CARD_LENGTHS and _ISSUER.fullmatch(number) and self._recognizer.validate_result(number):
                longest = count
        return longest


_SSN_SHAPE = re.compile(r"(?<!\d)\d{3} ?- ?\d{2} ?- ?\d{4}(?!\d)")
_COUNTRY_CODE_BEFORE = re.compile(r"\+\d{1,3}[ .\-]\Z")
_CONTEXT_REACH = 40
_CONTEXT_BOOST = 0.35


class SsnFinder:
    """Finds social security numbers: every ddd-dd-dddd, issued or not; other forms according to Presidio's rules.

    A context word in the preceding 40 characters raises the score of a weak form by 0.35, to at least 0.4, as Presidio's
    context enhancer does.
    """

    def __init__(self, recognizer: UsSsnRecognizer) -> None:
        self._recognizer = recognizer
        self._patterns = [(re.compile(pattern.regex), pattern.score) for pattern in recognizer.PATTERNS]
        self._context = re.compile(rf"\b(?:{'|'.join(map(re.escape, recognizer.context or ()))})\b", re.IGNORECASE)

    def __call__(self, text: str) -> Iterator[Extent]:
        """Start and end of each match, in order of position, without overlaps."""
        extents = {match.span() for match in _SSN_SHAPE.finditer(text) if not _ends_a_phone(match)}
        for pattern, score in self._patterns:
            extents |= {match.span() for match in pattern.finditer(text) if self._holds(match, score)}
        claimed = 0
        for start, end in sorted(extents, key=lambda extent: (extent[0], -extent[1])):
            if start >= claimed:
                claimed = end
                yield start, end

    def _holds(self, match: re.Match[str], score: float) -> bool:
        if score < SCORE_THRESHOLD:
            before = match.string[max(0, match.start() - _CONTEXT_REACH) : match.start()]
            score = max(score + _CONTEXT_BOOST, SCORE_THRESHOLD) if self._context.search(before) else score
        return (
            score >= SCORE_THRESHOLD
            and not _ends_a_phone(match)
            and not self._recognizer.invalidate_result(match.group())
        )


def _ends_a_phone(match: re.Match[str]) -> bool:
    return bool(_COUNTRY_CODE_BEFORE.search(match.string[max(0, match.start() - 5) : match.start()]))
