"""A router that applies the rules in `task.yml`: `when` tests the record's fields, `escalate` tests the response."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from assay.checks import ScoredItem, Scorer, build_scorer
from assay.inference.routing.confidence import stated_confidence
from assay.records.statuses import PredictionStatus, ScoreStatus
from assay.tasks.fields.patterns import compiled_pattern
from assay.tasks.spec import LOGPROB, Condition, ConfidenceSpec, RouteSpec
from assay.tasks.task import Task

OK, SCORED = PredictionStatus.OK, ScoreStatus.SCORED
LOW_CONFIDENCE = "low_confidence"
NO_CONFIDENCE = "no_confidence"
Holds = Callable[[str], bool]


class RuleRouter:
    """Selects the routes of `task.yml` whose `when` holds, in their order in the file.

    `checks` maps each name in an `escalate` block to its scorer.
    """

    def __init__(self, routes: Sequence[RouteSpec], *, checks: Mapping[str, Scorer]) -> None:
        self._routes = tuple(routes)
        self._checks = checks
        self._rules = tuple((route, _rules(route.when)) for route in self._routes)
        self._is_same_for_all = not any(route.when for route in self._routes)

    def routes(self, fields: Mapping[str, str]) -> Sequence[RouteSpec]:
        """See `Router.routes`; a missing field counts as an empty string."""
        if self._is_same_for_all:
            return self._routes
        return tuple(
            route for route, rules in self._rules if all(holds(fields.get(name) or "") for name, holds in rules)
        )

    def escalates(
        self,
        route: RouteSpec,
        *,
        output: Mapping[str, Any],
        confidence: float | None,
        fields: Mapping[str, str] | None = None,
    ) -> str | None:
        """See `Router.escalates`; returns `check:NAME`, `unscored:NAME`, `low_confidence`, `no_confidence` or None.

        A response is kept only if every check passed and its confidence is known: an unscored check and a missing
        confidence lead to an escalation too.
        """
        for name in route.escalate.checks:
            judged = self._checks[name](ScoredItem(dict(output), None, dict(fields or {}), OK))
            if judged.passed is not True:
                return f"check:{name}" if judged.status == SCORED else f"unscored:{name}"
        rule = route.escalate.confidence
        return None if rule is None else _unsure(rule, output, confidence)


def rule_router(task: Task) -> RuleRouter:
    """The router of the task, with the scorers that its routes refer to."""
    used = {name for route in task.spec.routes for name in route.escalate.checks}
    checks = {
        check.name: build_scorer(check.type, check.parameters, task_dir=task.folder)
        for check in task.spec.checks
        if check.name in used
    }
    return RuleRouter(task.spec.routes, checks=checks)


def _unsure(rule: ConfidenceSpec, output: Mapping[str, Any], confidence: float | None) -> str | None:
    sure = confidence if rule.source == LOGPROB else stated_confidence(output, rule.source)
    if sure is None:
        return NO_CONFIDENCE
    return LOW_CONFIDENCE if sure < rule.below else None


def _rules(when: Mapping[str, Condition]) -> tuple[tuple[str, Holds], ...]:
    return tuple((name, holds) for name, condition in when.items() for holds in _tests(condition))


def _tests(condition: Condition) -> list[Holds]:
    """One test for each comparison in the condition; all must hold."""
    tests: list[Holds] = []
    if condition.equals is not None:
        tests.append(condition.equals.__eq__)
    if condition.one_of is not None:
        tests.append(frozenset(condition.one_of).__contains__)
    if (part := condition.contains) is not None:
        tests.append(lambda text: part in text)
    if condition.matches is not None:
        pattern = compiled_pattern(condition.matches)
        tests.append(lambda text: pattern.search(text) is not None)
    if (most := condition.longer_than) is not None:
        tests.append(lambda text: len(text) > most)
    if (least := condition.shorter_than) is not None:
        tests.append(lambda text: len(text) < least)
    return tests
