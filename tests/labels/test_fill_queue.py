"""The queue holds samples with their design, frame and probabilities, once, for named annotators or anyone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest

from assay.errors import UsageError
from assay.labels.questions import questions_of
from assay.records.evaluation import Score
from assay.warehouse.landing import LandingWriter
from tests.fakes.landed_run import DAY, NOON, Answer, answers, land_run, prediction_of
from tests.labels.conftest import Stage

Staged = Callable[..., Stage]


def test_a_random_sample_lands_with_its_frame_and_probability(staged: Staged) -> None:
    stage = staged(20)
    filled = stage.fill(size=5, seed=3)
    rows = stage.queue()
    assert (filled.items, filled.frame_size, filled.new) == (5, 20, 5)
    assert {row["inclusion_probability"] for row in rows} == {0.25}
    assert {(row["purpose"], row["sampling_design"], row["is_blind"], row["event"]) for row in rows} == {
        ("calibration", "random", True, "open")
    }
    assert {row["frame_size"] for row in rows} == {20}
    assert [row["position"] for row in rows] == [0, 1, 2, 3, 4]
    assert rows[0]["scorer_version"] == filled_version(stage)


def test_strata_are_slice_times_verdict_and_each_has_its_share(staged: Staged) -> None:
    stage = staged(60)
    filled = stage.fill(size=20, design="stratified")
    rows = stage.queue()
    sizes = Counter((answer.slices[0], answer.passed) for answer in answers(60))
    assert set(filled.strata) == {
        "channel=chat, verdict=fail", "channel=chat, verdict=pass", "channel=email, verdict=fail", "channel=email, verdict=pass",
    }  # fmt: skip
    for row in rows:
        channel, verdict = row["stratum"].split(", ")
        assert row["stratum_size"] == sizes[channel, verdict == "verdict=pass"]
        assert row["inclusion_probability"] == pytest.approx(filled.strata[row["stratum"]] / row["stratum_size"])


def test_slices_can_be_left_out_of_the_strata(staged: Staged) -> None:
    assert set(staged(40).fill(size=10, design="stratified", by=("none",)).strata) == {"verdict=fail", "verdict=pass"}


def test_neyman_looks_closer_where_a_verdict_is_less_sure(staged: Staged) -> None:
    stage = staged(80)
    shares = [
        stage.fill(size=40, design="stratified", by=("none",), allocation=how).strata["verdict=fail"]
        for how in ("proportional", "neyman")
    ]
    assert shares[0] == 10 < shares[1]


def test_what_is_unscored_is_a_stratum_and_what_has_no_output_is_not_asked(staged: Staged) -> None:
    given = [
        Answer(record_id="odd", input={"text": "x"}, output={"label": "praise", "note": ""}, passed=None),
        Answer(record_id="none", input={"text": "x"}, output=None, passed=None),
        *answers(8),
    ]
    filled = staged(given).fill(size=9, design="stratified", by=("none",))
    assert filled.frame_size == 9
    assert filled.strata["verdict=unscored"] == 1


def test_one_scorer_that_failed_a_prediction_decides_its_stratum(staged: Staged) -> None:
    """All combinations of two required scorers; the 3 without any row of the second (`...`) are not in the frame."""
    combinations = [(first, second) for first in (True, False, None) for second in (True, False, None, ...)]
    given = [
        Answer(record_id=f"r{n}", input={"text": "x"}, output={"label": "praise", "note": ""}, passed=first)
        for n, (first, _) in enumerate(combinations)
    ]
    checks = [{"name": name, "type": "valid_schema"} for name in ("schema_kept", "second")]
    stage = staged(given, checks=checks, correct=["schema_kept", "second"])
    scores = [second_score(stage, f"r{n}", second) for n, (_, second) in enumerate(combinations) if second is not ...]
    LandingWriter(stage.place.warehouse()).append(scores)

    filled = stage.fill(size=9, design="stratified", by=("none",))

    assert filled.strata == {"verdict=fail": 5, "verdict=pass": 1, "verdict=unscored": 3}


def second_score(stage: Stage, record: str, passed: bool | None) -> Score:
    prediction = prediction_of(f"run-{stage.name}", record)
    status = "unscored" if passed is None else "scored"
    return Score(
        data_date=DAY, occurred_at=NOON, tenant_id="default", score_id=f"{prediction}/second", prediction_id=prediction,
        run_id=f"run-{stage.name}", task=stage.name, record_id=record, epoch=0, scorer="second", scorer_kind="check",
        scorer_version="s1", passed=passed, status=status, masking_version="off",
    )  # fmt: skip


def test_filling_again_with_the_same_options_lands_nothing_new(staged: Staged) -> None:
    stage = staged(12)
    options = {"size": 6, "annotators": ("Ana", "ben"), "per_item": 2}
    assert stage.fill(**options).new == 12
    assert stage.fill(**options).new == 0
    assert len(stage.queue()) == 12
    assert stage.fill(**options, seed=1).new == 12


def test_items_are_spread_evenly_over_the_people_named(staged: Staged) -> None:
    stage = staged(12)
    stage.fill(size=12, annotators=("Ana", "ben", "cleo"), per_item=2)
    rows = stage.queue()
    assert Counter(row["annotator"] for row in rows) == {"ana": 8, "ben": 8, "cleo": 8}
    assert max(Counter((row["prediction_id"], row["annotator"]) for row in rows).values()) == 1


def test_triage_takes_recent_failures_first_and_states_no_probability(staged: Staged) -> None:
    stage = staged(12)
    stage.fill(purpose="triage", size=2)
    rows = stage.queue()
    assert [row["record_id"] for row in rows] == ["r0008", "r0004"]
    assert {(row["purpose"], row["sampling_design"], row["inclusion_probability"], row["stratum"]) for row in rows} == {
        ("triage", "triage", None, "recent_failure")
    }


def test_the_latest_run_is_taken_unless_one_is_named(staged: Staged, name: str) -> None:
    stage = staged(4)
    land_run(stage.place.warehouse(), name, answers(3), run_id=f"earlier-{name}", at=NOON.replace(hour=1))
    assert stage.fill(size=9).frame_size == 4
    assert stage.fill(size=9, run_id=f"earlier-{name}").frame_size == 3
    assert prediction_of(f"earlier-{name}", "r0000") in {row["prediction_id"] for row in stage.queue()}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"run_id": "no-such-run"}, "has no completed run no-such-run"),
        ({"scorers": ("tone",)}, "has no labeling question for scorer 'tone': expected one of correct"),
        ({"size": 3, "design": "stratified"}, "4 strata require at least 8 items"),
        ({"annotators": ("ana",), "per_item": 2}, "--per-item 2 requires at least 2 annotators, found 1"),
        ({"annotators": ("../x",)}, "Invalid annotator name"),
    ],
)
def test_what_cannot_be_drawn_is_refused_and_nothing_lands(
    staged: Staged, options: dict[str, object], message: str
) -> None:
    stage = staged(24)
    with pytest.raises(UsageError, match=message):
        stage.fill(**options)
    assert stage.queue() == []


def test_a_triage_of_answers_that_all_passed_has_nothing_to_read(staged: Staged) -> None:
    with pytest.raises(UsageError, match="No items to queue"):
        staged([answer for answer in answers(8) if answer.passed]).fill(purpose="triage")


JUDGE = {
    "name": "tone",
    "rubric": "tone",
    "passes": 4,
    "routes": [{"name": "one", "provider": "openai", "model": "gpt-4.1-nano"}],
}


def judged(stage: Stage, record: str, levels: list[float], verdict: float | None) -> list[Score]:
    """The opinions of a jury on a record, and the verdict that they came to, if any."""
    prediction = prediction_of(f"run-{stage.name}", record)
    said = [(f"juror{n}", 0, level) for n, level in enumerate(levels)] + (
        [] if verdict is None else [(None, None, verdict)]
    )
    return [
        Score(
            data_date=DAY,
            occurred_at=NOON,
            tenant_id="default",
            score_id=f"{prediction}/{juror}",
            prediction_id=prediction,
            run_id=f"run-{stage.name}",
            task=stage.name,
            record_id=record,
            epoch=0,
            scorer="tone",
            scorer_kind="judge",
            scorer_version="j1",
            judge_epoch=epoch,
            annotator=juror,
            value=level,
            passed=level >= 4,
            status="scored",
            masking_version="off",
        )
        for juror, epoch, level in said
    ]


def test_a_judge_is_asked_about_by_its_rubric_and_stands_in_its_stratum_by_its_verdict(staged: Staged) -> None:
    stage = staged(4, judges=[JUDGE])
    scores = [
        *judged(stage, "r0000", [5, 5, 2], 5.0),
        *judged(stage, "r0001", [2, 2, 5], 2.0),
        *judged(stage, "r0002", [5], None),
        *(replace(row, value=None, passed=None, status="unscored") for row in judged(stage, "r0003", [], 5.0)),
    ]
    LandingWriter(stage.place.warehouse()).append(scores)
    filled = stage.fill(size=4, design="stratified", by=("none",))
    assert (filled.scorer, dict(filled.strata)) == (
        "tone",
        {"verdict=fail": 1, "verdict=pass": 2, "verdict=unscored": 1},
    )


@pytest.mark.parametrize("design", [{}, {"design": "stratified", "by": ("none",)}])
def test_a_calibration_sample_is_drawn_from_the_judged_predictions_only(
    staged: Staged, design: dict[str, object]
) -> None:
    stage = staged(20, judges=[JUDGE])
    seen = {f"r{n:04}" for n in range(0, 20, 3)}
    LandingWriter(stage.place.warehouse()).append(
        [row for record in sorted(seen) for row in judged(stage, record, [5], 5)]
    )
    filled = stage.fill(size=5, **design)
    drawn = [row for row in stage.queue() if row["sampling_design"] == filled.design]
    assert (filled.frame_size, {row["record_id"] for row in drawn} <= seen) == (len(seen), True)
    assert filled.frame.startswith("predictions judged by tone of run ")
    assert sum(1 / row["inclusion_probability"] for row in drawn) == pytest.approx(len(seen))


def test_what_two_scorers_decide_is_drawn_from_what_both_have_judged(staged: Staged) -> None:
    stage = staged(12, judges=[JUDGE], correct=["schema_kept", "tone"])
    LandingWriter(stage.place.warehouse()).append([row for n in range(4) for row in judged(stage, f"r{n:04}", [5], 5)])
    filled = stage.fill(size=9, scorers=("correct",))
    assert (filled.frame_size, filled.items) == (4, 4)


def test_a_sample_drawn_before_the_judge_says_so(staged: Staged) -> None:
    filled = staged(6, judges=[JUDGE]).fill(size=3)
    assert filled.frame_size == 6
    assert filled.frame.startswith("predictions with an output, not yet judged by tone, of run ")


def test_triage_looks_at_disputed_verdicts_and_at_those_near_the_threshold(staged: Staged) -> None:
    stage = staged(6, judges=[JUDGE])
    levels = {"r0000": [5, 5, 2], "r0001": [5, 5, 5], "r0002": [3, 3, 3], "r0003": [1, 1, 1], "r0004": [4, 4, 4]}
    scores = [row for record, said in levels.items() for row in judged(stage, record, said, sorted(said)[1])]
    LandingWriter(stage.place.warehouse()).append(scores)
    stage.fill(purpose="triage", size=4)
    assert [(row["record_id"], row["stratum"]) for row in stage.queue()] == [
        ("r0000", "judge_disagreement"),
        ("r0004", "near_threshold"),
        ("r0003", "recent_failure"),
        ("r0002", "near_threshold"),
    ]


def test_what_people_said_before_is_no_verdict_to_draw_by(staged: Staged) -> None:
    stage = staged(8)
    before = stage.fill(size=8, design="stratified", by=("none",)).strata
    desk = stage.desk()
    while (item := desk.next_item("ana")) is not None:
        desk.save("ana", item.assignment_id, "wrong", None)
    assert stage.fill(size=8, design="stratified", by=("none",), seed=1).strata == before


def filled_version(stage: Stage) -> str:
    return questions_of(stage.task)[0].version
