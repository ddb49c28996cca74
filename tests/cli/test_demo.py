"""The demo shows the progress of its long steps, in the words that Dagster and dbt log today."""

from __future__ import annotations

from assay.demo import DemoProgress
from orchestration.progress import answering

PREFIX = "2026-11-30 17:55:00 +0000 - dagster - INFO - __ASSET_JOB - 9e42 - support_triage__shard[0_of_1] - "


def shown_of(*lines: str, clock: float = 0.0) -> list[str]:
    shown: list[str] = []
    progress = DemoProgress(shown.append, clock=lambda: clock)
    for line in lines:
        progress.line(line)
    return shown


def test_what_a_step_logs_about_its_predictions_is_shown() -> None:
    logged: list[str] = []
    with answering(lambda text: logged.append(f"{PREFIX}{text}"), total=188, every_s=60):
        pass

    assert [line.split(" · ")[0] for line in shown_of(*"\n".join(logged).splitlines())] == ["predictions: 0 of 188"]


def test_models_and_tests_are_counted_as_they_finish_and_the_last_is_always_shown() -> None:
    lines = [
        "1 of 3 START sql view model dev_staging.stg_landing__batches ....... [RUN]",
        "1 of 3 OK created sql view model dev_staging.stg_landing__batches .. [CREATE VIEW (0 processed) in 0.42s]",
        "2 of 3 PASS unique_fct_scores_score_id ............................. [PASS in 1.04s]",
        "3 of 3 PASS unique_key_rpt_failures_run_id__status ................. [PASS in 1.28s]",
    ]

    assert shown_of(*lines) == ["models and tests: 3 of 3 finished"]
    assert shown_of(*lines[:2], clock=10.0) == ["models and tests: 1 of 3 finished"]


def test_a_model_that_fails_is_named() -> None:
    line = "2 of 2 ERROR creating sql view model dev_reporting.rpt_gates ....... [ERROR in 0.1s]"

    assert shown_of(line)[0] == "ERROR creating sql view model dev_reporting.rpt_gates"
