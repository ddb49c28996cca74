"""Refuses a second Dagster run of a partition while another run processes it, since both would pay for it."""

from __future__ import annotations

import time

import dagster as dg

SETTLE_S = 2.0
"""Another run that started earlier is visible in Dagster's storage after this time."""
PARTITION_TAG = "dagster/partition"
PROCESSING = frozenset({dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.SUSPENDED, dg.DagsterRunStatus.CANCELING})
FINISHED = frozenset({dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED})


def refuse_second_launch(context: dg.AssetExecutionContext, key: dg.AssetKey) -> None:
    """Returns if no other run that started earlier processes this partition of the asset.

    Of several runs that start concurrently, the earliest continues and the others fail.

    Raises:
        dagster.Failure: another run processes the partition; the message names it.
    """
    rivals = _unfinished(context, key)
    if not rivals:
        return
    own = _start_of(context.instance, context.run.run_id)
    if (wait_s := own[0] + SETTLE_S - time.time()) > 0:
        time.sleep(min(wait_s, SETTLE_S))
    records = context.instance.get_run_records(dg.RunsFilter(run_ids=rivals))
    earlier = min(
        (
            (record.start_time, record.dagster_run.run_id)
            for record in records
            if record.dagster_run.status in PROCESSING and record.start_time is not None
        ),
        default=None,
    )
    if earlier is not None and earlier < own:
        raise dg.Failure(
            f"Dagster run {earlier[1]} already processes {key.to_user_string()} of {context.partition_key}, so this run "
            "stops before it pays for the same records. Wait for that run, or terminate it, and launch this one again.",
            allow_retries=False,
        )


def _unfinished(context: dg.AssetExecutionContext, key: dg.AssetKey) -> list[str]:
    """Ids of other runs that are to materialize this partition of the asset and have not finished."""
    instance = context.instance
    unfinished = [status for status in dg.DagsterRunStatus if status not in FINISHED]
    same_day = dg.RunsFilter(statuses=unfinished, tags={PARTITION_TAG: context.partition_key})
    others = [run.run_id for run in instance.get_runs(same_day) if run.run_id != context.run.run_id]
    return [run_id for run_id in others if key in _planned(instance, run_id)]


def _planned(instance: dg.DagsterInstance, run_id: str) -> set[dg.AssetKey | None]:
    """The assets that the run is to materialize."""
    entries = instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED)
    return {entry.dagster_event.asset_key for entry in entries if entry.dagster_event is not None}


def _start_of(instance: dg.DagsterInstance, run_id: str) -> tuple[float, str]:
    (record,) = instance.get_run_records(dg.RunsFilter(run_ids=[run_id]))
    return (record.start_time or time.time(), run_id)
