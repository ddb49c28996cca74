"""Opens the records of an adoption together with their answers, whichever of the two is in a table or in a file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from assay.adoption.answer_store import AnswerStore, FoundAnswer, answer_store
from assay.adoption.inspect_log import inspect_answers, is_inspect_log
from assay.adoption.openai_batch import is_openai_batch, openai_batch_answers
from assay.adoption.options import AdoptOptions, AnswerSpec
from assay.adoption.sources import (
    AnswersById,
    AnswersInColumns,
    SamplesInFile,
    answers_of_rows,
    require_answer_columns,
)
from assay.errors import UsageError
from assay.inputs.rules import InputRules
from assay.inputs.sources import GOLDEN, Source, open_source
from assay.project import StageContext
from assay.runs.admission import source_of
from assay.runs.adopted_answers import Adoption
from assay.runs.record_mapping import CASE_ID, Limited, identified, landed_id
from assay.runs.run import RunOptions, input_of, rules_of
from assay.tasks.task import Task

STORES = "adoptions"
FORMATS = "the output file of an OpenAI batch (.jsonl) or an Inspect log (.eval, .json)"


@dataclass(frozen=True, slots=True)
class AdoptedRows:
    """Records with their answers; `options` are those of a run on them, without its variant and epochs."""

    source: Source
    rules: InputRules
    options: RunOptions
    is_golden: bool
    store: AnswerStore | None = None

    def epochs(self, variant: str) -> int:
        """Number of answers per record."""
        return 1 if self.store is None else self.store.epochs(variant)

    def unmatched(self, variant: str) -> int:
        """Number of ids with an answer of the variant that are ids of no record; call it after all rows were read.

        Raises:
            UsageError: no record has an answer.
        """
        if self.store is None or not isinstance(self.source, AnswersById):
            return 0
        matched, answered = self.source.matched[variant], self.store.record_count(variant)
        if matched == 0:
            raise UsageError(
                f"No answer of '{variant}' belongs to a record of {self.source.label}: none of its {answered:,} ids "
                f"occurs in column {self.rules.record_id!r}",
                next_step="check that both use the same ids.",
            )
        return max(0, answered - matched)


@contextmanager
def adopted_rows(
    context: StageContext, task: Task, options: AdoptOptions, note: Callable[[str], None]
) -> Iterator[AdoptedRows]:
    """The records and answers that the options name; temporary files are deleted at the end.

    `note` gets what the user should know about a file.

    Raises:
        UsageError: a source, column or file does not exist or cannot be read as a whole.
    """
    with ExitStack() as closing:
        if not options.has_files and options.golden is None:
            yield _in_columns(context, task, options)
            return
        store = closing.enter_context(answer_store(context.settings.state_dir / STORES))
        yield _by_id(context, task, options, store, note)


def _in_columns(context: StageContext, task: Task, options: AdoptOptions) -> AdoptedRows:
    run_options = _run_options(options, options.input)
    if GOLDEN.fullmatch(input_of(task, run_options)):
        raise UsageError(
            f"Task '{task.name}' has no input with answers: expected --input with a file, a table or a SQL query",
            next_step="pass --input; with --golden gate, its rows are answers for golden cases.",
        )
    _refuse_expected_values(task, options)
    rules = rules_of(task, is_golden=False)
    rows = source_of(context, task, run_options)
    source = AnswersInColumns(rows, options.answers, kept=rules.columns())
    return AdoptedRows(source, rules, run_options, is_golden=False)


def _refuse_expected_values(task: Task, options: AdoptOptions) -> None:
    expected = {column: name for name, column in task.spec.input.expected.items()}
    for answer in options.answers:
        if answer.answer in expected:
            raise UsageError(
                f"{answer.variant}: column {answer.answer!r} contains the expected values of `input.expected."
                f"{expected[answer.answer]}`: expected another column with answers, because these would always be correct",
                next_step="name the column with the predictions.",
            )


def _by_id(
    context: StageContext, task: Task, options: AdoptOptions, store: AnswerStore, note: Callable[[str], None]
) -> AdoptedRows:
    _fill(context, task, options, store, note)
    is_golden = options.golden is not None
    rules = rules_of(task, is_golden=is_golden)
    if is_golden:
        run_options = _run_options(options, f"golden:{options.golden}")
        rows = source_of(context, task, run_options)
    elif options.input is None and next(store.records(), None) is not None:
        run_options = _run_options(options, options.answers[0].answer)
        label = ", ".join(Path(answer.answer).name for answer in options.answers)
        rows = identified(SamplesInFile(store, label=label), task.spec.input, hash_key=context.settings.hash_key)
        rows = Limited(rows, options.limit) if options.limit is not None else rows
    else:
        run_options = _run_options(options, options.input)
        rows = source_of(context, task, run_options)
    variants = [answer.variant for answer in options.answers]
    source = AnswersById(rows, store, variants, id_column=rules.record_id)
    return AdoptedRows(source, rules, run_options, is_golden, store)


def _fill(
    context: StageContext, task: Task, options: AdoptOptions, store: AnswerStore, note: Callable[[str], None]
) -> None:
    if options.has_files:
        for answer in options.answers:
            store.add(_landed(context, task, _in_file(context, answer, options, note)), label=answer.answer)
        return
    if options.input is None:
        raise UsageError("--golden needs --input: the file, table or query with the answers", next_step="pass --input.")
    rows = open_source(options.input, root=context.settings.root, query=context.warehouse, data_date=options.data_date)
    column = options.id_column or (CASE_ID if CASE_ID in rows.columns() else task.spec.input.id_columns[0])
    require_answer_columns(rows, options.answers, column)
    found = answers_of_rows(rows, options.answers, id_column=column, max_cell_bytes=task.spec.input.max_cell_bytes)
    store.add(_landed(context, task, found), label=rows.label)


def _landed(
    context: StageContext, task: Task, found: Iterable[tuple[str, FoundAnswer]]
) -> Iterator[tuple[str, FoundAnswer]]:
    """The answers by the ids under which their records are landed."""
    for variant, answer in found:
        record_id = landed_id(task.spec.input, answer.record_id, hash_key=context.settings.hash_key)
        yield variant, replace(answer, record_id=record_id)


def _in_file(
    context: StageContext, answer: AnswerSpec, options: AdoptOptions, note: Callable[[str], None]
) -> Iterator[tuple[str, FoundAnswer]]:
    path = context.settings.root / answer.answer
    if not os.path.isfile(path):  # noqa: PTH113 - Path raises an error for a name that is too long
        raise UsageError(
            f"--answer-file {answer.answer!r} does not exist: expected {FORMATS}", next_step="check the path."
        )
    if path.stat().st_size == 0:
        raise UsageError(f"{answer.answer} is empty: expected {FORMATS}", next_step="check that the export finished.")
    if answer.columns:
        raise UsageError(
            f"--{next(iter(answer.columns)).replace('_', '-')} names a column, and {answer.answer} has none: the file "
            "itself states model, tokens, cost and latency",
            next_step="omit the option.",
        )
    if is_openai_batch(path):
        found = openai_batch_answers(path, label=answer.answer)
    elif is_inspect_log(path):
        found = inspect_answers(path, label=answer.answer, scorer=options.scorer, note=note)
    else:
        raise UsageError(f"{answer.answer} is not recognized: expected {FORMATS}", next_step="check the file.")
    return ((answer.variant, one) for one in found)


def _run_options(options: AdoptOptions, spec: str | None) -> RunOptions:
    return RunOptions(data_date=options.data_date, input=spec, limit=options.limit, stage=options.stage, reuse="never")


def of_variant(rows: AdoptedRows, answer: AnswerSpec, options: AdoptOptions) -> RunOptions:
    """Returns the options of the run that adopts the answers of one variant."""
    adoption = Adoption(
        variant=answer.variant,
        answer=answer.answer,
        field=options.field,
        columns=dict(answer.columns),
        scorer=options.scorer,
        judges=options.judges,
    )
    return replace(rows.options, variant=answer.variant, epochs=rows.epochs(answer.variant), adoption=adoption)
