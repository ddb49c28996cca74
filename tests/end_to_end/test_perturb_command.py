"""`assay eval --perturb` on the command line: kinds, output, and how it goes on after Ctrl-C."""

from __future__ import annotations

import json
import signal

import pytest

from tests.end_to_end.workplace import Workplace, until
from tests.evaluation.test_robustness import LABEL_RIGHT, PROMPT, failing_in_capitals, labeled
from tests.fakes.model_endpoint import Asked, ModelEndpoint, Reaction

FLOOR = {"gate": {"rules": [{"name": "floor", "type": "lower_bound", "at_least": 0.5}]}}


@pytest.fixture(autouse=True)
def _failing(model: ModelEndpoint) -> None:
    model.react = failing_in_capitals


def robust(place: Workplace, name: str, count: int) -> str:
    return place.task(name, cases=labeled(count), prompt=PROMPT, checks=[LABEL_RIGHT], correct=["label_right"], **FLOOR)


def test_the_table_shows_the_kinds_largest_drop_first(place: Workplace, name: str) -> None:
    done = place.command("eval", robust(place, name, 200), "--perturb", "typos,case", timeout_s=120, COLUMNS="220")

    assert done.returncode == 0, done.stderr
    assert "typos: changes 200 of 200 records" in done.stderr
    shown = done.stdout[done.stdout.index("Robustness: the candidate") :]
    assert shown.index("case") < shown.index("typos")


def test_without_a_value_all_kinds_are_measured(place: Workplace, name: str) -> None:
    done = place.command("eval", robust(place, name, 12), "--perturb", "--format", "json", timeout_s=120)

    found = json.loads(done.stdout)["robustness"]
    assert sorted(one["kind"] for one in found) == [
        "case", "injection", "markup", "mixed_language", "truncation", "typos", "whitespace"
    ]  # fmt: skip


def test_an_unknown_kind_is_refused_with_the_known_ones(place: Workplace, name: str) -> None:
    done = place.command("eval", robust(place, name, 12), "--perturb", "typo", timeout_s=60)

    assert done.returncode == 3
    assert "--perturb: unknown kind 'typo'; expected a comma-separated list of typos, case," in done.stderr


def test_after_ctrl_c_repeating_the_command_calls_only_for_the_rest(
    place: Workplace, name: str, model: ModelEndpoint
) -> None:
    task = robust(place, name, 40)
    place.command("eval", task, timeout_s=120)

    def slowly(asked: Asked) -> Reaction:
        found = failing_in_capitals(asked)
        return Reaction(text=found.text, delay_s=0.2)

    model.react = slowly
    process = place.start("eval", task, "--perturb", "typos,markup")
    until(lambda: model.count >= 50)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "repeat the command to resume" in errors

    model.react = failing_in_capitals
    done = place.command("eval", task, "--perturb", "typos,markup", "--format", "json", timeout_s=120)

    assert done.returncode == 0, done.stderr
    assert [one["n_changed"] for one in json.loads(done.stdout)["robustness"]] == [40, 40]
    assert model.count == 3 * 40
