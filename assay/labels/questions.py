"""What people are asked about a prediction: a question with its levels, versioned by its wording.

Belongs here: the question in words. Who is asked, and about which prediction, is in `designs.py` and `assignments.py`.
"""

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
    """One answer to a question: the label that is stored, its value, whether it passes, and when it is right to choose."""

    label: str
    value: float
    passed: bool | None
    anchor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelingQuestion:
    """What is asked under the name of one scorer; `judged_by` are the scorers whose verdict the labels calibrate.

    `shows_expected` is true where the judge sees the expected answer, so that people must, too.
    """

    scorer: str
    version: str
    text: str
    levels: tuple[Level, ...]
    judged_by: tuple[str, ...]
    guidance: str = ""
    sources: tuple[str, ...] = ()
    """Fields of the input that an answer must rest on."""
    shows_expected: bool = False

    def level(self, label: str) -> Level | None:
        """The level of that label."""
        return next((level for level in self.levels if level.label == label), None)


def versioned(asked: LabelingQuestion) -> LabelingQuestion:
    """The question under a version that changes with every word a person reads; who judges it is not part of that."""
    levels = [[level.label, level.value, level.passed, level.anchor] for level in asked.levels]
    read = [asked.scorer, asked.text, asked.guidance, levels, asked.sources, asked.shows_expected]
    return replace(asked, version=digest(read))


def correct_question(task: Task) -> LabelingQuestion:
    """Whether the output is right given the input: what is asked where a task names no rubric."""
    fields = ", ".join(task.output_schema.get("properties", {})) or "the output"
    wrong = f"At least one of its parts ({fields}) is wrong, missing, or not borne out by the input."
    right = "Every part of it is right. A careful person would send it as it is."
    return versioned(
        LabelingQuestion(
            scorer=CORRECT,
            version="",
            text=f"Is the output right, given the input? The task: {task.spec.description}",
            levels=(Level("wrong", 0.0, False, wrong), Level("right", 1.0, True, right)),
            judged_by=task.spec.correct,
        )
    )


def rubric_question(judge: JudgeSpec, rubric: Rubric) -> LabelingQuestion:
    """What a judge is asked, put to people: labels and values are those that the judge's verdicts have."""
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
        )
    )


def questions_of(task: Task) -> tuple[LabelingQuestion, ...]:
    """Everything that people may be asked about the task's predictions: each judge's rubric, and whether it is right at all."""
    rubrics = [rubric_question(judge, task.rubrics[judge.name]) for judge in task.spec.judges]
    taken = {asked.scorer for asked in rubrics}
    return (*rubrics, *([] if CORRECT in taken else [correct_question(task)]))


def default_questions(task: Task) -> tuple[LabelingQuestion, ...]:
    """What is asked where nothing is named: the rubrics, or without any whether the output is right."""
    return questions_of(task)[: max(1, len(task.spec.judges))]


def _levels(judge: JudgeSpec, rubric: Rubric) -> Iterator[Level]:
    if rubric.binary is not None:
        yield Level(FAIL, 0.0, False, rubric.binary.fails.strip())
        yield Level(PASS, 1.0, True, rubric.binary.passes.strip())
    for level, anchor in sorted((rubric.levels or {}).items()):
        passed = None if judge.passes is None else level >= judge.passes
        yield Level(str(level), float(level), passed, anchor.strip())
