"""What lands later: facts take it up incrementally as a rebuild would, and the ledger notices what is lost."""

from __future__ import annotations

from datetime import timedelta

import pandas as pd
import pytest

from tests.dbt.conftest import SEED, Built
from tests.dbt.landing import append
from tests.dbt.project import ENV
from tests.dbt.scenario import landing_rows

Facts = dict[str, pd.DataFrame]
FACTS = ("marts.fct_predictions", "marts.fct_scores", "marts.fct_responses")


@pytest.fixture(scope="module")
def rebuilt(built: Built) -> tuple[Facts, Facts, str]:
    """Facts after a crashed run of the first day is found completed: merged, then rebuilt; and what tests say."""
    finished = next(row for row in landing_rows(SEED)["runs"] if row["run_id"] == "r06" and row["event"] == "finished")
    late = finished | {
        "status": "completed",
        "landed_at": finished["landed_at"] + timedelta(days=40),  # after all that the facts hold
        "row_hash": "late",
    }
    append(built.endpoints, {"runs": [late]}, env=ENV)
    built.project.succeed("run", "--select", "config.materialized:incremental")
    merged = {fact: built.frame(fact) for fact in FACTS}
    built.project.succeed("run", "--full-refresh", "--select", "config.materialized:incremental")
    checked = built.project.run("test", "--select", "assert_completed_runs_are_complete")
    return merged, {fact: built.frame(fact) for fact in FACTS}, checked.stdout


@pytest.mark.parametrize("fact", FACTS)
def test_merging_what_landed_later_equals_a_rebuild(rebuilt: tuple[Facts, Facts, str], fact: str) -> None:
    merged, fresh, _ = rebuilt
    key = fresh[fact].columns[0]
    pd.testing.assert_frame_equal(
        merged[fact].sort_values(key, ignore_index=True), fresh[fact].sort_values(key, ignore_index=True)
    )


def test_a_run_that_is_now_complete_displaces_the_older_one(
    rebuilt: tuple[Facts, Facts, str],
) -> None:
    merged, _, _ = rebuilt
    frame = merged["marts.fct_predictions"].set_index("run_id")
    assert frame.loc["r06"].is_current.all()
    assert 0 < frame.loc["r05"].is_current.sum() < len(frame.loc["r05"])


def test_a_completed_run_that_lacks_predictions_fails_the_ledger(
    rebuilt: tuple[Facts, Facts, str],
) -> None:
    assert "FAIL 1 assert_completed_runs_are_complete" in rebuilt[2]
