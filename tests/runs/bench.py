"""Runs inside this process, against a real warehouse and a real endpoint."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from assay.inference.limits.protocol import LaneState
from assay.inference.request import RequestResult
from assay.pipeline import answer, finish
from assay.project import Project, open_project
from assay.runs.admission import admit
from assay.runs.resume import reopen
from assay.runs.run import Run, RunOptions
from assay.runs.summary import RunSummary
from tests.end_to_end.stage import endpoints, model, name, place
from tests.end_to_end.workplace import Workplace

__all__ = ["Bench", "bench", "endpoints", "model", "name", "place"]

DAY = date(2024, 5, 1)


class Told:
    """Keeps what a run reports."""

    def __init__(self) -> None:
        self.answers: list[RequestResult] = []
        self.lanes: list[str] = []
        self.money: tuple[Decimal, Decimal | None] | None = None

    def watch(
        self,
        limiter_states: Callable[[], Mapping[str, LaneState]],
        budget: Callable[[], tuple[Decimal, Decimal | None]],
    ) -> None:
        self._states, self._budget = limiter_states, budget

    def look(self) -> None:
        """What a view would show now."""
        self.lanes, self.money = sorted(self._states()), self._budget()

    def answered(self, answered: RequestResult) -> None:
        self.answers.append(answered)


@dataclass
class Bench:
    """The stages of a run, one after the other, in the project of a workplace."""

    place: Workplace

    @property
    def project(self) -> Project:
        return open_project(self.place.settings())

    def admit(self, task: str, **options: Any) -> Run:
        """A run that is admitted and not yet answered."""
        chosen = RunOptions(**{"data_date": DAY, **options})
        project = self.project
        return admit(project, project.task(task, variant=chosen.variant), chosen, report=lambda _: None).run

    def go_on(self, run_id: str, **options: Any) -> RunSummary:
        """The run, reopened and brought to its end."""
        return self.end(reopen(self.project, run_id, **options))

    def end(self, run: Run) -> RunSummary:
        """Answers and scores."""
        project = self.project
        answer(project, run, Told(), handle_signals=False)
        return finish(project, run, report=lambda _: None)

    def run(self, task: str, **options: Any) -> RunSummary:
        """A whole run."""
        return self.end(self.admit(task, **options))


@pytest.fixture
def bench(place: Workplace) -> Bench:
    return Bench(place)
