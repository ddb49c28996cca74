"""What the marts must say of landing rows, computed with pandas, numpy and statsmodels from the words of the design.

Belongs here: a second implementation that shares nothing with the SQL. It favours plain loops over speed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from statsmodels.stats.proportion import proportion_confint

KEYS = {
    "task_versions": (["task_version_id"], "first"),
    "runs": (["run_id", "event"], "last"),
    "records": (["run_id", "record_id"], "first"),
    "rejected_records": (["run_id", "position"], "first"),
    "responses": (["call_id"], "first"),
    "predictions": (["prediction_id"], "first"),
    "scores": (["score_id"], "last"),
    "estimates": (["estimate_id"], "last"),
    "batches": (["chunk_hash", "state"], "last"),
    "budget_entries": (["lease_id", "event", "sequence"], "last"),
    "comparisons": (["comparison_id"], "last"),
    "gates": (["gate_id"], "last"),
    "golden_cases": (["task", "golden_set_version", "case_id"], "first"),
}
RATE = ["task", "stage", "variant", "inference_version", "population", "slice"]
Frame: TypeAlias = Any
"""A data frame; its stubs know nothing of columns that are made at run time."""
Tables = dict[str, Frame]
_known: dict[int, tuple[Tables, Frame]] = {}


def clean(rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> Tables:
    """The landing rows without duplicates, and `runs` as one row for each run."""
    tables = {}
    for table, (key, keep) in KEYS.items():
        frame: Frame = pd.DataFrame(list(rows[table])).sort_values(["landed_at", "occurred_at"])
        tables[table] = frame.drop_duplicates(key, keep=keep).reset_index(drop=True)
    events = tables["runs"]
    started = events[events.event == "started"].set_index("run_id")
    finished = events[events.event == "finished"].set_index("run_id")
    runs = started.copy()
    runs["run_status"] = finished.status.reindex(runs.index).fillna("running")
    runs["run_finished_at"] = finished.occurred_at.reindex(runs.index)
    for column in ("rows_read", "records", "rows_rejected", "expected_predictions"):
        runs[column] = finished[column].reindex(runs.index).fillna(runs[column])
    tables["runs"] = runs.reset_index()
    return tables


def predictions(tables: Tables) -> Frame:
    """Every prediction with is_current, is_eligible, is_answered and is_correct (None where unknown).

    They take ten seconds and most reports begin with them, so they are computed once for the same tables.
    """
    if id(tables) not in _known:
        _known[id(tables)] = tables, _predictions(tables)
    return _known[id(tables)][1].copy()


def _predictions(tables: Tables) -> Frame:
    runs = tables["runs"].set_index("run_id")
    frame = tables["predictions"].merge(
        tables["records"][["run_id", "record_id", "population", "cluster_id", "slices"]], on=["run_id", "record_id"]
    )
    frame["run_status"] = frame.run_id.map(runs.run_status)
    frame["run_finished_at"] = frame.run_id.map(runs.run_finished_at)
    frame["population_kind"] = frame.population.str.split(":").str[0]
    identity = ["tenant_id", "task", "stage", "variant", "data_date", "population_kind", "record_id", "epoch"]
    whole = frame[frame.run_id.isin(whole_runs(tables))].sort_values("run_finished_at")
    frame["is_current"] = frame.prediction_id.isin(whole.drop_duplicates(identity, keep="last").prediction_id)
    frame["first_status"] = frame.first_status.where(frame.first_status.notna(), frame.status)
    frame["is_eligible"] = frame.first_status != "skipped_budget"
    frame["is_answered"] = frame.first_status.isin(["ok", "repaired"])
    verdicts = _verdicts(tables["scores"])
    versions = tables["task_versions"].set_index("task_version_id")
    version_of = runs.task_version_id.to_dict()
    frame["is_correct"], frame["is_delivered_correct"] = (
        pd.Series(
            [
                _is_correct(
                    getattr(row, column), versions.loc[version_of[row.run_id]], verdicts.get(row.prediction_id, {})
                )
                for row in frame.itertuples()
            ],
            dtype=object,
        )
        for column in ("first_status", "status")
    )
    lost = (frame.status == "skipped_budget") & (frame.first_status != "skipped_budget")
    frame.loc[lost, "is_delivered_correct"] = False
    return frame


def whole_runs(tables: Tables) -> set[str]:
    """The completed runs in which every row of the input was read and every record requested."""
    answers, found = tables["predictions"], set()
    for run in tables["runs"].itertuples():
        limit = json.loads(run.config).get("limit")
        skipped = (answers.status[answers.run_id == run.run_id] == "skipped_budget").any()
        if run.run_status == "completed" and not skipped and (limit is None or limit > run.rows_read):
            found.add(run.run_id)
    return found


def _verdicts(scores: Frame) -> dict[str, dict[str, bool | None]]:
    """Prediction to scorer to passed; None where the newest version is not scored, or is a judge's opinions without a verdict."""
    found: dict[str, dict[str, bool | None]] = {}
    for (prediction, scorer), group in scores.groupby(["prediction_id", "scorer"]):
        newest = group.sort_values("occurred_at").scorer_version.iloc[-1]
        judgments = spoken(group[group.scorer_version == newest])
        all_scored = len(judgments) > 0 and (judgments.status == "scored").all()
        found.setdefault(prediction, {})[scorer] = bool(judgments.passed.astype(bool).all()) if all_scored else None
    return found


def spoken(scores: Frame) -> Frame:
    """The rows that speak for their scorer: of several opinions of a judge on an answer, their verdict only."""
    opinions = scores[(scores.scorer_kind == "judge") & scores.judge_epoch.notna()]
    sizes = scores.groupby(["prediction_id", "scorer", "scorer_version"]).score_id.transform("size")
    return scores.drop(opinions.index[sizes.loc[opinions.index] > 1])


def _is_correct(status: str, version: Any, verdicts: Mapping[str, bool | None]) -> bool | None:
    if status == "skipped_budget" or not version.correct_scorers:
        return None
    if status in ("failed", "refused", "invalid_output") or (status == "fallback" and not version.fallback_counts):
        return False
    passed = [verdicts.get(scorer) for scorer in version.correct_scorers]
    return None if None in passed else all(passed)


def counted(frame: Frame) -> Frame:
    """The current predictions, of a golden set only those of its newest day."""
    current = frame[frame.is_current]
    group = ["task", "stage", "variant", "inference_version", "population"]
    newest = current.groupby(group).data_date.transform("max")
    return current[(current.population_kind != "golden") | (current.data_date == newest)]


def reliability(tables: Tables) -> Frame:
    """One row for each cell of the reliability report."""
    frame = counted(predictions(tables)).copy()
    frame["slice"] = [["overall", *dict.fromkeys(slices)] for slices in frame.slices]
    frame = frame.explode("slice")
    return pd.DataFrame(
        [dict(zip(RATE, key, strict=True)) | _rates(key, cell, tables) for key, cell in frame.groupby(RATE)]
    )


def _rates(key: tuple[str, ...], cell: Frame, tables: Tables) -> dict[str, Any]:
    eligible = cell[cell.is_eligible]
    n, correct = len(eligible), sum(value is True for value in eligible.is_correct)
    unscored = sum(value is None for value in eligible.is_correct)
    clusters = {
        ("c", row.cluster_id) if isinstance(row.cluster_id, str) else ("r", row.record_id)
        for row in eligible.itertuples()
    }
    epochs = eligible.epoch.nunique()
    known = n > 0 and unscored / n <= 0.01
    rates: dict[str, Any] = {
        **{
            "n_predictions": len(cell),
            "n_skipped": len(cell) - n,
            "n_eligible": n,
            "n_correct": correct,
            "n_unscored": unscored,
        },
        **{"n_clusters": len(clusters), "epochs": epochs, "reliability": correct / (n - unscored) if known else None},
        **{"worst_case": correct / n if n else None, "best_case": (correct + unscored) / n if n else None},
        **{"low": None, "high": None, "method": None},
    }
    rates |= {"effective_n": None}
    incorrect = n - correct - unscored
    if known and epochs == 1 and len(clusters) == n and min(correct, incorrect) >= 5:
        low, high = proportion_confint(correct, n - unscored, method="wilson")
        wilson = {"low": low, "high": high, "method": "wilson", "effective_n": n - unscored}
        return rates | wilson | {"interval_status": "ok"}
    estimate = landed_estimate(key, eligible, tables)
    if estimate is not None:
        landed = {name: estimate[name] for name in ("low", "high", "method", "effective_n")}
        return rates | landed | {"interval_status": estimate.status}
    if n and not known:
        return rates | {"interval_status": "unscored"}
    reason = "several_epochs" if epochs > 1 else "clustered" if len(clusters) < n else "too_few"
    return rates | {"interval_status": reason}


def landed_estimate(
    key: tuple[str, ...],
    cell: Frame,
    tables: Tables,
    *,
    metric: str = "reliability",
    n: int | None = None,
    scorer: tuple[str, str] | None = None,
) -> Any:
    """The newest estimate of the run by itself, where the cell is of one run and the estimate of just the cell; or None."""
    cells = dict(zip(RATE, key, strict=True))
    if cell.run_id.nunique() != 1:
        return None
    found = tables["estimates"]
    found = found[(found.run_id == cell.run_id.iloc[0]) & (found.evaluation_id == found.run_id)]
    found = found[(found.metric == metric) & (found.scorer.isna() if scorer is None else found.scorer == scorer[0])]
    for column in ("task", "inference_version", "population", "slice"):
        found = found[found[column] == cells[column]]
    if found.empty:
        return None
    newest = found.sort_values("occurred_at").iloc[-1]
    if metric == "reliability":
        correct, unscored = (sum(value is wanted for value in cell.is_correct) for wanted in (True, None))
        same = newest.n == len(cell) - unscored and newest.status != "none"
        if unscored > 0.01 * len(cell):
            same &= newest.status == "unscored" and bool(np.isclose(newest.worst, correct / len(cell)))
        else:
            same &= newest.status != "unscored"
        return newest if same else None
    return newest if newest.n == n and (scorer is None or newest.scorer_version == scorer[1]) else None


def calls(tables: Tables) -> Frame:
    """Every call with its figures as floats, and whether it used what has no price."""
    frame = tables["responses"].copy()
    for column in ("cost_usd", "cost_upper_usd", "reference_cost_usd"):
        frame[column] = frame[column].astype(float)
    billed = (frame.status != "error") | frame.input_tokens.notna()
    gap = np.where(frame.billing == "unknown", frame.cost_upper_usd.isna(), billed)
    frame["is_unpriced"] = frame.cost_usd.isna() & gap
    return frame


def cost_daily(tables: Tables) -> Frame:
    """One row for each day, task, provider and model."""
    found = []
    for key, whole in calls(tables).groupby(["data_date", "task", "provider", "request_model"]):
        cell, judging = whole[whole.purpose != "judge"], whole[whole.purpose == "judge"]
        unpriced = int(cell.is_unpriced.sum())
        cost = cell.cost_usd.sum()
        upper = cost + cell.cost_upper_usd[cell.cost_usd.isna()].sum()
        found.append(
            dict(zip(["data_date", "task", "provider", "request_model"], key, strict=True))
            | {
                "calls": len(cell),
                "cost_usd": None if unpriced else cost,
                "cost_upper_usd": None if unpriced else upper,
            }
            | {"n_unpriced_calls": unpriced, "is_unpriced": unpriced > 0, "cost_priced_usd": cost}
            | {"n_billing_unknown_calls": int((cell.billing == "unknown").sum())}
            | {
                "reference_cost_usd": cell.reference_cost_usd.sum(min_count=1),
                "cached_input_tokens": cell.cached_input_tokens.sum(),
            }
            | {
                "judge_cost_usd": None
                if judging.is_unpriced.any()
                else judging.cost_usd.fillna(judging.cost_upper_usd).sum()
            }
        )
    return pd.DataFrame(found)


def cost_per_correct(tables: Tables) -> Frame:
    """One row for each run."""
    answers, all_calls, found = predictions(tables), calls(tables), []
    all_calls = all_calls[all_calls.purpose != "judge"]
    for run_id in tables["runs"].run_id:
        mine, cell = answers[answers.run_id == run_id], all_calls[all_calls.run_id == run_id]
        eligible = mine[mine.is_eligible]
        correct = sum(value is True for value in eligible.is_correct)
        unscored = sum(value is None for value in eligible.is_correct) / max(len(eligible), 1)
        unknown = (cell.billing == "unknown").any()
        status = (
            "unpriced"
            if cell.is_unpriced.any()
            else "unscored"
            if unscored > 0.01
            else "none_correct"
            if not correct
            else ""
        )
        status = status or ("billing_unknown" if unknown else "ok")
        shown = status in ("ok", "billing_unknown")
        found.append(
            {"run_id": run_id, "n_correct": correct, "cost_status": status, "calls": len(cell)}
            | {"n_reused": int((mine.answer_source == "reused").sum())}
            | {"cost_per_correct_usd": cell.cost_usd.sum() / correct if shown else None}
            | {
                "cost_per_correct_upper_usd": cell.cost_usd.fillna(cell.cost_upper_usd).sum() / correct
                if shown
                else None
            }
            | {
                "reference_cost_per_correct_usd": cell.reference_cost_usd.sum() / correct
                if correct and unscored <= 0.01
                else None
            }
        )
    return pd.DataFrame(found)


def waited_for(tables: Tables) -> Frame:
    """Predictions whose answer came from an online call of their own run."""
    by_batch = set(tables["responses"].call_id[tables["responses"].is_batch])
    wire = tables["predictions"].query("answer_source == 'wire'")
    return wire[~wire.call_id.isin(by_batch)]


def latency(tables: Tables) -> Frame:
    """One row for each run with a wire answer."""
    runs, versions = tables["runs"].set_index("run_id"), tables["task_versions"].set_index("task_version_id")
    wire, found = waited_for(tables), []
    for run_id, cell in wire.groupby("run_id"):
        version = versions.loc[runs.loc[run_id].task_version_id]
        timed = (
            tables["responses"].query("run_id == @run_id and purpose not in ('embedding', 'judge')").latency_ms.dropna()
        )
        share = (
            None if pd.isna(version.sla_latency_ms) else float((cell.end_to_end_ms <= version.sla_latency_ms).mean())
        )
        row = {"run_id": run_id, "n_wire_answers": len(cell), "n_timed_calls": len(timed), "share_within_sla": share}
        row["meets_sla"] = None if share is None else share >= version.sla_share
        for percent in (50, 90, 99):
            row[f"end_to_end_p{percent}_ms"] = np.percentile(cell.end_to_end_ms, percent)
            row[f"call_latency_p{percent}_ms"] = np.percentile(timed, percent)
        found.append(row)
    return pd.DataFrame(found)


def latency_daily(tables: Tables) -> Frame:
    """One row for each day, task, route, provider and model."""
    key = ["data_date", "task", "route", "provider", "request_model"]
    responses = tables["responses"].query("purpose not in ('embedding', 'judge')")
    wire = waited_for(tables)[["call_id", "end_to_end_ms"]]
    answered = wire.merge(tables["responses"][[*key, "call_id"]], on="call_id").groupby(key).end_to_end_ms
    called = responses.dropna(subset=["latency_ms"]).groupby(key).latency_ms
    parts = {f"call_latency_p{p}_ms": called.quantile(p / 100) for p in (50, 90, 99)}
    parts |= {f"end_to_end_p{p}_ms": answered.quantile(p / 100) for p in (50, 90, 99)}
    found = pd.DataFrame(parts | {"n_timed_calls": called.size(), "n_wire_answers": answered.size()}).reset_index()
    return found.fillna({"n_timed_calls": 0, "n_wire_answers": 0})


def completeness(tables: Tables) -> Frame:
    """One row for each run."""
    landed = {name: tables[name].groupby("run_id").size() for name in ("records", "rejected_records", "predictions")}
    found = []
    for run in tables["runs"].itertuples():
        n = {name: int(sizes.get(run.run_id, 0)) for name, sizes in landed.items()}
        whole = run.records == n["records"] and run.rows_rejected == n["rejected_records"]
        missing = int(run.records * run.epochs - n["predictions"])
        is_complete = whole and missing == 0 and run.rows_read == run.rows_rejected + run.records
        found.append(
            {
                "run_id": run.run_id,
                "run_status": run.run_status,
                "missing_predictions": missing,
                "is_complete": is_complete,
            }
        )
    return pd.DataFrame(found)


def failures(tables: Tables) -> Frame:
    """One row for each run, status and error type that is not an answer."""
    frame = tables["predictions"].assign(error_type=tables["predictions"].error_type.fillna("none"))
    sizes = frame.groupby("run_id").size()
    bad = frame[~frame.status.isin(["ok", "repaired"])]
    found = bad.groupby(["run_id", "status", "error_type"]).size().rename("n_predictions").reset_index()
    return found.assign(share_of_run=found.n_predictions / found.run_id.map(sizes))


def scores(tables: Tables) -> Frame:
    """One row for each scorer version and group of counted predictions."""
    group = ["task", "stage", "variant", "inference_version", "population"]
    shown = counted(predictions(tables))[[*group, "prediction_id"]]
    frame = spoken(tables["scores"]).drop(columns=["task"]).merge(shown, on="prediction_id")
    frame["scored"] = frame.status == "scored"
    frame["good"] = frame.scored & frame.passed.fillna(False).astype(bool)
    cells = frame.groupby([*group, "scorer", "scorer_version"])
    found = cells.agg(
        n_judgements=("scored", "size"), n_scored=("scored", "sum"), n_passed=("good", "sum")
    ).reset_index()
    return found.assign(pass_rate=[p / n if n else None for p, n in zip(found.n_passed, found.n_scored, strict=True)])
