"""What lands, what a journal holds and what is hashed are plain values, whether a status is an enum's member or a text."""

from __future__ import annotations

import csv
import io
import json
import pickle
import sqlite3
from contextlib import closing
from dataclasses import fields, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import orjson
import pytest

from assay.inference.keys import content_hash
from assay.records import LANDING_RECORDS, statuses
from assay.records.row import Row
from assay.runs.requests.journal.rows import KINDS, record_from, values_of
from assay.tasks.digest import digest
from assay.warehouse.landing import batches, column_values
from assay.warehouse.schema import landing_tables
from tests.warehouse.examples import full, sparse

NOW = datetime(2024, 3, 1, 12, tzinfo=UTC)
ENUMS = {
    name: kind
    for name, kind in vars(statuses).items()
    if isinstance(kind, type) and issubclass(kind, StrEnum) and kind is not StrEnum
}
MEMBERS = [member for kind in ENUMS.values() for member in kind]


def enums_of(table: str) -> dict[str, list[StrEnum]]:
    """Fields of the table's rows that hold an enum, with its members."""
    named = {field.name: str(field.type).removesuffix(" | None") for field in fields(LANDING_RECORDS[table])}
    return {name: list(ENUMS[kind]) for name, kind in named.items() if kind in ENUMS}


def with_members(table: str, example: Any, **columns: Any) -> tuple[Row, Row]:
    """A row whose statuses are members, and the same with plain text."""
    chosen = {name: members[-1] for name, members in enums_of(table).items()}
    row = example(table, **columns)
    return replace(row, **chosen), replace(row, **{name: str(member.value) for name, member in chosen.items()})


@pytest.mark.parametrize("table", sorted(LANDING_RECORDS))
@pytest.mark.parametrize("example", [full, sparse])
def test_a_row_lands_as_the_same_bytes_with_the_same_hash(table: str, example: Any) -> None:
    member, text = with_members(table, example)
    schema = landing_tables()[table]
    arrow = schema.arrow_schema()
    [by_member], [by_text] = (list(batches([row], schema, arrow, landed_at=NOW)) for row in (member, text))
    assert by_member.serialize().to_pybytes() == by_text.serialize().to_pybytes()
    assert column_values([member], schema, landed_at=NOW) == column_values([text], schema, landed_at=NOW)


@pytest.mark.parametrize("table", sorted(KINDS))
def test_a_journal_holds_the_same_bytes_and_gives_the_row_again(table: str) -> None:
    member, text = with_members(table, full)
    written = orjson.dumps(values_of(member), default=str)
    assert written == orjson.dumps(values_of(text), default=str)
    assert record_from(table, orjson.loads(written)) == member == text


def test_a_status_that_a_newer_version_wrote_is_read_from_a_journal_as_it_is() -> None:
    row = replace(full("predictions"), status="never_heard_of")  # type: ignore[call-arg]
    assert record_from("predictions", orjson.loads(orjson.dumps(values_of(row), default=str))) == row


@pytest.mark.parametrize("member", MEMBERS, ids=str)
def test_a_member_is_written_and_hashed_as_its_value(member: StrEnum) -> None:
    value = member.value
    assert orjson.dumps({"status": member}) == orjson.dumps({"status": value})
    assert json.dumps({member: member}) == json.dumps({value: value})
    assert digest({"stage": member}) == digest({"stage": value})
    assert content_hash(member, 1) == content_hash(value, 1)
    assert (f"{member}", str(member), "%s" % member, hash(member)) == (value, value, value, hash(value))  # noqa: UP031
    assert pickle.loads(pickle.dumps(member)) is member


def test_a_member_is_text_in_csv_and_in_sqlite() -> None:
    member = statuses.CallStatus.INVALID_OUTPUT
    written = io.StringIO()
    csv.writer(written).writerow([member])
    assert written.getvalue() == "invalid_output\r\n"
    with closing(sqlite3.connect(":memory:")) as connection:
        assert connection.execute("select ?, typeof(?)", (member, member)).fetchone() == ("invalid_output", "text")
