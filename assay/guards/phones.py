"""Finds phone numbers in a text: international numbers, grouped digits, and ungrouped digits of a known numbering plan.

Ungrouped digits are ambiguous, because order and account numbers look the same. They count as a phone number if the
nearest context word refers to a phone, if they are valid with a leading zero, or if no context word refers to another
kind of number and a numbering plan contains them. Grouped digits count unless they look like a date, an amount, a range
or a series. In case of doubt, a number counts as a phone number: masking is harmless because it is restored, but a
missed number would be sent. The text must be folded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from presidio_analyzer.predefined_recognizers import PhoneRecognizer

REGIONS = ("GB", "DE", "IT", "FR", "AU", "IN", "ES", "BR")
"""Numbering plans against which digits with a leading zero, and Indian mobile numbers, are validated, in this order."""

Extent = tuple[int, int]

_RUN = re.compile(r"[+(]{0,3}\d[\d ().\-/+]*+")
_TOKEN = re.compile(r"[^ ]+")
_GROUP = re.compile(r"\d+")
_EXTENSION = re.compile(r" ?(?:x|ext\.?|extension) ?\d{1,6}(?!\w)", re.IGNORECASE)
_INTERNATIONAL = re.compile(r"\(?\+\(?[1-9][\d ().\-/]*")
_WITH_EXIT_CODE = re.compile(r"00[ \-]?\(?[1-9]|001[ \-]")
_TRUNK = re.compile(r"0[1-9]\d{8,9}")
_INDIAN_MOBILE = re.compile(r"[6-9]\d{9}")
_MOST_TOKENS = 7
_FEWEST_DIGITS, _MOST_DIGITS, _MOST_WITH_EXIT_CODE = 7, 13, 17
_WIDEST_GAP = 3

_DAY = r"(?:0?[1-9]|[12]\d|3[01])"
_DATE = rf"(?:(?:19|20)\d\d[-./]{_DAY}[-./]{_DAY}|{_DAY}(?P<sep>[-./]){_DAY}(?P=sep)(?:19|20)?\d\d)"
_DATED = re.compile(rf"(?:^|[ \-]){_DATE}(?=$| )")
_NEVER = re.compile(
    r"""[+\- ]*(?:\d+\.|[1-9]\d*/)\d+                              # decimals, fractions
      | \d{1,2}(?:\.\d{3})+ | \d(?:\ \d{3})+ | \d{1,3}(?:\ 000)+     # thousands
      | (?:.*\ )?\d{1,3}(?:\.\d{1,3}){3}               # IPv4
      | \d+(?:\.\d+)*\.\d(?:\.\d+)+                     # versions
      | .*\d\ ?\+.* | (?:.*\ )?\d+\.\d{1,2}(?:\ .*)?    # sums; amounts among other numbers
    """,
    re.VERBOSE,
)
_SELDOM = re.compile(
    r"""(?:19|20)\d\d[ \-](?:\d{3,6}|(?:(?:19|20)\d\d[ \-]?)+)   # years, numbers of a year
      | [1-9]\d{4}[ \-]\d{1,4} | [1-5]\d{4}[ \-]\d{5} | [1-9]\d{3}[ \-]\d{3} | [1-9]\d{1,2}[ \-]\d{5}     # postcodes, house numbers
      | [1-9]\d*0[ \-/]+\d*0                            # ranges and sizes
      | \d{4}(?:\ \d{4}){2}                             # serial numbers
    """,
    re.VERBOSE,
)
_WORDS = re.compile(
    r"""\b(?:(?P<other>(?:order|invoice|ticket|ref(?:erence)?|account|acct|a/c|case|serial|tracking|sku|part|item|product
        |document|doc|receipt|transaction|txn|booking|confirmation|customer|member(?:ship)?|policy|claim|batch|model|id
        |code|iban|card|gst|vat|tax|reg|passport|isbn|ean|po)\b
        (?:[ ]?(?:number|num|no|nr|id|code|reg))?)
      | (?P<phone>(?:tele)?phone|tel|mobile|mob|cell(?:phone)?|fax|whatsapp|sms|text|txt|call(?:ed|ing|s)?|dial
        |ring|contact|reach(?:ed)?|number|landline|hotline|helpline))\b""",
    re.VERBOSE | re.IGNORECASE,
)
_WORD_AFTER = re.compile(r"[ \-(,]{0,3}(?:tele)?(?:phone|fax|mobile|cell)\b", re.IGNORECASE)
_CODE_BEFORE = re.compile(r"#\s?\Z|[A-Za-z]-\Z")
_CONTEXT_REACH = 40


@dataclass(frozen=True, slots=True)
class Candidate:
    """Adjacent tokens that may form one number; `tokens` is their count, `groups` are their runs of digits."""

    text: str
    start: int
    end: int
    tokens: int
    groups: tuple[str, ...]

    @property
    def number(self) -> str:
        """The text from the first + or digit to the last digit."""
        return self.text[self.start : self.end]

    @property
    def digits(self) -> str:
        """The digits alone."""
        return "".join(self.groups)

    @property
    def context(self) -> str | None:
        """'phone' or 'other', depending on the nearest context word; None if there is none."""
        if _WORD_AFTER.match(self.text, self.end):
            return "phone"
        words = list(_WORDS.finditer(self.text, max(0, self.start - _CONTEXT_REACH), self.start))
        return words[-1].lastgroup if words else None


class PhoneFinder:
    """Finds phone numbers; Presidio's phone recognizer at leniency 1 validates them per region."""

    def __init__(self) -> None:
        from presidio_analyzer.predefined_recognizers import PhoneRecognizer

        self._regional = tuple(PhoneRecognizer(supported_regions=(region,), leniency=1) for region in REGIONS)
        self._american = PhoneRecognizer(supported_regions=("US",), leniency=1)

    def __call__(self, text: str) -> Iterator[Extent]:
        """Start and end of each phone number, in order of position, without overlaps."""
        for run in _RUN.finditer(text):
            if run.end() - run.start() < _FEWEST_DIGITS:
                continue
            tokens = [token.span() for token in _TOKEN.finditer(text, *run.span())]
            first = 0
            while first < len(tokens):
                taken = self._best(list(_windows(text, tokens, first)))
                if taken:
                    yield taken.start, _end_with_extension(taken)
                first += taken.tokens if taken else 1

    def _best(self, candidates: list[Candidate]) -> Candidate | None:
        """The longest valid international number, because a year may follow it; otherwise the longest phone number."""
        international = [candidate for candidate in candidates if _is_international(candidate)]
        for candidate in international:
            found = self._american.analyze(candidate.number, ["PHONE_NUMBER"])
            if any(len(candidate.number) - (result.end - result.start) <= 1 for result in found):
                return candidate
        return next((c for c in candidates if c in international or self._is_national(c)), None)

    def _is_national(self, candidate: Candidate) -> bool:
        if _is_part_of_a_code(candidate) or _DATED.search(candidate.number):
            return False
        if len(candidate.groups) == 1:
            return self._is_bare_phone(candidate)
        return _is_grouped_phone(candidate)

    def _is_bare_phone(self, candidate: Candidate) -> bool:
        digits, context = candidate.digits, candidate.context
        if _TRUNK.fullmatch(digits) and self._is_valid(self._regional, digits):
            return True
        if context or digits.startswith("000"):
            return context == "phone" and not digits.startswith("000") and len(digits) <= _MOST_DIGITS
        if len(digits) < 10 or _CODE_BEFORE.search(candidate.text[max(0, candidate.start - 2) : candidate.start]):
            return False
        plans = self._regional if digits.startswith("0") or _INDIAN_MOBILE.fullmatch(digits) else (self._american,)
        return self._is_valid(plans, digits)

    @staticmethod
    def _is_valid(plans: tuple[PhoneRecognizer, ...], digits: str) -> bool:
        results = (result for plan in plans for result in plan.analyze(digits, ["PHONE_NUMBER"]))
        return any(result.end - result.start == len(digits) for result in results)


def _windows(text: str, tokens: list[Extent], first: int) -> Iterator[Candidate]:
    """Candidates of 7 to 17 digits that begin with the token `first`, longest first."""
    last = first
    for following in range(first + 1, min(first + _MOST_TOKENS, len(tokens))):
        if tokens[following][0] - tokens[following - 1][1] > _WIDEST_GAP:
            break
        last = following
    for final in range(last, first - 1, -1):
        start, end = _trimmed(text, tokens[first][0], tokens[final][1])
        groups = tuple(_GROUP.findall(text, start, end))
        if _FEWEST_DIGITS <= sum(map(len, groups)) <= _MOST_WITH_EXIT_CODE:
            yield Candidate(text, start, end, final - first + 1, groups)


def _trimmed(text: str, start: int, end: int) -> Extent:
    raw = text[start:end]
    number = raw.lstrip(" ).-/").rstrip(" ().-/+")
    start += len(raw) - len(raw.lstrip(" ).-/"))
    if number.startswith("(") and ")" not in number:
        number, start = number[1:], start + 1
    return start, start + len(number)


def _is_international(candidate: Candidate) -> bool:
    return (
        bool(_INTERNATIONAL.fullmatch(candidate.number))
        and not _NEVER.fullmatch(candidate.number)
        and not candidate.text[candidate.end : candidate.end + 1].isdigit()
    )


def _is_part_of_a_code(candidate: Candidate) -> bool:
    """True if a letter, digit or underscore touches the number, as in TD01167104 or 4415a."""
    before = candidate.text[candidate.start - 1 : candidate.start] if candidate.start else ""
    after = candidate.text[candidate.end : candidate.end + 1]
    touched = before.isalnum() or before == "_" or after.isalnum()
    return touched and not _EXTENSION.match(candidate.text, candidate.end)


def _is_grouped_phone(candidate: Candidate) -> bool:
    groups, number = candidate.groups, candidate.number
    most = _MOST_WITH_EXIT_CODE if _WITH_EXIT_CODE.match(number) else _MOST_DIGITS
    if len(candidate.digits) > most or len(groups) > _MOST_TOKENS or _NEVER.fullmatch(number):
        return False
    trunk = number.startswith("0")
    if len(groups[0]) > 5 + trunk or max(map(len, groups)) > 8 + trunk:
        return False
    if len(groups[-1]) < 3 and any(len(group) != 2 for group in groups[-2:]):
        return False
    return candidate.context == "phone" or not (_SELDOM.fullmatch(number) or _is_series(candidate))


def _is_series(candidate: Candidate) -> bool:
    """True for four or more increasing numbers separated by spaces, as in lists of sizes and product models."""
    groups = candidate.groups
    if len(groups) < 4 or candidate.tokens != len(groups) or groups[0].startswith("0"):
        return False
    return all(int(left) < int(right) for left, right in pairwise(groups))


def _end_with_extension(candidate: Candidate) -> int:
    extension = _EXTENSION.match(candidate.text, candidate.end)
    return extension.end() if extension else candidate.end
