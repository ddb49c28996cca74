"""What people are asked has a version of its words, and the labels and values that the judge's verdicts have."""

from __future__ import annotations

from dataclasses import replace

from assay.labels.label_rows import Label, label_id, label_row
from assay.labels.questions import CANNOT_TELL, WITHDRAWN, LabelingQuestion, Level, rubric_question, versioned
from assay.scoring.score_rows import ScoredPrediction
from assay.tasks.judge_spec import JudgeSpec
from assay.tasks.rubric import Rubric
from tests.fakes.landed_run import DAY, NOON

ROUTE = {"name": "one", "provider": "p", "model": "m"}
QUESTION = versioned(
    LabelingQuestion(
        scorer="correct",
        version="",
        text="Right?",
        levels=(Level("wrong", 0.0, False, "no"), Level("right", 1.0, True, "yes")),
        judged_by=("check",),
    )
)
LABELLED = ScoredPrediction(
    prediction_id="p1", run_id="r1", task="t", data_date=DAY, record_id="a", epoch=0, tenant_id="t", subject_key="s", masking_version="m"
)  # fmt: skip


def judge(**edits: object) -> JudgeSpec:
    return JudgeSpec.model_validate({"name": "tone", "rubric": "tone", "routes": [ROUTE], **edits})


def row(choice: str, note: str | None = None):  # type: ignore[no-untyped-def]
    label = Label(annotator="ana", choice=choice, note=note)
    return label_row(LABELLED, label, question=QUESTION, at=NOON, scrub=lambda text: text.replace("Bo", "<NAME>"))


def test_the_version_changes_with_every_word_and_not_with_who_judges() -> None:
    changed = [
        replace(QUESTION, text="Correct?"),
        replace(QUESTION, guidance="Look twice."),
        replace(QUESTION, levels=(*QUESTION.levels[:1], Level("right", 1.0, True, "indeed"))),
        replace(QUESTION, shows_expected=True),
    ]
    assert len({versioned(each).version for each in (QUESTION, *changed)}) == 5
    assert versioned(replace(QUESTION, judged_by=("another",))).version == QUESTION.version


def test_a_binary_rubric_has_the_judge_s_labels_and_values() -> None:
    rubric = Rubric.model_validate({"criterion": "c", "question": "q", "binary": {"pass": "good", "fail": "bad"}})
    levels = rubric_question(judge(), rubric).levels
    assert [(level.label, level.value, level.passed) for level in levels] == [("fail", 0.0, False), ("pass", 1.0, True)]


def test_levels_pass_from_where_the_judge_says() -> None:
    rubric = Rubric.model_validate({"criterion": "c", "question": "q", "levels": {1: "poor", 2: "fair", 3: "good"}})
    assert [level.passed for level in rubric_question(judge(passes=2), rubric).levels] == [False, True, True]
    assert [level.passed for level in rubric_question(judge(), rubric).levels] == [None, None, None]
    assert [level.label for level in rubric_question(judge(), rubric).levels] == ["1", "2", "3"]


def test_people_see_the_reference_where_the_judge_does() -> None:
    rubric = Rubric.model_validate({"criterion": "c", "question": "q", "binary": {"pass": "good", "fail": "bad"}})
    assert rubric_question(judge(sees={"reference": "label"}), rubric).shows_expected
    assert not rubric_question(judge(), rubric).shows_expected


def test_a_label_is_a_human_score_under_an_id_that_a_later_one_has_too() -> None:
    score = row("right", " Bo is right ")
    assert (score.scorer_kind, score.annotator, score.scorer_version) == ("human", "ana", QUESTION.version)
    assert (score.value, score.passed, score.status, score.explanation) == (1.0, True, "scored", "<NAME> is right")
    assert score.score_id == row("wrong").score_id == label_id("p1", "correct", QUESTION.version, "ana")


def test_what_cannot_be_told_or_was_withdrawn_is_unscored_and_has_no_value() -> None:
    for choice in (CANNOT_TELL, WITHDRAWN):
        score = row(choice)
        assert (score.status, score.value, score.passed, score.label) == ("unscored", None, None, choice)
