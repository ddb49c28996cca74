"""Resident memory of answering, above that of the same process after its imports, for short runs and long ones.

Masking on, everything lands in a real emulator; what is longer than the emulator can take goes to a write API that
counts its rows (`write_endpoint.py`). What is imported is found by a small run first, so that "after its imports" means
every module that answering ever loads.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from assay.runs.run import Run
from tests.benchmarks.engine.children import engine
from tests.benchmarks.engine.stand import MASKED, Stand
from tests.benchmarks.engine.tables import Result
from tests.benchmarks.engine.write_endpoint import running_write_endpoint

SHORT_ROWS, SHORT_MB = 2_000, 60.0
FLAT_FROM = 10_000
KB_PER_ROW = 0.2
FLAT_MB = 10.0
"""What the longest run may need beyond that of 10,000 rows and still be called flat: pages come in runs."""
IN_FLIGHT = 32
MOST_IN_EMULATOR = 100_000
LANDED = """
select
    (select count(distinct record_id) from predictions where run_id = @run_id and data_date = @data_date) as predictions,
    (select count(distinct call_id) from responses where run_id = @run_id and data_date = @data_date) as responses,
    (select count(distinct call_id) from contents where run_id = @run_id and data_date = @data_date) as contents
"""


@dataclass(frozen=True, slots=True)
class MemoryOptions:
    """Rows of each run, shortest first; 1,000,000 may be among them."""

    rows: tuple[int, ...] = (2_000, 10_000, 50_000)


def measure(stand: Stand, options: MemoryOptions) -> list[Result]:
    """Peak memory of each run and what grows with the rows."""
    columns = ("rows", "landed", "after imports MB", "above it MB", "s", "target")
    result = Result("Memory of answering, zero latency, into an emulator", columns)
    stand.endpoint.configure()
    modules = engine(stand, _admitted(stand, 50, name="i"), sink="warehouse", list_modules=True)["modules"]
    above: dict[int, float] = {}
    for rows in options.rows:
        found, landed = _measured(stand, rows, modules)
        above[rows] = (found["peak_kib"] - found["base_kib"]) * 1024 / 1e6
        whole = result.wants(landed == [rows] * 3, f"{rows:,} rows all landed: {landed}")
        target = f"all landed: {whole}"
        if rows == SHORT_ROWS:
            target += f"; at most {SHORT_MB:.0f} MB: {result.wants(above[rows] <= SHORT_MB, f'{rows:,} rows: {SHORT_MB:.0f} MB')}"
        base = found["base_kib"] * 1024 / 1e6
        result.row(f"{rows:,}", f"{landed[0]:,}", f"{base:.0f}", f"{above[rows]:.1f}", f"{found['wall_s']:.0f}", target)
    _growth(result, above)
    return [result]


def _measured(stand: Stand, rows: int, modules: list[str]) -> tuple[dict[str, Any], list[int]]:
    """The figures of a run, and its predictions, responses and contents that are landed."""
    if rows <= MOST_IN_EMULATOR:
        run = _admitted(stand, rows, name="m")
        return engine(stand, run, sink="warehouse", memory=True, modules=modules), _landed(stand, run)
    with running_write_endpoint(stand.settings.bigquery_grpc_endpoint or "") as endpoint:
        fast = replace(stand, settings=replace(stand.settings, bigquery_grpc_endpoint=endpoint.grpc))
        run = _admitted(fast, rows, name="m")
        found = engine(fast, run, sink="warehouse", memory=True, modules=modules)
        landed = endpoint.landed(run.run_id)
        return found, [landed[table][1] for table in ("predictions", "responses", "contents")]


def _growth(result: Result, above: dict[int, float]) -> None:
    longest = max(above)
    if SHORT_ROWS in above and longest > SHORT_ROWS:
        each = (above[longest] - above[SHORT_ROWS]) * 1000 / (longest - SHORT_ROWS)
        met = result.wants(each <= KB_PER_ROW, f"at most {KB_PER_ROW} KB a row")
        result.row(f"a row beyond {SHORT_ROWS:,}", "", "", f"{each:.3f} KB", "", f"at most {KB_PER_ROW} KB: {met}")
    if FLAT_FROM in above and longest > FLAT_FROM:
        growth = above[longest] - above[FLAT_FROM]
        met = result.wants(growth <= FLAT_MB, f"flat from {FLAT_FROM:,} rows to {longest:,}")
        result.row(
            f"{FLAT_FROM:,} to {longest:,}", "", "", f"{growth:+.1f}", "", f"flat within {FLAT_MB:.0f} MB: {met}"
        )


def _admitted(stand: Stand, rows: int, *, name: str) -> Run:
    # Rows of its own for each run, so that no answer of an earlier one serves.
    return stand.admitted(MASKED, rows, in_flight=IN_FLIGHT, prefix=f"{name}{rows}x")


def _landed(stand: Stand, run: Run) -> list[int]:
    (counts,) = stand.project(in_flight=IN_FLIGHT).warehouse.stream(LANDED, run.window)
    return [int(counts[name]) for name in ("predictions", "responses", "contents")]
