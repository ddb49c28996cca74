"""Runs on perturbed cases leave every figure about other runs as it was, in the marts, the report and the label queue."""

from __future__ import annotations

import json
from typing import Any

import pytest

from assay.report.blocks.run import RunBlock
from assay.report.scorecard import LATEST_WHOLE, ReportedRun, read_scorecard
from assay.warehouse.marts import last_lines, run_dbt
from tests.end_to_end.workplace import Workplace
from tests.evaluation.test_robustness import LABEL_RIGHT, PROMPT, failing_in_capitals, labeled, rule
from tests.fakes.model_endpoint import ModelEndpoint
from tests.paths import ROOT

VIEWS = (
    "rpt_reliability",
    "rpt_reliability_daily",
    "rpt_scores",
    "rpt_gate_split_uses",
    "rpt_flaky_records",
    "rpt_comparisons",
)
FACTS = ("fct_predictions", "fct_scores")
SECONDS = 900


def shown_run(place: Workplace, task: str, selected: ReportedRun) -> str:
    """The id of the run that the scorecard shows."""
    return str(read_scorecard(place.warehouse(), task, selected).of(RunBlock).run["run_id"])


@pytest.fixture(autouse=True)
def _failing(model: ModelEndpoint) -> None:
    model.react = failing_in_capitals


def build(place: Workplace, *models: str) -> None:
    """Builds the models, without the tests of the data."""
    settings = place.settings()
    done = run_dbt(settings, "run", "--select", *models, target=settings.state_dir / "dbt", timeout_s=SECONDS)
    assert done.returncode == 0, last_lines(done)


def figures(place: Workplace, task: str) -> dict[str, list[str]]:
    """The rows of the reporting views about the task."""
    return {name: rows_of(place, name, task) for name in VIEWS}


def rows_of(place: Workplace, name: str, task: str) -> list[str]:
    rows: list[dict[str, Any]] = place.query(
        f"select to_json_string(t) as content from dev_reporting.{name} as t where task = @task", task=task
    )
    return sorted(row["content"] for row in rows)


def test_figures_are_equal_before_and_after(place: Workplace, name: str) -> None:
    task = place.task(
        name, cases=labeled(60), prompt=PROMPT, checks=[LABEL_RIGHT], correct=["label_right"],
        gate={"rules": [rule("case", margin=0.5)]},
    )  # fmt: skip
    (place.root / "dbt_project").symlink_to(ROOT / "dbt_project")
    place.command("eval", task, timeout_s=120)
    run_id = shown_run(place, task, LATEST_WHOLE)
    build(place, *(f"+{view}" for view in (*VIEWS, "rpt_robustness", "rpt_runs")))
    before = figures(place, task)

    done = place.command("eval", task, "--perturb", "typos,case", "--gate", "--format", "json", timeout_s=120)
    build(place, *FACTS)

    assert done.returncode == 0, done.stderr
    assert figures(place, task) == before
    assert all(
        before[view] for view in ("rpt_reliability", "rpt_reliability_daily", "rpt_scores", "rpt_gate_split_uses")
    )
    assert shown_run(place, task, LATEST_WHOLE) == run_id
    robustness = [json.loads(row) for row in rows_of(place, "rpt_robustness", task)]
    assert {row["perturbation"]: (row["n_changed"], row["is_latest"]) for row in robustness} == {
        "typos": (60, True),
        "case": (60, True),
    }
    perturbed = [row["perturbed_run_id"] for row in robustness]
    runs = [json.loads(row) for row in rows_of(place, "rpt_runs", task)]
    reasons = {row["run_id"]: row["partial_reason"] for row in runs}
    assert reasons == {run_id: None, **dict.fromkeys(perturbed, "perturbed")}
    assert shown_run(place, task, ReportedRun(run_id=perturbed[0])) == perturbed[0]


def test_the_label_queue_and_the_list_of_runs_know_them(place: Workplace, name: str) -> None:
    task = place.task(name, cases=labeled(20), prompt=PROMPT, checks=[LABEL_RIGHT], correct=["label_right"])
    place.command("eval", task, "--perturb", "typos", timeout_s=120)

    filled = place.command("review", task, "--fill", "triage", "--size", "5", "--format", "json", timeout_s=120)
    assert filled.returncode == 0, filled.stderr
    queued = place.query("select distinct run_id from annotations_queue where task = @task", task=task)
    listed = json.loads(place.command("runs", task, "--format", "json", timeout_s=60).stdout)
    assert {run["purpose"]: (run["is_whole"], run["partial_reason"]) for run in listed} == {
        "eval": (True, None),
        "perturb": (False, "perturbed"),
    }
    assert [row["run_id"] for row in queued] == [run["run_id"] for run in listed if run["is_whole"]]
