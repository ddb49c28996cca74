"""A Parquet file takes no more memory than documented, whatever its footer, dictionaries and lists expand to."""

from __future__ import annotations

import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assay.errors import UsageError
from assay.inputs.parquet_file import ParquetFile
from assay.inputs.parquet_pages import checked_chunks
from tests.paths import ROOT

MEMORY_MB = 400
LONG = "x" * 1_000_000
ROWS = 2_000
PROGRAM = """
import resource, sys
from pathlib import Path
import pyarrow.parquet
from assay.errors import UsageError
from assay.inputs.parquet_file import ParquetFile

before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    outcome = sum(len(row.cells["text"] or "") for row in ParquetFile(Path(sys.argv[1]), label="x").rows())
except UsageError as error:
    outcome = str(error)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024, outcome, sep="|")
"""


def references(count: int) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array([0] * count, pa.int32()), [LONG])


def one_list(values: pa.Array) -> pa.ListArray:
    return pa.ListArray.from_arrays(pa.array([0, len(values)], pa.int32()), values)


def dictionary(path: Path) -> None:
    pq.write_table(pa.table({"text": references(ROWS)}), path)


def prefixes(path: Path) -> None:
    schema = pa.schema([("text", pa.string())])
    with pq.ParquetWriter(path, schema, use_dictionary=False, column_encoding={"text": "DELTA_BYTE_ARRAY"}) as writer:
        writer.write_table(pa.table({"text": references(500).cast(pa.string())}, schema=schema))


def huge_cell(path: Path) -> None:
    pq.write_table(pa.table({"text": ["x" * 200_000_000, "y"]}), path, compression="zstd")


def huge_cell_with_a_small_size_in_the_footer(path: Path) -> None:
    """The footer states 1 byte for the column that has 200 MB: the size is a varint of its own in the footer."""
    huge_cell(path)
    content = bytearray(path.read_bytes())
    size = pq.ParquetFile(path).metadata.row_group(0).column(0).total_uncompressed_size
    stated, length = varint(size << 1), len(varint(size << 1))
    at = content.rindex(stated[:length], 0, content.rindex(stated))  # the column's; the row group's follows
    content[at : at + length] = bytes([0x82, *[0x80] * (length - 2), 0x00])
    path.write_bytes(content)


def nulls_in_a_list(path: Path) -> None:
    pq.write_table(pa.table({"text": one_list(pa.nulls(20_000_000, pa.int8()))}), path)


def references_in_a_list(path: Path) -> None:
    pq.write_table(pa.table({"text": one_list(references(ROWS))}), path)


def varint(value: int) -> bytes:
    pieces = []
    while value > 0x7F:
        pieces.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*pieces, value])


@pytest.mark.parametrize(
    ("write", "outcome"),
    [
        (dictionary, str(ROWS * len(LONG))),
        (prefixes, str(500 * len(LONG))),
        (huge_cell, "x: column 'text' in row group 1 has a page of 200,000,0"),
        (huge_cell_with_a_small_size_in_the_footer, "x: column 'text' in row group 1 has a page of 200,000,0"),
        (nulls_in_a_list, "x: column 'text.list.element' in row group 1 is nested and has 20,000,000 values"),
        (references_in_a_list, "x: column 'text.list.element' in row group 1 is nested and may have 2,000,008,000 bytes"),
    ],
)  # fmt: skip
def test_a_file_is_read_or_refused_within_the_documented_memory(
    tmp_path: Path, write: Callable[[Path], Any], outcome: str
) -> None:
    path = tmp_path / "bomb.parquet"
    write(path)
    assert path.stat().st_size < 1_000_000
    command = [sys.executable, "-c", PROGRAM, str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    grown, found = done.stdout.strip().split("|")
    assert found.startswith(outcome)
    assert int(grown) < MEMORY_MB


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("compression", ["none", "snappy", "zstd"])
def test_the_headers_of_pages_add_up_to_the_footer(tmp_path: Path, version: str, compression: str) -> None:
    path = tmp_path / "normal.parquet"
    rows = 50_000
    table = pa.table(
        {
            "id": [str(n) for n in range(rows)],
            "label": ["a", "b"] * (rows // 2),
            "n": pa.array(range(rows), pa.int64()),
            "all": [[n, None] if n % 3 else [] for n in range(rows)],
            "flag": [True, None] * (rows // 2),
        }
    )
    pq.write_table(table, path, data_page_version=version, compression=compression, row_group_size=20_000)
    metadata = pq.ParquetFile(path).metadata
    with path.open("rb") as file:
        chunks = list(checked_chunks(file, metadata))
    assert len(chunks) == metadata.num_columns * metadata.num_row_groups
    for chunk in chunks:
        stated = metadata.row_group(chunk.group).column(chunk.column)
        assert chunk.values == stated.num_values
        assert sum(page.header_bytes + page.plain_bytes for page in chunk.pages) == stated.total_uncompressed_size


@pytest.mark.parametrize("at", range(4, 60, 7))
def test_a_damaged_header_is_refused_by_name(tmp_path: Path, at: int) -> None:
    path = tmp_path / "damaged.parquet"
    pq.write_table(pa.table({"text": ["a", "b"]}), path)
    content = bytearray(path.read_bytes())
    content[at : at + 4] = struct.pack("<I", 0xFFFFFFFF)
    path.write_bytes(content)
    assert outcome(path).startswith(("x is not a readable", "x has duplicate", "x: column", "2 rows"))


def outcome(path: Path) -> str:
    try:
        return f"{len(list(ParquetFile(path, label='x').rows()))} rows"
    except UsageError as error:
        return str(error)
