"""Finds email addresses, under any domain with a dot, public or not; also spelled out, as in bob (at) x (dot) com."""

from __future__ import annotations

import re
from collections.abc import Iterator

_AT = re.compile(r"@")
_OUTSIDE = r"\s\x00-\x1f\x7f\u2018-\u201f\u00ab\u00bb\u3001\u3002\u3008-\u3011"
# Matched backwards from the @; a quoted local part may contain spaces.
_LOCAL_BACKWARDS = re.compile(rf'"\w[^"\n:,{{}}<>]{{0,60}}\w"|[^{_OUTSIDE}@<>()\[\]\\,;:"]++')
_LABEL = rf"[^{_OUTSIDE}\x21-\x2c\x2e\x2f\x3a-\x40\x5b-\x5e\x60\x7b-\x7e]++"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})++|\[[0-9a-f:.]{{3,45}}\]", re.IGNORECASE)
_LOCAL_LIMIT = 320
_LOCAL_LEAD = "!#$%&'*+-/=?^`{|}~."
_NUMERIC_END = re.compile(r"\.\d+\Z")
_IPV4 = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}\Z")

_GENERIC = "com|org|net|edu|gov|mil|int|info|biz|io|ai|app|dev|example|test|internal|local|email|online|site|shop"
_NATIONAL = "uk|de|fr|es|nl|ch|se|dk|pl|cz|pt|br|mx|jp|cn|kr|ru|ca|au|nz|eu|ie|gr|fi|hu|ro|il|za|ar|cl|tr|ua|sg|hk"
_TLD = rf"(?:{_GENERIC}|{_NATIONAL})(?![\w-])"
_WORD = r"[A-Za-z0-9][A-Za-z0-9_+-]{0,63}"
_DOT = r"(?:\s?(?:[(\[{<]\s?(?:dot|\.)\s?[)\]}>])\s?|\sdot\s|\.)"
_BRACKETED_AT = re.compile(r"[(\[{<]\s?(?:at|@)\s?[)\]}>]\s?", re.IGNORECASE)
_WORD_AT = re.compile(r"\sat\s", re.IGNORECASE)
_SPACED_AT = re.compile(r"\s{1,2}@\s{0,2}|@\s{1,2}")
_DOT_IN_WORDS = re.compile(r"[Dd][Oo][Tt]\s")
_SPELLED_DOMAIN = re.compile(rf"{_WORD}(?:{_DOT}{_WORD}){{1,4}}", re.IGNORECASE)
_PUBLIC_DOMAIN = re.compile(rf"(?:{_WORD}(?:\sdot\s|\.)){{1,4}}{_TLD}", re.IGNORECASE)
_SPOKEN_DOMAIN = re.compile(rf"(?:{_WORD}\sdot\s){{1,4}}{_TLD}", re.IGNORECASE)
_SPELLED_LOCAL = re.compile(rf"(?<![\w.+-]){_WORD}(?:{_DOT}{_WORD}){{0,4}}\s?\Z", re.IGNORECASE)
_PLAIN_LOCAL = re.compile(rf"(?<![\w.+-]){_WORD}(?:\.{_WORD}){{0,4}}\Z", re.IGNORECASE)
_SPELLED_REACH = 100


def find_emails(text: str) -> Iterator[tuple[int, int]]:
    """Start and end of each email address of a folded text, in order, without overlaps."""
    claimed = 0
    found = [*_written(text), *_spelled(text)]
    for start, end in sorted(found, key=lambda extent: (extent[0], -extent[1])):
        if start >= claimed:
            claimed = end
            yield start, end


def _written(text: str) -> Iterator[tuple[int, int]]:
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


def _spelled(text: str) -> Iterator[tuple[int, int]]:
    """Addresses with a bracketed (at), with spaces around the @, or with the words "at" and "dot"."""
    spellings = [(_BRACKETED_AT, _SPELLED_LOCAL, _SPELLED_DOMAIN)]
    if "@" in text:
        spellings.append((_SPACED_AT, _PLAIN_LOCAL, _PUBLIC_DOMAIN))
    if _DOT_IN_WORDS.search(text):
        spellings.append((_WORD_AT, _SPELLED_LOCAL, _SPOKEN_DOMAIN))
    for pattern, local, domain in spellings:
        for at in pattern.finditer(text):
            host = domain.match(text, at.end())
            reach = max(0, at.start() - _SPELLED_REACH)
            name = local.search(text[reach : at.start()]) if host else None
            if host and name and not name.group().replace(".", "").isdecimal():
                yield reach + name.start(), host.end()
