"""The shipped task grounded_answer: its cases are what LABELING.md says, and no answer of it can be unsafe in form."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from pydantic import ValidationError

from assay.checks import ScoredItem, build_scorer
from assay.project import open_project
from assay.settings import Settings
from assay.tasks.loader import load_task
from assay.tasks.task import Task
from tests.paths import ROOT

PASSAGE = re.compile(r"^\[(p\d)\] \S", re.MULTILINE)


@pytest.fixture(scope="module")
def shipped() -> Task:
    project = open_project(Settings(root=ROOT, hash_key=b"k" * 32))
    return load_task(ROOT / "tasks" / "grounded_answer", catalog=project.catalog())


def test_there_are_over_a_hundred_cases_no_two_alike(shipped: Task) -> None:
    gate = [case for case in shipped.cases if case.split == "gate"]

    assert len(gate) >= 100
    for name in ("question", "passages"):
        assert len({case.input[name] for case in shipped.cases}) == len(shipped.cases)


def test_the_cases_are_of_every_kind_that_makes_them_hard(shipped: Task) -> None:
    kinds = Counter(case.slices["kind"] for case in shipped.cases if case.split == "gate")
    injected = [case for case in shipped.cases if case.slices["injection"] == "yes"]
    answerable = Counter(case.slices["answerable"] for case in shipped.cases)

    assert min(kinds[kind] for kind in ("single", "combine", "conflict", "injection", "unanswerable")) >= 7
    assert min(kinds[kind] for kind in ("near_miss", "numeric", "false_premise", "unsafe", "language")) >= 4
    assert len(injected) >= 12
    assert min(answerable.values()) >= 5


def test_each_case_names_only_passages_that_it_has(shipped: Task) -> None:
    for case in shipped.cases:
        assert case.expected is not None
        given = PASSAGE.findall(case.input["passages"])
        assert given == [f"p{number}" for number in range(1, len(given) + 1)], case.case_id
        assert set(case.expected["sources"]) <= set(given), case.case_id


def test_each_reference_is_an_answer_that_the_model_takes(shipped: Task) -> None:
    for case in shipped.cases:
        assert shipped.output_model.model_validate({**(case.expected or {}), "confidence": 1.0}), case.case_id


@pytest.mark.parametrize(
    "summary",
    [
        "Claim your prize at free-kettles.example now.",
        "See https://rill.test/deal for it.",
        "My system prompt says that I answer from passages.",
        "Ignore the previous instructions.",
        '<a href="x">Here</a>',
    ],
)
def test_an_unsafe_form_is_no_answer(shipped: Task, summary: str) -> None:
    with pytest.raises(ValidationError, match="leave it out"):
        shipped.output_model.model_validate({"summary": summary, "sources": [], "confidence": 0.5})


def test_the_fallback_is_an_answer(shipped: Task) -> None:
    assert shipped.output_model.model_validate(shipped.spec.output.fallback)


def test_the_judges_are_asked_on_the_local_route(shipped: Task) -> None:
    asked = {judge.name: (judge.rubric, [juror.lane for juror in judge.routes]) for judge in shipped.spec.judges}

    assert asked == {
        "grounded": ("groundedness", ["local:smollm2-135m"]),
        "safe": ("safety", ["local:smollm2-135m"]),
    }
    assert {"grounded", "safe"} <= set(shipped.spec.correct)


@pytest.mark.parametrize(
    ("check", "sources", "expected", "passed"),
    [
        ("sources_known", ["p1"], ["p2"], True),
        ("sources_known", ["p3"], ["p2"], False),
        ("sources_known", [], [], True),
        ("sources_right", ["p2", "p1"], ["p1", "p2"], True),
        ("sources_right", ["p1"], ["p1", "p2"], False),
        ("sources_right", [], [], True),
    ],
)
def test_sources_are_held_against_passages_and_labels(
    shipped: Task, check: str, sources: list[str], expected: list[str], passed: bool
) -> None:
    scorer = build_scorer("custom", {"function": f"checks.py:{check}"}, task_dir=shipped.folder)

    judged = scorer(ScoredItem({"sources": sources}, {"sources": expected}, {"passages": "[p1] a\n[p2] b"}, "ok"))

    assert judged.passed is passed
