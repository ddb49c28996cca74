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
    "answer_counts": (["answer_count_id"], "last"),
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
    identity = ["tenant_id", "task", "stage", "variant", "data_date", "population_kind", "record_id"]
    whole = frame[frame.run_id.isin(whole_runs(tables))].sort_values("run_finished_at")
    newest = whole.groupby(identity).run_id.transform("last")
    frame["is_current"] = frame.prediction_id.isin(whole[whole.run_id == newest].prediction_id)
    frame["first_status"] = frame.first_status.where(frame.first_status.notna(), frame.status)
    frame["is_answered"] = frame.first_status.isin(["ok", "repaired"])
    verdicts = _verdicts(tables["scores"])
    versions = tables["task_versions"].set_index("task_version_id")
    version_of = runs.task_version_id.to_dict()
    eligible, correct, delivered = [], [], []
    for row in frame.itertuples():
        version, said = versions.loc[version_of[row.run_id]], verdicts.get(row.prediction_id, {})
        is_due = row.first_status != "skipped_budget" and not _is_outside(row.first_status, version, said)
        eligible.append(is_due)
        correct.append(_is_correct(row.first_status, version, said) if is_due else None)
        is_lost = row.status == "skipped_budget" and row.first_status != "skipped_budget"
        later = False if is_lost else _is_correct(row.status, version, said)
        delivered.append(correct[-1] if row.status == row.first_status else later)
    frame["is_eligible"] = eligible
    frame["is_correct"], frame["is_delivered_correct"] = (
        pd.Series(found, dtype=object) for found in (correct, delivered)
    )
    return frame


def whole_runs(tables: Tables) -> set[str]:
    """The completed runs in which every row of the input was read, unchanged, and every record requested."""
    answers, found = tables["predictions"], set()
    for run in tables["runs"].itertuples():
        limit = json.loads(run.config).get("limit")
        skipped = (answers.status[answers.run_id == run.run_id] == "skipped_budget").any()
        if run.purpose == "perturb":
            continue
        if run.run_status == "completed" and not skipped and (limit is None or limit > run.rows_read):
            found.add(run.run_id)
    return found


def _verdicts(scores: Frame) -> dict[str, dict[str, bool | None]]:
    """Prediction to scorer to passed: False where one row of the newest version failed it, True where all passed it."""
    found: dict[str, dict[str, bool | None]] = {}
    for (prediction, scorer), group in scores.groupby(["prediction_id", "scorer"]):
        newest = group.sort_values("occurred_at").scorer_version.iloc[-1]
        judgments = spoken(group[group.scorer_version == newest])
        said = [row.passed if row.status == "scored" else None for row in judgments.itertuples()]
        found.setdefault(prediction, {})[scorer] = kleene_and(said) if said else None
    return found


def kleene_and(values: Sequence[Any]) -> bool | None:
    """False if one is False, else None if one is unknown, else True."""
    if any(value is not None and not pd.isna(value) and not value for value in values):
        return False
    return None if any(value is None or pd.isna(value) for value in values) else True


def _is_outside(status: str, version: Any, verdicts: Mapping[str, bool | None]) -> bool:
    """Whether a required judge had another sample; a version without declarations shows it by the output alone."""
    declared = json.loads(version.checks)
    samples = {scorer["name"]: scorer.get("sample") is not None for scorer in declared or []}
    able = status in ("ok", "repaired") or (status == "fallback" and version.fallback_counts)
    missing = [scorer for scorer in version.correct_scorers if scorer not in verdicts]
    return any(samples.get(scorer, able) for scorer in missing)


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
    return kleene_and([verdicts.get(scorer) for scorer in version.correct_scorers])


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
        ("c", row.tenant_id, row.cluster_id) if isinstance(row.cluster_id, str) else ("r", row.tenant_id, row.record_id)
        for row in eligible.itertuples()
    }
    epochs = eligible.epoch.nunique()
    answered = eligible[eligible.is_answered]
    good = sum(value is True for value in answered.is_correct)
    skipped = int((cell.first_status == "skipped_budget").sum())
    rates: dict[str, Any] = {
        **{
            "n_predictions": len(cell),
            "n_skipped": skipped,
            "n_unjudged": len(cell) - n - skipped,
            "n_eligible": n,
            "n_correct": correct,
            "n_unscored": unscored,
        },
        **{"n_clusters": len(clusters), "epochs": epochs, "reliability": correct / n if unscored < n else None},
        "quality_when_answered": good / len(answered) if answered.is_correct.notna().any() else None,
        **{"worst_case": correct / n if n else None, "best_case": (correct + unscored) / n if n else None},
        **{"low": None, "high": None, "method": None},
    }
    rates |= {"effective_n": None}
    incorrect = n - correct - unscored
    if n and epochs == 1 and len(clusters) == n and min(correct, incorrect) >= 5:
        low = proportion_confint(correct, n, method="wilson")[0]
        high = proportion_confint(correct + unscored, n, method="wilson")[1]
        if unscored:
            return rates | {"low": low, "high": high, "method": "worst_and_best_case", "interval_status": "unscored"}
        return rates | {"low": low, "high": high, "method": "wilson", "effective_n": n, "interval_status": "ok"}
    estimate = landed_estimate(key, eligible, tables)
    if estimate is not None:
        landed = {name: estimate[name] for name in ("low", "high", "method", "effective_n")}
        return rates | landed | {"interval_status": estimate.status}
    reason = "several_epochs" if epochs > 1 else "clustered" if len(clusters) < n else "too_few"
    return rates | {"interval_status": reason}


def landed_estimate(
    key: tuple[str, ...],
    cell: Frame,
    tables: Tables,
    *,
    metric: str = "reliability",
    counts: tuple[int, int, int] | None = None,
    scorer: tuple[str, str] | None = None,
) -> Any:
    """The newest estimate of the run by itself, where the cell is of one run and the estimate of just the cell; or None.

    `counts` are passes, unscored rows and all rows of the cell; None for its reliability.
    """
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
    if counts is None:
        correct, unscored = (sum(value is wanted for value in cell.is_correct) for wanted in (True, None))
        counts = correct, unscored, len(cell)
    passed, unscored, n = counts
    worst, best = (newest.value if pd.isna(newest[case]) else newest[case] for case in ("worst", "best"))
    same = newest.n == n and newest.status != "none"
    same = same and bool(np.allclose([worst, best], [passed / n, (passed + unscored) / n], atol=1e-9))
    return newest if same and (scorer is None or newest.scorer_version == scorer[1]) else None


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
            | {
                "total_cost_usd": None
                if whole.is_unpriced.any()
                else cost + judging.cost_usd.fillna(judging.cost_upper_usd).sum()
            }
        )
    return pd.DataFrame(found)


def first_calls(tables: Tables) -> dict[str, list[int] | None]:
    """Prediction to the places of the calls that made its first outcome, in any run; None if that is no longer landed."""
    rows = {row.prediction_id: row for row in tables["predictions"].itertuples()}
    every_call = calls(tables)
    of_call = {row.call_id: (row.task, row.run_id, row.request_key) for row in every_call.itertuples()}
    made = every_call[~every_call.purpose.isin(["judge", "embedding"])]
    of_request = {key: list(cell.index) for key, cell in made.groupby(["run_id", "request_key"])}
    found: dict[str, list[int] | None] = {}
    for prediction, row in rows.items():
        first = rows.get(row.first_prediction_id) if isinstance(row.first_prediction_id, str) else row
        if first is None:
            found[prediction] = None
        elif first.answer_source in ("exact_cache", "semantic_cache", "reused"):
            task, *origin = of_call.get(first.call_id, (None, None, None))
            found[prediction] = of_request.get((origin[0], origin[1]), []) if task == first.task else None
        else:
            found[prediction] = of_request.get((first.run_id, first.request_key), [])
    return found


def cost_per_correct(tables: Tables) -> Frame:
    """One row for each run with predictions."""
    answers, all_calls, found = predictions(tables), calls(tables), []
    made_by = first_calls(tables)
    for run_id in answers.run_id.unique():
        mine, whole = answers[answers.run_id == run_id], all_calls[all_calls.run_id == run_id]
        cell, judging = whole[whole.purpose != "judge"], whole[whole.purpose == "judge"]
        eligible = mine[mine.is_eligible]
        correct, unscored = (sum(value is wanted for value in eligible.is_correct) for wanted in (True, None))
        requested = int((mine.first_status != "skipped_budget").sum())
        made = [made_by[prediction] for prediction in eligible.prediction_id]
        n_lost = sum(one is None for one in made)
        n_unpriced = n_lost + sum(all_calls.is_unpriced[one].any() for one in made if one is not None)
        first = all_calls.loc[[call for one in made if one is not None for call in one]]
        reasons = [
            ("unpriced", n_unpriced),
            ("none_correct", not correct and not unscored),
            ("unscored", not correct),
            ("billing_unknown", (first.billing == "unknown").any()),
            ("unscored", unscored),
        ]
        has_reference = not n_lost and (first.reference_cost_usd.notna() | first.input_tokens.isna()).all()
        cost, upper = first.cost_usd.sum(), first.cost_usd.fillna(first.cost_upper_usd).sum()
        amounts = {
            "cost_per_correct_usd": (None if n_unpriced else cost, correct),
            "cost_per_correct_low_usd": (None if n_unpriced else cost, correct + unscored),
            "cost_per_correct_upper_usd": (None if n_unpriced else upper, correct),
            "reference_cost_per_correct_usd": (
                first.reference_cost_usd.sum(min_count=1) if has_reference else None,
                correct,
            ),
        }
        found.append(
            {"run_id": run_id, "n_correct": correct, "calls": len(cell), "n_first_unpriced": n_unpriced}
            | {"cost_status": next((name for name, holds in reasons if holds), "ok")}
            | {"n_unjudged": requested - len(eligible), "n_reused": int((mine.answer_source == "reused").sum())}
            | {name: None if usd is None or not of else usd / of for name, (usd, of) in amounts.items()}
            | {
                "total_cost_usd": None
                if whole.is_unpriced.any()
                else cell.cost_usd.sum() + judging.cost_usd.fillna(judging.cost_upper_usd).sum()
            }
        )
    return pd.DataFrame(found)


def waited_for(tables: Tables) -> Frame:
    """Predictions whose answer came from an online call of their own run."""
    by_batch = set(tables["responses"].call_id[tables["responses"].is_batch])
    wire = tables["predictions"].query("answer_source == 'wire'")
    return wire[~wire.call_id.isin(by_batch)]


def latency(tables: Tables) -> Frame:
    """One row for each run with a requested prediction."""
    runs, versions = tables["runs"].set_index("run_id"), tables["task_versions"].set_index("task_version_id")
    online, found = waited_for(tables), []
    requested = predictions(tables).query("first_status != 'skipped_budget'")
    for run_id, cell in requested.groupby("run_id"):
        version, wire = versions.loc[runs.loc[run_id].task_version_id], online[online.run_id == run_id]
        timed = (
            tables["responses"].query("run_id == @run_id and purpose not in ('embedding', 'judge')").latency_ms.dropna()
        )
        share = None if pd.isna(version.sla_latency_ms) else share_within(tables, cell, version.sla_latency_ms)
        row = {"run_id": run_id, "n_wire_answers": len(wire), "n_timed_calls": len(timed), "share_within_sla": share}
        row |= {"n_requested": len(cell), "meets_sla": None if share is None else share >= version.sla_share}
        for percent in (50, 90, 99):
            row[f"end_to_end_p{percent}_ms"] = (
                np.percentile(wire.end_to_end_ms.dropna(), percent) if len(wire) else None
            )
            row[f"call_latency_p{percent}_ms"] = np.percentile(timed, percent) if len(timed) else None
        found.append(row)
    return pd.DataFrame(found)


def share_within(tables: Tables, requested: Frame, limit_ms: float) -> float:
    """The share of requested predictions within the limit; where another run requested one (first), its latency counts."""
    wire = tables["predictions"].query("answer_source == 'wire'").dropna(subset=["call_id"])
    origins = wire.drop_duplicates(["task", "call_id"]).set_index(["task", "call_id"]).end_to_end_ms.to_dict()
    firsts, n = tables["predictions"].set_index(["task", "prediction_id"]).end_to_end_ms.to_dict(), 0
    for row in requested.itertuples():
        is_own = row.answer_source in (None, "wire") or pd.isna(row.answer_source)
        latency_ms = row.end_to_end_ms if is_own else origins.get((row.task, row.call_id))
        if isinstance(row.first_prediction_id, str):
            latency_ms = firsts.get((row.task, row.first_prediction_id))
        n += latency_ms is not None and latency_ms <= limit_ms
    return n / len(requested)


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
    """One row for each scorer version and group of counted predictions that were requested."""
    group = ["task", "stage", "variant", "inference_version", "population"]
    rows = []
    for key, cell in due_scores(tables).groupby([*group, "scorer", "scorer_version"]):
        counts = score_counts(cell)
        n, is_measure = counts["n_judgements"], counts.pop("is_measure")
        undecided, delivered_undecided = counts.pop("n_undecided"), counts.pop("n_delivered_undecided")
        delivered = counts.pop("n_delivered_passed")
        rows.append(
            dict(zip([*group, "scorer", "scorer_version"], key, strict=True))
            | counts
            | {"pass_rate": counts["n_passed"] / n if undecided < n and not is_measure else None}
            | {"delivered_pass_rate": delivered / n if delivered_undecided < n and not is_measure else None}
        )
    return pd.DataFrame(rows)


def due_scores(tables: Tables) -> Frame:
    """Every score that was due of a counted prediction, with the prediction's status as `answer_status`."""
    group = ["task", "stage", "variant", "inference_version", "population"]
    shown = counted(predictions(tables)).rename(columns={"first_status": "answer_status"}).drop(columns="status")
    shown = shown[shown.answer_status != "skipped_budget"][[*group, "prediction_id", "run_id", "answer_status"]]
    return spoken(tables["scores"]).drop(columns=["task", "run_id"]).merge(shown, on="prediction_id")


def score_counts(cell: Frame) -> dict[str, Any]:
    """How often the scorer passed the model's own output, and the delivered one; each score is looked at by itself."""
    names = ("scored", "unscored", "failed", "refused", "passed", "undecided", "delivered_passed")
    n = dict.fromkeys((*(f"n_{name}" for name in names), "n_no_output", "n_fallback", "n_delivered_undecided"), 0)
    decided, measured = 0, 0
    for row in cell.itertuples():
        verdict = None if row.status != "scored" or pd.isna(row.passed) else bool(row.passed)
        if row.answer_status in ("ok", "repaired"):
            n[f"n_{row.status}"] += 1
            n["n_passed"] += verdict is True
            n["n_undecided"] += verdict is None
        else:
            n["n_no_output"] += 1
        if row.answer_status in ("ok", "repaired", "fallback"):
            n["n_delivered_passed"] += verdict is True
            n["n_delivered_undecided"] += verdict is None
            decided += verdict is not None
            measured += row.status == "scored" and verdict is None
        n["n_fallback"] += row.answer_status == "fallback"
    return n | {"n_judgements": len(cell), "is_measure": measured > 0 and decided == 0}
