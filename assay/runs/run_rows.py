"""Rows of `runs`: written when a run starts and finishes, read when it is resumed."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any

import orjson

from assay.errors import UsageError
from assay.records import RunEvent
from assay.records.statuses import Perturbation, RunEventKind, RunStatus
from assay.runs.adopted_answers import Adoption
from assay.runs.queries import RUN_COMPLETED, RUN_STARTED
from assay.runs.run import Run, RunOptions
from assay.settings import Settings
from assay.version import code_version, git_sha
from assay.warehouse.client import Warehouse
from assay.warehouse.landing import LandingWriter


def find_run(warehouse: Warehouse, run_id: str) -> dict[str, Any]:
    """Returns the `started` row of the run.

    Raises:
        UsageError: the warehouse has no such run.
    """
    row = next(iter(warehouse.stream(RUN_STARTED.sql, {"run_id": run_id})), None)
    if row is None:
        raise UsageError(
            f"Run '{run_id}' does not exist in {warehouse.landing}.runs",
            next_step=f'pass the id that `assay run` printed; `assay query "select run_id, task, occurred_at from {warehouse.landing}.runs"` lists them.',  # noqa: S608 - text of a message
        )
    return row


def options_json(options: RunOptions) -> str:
    """Returns the options as JSON, as stored with the run."""
    return orjson.dumps(asdict(options), option=orjson.OPT_SORT_KEYS).decode()


def options_from(row: dict[str, Any]) -> RunOptions:
    """Returns the options of a stored run."""
    config = row["config"] if isinstance(row["config"], dict) else orjson.loads(row["config"])
    kind = config.get("perturbation")
    typed = {
        "data_date": row["data_date"],
        "adoption": Adoption(**config["adoption"]) if config.get("adoption") else None,
        "perturbation": Perturbation(kind) if kind is not None else None,
    }
    return RunOptions(**{**config, **typed})


def started_row(run: Run, settings: Settings, *, records: int, rejected: int) -> RunEvent:
    """Returns the row with the run's options and the expected number of predictions."""
    versions = run.task.versions
    return RunEvent(
        run_id=run.run_id,
        task=run.task.name,
        **run.columns(),
        event=RunEventKind.STARTED,
        status=RunStatus.RUNNING,
        purpose=run.purpose,
        variant=run.facts.variant,
        stage=run.facts.stage,
        task_version_id=versions.task_version_id,
        inference_version=versions.inference,
        golden_set_version=versions.golden_set,
        policy_version=versions.policy,
        epochs=run.options.epochs,
        input_source=run.snapshot.source_label,
        manifest_hash=run.snapshot.manifest_hash,
        rows_read=run.snapshot.rows_read,
        rows_rejected=rejected,
        records=records,
        expected_predictions=records * run.options.epochs,
        started_by=settings.started_by,
        config=options_json(run.options),
        git_sha=git_sha(settings.root),
        code_version=code_version(),
    )


def finished_row(started: RunEvent, *, status: RunStatus, predictions: int, calls: int, reason: str | None) -> RunEvent:
    """Returns the row with the run's final status and counts."""
    return replace(
        started,
        event=RunEventKind.FINISHED,
        status=status,
        occurred_at=datetime.now(UTC),
        predictions=predictions,
        calls=calls,
        reason=reason,
    )


def land_end(warehouse: Warehouse, row: RunEvent) -> bool:
    """Lands the `finished` row; returns False if the run has completed before, which no later attempt changes.

    Raises:
        ServiceUnreachable: the warehouse does not respond.
    """
    if row.status is not RunStatus.COMPLETED:
        counted = next(warehouse.stream(RUN_COMPLETED.sql, {"run_id": row.run_id, "data_date": row.data_date}))
        if counted["found"]:
            return False
    LandingWriter(warehouse).append([row])
    return True


def row_of(kept: dict[str, Any]) -> RunEvent:
    """Returns a row of `runs` as a `RunEvent`."""
    names = [name for name in RunEvent.__dataclass_fields__ if name in kept]
    values = {name: kept[name] for name in names}
    values["config"] = orjson.dumps(kept["config"]).decode() if not isinstance(kept["config"], str) else kept["config"]
    return RunEvent(**values)
