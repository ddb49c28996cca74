"""A run: its options, its facts, and its input."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from assay.bounds import MOST_EPOCHS, MOST_INTEGER, MOST_USD
from assay.errors import UsageError
from assay.inference.keys import new_id
from assay.inference.request import RunFacts
from assay.inputs.perturb.cases import perturbed_label
from assay.inputs.rules import InputRules
from assay.inputs.sources import GOLDEN
from assay.inputs.stored import InputSnapshot
from assay.records.statuses import ANSWERED, Perturbation, PredictionStatus, RunPurpose, Stage
from assay.runs.adopted_answers import Adoption
from assay.runs.record_mapping import golden_rules, input_rules
from assay.statistics.conventions import DEFAULT_TENANT
from assay.tasks.task import DEFAULT_VARIANT, Task

EVER = datetime(1970, 1, 1, tzinfo=UTC)
REUSE = re.compile(r"within (\d{1,5}) (hours|days)", re.ASCII)
FRESH_PURPOSES = frozenset({RunPurpose.SHADOW, RunPurpose.CANARY, RunPurpose.LATENCY})


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """Options of a run; `input` is a source, `golden`, `golden:dev` or `golden:gate`; None is the task's own.

    With `adoption`, the run makes no requests: its predictions were made outside Assay.
    `perturbation` changes the text of golden cases on purpose; the run's purpose is then `perturb`.
    """

    data_date: date
    input: str | None = None
    variant: str = DEFAULT_VARIANT
    limit: int | None = None
    epochs: int = 1
    budget_usd: float | None = None
    reuse: str | None = None
    stage: Stage | None = None
    purpose: RunPurpose | None = None
    batch: bool = False
    shards: int = 1
    adoption: Adoption | None = None
    perturbation: Perturbation | None = None

    def __post_init__(self) -> None:
        for name, value, least, most in (
            ("limit", self.limit, 1, MOST_INTEGER),
            ("epochs", self.epochs, 1, MOST_EPOCHS),
            ("shards", self.shards, 1, MOST_INTEGER),
            ("budget", self.budget_usd, 0, MOST_USD),
        ):
            if value is not None and not least <= value <= most:
                at_most = f" and at most {most:,}" if value > most and most != MOST_INTEGER else ""
                raise UsageError(f"--{name} is {value}: expected at least {least}{at_most}.")
        if self.input is not None and not self.input.strip():
            raise UsageError(
                "--input is empty: expected a file, a table or a SQL query",
                next_step="omit it to use the task's own input.",
            )
        if self.reuse is not None:
            oldest_reused(self.reuse, now=datetime.now(UTC))


@dataclass(frozen=True, slots=True)
class Run:
    """One execution in progress: its task, its options and its input snapshot."""

    facts: RunFacts
    task: Task
    options: RunOptions
    snapshot: InputSnapshot
    is_golden: bool
    purpose: RunPurpose

    @property
    def run_id(self) -> str:
        """The id of this run."""
        return self.facts.run_id

    @property
    def rules(self) -> InputRules:
        """The rules that validate the run's input."""
        return rules_of(self.task, is_golden=self.is_golden)

    @property
    def window(self) -> dict[str, object]:
        """Query parameters of every statement about this run."""
        return {"run_id": self.facts.run_id, "data_date": self.facts.data_date}

    def columns(self, tenant_id: str = DEFAULT_TENANT) -> dict[str, Any]:
        """Column values that all rows landed by this run share."""
        return {"data_date": self.facts.data_date, "occurred_at": datetime.now(UTC), "tenant_id": tenant_id}

    @property
    def reuse(self) -> str:
        """The reuse policy: the option, or the task's; shadow, canary and latency runs never reuse predictions."""
        if self.purpose in FRESH_PURPOSES:
            return "never"
        return self.options.reuse or self.task.spec.reuse

    @property
    def answer_statuses(self) -> list[str]:
        """Statuses of predictions that a later run reuses; a request with any other outcome is made again."""
        counted = [PredictionStatus.FALLBACK] if self.task.spec.fallback_counts else []
        return sorted(status.value for status in (*ANSWERED, *counted))

    def reuse_since(self, now: datetime) -> datetime | None:
        """Returns the time of the oldest prediction that may be reused; None if none may be reused."""
        return oldest_reused(self.reuse, now=now)


def oldest_reused(policy: str, *, now: datetime) -> datetime | None:
    """Returns the time of the oldest prediction that the policy allows to reuse; None if it allows none.

    Raises:
        UsageError: the policy is none of `always`, `never`, `within N hours`, `within N days`.
    """
    if policy == "never":
        return None
    if policy == "always":
        return EVER
    match = REUSE.fullmatch(policy)
    if not match:
        raise UsageError(f"reuse is {policy!r}: expected one of `always`, `never`, `within N hours`, `within N days`.")
    try:
        return max(EVER, now - timedelta(**{match[2]: int(match[1])}))
    except OverflowError:  # before the earliest date that Python can represent
        return EVER


def input_of(task: Task, options: RunOptions) -> str:
    """The source of the run: the option, or the task's own input, or its golden set."""
    return options.input or task.spec.input.source or "golden"


def uses_golden_set(task: Task, options: RunOptions) -> bool:
    """True if the run's input is the task's golden set, or a split of it."""
    return GOLDEN.fullmatch(input_of(task, options)) is not None


def golden_label(task: Task, split: str) -> str:
    """Returns the name and version of the golden set or of a split, as in `runs.input_source`."""
    return f"{split}@{task.versions.golden_set}"


def golden_source_label(task: Task, options: RunOptions) -> str:
    """Returns the input of a run on golden cases, as in `runs.input_source`; that of a perturbed run names its kind."""
    label = golden_label(task, input_of(task, options))
    return perturbed_label(task, options.perturbation, label) if options.perturbation else label


def rules_of(task: Task, *, is_golden: bool) -> InputRules:
    """Returns the input rules of the task, or of its golden set."""
    return golden_rules(task) if is_golden else input_rules(task)


def facts_of(task: Task, options: RunOptions, *, run_id: str | None = None) -> RunFacts:
    """Returns the facts of a new run, or of the run with the given id."""
    return RunFacts(
        run_id=run_id or new_id(),
        task=task.name,
        data_date=options.data_date,
        variant=task.variant,
        stage=options.stage or task.spec.stage,
        inference_version=task.versions.inference,
        masking_version=task.masking_version,
    )


def purpose_of(task: Task, options: RunOptions) -> RunPurpose:
    """Returns the purpose in the options; by default `eval` for a golden set and `score` for other input.

    A run on perturbed cases always has a purpose of its own, by which readers of runs exclude it.
    """
    if options.perturbation is not None:
        return RunPurpose.PERTURB
    return options.purpose or (RunPurpose.EVAL if uses_golden_set(task, options) else RunPurpose.SCORE)
