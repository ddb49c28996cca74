"""Renders the scorecard as Markdown and as a web page; `assay.terminal` prints it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from html import escape
from math import isfinite
from pathlib import Path
from typing import Any, Protocol

from assay.errors import printable
from assay.formatting import NOTHING, milliseconds, percent, usd
from assay.records.statuses import PartialReason, Population, RunPurpose
from assay.report.gate import COLUMNS as GATE_COLUMNS
from assay.report.gate import TITLE as GATE
from assay.report.gate import gate_facts, gate_rule_rows
from assay.report.intervals import explained, explained_estimate, has_bounds, interval, legend
from assay.report.repeats import COLUMNS as REPEAT_COLUMNS
from assay.report.repeats import TITLE as REPEATS
from assay.report.repeats import flaky_facts, repeat_rows
from assay.report.scorecard import Scorecard
from assay.report.sources import COLUMNS as SOURCE_COLUMNS
from assay.report.sources import TITLE as SOURCES
from assay.report.sources import source_rows
from assay.statistics.conventions import FEWEST_RATED_SHOWN, INTERVAL_TITLE
from assay.statistics.measured import Status
from assay.tasks.gate_spec import OVERALL

TEMPLATES = Path(__file__).parent / "templates"
MARKDOWN_SIGNS = re.compile(r"([\\`*_\[\]|~!#])")
RELIABILITY_COLUMNS = ("population", "slice", "n", "correct", "reliability", INTERVAL_TITLE)
PURPOSES: dict[str, str] = {
    RunPurpose.SCORE: "run of the input",
    RunPurpose.EVAL: "run of the golden set",
    RunPurpose.SHADOW: "shadow run",
    RunPurpose.CANARY: "canary run",
    RunPurpose.LATENCY: "latency run",
}
SHOWN_TO_THE_MODEL = Population.GOLDEN_DEV
SCORER_COLUMNS = (
    "population",
    "check",
    "n",
    "no output",
    "unscored",
    "failed",
    "passed",
    "pass rate",
    INTERVAL_TITLE,
    "delivered",
)
UNSCORED = Status.UNSCORED
FAILURE_COLUMNS = ("status", "error", "predictions", "share")


class Summary(Protocol):
    """Counts of a run that `run_markdown` shows."""

    @property
    def run_id(self) -> str: ...  # noqa: D102
    @property
    def statuses(self) -> dict[str, int]: ...  # noqa: D102
    @property
    def reused(self) -> int: ...  # noqa: D102
    @property
    def calls(self) -> int: ...  # noqa: D102


class CostStatus(StrEnum):
    """Values of `rpt_cost_per_correct.cost_status`."""

    OK = "ok"
    BILLING_UNKNOWN = "billing_unknown"
    UNPRICED = "unpriced"
    UNSCORED = "unscored"
    NONE_CORRECT = "none_correct"


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalBar:
    """An interval as drawn, in percent of the width, with its text; `rate` is None if it is unknown."""

    low: str
    high: str
    rate: str | None
    is_dashed: bool
    label: str


@dataclass(frozen=True, slots=True)
class Section:
    """One table of the scorecard; `legend` explains words of its interval column and may be empty."""

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]

    @property
    def legend(self) -> str:
        """The meaning of the words that occur in the interval column, in one line."""
        if INTERVAL_TITLE not in self.columns:
            return ""
        place = self.columns.index(INTERVAL_TITLE)
        return legend(row[place] for row in self.rows)


def facts(card: Scorecard) -> list[tuple[str, str]]:
    """Returns the scorecard's single values as pairs of name and text, without values that do not apply."""
    calling_run = card.asked or card.run
    return [
        *_run_facts(card.run),
        *_rate_facts(card),
        *_calling_run_facts(card),
        *_cost_facts(card, calling_run),
        *_latency_facts(calling_run),
        *flaky_facts(card.repeats, card.flaky),
        *gate_facts(card.gate, card.gate_split),
        *_other_version_facts(card),
        *_hidden_facts(card),
    ]


def reliability_rows(card: Scorecard) -> list[tuple[str, ...]]:
    """Returns the reliability by population and slice; if nothing is scored, the worst and the best case."""
    return [
        (
            row["population"],
            row["slice"],
            f"{row['n_eligible']:,}",
            f"{row['n_correct']:,}",
            percent(row["reliability"])
            if row["reliability"] is not None and isfinite(row["reliability"])
            else f"{percent(row['worst_case'])} to {percent(row['best_case'])}",
            explained(row),
        )
        for row in shown_rates(card)
    ]


def shown_rates(card: Scorecard) -> list[dict[str, Any]]:
    """Returns the overall rates and those of large slices, except in the dev split, whose cases may be in prompts."""
    return [row for row in card.reliability if row["slice"] == OVERALL or _is_shown(row)]


def scorer_rows(card: Scorecard) -> list[tuple[str, ...]]:
    """Returns the counts and the pass rate of each scorer, and the rate with fallback values if there are some."""
    return [
        (
            row["population"],
            row["scorer"],
            f"{row['n_judgements']:,}",
            f"{row['n_no_output']:,}",
            f"{row['n_unscored']:,}",
            f"{row['n_failed']:,}",
            f"{row['n_passed']:,}",
            percent(row["pass_rate"]),
            explained(row),
            percent(row["delivered_pass_rate"]) if row["n_fallback"] else NOTHING,
        )
        for row in card.scorers
    ]


def failure_rows(card: Scorecard) -> list[tuple[str, ...]]:
    """Returns the number of predictions without a valid output, by status and error."""
    return [
        (row["status"], row["error_type"], str(row["n_predictions"]), percent(row["share_of_run"]))
        for row in card.failures
    ]


def sections(card: Scorecard) -> list[Section]:
    """Returns each table of the scorecard that has rows."""
    tables = [
        ("Reliability at the first try, on this set", RELIABILITY_COLUMNS, reliability_rows(card)),
        (REPEATS, REPEAT_COLUMNS, repeat_rows(card.repeats)),
        ("Checks", SCORER_COLUMNS, scorer_rows(card)),
        ("Failures by kind, as delivered", FAILURE_COLUMNS, failure_rows(card)),
        (SOURCES, SOURCE_COLUMNS, source_rows(card.routing, card.caching)),
        (_gate_title(card), GATE_COLUMNS, gate_rule_rows(card.gate_rules)),
    ]
    return [Section(title, columns, rows) for title, columns, rows in tables if rows]


def markdown(card: Scorecard) -> str:
    """Returns the scorecard as Markdown."""
    lines = [f"# {card.task}", "", *markdown_table(("", ""), facts(card))]
    for section in sections(card):
        lines += ["", f"## {section.title}", "", *markdown_table(section.columns, section.rows)]
        lines += ["", _markdown_text(section.legend)] if section.legend else []
    return "\n".join(lines)


def run_markdown(summary: Summary, estimates: Sequence[Mapping[str, Any]]) -> str:
    """Returns the statuses and the reliability of a run as Markdown; needs no marts."""
    counts = [(name, str(count)) for name, count in summary.statuses.items()]
    lines = [
        f"Run `{summary.run_id}`: {summary.calls} calls, {summary.reused} predictions reused.",
        "",
        *markdown_table(("status", "predictions"), counts),
    ]
    rows = [
        (
            row["population"],
            row["slice"],
            str(row["n"]),
            percent(row["value"]),
            explained_estimate(row),
        )
        for row in estimates
    ]
    return "\n".join([*lines, "", *markdown_table(("population", "slice", "n", "reliability", INTERVAL_TITLE), rows)])


def markdown_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Returns the lines of a Markdown table."""
    return [
        _line(columns),
        _line(["---"] * len(columns)),
        *(_line([_markdown_text(cell) for cell in row]) for row in rows),
    ]


def html(card: Scorecard) -> str:
    """Returns the scorecard as one web page that shows intervals as graphics, without scripts or external resources."""
    import jinja2

    interval_bars = [_interval_bar(row) for row in shown_rates(card)]
    tables = [
        (section, interval_bars if section.columns is RELIABILITY_COLUMNS else None) for section in sections(card)
    ]
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True, undefined=jinja2.StrictUndefined
    )
    return environment.get_template("scorecard.html").render(task=card.task, facts=facts(card), tables=tables)


def _run_facts(run: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield (
        "run",
        f"{run['run_id']} · {run['data_date']} · {PURPOSES.get(run['purpose'], run['purpose'])} · "
        f"stage {run['stage']} · variant {run['variant']}",
    )
    if not run["is_whole"]:
        yield (
            "partial run",
            f"{_partial(run)}; its predictions are not current, and its rates are not those of the input",
        )
    yield "inference version", run["inference_version"]
    yield (
        "rows",
        f"{run['rows_read']:,} read, {run['rows_rejected']:,} rejected, {run['records']:,} records, "
        + ("complete" if run["is_complete"] else "NOT complete"),
    )
    yield (
        "without a call",
        f"{run['n_reused']:,} predictions reused, {run['n_cached']:,} from the cache; {run['calls']:,} calls made",
    )


def _partial(run: Mapping[str, Any]) -> str:
    """Returns why the run is not whole."""
    if run["partial_reason"] == PartialReason.OUT_OF_BUDGET:
        return f"the budget ran out with {run['n_skipped']:,} requests not sent"
    return "only the first rows of the input were read (--limit)"


def _rate_facts(card: Scorecard) -> Iterator[tuple[str, str]]:
    """Yields what the model got right at the first try, and what was delivered after failures were requested again."""
    overall = [row for row in card.reliability if row["slice"] == OVERALL and row["n_eligible"]]
    for row in overall:
        place = f" · {row['population']}" if len(overall) > 1 else ""
        n = row["n_eligible"]
        rate = row["reliability"]
        first = NOTHING if rate is None or not isfinite(rate) else percent(rate)
        yield f"first-try rate{place}", f"{first}: {row['n_correct']:,} of {n:,} correct"
        again = row["n_second_chances"]
        after = f", {again:,} requested again after a failure" if again else ", nothing requested again"
        yield (
            f"delivered rate{place}",
            f"{percent(row['delivered_rate'])}: {row['n_delivered_correct']:,} of {n:,}{after}",
        )


def _other_gate(card: Scorecard) -> Mapping[str, Any] | None:
    """Returns the gate if it decided about another version than that of the run."""
    gate, version = card.gate, card.run["inference_version"]
    return gate if gate is not None and gate["candidate_inference_version"] != version else None


def _gate_title(card: Scorecard) -> str:
    gate = _other_gate(card)
    return GATE if gate is None else f"{GATE}, of variant {gate['candidate_variant']}, not of this run"


def _other_version_facts(card: Scorecard) -> Iterator[tuple[str, str]]:
    gate = _other_gate(card)
    if gate is not None:
        version = gate["candidate_inference_version"]
        yield "gate is about", f"variant {gate['candidate_variant']}, inference version {version}; not of this run"


def _calling_run_facts(card: Scorecard) -> Iterator[tuple[str, str]]:
    if card.asked is not None:
        yield (
            "no calls",
            f"cost and latency below are from run {card.asked['run_id']} · {card.asked['data_date']}, "
            "the last run that made calls",
        )


def _cost_facts(card: Scorecard, run: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    is_stated = run["cost_status"] not in (CostStatus.UNPRICED, CostStatus.NONE_CORRECT)
    unpriced = f", {run['n_unpriced_calls']} calls unpriced" if run["n_unpriced_calls"] else ""
    free = run["n_reused"] + run["n_cached"]
    partly = f", without {free:,} predictions that this run reused at no cost" if free else ""
    yield (
        "cost per correct prediction",
        _cost_per_correct(run) + partly if is_stated else f"{NOTHING} ({run['cost_status']})",
    )
    yield "cost of the run", usd(run["cost_usd"]) + unpriced
    if run.get("judge_cost_usd"):
        yield "cost of its judges", usd(run["judge_cost_usd"])
    if card.reference_model and run["reference_cost_per_correct_usd"] is not None:
        price = usd(run["reference_cost_per_correct_usd"])
        yield (
            "cost at a hosted model",
            f"{price} per correct prediction for the same tokens at {card.reference_model} ({card.reference_price_source})",
        )


def _cost_per_correct(run: Mapping[str, Any]) -> str:
    """Returns the cost, and with unscored predictions the cost if all of them were correct."""
    cost = usd(run["cost_per_correct_usd"])
    if not run["n_unscored"]:
        return cost
    low = usd(run["cost_per_correct_low_usd"])
    return f"{cost}; {low} if all {run['n_unscored']:,} unscored predictions were correct"


def _latency_facts(run: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if run["n_wire_answers"]:
        points = (f"P{point} {milliseconds(run[f'p{point}_ms'])}" for point in (50, 90, 99))
        yield "latency", " · ".join(points)
    if run["share_within_sla"] is not None:
        met = "met" if run["meets_sla"] else "MISSED"
        within, target = percent(run["share_within_sla"]), percent(run["sla_share"])
        yield "SLA", f"{within} within {run['sla_latency_ms']:,} ms, target {target}: {met}"


def _hidden_facts(card: Scorecard) -> Iterator[tuple[str, str]]:
    if hidden := len(card.reliability) - len(shown_rates(card)):
        yield (
            "not shown below",
            f"{hidden} slices in the dev split or with fewer than {FEWEST_RATED_SHOWN} predictions: see rpt_run_reliability",
        )


def _is_shown(row: Mapping[str, Any]) -> bool:
    return bool(row["n_eligible"] >= FEWEST_RATED_SHOWN and row["population"] != SHOWN_TO_THE_MODEL)


def _markdown_text(text: str) -> str:
    """Returns the text on one line, with Markdown and HTML escaped."""
    return MARKDOWN_SIGNS.sub(r"\\\1", escape(" ".join(printable(text).split()), quote=False))


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _interval_bar(row: Mapping[str, Any]) -> IntervalBar | None:
    low, high = (row["low"], row["high"]) if has_bounds(row) else (row["worst_case"], row["best_case"])
    if low is None or high is None or not isfinite(low) or not isfinite(high):
        return None
    rate = row["reliability"]
    return IntervalBar(
        low=f"{100 * low:.2f}",
        high=f"{100 * high:.2f}",
        rate=f"{100 * rate:.2f}" if rate is not None and isfinite(rate) else None,
        is_dashed=not has_bounds(row) or row["interval_status"] == UNSCORED,
        label=interval(row),
    )
