"""Markdown of reports and of comments on pull requests, in which no text of the data is live."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape

from assay.errors import printable

SIGNS = re.compile(r"([\\`*_\[\]|~!#])")
LIVE = re.compile(
    r"[^\s`|\\<>\[\]()]*(?:@|#|://|www\.|GH-(?=\d))[^\s`|\\<>\[\]()]*|(?<!\w)[0-9a-f]{7,40}(?!\w)", re.IGNORECASE
)
"""Words that GitHub turns into a mention, a reference to an issue or a commit, or a link: none of them in a code span.

https://docs.github.com/en/get-started/writing-on-github/working-with-advanced-formatting/autolinked-references-and-urls
"""


def escaped(text: str) -> str:
    """Returns the text on one line, as Markdown that shows it and does nothing: no link, no mention, no HTML."""
    line = " ".join(printable(text).split())
    signs = _signs_and_formulas if line.count("$") > 1 else _signs  # one alone, before a cost, begins no formula
    parts, end = [], 0
    for found in LIVE.finditer(line):
        parts += [signs(line[end : found.start()]), f"`{found[0]}`"]
        end = found.end()
    return "".join([*parts, signs(line[end:])])


def markdown_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Returns the lines of a table, whose cells are escaped."""
    return [_line(columns), _line(["---"] * len(columns)), *(_line([escaped(cell) for cell in row]) for row in rows)]


def _signs(text: str) -> str:
    return SIGNS.sub(r"\\\1", escape(text, quote=False))


def _signs_and_formulas(text: str) -> str:
    return _signs(text).replace("$", r"\$")


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
