"""What the marts must say of comparisons, gates and the gate split, computed with plain loops over the landing rows.

Belongs here: a second implementation that shares nothing with the SQL nor with `assay.evals`.
"""

from __future__ import annotations

import json
from collections import Counter
from datetime import date
from typing import Any

import pandas as pd

from tests.dbt.expected import Frame, Tables

COMPARED = ["task", "candidate_variant", "metric", "population", "slice", "is_pair", "other"]
LOOKS = ("golden@", "golden:gate@")


def comparisons(tables: Tables) -> Frame:
    """One row for each comparison of two variants."""
    frame = tables["comparisons"]
    frame = frame[frame.perturbation.isna()]
    is_pair = frame.family_size.notna()
    frame = frame.assign(is_pair=is_pair, other=frame.champion_variant.where(is_pair, ""))
    newest = {place: own.occurred_at.max() for place, own in frame.groupby(COMPARED)}
    return pd.DataFrame(
        [
            {
                **{"comparison_id": row.comparison_id, "compared_at": row.occurred_at, "difference": row.difference},
                **{"n_discordant": row.gains + row.losses, "discordance": (row.gains + row.losses) / row.n},
                **{"margin": row.margin, "needed": row.needed, "n_clusters": row.clusters, "status": row.status},
                "is_improvement_shown": bool(row.status != "inconclusive" and _low(row) > 0),
                "is_regression_shown": bool(row.status != "inconclusive" and _high(row) < 0),
                "is_latest": row.occurred_at == newest[tuple(getattr(row, name) for name in COMPARED)],
            }
            for row in frame.itertuples()
        ]
    )


def robustness(tables: Tables) -> Frame:
    """One row for each comparison of perturbed with original input."""
    frame = tables["comparisons"]
    frame = frame[frame.perturbation.notna()]
    places = ["task", "candidate_variant", "perturbation", "metric", "slice"]
    newest = {place: own.occurred_at.max() for place, own in frame.groupby(places)}
    return pd.DataFrame(
        [
            {
                **{"comparison_id": row.comparison_id, "perturbation": row.perturbation, "n_changed": row.n},
                **{
                    "n_unchanged": row.n_left_out,
                    "perturbed_run_id": row.candidate_run_id,
                    "variant": row.candidate_variant,
                },
                "is_drop_shown": bool(row.difference < 0 and row.adjusted_p <= 0.05),
                "is_latest": row.occurred_at == newest[tuple(getattr(row, name) for name in places)],
            }
            for row in frame.itertuples()
        ]
    )


def _low(row: Any) -> float:
    return row.simultaneous_low if row.is_pair else row.low


def _high(row: Any) -> float:
    return row.simultaneous_high if row.is_pair else row.high


def gates(tables: Tables) -> Frame:
    """One row for each decision, with the one before it of the same task."""
    rows = []
    for _, own in tables["gates"].sort_values("occurred_at").groupby("task"):
        before: Any = None
        for row in own.itertuples():
            rules = json.loads(row.rules)
            states = Counter(rule["state"] for rule in rules)
            rows.append(
                {
                    **{"gate_id": row.gate_id, "task": row.task, "decision": row.decision, "n_rules": len(rules)},
                    **{"n_passed": states["pass"], "n_failed": states["fail"], "n_waived": states["waived"]},
                    **{"n_inconclusive": states["inconclusive"], "n_reported": states["reported"]},
                    "n_expired_waivers": sum(bool(_is_expired(rule, row)) for rule in rules),
                    **{"is_blocking": row.is_blocking, "champion_variant": row.champion_variant},
                    "previous_gate_id": before and before.gate_id,
                    "previous_decision": before and before.decision,
                    "previous_decided_at": before and before.occurred_at,
                    "is_latest": row.gate_id == own.gate_id.iloc[-1],
                }
            )
            before = row
    return pd.DataFrame(rows)


def gate_rules(tables: Tables) -> Frame:
    """One row for each rule of each decision."""
    same = ("metric", "slice", "bar", "state", "reason", "value", "lower", "upper", "n", "method", "adjusted_p")
    return pd.DataFrame(
        [
            {
                **{"gate_id": row.gate_id, "rule_number": number, "rule_name": rule["name"], "rule_type": rule["type"]},
                **{name: rule[name] for name in same},
                **{"unwaived_state": rule["unwaived"], "evidence_ids": ", ".join(rule["estimate_ids"])},
                "waiver_owner": rule["waiver"] and rule["waiver"]["owner"],
                "waiver_expires_on": rule["waiver"] and date.fromisoformat(rule["waiver"]["expires"]),
                "is_waiver_expired": _is_expired(rule, row),
            }
            for row in tables["gates"].itertuples()
            for number, rule in enumerate(json.loads(row.rules), start=1)
        ]
    )


def _is_expired(rule: Any, gate: Any) -> bool | None:
    if rule["waiver"] is None:
        return None
    return bool(date.fromisoformat(rule["waiver"]["expires"]) < gate.occurred_at.date())


def gate_split_uses(tables: Tables) -> Frame:
    """One row for each golden set with gate cases: who has asked just these, under whatever version."""
    splits: dict[tuple[str, str], list[tuple[str, ...]]] = {}
    for case in tables["golden_cases"].query("split == 'gate'").sort_values("case_id").itertuples():
        content = (case.case_id, case.input, str(case.expected))
        splits.setdefault((case.task, case.golden_set_version), []).append(content)
    looks = {place: _looks(place, splits, tables["runs"]) for place in splits}
    last = {place: max((run.run_finished_at for run in found), default=None) for place, found in looks.items()}
    return pd.DataFrame(
        [
            {
                **{"task": place[0], "golden_set_version": place[1], "n_gate_cases": len(cases)},
                "n_runs": len(looks[place]),
                "n_inference_versions": len({run.inference_version for run in looks[place]}),
                "first_asked_at": min((run.run_finished_at for run in looks[place]), default=None),
                "last_asked_at": last[place],
                "is_latest": last[place] is not None
                and last[place] == max(at for other, at in last.items() if at is not None and other[0] == place[0]),
            }
            for place, cases in splits.items()
        ]
    )


def _looks(place: tuple[str, str], splits: dict[tuple[str, str], Any], runs: Frame) -> list[Any]:
    same = [version for (task, version), cases in splits.items() if task == place[0] and cases == splits[place]]
    return [
        run
        for run in runs.itertuples()
        if run.task == place[0]
        and run.golden_set_version in same
        and run.run_status == "completed"
        and str(run.input_source).startswith(LOOKS)
    ]
