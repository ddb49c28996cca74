"""Rewrites phone numbers of a folded text as `phones` reads them: plain digits, separated by spaces and ().-/.

Every character is replaced by one character, so positions stay the same. Line breaks and tabs separate numbers, unless a
number that is announced, international or of the North American or a trunk form is broken there.
"""

from __future__ import annotations

import re

from assay.guards.spelling import DigitGroup, digit_runs, spliced

_FEWEST_DIGITS = 7
_FEWEST_DIGITS_READ = 3
_FEWEST_DIGITS_GROUPED = 9
_REACH = 24
_AS_SEPARATOR = str.maketrans("_[]{}*~'", "-()()--\x27")
_SCANNED = frozenset("OoIlSBZ")
_THOUSANDS = re.compile(r"(?<![\d,])\d{1,3}(?:,\d{3})+(?![\d,])")
_AFTER_SIGN = re.compile(r"[-./(]\s{1,3}\Z")
_OPENED = re.compile(r"[(\[{]\Z")
ANNOUNCED = re.compile(
    r"(?:phone|tel|mobile|mob|cell|fax|whatsapp|sms|call|dial|hotline|helpline|contact|reach)(?:[^\w\n]|_|\ (?:me|us|at|on|is|no)\b){0,6}[+(]{0,2}\Z",
    re.IGNORECASE,
)
_NANP = re.compile(r"1?[2-9]\d\d[2-9]\d{6}")
_NANP_SHAPES = ((3, 3, 4), (1, 3, 3, 4))


def with_plain_phones(text: str) -> str:
    """The text with the letters and separators of possible phone numbers replaced, at the same positions."""
    replaced: list[tuple[int, str]] = []
    for chunks in digit_runs(text, fewest=_FEWEST_DIGITS):
        if any(chunk.letters for chunk in chunks) and _may_be_scanned(text, chunks):
            replaced += _plain_chunks(text, chunks)
        replaced += _plain_separators(text, chunks)
    return spliced(text, sorted(replaced))


def _plain_chunks(text: str, chunks: list[DigitGroup]) -> list[tuple[int, str]]:
    fewest_at_an_end = 2 if any(len(chunk.digits) == 2 and not chunk.is_word for chunk in chunks) else 3
    return [
        (chunk.start, chunk.digits)
        for position, chunk in enumerate(chunks)
        if chunk.letters and _is_number(text, chunk, fewest=fewest_at_an_end if position in (0, len(chunks) - 1) else 2)
    ]


def _may_be_scanned(text: str, chunks: list[DigitGroup]) -> bool:
    """True for what is announced, international, or grouped as phone numbers are; false for codes as in 35l 20132020."""
    before = text[max(0, chunks[0].start - _REACH) : chunks[0].start]
    if before.endswith(("+", "+(")) or ANNOUNCED.search(before):
        return True
    sizes = [len(chunk.digits) for chunk in chunks]
    if sum(len(chunk.digits) - chunk.letters for chunk in chunks) < _FEWEST_DIGITS_READ:
        return False
    return len(chunks) >= 3 and max(sizes) <= 4 and sum(sizes) >= _FEWEST_DIGITS_GROUPED


def _is_number(text: str, chunk: DigitGroup, *, fewest: int) -> bool:
    """False for a word beside a number that consists of such letters only, as "is" and "Oslo"."""
    if not chunk.is_word:
        return True
    around = text[max(0, chunk.start - 1) : chunk.start] + text[chunk.end : chunk.end + 1]
    if set(around) & set("+-./()_[]"):
        return True
    return fewest <= len(chunk.digits) <= 4 and _SCANNED.issuperset(text[chunk.start : chunk.end])


def _plain_separators(text: str, chunks: list[DigitGroup]) -> list[tuple[int, str]]:
    replaced, has_thousands = [], _has_thousands(text, chunks)
    for position in range(len(chunks) - 1):
        start, end = chunks[position].end, chunks[position + 1].start
        if (
            text[start:end] != " "
            and (plain := _plain_between(text, chunks, position, has_thousands=has_thousands)) != text[start:end]
        ):
            replaced.append((start, plain))
    if _OPENED.search(text[max(0, chunks[0].start - 1) : chunks[0].start]):
        replaced.append((chunks[0].start - 1, "("))
    return replaced


def _plain_between(text: str, chunks: list[DigitGroup], position: int, *, has_thousands: bool) -> str:
    """What takes the place of the separators after the chunk."""
    between = text[chunks[position].end : chunks[position + 1].start]
    if between == "," and not has_thousands:
        return "-"
    if between.isspace() or between == " - ":
        return " " * len(between) if _is_broken(text, chunks, position) else between
    plain = between.translate(_AS_SEPARATOR)
    return re.sub(r"\s", " ", plain) if _joins(between) else plain


def _has_thousands(text: str, chunks: list[DigitGroup]) -> bool:
    return bool(_THOUSANDS.search(text[chunks[0].start : chunks[-1].end]))


def _joins(between: str) -> bool:
    """True unless a new line begins with a bracket, which begins a number."""
    return bool(_AFTER_SIGN.search(between)) or "\n" not in between


def _is_broken(text: str, chunks: list[DigitGroup], position: int) -> bool:
    """True if the tab or line break after the chunk is within one number."""
    first = chunks[0]
    before = text[max(0, first.start - _REACH) : first.start]
    if position <= 4 and (before.endswith(("+", "+(")) or ANNOUNCED.search(before)):
        return True
    if first.digits.startswith("0") and len(chunks) <= 5 and sum(len(chunk.digits) for chunk in chunks) in range(9, 13):
        return True
    return _is_nanp_around(chunks, position)


def _is_nanp_around(chunks: list[DigitGroup], position: int) -> bool:
    for shape in _NANP_SHAPES:
        for first in range(max(0, position - len(shape) + 2), position + 1):
            window = chunks[first : first + len(shape)]
            if tuple(len(chunk.digits) for chunk in window) == shape:
                return bool(_NANP.fullmatch("".join(chunk.digits for chunk in window)))
    return False
