"""What the marts must say of single runs, computed with pandas and plain loops.

Belongs here: a second implementation that shares nothing with the SQL.
"""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
from statsmodels.stats.proportion import proportion_confint

from tests.dbt.expected import (
    RATE,
    Frame,
    Tables,
    landed_estimate,
    predictions,
    score_counts,
    spoken,
    whole_runs,
)


def runs(tables: Tables) -> Frame:
    """One row for each run."""
    whole, answers, rows = whole_runs(tables), tables["predictions"], []
    for run in tables["runs"].itertuples():
        own = answers[answers.run_id == run.run_id]
        limit, skipped = json.loads(run.config).get("limit"), int((own.status == "skipped_budget").sum())
        reason = None if run.run_id in whole else "out_of_budget"
        if limit is not None and limit <= run.rows_read:
            reason = "limited"
        if run.purpose == "perturb":
            reason = "perturbed"
        if run.run_status != "completed":
            reason = "not_completed"
        rows.append(
            {"run_id": run.run_id, "is_whole": run.run_id in whole, "partial_reason": reason, "row_limit": limit}
            | {"n_predictions": len(own), "n_skipped": skipped, "rows_read": run.rows_read, "variant": run.variant}
        )
    return pd.DataFrame(rows)


def run_reliability(tables: Tables) -> Frame:
    """One row for each run, population and slice."""
    frame = predictions(tables)
    frame["slice"] = [["overall", *dict.fromkeys(slices)] for slices in frame.slices]
    cells = frame.explode("slice").groupby(["run_id", "population", "slice"])
    return pd.DataFrame([_rates(key, cell, tables) for key, cell in cells])


def reliability_daily(tables: Tables) -> Frame:
    """One row for each day, of its latest whole run."""
    ends = tables["runs"].set_index("run_id")[["task", "stage", "variant", "data_date", "run_finished_at"]]
    rates = run_reliability(tables).join(ends, on="run_id").query("slice == 'overall'")
    rates = rates[rates.run_id.isin(whole_runs(tables))].sort_values("run_finished_at")
    newest = rates.drop_duplicates(["task", "stage", "variant", "data_date", "population"], keep="last")
    shown = [
        "task",
        "stage",
        "variant",
        "data_date",
        "population",
        "run_id",
        "n_correct",
        "low",
        "high",
        "delivered_rate",
    ]
    return newest.assign(n=newest.n_eligible, value=newest.reliability)[[*shown, "n", "value"]]


def run_scores(tables: Tables) -> Frame:
    """One row for each scorer version of each run."""
    places = predictions(tables).rename(columns={"first_status": "answer_status"})
    places = places[places.answer_status != "skipped_budget"][["prediction_id", "population", "answer_status"]]
    frame = spoken(tables["scores"]).query("scorer_kind != 'human'").merge(places, on="prediction_id")
    key, rows = ["run_id", "population", "scorer", "scorer_version"], []
    for values, cell in frame.groupby(key):
        n = score_counts(cell)
        due, is_measure = n["n_judgements"], n.pop("is_measure")
        undecided, delivered_undecided = n.pop("n_undecided"), n.pop("n_delivered_undecided")
        delivered = n.pop("n_delivered_passed")
        rows.append(
            dict(zip(key, values, strict=True))
            | n
            | {"pass_rate": n["n_passed"] / due if undecided < due and not is_measure else None}
            | {"delivered_pass_rate": delivered / due if delivered_undecided < due and not is_measure else None}
        )
    return pd.DataFrame(rows)


def _rates(key: tuple[str, str, str], cell: Frame, tables: Tables) -> dict[str, Any]:
    run_id, population, name = key
    eligible = cell[cell.is_eligible]
    n, correct, unscored, delivered, unknown = len(eligible), 0, 0, 0, 0
    for row in eligible.itertuples():
        correct += row.is_correct is True
        unscored += row.is_correct is None
        delivered += row.is_delivered_correct is True
        unknown += row.is_delivered_correct is None
    again = eligible[eligible.first_prediction_id.notna() & ~eligible.first_status.isin(["ok", "repaired"])]
    again = again[(again.status != again.first_status) | (again.calls > 0)]
    rates: dict[str, Any] = {
        **{"run_id": run_id, "population": population, "slice": name, "n_eligible": n, "n_correct": correct},
        **{
            "n_unscored": unscored,
            "n_skipped": int((cell.first_status == "skipped_budget").sum()),
            "n_second_chances": len(again),
        },
        "n_unjudged": int((cell.first_status != "skipped_budget").sum()) - n,
        **{"worst_case": correct / n if n else None, "best_case": (correct + unscored) / n if n else None},
        **{"reliability": correct / n if n > unscored else None, "n_delivered_correct": delivered},
        **{"delivered_rate": delivered / n if n > unknown else None, "low": None, "high": None},
    }
    found = landed_estimate(_place(cell, name), eligible, tables)
    if found is not None:
        return rates | {"low": found.low, "high": found.high}
    keys = [
        row.cluster_id if isinstance(row.cluster_id, str) else f"of {row.record_id}" for row in eligible.itertuples()
    ]
    plain = eligible.epoch.nunique() == 1 and len(set(keys)) == n
    if plain and min(correct, n - correct - unscored) >= 5:
        low = proportion_confint(correct, n, method="wilson")[0]
        high = proportion_confint(correct + unscored, n, method="wilson")[1]
        return rates | {"low": low, "high": high}
    return rates


def _place(cell: Frame, name: str) -> tuple[str, ...]:
    """The cell of a run as a key of `RATE`."""
    first = cell.iloc[0]
    return *(first[column] for column in RATE[:-1]), name
