"""A project seen through Dagster: its definitions, and materialising partitions of its tasks in this process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import dagster as dg

from orchestration.build import build_defs
from tests.end_to_end.workplace import Workplace, numbered_rows

DAY = "2026-03-02"
STEPS = ("records", "responses", "predictions", "scores")


@dataclass
class Daily:
    """`workplace` with a Dagster instance of its own."""

    workplace: Workplace
    instance: dg.DagsterInstance

    def task(self, name: str, *, rows: int = 6, **edits: Any) -> str:
        """There is a task of that name over so many rows; returns the name."""
        source = self.workplace.rows(f"{name}.csv", numbered_rows(rows))
        spec = {"record_id": "id", "fields": {"text": "text"}, "max_rejected": 0.25, "source": source}
        return self.workplace.task(name, **{"input": spec, **edits})

    def definitions(self) -> dg.Definitions:
        """The project's definitions as they are now."""
        return definitions(self.workplace)

    def materialise(
        self, task: str, *, day: str = DAY, only: tuple[str, ...] = STEPS, **config: Any
    ) -> dg.ExecuteInProcessResult:
        """One partition of the task's assets, with `config` for its run; failures are in the result."""
        keys = [dg.AssetKey([task, name]) for name in only]
        definitions = self.definitions()
        assets = [each for each in definitions.assets or () if isinstance(each, dg.AssetsDefinition)]
        return dg.materialize(
            [each for each in assets if any(key.path[0] == task for key in each.keys)],
            instance=self.instance,
            resources=definitions.resources,
            partition_key=day,
            selection=dg.AssetSelection.assets(*keys),
            run_config={"ops": {f"{task}__records": {"config": config}}} if "records" in only else None,
            raise_on_error=False,
        )

    def landed(self, table: str, task: str) -> list[dict[str, Any]]:
        """All rows of a landing table that belong to the task."""
        rows = self.workplace.query(EVERYTHING[table], task=task)
        return sorted(rows, key=lambda row: row["landed_at"])

    def days(self, task: str, name: str) -> set[str]:
        """Partitions of one of the task's assets that are materialised."""
        return set(self.instance.get_materialized_partitions(dg.AssetKey([task, name])))


EVERYTHING = {
    table: f"select * from {table} where task = @task"
    for table in ("runs", "records", "rejected_records", "responses", "contents", "predictions", "scores", "estimates")
}


def definitions(workplace: Workplace) -> dg.Definitions:
    """Definitions of the project in `workplace`."""
    return build_defs(settings=workplace.settings())


def metadata_of(result: dg.ExecuteInProcessResult, task: str, name: str) -> dict[str, Any]:
    """What the materialisation of one asset shows, values without their types."""
    (event,) = [
        event.event_specific_data.materialization  # type: ignore[union-attr]
        for event in result.all_events
        if event.is_step_materialization and event.asset_key == dg.AssetKey([task, name])
    ]
    return {key: value.value for key, value in event.metadata.items()}


def checks_of(result: dg.ExecuteInProcessResult) -> dict[str, bool]:
    """Check name to whether it passed."""
    return {evaluation.check_name: evaluation.passed for evaluation in result.get_asset_check_evaluations()}


def materialised(result: dg.ExecuteInProcessResult) -> set[str]:
    """Assets that the run materialised, as `task/asset`."""
    return {
        event.asset_key.to_user_string()
        for event in result.all_events
        if event.is_step_materialization and event.asset_key
    }
