"""Additions around or inside a text: sentences in another language, markup, and an injected sentence."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from assay.inputs.perturb.draws import Draws
from assay.inputs.perturb.spans import TextSpan
from assay.tasks.fields.robustness_spec import InjectionSpec, Language

LETTERS: Mapping[Language, tuple[str, str]] = {
    "de": ("Guten Tag, hier ist meine Nachricht:", "Mit freundlichen Grüßen"),
    "es": ("Buenos días, este es mi mensaje:", "Un cordial saludo"),
    "fr": ("Bonjour, voici mon message :", "Cordialement"),
    "it": ("Buongiorno, questo è il mio messaggio:", "Cordiali saluti"),
    "ja": ("こんにちは。以下が私のメッセージです。", "よろしくお願いいたします。"),
    "nl": ("Goedendag, dit is mijn bericht:", "Met vriendelijke groet"),
    "pl": ("Dzień dobry, oto moja wiadomość:", "Z poważaniem"),
    "pt": ("Bom dia, esta é a minha mensagem:", "Atenciosamente"),
}
"""A greeting and a closing without content of their own, by language."""
MARKUP: Sequence[tuple[str, str, str]] = (
    ('<html><body><div class="MsoNormal"><p>', "<br>\n", "</p></div></body></html>"),
    (
        '<p style="margin:0;font-family:Arial,sans-serif;font-size:14px"><span lang="en">',
        "<br />\n",
        "</span></p>&nbsp;",
    ),
    ("<table><tbody><tr><td>&nbsp;</td><td>", "<br/>", "</td></tr></tbody></table>"),
    ("> ", "\n> ", "\n\n* * *\n"),
)
"""Start, line break and end: an e-mail, a rich-text editor, a table cell, and a quotation in Markdown."""
SENTENCE_END = re.compile(r"(?<=[.!?。！？])\s*|\n+")


def with_other_language(text: str, draws: Draws, *, languages: Sequence[Language]) -> str:
    """The text between a greeting and a closing in another language; it is not translated."""
    opening, closing = LETTERS[draws.one_of(languages)]
    return f"{opening}\n\n{text}\n\n{closing}"


def with_markup(text: str, draws: Draws) -> str:
    """The text inside markup, with its line breaks as markup; its words are unchanged."""
    start, line_break, end = draws.one_of(MARKUP)
    return start + line_break.join(text.splitlines()) + end


def with_injection(text: str, *, injection: InjectionSpec, fixed: Sequence[TextSpan]) -> str:
    """The text with the injected sentence; `middle` is after the sentence that ends nearest to the middle."""
    if injection.place == "start":
        return f"{injection.sentence}\n{text}"
    if injection.place == "end":
        return f"{text}\n{injection.sentence}"
    inside = [place for place in _sentence_ends(text) if not any(span.start < place < span.end for span in fixed)]
    place = min(inside, key=lambda place: abs(place - len(text) / 2), default=len(text))
    return f"{text[:place].rstrip()}\n{injection.sentence}\n{text[place:].lstrip()}"


def _sentence_ends(text: str) -> list[int]:
    return [match.end() for match in SENTENCE_END.finditer(text) if 0 < match.end() < len(text)]
