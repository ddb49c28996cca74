"""An evaluation as tables, as Markdown for a pull request, and as JSON values."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from assay.evaluation.evaluation import Evaluation, rule_content
from assay.evaluation.evidence import RuleEvidence
from assay.evaluation.render import as_values, facts, markdown, table_notes, tables
from assay.evaluation.verdict import GateOutcome
from assay.formatting.markdown import escaped
from assay.records.statuses import RuleKind, RuleState
from assay.report.blocks.gate import gate_rule_rows
from assay.tasks.gate_rule import GateRule
from tests.evaluation.scenario import FLOOR, NOT_WORSE, cases, evaluated, evaluated_task, obeying
from tests.fakes.model_endpoint import ModelEndpoint
from tests.runs.bench import Bench


def slices(number: int) -> dict[str, str]:
    """Two large slices and a rare one."""
    return {"channel": "phone" if number % 2 else "web", **({"rare": "yes"} if number < 3 else {})}


@pytest.fixture
def found(bench: Bench, name: str, model: ModelEndpoint) -> Evaluation:
    model.react = obeying
    task = evaluated_task(
        bench.place, name, cases(60, slices=slices), rules=[FLOOR, {**NOT_WORSE, "slice": "channel=phone"}],
        variants={"worse": 40}, stage="beta",
    )  # fmt: skip
    return evaluated(bench, task, candidate="worse", champion="default", is_gate=True)


def outcome(kind: RuleKind, **fields: Any) -> GateOutcome:
    rule = GateRule(name="r", kind=kind, **{"metric": "reliability", "threshold": 0.8, **fields})
    known = RuleEvidence(value=0.5, lower=0.25, upper=0.75, n=1234)
    return GateOutcome(
        rule=rule, evidence=known, state=RuleState.INCONCLUSIVE, unwaived=RuleState.INCONCLUSIVE, reason="why | not"
    )


def test_people_read_the_decision_first_with_what_was_compared(found: Evaluation) -> None:
    shown = dict(facts(found))

    assert shown["decision"] == "FAIL: not met: floor, not_worse"
    assert shown["candidate"].startswith("worse (inference version ") and found.candidate.run_id in shown["candidate"]
    assert shown["population"] == "golden:gate, 60 records"
    assert shown["stage"] == "beta; an inconclusive decision blocks"
    assert shown["gate split"] == "used 2 times, by 2 versions, since it last changed"
    assert shown["recorded"] == f"gate {found.gate_id}, blocks"


def test_small_slices_without_a_rule_are_landed_but_not_shown(found: Evaluation) -> None:
    comparisons = {title: rows for title, _, rows in tables(found)}["Candidate against champion, on the same records"]

    shown = {row[1] for row in comparisons}
    assert shown == {"overall", "channel=phone", "channel=web"}
    left = [one for one in found.compared if (one.metric, one.slice) not in {(row[0], row[1]) for row in comparisons}]
    small = sum(one.comparison.n < 20 for one in left)
    notes = list(table_notes(found))
    assert 0 < small < len(left) == len(found.compared) - len(comparisons)
    assert notes[0] == (
        f"landed in comparisons, but not in the table: {small} of slices with fewer than 20 records, "
        f"{len(left) - small} of single scorers in slices"
    )
    assert f"among {len(comparisons)} comparisons of equal variants" in notes[1]
    assert all(f"{escaped(note[0].upper() + note[1:])}." in markdown(found) for note in notes)


def test_a_test_and_an_interval_that_disagree_are_explained(found: Evaluation) -> None:
    (first, *_) = found.compared
    crossing = replace(first.comparison, p_value=0.039, low=-0.01, high=0.2, method="cr2_t")
    changed = replace(found, compared=(replace(first, comparison=crossing),))

    assert [note for note in table_notes(changed) if "p = 0.039" in note and "the interval contains 0" in note]
    assert not [note for note in table_notes(found) if "may disagree" in note]


@pytest.mark.parametrize(
    ("kind", "fields", "requirement", "value"),
    [
        (RuleKind.LOWER_BOUND, {"slice": "k=x"}, "reliability in k=x at least 80.0%", "50.0%"),
        (RuleKind.NO_REGRESSION, {"threshold": 0.05}, "reliability at most 5 points below the champion", "+50.0 points"),
        (RuleKind.COST_PER_CORRECT, {}, "cost per correct prediction at most $0.800000", "$0.500000"),
        (RuleKind.LATENCY, {}, "80.0% of predictions within the SLA", "50.0%"),
        (RuleKind.JUDGE_CALIBRATED, {"metric": "safe", "n_min": 100}, "κ of judge safe at least 0.8 on 100 labels", "0.5"),
        (RuleKind.GOLDEN_CASES, {"threshold": 100, "covering": ("k=x",), "n_min": 10}, "at least 100 cases, 10 in each of k=x", "0.5"),
    ],
)  # fmt: skip
def test_each_kind_of_rule_is_shown_in_its_unit(
    found: Evaluation, kind: RuleKind, fields: dict[str, Any], requirement: str, value: str
) -> None:
    shown = replace(found, verdict=replace(found.verdict, outcomes=(outcome(kind, **fields),)))

    row = next(tables(shown))[2][0]

    assert (row[1], row[2], row[4], row[5]) == (requirement, value, "1,234", "inconclusive")


@pytest.mark.parametrize(("kind", "threshold"), [*((kind, 0.25) for kind in RuleKind)])
@pytest.mark.parametrize("slice_name", ["overall", "k=x"])
def test_evaluation_and_scorecard_show_a_rule_in_the_same_words(
    found: Evaluation, kind: RuleKind, threshold: float, slice_name: str
) -> None:
    decided = outcome(kind, threshold=threshold, slice=slice_name, n_min=1)
    content = rule_content(decided)
    mart = {**content, "rule_name": content["name"], "rule_type": content["type"]}

    evaluated_row = next(tables(replace(found, verdict=replace(found.verdict, outcomes=(decided,)))))[2][0]

    assert gate_rule_rows([mart])[0][1:] == (evaluated_row[1].removesuffix(" on 1 labels"), *evaluated_row[2:])


def test_a_pipe_in_a_text_stays_in_its_cell(found: Evaluation) -> None:
    shown = replace(found, verdict=replace(found.verdict, outcomes=(outcome(RuleKind.LATENCY),)))

    assert "| why \\| not |" in markdown(shown)


def test_machines_get_every_rule_and_every_comparison(found: Evaluation) -> None:
    values = json.loads(json.dumps(as_values(found), allow_nan=False))

    assert (values["decision"], values["blocks"], values["gate_id"]) == ("FAIL", True, found.gate_id)
    assert [rule["name"] for rule in values["rules"]] == ["floor", "not_worse"]
    assert len(values["comparisons"]) == len(found.compared)
    assert values["gate_split"] == {"runs": 2, "inference_versions": 2}


def test_figures_that_are_not_finite_are_null_where_json_has_no_word_for_them() -> None:
    endless = outcome(RuleKind.COST_PER_CORRECT)
    assert endless.evidence is not None

    found = rule_content(replace(endless, evidence=replace(endless.evidence, upper=float("inf"))))

    assert (found["upper"], found["lower"]) == (None, 0.25)
