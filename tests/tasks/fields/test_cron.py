from __future__ import annotations

import pytest

from assay.tasks.fields.cron import cron_issue

RIGHT = [
    "0 6 * * *", "*/15 * * * *", "0 6-18/2 * * 1-5", "0,30 6 * * mon-fri", "0 0 1 jan,JUL *", "5/10 * * * *",
    "59 23 31 12 7", "0 0 29 2 *", "00 06 * * *",
]  # fmt: skip
WRONG = [
    "", "* * * *", "* * * * * *", "60 * * * *", "0 24 * * *", "0 0 0 * *", "0 0 32 * *", "0 0 * 13 *", "0 0 * * 8",
    "a b c d e", "*/0 * * * *", "5-1 * * * *", "1,,2 * * * *", "-1 * * * *", "1- * * * *", "0 0 30 2 *", "0 0 31 4,6 *", "0 0 31 2 1",
    "@daily", "0 0 * * mondays", "² * * * *", "0 0 L * *", "0 0 lw * *", "0 0 * * 5L", "0 0 * * 1#2", "0 0 * * 1#2/0",
    "5" * 5000 + " * * * *",
]  # fmt: skip


@pytest.mark.parametrize("text", RIGHT)
def test_a_right_expression_has_no_issue(text: str) -> None:
    assert cron_issue(text) is None


@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_expression_says_what_was_expected(text: str) -> None:
    assert (cron_issue(text) or "").startswith("expected ")


def test_a_wrong_field_is_named() -> None:
    assert cron_issue("0 26 * * *") == "expected hour from 0 to 23, as in 5, 1-5, */2 or 1,3, not '26'"


@pytest.mark.parametrize("text", RIGHT)
def test_the_scheduler_takes_every_right_expression(text: str) -> None:
    from dagster import ScheduleDefinition

    assert ScheduleDefinition(name="s", cron_schedule=text, job_name="j").cron_schedule == text


@pytest.mark.parametrize("text", ["0 0 31 4 1", "0 0 31 2 1"])
def test_a_day_that_never_comes_beside_a_weekday_says_what_to_write(text: str) -> None:
    assert (cron_issue(text) or "").endswith("; to run on the weekday alone, write * for the day")
