"""Calibrating reads what landed, lands the same ids for the same labels, and says why where it cannot say how good."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from assay.calibration.calibrate import CalibratedJudge, measure
from assay.errors import UsageError
from assay.labels.label_rows import Label, label_row
from assay.labels.questions import rubric_question
from assay.labels.session import LabelingSession
from assay.records.evaluation import Score
from assay.records.statuses import AnnotatorKind
from assay.scoring.score_rows import ScoredPrediction
from assay.statistics.measured import Status, proportion_interval
from tests.calibration.conftest import BINARY, Bench, figure
from tests.fakes.landed_run import DAY, NOON, answers

Make = Callable[..., Bench]
RECORDS = [f"r{n:04}" for n in range(40)]
VERDICTS = {record: n % 3 != 0 for n, record in enumerate(RECORDS)}
LANDED = "select distinct estimate_id, evaluation_id from estimates where task = @task"


@pytest.fixture
def judged(bench: Make) -> Bench:
    """Forty answers, all of which the judge `better` has judged; nothing is drawn or labeled."""
    made: Bench = bench()
    made.rewrite(made.judges[:1])
    made.land(answers(40))
    made.judge("better", VERDICTS)
    return made


def labeled(made: Bench, *, size: int = 30, people: tuple[str, ...] = ("ana",)) -> CalibratedJudge:
    """People have labeled a sample, and contradict the judge on every seventh record."""
    made.fill("better", size=size)
    made.label("better", [(record, one, _says(record)) for record in made.drawn("better") for one in people])
    return only(made)


def only(made: Bench, run_id: str | None = None) -> CalibratedJudge:
    (judge,) = made.calibrate(run_id).judges
    return judge


def _says(record: str) -> str:
    return "pass" if VERDICTS[record] != (int(record[1:]) % 7 == 0) else "fail"


def test_every_figure_lands_with_what_it_rests_on(judged: Bench) -> None:
    judge = labeled(judged, people=("ana", "ben"))
    rows = judged.place.query("select * from estimates where task = @task", task=judged.name)
    assert len(rows) == len(judge.estimates) == len({row["estimate_id"] for row in rows})
    for row in rows:
        assert (row["scorer"], row["scorer_version"]) == ("better", judge.scorer_version)
        assert row["value"] is not None or row["reason"]
        facts = _json(row["calibration"])
        if row["metric"] == "judged_rate":
            assert facts is None
        else:
            assert facts["design"] == "random"
            assert (facts["frame_size"], facts["question_version"]) == (40, judge.question_version)
    (overall,) = (
        _json(row["calibration"]) for row in rows if row["metric"] == "cohens_kappa" and row["slice"] == "overall"
    )
    assert (overall["n_labels"], overall["annotators"], overall["n_drawn"]) == (30, ["ana", "ben"], 30)


def test_the_same_labels_land_the_same_ids_and_another_label_others(judged: Bench) -> None:
    first, again = labeled(judged), only(judged)
    assert [one.estimate_id for one in first.estimates] == [one.estimate_id for one in again.estimates]
    assert len(judged.place.query(LANDED, task=judged.name)) == len(first.estimates)
    record = judged.drawn("better")[0]
    judged.label("better", [(record, "ana", "fail" if _says(record) == "pass" else "pass")])
    assert {one.estimate_id for one in only(judged).estimates}.isdisjoint(one.estimate_id for one in first.estimates)


def test_measuring_lands_nothing(judged: Bench) -> None:
    labeled(judged)
    before = judged.place.query(LANDED, task=judged.name)
    found = measure(judged.project, judged.task)
    assert found.of("better") is not None and found.of("other") is None
    assert judged.place.query(LANDED, task=judged.name) == before


def test_the_gate_gets_kappa_with_its_labels_and_id(judged: Bench) -> None:
    judge = labeled(judged)
    (estimate,) = (one for one in judge.estimates if one.estimate_id == judge.kappa_id)
    assert (estimate.metric, estimate.value, estimate.n) == ("cohens_kappa", judge.kappa.value, judge.labels)


def test_a_label_taken_back_is_none_and_an_adjudicator_settles(judged: Bench) -> None:
    judged.fill("better", size=40, annotators=("ana", "ben"), per_item=2)
    judged.label("better", [(record, one, _says(record)) for record in RECORDS for one in ("ana", "ben")])
    other = "fail" if _says("r0001") == "pass" else "pass"
    judged.label("better", [("r0001", "ben", other), ("r0002", "ben", "cannot_tell"), ("r0002", "ana", "cannot_tell")])
    undecided = only(judged)
    assert "omitted predictions: 1 cannot_tell, 1 undecided" in str(undecided.kappa.reason)
    desk = LabelingSession(judged.project, judged.task)
    desk.save("ben", _assignment(judged, "r0001", "ben"), other, "sure")  # makes the desk look at the conflict
    asked = desk.next_item("cleo")
    assert asked is not None and asked.is_adjudication
    desk.save("cleo", asked.assignment_id, other, None)
    settled = only(judged)
    assert (settled.kappa.n, settled.kappa.reason) == (39, "omitted predictions: 1 cannot_tell")
    assert "cleo" in settled.kappa_facts.annotators
    assert figure(settled, "krippendorffs_alpha").details["annotators"] == ["ana", "ben"]
    desk.save("cleo", asked.assignment_id, "withdrawn", None)
    assert only(judged).kappa.n == 38


def test_no_sample_and_no_labels_leave_the_judges_own_rate(judged: Bench) -> None:
    judge = only(judged)
    rate = figure(judge, "judged_rate").measured
    assert rate.value == pytest.approx(sum(VERDICTS.values()) / 40)
    assert (judge.kappa.value, judge.kappa.reason) == (None, "no calibration sample and no human labels")
    judged.fill("better", size=10)
    assert only(judged).kappa.reason == "no human labels"


def test_labels_of_a_triage_are_in_no_estimate(judged: Bench) -> None:
    judged.fill("better", purpose="triage", size=5)
    judged.label("better", [(record, "ana", _says(record)) for record in judged.drawn("better")])
    judge = only(judged)
    assert judge.kappa.value is None
    assert "labels of design triage" in str(judge.kappa.reason)


def test_labels_from_a_sheet_that_misses_answers_are_compared_but_correct_no_rate(judged: Bench) -> None:
    judged.label("better", [(record, "ana", _says(record)) for record in RECORDS[1:]])
    judge = only(judged)
    assert judge.kappa.value is not None and judge.kappa.status not in {Status.OK, Status.WARNING}
    assert "not a probability sample" in str(figure(judge, "corrected_rate", method="ppi").measured.reason)
    human = figure(judge, "human_rate").measured
    assert (human.value, human.status) == (None, Status.UNSCORED)
    said = [_says(record) == "pass" for record in RECORDS[1:]]
    low, high = (proportion_interval(sum(said) + case, 40) for case in (0, 1))
    assert (human.low, human.high) == pytest.approx((low.low, high.high))


def test_labels_from_a_sheet_of_every_judged_answer_are_a_census(judged: Bench) -> None:
    judged.label("better", [(record, "ana", _says(record)) for record in RECORDS])
    judge = only(judged)
    human, ppi = figure(judge, "human_rate").measured, figure(judge, "corrected_rate", method="ppi").measured
    passes = sum(_says(record) == "pass" for record in RECORDS)
    expected = proportion_interval(passes, 40)
    assert (human.value, human.low, human.high) == pytest.approx((passes / 40, expected.low, expected.high))
    assert ppi.value == pytest.approx(passes / 40) and ppi.high > ppi.low
    (row, *_) = judged.place.query(
        "select * from estimates where task = @task and metric = 'human_rate'", task=judged.name
    )
    facts = _json(row["calibration"])
    assert (facts["design"], facts["frame_size"], facts["n_labels"]) == ("census", 40, 40)


def test_a_judge_that_saw_a_part_of_the_run_is_calibrated_on_this_part(judged: Bench) -> None:
    part = judged.land(answers(40), run_id=f"part-{judged.name}", at=NOON + timedelta(days=2))
    seen = RECORDS[:24]
    judged.judge("better", {record: VERDICTS[record] for record in seen}, run_id=part)
    judged.fill("better", size=12, run_id=part)
    drawn = judged.drawn("better")
    assert len(drawn) == 12 and set(drawn) <= set(seen)
    judged.label("better", [(record, "ana", _says(record)) for record in drawn], run_id=part)
    judge = only(judged, part)
    ppi = figure(judge, "corrected_rate", method="ppi").measured
    assert (ppi.n, judge.kappa.n, judge.source.frame_size) == (24, 12, 24)
    judged.label("better", [(record, "ana", _says(record)) for record in seen], run_id=part)
    census = only(judged, part)
    assert (census.source.design, figure(census, "human_rate").measured.n) == ("census", 24)


def test_labels_of_users_are_counted_and_calibrate_nothing(judged: Bench) -> None:
    before = labeled(judged)
    task = judged.task
    asked = rubric_question(task.spec.judges[0], task.rubrics["better"])
    scored = judged.scored(judged.drawn("better")[0])
    said = Label(annotator="u17", kind=AnnotatorKind.USER, choice="fail")
    judged.append([label_row(scored, said, question=asked, at=NOON, scrub=str)])
    after = only(judged)
    assert after.kappa.value == before.kappa.value
    assert (after.labels, after.other_labels) == (before.labels, 1)
    assert "1 labels of users or models not used" in str(after.kappa.reason)


def test_a_stratified_sample_is_estimated_within_its_strata(judged: Bench) -> None:
    judged.fill("better", size=20, design="stratified", by=("none",), allocation="neyman")
    drawn = judged.drawn("better")
    judged.label("better", [(record, "ana", _says(record)) for record in drawn])
    human = figure(only(judged), "human_rate").measured
    by_hand = 0.0
    for verdict in (True, False):
        rows = [record for record in drawn if VERDICTS[record] is verdict]
        size = sum(one is verdict for one in VERDICTS.values())
        by_hand += size / 40 * sum(_says(record) == "pass" for record in rows) / len(rows)
    assert human.value == pytest.approx(by_hand)
    assert human.method.startswith("stratified_mover")


def test_labels_of_unknown_answers_count_for_nothing(judged: Bench) -> None:
    before = labeled(judged)
    judged.append([_stray(judged, f"p{n}") for n in range(5)])
    after = only(judged)
    assert [one.measured for one in after.findings] == [one.measured for one in before.findings]


def test_another_version_of_the_judge_or_two_of_them_are_not_this_judge(judged: Bench) -> None:
    labeled(judged)
    changed = {**judged.judges[0], "parameters": {"temperature": 0.5}}
    judged.rewrite([changed])
    judge = only(judged)
    assert judge.kappa.value is None
    assert "40 of 40 predictions were judged only by version" in str(judge.kappa.reason)
    assert figure(judge, "corrected_rate", method="ppi").measured.value is None
    assert figure(judge, "human_rate").measured.value is not None
    judged.judge("better", dict(list(VERDICTS.items())[:25]))
    assert "15 of 40 predictions were judged only by version" in str(only(judged).kappa.reason)
    judged.judge("better", VERDICTS)
    assert only(judged).kappa.value is not None


def test_another_wording_of_the_question_is_another_question(judged: Bench) -> None:
    labeled(judged)
    judged.place.write(f"tasks/{judged.name}/rubrics/better.yml", BINARY.replace("better than", "preferred to"))
    judged.judge("better", VERDICTS)
    judge = only(judged)
    assert judge.kappa.value is None
    assert "of the question; the current one is" in str(judge.kappa.reason)


def test_labels_of_another_run_correct_no_rate_of_this_one(judged: Bench) -> None:
    labeled(judged)
    later = judged.land(answers(12), run_id=f"later-{judged.name}", at=NOON + timedelta(days=1))
    judged.judge("better", dict(list(VERDICTS.items())[:12]), run_id=later)
    assert only(judged).run.run_id == judged.run_id
    other = only(judged, later)
    assert f"the labels are for run {judged.run_id}; no sample of this run has labels" in str(other.kappa.reason)
    assert figure(other, "judged_rate").measured.n == 12


def test_what_a_judge_was_not_asked_is_in_no_rate_of_it(judged: Bench) -> None:
    part = judged.land(answers(40), run_id=f"part-{judged.name}", at=NOON + timedelta(days=2))
    judged.judge("better", dict(list(VERDICTS.items())[:10]), run_id=part)
    assert figure(only(judged, part), "judged_rate").measured.n == 10


def test_several_opinions_speak_by_their_verdict(judged: Bench) -> None:
    before = labeled(judged)
    sql = "select * from scores where task = @task and scorer_kind = 'judge'"
    for row in judged.place.query(sql, task=judged.name)[:20]:
        said = Score(**{name: row[name] for name in Score.__dataclass_fields__ if name in row})
        other = replace(said, score_id=f"other-{said.score_id}", annotator="other", passed=not said.passed)
        verdict = replace(said, score_id=f"verdict-{said.score_id}", annotator=None, judge_epoch=None)
        judged.append([other, verdict])
    assert only(judged).kappa.value == before.kappa.value


@pytest.mark.parametrize(
    ("prepare", "run_id", "message"),
    [
        (lambda made: made.rewrite([]), None, "has no judge to calibrate"),
        (lambda made: None, "no-such-run", "has no completed run no-such-run to calibrate"),
        (lambda made: None, None, "has no completed run to calibrate"),
    ],
)
def test_where_there_is_nothing_to_calibrate_the_message_says_what_is_missing(
    bench: Make, prepare: Callable[[Bench], None], run_id: str | None, message: str
) -> None:
    made = bench()
    prepare(made)
    with pytest.raises(UsageError, match=message):
        made.calibrate(run_id)


def test_a_run_without_an_answer_is_refused(bench: Make) -> None:
    made = bench()
    made.land([replace(one, output=None) for one in answers(3)])
    with pytest.raises(UsageError, match="none of its predictions has an output"):
        made.calibrate()


def test_the_command_prints_a_table_csv_and_json(judged: Bench) -> None:
    empty = judged.place.command("calibrate", judged.name)
    assert empty.returncode == 0, empty.stderr
    assert "--fill calibration" in empty.stderr
    labeled(judged, people=("ana", "ben"))
    table = judged.place.command("calibrate", judged.name, "--run", judged.run_id)
    assert table.returncode == 0, table.stderr
    for word in ("30 of 30 drawn", "ana, ben", "cohens_kappa", "corrected_rate", "channel=email"):
        assert word in table.stdout
    as_csv = judged.place.command("calibrate", judged.name, "--format", "csv")
    assert as_csv.stdout.startswith("scorer,scorer_version,run_id")
    rows = json.loads(judged.place.command("calibrate", judged.name, "--format", "json").stdout)
    assert len(rows) == len(as_csv.stdout.splitlines()) - 1
    assert {row["calibration"]["n_labels"] for row in rows if row["slice"] == "overall" and row["calibration"]} == {30}
    refused = judged.place.command("calibrate", judged.name, "--run", "nowhere")
    assert (refused.returncode, "no completed run nowhere" in refused.stderr) == (3, True)


def _assignment(made: Bench, record: str, person: str) -> str:
    sql = (
        "select assignment_id from annotations_queue where task = @task and record_id = @record and annotator = @person"
    )
    return str(made.place.query(sql, task=made.name, record=record, person=person)[0]["assignment_id"])


def _stray(made: Bench, prediction: str) -> Score:
    task = made.task
    asked = rubric_question(task.spec.judges[0], task.rubrics["better"])
    scored = ScoredPrediction(
        prediction_id=prediction, run_id=made.run_id, task=made.name, data_date=DAY, tenant_id="default",
        record_id="nowhere", epoch=0, subject_key=None, masking_version="off",
    )  # fmt: skip
    return label_row(scored, Label(annotator="ana", choice="pass"), question=asked, at=NOON, scrub=str)


def _json(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value
