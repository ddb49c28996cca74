"""Spellings of identifiers: separators, digits of other scripts, invisible characters, scanners, containers."""

from __future__ import annotations

import html
import json
import random
import unicodedata
from collections.abc import Callable
from urllib.parse import quote

from tests.guards.identifiers import Identifier

Trick = Callable[[Identifier, random.Random], tuple[str, str, str]]
"""Gives the text before the identifier, its spelling, and the text after it."""

NUMBERS = ("US_SSN", "CREDIT_CARD", "IBAN_CODE", "PHONE_NUMBER")
ALL = (*NUMBERS, "EMAIL_ADDRESS")
CARRIERS = {
    "US_SSN": [("my SSN is ", " thanks"), ("SSN ", " on file"), ("social security number: ", "."), ("it is ", ", yes")],
    "CREDIT_CARD": [("card ", " exp 12/27"), ("charge ", " please"), ("paid with ", ".")],
    "IBAN_CODE": [("pay to ", " today"), ("IBAN: ", "."), ("my account is ", ", thanks")],
    "PHONE_NUMBER": [("call ", " please"), ("my phone is ", "."), ("ask at ", ", thanks"), ("tel. ", " after six")],
    "EMAIL_ADDRESS": [("write to ", " today"), ("my address: ", ", thanks")],
}
LABELS = {
    "US_SSN": "SSN",
    "CREDIT_CARD": "card",
    "IBAN_CODE": "IBAN",
    "PHONE_NUMBER": "tel",
    "EMAIL_ADDRESS": "mailto",
}
SEPARATORS = {
    "space": " ",
    "two spaces": "  ",
    "no-break space": "\u00a0",
    "thin space": "\u2009",
    "narrow no-break space": "\u202f",
    "figure space": "\u2007",
    "ideographic space": "\u3000",
    "tab": "\t",
    "line break": "\n",
    "CR LF": "\r\n",
    "hyphen and line break": "-\n",
    "hyphen": "-",
    "spaced hyphen": " - ",
    "Unicode hyphen": "\u2010",
    "no-break hyphen": "\u2011",
    "figure dash": "\u2012",
    "en dash": "\u2013",
    "em dash": "\u2014",
    "horizontal bar": "\u2015",
    "minus sign": "\u2212",
    "small hyphen": "\ufe63",
    "full-width hyphen": "\uff0d",
    "dot": ".",
    "middle dot": "\u00b7",
    "slash": "/",
    "underscore": "_",
    "comma": ",",
}
INVISIBLE = {
    "zero-width space": "\u200b",
    "zero-width joiner": "\u200d",
    "word joiner": "\u2060",
    "byte order mark": "\ufeff",
    "soft hyphen": "\u00ad",
}
SCRIPTS = {
    "full-width digits": 0xFF10,
    "Arabic-Indic digits": 0x0660,
    "Extended Arabic-Indic digits": 0x06F0,
    "Devanagari digits": 0x0966,
    "bold mathematical digits": 0x1D7CE,
}
SCANNED = {"0": "Oo", "1": "Il", "5": "S", "8": "B"}


def carried(identifier: Identifier, spelling: str, rng: random.Random) -> tuple[str, str, str]:
    """The spelling within a sentence."""
    before, after = rng.choice(CARRIERS[identifier.kind])
    return before, spelling, after


def _separated(separator: str) -> Trick:
    def trick(identifier: Identifier, rng: random.Random) -> tuple[str, str, str]:
        return carried(identifier, identifier.prefix + separator.join(identifier.groups), rng)

    return trick


def _in_script(zero: int) -> Trick:
    table = {ord("0") + digit: chr(zero + digit) for digit in range(10)}

    def trick(identifier: Identifier, rng: random.Random) -> tuple[str, str, str]:
        return carried(identifier, identifier.plain.translate(table), rng)

    return trick


def _with_invisible(char: str) -> Trick:
    def trick(identifier: Identifier, rng: random.Random) -> tuple[str, str, str]:
        plain = identifier.plain
        kept = rng.sample(range(1, len(plain)), k=min(4, len(plain) - 1))
        spelled = "".join(f"{char}{c}" if place in kept else c for place, c in enumerate(plain))
        return carried(identifier, spelled, rng)

    return trick


def _scanned(share: float) -> Trick:
    """Reads at least one of the digits that scanners confuse as a letter, each further one with probability `share`."""

    def trick(identifier: Identifier, rng: random.Random) -> tuple[str, str, str]:
        joined = "".join(identifier.groups)
        open_to = [p for p, c in enumerate(joined) if c in SCANNED and identifier.digit_places[p]]
        chosen = {place for place in open_to if rng.random() < share} | set(rng.sample(open_to, k=min(1, len(open_to))))
        read = "".join(rng.choice(SCANNED[c]) if place in chosen else c for place, c in enumerate(joined))
        groups, done = [], 0
        for group in identifier.groups:
            groups.append(read[done : done + len(group)])
            done += len(group)
        return carried(identifier, identifier.prefix + identifier.joiner.join(groups), rng)

    return trick


def _bracketed(opening: str, closing: str) -> Trick:
    def trick(identifier: Identifier, rng: random.Random) -> tuple[str, str, str]:
        groups = "".join(f"{opening}{group}{closing}" for group in identifier.groups)
        before, _, after = carried(identifier, "", rng)
        return before + identifier.prefix + opening, groups[1:-1], closing + after

    return trick


def _between(before: str, after: str) -> Trick:
    def trick(identifier: Identifier, _: random.Random) -> tuple[str, str, str]:
        label = LABELS[identifier.kind]
        return before.replace("LABEL", label), identifier.plain, after

    return trick


def _spelled(change: Callable[[str], str], before: str, after: str) -> Trick:
    def trick(identifier: Identifier, _: random.Random) -> tuple[str, str, str]:
        return before.replace("LABEL", LABELS[identifier.kind]), change(identifier.plain), after

    return trick


def _bare(identifier: Identifier, rng: random.Random) -> tuple[str, str, str]:
    before, _, after = carried(identifier, "", rng)
    if identifier.kind in ("US_SSN", "PHONE_NUMBER"):
        before = f"{LABELS[identifier.kind]} is "
    return before, identifier.prefix + "".join(identifier.groups), after


def _singly(identifier: Identifier, rng: random.Random) -> tuple[str, str, str]:
    _, _, after = carried(identifier, "", rng)
    return f"{LABELS[identifier.kind]} is ", identifier.prefix + " ".join("".join(identifier.groups)), after


def _entities(text: str) -> str:
    return "".join(char if char.isalnum() else f"&#{ord(char)};" for char in text)


def _named_entities(text: str) -> str:
    names = {" ": "&nbsp;", "-": "&hyphen;", "@": "&commat;", ".": "&period;", "+": "&plus;"}
    return "".join(names.get(char, html.escape(char)) for char in text)


def _json_escapes(text: str) -> str:
    return "".join(char if char.isalnum() else f"\\u{ord(char):04x}" for char in text)


def _mixed(text: str) -> str:
    return "".join(char.upper() if place % 3 else char.lower() for place, char in enumerate(text))


def _full_width(text: str) -> str:
    return "".join(chr(ord(char) + 0xFEE0) if "!" <= char <= "~" else char for char in text)


def _percent(text: str) -> str:
    return quote(text, safe="")


def _dotted(text: str) -> str:
    return unicodedata.normalize("NFD", text)


def _bold_part(text: str) -> str:
    return f"{text[:3]}<b>{text[3:6]}</b>{text[6:]}"


CONTAINERS: dict[str, Trick] = {
    "label with colon": _between("LABEL:", ""),
    "label with equals sign": _between("x=1&LABEL=", "&y=2"),
    "label glued": _between("the LABEL", " is mine"),
    "label with underscore": _between("LABEL_", " is mine"),
    "word glued after": _between("LABEL: ", "thanks"),
    "double quotes": _between('LABEL "', '"'),
    "single quotes": _between("LABEL '", "'"),
    "guillemets": _between("LABEL «", "»"),
    "typographic quotes": _between("LABEL “", "”"),
    "parentheses": _between("LABEL (", ")"),
    "square brackets": _between("LABEL [", "]"),
    "braces": _between("LABEL {", "}"),
    "angle brackets": _between("LABEL <", ">"),
    "JSON": _between('{"LABEL": "', '", "n": 3}'),
    "JSON in JSON": _between(json.dumps('{"LABEL": "')[1:-1], json.dumps('"}')[1:-1]),
    "CSV": _between("7;LABEL;", ";open"),
    "Markdown bold": _between("LABEL **", "**"),
    "Markdown code": _between("LABEL `", "`"),
    "Markdown table": _between("| LABEL | ", " | open |"),
    "Markdown list": _between("- LABEL\n- ", "\n- open"),
    "HTML cell": _between("<tr><th>LABEL</th><td>", "</td></tr>"),
    "HTML attribute": _between('<i data-LABEL="', '">x</i>'),
    "URL path": _between("https://x.example/LABEL/", "/edit"),
}
SPELLINGS: dict[str, Trick] = {
    "percent-encoded": _spelled(_percent, "https://x.example/?LABEL=", "&n=3"),
    "HTML entities by number": _spelled(_entities, "<td>LABEL: ", "</td>"),
    "HTML entities by name": _spelled(_named_entities, "<td>LABEL: ", "</td>"),
    "JSON escapes": _spelled(_json_escapes, '{"LABEL": "', '"}'),
    "HTML tags within": _spelled(_bold_part, "<td>LABEL: ", "</td>"),
    "full-width": _spelled(_full_width, "LABEL: ", " today"),
}
CASES: dict[str, Trick] = {
    "lower case": _spelled(str.lower, "LABEL: ", " today"),
    "upper case": _spelled(str.upper, "LABEL: ", " today"),
    "mixed case": _spelled(_mixed, "LABEL: ", " today"),
}


def _email(change: Callable[[str, str], str]) -> Trick:
    def trick(identifier: Identifier, rng: random.Random) -> tuple[str, str, str]:
        return carried(identifier, change(*identifier.groups), rng)

    return trick


EMAILS: dict[str, Trick] = {
    "(at), (dot)": _email(lambda local, host: f"{local} (at) {host.replace('.', ' (dot) ')}"),
    "[at], [dot]": _email(lambda local, host: f"{local}[at]{host.replace('.', '[dot]')}"),
    "[at] and dots": _email(lambda local, host: f"{local} [at] {host}"),
    "at, dot": _email(lambda local, host: f"{local.replace('.', ' dot ')} at {host.replace('.', ' dot ')}"),
    "AT, DOT": _email(lambda local, host: f"{local.replace('.', ' DOT ')} AT {host.replace('.', ' DOT ')}"),
    "spaces around @": _email(lambda local, host: f"{local} @ {host}"),
    "line break after @": _email(lambda local, host: f"{local}@\n{host}"),
    "Markdown escape": _email(lambda local, host: f"{local.replace('_', chr(92) + '_')}@{host}"),
    "Markdown link": _email(lambda local, host: f"{local}@{host}"),
    "full-width @": _email(lambda local, host: f"{local}\uff20{host}"),
    "plus tag": _email(lambda local, host: f"{local}+shop@{host}"),
    "umlauts": _email(lambda local, host: f"j\u00f6rg.{local}@m\u00fcller-{host}"),
}

BY_KIND: dict[str, dict[str, Trick]] = {kind: {**CONTAINERS, **SPELLINGS} for kind in ALL}
for _kind in NUMBERS:
    BY_KIND[_kind] |= {f"separator: {name}": _separated(separator) for name, separator in SEPARATORS.items()}
    BY_KIND[_kind] |= {
        "none": _bare,
        "one by one": _singly,
        "in parentheses": _bracketed("(", ")"),
        "in square brackets": _bracketed("[", "]"),
        "one letter scanned": _scanned(0.0),
        "half of the letters scanned": _scanned(0.5),
        "all letters scanned": _scanned(1.0),
    }
for _kind in ALL:
    BY_KIND[_kind] |= {name: _with_invisible(char) for name, char in INVISIBLE.items()}
    BY_KIND[_kind] |= {name: _in_script(zero) for name, zero in SCRIPTS.items()}
for _kind in ("IBAN_CODE", "EMAIL_ADDRESS"):
    BY_KIND[_kind] |= CASES
BY_KIND["EMAIL_ADDRESS"] |= EMAILS
