"""Landing rows of judges that were calibrated: again with more labels, in several runs, and with none.

Belongs here: making rows. What marts make of them is computed in `calibration_expected.py`.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import combinations
from typing import Any

import orjson

from tests.dbt.scenario import START, PlannedRun, Row, common, with_duplicates

PEOPLE = ("ana", "ben", "cleo")
SLICES = ("overall", "lang=fr")
RATES = (("judged_rate", "wilson"), ("human_rate", "wilson"), ("corrected_rate", "ppi_mover_jeffreys"))
AGREEMENT = ("cohens_kappa", "gwets_ac1", "percent_agreement", "sensitivity", "specificity", "length_bias")
AMONG = ("krippendorffs_alpha", "annotator_agreement", "annotator_kappa")
STATUSES = ("ok", "warning", "too_few", "inconclusive")


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibrated:
    """One evaluation of a judge in a run, `hours` after the scenario's start; of nobody's labels if `people` is 0."""

    evaluation: str
    run_id: str
    version: str = "v1"
    judge: str = "polite"
    hours: int = 0
    people: int = 2
    design: str = "random"


EVALUATIONS = (
    Calibrated(evaluation="c1", run_id="k01"),
    Calibrated(evaluation="c2", run_id="k01", hours=5, people=3),
    Calibrated(evaluation="c3", run_id="k02", hours=2),
    Calibrated(evaluation="c4", run_id="k03", hours=9, people=0, design="none"),
    Calibrated(evaluation="c5", run_id="k03", hours=9, version="v2", people=1, design="stratified"),
    Calibrated(evaluation="c6", run_id="k02", hours=1, judge="safe", people=0, design="triage"),
)


def calibration_rows(seed: int) -> dict[str, list[Row]]:
    """Rows of `estimates`, duplicates among them, and an estimate of a gate that is no calibration."""
    rng = random.Random(f"{seed}/calibration")
    rows = [row for one in EVALUATIONS for row in _rows(one, rng)]
    gate = {**rows[0], "estimate_id": "gate/judged_rate", "evaluation_id": "gate"}
    return {"estimates": with_duplicates("estimates", [*rows, gate], rng)}


def _rows(one: Calibrated, rng: random.Random) -> Iterator[Row]:
    for name in SLICES:
        for metric, method in (
            *RATES,
            ("corrected_rate", "rogan_gladen"),
            *((metric, "m") for metric in (*AGREEMENT, *AMONG)),
        ):
            yield _row(one, rng, metric=metric, name=name, method=method)


def _row(one: Calibrated, rng: random.Random, *, metric: str, name: str, method: str) -> Row:
    run = PlannedRun(run_id=one.run_id, task="judged", size=0)
    is_told = (
        metric == "judged_rate"
        or (one.people > 0 and rng.random() < 0.85)
        or (metric == "percent_agreement" and one.people > 0)
    )
    value = round(rng.random(), 6)
    passed = rng.randint(0, 50)
    facts = {
        **{"question_version": "q1", "n_labels": 50 if one.people else 0, "annotators": PEOPLE[: one.people]},
        **{"sample_id": f"{one.run_id}/sample", "design": one.design, "frame": "answers", "frame_size": 400},
        **{"drawn_on": "2026-03-01" if one.people else None, "n_drawn": 60},
    }
    about_people = metric != "judged_rate"
    return common(run, START + timedelta(hours=one.hours), f"{one.evaluation}/{metric}/{name}/{method}") | {
        **{"estimate_id": f"{one.evaluation}/{metric}/{name}/{method}", "evaluation_id": one.evaluation},
        **{"metric": metric, "population": "input", "slice": name, "method": method, "level": 0.95},
        **{"value": value if is_told else None, "low": value / 2 if is_told else None, "high": (1 + value) / 2 if is_told else None},
        **{"n": rng.randint(1, 400), "clusters": 7, "effective_n": 6.5, "status": rng.choice(STATUSES) if is_told else "none"},
        **{"reason": None if is_told else "no human labels", "code_version": "1", "inference_version": "i1"},
        **{"golden_set_version": "g1", "policy_version": "p1", "scorer": one.judge, "scorer_version": one.version},
        "calibration": orjson.dumps(facts).decode() if about_people else None,
        "label_counts": orjson.dumps({"pass": passed, "fail": 50 - passed}).decode() if about_people else None,
        "details": orjson.dumps(_details(one, rng, metric=metric)).decode() if metric in AMONG else None,
    }  # fmt: skip


def _details(one: Calibrated, rng: random.Random, *, metric: str) -> dict[str, Any]:
    people = PEOPLE[: one.people]
    told = {"annotators": people}
    if metric != "annotator_kappa" or one.people < 2:
        return told
    pairs = [
        {"first": first, "second": second, "value": rng.random(), "low": 0.1, "high": None, "method": "m", "n": 3, "status": "ok"}
        for first, second in combinations(people, 2)
    ]  # fmt: skip
    return {**told, "pairs": pairs}
