"""What lands later: facts take it up incrementally as a rebuild would, and the ledger notices what is lost."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import pandas as pd
import pytest

from tests.dbt.conftest import SEED, Built
from tests.dbt.landing import append
from tests.dbt.project import ENV
from tests.dbt.scenario import landing_rows

Facts = dict[str, pd.DataFrame]
OF_RUNS = ("rpt_cost_per_correct", "rpt_caching", "rpt_latency", "rpt_routing", "rpt_run_reliability", "rpt_run_scores")
"""Views that join facts to runs, which are live."""
FACTS = ("marts.fct_predictions", "marts.fct_scores", "marts.fct_responses")


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """Facts merged and made anew, what tests say of them, and the runs that views show before and after."""

    merged: Facts
    fresh: Facts
    checked: str
    shown_before: dict[str, set[str]]
    shown_after: dict[str, set[str]]


@pytest.fixture(scope="module")
def rebuilt(built: Built) -> Rebuilt:
    """Facts after a crashed run of the first day is found completed and another has begun: merged, then rebuilt."""
    finished = next(row for row in landing_rows(SEED)["runs"] if row["run_id"] == "r06" and row["event"] == "finished")
    late = finished | {
        "status": "completed",
        "landed_at": finished["landed_at"] + timedelta(days=40),  # after all that the facts hold
        "row_hash": "late",
    }
    begun = late | {"run_id": "begun", "event": "started", "status": "running", "row_hash": "begun"}
    append(built.endpoints, {"runs": [late, begun]}, env=ENV)
    before = _shown(built)
    built.project.succeed("run", "--select", "config.materialized:incremental")
    merged, after = {fact: built.frame(fact) for fact in FACTS}, _shown(built)
    built.project.succeed("run", "--full-refresh", "--select", "config.materialized:incremental")
    checked = built.project.run("test", "--select", "assert_completed_runs_are_complete")
    return Rebuilt(merged, {fact: built.frame(fact) for fact in FACTS}, checked.stdout, before, after)


def _shown(built: Built) -> dict[str, set[str]]:
    return {view: set(built.frame(f"reporting.{view}").run_id) for view in OF_RUNS}


@pytest.mark.parametrize("view", OF_RUNS)
def test_a_view_has_no_row_of_a_run_whose_facts_are_older_than_the_run(rebuilt: Rebuilt, view: str) -> None:
    before, after = rebuilt.shown_before[view], rebuilt.shown_after[view]
    assert before and not before & {"r06", "begun"}
    assert after == before | {"r06"}


@pytest.mark.parametrize("fact", FACTS)
def test_merging_what_landed_later_equals_a_rebuild(rebuilt: Rebuilt, fact: str) -> None:
    merged, fresh = rebuilt.merged, rebuilt.fresh
    key = fresh[fact].columns[0]
    pd.testing.assert_frame_equal(
        merged[fact].sort_values(key, ignore_index=True), fresh[fact].sort_values(key, ignore_index=True)
    )


def test_a_run_that_is_now_complete_displaces_the_older_one(
    rebuilt: Rebuilt,
) -> None:
    frame = rebuilt.merged["marts.fct_predictions"].set_index("run_id")
    assert frame.loc["r06"].is_current.all()
    assert 0 < frame.loc["r05"].is_current.sum() < len(frame.loc["r05"])


def test_a_completed_run_that_lacks_predictions_fails_the_ledger(
    rebuilt: Rebuilt,
) -> None:
    assert "FAIL 1 assert_completed_runs_are_complete" in rebuilt.checked
