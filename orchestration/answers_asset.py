"""Responses and predictions of one task: a graph whose first step plans the shards and whose last step sums them up.

Each shard is a separate step that any worker of the executor can run.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dagster as dg

from assay.pipeline import answer
from assay.records.statuses import UnfinishedRunStatus
from assay.runs.resume import join, reopen
from assay.runs.shards import Shard
from assay.runs.summary import open_requests, summarize
from assay.tasks.loader import Outline
from orchestration import metadata
from orchestration.batch_sensor import batches_out
from orchestration.progress import answering
from orchestration.resources import AssayResource

ASSETS = {"responses": "Every call on the wire.", "predictions": "The final result of each request."}


def answers_asset(task: Outline, *, partitions: dg.PartitionsDefinition[str], owners: list[str]) -> dg.AssetsDefinition:
    """Returns the assets `responses` and `predictions`, materialized together, with a blocking completeness check."""
    check = dg.AssetCheckSpec(metadata.COMPLETENESS, asset=dg.AssetKey([task.name, "predictions"]), blocking=True)
    plan, shard, collect = _plan(task), _shard(task), _collect(task, check)

    @dg.graph_multi_asset(
        name=f"{task.name}__answers",
        outs={name: _out(task, name, owners) for name in ASSETS},
        ins={"run_id": dg.AssetIn(key=dg.AssetKey([task.name, "records"]))},
        partitions_def=partitions,
        group_name=task.name,
        check_specs=[check],
    )
    def answers(run_id: str) -> dict[str, Any]:
        shards, waiting = plan(run_id)
        answered = shards.map(lambda index: shard(run_id, index)).collect()
        responses, predictions, complete = collect(run_id, waiting, answered)
        return {"responses": responses, "predictions": predictions, check.get_python_identifier(): complete}

    return answers


def _out(task: Outline, name: str, owners: list[str]) -> dg.AssetOut:
    return dg.AssetOut(
        key=dg.AssetKey([task.name, name]),
        description=task.issues or ASSETS[name],
        kinds={"openai", "bigquery"},
        owners=owners,
        is_required=False,  # not materialized while batches are open
    )


def _plan(task: Outline) -> dg.OpDefinition:
    @dg.op(
        name=f"{task.name}__plan",
        description="The shards to process; none while batches are open.",
        out={"shards": dg.DynamicOut(int), "waiting": dg.Out(dict)},
    )
    # `context` is not annotated, because Dagster cannot resolve annotations in a local namespace.
    def plan(context, assay: AssayResource, run_id: str):  # type: ignore[no-untyped-def]
        project = assay.project()
        run = reopen(project, run_id)
        out = batches_out(context, project, run, task=task.name)
        if out is None:
            for index in range(run.options.shards):
                yield dg.DynamicOutput(index, f"{index}_of_{run.options.shards}", output_name="shards")
        yield dg.Output(metadata.batch_counts(out) if out else {}, "waiting")

    return plan


def _shard(task: Outline) -> dg.OpDefinition:
    @dg.op(
        name=f"{task.name}__shard",
        description="Sends the requests of one shard that have no prediction yet.",
        out=dg.Out(int),
    )
    def shard(context, assay: AssayResource, run_id: str, index: int):  # type: ignore[no-untyped-def]
        project = assay.project()
        run = join(project, run_id)
        part = Shard(index, run.options.shards)
        wanted = open_requests(project.warehouse, run, shard=part)
        with answering(context.log.info, wanted) as progress:
            answer(project, run, progress, shard=part, handle_signals=False)
        return wanted

    return shard


def _collect(task: Outline, check: dg.AssetCheckSpec) -> dg.OpDefinition:
    @dg.op(
        name=f"{task.name}__collect",
        description="Sums up counts, tokens and cost of all shards.",
        out={
            "responses": dg.Out(dg.Nothing, is_required=False),
            "predictions": dg.Out(dg.Nothing, is_required=False),
            "complete": dg.Out(is_required=False),
        },
    )
    def collect(assay: AssayResource, run_id: str, waiting: dict, answered: list) -> Iterator[Any]:  # type: ignore[type-arg]  # noqa: ARG001 - the op waits for it
        if waiting:
            yield metadata.waiting(waiting, check.asset_key)
            return
        project = assay.project()
        summary = summarize(project.warehouse, join(project, run_id), status=UnfinishedRunStatus.ANSWERED)
        for name in ASSETS:
            yield dg.Output(None, name, metadata=metadata.answered(summary))
        yield metadata.completeness(summary, check.asset_key)

    return collect
