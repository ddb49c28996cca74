"""Evaluates a candidate against a champion on the same records and decides the rules of the gate.

The steps are: sides with their outcomes, comparisons, evidence, verdict, landing. Each step is one function in one
module with one frozen result type; docs/architecture.md lists them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from assay.evaluation.comparisons import MetricComparison, compare_sides
from assay.evaluation.evaluation import Evaluation, land
from assay.evaluation.evidence import gate_rules, gather_evidence
from assay.evaluation.queries import GATE_SPLIT_USES
from assay.evaluation.sides import FIRST_CHAMPION, EvaluationOptions, EvaluationReporter, Sides, evaluated_sides
from assay.evaluation.verdict import decide, gate_waivers
from assay.inference.keys import new_id
from assay.project import Project
from assay.tasks.gate_spec import GATE_SPLIT, OVERALL
from assay.tasks.task import Task
from assay.tasks.validation.gate import gate_of
from assay.warehouse.client import Warehouse


def evaluate(project: Project, name: str, options: EvaluationOptions, reporter: EvaluationReporter) -> Evaluation:
    """The evaluation of the candidate. Lands estimates and comparisons and, with `is_gate`, the decision.

    Raises:
        UsageError: the variant does not exist, the variants have no record in common, the records belong to several
            populations, or the budget ran out before the last request.
        AssayError: a run could not be finished; repeating the command resumes it and reuses landed predictions.
    """
    sides = evaluated_sides(project, name, options, reporter)
    task = sides.candidate.task
    gate, stage = gate_of(task.spec), options.stage or task.spec.stage
    rules = gate_rules(gate, task.spec.sla)
    comparisons = compare_sides(project, sides, options, reporter)
    evidence = gather_evidence(project, sides, comparisons, rules)
    verdict = decide(
        rules,
        evidence,
        today=datetime.now(UTC).date(),
        waivers=gate_waivers(gate),
        champion=sides.champion is not None,
    )
    evaluation = Evaluation(
        evaluation_id=sides.evaluation_id,
        gate_id=new_id() if options.is_gate else None,
        options=options,
        stage=stage,
        on_inconclusive=gate.inconclusive_at(stage),
        candidate=sides.candidate,
        champion=sides.champion,
        population=sides.population,
        compared=comparisons,
        verdict=verdict,
        uses=_uses(project.warehouse, task) if sides.population == GATE_SPLIT else None,
        notes=tuple(_notes(sides, comparisons, options)),
    )
    land(project, evaluation)
    return evaluation


def _uses(warehouse: Warehouse, task: Task) -> tuple[int, int]:
    parameters = {"task": task.name, "golden_set_version": task.versions.golden_set}
    row = next(iter(warehouse.stream(GATE_SPLIT_USES.sql, parameters)))
    return row["runs"], row["versions"]


def _notes(sides: Sides, comparisons: Sequence[MetricComparison], options: EvaluationOptions) -> Iterator[str]:
    if sides.champion is None:
        yield f"no version serves {options.champion or FIRST_CHAMPION} yet: only absolute rules are decided"
    elif sides.are_same:
        yield "candidate and champion are the same version: nothing is compared, and there is no regression"
    for one in comparisons:
        if one.slice == OVERALL and one.inconsistent_share is not None:
            share = one.inconsistent_share
            yield f"judge {options.prefer} preferred a different prediction after swapping the order in {share:.0%} of pairs"
