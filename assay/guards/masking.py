"""Replaces personal identifiers with placeholders before text is sent, and restores them in the response.

`recognizers` finds the identifiers. Masking too much is safe, because every masked value is restored.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING

from assay.errors import AssayError, UsageError

if TYPE_CHECKING:
    from assay.guards.recognizers import Recognizers, Span

RULE_VERSION = 2
"""Incremented with every change to detection or placeholders."""

PLACEHOLDER_NAMES = {
    "EMAIL_ADDRESS": "EMAIL",
    "PHONE_NUMBER": "PHONE",
    "US_SSN": "SSN",
    "CREDIT_CARD": "CARD",
    "IBAN_CODE": "IBAN",
}
WITHHELD = "<WITHHELD>"
CHUNK = 50_000
"""Number of characters that are processed at a time."""
OVERLAP = 1_000
"""Additional characters on both sides of a chunk; longer than any identifier with its context."""

_PLACEHOLDER = re.compile(rf"<(?:{'|'.join(PLACEHOLDER_NAMES.values())})_\d+>", re.IGNORECASE | re.ASCII)


class MaskingFailed(AssayError):
    """A text could not be masked, so it must not be sent; the message never quotes it."""


@dataclass(frozen=True)
class MaskingRules:
    """Whether masking is enabled, and for which entities.

    Raises:
        UsageError: an entity is not one of the five supported ones.
    """

    enabled: bool = True
    entities: tuple[str, ...] = ("EMAIL_ADDRESS", "PHONE_NUMBER", "US_SSN", "CREDIT_CARD", "IBAN_CODE")

    def __post_init__(self) -> None:
        if unknown := [entity for entity in self.entities if entity not in PLACEHOLDER_NAMES]:
            raise UsageError(
                f"Masking entity {unknown[0]!r} is unknown: expected any of {', '.join(PLACEHOLDER_NAMES)}",
                next_step="change `masking.entities` in task.yml.",
            )

    @property
    def version(self) -> str:
        """'off' if disabled, otherwise 12 hexadecimal digits that change with entities, rules and libraries."""
        if not self.enabled:
            return "off"
        stated = [f"rules {RULE_VERSION}", *_library_versions(), *sorted(set(self.entities))]
        return hashlib.sha256("\n".join(stated).encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Masked:
    """Masked texts by name; `count` is the number of replacements."""

    texts: dict[str, str]
    placeholders: dict[str, str] = field(repr=False)
    count: int


class Masker:
    """Masks the texts of one record at a time; thread-safe."""

    def __init__(self, rules: MaskingRules) -> None:
        self.rules = rules

    def mask(self, texts: Mapping[str, str]) -> Masked:
        """The texts with placeholders `<EMAIL_1>`, `<PHONE_2>`, … for identifiers; equal values share a placeholder.

        Deterministic: names are processed in sorted order. Restoring is exact, because placeholders that occur
        literally in the input are not used.

        Raises:
            MaskingFailed: on any error; no part of the text may be used then.
        """
        if not self.rules.enabled:
            return Masked(dict(texts), {}, 0)
        try:
            return self._mask(texts)
        # Any failure, known or not, must reject the record; the cause may quote the text.
        except Exception as error:  # noqa: BLE001
            raise MaskingFailed(
                f"Masking failed ({type(error).__name__}) for one of the texts {', '.join(map(repr, texts))}; "
                "no text of this record was sent",
                next_step="check that its texts are valid Unicode.",
            ) from None

    def scrub(self, text: str) -> str:
        """The text for logs, errors and explanations, with `<EMAIL>`, `<PHONE>`, … for identifiers; irreversible.

        Never raises, because error reporting uses it: a text that cannot be masked becomes `<WITHHELD>`.
        """
        if not self.rules.enabled:
            return text
        try:
            spans = self._spans(text)
            return _replace(text, [(span, f"<{PLACEHOLDER_NAMES[span.entity]}>") for span in spans])
        # On any failure the text is withheld.
        except Exception:  # noqa: BLE001
            return WITHHELD

    def _mask(self, texts: Mapping[str, str]) -> Masked:
        placeholders = _Placeholders(texts.values())
        masked: dict[str, str] = {}
        count = 0
        for name in sorted(texts):
            text = texts[name]
            replacements = [
                (span, placeholders.of(span.entity, text[span.start : span.end])) for span in self._spans(text)
            ]
            masked[name] = _replace(text, replacements)
            count += len(replacements)
        return Masked({name: masked[name] for name in texts}, placeholders.originals(), count)

    def _spans(self, text: str) -> list[Span]:
        found = _find(_recognizers(), text)
        return [span for span in found if span.entity in self.rules.entities]


def restore(value: object, placeholders: Mapping[str, str]) -> object:
    """The JSON-like value, keys included, with every known placeholder, in any letter case, replaced by its original.

    Unknown placeholders are unchanged. Originals are not searched for placeholders again. A key that would occur twice
    in an object stays masked.
    """
    if not placeholders:
        return value
    if isinstance(value, str):
        return _PLACEHOLDER.sub(lambda match: placeholders.get(match.group().upper(), match.group()), value)
    if isinstance(value, Mapping):
        restored: dict[object, object] = {}
        for name, item in value.items():
            original = restore(name, placeholders) if isinstance(name, str) else name
            restored[name if original in restored else original] = restore(item, placeholders)
        return restored
    if isinstance(value, list | tuple):
        return [restore(item, placeholders) for item in value]
    return value


def of_turn(text: str, turn: int) -> str:
    """The text with its placeholders renamed after its turn, for example `<EMAIL_1_OF_TURN_3>`.

    Placeholders are numbered per record, so `<EMAIL_1>` of another turn stands for a different value: a response that
    repeats a placeholder of an earlier turn must not receive this turn's original.
    """
    return _PLACEHOLDER.sub(lambda match: f"{match.group()[:-1]}_OF_TURN_{turn}>", text)


class _Placeholders:
    """Allocates placeholders within one record, numbered from 1 per kind."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._taken = {match.upper() for text in texts for match in _PLACEHOLDER.findall(text)}
        self._given: dict[tuple[str, str], str] = {}
        self._last: dict[str, int] = {}

    def of(self, entity: str, original: str) -> str:
        if (entity, original) not in self._given:
            self._given[entity, original] = self._next(PLACEHOLDER_NAMES[entity])
        return self._given[entity, original]

    def originals(self) -> dict[str, str]:
        return {placeholder: original for (_, original), placeholder in self._given.items()}

    def _next(self, name: str) -> str:
        number = self._last.get(name, 0) + 1
        while f"<{name}_{number}>" in self._taken:
            number += 1
        self._last[name] = number
        return f"<{name}_{number}>"


def _replace(text: str, replacements: list[tuple[Span, str]]) -> str:
    pieces, done = [], 0
    for span, replacement in replacements:
        pieces += [text[done : span.start], replacement]
        done = span.end
    return "".join([*pieces, text[done:]])


def _find(recognizers: Recognizers, text: str) -> list[Span]:
    """Spans in a text of any length, in order; each chunk is read with OVERLAP additional characters on both sides."""
    if len(text) <= CHUNK:
        return recognizers.find(text)
    spans: list[Span] = []
    decided = 0
    while decided < len(text):
        begin, until = max(0, decided - OVERLAP), decided + CHUNK
        for span in recognizers.find(text[begin : until + OVERLAP]):
            found = span.moved(begin)
            if decided < found.end and found.start < until:
                spans.append(replace(found, start=max(decided, found.start)))
        decided = max(until, spans[-1].end if spans else 0)
    return spans


@cache
def _recognizers() -> Recognizers:
    from assay.guards.recognizers import Recognizers

    return Recognizers()


@cache
def _library_versions() -> tuple[str, ...]:
    from importlib.metadata import version

    return tuple(f"{package} {version(package)}" for package in ("presidio-analyzer", "phonenumbers", "python-stdnum"))
