"""Options of an adoption, and the names of adopted variants."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import PurePath

from assay.errors import UsageError
from assay.records.statuses import GoldenSplit, Stage
from assay.tasks.adopt_spec import KEYWORDS, STATED, VARIANT_PATTERN, AdoptSpec
from assay.tasks.task import DEFAULT_VARIANT, Task

VARIANT_NAME = re.compile(VARIANT_PATTERN)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerSpec:
    """Answers that become one variant: a column of the input, or a file of another tool if `is_file`.

    `columns` maps `model` and the numbers that the source states about an answer to columns.
    """

    variant: str
    answer: str
    is_file: bool = False
    columns: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class AdoptOptions:
    """What is adopted: the answers, and the records that they belong to.

    `input` is a file, table or query; None is the task's own input or, with an Inspect log, the samples of the log.
    With `golden`, the records are the golden cases of that split, and `id_column` of the input names the case.
    """

    data_date: date
    answers: tuple[AnswerSpec, ...]
    input: str | None = None
    golden: GoldenSplit | None = None
    id_column: str | None = None
    field: str | None = None
    scorer: str | None = None
    limit: int | None = None
    stage: Stage | None = None
    judges: bool = True

    def __post_init__(self) -> None:
        if not self.answers:
            raise UsageError(
                "Nothing to adopt: expected --answer COLUMN or --answer-file FILE",
                next_step="name at least one column or file with answers.",
            )
        if len({answer.is_file for answer in self.answers}) > 1:
            raise UsageError(
                "--answer and --answer-file cannot be combined: answers come from columns of the input or from files",
                next_step="adopt them with two commands.",
            )
        names = [answer.variant for answer in self.answers]
        if repeated := next((name for name in names if names.count(name) > 1), None):
            raise UsageError(
                f"Two answers have the variant name '{repeated}'", next_step="give each a name: --answer NAME=COLUMN."
            )
        if self.golden is not None and self.limit is not None:
            raise UsageError(
                "--golden cannot be combined with --limit, because a part of the golden set is never compared",
                next_step="omit --limit.",
            )
        if self.id_column is not None and (self.golden is None or self.has_files):
            raise UsageError(
                "--id has no effect: it names the column of golden cases in a table of answers",
                next_step="add --golden gate, or omit --id.",
            )

    @property
    def has_files(self) -> bool:
        """True if the answers come from files of other tools."""
        return self.answers[0].is_file


def answer_specs(
    columns: Iterable[str],
    files: Iterable[str],
    stated: Mapping[str, Iterable[str]],
    *,
    locate: Callable[[str], str] = str,
) -> tuple[AnswerSpec, ...]:
    """Returns the answers of the options `[NAME=]COLUMN` and `[NAME=]FILE`, with the columns stated about each.

    `stated` maps `model` and numbers to options `[NAME=]COLUMN`; without a name, the only answer is meant. `locate`
    returns the path at which a file is opened.

    Raises:
        UsageError: a name is not valid or not known, or a column could belong to several answers.
    """
    named = [_named(text, is_file=False) for text in columns] + [_named(text, is_file=True) for text in files]
    found: dict[str, dict[str, str]] = {variant: {} for variant, _, _ in named}
    for what, texts in stated.items():
        option = f"--{what.replace('_', '-')}"
        for text in texts:
            variant, column = _owner(text, tuple(found), option=option)
            found[variant][what] = column
    return tuple(
        AnswerSpec(
            variant=variant,
            answer=locate(answer) if is_file else answer,
            is_file=is_file,
            columns=found[variant],
        )
        for variant, answer, is_file in named
    )


def options_of_block(block: AdoptSpec, *, data_date: date) -> AdoptOptions:
    """Returns the options that the block `adopt` of a task.yml states."""
    answers = tuple(
        AnswerSpec(
            variant=variant,
            answer=column,
            columns={what: getattr(block, what)[variant] for what in STATED if variant in getattr(block, what)},
        )
        for variant, column in block.answers.items()
    )
    return AdoptOptions(
        data_date=data_date,
        answers=answers,
        input=block.input,
        golden=block.golden,
        id_column=block.id,
        field=block.field,
        judges=block.judges,
    )


def refuse_taken_names(task: Task, answers: Iterable[AnswerSpec]) -> None:
    """Checks that no adopted variant has the name of a variant in task.yml or a keyword of `assay eval --variants`.

    Raises:
        UsageError: one has.
    """
    taken = (DEFAULT_VARIANT, *task.spec.variants)
    for answer in answers:
        if answer.variant in KEYWORDS:
            raise UsageError(
                f"The variant name '{answer.variant}' is a keyword of `assay eval --variants`: expected another name",
                next_step=f"give the answers another name: NAME={answer.answer}.",
            )
        if answer.variant in taken:
            raise UsageError(
                f"The variant name '{answer.variant}' is taken: task '{task.name}' has the variants {', '.join(taken)}",
                next_step=f"give the answers another name: NAME={answer.answer}.",
            )


def _named(text: str, *, is_file: bool) -> tuple[str, str, bool]:
    name, separator, answer = text.partition("=")
    option = "--answer-file" if is_file else "--answer"
    if not separator:
        name, answer = (PurePath(text).stem if is_file else text), text
    if not answer:
        raise UsageError(f"{option} {text!r}: expected {'a file' if is_file else 'a column'} after '='.")
    if not VARIANT_NAME.search(name):
        raise UsageError(
            f"{option} {text!r}: {name!r} cannot be the name of a variant: expected at most 100 letters, digits, '_', "
            "'-' and '.'",
            next_step=f"choose a name: {option} NAME={answer}.",
        )
    return name, answer, is_file


def _owner(text: str, variants: tuple[str, ...], *, option: str) -> tuple[str, str]:
    name, separator, column = text.partition("=")
    if separator and name in variants and column:
        return name, column
    if len(variants) == 1 and text:
        return variants[0], text
    raise UsageError(
        f"{option} {text!r}: expected NAME=COLUMN, where NAME is one of {', '.join(variants) or '(no answers)'}",
        next_step="state which answer the column is about.",
    )
