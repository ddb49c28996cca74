"""kill -9 of `assay run --batch` at random moments of its talk with the provider: no batch is made twice, no row is lost.

A leg is killed after so many requests to the Batch API: in the middle of sending, of asking, of fetching, of landing.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from assay.inference.dialects.openai_batches import CHUNK_KEY
from tests.benchmarks.engine import workload
from tests.benchmarks.engine.kill import LANDED, leg_of, log_of, run_id_of, second_run
from tests.benchmarks.engine.stand import Stand
from tests.benchmarks.engine.tables import Result

BATCH_S = 4.0
LEG_S = 600.0
PROBE_S = 0.005
API = ("/v1/files", "/v1/batches")
IN_FLIGHT = 32
LONGEST_LEG = 8
"""Requests to the Batch API in a leg at most: twice so many as there are chunks, and polls, are made in all."""


@dataclass(frozen=True, slots=True)
class BatchKillOptions:
    """Records of the run, batches they are split into, kills; the moments come from `seed`."""

    records: int = 5_000
    batches: int = 10
    kills: int = 10
    seed: int = 20261126


def measure(stand: Stand, options: BatchKillOptions) -> list[Result]:
    """A line for the run that was killed."""
    columns = (
        "kills",
        "records",
        "predictions",
        "batches made",
        "made twice",
        "lines sent",
        "second run sends",
        "target",
    )
    result = Result(f"kill -9 of a run by batch, {options.records:,} records", columns)
    project = stand.project(in_flight=IN_FLIGHT, batch_requests=-(-options.records // options.batches))
    stand.endpoint.configure(batch_s=BATCH_S)
    source = workload.write_rows(stand.settings.root / "batch.csv", options.records, prefix="b")
    kills = _killed(stand, ["--input", str(source), "--batch", "--wait"], options)
    (counts,) = project.warehouse.stream(LANDED, {"run_id": run_id_of(stand)})
    made = Counter(batch["metadata"][CHUNK_KEY] for batch in stand.endpoint.batches())
    twice = sum(count - 1 for count in made.values())
    lines, again = stand.endpoint.stats()["batch_lines"], second_run(stand, source)
    whole = counts["predictions"] == counts["records"] == lines == options.records
    right = whole and twice == 0 and again == 0 and kills == options.kills
    met = result.wants(right, f"{counts}, {len(made)} batches, {twice} twice, {lines} lines, second run {again}")
    cells = (f"{counts['records']:,}", f"{counts['predictions']:,}", sum(made.values()), twice, f"{lines:,}", again)
    result.row(kills, *cells, f"predictions = records = lines, none twice, then 0: {met}")
    return [result]


def _killed(stand: Stand, arguments: Sequence[str], options: BatchKillOptions) -> int:
    """The run is complete; how often it was killed before."""
    chance, kills, begun = random.Random(options.seed), 0, False
    while kills < options.kills:
        with leg_of(stand, arguments) as leg:
            if not _until(stand, leg, chance.randint(1, LONGEST_LEG)):
                break
            time.sleep(chance.uniform(0, 0.2))
            leg.kill()
        kills, begun = kills + 1, True
        arguments = ["--resume", run_id_of(stand), "--wait"]
    if begun:
        with leg_of(stand, arguments) as leg:
            leg.communicate(timeout=LEG_S)
        if leg.returncode:
            raise SystemExit(f"The last leg ended with {leg.returncode}:\n{log_of(stand).read_text()[-3000:]}")
    return kills


def _until(stand: Stand, leg: Any, requests: int) -> bool:
    """True after so many more requests to the Batch API, False when the leg ended before."""
    before, deadline = _requests(stand), time.monotonic() + LEG_S
    while _requests(stand) < before + requests:
        if leg.poll() is not None:
            return False
        if time.monotonic() > deadline:
            raise SystemExit(f"A leg is stuck:\n{log_of(stand).read_text()[-3000:]}")
        time.sleep(PROBE_S)
    return True


def _requests(stand: Stand) -> int:
    counts = stand.endpoint.stats()["by_path"]
    return sum(count for path, count in counts.items() if path.startswith(API))
