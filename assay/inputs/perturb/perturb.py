"""The perturbed text of a field, and which fields of a golden set are perturbed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from assay.errors import UsageError
from assay.inputs.perturb.additions import with_injection, with_markup, with_other_language
from assay.inputs.perturb.draws import Draws
from assay.inputs.perturb.layout import truncated, with_other_case, with_white_space
from assay.inputs.perturb.spans import fixed_spans, quote_spans, quoted_values
from assay.inputs.perturb.typos import with_typos
from assay.records.statuses import Perturbation
from assay.tasks.fields.robustness_spec import RobustnessSpec
from assay.tasks.task import Task

RULE_VERSION = 1
"""Incremented with every change to a perturbation, so that a run on other text is not reused."""
REMOVES_INFORMATION = frozenset({Perturbation.TRUNCATION})
"""Kinds whose drop includes cases that nobody could answer any more; the expected value stays the same."""
WIDE_TEXT = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]{5,}")
"""Text of a script without spaces."""


def perturbed_text(
    text: str,
    kind: Perturbation,
    spec: RobustnessSpec,
    *,
    record_id: str,
    field: str,
    expected: Mapping[str, Any] | None = None,
) -> str:
    """The text of one field after a perturbation; the same on every machine for the same arguments.

    Placeholders of masked values, and what quotes a value of `expected`, are never changed or removed, so that the
    expected value stays right. A blank text is unchanged.
    """
    if not text.strip():
        return text
    draws, values = Draws(spec.seed, kind.value, record_id, field), quoted_values(expected)
    fixed = fixed_spans(text, values)
    match kind:
        case Perturbation.TYPOS:
            return with_typos(text, draws, fixed=fixed, severity=spec.severity)
        case Perturbation.CASE:
            return with_other_case(text, draws, fixed=fixed)
        case Perturbation.TRUNCATION:
            return truncated(text, quotes=quote_spans(text, values), severity=spec.severity)
        case Perturbation.WHITESPACE:
            return with_white_space(text, draws, fixed=fixed, severity=spec.severity)
        case Perturbation.MIXED_LANGUAGE:
            return with_other_language(text, draws, languages=spec.languages)
        case Perturbation.MARKUP:
            return with_markup(text, draws)
        case Perturbation.INJECTION:
            return with_injection(text, injection=spec.injection, fixed=fixed)


def perturbed_fields(task: Task) -> tuple[str, ...]:
    """The fields that are perturbed: those of `robustness.fields`, or those with free text in most cases of the golden set.

    Raises:
        UsageError: no field contains free text.
    """
    if task.spec.robustness.fields is not None:
        return task.spec.robustness.fields
    inputs = [case.input for case in task.cases]
    found = tuple(
        name
        for name in task.spec.input.fields
        if 2 * sum(_is_free_text(values.get(name, "")) for values in inputs) > len(inputs)
    )
    if not found:
        fields = ", ".join(task.spec.input.fields)
        raise UsageError(
            f"Task '{task.name}': no input field ({fields}) contains text of several words in most of the cases, so there "
            "is nothing to perturb",
            next_step="name the fields in `robustness.fields` of task.yml.",
        )
    return found


def _is_free_text(text: str) -> bool:
    """True for text of several words; JSON and single tokens such as ids, codes and dates are not."""
    bare = text.strip()
    return not bare.startswith(("{", "[")) and (len(bare.split()) > 1 or WIDE_TEXT.search(bare) is not None)
