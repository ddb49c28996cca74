"""Changes of letter case, of white space, and of the length of a text."""

from __future__ import annotations

import re

from assay.inputs.perturb.draws import Draws
from assay.inputs.perturb.spans import TextSpan, boundary_before, free_parts
from assay.tasks.fields.robustness_spec import Severity

GAP_SHARES: dict[Severity, float] = {"low": 0.1, "medium": 0.25, "high": 0.5}
"""Share of the gaps between words that become wider."""
KEPT_SHARES: dict[Severity, float] = {"low": 0.9, "medium": 0.75, "high": 0.5}
"""Share of the characters that are kept of a truncated text."""
GAP = re.compile(r"\s+")
WIDER = ("  ", "   ", "\t", " \u00a0", "\n", " \n\n")
EDGES = ("  ", "\n", "\t", "\n\n")


def with_other_case(text: str, draws: Draws, *, fixed: tuple[TextSpan, ...]) -> str:
    """The text in lower or in upper case, drawn per text; in the other one if the drawn one changes nothing.

    A character whose other case is several characters (such as ß) is unchanged, and so is a script without case.
    """
    upper = draws.happens(0.5)
    found = _cased(text, fixed, upper=upper)
    return found if found != text else _cased(text, fixed, upper=not upper)


def truncated(text: str, *, quotes: tuple[TextSpan, ...], severity: Severity) -> str:
    """The start of the text; what quotes the expected value is kept, and no visible character is divided.

    Unchanged if nothing but white space would be left.
    """
    needed = max((span.end for span in quotes), default=0)
    kept = text[: boundary_before(text, max(needed, int(KEPT_SHARES[severity] * len(text))))]
    return kept if kept.strip() else text


def with_white_space(text: str, draws: Draws, *, fixed: tuple[TextSpan, ...], severity: Severity) -> str:
    """The text with wider gaps between words, and white space before and after it; unchanged if it is blank."""
    if not text.strip():
        return text
    share = GAP_SHARES[severity]
    parts = [
        GAP.sub(lambda gap: draws.one_of(WIDER) if draws.happens(share) else gap.group(), part) if is_free else part
        for part, is_free in free_parts(text, fixed)
    ]
    return draws.one_of(EDGES) + "".join(parts) + draws.one_of(EDGES)


def _cased(text: str, fixed: tuple[TextSpan, ...], *, upper: bool) -> str:
    return "".join(
        "".join(_other_case(character, upper=upper) for character in part) if is_free else part
        for part, is_free in free_parts(text, fixed)
    )


def _other_case(character: str, *, upper: bool) -> str:
    found = character.upper() if upper else character.lower()
    return found if len(found) == 1 else character
