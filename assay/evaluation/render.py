"""Formats an evaluation as tables, as Markdown for a pull request, and as JSON values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from assay.adoption.variants import is_adopted
from assay.evaluation.comparisons import MetricComparison
from assay.evaluation.evaluation import Evaluation, rule_content
from assay.evaluation.robustness.render import robustness_notes, robustness_tables, robustness_values
from assay.evaluation.sides import EvaluatedVariant
from assay.evaluation.verdict import GateOutcome, GateVerdict
from assay.formatting import NOTHING, percent, points
from assay.formatting.gate_rules import RuleTerms, bounds_in_unit, requirement, state_text, value_in_unit
from assay.formatting.markdown import escaped, markdown_table
from assay.records.statuses import OnInconclusive, RuleDecision, RuleState
from assay.statistics.conventions import BOUNDS_TITLE, ERROR, FEWEST_COMPARED_SHOWN, INTERVAL_TITLE
from assay.statistics.looks import UNCOUNTED, Look
from assay.statistics.measured import Status
from assay.statistics.paired import PairedComparison
from assay.tasks.gate_spec import OVERALL, RELIABILITY

RULE_COLUMNS = ("rule", "requirement", "found", BOUNDS_TITLE, "n", "state", "reason")
COMPARISON_COLUMNS = (
    "metric",
    "slice",
    "candidate, champion",
    f"difference, {INTERVAL_TITLE}",
    "p",
    "+ / −",
    "n",
    "MDE",
)
MEANING = {
    RuleDecision.PASS: "every rule is met",
    RuleDecision.FAIL: "a rule is not met",
    RuleDecision.INCONCLUSIVE: "no rule fails, but not every rule is shown to be met; the reasons are below",
}
Table = tuple[str, Sequence[str], list[tuple[str, ...]]]


def facts(evaluation: Evaluation) -> list[tuple[str, str]]:
    """Facts about the evaluation, as pairs of name and text."""
    found = [
        ("decision", f"{evaluation.verdict.decision}: {_meaning(evaluation.verdict)}"),
        ("candidate", side_text(evaluation.candidate)),
        ("champion", side_text(evaluation.champion) if evaluation.champion else "none"),
        ("population", f"{evaluation.population}, {evaluation.candidate.outcomes.records():,} records"),
        ("stage", f"{evaluation.stage}; an inconclusive decision {_does(evaluation.on_inconclusive)}"),
    ]
    if evaluation.uses is not None:
        found.append(("gate split", _uses(*evaluation.uses)))
    if evaluation.look is not UNCOUNTED:
        found.append(("look", _look(evaluation.look)))
    if evaluation.gate_id is not None:
        found.append(("recorded", f"gate {evaluation.gate_id}, {'blocks' if evaluation.blocks else 'does not block'}"))
    return [*found, *(("note", text) for text in evaluation.notes)]


def tables(evaluation: Evaluation) -> Iterator[Table]:
    """The tables of rules, comparisons and robustness."""
    yield "Rules", RULE_COLUMNS, [_rule(outcome) for outcome in evaluation.verdict.outcomes]
    if evaluation.compared:
        yield (
            "Candidate against champion, on the same records",
            COMPARISON_COLUMNS,
            [_comparison(one) for one in _shown(evaluation.compared)],
        )
    if evaluation.robustness is not None:
        yield from robustness_tables(evaluation.robustness)


def table_notes(evaluation: Evaluation) -> Iterator[str]:
    """Notes on the comparisons: which are not shown, how many there are, and which p-value and interval disagree."""
    shown = _shown(evaluation.compared)
    if left_out := _left_out(evaluation.compared):
        yield f"landed in comparisons, but not in the table: {left_out}"
    if len(shown) > 1:
        yield (
            f"p-values and intervals hold for each comparison alone: among {len(shown)} comparisons of equal variants, "
            f"about {ERROR * len(shown):.1g} p-values below {ERROR:.0%} are expected. The FAIL of a rule is "
            "adjusted for the number of rules (Holm)"
        )
    for one in shown:
        found = one.comparison
        if (found.p_value <= ERROR) != (found.low > 0 or found.high < 0):
            yield (
                f"{one.metric}, {one.slice}: p = {found.p_value:.2g}, and the interval "
                f"{'contains' if found.low <= 0 <= found.high else 'excludes'} 0. They come from different methods, McNemar's "
                f"test and {found.method}, which may disagree near {ERROR:.0%}; rules use the bounds"
            )
    if evaluation.robustness is not None:
        yield from robustness_notes(evaluation.robustness)


def _left_out(compared: Sequence[MetricComparison]) -> str:
    """The comparisons that are not in the table, by the reason; empty if all are."""
    shown = _shown(compared)
    left = [one for one in compared if one not in shown]
    small = sum(one.comparison.n < FEWEST_COMPARED_SHOWN for one in left)
    counts = {
        f"of slices with fewer than {FEWEST_COMPARED_SHOWN} records": small,
        "of single scorers in slices": len(left) - small,
    }
    return ", ".join(f"{count} {reason}" for reason, count in counts.items() if count)


def markdown(evaluation: Evaluation) -> str:
    """The evaluation as a Markdown comment for a pull request."""
    title = f"{evaluation.candidate.task.name} {evaluation.verdict.decision}"
    return page_markdown(title, facts(evaluation), tables(evaluation), table_notes(evaluation))


def page_markdown(
    title: str, facts: Iterable[tuple[str, str]], tables: Iterable[Table], table_notes: Iterable[str]
) -> str:
    """A title, facts, tables and notes on the tables as Markdown."""
    lines = [f"### Assay: {escaped(title)}", ""]
    lines += [f"- **{name}**: {escaped(text)}" for name, text in facts]
    for heading, columns, rows in tables:
        lines += ["", f"#### {escaped(heading)}", "", table_markdown(columns, rows)]
    lines += [line for text in table_notes for line in ("", f"{escaped(text[0].upper() + text[1:])}.")]
    return "\n".join(lines) + "\n"


def table_markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The table as Markdown."""
    return "\n".join(markdown_table(columns, rows))


def as_values(evaluation: Evaluation) -> dict[str, Any]:
    """The decision, every rule and every comparison as JSON values."""
    return {
        "task": evaluation.candidate.task.name,
        "decision": evaluation.verdict.decision.value,
        "blocks": evaluation.blocks,
        "evaluation_id": evaluation.evaluation_id,
        "gate_id": evaluation.gate_id,
        "population": evaluation.population,
        "candidate": side_values(evaluation.candidate),
        "champion": side_values(evaluation.champion) if evaluation.champion else None,
        "rules": [rule_content(outcome) for outcome in evaluation.verdict.outcomes],
        "comparisons": [_comparison_values(one) for one in evaluation.compared],
        "robustness": None if evaluation.robustness is None else robustness_values(evaluation.robustness),
        "gate_split": None
        if evaluation.uses is None
        else {"runs": evaluation.uses[0], "inference_versions": evaluation.uses[1]},
        "look": _look_values(evaluation.look),
        "notes": list(evaluation.notes),
    }


def _shown(compared: Sequence[MetricComparison]) -> list[MetricComparison]:
    return [
        one
        for one in compared
        if one.slice == OVERALL
        or one.margin is not None
        or (one.metric == RELIABILITY and one.comparison.n >= FEWEST_COMPARED_SHOWN)
    ]


def _rule(outcome: GateOutcome) -> tuple[str, ...]:
    rule, found = outcome.rule, outcome.evidence
    terms = RuleTerms(
        kind=rule.kind,
        metric=rule.shown_metric,
        slice=rule.slice,
        threshold=rule.threshold,
        n_min=rule.n_min,
        covering=rule.covering,
    )
    value = value_in_unit(rule.kind, found.value if found else None)
    bounds = bounds_in_unit(rule.kind, found.lower, found.upper) if found else NOTHING
    count = f"{found.n:,}" if found else "0"
    return rule.name, requirement(terms), value, bounds, count, state_text(outcome.state), outcome.reason


def _comparison(one: MetricComparison) -> tuple[str, ...]:
    found = one.comparison
    level, change = (_number, signed) if one.is_mean else (percent, points)
    return (
        f"mean of {one.metric}" if one.is_mean else one.metric,
        one.slice,
        f"{level(found.candidate_rate)}, {level(found.champion_rate)}",
        f"{change(found.difference)}, {change(found.low)} to {change(found.high)}",
        f"{found.p_value:.2g}",
        f"{found.gains} / {found.losses}",
        f"{found.n:,}" + _status_note(found),
        change(found.mde).lstrip("+") + (f", needs {found.needed:,}" if found.needed else ""),
    )


def _number(value: float) -> str:
    """A mean in the unit of its scorer."""
    return f"{value:.4g}"


def signed(value: float) -> str:
    """A difference of means in the unit of their scorer, with its sign."""
    return f"{value:+.4g}"


def _status_note(found: PairedComparison) -> str:
    return f" ({found.status.value.replace('_', ' ')})" if found.status is not Status.OK else ""


def _comparison_values(one: MetricComparison) -> dict[str, Any]:
    place = {"metric": one.metric, "kind": one.kind, "slice": one.slice, "margin": one.margin}
    return {**place, **comparison_values(one.comparison)}


def comparison_values(found: PairedComparison) -> dict[str, Any]:
    """The results of a comparison as JSON values."""
    names = ("difference", "low", "high", "lower", "upper", "p_value", "n", "clusters", "gains", "losses", "method")
    more = ("needed", "unscored", "left_out", "reason")
    return {
        "candidate_rate": found.candidate_rate,
        "champion_rate": found.champion_rate,
        "status": found.status.value,
        **{name: getattr(found, name) for name in names},
        "detectable": found.mde,
        **{name: getattr(found, name) for name in more},
    }


def side_text(side: EvaluatedVariant) -> str:
    """The variant with its version, commit and run."""
    commit = f", commit {side.task.git_sha[:12]}" if side.task.git_sha else ""
    reused = ", reused" if side.is_reused else ""
    if is_adopted(side.task):
        reused = ", adopted: its predictions were made outside Assay"
    return f"{side.label} (inference version {side.task.versions.inference}{commit}), run {side.run_id}{reused}"


def side_values(side: EvaluatedVariant) -> dict[str, Any]:
    """The variant with its versions and run as JSON values."""
    versions = side.task.versions
    return {
        "variant": side.label,
        "run_id": side.run_id,
        "is_reused": side.is_reused,
        "is_adopted": is_adopted(side.task),
        "inference_version": versions.inference,
        "golden_set_version": versions.golden_set,
        "policy_version": versions.policy,
        "git_sha": side.task.git_sha,
    }


def _uses(runs: int, versions: int) -> str:
    times = "once" if runs == 1 else f"{runs:,} times"
    return f"used {times}, by {versions:,} version{'' if versions == 1 else 's'}, since it last changed"


def _meaning(verdict: GateVerdict) -> str:
    failed = [outcome.rule.name for outcome in verdict.outcomes if outcome.state is RuleState.FAIL]
    return f"not met: {', '.join(failed)}" if failed else MEANING[verdict.decision]


def _look(look: Look) -> str:
    planned = f" of {look.planned} planned" if look.planned else ""
    left = f"{100 * look.left:.3g}%" if look.left else "nothing"
    return (
        f"{look.number}{planned}: of runs that requested predictions of these cases anew, the champion's first apart; a rule "
        f"passes at {look.requirement}, {left} is left for later looks"
    )


def _look_values(look: Look) -> dict[str, Any] | None:
    return None if look is UNCOUNTED else asdict(look)


def _does(on_inconclusive: OnInconclusive) -> str:
    return "blocks" if on_inconclusive == OnInconclusive.BLOCK else "only warns"
