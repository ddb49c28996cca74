"""Cells of CSV files, which spreadsheets open: a text that would be a formula there begins with an apostrophe.

A spreadsheet splits lines at the separator of its language (`;` in most of Europe) and then sees quotes only where its
own cells begin. So a text is also a formula after a separator or line break inside the cell.
"""

from __future__ import annotations

import re

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""Prefixes with which a spreadsheet interprets text as a formula, also in full width."""
SIGN = r"[=+\-@\uff1d\uff0b\uff0d\uff20]"
NUMBER = r"[+-]\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?:[\s,\]}]|\Z)"
AFTER_SEPARATOR = rf"(?:(?<=[;\t|\r\n]){{inserted}}(?=[\"']*{SIGN})|(?<=,){{inserted}}(?='*(?!{NUMBER}){SIGN}))"
"""Numbers and quotes after a comma are those of JSON: where a comma separates cells, the file's quotes enclose the text."""
UNSAFE = re.compile(AFTER_SEPARATOR.replace("{inserted}", ""))
DEFUSED = re.compile(AFTER_SEPARATOR.replace("{inserted}", "'"))


def defused(text: str) -> str:
    """Returns the text as a cell that is no formula in any language's spreadsheet; `restored` reverses it."""
    inner = UNSAFE.sub("'", text)
    return f"'{inner}" if text.lstrip("'").startswith(FORMULA) else inner


def restored(text: str) -> str:
    """Returns the text without the apostrophes that `defused` inserted."""
    is_quoted = text.startswith("'") and text.lstrip("'").startswith(FORMULA)
    return DEFUSED.sub("", text[1:] if is_quoted else text)
