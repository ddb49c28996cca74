"""What the marts must say of calibrated judges, computed with plain loops from the landing rows.

Belongs here: a second implementation that shares nothing with the SQL; that of the other figures is in `expected.py`.
"""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pandas as pd

from tests.dbt.expected import Frame, Tables

PEOPLE_METRICS = ("krippendorffs_alpha", "annotator_agreement", "annotator_kappa")
AGREEMENT = ("cohens_kappa", "gwets_ac1", "percent_agreement", "sensitivity", "specificity", "length_bias")
FIGURE = ("value", "low", "high", "method", "n", "status", "reason")
PLACE = ("task", "scorer", "scorer_version", "population", "slice", "run_id", "data_date", "inference_version")


def calibration(tables: Tables) -> Frame:
    """One row for each judge version, metric and slice."""
    rows = [row for row in _newest_of_versions(tables) if row["metric"] in AGREEMENT]
    names = (*PLACE, "metric", "level", "clusters", "effective_n", *FIGURE)
    return pd.DataFrame([{**{name: row[name] for name in names}, **_facts(row), **_counts(row)} for row in rows])


def judged_rates(tables: Tables) -> Frame:
    """One row for each run, judge version and slice."""
    cells: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in _newest_of_runs(tables):
        figure = {"judged_rate": "judged", "human_rate": "human"}.get(row["metric"])
        if row["metric"] == "corrected_rate":
            figure = "rogan_gladen" if row["method"].startswith("rogan_gladen") else "ppi"
        if figure is None:
            continue
        cell = cells.setdefault(tuple(row[name] for name in PLACE), {name: row[name] for name in PLACE})
        cell |= {f"{figure}_rate": row["value"], f"{figure}_low": row["low"], f"{figure}_high": row["high"]}
        cell |= {f"{figure}_status": row["status"], f"{figure}_reason": row["reason"]}
        cell |= {"n_judged": row["n"]} if figure == "judged" else {}
        cell |= {"ppi_method": row["method"]} if figure == "ppi" else {}
        if figure == "human":
            cell |= _facts(row)
    return pd.DataFrame(list(cells.values()))


def annotator_agreement(tables: Tables) -> Frame:
    """One row for each judge version, metric, group of people and slice."""
    found = []
    for row in _newest_of_versions(tables):
        if row["metric"] not in PEOPLE_METRICS:
            continue
        told = json.loads(row["details"])
        place = {**{name: row[name] for name in PLACE}, **_facts(row)}
        names = ", ".join(told["annotators"])
        found.append({**place, "metric": row["metric"], "annotators": names, **{name: row[name] for name in FIGURE}})
        for pair in told.get("pairs", []):
            names = f"{pair['first']}, {pair['second']}"
            found.append(
                {**place, "metric": "pair_kappa", "annotators": names, **{name: pair.get(name) for name in FIGURE}}
            )
    return pd.DataFrame(found)


def _newest_of_runs(tables: Tables) -> list[dict[str, Any]]:
    """Every row of the last evaluation of each run and judge version; one without labels counts, too."""
    return [row for rows in _evaluations(tables).values() for row in rows]


def _newest_of_versions(tables: Tables) -> list[dict[str, Any]]:
    """Every row of one evaluation a judge version: the last that could measure agreement, else the last."""
    chosen: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for (_, scorer, version), rows in _evaluations(tables).items():
        known = chosen.get((scorer, version))
        if known is None or _standing(rows) > _standing(known):
            chosen[scorer, version] = rows
    return [row for rows in chosen.values() for row in rows]


def _standing(rows: list[dict[str, Any]]) -> tuple[bool, Any]:
    measured = any(row["metric"] == "percent_agreement" and row["value"] is not None for row in rows)
    return measured, max(row["occurred_at"] for row in rows)


def _evaluations(tables: Tables) -> dict[tuple[str, str, str], list[dict[str, Any]]]:
    frame = tables["estimates"]
    frame = frame[
        frame.scorer.notna() & (frame.evaluation_id.isin(frame[frame.metric == "krippendorffs_alpha"].evaluation_id))
    ]
    newest: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for _, evaluation in frame.groupby("evaluation_id"):
        rows = [
            {name: None if _is_nothing(value) else value for name, value in row.items()}
            for row in evaluation.to_dict("records")
        ]
        key = (str(rows[0]["run_id"]), str(rows[0]["scorer"]), str(rows[0]["scorer_version"]))
        if key not in newest or _standing(rows)[1] > _standing(newest[key])[1]:
            newest[key] = rows
    return newest


def _facts(row: dict[str, Any]) -> dict[str, Any]:
    facts = json.loads(row["calibration"])
    drawn_on = date.fromisoformat(facts["drawn_on"]) if facts["drawn_on"] else None
    names = ("question_version", "sample_id", "design", "frame", "frame_size", "n_labels", "n_drawn")
    return {**{name: facts[name] for name in names}, "drawn_on": drawn_on, "n_annotators": len(facts["annotators"])}


def _counts(row: dict[str, Any]) -> dict[str, Any]:
    counts = json.loads(row["label_counts"])
    return {"n_passed_labels": counts["pass"], "n_failed_labels": counts["fail"]}


def _is_nothing(value: Any) -> bool:
    return not isinstance(value, str) and bool(pd.isna(value))
