"""A personal record id that is hashed is nowhere in clear; one that is not is warned about."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import pytest

from assay.errors import UsageError
from assay.labels.csv_import import import_labels
from assay.runs.admission import admit
from assay.runs.id_warnings import id_warnings
from assay.runs.run import RunOptions
from tests.end_to_end.workplace import SPEC
from tests.fakes.model_endpoint import ModelEndpoint
from tests.paths import ROOT
from tests.runs.bench import DAY, Bench

OWNERS = ("alice.roe@corp-mail.example", "carol.poe@corp-mail.example", "536-22-1234")
ROWS = [{"id": owner, "text": f"message {number}"} for number, owner in enumerate(OWNERS)]
HASHED = {**SPEC["input"], "record_id": {"column": "id", "hash": True}}


def expected_hash(key: bytes, value: str) -> str:
    """HMAC-SHA-256 over the parts, each with its length in 8 bytes before it."""
    parts = (part.encode() for part in ("record", value))
    return hmac.new(key, b"".join(len(part).to_bytes(8, "big") + part for part in parts), hashlib.sha256).hexdigest()


def ids(bench: Bench, table: str, run_id: str) -> set[str]:
    return {
        row["record_id"] for row in bench.place.query(f"select record_id from {table} where run_id = @run", run=run_id)
    }


def test_a_hashed_id_is_in_every_table_and_the_clear_one_nowhere(bench: Bench, name: str) -> None:
    place = bench.place
    key = bench.project.settings.hash_key
    summary = bench.run(place.task(name, input=HASHED), input=place.rows("in.csv", [*ROWS, ROWS[0]]))
    assert (summary.records, summary.rejected) == (2, 2)
    hashes = {expected_hash(key, owner) for owner in OWNERS[1:]}
    for table in ("records", "predictions", "responses", "contents", "scores"):
        assert ids(bench, table, summary.run_id) == hashes
    tables = [path.stem for path in (ROOT / "assay" / "warehouse" / "schemas").glob("*.json")]
    landed = "".join(str(place.query(f"select * from {table}")) for table in tables)
    files = [path for path in (place.root / ".assay").rglob("*") if path.is_file()]
    for owner in OWNERS:
        assert owner not in landed
        assert [path.name for path in files if owner.encode() in path.read_bytes()] == []


def test_the_same_id_has_the_same_hash_in_the_next_run_and_is_reused(bench: Bench, name: str) -> None:
    place = bench.place
    task = place.task(name, input=HASHED)
    first = bench.run(task, input=place.rows("in.csv", ROWS))
    again = bench.run(task, input=place.rows("in.csv", ROWS))
    assert ids(bench, "predictions", first.run_id) == ids(bench, "predictions", again.run_id)
    assert (first.calls, again.calls) == (3, 0)


def test_a_golden_case_and_a_row_with_one_id_are_one_record(bench: Bench, name: str) -> None:
    place = bench.place
    cases = [{"case_id": OWNERS[0], "split": "gate", "input": {"text": "message 0"}, "expected": {"label": "question"}}]
    task = place.task(name, cases=cases, input=HASHED)
    golden = bench.run(task, input="golden:gate")
    hashed = {expected_hash(bench.project.settings.hash_key, OWNERS[0])}
    assert ids(bench, "predictions", golden.run_id) == hashed
    landed = place.query("select case_id from golden_cases where task = @task", task=name)
    assert {row["case_id"] for row in landed} == hashed


def test_a_label_names_the_id_or_its_hash(bench: Bench, name: str) -> None:
    place = bench.place
    task = place.task(name, input=HASHED)
    bench.run(task, input=place.rows("in.csv", ROWS))
    project = bench.project
    hashed = expected_hash(project.settings.hash_key, OWNERS[1])
    path = place.write("labels.csv", f"record_id,label,annotator\n{OWNERS[0]},right,ana\n{hashed},wrong,ana\n")
    assert import_labels(project, project.task(task), path).new == 2


def test_an_id_column_that_does_not_exist_is_named(bench: Bench, name: str) -> None:
    task = bench.place.task(name, input={**HASHED, "record_id": {"column": "owner", "hash": True}})
    with pytest.raises(UsageError, match="has no column 'owner': found 'id', 'text'"):
        bench.run(task, input=bench.place.rows("in.csv", ROWS))


@pytest.mark.parametrize(
    ("record_id", "rows", "warned"),
    [
        ("id", ROWS, "3 of 3 record ids in column 'id' look personal (EMAIL_ADDRESS, US_SSN)"),
        ({"column": "id", "hash": False}, ROWS, "3 of 3 record ids in column 'id' look personal"),
        ({"column": "id", "hash": True}, ROWS, None),
        ("id", [{"id": "4155550132", "text": "a"}, {"id": "550e8400-e29b-41d4-a716-446655440000", "text": "b"}], None),
    ],
)
def test_ids_that_look_personal_are_counted_in_one_line(
    bench: Bench, name: str, record_id: Any, rows: list[dict[str, str]], warned: str | None
) -> None:
    place = bench.place
    task = place.task(name, input={**SPEC["input"], "record_id": record_id})
    project = bench.project
    options = RunOptions(input=place.rows("in.csv", rows), data_date=DAY)
    warning = admit(project, project.task(task), options, report=lambda _: None).warning
    if warned is None:
        assert warning is None
    else:
        assert warning is not None
        assert warned in warning
        assert not any(owner in warning for owner in OWNERS)


def test_the_prompt_does_not_contain_the_id(bench: Bench, name: str, model: ModelEndpoint) -> None:
    place = bench.place
    bench.run(place.task(name, input=HASHED), input=place.rows("in.csv", ROWS))
    assert model.asked
    assert not any(owner in str(asked) for asked in model.asked for owner in OWNERS)


def test_a_check_of_the_task_warns_before_any_run_and_passes_over_a_file_it_cannot_read(
    bench: Bench, name: str
) -> None:
    place = bench.place
    task = place.task(name, input={**SPEC["input"], "source": place.rows("in.csv", ROWS)})
    (warning,) = id_warnings(bench.project, bench.project.task(task))
    assert warning.startswith("3 of 3 record ids in column 'id' look personal (EMAIL_ADDRESS, US_SSN)")
    place.write("in.csv", "")
    assert list(id_warnings(bench.project, bench.project.task(task))) == []
