"""Labeling questions: their text and levels, with a version that changes with the wording."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from assay.tasks.digest import digest
from assay.tasks.judge_spec import JudgeSpec
from assay.tasks.rubric import FAIL, PASS, Rubric
from assay.tasks.task import Task

CORRECT = "correct"
CANNOT_TELL = "cannot_tell"
WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Level:
    """One level of a question: its label and value as stored, whether it passes, and its description (`anchor`)."""

    label: str
    value: float
    passed: bool | None
    anchor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelingQuestion:
    """The question of one scorer; its labels calibrate the verdicts of the scorers in `judged_by`.

    `shows_expected` is True if the judge sees the expected value, because people must then see it too. `sources` are the
    input fields that must support the output.
    """

    scorer: str
    version: str
    text: str
    levels: tuple[Level, ...]
    judged_by: tuple[str, ...]
    guidance: str = ""
    sources: tuple[str, ...] = ()
    shows_expected: bool = False
    is_ordered: bool = True
    """False if the levels are categories without an order."""

    def level(self, label: str) -> Level | None:
        """Returns the level with this label, or None."""
        return next((level for level in self.levels if level.label == label), None)


def versioned(question: LabelingQuestion) -> LabelingQuestion:
    """Returns the question with its version set: a hash of everything that people see, excluding `judged_by`."""
    levels = [[level.label, level.value, level.passed, level.anchor] for level in question.levels]
    seen = [question.scorer, question.text, question.guidance, levels, question.sources, question.shows_expected]
    return replace(question, version=digest(seen))


def correct_question(task: Task) -> LabelingQuestion:
    """Returns the question of whether the output is correct; it is the default for a task without judges."""
    fields = ", ".join(task.output_schema.get("properties", {})) or "the output"
    wrong = f"At least one of its parts ({fields}) is wrong, missing, or not borne out by the input."
    right = "Every part of it is right. A careful person would send it as it is."
    return versioned(
        LabelingQuestion(
            scorer=CORRECT,
            version="",
            text=f"Is the output right, given the input? The task: {task.spec.description}",
            levels=(Level("wrong", 0.0, passed=False, anchor=wrong), Level("right", 1.0, passed=True, anchor=right)),
            judged_by=task.spec.correct,
        )
    )


def rubric_question(judge: JudgeSpec, rubric: Rubric) -> LabelingQuestion:
    """Returns a judge's rubric as a question for people, with the same labels and values as the judge's verdicts."""
    return versioned(
        LabelingQuestion(
            scorer=judge.name,
            version="",
            text=rubric.question,
            guidance=rubric.guidance.strip(),
            levels=tuple(_levels(judge, rubric)),
            judged_by=(judge.name,),
            sources=judge.sees.sources,
            shows_expected=bool(judge.sees.reference),
            is_ordered=rubric.ordered,
        )
    )


def questions_of(task: Task) -> tuple[LabelingQuestion, ...]:
    """Returns all questions of the task: each judge's rubric, and whether the output is correct."""
    rubrics = [rubric_question(judge, task.rubrics[judge.name]) for judge in task.spec.judges]
    taken = {question.scorer for question in rubrics}
    return (*rubrics, *([] if CORRECT in taken else [correct_question(task)]))


def default_questions(task: Task) -> tuple[LabelingQuestion, ...]:
    """Returns the default questions: the rubrics or, without judges, whether the output is correct."""
    return questions_of(task)[: max(1, len(task.spec.judges))]


def _levels(judge: JudgeSpec, rubric: Rubric) -> Iterator[Level]:
    if rubric.binary is not None:
        yield Level(FAIL, 0.0, passed=False, anchor=rubric.binary.fails.strip())
        yield Level(PASS, 1.0, passed=True, anchor=rubric.binary.passes.strip())
    for level, anchor in sorted((rubric.levels or {}).items()):
        passed = None if judge.passes is None else level >= judge.passes
        yield Level(str(level), float(level), passed, anchor.strip())
