"""What Dagster keeps of a run (events, metadata, stored values) holds no personal detail of its input."""

from __future__ import annotations

from pathlib import Path

import dagster as dg

from tests.end_to_end.canary import canary, leaks
from tests.orchestration.daily import STEPS, Daily, materialised

CANARIES = [canary(number) for number in range(4)]


def test_dagster_keeps_no_personal_detail(daily: Daily) -> None:
    rows = [{"id": f"r{number}", "text": one.sentence, "team": one.email} for number, one in enumerate(CANARIES)]
    source = daily.workplace.rows("with_details.csv", rows)
    spec = {"record_id": "id", "fields": {"text": "text"}, "slices": {"team": "team"}, "source": source}
    task = daily.task("canaries", input=spec, masking={"enabled": True})
    result = daily.materialise(task)
    assert materialised(result) == {f"{task}/{name}" for name in STEPS}
    kept = [entry.event_log_entry.to_json() for entry in _records(daily.instance, result.run_id)]
    stored = [path.read_bytes().decode("utf-8", "replace") for path in _files(Path(daily.instance.storage_directory()))]
    assert any("scorecard" in text for text in kept)
    assert leaks(CANARIES, "\n".join([*kept, *stored])) == []


def _records(instance: dg.DagsterInstance, run_id: str) -> list[dg.EventLogRecord]:
    return list(instance.get_records_for_run(run_id, limit=5000).records)


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]
