"""Why a rule has no plan, and what to do instead."""

from __future__ import annotations

from assay.records.statuses import RuleKind
from assay.statistics.conventions import FEWEST_OF_CLASS
from assay.tasks.gate_rule import GateRule

OF_KIND = {
    RuleKind.GOLDEN_CASES: "it counts cases and has no test; `assay check` reports the number of cases",
    RuleKind.JUDGE_CALIBRATED: "the width of κ depends on the labels; `assay calibrate` shows its bounds, which more labels narrow",
    RuleKind.COST_PER_CORRECT: "the variance of the cost is known from a run only; evaluate once and compare the bound with the limit",
    RuleKind.LATENCY: "the share of predictions within the SLA is known from a run only; evaluate once and compare the bound with the limit",
    RuleKind.FLAKY_SHARE: "the share of flaky records is known from several epochs only; evaluate once with --epochs 2 or more and compare "
    "the bound with the limit",
    RuleKind.ROBUSTNESS: "the discordance is that between original and perturbed input; run `assay eval --perturb` once, and pass the share "
    "of records that differ as --discordance to plan a no_regression rule with this margin",
}
OF_CLASSES = (
    "the bounds rest on the cases of the class, not on all cases; evaluate once, and add cases of the class until the bound meets the limit; "
    f"an average needs at least {FEWEST_OF_CLASS} cases of each class"
)
OF_CORRECTED = (
    "the bounds depend on the number of labels and on the errors of the judge; `assay calibrate` shows them for the labels so far, and more "
    "labels narrow them"
)
OF_MEAN = "the standard deviation is unknown; pass --sd, and --mean for a rule `mean`, or evaluate once"


def unplanned(rule: GateRule, *, is_corrected: bool) -> str:
    """The sentence for a rule without a plan."""
    if is_corrected:
        reason = OF_CORRECTED
    elif rule.scorer is not None:
        reason = OF_CLASSES
    else:
        reason = OF_KIND.get(rule.kind, OF_MEAN)
    return f"{rule.name} ({rule.shown_metric}) is not planned: {reason}"
