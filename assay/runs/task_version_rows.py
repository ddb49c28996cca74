"""Lands the content of a task version and its golden set, once per version."""

from __future__ import annotations

from datetime import date

import orjson

from assay.guards.keys import keyed_hash
from assay.guards.masking import Masker
from assay.ports import RowSink
from assay.project import StageContext, masker
from assay.records import GoldenCase, TaskVersion
from assay.runs.masked_records import mask_pair
from assay.runs.queries import KNOWN_GOLDEN_SET, KNOWN_TASK_VERSION
from assay.runs.record_mapping import landed_id
from assay.runs.run import Run
from assay.settings import Settings
from assay.tasks.case import Case
from assay.tasks.task import Task
from assay.version import code_version, git_sha
from assay.warehouse.client import Warehouse
from assay.warehouse.statement import Statement


def land_versions(context: StageContext, run: Run, sink: RowSink) -> None:
    """Ensures that the run's task version and golden set are in the warehouse."""
    task, versions = run.task, run.task.versions
    if not _known(context.warehouse, KNOWN_TASK_VERSION, task, versions.task_version_id):
        sink.append([_version_row(context.settings, run)])
    if task.cases and not _known(context.warehouse, KNOWN_GOLDEN_SET, task, versions.golden_set):
        sink.append(_case_rows(context.settings, run))


def _known(warehouse: Warehouse, statement: Statement, task: Task, version: str) -> bool:
    rows = warehouse.stream(statement.sql, {"task": task.name, "version": version})
    return any(row["found"] for row in rows)


def _version_row(settings: Settings, run: Run) -> TaskVersion:
    task, spec = run.task, run.task.spec
    return TaskVersion(
        **run.columns(),
        task=task.name,
        task_version_id=task.versions.task_version_id,
        inference_version=task.versions.inference,
        golden_set_version=task.versions.golden_set,
        policy_version=task.versions.policy,
        scorer_versions=_json(dict(task.versions.scorers)),
        description=spec.description,
        owner=spec.owner,
        variant=task.variant,
        templates=_json(dict(task.templates)),
        output_schema=_json(dict(task.output_schema)),
        parameters=_json(spec.parameters),
        routes=_json([route.model_dump(mode="json") for route in spec.routes]),
        checks=_json([scorer.model_dump(mode="json") for scorer in (*spec.checks, *spec.judges)]),
        correct_scorers=spec.correct,
        fallback_counts=spec.fallback_counts,
        thresholds=_json(spec.thresholds.model_dump(mode="json")),
        sla_latency_ms=spec.sla.latency_ms if spec.sla else None,
        sla_share=spec.sla.share if spec.sla else None,
        git_sha=git_sha(settings.root),
        code_version=code_version(),
    )


def _case_rows(settings: Settings, run: Run) -> list[GoldenCase]:
    guard, key = masker(run.task), settings.hash_key
    return [_case_row(run, case, guard, key) for case in run.task.cases]


def _case_row(run: Run, case: Case, guard: Masker, key: bytes) -> GoldenCase:
    masked, expected = mask_pair(guard, case.input, case.expected)
    cluster = case.cluster_id or case.conversation
    return GoldenCase(
        **run.columns(),
        task=run.task.name,
        golden_set_version=run.task.versions.golden_set,
        case_id=landed_id(run.task.spec.input, case.case_id, hash_key=key),
        split=case.split,
        input=_json({name: masked.texts[name] for name in case.input}),
        expected=_json(expected) if expected is not None else None,
        slices=tuple(f"{name}={guard.scrub(value)}" for name, value in case.slices.items()),
        cluster_id=keyed_hash(key, "cluster", cluster) if cluster else None,
        author=case.author,
        authored_on=date.fromisoformat(case.authored_on) if case.authored_on else None,
        masking_version=run.facts.masking_version,
    )


def _json(value: object) -> str:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
