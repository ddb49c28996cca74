"""`assay eval` on adopted variants: found by name, never run, compared only for equal records."""

from __future__ import annotations

import json
from decimal import Decimal
from functools import partial

import pytest

from assay.adoption.variants import adopted_variants
from assay.errors import UsageError
from assay.evaluation.render import facts
from assay.records.statuses import RuleDecision
from assay.report.blocks.run import RunBlock
from assay.report.scorecard import ReportedRun, read_scorecard
from tests.adoption.scenario import adopted, label_task, labelled_rows, lines
from tests.end_to_end.workplace import Workplace
from tests.evaluation.scenario import FLOOR, NOT_WORSE, evaluated
from tests.evaluation.variants.test_evaluate import compared as compared_variants
from tests.fakes.model_endpoint import ModelEndpoint, Reaction
from tests.runs.bench import Bench

GATE = {"rules": [FLOOR, NOT_WORSE]}


def wrong_every(share: int, number: int) -> str:
    """The right label, but the wrong one for every `share`th row."""
    right = number % 2
    return "ab"[1 - right if number % share == 0 else right]


def cases(count: int) -> list[dict[str, object]]:
    """Golden cases whose labels alternate like those of `labelled_rows`."""
    return [
        {"case_id": row["id"], "split": "gate", "input": {"text": row["text"]}, "expected": {"label": row["gold"]}}
        for row in labelled_rows(count)
    ]


def test_two_adopted_variants_are_compared_record_by_record_without_a_call(
    bench: Bench, place: Workplace, name: str, model: ModelEndpoint
) -> None:
    label_task(place, name, gate=GATE)
    rows = labelled_rows(120, good=lambda n: wrong_every(60, n), bad=lambda n: wrong_every(4, n))
    file = lines(place, "in.jsonl", rows)
    adopted(bench, name, "good", "bad", input=file)

    found = evaluated(bench, name, candidate="bad", champion="@adopted:good", input=file)

    overall = found.compared[0].comparison
    # 120 records: `bad` is wrong in 30 (every 4th), `good` in 2 of those (0 and 60).
    assert (overall.n, overall.gains, overall.losses) == (120, 0, 28)
    assert overall.difference == pytest.approx(-28 / 120)
    assert found.verdict.decision == RuleDecision.FAIL
    assert all("adopted: its predictions were made outside Assay" in text for name, text in facts(found)[1:3])
    assert model.asked == []
    assert [variant.name for variant in adopted_variants(place.warehouse(), name)] == ["bad", "good"]


def test_all_adopted_variants_are_ranked_in_one_command_without_a_call(
    bench: Bench, place: Workplace, name: str, model: ModelEndpoint
) -> None:
    label_task(place, name)
    columns = {"right": 121, "good": 60, "bad": 4}
    rows = labelled_rows(120, **{column: partial(wrong_every, share) for column, share in columns.items()})
    file = lines(place, "in.jsonl", rows)
    adopted(bench, name, *columns, input=file)

    found = compared_variants(bench, name, "adopted", input=file)

    assert sorted(side.task.variant for side in found.variants.variants) == ["bad", "good", "right"]
    assert [one.side.label for one in found.ranking.variants] == ["right", "good", "bad"]
    assert len(found.reliability.pairs) == 3
    assert model.asked == []


def test_an_adopted_candidate_is_compared_with_a_called_champion_on_golden_cases(
    bench: Bench, place: Workplace, name: str, model: ModelEndpoint
) -> None:
    label_task(place, name, gate=GATE, cases=cases(40), prompt="{{ text }}")
    model.react = lambda _: Reaction(text=json.dumps({"label": "a"}))
    rows = [{"id": row["id"], "vendor": row["gold"], "usd": 0.01} for row in labelled_rows(40)]
    adopted(bench, name, "vendor", input=lines(place, "in.jsonl", rows), golden="gate", stated={"cost_usd": "usd"})

    found = evaluated(bench, name, candidate="vendor", champion="default")

    overall = found.compared[0].comparison
    assert (overall.n, overall.gains, overall.losses) == (40, 20, 0)
    assert found.candidate.outcomes.cost_per_correct("overall", level=0.95).value == pytest.approx(0.01)
    assert len(model.asked) == 40


def test_cost_per_correct_is_unknown_without_a_cost_column(bench: Bench, place: Workplace, name: str) -> None:
    label_task(place, name, gate=GATE)
    file = lines(place, "in.jsonl", labelled_rows(30, answer=lambda _: "a"))
    adopted(bench, name, "answer", input=file)
    found = evaluated(bench, name, candidate="answer", input=file)
    assert found.candidate.outcomes.cost_per_correct("overall", level=0.95).value is None
    assert {row.latency_ms for row in found.candidate.outcomes.rows} == {None}


def test_runs_on_other_records_are_refused(bench: Bench, place: Workplace, name: str) -> None:
    label_task(place, name, gate=GATE)
    rows = labelled_rows(40, one=lambda _: "a", two=lambda _: "b")
    adopted(bench, name, "one", input=lines(place, "one.jsonl", rows[:20]))
    adopted(bench, name, "two", input=lines(place, "two.jsonl", rows[20:]))
    with pytest.raises(UsageError, match="have no record in common: 20 and 20 records"):
        evaluated(bench, name, candidate="one", champion="two", input="one.jsonl")


def test_runs_with_other_inputs_for_the_same_ids_are_refused(bench: Bench, place: Workplace, name: str) -> None:
    label_task(place, name, gate=GATE)
    rows = labelled_rows(20, one=lambda _: "a", two=lambda _: "b")
    adopted(bench, name, "one", input=lines(place, "one.jsonl", rows))
    changed = [{**row, "text": f"another {number}" if number < 3 else row["text"]} for number, row in enumerate(rows)]
    adopted(bench, name, "two", input=lines(place, "two.jsonl", changed))
    with pytest.raises(UsageError, match="differ in the input of 3 of 20 shared records"):
        evaluated(bench, name, candidate="one", champion="two", input="one.jsonl")


def test_a_variant_that_was_not_adopted_for_the_golden_set_says_for_what_it_was(
    bench: Bench, place: Workplace, name: str
) -> None:
    label_task(place, name, gate=GATE, cases=cases(4))
    adopted(bench, name, "answer", input=lines(place, "in.jsonl", labelled_rows(4, answer=lambda _: "a")))
    with pytest.raises(UsageError, match=r"has no whole run on golden:gate@.*; it has runs on in\.jsonl"):
        evaluated(bench, name, candidate="answer")


def test_a_limited_adoption_is_never_compared(bench: Bench, place: Workplace, name: str) -> None:
    label_task(place, name, gate=GATE)
    file = lines(place, "in.jsonl", labelled_rows(8, answer=lambda _: "a"))
    adopted(bench, name, "answer", input=file, limit=4)
    with pytest.raises(UsageError, match="has no adopted variant 'answer'"):
        evaluated(bench, name, candidate="@adopted:answer", input=file)


def test_answers_scored_by_other_checks_are_refused(bench: Bench, place: Workplace, name: str) -> None:
    label_task(place, name, gate=GATE)
    file = lines(place, "in.jsonl", labelled_rows(8, answer=lambda _: "a"))
    first = adopted(bench, name, "answer", input=file)["answer"]
    check = {"name": "label_right", "type": "allowed_value", "field": "label", "values": ["a"]}
    label_task(place, name, gate=GATE, checks=[check])
    with pytest.raises(UsageError, match="scored by other versions of the checks"):
        evaluated(bench, name, candidate="answer", input=file)
    again = adopted(bench, name, "answer", input=file)["answer"]
    assert again.summary.run_id != first.summary.run_id
    found = evaluated(bench, name, candidate="answer", input=file)
    assert found.candidate.run_id == again.summary.run_id


def test_a_name_of_task_yml_goes_before_an_adopted_one(bench: Bench, place: Workplace, name: str) -> None:
    label_task(place, name, gate=GATE, cases=cases(4), prompt="{{ text }}")
    rows = [{"id": row["id"], "warm": "a"} for row in labelled_rows(4)]
    adopted(bench, name, "warm", input=lines(place, "in.jsonl", rows), golden="gate")
    label_task(
        place,
        name,
        gate=GATE,
        cases=cases(4),
        prompt="{{ text }}",
        variants={"warm": {"parameters": {"temperature": 1}}},
    )
    called = evaluated(bench, name, candidate="warm").candidate
    taken = evaluated(bench, name, candidate="@adopted:warm").candidate
    assert called.task.spec.routes and not taken.task.spec.routes
    assert called.run_id != taken.run_id


@pytest.mark.parametrize("priced", [True, False])
def test_the_scorecard_of_an_adopted_run_has_the_stated_cost_and_latency(
    bench: Bench, place: Workplace, name: str, *, priced: bool
) -> None:
    label_task(place, name, sla={"latency_ms": 100, "share": 0.5})
    rows = labelled_rows(8, answer=lambda _: "a", usd=lambda n: 0.01 if priced or n else None, ms=lambda n: 40 * n)
    stated = {"cost_usd": "usd", "latency_ms": "ms"}
    run = adopted(bench, name, "answer", input=lines(place, "in.jsonl", rows), stated=stated)["answer"]
    card = read_scorecard(place.warehouse(), name, ReportedRun(run_id=run.summary.run_id))
    found = card.of(RunBlock).run
    assert found["cost_status"] == ("ok" if priced else "unpriced")
    # 8 answers at 1 cent, 4 of them right; 0, 40 and 80 ms are within 100 ms.
    assert found["cost_per_correct_usd"] == (Decimal("0.02") if priced else None)
    assert found["share_within_sla"] == pytest.approx(3 / 8)
