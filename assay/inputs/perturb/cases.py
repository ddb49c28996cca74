"""The golden cases that a perturbation changes, with their changed text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from assay.errors import UsageError
from assay.inputs.perturb.perturb import RULE_VERSION, perturbed_fields, perturbed_text
from assay.inputs.sources import GOLDEN
from assay.records.statuses import Perturbation
from assay.tasks.case import Case
from assay.tasks.digest import digest
from assay.tasks.task import Task


def perturbed_cases(task: Task, cases: Sequence[Case], kind: Perturbation) -> tuple[Case, ...]:
    """The cases that the kind changes, with their changed input; a case without a change is omitted.

    Of a conversation, all turns are kept if any of them changes, because later turns depend on earlier ones.

    Raises:
        UsageError: no field of the task contains free text.
    """
    fields = perturbed_fields(task)
    found = [_perturbed(task, case, kind, fields) for case in cases]
    changed = [one for one, case in zip(found, cases, strict=True) if one.input != case.input]
    conversations = {case.conversation for case in changed if case.conversation is not None}
    ids = {case.case_id for case in changed}
    return tuple(case for case in found if case.case_id in ids or case.conversation in conversations)


def perturbed_label(task: Task, kind: Perturbation, source: str) -> str:
    """The input of a perturbed run, as in `runs.input_source`: differs whenever the perturbed text may differ."""
    spec = task.spec.robustness.model_dump(mode="json", exclude={"kinds"})
    return f"perturbed:{kind.value}:{digest([RULE_VERSION, spec])}:{source}"


def validate_perturbable(task: Task, *, input: str) -> None:
    """Checks that the input is a golden set with free text, and that the task has a metric to compare.

    Raises:
        UsageError: one of them is missing.
    """
    if not GOLDEN.fullmatch(input):
        raise UsageError(
            f"--perturb cannot be combined with --input {input}: it changes the text of golden cases, whose expected "
            "values are known",
            next_step="pass --input golden:gate or golden:dev.",
        )
    if not task.spec.scorers:
        raise UsageError(
            f"Task '{task.name}' has no check or judge, so a drop under perturbed input cannot be measured",
            next_step="add `checks` and `correct` to task.yml.",
        )
    perturbed_fields(task)


def _perturbed(task: Task, case: Case, kind: Perturbation, fields: Sequence[str]) -> Case:
    spec = task.spec.robustness
    changed = {
        name: perturbed_text(case.input[name], kind, spec, record_id=case.case_id, field=name, expected=case.expected)
        for name in fields
        if name in case.input
    }
    return replace(case, input={**case.input, **changed})
