"""Cells of CSV files, which spreadsheets open: a text that would be a formula there begins with an apostrophe."""

from __future__ import annotations

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""Prefixes with which a spreadsheet interprets text as a formula, also in full width."""


def defused(text: str) -> str:
    """Returns the text as a cell that is no formula; `restored` reverses it."""
    return f"'{text}" if text.lstrip("'").startswith(FORMULA) else text


def restored(text: str) -> str:
    """Returns the text without the apostrophe that `defused` inserted."""
    return text[1:] if text.startswith("'") and text.lstrip("'").startswith(FORMULA) else text
