"""Launch configuration of a task's jobs."""

from __future__ import annotations

from datetime import date

import dagster as dg
from pydantic import Field

from assay.evaluation.sides import EvaluationOptions
from assay.runs.run import RunOptions
from assay.tasks.gate_spec import GATE_SPLIT


class RunConfig(dg.Config):
    """Options of one run; omitted ones are taken from `task.yml`."""

    input: str | None = Field(
        default=None, description="Source instead of the task's own; golden, golden:dev, golden:gate for its cases."
    )
    variant: str = Field(default="default", description="Named overrides of task.yml.")
    limit: int | None = Field(default=None, description="Only the first N rows.")
    epochs: int = Field(default=1, description="Number of predictions per record.")
    budget_usd: float | None = Field(default=None, description="Maximum spend of the run, in USD.")
    batch: bool = Field(default=False, description="Use the provider's Batch API: slower, at a lower price.")
    shards: int = Field(default=1, description="Shards that workers process at the same time.")
    reuse: str | None = Field(default=None, description="always, never, or 'within N hours|days'.")

    def options(self, partition: str) -> RunOptions:
        """Returns the engine's options for the partition's day."""
        return RunOptions(data_date=date.fromisoformat(partition), **self.model_dump())


class EvaluationConfig(dg.Config):
    """Options of one evaluation; the default champion is the version that serves ga, if any."""

    candidate: str = Field(default="default", description="A variant of task.yml, @git-ref or @stage:ga.")
    champion: str | None = Field(default=None, description="The variant to compare with, named likewise.")
    input: str = Field(default=GATE_SPLIT.value, description="Records that both variants process.")
    epochs: int = Field(default=1, description="Number of predictions per record.")
    budget_usd: float | None = Field(default=None, description="Most that each of the two runs may spend, in USD.")
    reuse: str | None = Field(default=None, description="always, never, or 'within N hours|days'.")

    def options(self, partition: str) -> EvaluationOptions:
        """Returns the engine's options for a gate on the partition's day."""
        return EvaluationOptions(data_date=date.fromisoformat(partition), is_gate=True, **self.model_dump())
