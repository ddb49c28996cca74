"""What the marts must say of repeats and of landed intervals, computed with pandas and plain loops.

Belongs here: a second implementation that shares nothing with the SQL nor with `assay.evals`; figures that only one method
gives, as bounds, are looked up in the landed rows.
"""

from __future__ import annotations

from math import comb
from typing import Any

import numpy as np
import pandas as pd

from tests.dbt.expected import RATE, Frame, Tables, counted, due_scores, landed_estimate, predictions, score_counts

GROUP = ["task", "stage", "variant", "inference_version", "population"]
REPEATED = [*GROUP, "data_date", "record_id"]


def repeats(tables: Tables) -> Frame:
    """One row for each k of each cell of the reliability report that comes from one run with several epochs."""
    frame = counted(predictions(tables)).copy()
    frame["slice"] = [["overall", *dict.fromkeys(slices)] for slices in frame.slices]
    frame = frame[frame.is_eligible].explode("slice")
    rows: list[dict[str, Any]] = []
    for key, cell in frame.groupby(RATE):
        if cell.epoch.nunique() > 1 and landed_estimate(key, cell, tables) is not None:
            place = dict(zip(RATE, key, strict=True))
            rows += [place | {"k": k} | _passes(key, cell, tables, k) for k in range(1, cell.epoch.nunique() + 1)]
    return pd.DataFrame(rows)


def _passes(key: tuple[str, ...], cell: Frame, tables: Tables, k: int) -> dict[str, Any]:
    known = [[value for value in own if value is not None] for _, own in cell.groupby("record_id").is_correct]
    able = [[value is True for value in own] for _, own in cell.groupby("record_id").is_correct if len(own) >= k]
    n, is_known = len(known) if able else 0, able and cell.is_correct.notna().any()
    record, epoch = _components([own for own in known if own])
    found: dict[str, Any] = {
        **{"n_records": n, "epochs": cell.epoch.nunique()},
        **{
            "variance_between_records": record,
            "variance_within_records": epoch,
            "within_share": epoch / (record + epoch),
        },
    }
    for name, kinds in (("pass_at", (0, 1)), ("pass_hat", (1, 0))):
        # At least one passes unless all k fail; all pass is the same of the passes.
        shares = [comb(sum(value is bool(kinds[0]) for value in own), k) / comb(len(own), k) for own in able]
        # A record with fewer epochs is unscored, and so a failure.
        value = sum(1 - share if kinds[1] else share for share in shares) / n if is_known else None
        landed = _newest(key, cell, tables, metric=f"{name}_{k}")
        found |= {f"{name}_k": value, f"{name}_k_status": landed.status}
        found |= {f"{name}_k_{side}": landed[side] for side in ("low", "high", "method")}
    return found


def _newest(key: tuple[str, ...], cell: Frame, tables: Tables, *, metric: str) -> Any:
    """The newest estimate of the metric by the run itself."""
    found, cells = tables["estimates"], dict(zip(RATE, key, strict=True))
    found = found[(found.evaluation_id == cell.run_id.iloc[0]) & (found.metric == metric) & found.scorer.isna()]
    for column in ("task", "inference_version", "population", "slice"):
        found = found[found[column] == cells[column]]
    return found.sort_values("occurred_at").iloc[-1]


def _components(records: list[list[bool]]) -> tuple[float, float]:
    """Between and within records: one-way analysis of variance of unequal groups, by the textbook's sums of squares."""
    sizes = [len(own) for own in records]
    n, many, grand = sum(sizes), len(records), float(np.mean([value for own in records for value in own]))
    within = sum((value - np.mean(own)) ** 2 for own in records for value in own) / (n - many)
    between = sum(len(own) * (np.mean(own) - grand) ** 2 for own in records) / (many - 1)
    size = (n - sum(size**2 for size in sizes) / n) / (many - 1)
    return max(0.0, (between - within) / size), float(within)


def flaky_records(tables: Tables) -> Frame:
    """One row for each record of a day of which some epochs are correct and some are not."""
    frame = counted(predictions(tables))
    rows = []
    for key, own in frame[frame.is_eligible].groupby(REPEATED):
        judged = [value for value in own.is_correct if value is not None]
        if 0 < sum(judged) < len(judged):
            figures = {"n_epochs": own.epoch.nunique(), "n_scored": len(judged), "n_correct": sum(judged)}
            said = {"statuses": ", ".join(sorted(set(own.status))), "correct_share": sum(judged) / len(judged)}
            rows.append(dict(zip(REPEATED, key, strict=True)) | figures | said)
    return pd.DataFrame(rows)


def scores(tables: Tables) -> Frame:
    """One row for each scorer version and group of counted predictions: the landed interval of its pass rate."""
    key, rows = [*GROUP, "scorer", "scorer_version"], []
    for place, cell in due_scores(tables).groupby(key):
        counts = score_counts(cell)
        said = (counts["n_passed"], counts["n_undecided"], counts["n_judgements"])
        where = (*place[:5], "overall")
        landed = landed_estimate(where, cell, tables, metric="pass_rate", counts=said, scorer=place[5:])
        bounds = {name: None if landed is None else landed[name] for name in ("low", "high", "method")}
        status = "none" if landed is None else landed.status
        delivered = landed
        if landed is not None and counts["n_fallback"]:
            given = (counts["n_delivered_passed"], counts["n_delivered_undecided"], counts["n_judgements"])
            metric = "delivered_pass_rate"
            delivered = landed_estimate(where, cell, tables, metric=metric, counts=given, scorer=place[5:])
        shown = {f"delivered_{side}": None if delivered is None else delivered[side] for side in ("low", "high")}
        rows.append(dict(zip(key, place, strict=True)) | bounds | shown | {"interval_status": status})
    return pd.DataFrame(rows)
