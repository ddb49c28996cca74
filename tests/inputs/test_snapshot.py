"""From rows to a snapshot."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from textwrap import dedent

import pytest

from assay.errors import UsageError
from assay.inputs.expectations import CHUNK_ROWS
from assay.inputs.rules import InputRules
from assay.inputs.snapshot import InputSnapshot, Lifetime, open_snapshot, spool, verify
from tests.fakes.queries import ListQuery
from tests.inputs.conftest import HASH_KEY, Desk
from tests.paths import ROOT

# Great Expectations imports modules that Python is about to drop.
pytestmark = pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")

Reasons = Callable[[InputSnapshot], Mapping[int, str]]
NAUGHTY_STRINGS = Path("../shared/data/text/blns.json")
CHANNELS = {"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "n", "value_set": ["a", "b"]}}


def ids(snapshot: InputSnapshot) -> list[str]:
    return [record.record_id for record in snapshot.records()]


def test_every_row_is_a_record_or_rejected_and_none_is_lost(desk: Desk, reasons: Reasons) -> None:
    desk.write("a.csv", b"id,n\n1,a\n,b\n3,\xff\n4\n 1 ,c\n5,e\n")
    snapshot = desk.spool("a.csv")
    assert reasons(snapshot) == {
        0: "duplicate_id",
        1: "missing_id",
        2: "undecodable_text",
        3: "ragged_row",
        4: "duplicate_id",
    }
    assert [(record.position, record.record_id, record.cells) for record in snapshot.records()] == [
        (5, "5", {"id": "5", "n": "e"})
    ]
    assert (snapshot.rows_read, snapshot.rows_rejected, snapshot.record_count) == (6, 5, 1)


def test_the_first_of_several_copies_stays_if_asked(desk: Desk) -> None:
    desk.write("a.csv", "id\n1\n2\n1\n1\n")
    snapshot = desk.spool("a.csv", on_duplicate="first")
    assert ids(snapshot) == ["1", "2"]
    assert {row.explanation for row in snapshot.rejected()} == {
        "expected one row per record id, found 3, first at position 0"
    }


def test_copies_in_different_chunks_are_found(desk: Desk, reasons: Reasons) -> None:
    last = CHUNK_ROWS + 5
    desk.write("a.csv", "id\n" + "".join(f"{0 if n == last else n}\n" for n in range(last + 1)))
    assert reasons(desk.spool("a.csv")) == {0: "duplicate_id", last: "duplicate_id"}


def test_expectations_hold_in_every_chunk(desk: Desk) -> None:
    bad = {3, CHUNK_ROWS + 4}
    desk.write("a.csv", "id,n\n" + "".join(f"{n},{'x' if n in bad else 'a'}\n" for n in range(CHUNK_ROWS + 10)))
    rejected = list(desk.spool("a.csv", expectations=(CHANNELS,)).rejected())
    assert [(row.position, row.record_id, row.column_name) for row in rejected] == [
        (n, str(n), "n") for n in sorted(bad)
    ]
    assert rejected[0].explanation == "expect_column_values_to_be_in_set does not hold for column 'n'"


def test_the_first_reason_wins_in_the_order_of_the_checks(desk: Desk, reasons: Reasons) -> None:
    desk.write("a.csv", b"id,n\n1,x\n1,x\n,\xff\n,x\n2,x\n")
    found = reasons(desk.spool("a.csv", expectations=(CHANNELS,)))
    assert list(found.values()) == [
        "duplicate_id",
        "duplicate_id",
        "undecodable_text",
        "missing_id",
        "value_not_allowed",
    ]


def test_an_unreadable_row_claims_no_id(desk: Desk, reasons: Reasons) -> None:
    desk.write("a.csv", b"id,n\n1,\xff\n1,a\n")
    snapshot = desk.spool("a.csv")
    assert (reasons(snapshot), ids(snapshot)) == ({0: "undecodable_text"}, ["1"])


def test_ids_are_stripped_text_and_a_null_is_none(desk: Desk, reasons: Reasons) -> None:
    values: list[object] = [1, " b ", None, "\u3000", float("nan"), True, 2.5, ["c"], "x" * 1025]
    snapshot = desk.spool("raw.t", query=ListQuery([{"id": value} for value in values]))
    assert ids(snapshot) == ["1", "b", "True", "2.5"]
    missing, bad = "missing_id", "value_not_allowed"
    assert reasons(snapshot) == {2: missing, 3: missing, 4: missing, 7: bad, 8: bad}


def test_a_rejected_row_is_known_by_a_keyed_hash_and_not_by_its_content(desk: Desk) -> None:
    desk.write("a.csv", "id,n\n,secret\n")
    snapshot = desk.spool("a.csv")
    (row,) = snapshot.rejected()
    assert row.raw_hash == hmac.new(HASH_KEY, b",secret\n", "sha256").hexdigest()
    assert "secret" not in repr(row)


def test_a_key_that_a_line_leaves_out_is_null(desk: Desk) -> None:
    desk.write("a.jsonl", '{"id": 1, "n": "a"}\n{"id": 2}\n')
    records = desk.spool("a.jsonl", required_columns=("n",)).records()
    assert [record.cells for record in records] == [{"id": 1, "n": "a"}, {"id": 2, "n": None}]


def test_nesting_too_deep_to_be_written_costs_its_row_alone(desk: Desk, reasons: Reasons) -> None:
    desk.write("a.jsonl", '{"id": 1}\n{"id": 2, "n": ' + "[" * 300 + "]" * 300 + "}\n" + "[" * 100_000 + "\n")
    assert reasons(desk.spool("a.jsonl")) == {1: "unreadable_row", 2: "unreadable_row"}


def test_nesting_beyond_what_python_follows_costs_its_row_alone(desk: Desk, reasons: Reasons) -> None:
    desk.write("a.jsonl", '{"id": 1}\n{"id": 2, "n": ' + "[" * 900 + "]" * 900 + "}\n")
    assert reasons(desk.spool("a.jsonl")) == {1: "unreadable_row"}


def test_a_missing_column_is_refused_before_anything_is_written(desk: Desk) -> None:
    desk.write("a.csv", "id,txt\n1,a\n")
    with pytest.raises(UsageError, match="closest match for 'text' is 'txt'"):
        desk.spool("a.csv", required_columns=("text",))
    assert not (desk.root / "snapshots").exists()


def test_the_manifest_hash_tells_inputs_apart_by_content_and_order_and_by_nothing_else(desk: Desk) -> None:
    contents: list[str | bytes] = [
        "id,n\n1,a\n2,b\n",
        "n,id\r\na,1\r\nb,2\r\n",
        "id,n\n2,b\n1,a\n",
        "id,n\n1,a\n2,c\n",
        b"id,n\n1,a\n2,\xff\n",
    ]
    hashes = []
    for number, content in enumerate(contents):
        hashes.append(desk.spool(desk.write(f"{number}.csv", content)).manifest_hash)
    assert hashes[0] == hashes[1]
    assert len(set(hashes)) == 4


def test_the_manifest_hash_is_that_of_the_described_lines(desk: Desk) -> None:
    snapshot = desk.spool(desk.write("a.csv", b"id,n\n1,a\n2,\xff\n"))
    digest = hashlib.sha256(b"2,\xff\n").hexdigest()
    fault = f"undecodable_text sha256:{digest}"
    lines = [["1", '{"id":"1","n":"a"}', None], ["2", None, fault]]
    text = "assay snapshot 1\n" + "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
    assert snapshot.manifest_hash == hashlib.sha256(text.encode()).hexdigest()


def test_only_the_owner_may_read_a_snapshot_and_nobody_may_write_it(desk: Desk) -> None:
    directory = desk.spool(desk.write("a.csv", "id\n1\n")).directory
    assert directory.stat().st_mode & 0o777 == 0o700
    assert {path.name: path.stat().st_mode & 0o777 for path in directory.iterdir()} == {
        "manifest.json": 0o400,
        "rejected.parquet": 0o400,
        "rows.parquet": 0o400,
    }


def test_the_manifest_says_where_the_rows_came_from_and_by_which_rules(desk: Desk) -> None:
    lifetime = Lifetime.of_days(7, now=datetime(2999, 1, 1, tzinfo=UTC))
    snapshot = desk.spool(desk.write("a.csv", "id,n\n1,a\n1,b\n"), lifetime=lifetime, expectations=(CHANNELS,))
    manifest = json.loads((snapshot.directory / "manifest.json").read_bytes())
    assert (manifest["source_label"], manifest["fingerprint"]) == (
        "a.csv",
        hashlib.sha256(b"id,n\n1,a\n1,b\n").hexdigest(),
    )
    assert (manifest["created_at"], manifest["expires_at"]) == (
        "2999-01-01T00:00:00+00:00",
        "2999-01-08T00:00:00+00:00",
    )
    assert (manifest["rejected_by_reason"], manifest["rules"]["expectations"]) == ({"duplicate_id": 2}, [CHANNELS])


def test_progress_is_reported_chunk_by_chunk(desk: Desk) -> None:
    desk.write("a.csv", "id\n" + "".join(f"{n}\n" for n in range(CHUNK_ROWS + 1)))
    seen: list[int] = []
    spool(
        desk.open("a.csv"), InputRules(record_id="id"), directory=desk.root / "s", hash_key=HASH_KEY, report=seen.append
    )
    assert seen == [CHUNK_ROWS, CHUNK_ROWS + 1]


def test_a_snapshot_is_never_written_twice(desk: Desk) -> None:
    snapshot = desk.spool(desk.write("a.csv", "id\n1\n"))
    with pytest.raises(UsageError, match="already exists"):
        spool(
            desk.open("a.csv"),
            InputRules(record_id="id"),
            directory=snapshot.directory,
            hash_key=HASH_KEY,
            report=print,
        )


def test_an_input_that_breaks_off_leaves_nothing_behind(desk: Desk) -> None:
    desk.write("a.csv", 'id\n1\n"2\n')
    with pytest.raises(UsageError, match="never closed"):
        desk.spool("a.csv")
    assert list((desk.root / "snapshots").iterdir()) == []


def test_a_killed_spool_leaves_no_snapshot(desk: Desk) -> None:
    program = dedent(
        """
        import os, signal, sys
        from datetime import date
        from pathlib import Path
        from assay.inputs.rules import InputRules
        from assay.inputs.snapshot import spool
        from assay.inputs.sources import open_source

        root = Path(sys.argv[1])
        source = open_source("a.csv", root=root, query=None, data_date=date(2024, 5, 1))
        spool(source, InputRules(record_id="id"), directory=root / "run", hash_key=b"k" * 32,
              report=lambda rows: os.kill(os.getpid(), signal.SIGKILL))
        """
    )
    desk.write("a.csv", "id\n1\n2\n")
    killed = subprocess.run([sys.executable, "-c", program, str(desk.root)], timeout=60, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert [path.suffix for path in desk.root.iterdir() if path.is_dir()] == [".partial"]
    with pytest.raises(UsageError, match="does not exist"):
        open_snapshot(desk.root / "run")


def test_the_same_input_can_be_spooled_after_a_kill(desk: Desk) -> None:
    desk.write("a.csv", "id\n1\n")
    (desk.root / "snapshots" / ".run-0.0badcafe.partial").mkdir(parents=True)
    assert desk.spool("a.csv").record_count == 1


@pytest.fixture
def naughty_strings() -> list[str]:
    path = ROOT / NAUGHTY_STRINGS
    if not path.is_file():
        pytest.skip(f"{NAUGHTY_STRINGS} is not here")
    return json.loads(path.read_bytes())  # type: ignore[no-any-return]


def test_naughty_strings_come_back_from_json_lines_as_they_were(desk: Desk, naughty_strings: list[str]) -> None:
    lines = (json.dumps({"id": n, "n": text}) for n, text in enumerate(naughty_strings))
    snapshot = desk.spool(desk.write("a.jsonl", "\n".join(lines)))
    assert [record.cells["n"] for record in snapshot.records()] == naughty_strings
    verify(snapshot)


def test_naughty_strings_come_back_from_csv_as_they_were(desk: Desk, naughty_strings: list[str]) -> None:
    quoted = ('"' + text.replace('"', '""') + '"' for text in naughty_strings)
    content = "id,n\n" + "".join(f"{n},{text}\n" for n, text in enumerate(quoted))
    snapshot = desk.spool(desk.write("a.csv", content))
    assert [record.cells["n"] for record in snapshot.records()] == naughty_strings


def test_naughty_ids_are_kept_stripped(desk: Desk, naughty_strings: list[str]) -> None:
    snapshot = desk.spool("raw.t", query=ListQuery([{"id": text} for text in naughty_strings]), on_duplicate="first")
    wanted = dict.fromkeys(text.strip() for text in naughty_strings if len(text.strip().encode()) <= 1024)
    assert ids(snapshot) == [text for text in wanted if text]


def test_the_file_of_a_user_is_not_touched(desk: Desk) -> None:
    name = desk.write("a.csv", "id\n1\n")
    before = os.stat(desk.root / name)
    desk.spool(name)
    after = os.stat(desk.root / name)
    assert (before.st_mtime_ns, before.st_mode, before.st_size) == (after.st_mtime_ns, after.st_mode, after.st_size)
