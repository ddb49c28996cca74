"""Admits an input to a run: takes a snapshot, applies the input gate, lands the records. No model is called."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import orjson

from assay.errors import InputRejected, UsageError
from assay.guards.keys import keyed_hash
from assay.guards.personal_ids import PersonalIds, warning_of_ids, warning_of_tenants
from assay.inference.request import RunFacts
from assay.inputs.gate import GateDecision, decide
from assay.inputs.perturb.cases import perturbed_cases
from assay.inputs.snapshot import Lifetime, purge_expired, spool
from assay.inputs.sources import GOLDEN, Source, open_source
from assay.ports import RowSink
from assay.project import StageContext, masker
from assay.records import Record, RejectedRecord
from assay.records.statuses import RejectionReason, RunStatus
from assay.runs.chunks import chunks, sized_chunks
from assay.runs.masked_records import MaskedRecord, MaskingError, RecordMasker
from assay.runs.observation import RunObserver, observe_run
from assay.runs.record_mapping import CASE_ID, GoldenSource, Limited, identified, landed_id
from assay.runs.run import (
    Run,
    RunOptions,
    facts_of,
    golden_source_label,
    input_of,
    purpose_of,
    rules_of,
    uses_golden_set,
)
from assay.runs.run_rows import finished_row, started_row
from assay.runs.task_version_rows import land_versions
from assay.settings import Settings
from assay.stop_signals import raise_if_stopped
from assay.tasks.task import Task
from assay.warehouse.landing import LandingWriter

CHUNK_ROWS = 500
MOST_TENANTS = 10_000


@dataclass(frozen=True, slots=True)
class Admitting:
    """Receivers of an admission's progress: `report` gets the number of rows read, `seen` the start of the run."""

    report: Callable[[int], None]
    seen: RunObserver


@dataclass(frozen=True, slots=True)
class Admission:
    """The admitted run with its counts."""

    run: Run
    records: int
    rejected: int
    warning: str | None


def admit(context: StageContext, task: Task, options: RunOptions, *, report: Callable[[int], None]) -> Admission:
    """Returns a run whose records are landed; `report` is called with the number of rows read so far.

    Raises:
        UsageError: the input as a whole cannot be read.
        InputRejected: too many rows were rejected; the rejected rows are landed with their reasons.
        ServiceUnreachable: the warehouse does not respond; no model was called, and the run can be started again.
    """
    facts = facts_of(task, options)
    with observe_run(context, facts, "admit") as seen:
        return _admit(context, task, options, facts=facts, admitting=Admitting(report, seen))


def _admit(
    context: StageContext, task: Task, options: RunOptions, *, facts: RunFacts, admitting: Admitting
) -> Admission:
    if options.batch:
        _refuse_batch_of_turns(task)
    try:
        run = _spooled(context, task, options, facts=facts, report=admitting.report)
        raise_if_stopped()
        return land_input(context, run, decide(run.snapshot, run.rules), admitting.seen)
    except InputRejected:
        raise
    except BaseException:
        # Without its `started` row the run cannot be found again, so its snapshot would be useless.
        shutil.rmtree(context.snapshot_dir(facts.run_id), ignore_errors=True)
        raise


@contextmanager
def previewed(
    context: StageContext, task: Task, options: RunOptions, *, report: Callable[[int], None]
) -> Iterator[Run]:
    """A run over the current input, for the block only: nothing is landed, and the snapshot is deleted at the end.

    Raises:
        UsageError: the input as a whole cannot be read.
        InputRejected: too many rows were rejected.
        ServiceUnreachable: the warehouse does not respond.
    """
    if options.batch:
        _refuse_batch_of_turns(task)
    run = _spooled(context, task, options, facts=facts_of(task, options), report=report)
    try:
        decision = decide(run.snapshot, run.rules)
        if not decision.passed:
            raise InputRejected(f"{decision.message}\nNothing was sent or landed.", run_id=run.run_id)
        yield run
    finally:
        shutil.rmtree(run.snapshot.directory, ignore_errors=True)


def _spooled(
    context: StageContext, task: Task, options: RunOptions, *, facts: RunFacts, report: Callable[[int], None]
) -> Run:
    """Returns the run with its input in a snapshot, every row validated."""
    context.warehouse.check()
    purge_expired(context.snapshots_dir, datetime.now(UTC))
    source, is_golden = source_of(context, task, options), uses_golden_set(task, options)
    rules = rules_of(task, is_golden=is_golden)
    snapshot = spool(
        source,
        rules,
        directory=context.snapshot_dir(facts.run_id),
        hash_key=context.settings.hash_key,
        report=report,
        lifetime=Lifetime.of_days(context.settings.snapshot_days),
    )
    return Run(
        facts=facts,
        task=task,
        options=options,
        snapshot=snapshot,
        is_golden=is_golden,
        purpose=purpose_of(task, options),
    )


def land_input(context: StageContext, run: Run, decision: GateDecision, seen: RunObserver) -> Admission:
    """Lands records and rejected rows, and the `started` row last.

    Raises:
        InputRejected: too many rows were rejected; the rejected rows are landed with their reasons.
    """
    sink, snapshot = LandingWriter(context.warehouse), run.snapshot
    land_versions(context, run, sink)
    seen_ids = _SeenIds()
    records, failures = _land_records(context, run, sink, seen_ids) if decision.passed else (0, 0)
    _land_rejected(run, sink)
    rejected = snapshot.rows_rejected + failures
    started = started_row(run, context.settings, records=records, rejected=rejected)
    sink.append([started])
    seen.run_started(started)
    if reason := _why_stopped(run, decision, records=records, failures=failures):
        finished = finished_row(started, status=RunStatus.FAILED, predictions=0, calls=0, reason=reason)
        sink.append([finished])
        seen.run_finished(started, finished)
        raise InputRejected(
            f"{reason}\nNothing was sent.",
            next_step=f"see the rows of run {run.run_id} in the table rejected_records.",
            run_id=run.run_id,
        )
    warnings = (decision.message if decision.warned else None, *seen_ids.warnings(run, records=records))
    return Admission(run, records, rejected, "; ".join(filter(None, warnings)) or None)


class _SeenIds:
    """Record ids and tenants of an input, as far as they look personal."""

    def __init__(self) -> None:
        self._ids, self._tenants = PersonalIds(), PersonalIds()
        self._seen_tenants: set[str] = set()

    def add(self, record: MaskedRecord) -> None:
        """Notes the id and the tenant of one record."""
        self._ids.add(record.record_id)
        if record.tenant_id not in self._seen_tenants and len(self._seen_tenants) < MOST_TENANTS:
            self._seen_tenants.add(record.tenant_id)
            self._tenants.add(record.tenant_id)

    def warnings(self, run: Run, *, records: int) -> tuple[str | None, str | None]:
        """The warnings for the user."""
        spec = run.task.spec.input
        column = CASE_ID if run.is_golden else ", ".join(spec.id_columns)
        return (
            warning_of_ids(self._ids, column, of=records),
            warning_of_tenants(self._tenants, spec.tenant or "", of=len(self._seen_tenants)),
        )


def _why_stopped(run: Run, decision: GateDecision, *, records: int, failures: int) -> str | None:
    """Returns the reason that the run must not continue; None if it may."""
    if not decision.passed:
        return decision.message
    if records == 0 or failures > run.rules.max_rejected_share * run.snapshot.rows_read:
        return f"{failures} of {run.snapshot.rows_read} rows could not be masked"
    return None


def source_of(context: StageContext, task: Task, options: RunOptions) -> Source:
    """Returns the source of the run's rows: cases of the golden set, or a file, table or query.

    Raises:
        UsageError: there is no such source, or no such case.
    """
    spec = input_of(task, options)
    source: Source
    if golden := GOLDEN.fullmatch(spec):
        cases = tuple(case for case in task.cases if golden[2] in (None, case.split))
        if not cases:
            raise UsageError(
                f"Task '{task.name}' has no golden cases for {spec!r}",
                next_step=f"add cases to tasks/{task.name}/cases.jsonl, or pass --input.",
            )
        if options.perturbation is not None:
            cases = perturbed_cases(task, cases[: options.limit], options.perturbation)
        label, key = golden_source_label(task, options), context.settings.hash_key
        cases = tuple(replace(case, case_id=landed_id(task.spec.input, case.case_id, hash_key=key)) for case in cases)
        source = GoldenSource(cases, label=label, perturbation=options.perturbation)
    else:
        source = open_source(spec, root=context.settings.root, query=context.warehouse, data_date=options.data_date)
        source = identified(source, task.spec.input, hash_key=context.settings.hash_key)
    return Limited(source, options.limit) if options.limit is not None else source


def _refuse_batch_of_turns(task: Task) -> None:
    """Checks that no request of the task depends on the result of another.

    Raises:
        UsageError: its rows are turns of conversations.
    """
    if task.spec.input.conversation is not None:
        raise UsageError(
            f"--batch is not supported for task '{task.name}': its rows are turns of conversations "
            "(`input.conversation`), and each turn needs the predictions of earlier turns",
            next_step="run without --batch.",
        )


def _land_records(context: StageContext, run: Run, sink: RowSink, seen_ids: _SeenIds) -> tuple[int, int]:
    guard, landed, failures = RecordMasker(run, context), 0, 0
    for chunk in sized_chunks(guard.records(), _characters):
        masked = [item for item in chunk if isinstance(item, MaskedRecord)]
        failed = [item for item in chunk if isinstance(item, MaskingError)]
        sink.append([_record_row(run, record) for record in masked])
        for record in masked:
            seen_ids.add(record)
        sink.append([_failure_row(context.settings, run, failure) for failure in failed])
        landed, failures = landed + len(masked), failures + len(failed)
    return landed, failures


def _characters(item: MaskedRecord | MaskingError) -> int:
    return sum(map(len, item.fields.values())) if isinstance(item, MaskedRecord) else 0


def _land_rejected(run: Run, sink: RowSink) -> None:
    scrub = masker(run.task).scrub
    for chunk in chunks(_rejected_rows(run, scrub), CHUNK_ROWS):
        sink.append(chunk)


def _rejected_rows(run: Run, scrub: Callable[[str], str]) -> Iterator[RejectedRecord]:
    for row in run.snapshot.rejected():
        yield RejectedRecord(
            **run.columns(),
            run_id=run.run_id,
            task=run.task.name,
            position=row.position,
            record_id=scrub(row.record_id) if row.record_id is not None else None,
            reason=row.reason,
            explanation=row.explanation,
            column_name=row.column_name,
            raw_hash=row.raw_hash,
        )


def _failure_row(settings: Settings, run: Run, failure: MaskingError) -> RejectedRecord:
    return RejectedRecord(
        **run.columns(),
        run_id=run.run_id,
        task=run.task.name,
        position=failure.position,
        record_id=None,
        reason=RejectionReason.MASKING_FAILED,
        explanation=failure.explanation,
        raw_hash=keyed_hash(settings.hash_key, "row", failure.record_id),
    )


def _record_row(run: Run, record: MaskedRecord) -> Record:
    return Record(
        **run.columns(record.tenant_id),
        run_id=run.run_id,
        task=run.task.name,
        record_id=record.record_id,
        position=record.position,
        population=record.population,
        input=orjson.dumps(record.fields).decode(),
        input_hash=record.input_hash,
        expected=orjson.dumps(record.expected).decode() if record.expected is not None else None,
        cluster_id=record.cluster_id,
        conversation_key=record.conversation_key,
        turn=record.turn,
        slices=record.slices,
        masked_entities=record.masked_entities,
        subject_key=record.subject_key,
        masking_version=run.facts.masking_version,
    )
