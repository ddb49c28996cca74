"""Evaluates a candidate against a champion on the same records and decides the rules of the gate.

The steps are: sides with their outcomes, comparisons, robustness, evidence, verdict, landing. Each step is one function
in one module with one frozen result type; docs/architecture.md lists them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from assay.adoption.named_variants import FIRST_CHAMPION
from assay.evaluation.comparisons import MetricComparison, compare_sides, uncompared
from assay.evaluation.evaluation import Evaluation, land
from assay.evaluation.evidence import gather_evidence
from assay.evaluation.queries import GATE_LOOKS
from assay.evaluation.robustness.measure import measure_robustness
from assay.evaluation.sides import EvaluationOptions, EvaluationReporter, Sides, evaluated_sides
from assay.evaluation.verdict import decide, gate_waivers
from assay.inference.keys import new_id
from assay.project import Project
from assay.statistics.looks import UNCOUNTED, Look, look_at
from assay.tasks.gate_rule import gate_rules
from assay.tasks.gate_spec import GATE_SPLIT, OVERALL
from assay.tasks.task import Task
from assay.tasks.validation.gate import gate_of
from assay.warehouse.client import Warehouse
from assay.warehouse.statement import GATE_SPLIT_USES


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
    robustness = measure_robustness(project, sides, options, reporter)
    evidence = gather_evidence(project, sides, comparisons, rules, robustness=robustness)
    look = _look(project.warehouse, sides) if sides.population == GATE_SPLIT else UNCOUNTED
    verdict = decide(
        rules,
        evidence,
        today=datetime.now(UTC).date(),
        waivers=gate_waivers(gate),
        champion=sides.champion is not None,
        look=look,
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
        look=look,
        uses=_uses(project.warehouse, task) if sides.population == GATE_SPLIT else None,
        notes=tuple(_notes(sides, comparisons, options, look)),
        robustness=robustness,
    )
    land(project, evaluation)
    return evaluation


def _look(warehouse: Warehouse, sides: Sides) -> Look:
    """The look of this evaluation at the contents of its gate cases.

    A look is a run that requested predictions of these contents anew, whatever its input is called and whether or not it
    finished; a run that only reuses predictions shows nothing new. It counts for versions whose runs requested more
    than half of the contents. Runs of the champion count from the second on, and all runs since the champion was first
    promoted to ga. An evaluation counts the runs up to its own, so repeating it on the same runs leads to the same
    number, and a decision that is repeated keeps its error rate.
    """
    task, champion = sides.candidate.task, sides.champion
    apart = None if champion is None or sides.are_same else champion
    parameters = {
        "task": task.name,
        "run_id": sides.candidate.run_id,
        "champion_run_id": apart.run_id if apart else "",
        "champion_version": apart.task.versions.inference if apart else "",
    }
    row = next(iter(warehouse.stream(GATE_LOOKS.sql, parameters)))
    found = look_at(row["looks"], planned=gate_of(task.spec).looks, spent=row["spent"])
    return found if row["own_error"] is None else replace(found, error=row["own_error"])


def _uses(warehouse: Warehouse, task: Task) -> tuple[int, int]:
    """Returns the number of runs and of inference versions that used the gate cases of the task's golden set."""
    rows = warehouse.stream(GATE_SPLIT_USES.sql, {"task": task.name})
    own = (row for row in rows if row["golden_set_version"] == task.versions.golden_set)
    return next(((row["n_runs"], row["n_inference_versions"]) for row in own), (0, 0))


def _notes(
    sides: Sides, comparisons: Sequence[MetricComparison], options: EvaluationOptions, look: Look
) -> Iterator[str]:
    if sides.champion is None:
        yield f"no version serves {options.champion or FIRST_CHAMPION} yet: only absolute rules are decided"
    elif sides.are_same:
        yield "candidate and champion are the same version: nothing is compared, and there is no regression"
    if options.is_gate and look is UNCOUNTED:
        yield "looks are counted on golden cases only: a version that is evaluated often on these records passes by chance"
    for one in comparisons:
        if one.slice == OVERALL and one.inconsistent_share is not None:
            share = one.inconsistent_share
            yield f"judge {options.prefer} preferred a different prediction after swapping the order in {share:.0%} of pairs"
    if sides.champion is not None and not sides.are_same:
        numbers = {*sides.candidate.outcomes.measuring, *sides.champion.outcomes.measuring}
        yield from uncompared(sides.candidate.task, {one.metric for one in comparisons}, numbers)
