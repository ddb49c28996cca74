"""Finds phone numbers in a text: international numbers, grouped digits, and ungrouped digits of a known numbering plan.

Ungrouped digits are ambiguous, because order and account numbers look the same. They count as a phone number if the
nearest context word refers to a phone, if they are valid with a leading zero, or if no context word refers to another
kind of number and a numbering plan contains them. Grouped digits that do not look like a date, an amount, a range or a
series count if such a word is near, or if a numbering plan has them in this grouping. The text must be folded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

from assay.guards.phone_spelling import ANNOUNCED, with_plain_phones
from assay.guards.spelling import without

if TYPE_CHECKING:
    from presidio_analyzer.predefined_recognizers import PhoneRecognizer

REGIONS = ("GB", "DE", "IT", "FR", "AU", "IN", "ES", "BR")
"""Numbering plans against which digits with a leading zero, and Indian mobile numbers, are validated, in this order."""

Extent = tuple[int, int]

_RUN = re.compile(r"\d[\d ().\-/+]*+")
_MOST_SIGNS = 3
_SINGLY = re.compile(r"\d(?<!\d\d)(?<!\d[ .\-/]\d)(?:[ .\-/]\d){6,14}(?![ .\-/]?\d)")
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
_PAIRS = re.compile(r"0[1-9](?P<sep>[ .\-])\d\d(?:(?P=sep)\d\d){3}")
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
    r"""(?<![A-Za-z])(?:(?P<other>(?:order|invoice|ticket|ref(?:erence)?|account|acct|a/c|case|serial|tracking|sku|part
        |item|product|document|doc|receipt|transaction|txn|booking|confirmation|customer|member(?:ship)?|policy|claim
        |batch|model|id|code|iban|card|gst|vat|tax|reg|passport|isbn|issn|ean|upc|po|lot|room|ratio|range|container
        |revision|version|release|build|grades?|scores?|zip|seats?|page|issue|job|bug|device|meter|imei|barcode|error
        |delivery|shipment|waybill|parcel|contract|quote|voucher|coupon|licen[cs]e|flight|patent|firmware|coordinates
        |latitude|longitude|measured|quantity|qty|dimensions|drawing|asset|commit|hash|checksum)(?![A-Za-z])
        (?:[ ]?(?:number|num|no|nr|id|code|reg)(?![A-Za-z]))?)
      | (?P<phone>(?:tele)?phone|tel|mobile|mob|cell(?:phone)?|fax|whatsapp|sms|text|txt|call(?:ed|ing|s)?|dial
        |ring|contact|reach(?:ed)?|number|landline|hotline|helpline|desk|office(?=[ ]?[:.\-])|answer(?:ing|s|ed)?|messages?
        |registered))(?![A-Za-z])""",
    re.VERBOSE | re.IGNORECASE,
)
_WORD_AFTER = re.compile(r"[ \-(,]{0,3}(?:(?:tele)?(?:phone|fax|mobile|cell)|office|desk)\b", re.IGNORECASE)
_NANP = re.compile(
    r"(?:\+?1[ \-.]{0,2})?\(?[2-9]\d\d(?:\) ?\(?| ?[\-./] ?| {1,3}|-?\(|)[2-9]\d\d(?:\)\(| ?[\-./] ?| {1,3})\(?\d{4}"
)
_AREA_IN_BRACKETS = re.compile(r"\(0?[1-9]\d{0,3}\)")
_DIGIT_AND_SPACE = re.compile(r"\d ")
_SPACE_AND_DIGIT = re.compile(r" \d")
_FEWEST_DIGITS_OF_A_PLAN = 9
_CODE_BEFORE = re.compile(r"#\s?\Z|[A-Za-z]-\Z")
_CONTEXT_REACH = 40


@dataclass(frozen=True)
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

    @cached_property
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
        text = with_plain_phones(text)
        singles = [
            (_with_signs(text, match.start()), match.end()) for match in _SINGLY.finditer(text) if _is_announced(match)
        ]
        yield from sorted([*singles, *self._grouped(without(text, singles) if singles else text)])

    def _grouped(self, text: str) -> Iterator[Extent]:
        for run in _RUN.finditer(text):
            if run.end() - run.start() < _FEWEST_DIGITS:
                continue
            tokens = [token.span() for token in _TOKEN.finditer(text, _with_signs(text, run.start()), run.end())]
            digits = [0, *accumulate(sum(map(str.isdecimal, text[start:end])) for start, end in tokens)]
            first = 0
            while first < len(tokens):
                taken = self._best(list(_windows(text, tokens, digits, first)))
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
        if _is_part_of_a_code(candidate) or (
            _DATED.search(candidate.number) and not _PAIRS.fullmatch(candidate.number)
        ):
            return False
        if len(candidate.groups) == 1:
            return self._is_bare_phone(candidate)
        return _can_be_grouped_phone(candidate) and self._is_known_grouping(candidate)

    def _is_known_grouping(self, candidate: Candidate) -> bool:
        if candidate.context == "phone":
            return True
        if _CODE_BEFORE.search(candidate.text[max(0, candidate.start - 2) : candidate.start]):
            return False
        number, digits = candidate.number, candidate.digits
        if _is_in_a_list(candidate):
            return False
        if _NANP.fullmatch(number):
            return True
        if _WITH_EXIT_CODE.match(number):
            return is_of_a_plan(f"+{digits[2:]}", ())
        if _SELDOM.fullmatch(number) or _is_series(candidate) or len(digits) < _FEWEST_DIGITS_OF_A_PLAN:
            return False
        if _AREA_IN_BRACKETS.match(number):
            return True
        return candidate.context is None and is_of_a_plan(number, candidate.groups)

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


def _with_signs(text: str, start: int) -> int:
    """Start of a run with the plus sign and the brackets before it."""
    for _ in range(_MOST_SIGNS):
        start -= start > 0 and text[start - 1] in "+("
    return start


def _is_announced(match: re.Match[str]) -> bool:
    """True for digits one by one after a word that refers to a phone, or after a plus sign."""
    before = match.string[max(0, match.start() - _CONTEXT_REACH) : match.start()]
    return before.endswith(("+", "+ ")) or bool(ANNOUNCED.search(before))


def _windows(text: str, tokens: list[Extent], digits: list[int], first: int) -> Iterator[Candidate]:
    """Candidates of 7 to 17 digits that begin with the token `first`, longest first.

    `digits[i]` is the number of digits in the tokens before the i-th.
    """
    last = first
    for following in range(first + 1, min(first + _MOST_TOKENS, len(tokens))):
        if tokens[following][0] - tokens[following - 1][1] > _WIDEST_GAP:
            break
        last = following
    for final in range(last, first - 1, -1):
        count = digits[final + 1] - digits[first]
        if count < _FEWEST_DIGITS:
            return
        if count <= _MOST_WITH_EXIT_CODE:
            start, end = _trimmed(text, tokens[first][0], tokens[final][1])
            yield Candidate(text, start, end, final - first + 1, tuple(_GROUP.findall(text, start, end)))


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
    """True if a letter, digit or underscore touches the number, as in TD01167104 or 4415a, other than tel4155550132."""
    before = candidate.text[candidate.start - 1 : candidate.start] if candidate.start else ""
    after = candidate.text[candidate.end : candidate.end + 1]
    if _EXTENSION.match(candidate.text, candidate.end):
        return False
    if before.isdecimal() or after.isdecimal():
        return True
    touched = before.isalpha() or before == "_" or after.isalpha()
    return touched and not (_announces(candidate) or _NANP.fullmatch(candidate.number))


def _announces(candidate: Candidate) -> bool:
    """True if a word that refers to a phone stands directly before the number, as in tel4155550132."""
    return bool(ANNOUNCED.search(candidate.text, max(0, candidate.start - _CONTEXT_REACH), candidate.start))


def _is_in_a_list(candidate: Candidate) -> bool:
    """True if spaces separate the groups and further digits around them, as in lists of sizes and product models."""
    if " " not in candidate.number:
        return False
    before, after = (
        candidate.text[max(0, candidate.start - 2) : candidate.start],
        candidate.text[candidate.end : candidate.end + 2],
    )
    return bool(_DIGIT_AND_SPACE.fullmatch(before) or _SPACE_AND_DIGIT.fullmatch(after))


def _can_be_grouped_phone(candidate: Candidate) -> bool:
    groups, number = candidate.groups, candidate.number
    most = _MOST_WITH_EXIT_CODE if _WITH_EXIT_CODE.match(number) else _MOST_DIGITS
    if len(candidate.digits) > most or len(groups) > _MOST_TOKENS or _NEVER.fullmatch(number):
        return False
    trunk = number.startswith("0")
    if len(groups[0]) > 5 + trunk or max(map(len, groups)) > 8 + trunk:
        return False
    return len(groups[-1]) >= 3 or all(len(group) == 2 for group in groups[-2:])


@lru_cache(maxsize=4096)
def is_of_a_plan(number: str, groups: tuple[str, ...]) -> bool:
    """True if a numbering plan contains the number, and groups it like this unless it begins with a zero or a plus."""
    import phonenumbers
    from phonenumbers import PhoneNumberFormat

    for region in REGIONS:
        try:
            parsed = phonenumbers.parse(number, region)
        except phonenumbers.NumberParseException:
            continue
        if not phonenumbers.is_valid_number(parsed):
            continue
        if number.startswith(("0", "+")):
            return True
        written = (PhoneNumberFormat.NATIONAL, PhoneNumberFormat.INTERNATIONAL)
        grouped = [tuple(_GROUP.findall(phonenumbers.format_number(parsed, way))) for way in written]
        if groups in (grouped[0], grouped[1][1:]):
            return True
    return False


def _is_series(candidate: Candidate) -> bool:
    """True for four or more increasing numbers separated by spaces, as in lists of sizes and product models."""
    groups = candidate.groups
    if len(groups) < 4 or candidate.tokens != len(groups) or groups[0].startswith("0"):
        return False
    return all(int(left) < int(right) for left, right in pairwise(groups))


def _end_with_extension(candidate: Candidate) -> int:
    extension = _EXTENSION.match(candidate.text, candidate.end)
    return extension.end() if extension else candidate.end
