"""The costs of a run are the same in every command, and those of its calls."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from tests.end_to_end.stage import endpoints, model, name, place
from tests.end_to_end.workplace import Workplace, numbered_rows
from tests.fakes.model_endpoint import ModelEndpoint
from tests.scoring.judges.scenario import SAFE, judged_by, judging, says

__all__ = ["endpoints", "model", "name", "place"]
COSTS = ("cost_usd", "judge_cost_usd", "total_cost_usd")


@pytest.fixture
def judged(place: Workplace, model: ModelEndpoint, name: str) -> str:
    """A task with a run that a judge scored."""
    model.react = judged_by(says("pass"))
    place.rows("in.csv", numbered_rows(6))
    judging(place, name, SAFE)
    place.run(name, "--input", "in.csv")
    return name


def test_every_command_states_the_costs_of_the_landed_calls(place: Workplace, judged: str) -> None:
    calls = place.query("select distinct call_id, purpose, cost_usd from responses where task = @task", task=judged)
    inference, judges = (
        sum((row["cost_usd"] for row in calls if (row["purpose"] == "judge") is is_judge), Decimal(0))
        for is_judge in (False, True)
    )
    expected = [inference, judges, inference + judges]
    assert min(expected) > 0

    [listed] = json.loads(place.command("runs", judged, "--format", "json").stdout)
    card = json.loads(place.command("report", judged, "--format", "json").stdout)
    resumed = json.loads(place.command("run", judged, "--resume", listed["run_id"], "--format", "json").stdout)
    for shown in (listed, card["run"], resumed):
        assert [Decimal(str(shown[column])) for column in COSTS] == expected
    assert (listed["calls"], listed["judge_calls"]) == (card["run"]["calls"], 6)


def test_every_format_shows_the_same_costs_by_name(place: Workplace, judged: str) -> None:
    run: dict[str, Any] = json.loads(place.command("report", judged, "--format", "json").stdout)["run"]
    total = f"${float(run['total_cost_usd']):.6f}"

    place.command("report", judged, "--html", "card.html")
    pages = [
        place.command("report", judged).stdout,
        place.command("report", judged, "--format", "markdown").stdout,
        (place.root / "card.html").read_text("utf-8"),
    ]
    for page in pages:
        assert all(word in page for word in ("inference cost", "judge cost", "total cost", total))
    listed = " ".join(place.command("runs", judged).stdout.split())
    assert "total" in listed and total in "".join(listed.split())
    interval = run["cost_per_correct_interval"]
    assert interval["value"] == pytest.approx(float(run["cost_per_correct_usd"]))
    assert (interval["low"], interval["high"]) == (None, None)
    assert "all costs are the same" in interval["reason"]
