"""Snapshots that exist: opened, verified, purged."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assay.errors import UsageError
from assay.inputs.snapshot import InputSnapshot, Lifetime, open_snapshot, purge_expired, verify
from tests.inputs.conftest import Desk

NOW = datetime(2024, 5, 1, tzinfo=UTC)


@pytest.fixture
def snapshot(desk: Desk) -> InputSnapshot:
    return desk.spool(desk.write("a.csv", "id,n\n1,a\n2,b\n2,c\n"))


def replace(path: Path, content: bytes) -> None:
    path.unlink()
    path.write_bytes(content)


def test_an_opened_snapshot_is_the_one_that_was_made(snapshot: InputSnapshot) -> None:
    assert open_snapshot(snapshot.directory) == snapshot
    verify(snapshot)


def test_a_snapshot_that_is_gone_is_refused(desk: Desk) -> None:
    with pytest.raises(UsageError, match=r"run-9 does not exist.*start a new run"):
        open_snapshot(desk.root / "run-9")


@pytest.mark.parametrize("name", ["manifest.json", "rows.parquet", "rejected.parquet"])
def test_a_snapshot_that_lacks_a_file_is_refused(snapshot: InputSnapshot, name: str) -> None:
    (snapshot.directory / name).unlink()
    with pytest.raises(UsageError, match=f"incomplete.*{name}"):
        open_snapshot(snapshot.directory)


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"format": 1}', b'{"format": 99}'])
def test_a_damaged_manifest_is_refused(snapshot: InputSnapshot, content: bytes) -> None:
    replace(snapshot.directory / "manifest.json", content)
    with pytest.raises(UsageError, match=r"damaged manifest|has format 99"):
        open_snapshot(snapshot.directory)


def test_an_expired_snapshot_is_refused_from_the_moment_it_expires(desk: Desk) -> None:
    made = desk.spool(desk.write("a.csv", "id\n1\n"), lifetime=Lifetime.of_days(1, now=NOW))
    open_snapshot(made.directory, now=NOW + timedelta(hours=23))
    with pytest.raises(UsageError, match="expired on 2024-05-02"):
        open_snapshot(made.directory, now=NOW + timedelta(days=1))


@pytest.mark.parametrize(("column", "value"), [("row", '{"id":"1","n":"z"}'), ("record_id", "9")])
def test_a_changed_row_is_noticed(snapshot: InputSnapshot, column: str, value: str) -> None:
    path = snapshot.directory / "rows.parquet"
    table = pq.read_table(path)
    changed = pa.array([value, *table.column(column).to_pylist()[1:]], pa.string())
    path.unlink()
    pq.write_table(table.set_column(table.column_names.index(column), column, changed), path)
    with pytest.raises(UsageError, match="was changed: expected manifest hash"):
        verify(snapshot)


def test_a_rejection_taken_back_is_noticed(snapshot: InputSnapshot) -> None:
    path = snapshot.directory / "rejected.parquet"
    table = pq.read_table(path)
    path.unlink()
    pq.write_table(table.slice(0, 1), path)
    with pytest.raises(UsageError, match=r"rejected\.parquet differs from the file that was written"):
        verify(snapshot)


def test_a_manifest_of_other_rows_is_noticed(snapshot: InputSnapshot) -> None:
    path = snapshot.directory / "manifest.json"
    replace(path, json.dumps({**json.loads(path.read_bytes()), "manifest_hash": "0" * 64}).encode())
    with pytest.raises(UsageError, match="was changed"):
        verify(open_snapshot(snapshot.directory))


def test_a_damaged_file_is_refused_when_it_is_read(snapshot: InputSnapshot) -> None:
    replace(snapshot.directory / "rows.parquet", b"PAR1")
    with pytest.raises(UsageError, match=r"rows\.parquet is missing or damaged"):
        list(snapshot.records())


def test_a_purge_removes_what_has_expired_and_nothing_else(desk: Desk) -> None:
    desk.write("a.csv", "id\n1\n")
    old = desk.spool("a.csv", lifetime=Lifetime.of_days(1, now=NOW))
    new = desk.spool("a.csv", lifetime=Lifetime.of_days(9, now=NOW))
    (desk.root / "snapshots" / "mine").mkdir()
    assert purge_expired(desk.root / "snapshots", NOW + timedelta(days=2)) == 0
    assert purge_expired(desk.root / "snapshots", NOW + timedelta(days=3)) == 1
    assert sorted(path.name for path in (desk.root / "snapshots").iterdir()) == ["mine", new.directory.name]
    assert not old.directory.exists()


def test_a_clock_that_is_ahead_for_a_while_removes_no_snapshot(desk: Desk) -> None:
    desk.write("a.csv", "id\n1\n")
    kept = desk.spool("a.csv", lifetime=Lifetime.of_days(30, now=NOW))
    for days in (1, 400, 400.9, 2, 500, 3):  # twice ahead, each time for less than a day
        assert purge_expired(desk.root / "snapshots", NOW + timedelta(days=days)) == 0
    assert open_snapshot(kept.directory, now=NOW + timedelta(days=3)).record_count == 1
    expiry = [purge_expired(desk.root / "snapshots", NOW + timedelta(days=days)) for days in (31, 32)]
    assert expiry == [0, 1]


def test_a_purge_removes_what_a_killed_run_left_a_day_ago(desk: Desk) -> None:
    left = desk.root / ".run.0badcafe.partial"
    left.mkdir()
    (left / "rows.parquet").write_bytes(b"half")
    now = datetime.fromtimestamp(os.stat(left).st_mtime, UTC)
    assert purge_expired(desk.root, now + timedelta(hours=1)) == 0
    assert purge_expired(desk.root, now + timedelta(hours=25)) == 1
    assert not left.exists()


def test_a_purge_is_not_stopped_by_a_damaged_manifest(desk: Desk) -> None:
    desk.write("a.csv", "id\n1\n")
    damaged = desk.spool("a.csv", lifetime=Lifetime.of_days(1, now=NOW))
    desk.spool("a.csv", lifetime=Lifetime.of_days(1, now=NOW))
    replace(damaged.directory / "manifest.json", b"?")
    purges = [NOW + timedelta(days=2), NOW + timedelta(days=3)]
    assert [purge_expired(desk.root / "snapshots", now) for now in purges] == [0, 1]
    later = [datetime.now(UTC) + timedelta(days=31), datetime.now(UTC) + timedelta(days=33)]
    assert [purge_expired(desk.root / "snapshots", now) for now in later] == [0, 1]


def test_a_purge_where_no_snapshot_was_ever_made_removes_nothing(desk: Desk) -> None:
    assert purge_expired(desk.root / "none", NOW) == 0


def test_rows_are_read_at_positions_and_rejected_ones_are_passed_over(desk: Desk) -> None:
    lines = "".join(f"{number},x\n" for number in range(3000))
    made = desk.spool(desk.write("many.csv", f"id,n\n{lines}7,again\n"))
    found = made.records_at({2999, 7, 0, 3000, 1500})
    assert [(row.position, row.record_id) for row in found] == [(0, "0"), (1500, "1500"), (2999, "2999")]
    assert list(made.records_at(())) == []
