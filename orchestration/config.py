"""Launch configuration for the jobs of a task."""

from __future__ import annotations

from datetime import date

import dagster as dg
from pydantic import Field

from assay.evaluation.sides import EvaluationOptions
from assay.runs.run import RunOptions
from assay.tasks.gate_spec import GATE_SPLIT


class RunConfig(dg.Config):
    """Options of a run; options that are omitted are taken from `task.yml`."""

    input: str | None = Field(
        default=None,
        description="Input to use instead of the task's source; golden, golden:dev or golden:gate for the task's cases.",
    )
    variant: str = Field(default="default", description="Named overrides of task.yml.")
    limit: int | None = Field(default=None, description="Only the first N rows.")
    epochs: int = Field(default=1, description="Number of predictions per record.")
    budget_usd: float | None = Field(default=None, description="Maximum spend of the run, in USD.")
    batch: bool = Field(default=False, description="Use the provider's Batch API: slower, cheaper.")
    shards: int = Field(default=1, description="Number of shards that workers process concurrently.")
    reuse: str | None = Field(default=None, description="always, never, or 'within N hours|days'.")

    def options(self, partition: str) -> RunOptions:
        """Returns the run options for the day of the partition."""
        return RunOptions(data_date=date.fromisoformat(partition), **self.model_dump())


class EvaluationConfig(dg.Config):
    """Options of an evaluation; by default, the champion is the version that serves ga, if any."""

    candidate: str = Field(
        default="default", description="Version to evaluate: a variant of task.yml, @git-ref or @stage:ga."
    )
    champion: str | None = Field(default=None, description="Version to compare with, in the same notation.")
    input: str = Field(default=GATE_SPLIT.value, description="Records to run both versions on.")
    epochs: int = Field(default=1, description="Number of predictions per record.")
    budget_usd: float | None = Field(default=None, description="Maximum spend of each of the two runs, in USD.")
    reuse: str | None = Field(default=None, description="always, never, or 'within N hours|days'.")

    def options(self, partition: str) -> EvaluationOptions:
        """Returns the evaluation options for the day of the partition; the decision is recorded as a gate."""
        return EvaluationOptions(data_date=date.fromisoformat(partition), is_gate=True, **self.model_dump())
