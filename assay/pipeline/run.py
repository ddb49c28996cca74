"""A run: the options it was started with, its facts, and how it is found again.

What a run is belongs here; admitting, answering and scoring are modules of their own.
"""

from __future__ import annotations

import math
import re
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import orjson

from assay.errors import UsageError
from assay.inference.keys import new_id
from assay.inference.request import RunFacts
from assay.inputs.rules import InputRules
from assay.inputs.stored import Snapshot
from assay.pipeline.project import Project
from assay.pipeline.shape import DEFAULT_TENANT, golden_rules, input_rules
from assay.records import Run as RunRow
from assay.tasks.task import DEFAULT_VARIANT, Task
from assay.version import code_version, git_sha
from assay.warehouse.statements import RUN_STARTED

EVER = datetime(1970, 1, 1, tzinfo=UTC)
GOLDEN = re.compile(r"golden(:(dev|gate))?")
REUSE = re.compile(r"within (\d+) (hours|days)", re.ASCII)
FRESH_PURPOSES = frozenset({"shadow", "canary", "latency"})


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What a run is asked to do; `input` is a source, `golden`, `golden:dev` or `golden:gate`, or None for the task's own."""

    data_date: date
    input: str | None = None
    variant: str = DEFAULT_VARIANT
    limit: int | None = None
    epochs: int = 1
    budget_usd: float | None = None
    reuse: str | None = None
    stage: str | None = None
    purpose: str | None = None
    batch: bool = False
    shards: int = 1

    def __post_init__(self) -> None:
        for name, value, least in (
            ("limit", self.limit, 1),
            ("epochs", self.epochs, 1),
            ("shards", self.shards, 1),
            ("budget", self.budget_usd, 0),
        ):
            if value is not None and not least <= value < math.inf:
                raise UsageError(f"--{name} is {value}: expected at least {least}; correct it.")
        if self.input is not None and not self.input.strip():
            raise UsageError(
                "--input is empty: expected a file, a table or a SQL query; leave it away for the task's own input."
            )
        if self.reuse is not None:
            oldest_reused(self.reuse, now=datetime.now(UTC))


@dataclass(frozen=True, slots=True)
class Run:
    """One execution under way: its task, its options and its input snapshot."""

    facts: RunFacts
    task: Task
    options: RunOptions
    snapshot: Snapshot
    is_golden: bool
    purpose: str

    @property
    def run_id(self) -> str:
        """The run's occurrence id."""
        return self.facts.run_id

    @property
    def rules(self) -> InputRules:
        """The door's rules for the run's input."""
        return rules_of(self.task, is_golden=self.is_golden)

    @property
    def window(self) -> dict[str, object]:
        """Parameters that every statement about this run takes."""
        return {"run_id": self.facts.run_id, "data_date": self.facts.data_date}

    def columns(self, tenant_id: str = DEFAULT_TENANT) -> dict[str, Any]:
        """What every row that the run lands now has in common."""
        return {"data_date": self.facts.data_date, "occurred_at": datetime.now(UTC), "tenant_id": tenant_id}

    @property
    def reuse(self) -> str:
        """The reuse policy: the option, else the task's; runs that measure the present never reuse."""
        if self.purpose in FRESH_PURPOSES:
            return "never"
        return self.options.reuse or self.task.spec.reuse

    def reuse_since(self, now: datetime) -> datetime | None:
        """The oldest answer that may be reused, or None when none may be."""
        return oldest_reused(self.reuse, now=now)


def oldest_reused(policy: str, *, now: datetime) -> datetime | None:
    """The oldest answer that the reuse policy lets through, or None when it lets none.

    Raises:
        UsageError: the policy is none of `always`, `never`, `within N hours`, `within N days`.
    """
    if policy == "never":
        return None
    if policy == "always":
        return EVER
    match = REUSE.fullmatch(policy)
    if not match:
        raise UsageError(f"reuse is {policy!r}: expected always, never, or `within N hours|days`; correct it.")
    try:
        return max(EVER, now - timedelta(**{match[2]: int(match[1])}))
    except OverflowError:  # longer ago than there is a date for
        return EVER


def input_of(task: Task, options: RunOptions) -> str:
    """The source of the run: the option, else the task's own, else its golden set."""
    return options.input or task.spec.input.source or "golden"


def asks_golden_set(task: Task, options: RunOptions) -> bool:
    """True when the run's input is the task's golden set, or a split of it."""
    return GOLDEN.fullmatch(input_of(task, options)) is not None


def golden_label(task: Task, split: str) -> str:
    """How `runs.input_source` names the golden set, or a split of it, in its present version."""
    return f"{split}@{task.versions.golden_set}"


def rules_of(task: Task, *, is_golden: bool) -> InputRules:
    """The door's rules: the task's, or those of its golden set."""
    return golden_rules(task) if is_golden else input_rules(task)


def facts_of(task: Task, options: RunOptions, *, run_id: str | None = None) -> RunFacts:
    """Facts of a new run, or of the given one."""
    return RunFacts(
        run_id=run_id or new_id(),
        task=task.name,
        data_date=options.data_date,
        variant=task.variant,
        stage=options.stage or task.spec.stage,
        inference_version=task.versions.inference,
        masking_version=task.masking_version,
    )


def purpose_of(task: Task, options: RunOptions) -> str:
    """`eval` over a golden set, else `score`, unless the options say otherwise."""
    return options.purpose or ("eval" if asks_golden_set(task, options) else "score")


def find_run(project: Project, run_id: str) -> dict[str, Any]:
    """The `started` row of the run.

    Raises:
        UsageError: the warehouse has no such run.
    """
    row = next(iter(project.warehouse.stream(RUN_STARTED.sql, {"run_id": run_id})), None)
    if row is None:
        raise UsageError(
            f"No run '{run_id}' in {project.warehouse.landing}.runs: expected the id that `assay run` printed; "
            f'`assay query "select run_id, task, occurred_at from {project.warehouse.landing}.runs"` lists them.'
        )
    return row


def options_json(options: RunOptions) -> str:
    """The options as they are kept with the run."""
    return orjson.dumps(asdict(options), option=orjson.OPT_SORT_KEYS).decode()


def options_from(row: dict[str, Any]) -> RunOptions:
    """The options of a kept run."""
    config = row["config"] if isinstance(row["config"], dict) else orjson.loads(row["config"])
    return RunOptions(**{**config, "data_date": row["data_date"]})


def started_row(run: Run, project: Project, *, records: int, rejected: int) -> RunRow:
    """The row that says what the run set out to do."""
    settings, versions = project.settings, run.task.versions
    return RunRow(
        run_id=run.run_id,
        task=run.task.name,
        **run.columns(),
        event="started",
        status="running",
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


def finished_row(started: RunRow, *, status: str, predictions: int, calls: int, reason: str | None) -> RunRow:
    """The row that says how the run ended."""
    return replace(
        started,
        event="finished",
        status=status,
        occurred_at=datetime.now(UTC),
        predictions=predictions,
        calls=calls,
        reason=reason,
    )


def row_of(kept: dict[str, Any]) -> RunRow:
    """A kept `runs` row as a record."""
    names = [name for name in RunRow.__dataclass_fields__ if name in kept]
    values = {name: kept[name] for name in names}
    values["config"] = orjson.dumps(kept["config"]).decode() if not isinstance(kept["config"], str) else kept["config"]
    return RunRow(**values)
