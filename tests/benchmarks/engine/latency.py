"""Latency-bound: 200 ms an answer, 64 and 256 in flight; the span is the endpoint's, from first request to last answer."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

from tests.benchmarks.engine.children import baseline, engine
from tests.benchmarks.engine.stand import PLAIN, Stand
from tests.benchmarks.engine.tables import Result

LATENCY_S = 0.2
OF_AIOHTTP = 1.10
BOUND = 0.95
WARM_UP = 100


@dataclass(frozen=True, slots=True)
class LatencyOptions:
    """Calls in flight with the rows of each, and turns."""

    sizes: tuple[tuple[int, int], ...] = ((64, 3000), (256, 8000))
    rounds: int = 3


def measure(stand: Stand, options: LatencyOptions) -> list[Result]:
    """The span of the engine beside that of a plain aiohttp loop."""
    columns = (
        "in flight",
        "rows",
        "bound s",
        "aiohttp s",
        "engine s",
        "engine / aiohttp",
        "share of the bound",
        "target",
    )
    result = Result(f"Span at {LATENCY_S * 1000:.0f} ms an answer", columns)
    for in_flight, rows in options.sizes:
        bare, ours = [], []
        for _ in range(options.rounds):
            bare.append(_bare_span(stand, in_flight, rows))
            ours.append(_engine_span(stand, in_flight, rows))
        plain, span, bound = statistics.median(bare), statistics.median(ours), LATENCY_S * -(-rows // in_flight)
        wanted = f"at most {OF_AIOHTTP:.2f} x aiohttp"
        met = result.wants(span <= OF_AIOHTTP * plain, f"{in_flight} in flight: {wanted}")
        cells = (f"{bound:.2f}", f"{plain:.2f}", f"{span:.2f}", f"{span / plain:.3f}", f"{bound / span:.1%}")
        result.row(in_flight, f"{rows:,}", *cells, f"{wanted}: {met}")
    result.notes.append(
        f"Medians of {options.rounds} turns, alternated; a quiet machine should show {BOUND:.0%} of the bound."
    )
    return [result]


def _bare_span(stand: Stand, in_flight: int, rows: int) -> float:
    stand.endpoint.configure(latency=LATENCY_S)
    baseline(stand, "aiohttp", rows=rows, warm_up=WARM_UP, in_flight=in_flight, frame=stand.frame(PLAIN))
    return _span(stand, rows)


def _engine_span(stand: Stand, in_flight: int, rows: int) -> float:
    stand.endpoint.configure(latency=LATENCY_S)
    run = stand.admitted(PLAIN, rows, in_flight=in_flight)
    warm_up = stand.admitted(PLAIN, WARM_UP, in_flight=in_flight, prefix="w")
    engine(stand, run, warm_up=warm_up.run_id)
    return _span(stand, rows)


def _span(stand: Stand, rows: int) -> float:
    stats = stand.endpoint.stats()
    if stats["rows_ok"] != rows:
        raise SystemExit(f"{stats['rows_ok']:,} of {rows:,} rows were answered.")
    return float(stats["span_s"])
