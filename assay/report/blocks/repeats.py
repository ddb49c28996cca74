"""Repeats of the same record: pass@k, pass^k and flaky records, for runs with several epochs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from assay.formatting import percent
from assay.report.block import Fact, Scorecard, ScorecardBlock, Section
from assay.report.blocks import reliability
from assay.report.estimates import RateKey, landed_estimates, variance
from assay.report.intervals import explained
from assay.report.queries.rates import FLAKY_COUNTS
from assay.report.source import Rows, RunSource
from assay.statistics.conventions import INTERVAL_TITLE
from assay.tasks.gate_spec import OVERALL, RELIABILITY

TITLE = "Repeats of the same record"
COLUMNS = (
    "population",
    "k",
    "records",
    "at least one of k correct (pass@k)",
    INTERVAL_TITLE,
    "all k correct (pass^k)",
    INTERVAL_TITLE,
)
ALWAYS_SHOWN, ALSO_SHOWN = 3, frozenset({5, 10, 20, 50, 100})
PASS_AT = re.compile(r"pass_at_([0-9]+)")
PARTS = (("", "value"), ("_low", "low"), ("_high", "high"), ("_method", "method"), ("_status", "status"))


@dataclass(frozen=True, slots=True, kw_only=True)
class RepeatsBlock:
    """`repeats` has a row per k and slice with the columns of `rpt_repeats`; `flaky` counts records whose epochs differ."""

    repeats: Rows = ()
    flaky: Rows = ()


def read(source: RunSource) -> RepeatsBlock:
    """Returns nothing for a run with a single epoch."""
    if source.run["epochs"] == 1:
        return RepeatsBlock()
    source.start([FLAKY_COUNTS])
    rated = [row for row in reliability.read(source).reliability if row["is_estimated"] and row["epochs"] > 1]
    landed = landed_estimates(source)
    return RepeatsBlock(
        repeats=tuple(repeat for row in rated for repeat in _repeats(row, landed)), flaky=source.rows(FLAKY_COUNTS)
    )


def facts(card: Scorecard) -> Iterator[Fact]:
    """Yields the number of records that are correct in only some epochs."""
    block = card.of(RepeatsBlock)
    records = sum(row["n_records"] for row in block.repeats if row["slice"] == OVERALL and row["k"] == 1)
    found = sum(row["n_flaky"] for row in block.flaky)
    if records or found:
        of = f" of {records:,}" if records else ""
        yield "flaky records", f"{found:,}{of} are correct in only some epochs: see rpt_flaky_records"


def sections(card: Scorecard) -> Iterator[Section]:
    """Yields a row per population and selected k."""
    block = card.of(RepeatsBlock)
    shown = [row for row in block.repeats if row["slice"] == OVERALL and _is_shown(row)]
    rows = [_row(row) for row in shown]
    yield Section(TITLE, COLUMNS, rows)


def _repeats(row: Mapping[str, Any], landed: Mapping[RateKey, Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yields a row per k of the population and slice, in the order of k."""
    place = {"population": row["population"], "slice": row["slice"]}
    spread = variance(landed[RateKey(RELIABILITY, **place)])
    between, within, total = (spread.get(part) for part in ("record", "epoch", "total"))
    for k in sorted(_ks(place, landed)):
        pass_at = landed[RateKey(f"pass_at_{k}", **place)]
        pass_hat = landed.get(RateKey(f"pass_hat_{k}", **place))
        if pass_hat is None:
            continue
        yield {
            **place,
            "k": k,
            "epochs": row["epochs"],
            "n_records": pass_at["n"],
            "n_clusters": row["n_clusters"],
            **{f"pass_at_k{part}": pass_at[name] for part, name in PARTS},
            **{f"pass_hat_k{part}": pass_hat[name] for part, name in PARTS},
            "variance_between_records": between,
            "variance_within_records": within,
            "within_share": within / total if within is not None and total else None,
        }


def _ks(place: Mapping[str, str], landed: Mapping[RateKey, Any]) -> Iterator[int]:
    for key in landed:
        if (key.population, key.slice) == (place["population"], place["slice"]):
            found = PASS_AT.fullmatch(key.metric)
            if found and key.scorer is None:
                yield int(found[1])


def _is_shown(row: Mapping[str, Any]) -> bool:
    return bool(row["k"] <= ALWAYS_SHOWN or row["k"] in ALSO_SHOWN or row["k"] == row["epochs"])


def _row(row: Mapping[str, Any]) -> tuple[str, ...]:
    start = (row["population"], str(row["k"]), f"{row['n_records']:,}")
    return (*start, *_measure(row, "pass_at_k"), *_measure(row, "pass_hat_k"))


def _measure(row: Mapping[str, Any], name: str) -> tuple[str, str]:
    parts = {part: row[f"{name}_{part}"] for part in ("low", "high", "method")}
    bounds = {**parts, "interval_status": row[f"{name}_status"]}
    grouped = {"n_clusters": row["n_clusters"], "n_eligible": row["n_records"]}
    return percent(row[name]), explained({**bounds, **grouped})


BLOCK = ScorecardBlock(kind=RepeatsBlock, read=read, facts=facts, sections=sections)
