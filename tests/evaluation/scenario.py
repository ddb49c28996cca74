"""Evaluations in tests: a task with labelled cases, prompts that say how good they are, and a model that obeys them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from assay.evaluation.evaluate import evaluate
from assay.evaluation.evaluation import Evaluation
from assay.evaluation.outcomes import Outcomes, PredictionOutcome
from assay.evaluation.sides import EvaluationOptions, EvaluationReporter
from tests.end_to_end.workplace import Workplace
from tests.fakes.model_endpoint import Asked, Reaction
from tests.runs.bench import DAY, Bench, Told

RIGHT, WRONG = "question", "complaint"
LABEL_RIGHT = {"name": "label_right", "type": "exact_match", "field": "label"}
FLOOR = {"name": "floor", "type": "lower_bound", "at_least": 0.8}
NOT_WORSE = {"name": "not_worse", "type": "no_regression", "margin": 0.03}
PROMPT = "right until {share} of 100: {{{{ text }}}}"


def cases(count: int, *, split: str = "gate", **columns: Any) -> list[dict[str, Any]]:
    """Labelled cases, the answer to all the same; `columns` may be functions of the case's number."""
    return [
        {
            "case_id": f"c{number:05}",
            "split": split,
            "input": {"text": f"text number {number:05}"},
            "expected": {"label": RIGHT},
            **{name: value(number) if callable(value) else value for name, value in columns.items()},
        }
        for number in range(count)
    ]


def prompt(right: int) -> str:
    """A template whose answers are right for that many of a hundred cases in a row."""
    return PROMPT.format(share=right)


def obeying(asked: Asked) -> Reaction:
    """Right or wrong as the prompt says, whatever its blanks are."""
    found = re.search(r"right until (\d+) of 100: text number (\d+)", " ".join(asked.prompt.split()))
    assert found is not None
    label = RIGHT if int(found[2]) % 100 < int(found[1]) else WRONG
    return Reaction(text=json.dumps({"label": label, "note": "n"}))


def evaluated_task(
    place: Workplace,
    name: str,
    labelled: Sequence[Mapping[str, Any]],
    *,
    right: int = 95,
    rules: Sequence[Mapping[str, Any]] = (FLOOR, NOT_WORSE),
    variants: Mapping[str, int] | None = None,
    more_checks: Sequence[Mapping[str, Any]] = (),
    **edits: Any,
) -> str:
    """A task that is right `right` times of a hundred, with variants that are so as often as they say."""
    for variant, share in (variants or {}).items():
        place.write(f"tasks/{name}/{variant}.j2", prompt(share))
    return place.task(
        name,
        cases=labelled,
        prompt=prompt(right),
        checks=[LABEL_RIGHT, *more_checks],
        correct=["label_right"],
        **{"gate": {"rules": list(rules)}, **edits},
        variants={variant: {"prompts": {"user": f"{variant}.j2"}} for variant in variants or {}},
    )


def evaluated(bench: Bench, task: str, **options: Any) -> Evaluation:
    """The evaluation, in this process."""

    @contextmanager
    def answering(_: int) -> Iterator[Told]:
        yield Told()

    reporter = EvaluationReporter(answering=answering, counting=lambda _: lambda _: None, note=lambda _: None)
    return evaluate(bench.project, task, EvaluationOptions(**{"data_date": DAY, **options}), reporter)


def outcomes(*, right: int, count: int = 40, **fields: Any) -> Outcomes:
    """Outcomes of `count` answers, the first `right` of them correct, every second one in the slice k=x."""
    return Outcomes.of(
        PredictionOutcome(
            **{
                **{"record": ("default", f"r{i:02}"), "epoch": 0, "status": "ok", "population": "golden:gate"},
                **{"is_correct": i < right, "slices": ("k=x",) if i % 2 else (), "cost_usd": 0.01, "latency_ms": 10.0},
                **fields,
            }
        )
        for i in range(count)
    )
