"""Compares several variants on the same records: every pair, a ranking, and the Pareto set.

The steps are: the variants with their outcomes, comparisons, ranking, landing. Each step is one function in one module
with one frozen result type.
"""

from __future__ import annotations

from assay.evaluation.sides import EvaluationOptions, EvaluationReporter
from assay.evaluation.variants.comparisons import compare_variants
from assay.evaluation.variants.land import VariantEvaluation, land_pairs
from assay.evaluation.variants.ranking import ranked_variants
from assay.evaluation.variants.sides import evaluated_variants
from assay.project import Project


def evaluate_variants(
    project: Project, name: str, options: EvaluationOptions, reporter: EvaluationReporter
) -> VariantEvaluation:
    """The comparison of `options.variants` with each other. Lands one row per pair, metric and slice.

    Raises:
        UsageError: a variant does not exist, fewer than two differ, the task declares no `correct`, the variants have no
            record in common, the records belong to several populations, or the budget ran out before the last request.
        AssayError: a run could not be finished; repeating the command resumes it and reuses landed predictions.
    """
    variants = evaluated_variants(project, name, options, reporter)
    families = compare_variants(variants)
    ranking = ranked_variants(variants, families)
    evaluation = VariantEvaluation(variants=variants, families=families, ranking=ranking)
    land_pairs(project, evaluation)
    return evaluation
