"""Renders the tuned semantic cache as a table and as a block for `task.yml`."""

from __future__ import annotations

from decimal import Decimal

import yaml

from assay.inference.prices import ADD_PRICE
from assay.statistics.conventions import ERROR, MAX_FALSE_HIT_SHARE
from assay.tasks.spec import SemanticCacheSpec
from assay.tuning.cache.threshold import HitCounts, ThresholdRule, ThresholdStatus
from assay.tuning.cache.tune import Tuning

VERDICTS = {
    ThresholdStatus.OK: "qualifies",
    ThresholdStatus.TOO_FEW: "no rule qualifies yet: too few questions",
    ThresholdStatus.TOO_MANY_FALSE: "no rule qualifies: too many hits are false under every rule",
}


def rows(tuning: Tuning) -> list[tuple[str, str]]:
    """Returns the table rows: name and value of each result."""
    choice = tuning.choice
    facts = [
        ("goal", f"at most {MAX_FALSE_HIT_SHARE:.1%} false hits, with {1 - ERROR:.0%} confidence"),
        ("pairs", f"{tuning.pairs:,}, of which {tuning.identical:,} with identical questions not used"),
        ("questions", f"{tuning.questions:,}, each with its neighbors; one half to choose the rule, one half held out"),
        ("verdict", VERDICTS[choice.status]),
        ("rule" if choice.rule is not None else "most promising rule", _rule(choice.looked_at)),
        ("first half", _counts(choice.chosen)),
        ("held-out half", _counts(choice.held_out)),
    ]
    if choice.rule is None:
        return [*facts, ("needed", _advice(tuning))]
    return [
        *facts,
        ("hit rate", f"{choice.held_out.hit_rate:.1%} of questions like these; your traffic may have fewer repeats"),
        ("saving", _saving(tuning)),
    ]


def task_yml(spec: SemanticCacheSpec, rule: ThresholdRule) -> str:
    """Returns the `cache` block for `task.yml`."""
    stated = spec.model_dump(exclude_defaults=True, mode="json")
    block = {"cache": {"semantic": {**stated, **_stated(rule)}}}
    return yaml.safe_dump(block, sort_keys=False)


def _rule(rule: ThresholdRule) -> str:
    margin = f", and {rule.margin:.4f} above the nearest question with a different answer" if rule.margin else ""
    return f"similarity of at least {rule.threshold:.4f}{margin}"


def _stated(rule: ThresholdRule) -> dict[str, float]:
    return {"threshold": rule.threshold, **({"margin": rule.margin} if rule.margin else {})}


def _counts(counts: HitCounts) -> str:
    if not counts.hits:
        return f"no hits in {counts.questions:,} questions"
    return (
        f"hits: {counts.hits:,} of {counts.questions:,} questions; false hits: {counts.false_hits:,}; "
        f"precision {counts.precision:.2%}, false-hit rate at most {counts.most_false:.2%}"
    )


def _advice(tuning: Tuning) -> str:
    needed = tuning.choice.questions_needed
    if needed is None:
        return "a different embedding model: more questions like these would not be enough"
    return f"about {needed:,} distinct questions, if the rates of hits and false hits stay the same"


def _saving(tuning: Tuning) -> str:
    if tuning.answer_usd is None:
        return "unknown: no priced call of this task has landed yet"
    if tuning.embedding_usd is None:
        return f"unknown: the embeddings have no price ({ADD_PRICE}); a call costs {_usd(tuning.answer_usd)} on average"
    saving = tuning.saving_usd_per_1000 or Decimal(0)
    cost = 1000 * tuning.answer_usd
    embeddings = _usd(1000 * tuning.embedding_usd)
    return f"{_usd(saving)} of {_usd(cost)} per 1,000 questions, after the cost of embeddings ({embeddings})"


def _usd(amount: Decimal) -> str:
    return f"${amount:.6f}" if abs(amount) < 1 else f"${amount:,.2f}"
