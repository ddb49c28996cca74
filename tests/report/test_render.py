"""A scorecard shows what it is given and nothing that the data smuggle in."""

from __future__ import annotations

import re
from decimal import Decimal
from html.parser import HTMLParser
from typing import Any

import pytest

from assay.formatting import milliseconds, percent, usd
from assay.records.statuses import RunPurpose
from assay.report.block import Scorecard
from assay.report.blocks.run import PURPOSES
from assay.report.blocks.scorers import ScorersBlock
from assay.report.intervals import METHODS, REASONS, WARNINGS, explained, explained_estimate, interval, legend
from assay.report.render import facts, html, markdown, run_markdown, sections
from tests.report.cards import scorecard

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '" onmouseover="alert(1)',
    "![x](http://evil.test/pixel.png)",
    "[click](javascript:alert(1))",
    "a | b \\| c",
    "line\n\n# heading\r\n| row |",
    "{body} {0.__class__}",
    "&lt;b&gt; `code` **bold** ~~gone~~",
    "</td></tr></table><h1>owned",
]
NAN = float("nan")
RUN: dict[str, Any] = {
    "run_id": "run-1", "data_date": "2026-11-23", "purpose": "score", "stage": "shadow", "variant": "default",
    "inference_version": "abc", "rows_read": 1000, "rows_rejected": 10, "records": 990, "is_complete": True,
    "n_unscored": 0, "n_reused": 0, "n_cached": 0, "calls": 1000, "cost_per_correct_usd": Decimal("0.00012"), "cost_status": "ok",
    "cost_usd": Decimal("0.1"), "n_unpriced_calls": 0, "reference_cost_per_correct_usd": Decimal("0.0002"),
    "n_wire_answers": 990, "p50_ms": 100.0, "p90_ms": 200.0, "p99_ms": 1500.0, "share_within_sla": 0.99,
    "meets_sla": True, "sla_latency_ms": 30000, "sla_share": 0.95, "run_status": "completed", "is_whole": True,
    "partial_reason": None, "n_skipped": 0, "n_requested": 990, "judge_cost_usd": Decimal(0), "total_cost_usd": Decimal("0.1"),
    "cost_per_correct_interval": {"value": 0.00012, "low": 0.00011, "high": 0.000133, "level": 0.95, "status": "ok", "reason": None},
}  # fmt: skip
RATE: dict[str, Any] = {
    "population": "input", "slice": "overall", "n_eligible": 990, "n_correct": 800, "reliability": 0.808, "low": 0.782,
    "high": 0.831, "method": "wilson", "interval_status": "ok", "worst_case": 0.8, "best_case": 0.82,
    "n_second_chances": 0, "n_delivered_correct": 800, "delivered_rate": 0.808,
}  # fmt: skip
CHECK = {
    "population": "input",
    "scorer": "label_right",
    "n_judgements": 990,
    "n_no_output": 0,
    "n_unscored": 0,
    "n_failed": 0,
    "n_passed": 800,
    "n_fallback": 0,
    "low": 0.782,
    "high": 0.831,
    "method": "wilson",
    "interval_status": "ok",
}
FAILURE = {"status": "failed", "error_type": "timeout", "n_predictions": 3, "share_of_run": 0.003}


def card(
    *, run: dict[str, Any] | None = None, rate: dict[str, Any] | None = None, text: str = "kind=plain"
) -> Scorecard:
    return scorecard(
        task="sorting",
        run={**RUN, **(run or {})},
        reliability=({**RATE, **(rate or {})}, {**RATE, "slice": text}),
        scorers=({**CHECK, "scorer": text, "pass_rate": 0.808},),
        failures=({**FAILURE, "error_type": text},),
        reference_model=text,
        reference_price_source="genai-prices",
    )


ROUTE: dict[str, Any] = {
    "route": "cheap", "n_asked": 900, "n_answers": 700, "n_wire": 700, "n_escalated": 200, "n_escalated_no_valid_answer": 0,
    "n_escalated_check": 50, "n_escalated_confidence": 150, "cost_usd": Decimal("0.01"), "n_compared": 690, "n_uncompared": 10,
    "routing_saved_usd": Decimal("0.08"),
}  # fmt: skip
LAST: dict[str, Any] = {
    **ROUTE, "route": "strong", "n_asked": 200, "n_wire": 200, "n_escalated": 0, "n_escalated_check": 0,
    "n_escalated_confidence": 0, "n_compared": 200, "n_uncompared": 0, "routing_saved_usd": Decimal("-0.002"),
}  # fmt: skip
NO_CACHES: dict[str, Any] = {
    "n_sourced": 1000, "n_wire": 900, "n_exact_cache": 0, "n_semantic_cache": 0, "n_reused": 0, "input_tokens": 50_000,
    "cached_input_tokens": 0, "cached_input_share": 0.0, "exact_cache_saved_usd": Decimal(0), "n_embedding_calls": 0,
    "semantic_cache_saved_usd": Decimal(0), "reused_saved_usd": Decimal(0), "embedding_cost_usd": Decimal(0),
}  # fmt: skip
CACHES: dict[str, Any] = {
    **NO_CACHES, "n_exact_cache": 60, "n_semantic_cache": 40, "exact_cache_saved_usd": Decimal("0.006"),
    "semantic_cache_saved_usd": None, "n_embedding_calls": 3, "embedding_cost_usd": Decimal("0.0001"),
    "cached_input_tokens": 10_000, "cached_input_share": 0.2,
}  # fmt: skip


class Elements(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_has_no_script_no_handler_and_no_outside_resource() -> None:
    page = Elements(html(card()))

    assert not page.tags & {"script", "img", "iframe", "link", "object", "a"}
    assert not [name for name in page.attributes if name.startswith("on") or name in ("src", "href")]


def test_an_interval_is_drawn_where_its_bounds_lie() -> None:
    unscored = {"reliability": None, "low": None, "high": None, "interval_status": "unscored"}
    stated, worst_to_best = html(card()), html(card(rate=unscored))

    assert '<line class="bounds" x1="78.20%" x2="83.10%"' in stated
    assert '<circle class="rate" cx="80.80%"' in stated
    assert '<line class="bounds dashed" x1="80.00%" x2="82.00%"' in worst_to_best
    assert (stated.count("<circle"), worst_to_best.count("<circle")) == (2, 1)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_adds_nothing_to_the_page_and_is_shown(text: str) -> None:
    plain, hostile = Elements(html(card())), Elements(html(card(text=text)))

    assert (hostile.tags, hostile.attributes) == (plain.tags, plain.attributes)
    assert text.replace("\r\n", "\n") in hostile.text.replace("\r\n", "\n")


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_adds_nothing_to_the_markdown(text: str) -> None:
    plain, hostile = markdown(card()).splitlines(), markdown(card(text=text)).splitlines()

    assert len(hostile) == len(plain)
    assert [_cells(line) for line in hostile] == [_cells(line) for line in plain]
    assert not re.search(r"<\w|(?<!\\)[*\[]|(?<!\\)!\[", "\n".join(hostile))


@pytest.mark.parametrize("value", [NAN, float("inf"), None, Decimal("NaN")])
def test_a_value_that_is_none_is_shown_as_nothing(value: Any) -> None:
    assert {percent(value), usd(value), milliseconds(value)} == {"–"}


def test_no_nan_reaches_a_page() -> None:
    figures = ("cost_per_correct_usd", "cost_usd", "p50_ms", "p90_ms", "p99_ms", "share_within_sla")
    broken = card(
        run=dict.fromkeys(figures, NAN), rate=dict.fromkeys(("low", "high", "reliability", "worst_case"), NAN)
    )

    assert not re.search(r"\b(nan|inf)\b", (html(broken) + markdown(broken)).lower())


@pytest.mark.parametrize(
    ("status", "words"), [("too_few", "too few"), ("clustered", "clustered"), ("several_epochs", "several epochs"), (None, "–")]
)  # fmt: skip
def test_a_rate_without_bounds_says_why(status: str | None, words: str) -> None:
    assert interval({"low": None, "high": None, "interval_status": status}) == words


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, ""),
        ({"method": "clopper_pearson"}, " (exact)"),
        ({"method": "effective_n_wilson", "n_clusters": 330, "epochs": 1}, " (clustered: 330 clusters)"),
        ({"n_clusters": 12, "epochs": 1, "interval_status": "warning"}, " (clustered: 12 clusters, few)"),
        ({"n_clusters": 330, "epochs": 3}, " (3 epochs)"),
        ({"n_clusters": 8, "epochs": 3, "interval_status": "inconclusive"}, " (3 epochs, clustered: 8 clusters, too few: inconclusive)"),
        ({"n_clusters": 40, "epochs": 1, "interval_status": "too_few"}, " (clustered: 40 clusters, too few: conservative)"),
        ({"method": "worst_and_best_case", "interval_status": "unscored"}, " (worst to best case)"),
        ({"method": "another_method"}, " (another_method)"),
        ({"low": None, "interval_status": "clustered"}, None),
    ],
)  # fmt: skip
def test_an_interval_says_what_it_rests_on(given: dict[str, Any], words: str | None) -> None:
    grouped = {"method": "effective_n_wilson"} if "n_clusters" in given else {}

    assert explained({**RATE, **grouped, **given}) == ("clustered" if words is None else f"78.2 – 83.1%{words}")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"method": "wilson", "reason": None, "effective_n": 990.0}, "78.2 – 83.1%"),
        ({"method": "effective_n_wilson", "reason": None, "effective_n": 34.4}, "78.2 – 83.1% (effective n 34)"),
        ({"method": "effective_n_wilson", "reason": "12 clusters are few", "effective_n": 9.0}, "78.2 – 83.1% (12 clusters are few)"),
        ({"low": None, "reason": "no prediction"}, "no prediction"),
    ],
)  # fmt: skip
def test_a_landed_interval_says_what_limits_it(given: dict[str, Any], words: str) -> None:
    assert explained_estimate({**RATE, **given}) == words


def repeated(k: int, **given: Any) -> dict[str, Any]:
    measures = {
        f"pass_{kind}_k{part}": value
        for kind in ("at", "hat")
        for part, value in (
            ("", 0.5),
            ("_low", 0.4),
            ("_high", 0.6),
            ("_method", "effective_n_wilson"),
            ("_status", "ok"),
        )
    }
    place = {"population": "input", "slice": "overall", "k": k, "epochs": 8, "n_records": 200, "n_clusters": 12}
    return {**place, **measures, **given}


def test_repeats_show_the_first_ks_and_the_last_with_their_intervals() -> None:
    rows = [repeated(k) for k in range(1, 9)]
    odd = repeated(2, pass_at_k=None, pass_at_k_method="worst_and_best_case", pass_at_k_status="unscored")
    whole = scorecard(**{**card().as_dict(), "repeats": (*rows, repeated(1, slice="kind=a"), {**odd, "k": 8})})

    (section,) = [section for section in sections(whole) if section.title.startswith("Repeats")]
    columns, shown = section.columns, section.rows

    assert [row[1] for row in shown] == ["1", "2", "3", "5", "8", "8"]
    assert len(columns) == len(shown[0])
    assert shown[0][2:] == ("200", *("50.0%", "40.0 – 60.0% (clustered: 12 clusters)") * 2)
    assert shown[-1][3:5] == ("–", "40.0 – 60.0% (worst to best case)")


def test_flaky_records_are_counted_where_there_are_several_epochs() -> None:
    once, several, none = (
        dict(facts(scorecard(**{**card().as_dict(), "repeats": repeats, "flaky": flaky})))
        for repeats, flaky in (
            ((), ()),
            ((repeated(1), repeated(2)), ({"population": "input", "n_flaky": 17},)),
            ((repeated(1), repeated(2)), ()),
        )
    )

    assert "flaky records" not in once
    assert several["flaky records"].startswith("17 of 200 are correct in only some epochs")
    assert none["flaky records"].startswith("0 of 200 are")


def test_worst_and_best_case_stand_where_the_rate_cannot_be_stated() -> None:
    shown = markdown(card(rate={"reliability": None, "low": None, "high": None, "interval_status": "unscored"}))

    assert "80.0% to 82.0% | unscored" in shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0, "$0.000000"), (Decimal("0.00012"), "$0.000120"), (Decimal("0.0000004"), "$0.000000400"), (12, "$12.000000")],
)
def test_an_amount_that_is_not_nothing_never_looks_like_nothing(value: Any, shown: str) -> None:
    assert usd(value) == shown


def test_a_cost_that_cannot_be_stated_gives_its_status() -> None:
    assert "| cost per correct prediction | – (none\\_correct) |" in markdown(card(run={"cost_status": "none_correct"}))


def test_a_cost_with_unscored_predictions_has_its_lower_bound() -> None:
    run = {"cost_status": "unscored", "n_unscored": 12, "cost_per_correct_low_usd": Decimal("0.0001")}

    shown = dict(facts(card(run=run)))["cost per correct prediction"]
    assert shown == (
        "$0.000120, 95% interval $0.000110 – $0.000133; $0.000100 if all 12 unscored predictions were correct"
    )


def test_a_cost_is_unscored_and_not_none_correct_if_nothing_is_known_to_be_correct() -> None:
    run = {"cost_status": "unscored", "n_unscored": 12, "cost_per_correct_low_usd": Decimal("0.0001")}

    shown = dict(facts(card(run={**run, "cost_per_correct_usd": None})))["cost per correct prediction"]
    assert shown == "– (unscored); $0.000100 if all 12 unscored predictions were correct"


def test_a_cost_states_the_predictions_that_are_at_the_cost_of_an_earlier_request() -> None:
    shown = dict(facts(card(run={"n_reused": 900, "n_cached": 20})))["cost per correct prediction"]
    assert shown.endswith(", with 920 reused predictions at the cost of their request")


def test_a_cost_without_an_interval_gives_the_reason() -> None:
    none = {"low": None, "high": None, "level": 0.95, "reason": "total cost is 0: no interval"}

    shown = dict(facts(card(run={"cost_per_correct_interval": none})))["cost per correct prediction"]
    assert shown == "$0.000120, total cost is 0: no interval"


def test_costs_are_shown_by_what_they_paid_for() -> None:
    judged = {"judge_cost_usd": Decimal("0.02"), "total_cost_usd": Decimal("0.12")}

    shown = dict(facts(card(run=judged)))
    assert shown["inference cost"] == "$0.100000 for 1,000 calls"
    assert (shown["judge cost"], shown["total cost"]) == ("$0.020000", "$0.120000")
    assert "judge cost" not in dict(facts(card()))


def test_two_pass_rates_are_shown_where_fallback_values_make_them_differ() -> None:
    plain = card().of(ScorersBlock).scorers[0]
    replaced = {**plain, "n_no_output": 13, "n_fallback": 13, "delivered_pass_rate": 0.895}
    whole = scorecard(**{**card().as_dict(), "scorers": (plain, replaced)})

    (checks,) = [section for section in sections(whole) if section.title == "Checks"]
    columns, rows = checks.columns, checks.rows

    assert columns[-4:-2] == ("passed", "pass rate") and columns[-1] == "delivered"
    assert [(row[2], row[3], row[-3], row[-1]) for row in rows] == [
        ("990", "0", "80.8%", "–"),
        ("990", "13", "80.8%", "89.5%"),
    ]


def test_an_incomplete_run_says_so() -> None:
    assert "NOT complete" in markdown(card(run={"is_complete": False}))


def test_small_slices_and_slices_of_the_dev_split_are_counted_but_not_shown() -> None:
    small = {**RATE, "slice": "kind=rare", "n_eligible": 4}
    dev = {**RATE, "slice": "kind=plain", "population": "golden:dev"}
    shown = card()
    whole = scorecard(**{**shown.as_dict(), "reliability": (RATE, small, dev)})

    assert "kind=rare" not in html(whole)
    assert "2 slices in the dev split or with fewer than 5 predictions" in html(whole)


def test_a_runs_own_markdown_gives_the_reason_for_no_interval() -> None:
    class Summary:
        run_id = "run-1"
        statuses = {"ok": 2}  # noqa: RUF012
        reused = 0
        calls = 2

    row = {
        "population": "input",
        "slice": "<b>x",
        "n": 2,
        "value": None,
        "low": None,
        "high": None,
        "reason": "no prediction",
    }

    shown = run_markdown(Summary(), [row])

    assert "| input | &lt;b&gt;x | 2 | – | no prediction |" in shown


def test_routes_and_caches_are_shown_with_what_they_saved() -> None:
    shown = markdown(scorecard(**{**card().as_dict(), "routing": (ROUTE, LAST), "caching": CACHES}))

    assert [line for line in shown.partition("## Routing and caching")[2].splitlines() if line][2:] == [
        "| route cheap | 700 | 70.0% | 200 (check 50, confidence 150) | $0.010000 | $0.080000 (10 unknown) |",
        "| route strong | 200 | 20.0% | – | $0.010000 | -$0.002000 |",
        "| exact cache | 60 | 6.0% | – | – | $0.006000 |",
        "| semantic cache | 40 | 4.0% | – | $0.000100 (embeddings) | – |",
        "| provider's cache | 10,000 tokens | 20.0% | – | included above | – |",
    ]


@pytest.mark.parametrize("caching", [None, NO_CACHES])
def test_nothing_is_said_of_routes_and_caches_where_one_route_gave_all(caching: dict[str, Any] | None) -> None:
    shown = scorecard(**{**card().as_dict(), "routing": (ROUTE,), "caching": caching})

    assert "Routing and caching" not in markdown(shown) + html(shown)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_name_of_a_route_adds_nothing_to_the_page(text: str) -> None:
    pages = [
        Elements(
            html(scorecard(**{**card().as_dict(), "routing": ({**ROUTE, "route": name}, LAST), "caching": CACHES}))
        )
        for name in ("plain", text)
    ]

    assert (pages[0].tags, pages[0].attributes) == (pages[1].tags, pages[1].attributes)


def _cells(line: str) -> int:
    return len(re.findall(r"(?<!\\)(?:\\\\)*\|", line))


@pytest.mark.parametrize(
    ("cells", "line"),
    [
        (["54.6 – 68.0%", "–"], ""),
        (["40.1 – 60.2% (clustered: 12 clusters, few)"], "clustered: the interval allows for records of one cluster that are alike; few: fewer than 30 clusters, so the interval is less certain"),
        (["clustered", "80.3 – 99.3% (exact)"], "exact: Clopper–Pearson bounds, because Wilson's are not valid here; clustered: no interval, because no estimate covers exactly these predictions"),
        (["too few"], "too few: no interval, because there are not enough records"),
        (["1.0 – 2.0% (3 epochs, too few: conservative)"], "epochs: the interval allows for repeats of one record that are alike; conservative: wider bounds, because there are few records"),
        (["unscored"], "unscored: no interval, because too many predictions have no score"),
    ],
)  # fmt: skip
def test_the_words_of_an_interval_column_are_explained_if_they_occur(cells: list[str], line: str) -> None:
    assert legend(cells) == line


def test_every_word_of_an_interval_has_an_explanation() -> None:
    words = [*REASONS.values(), *WARNINGS.values(), *(name for name in METHODS.values() if name)]

    assert [word for word in words if not legend([word])] == []


@pytest.mark.parametrize("purpose", RunPurpose)
def test_the_purpose_of_a_run_is_in_words(purpose: RunPurpose) -> None:
    shown = dict(facts(card(run={"purpose": purpose.value})))["run"]

    assert PURPOSES[purpose] in shown


def test_the_explanation_is_below_its_table_in_markdown_and_on_the_page() -> None:
    shown = card(rate={"method": "clopper_pearson"})

    assert "\n\nexact: Clopper–Pearson bounds" in markdown(shown)
    assert "<p>exact: Clopper–Pearson bounds" in html(shown)


def test_the_first_try_and_what_was_delivered_have_their_own_names() -> None:
    again = {"n_correct": 700, "reliability": 700 / 990, "n_second_chances": 290, "n_delivered_correct": 970}
    shown = dict(facts(card(rate={**again, "delivered_rate": 970 / 990})))
    assert shown["first-try rate"] == "70.7%: 700 of 990 correct"
    assert shown["delivered rate"] == "98.0%: 970 of 990, 290 requested again after a failure"
    assert dict(facts(card()))["delivered rate"] == "80.8%: 800 of 990, nothing requested again"


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        ({"partial_reason": "limited"}, "only the first rows of the input were read (--limit)"),
        ({"partial_reason": "out_of_budget", "n_skipped": 40}, "the budget ran out with 40 requests not sent"),
    ],
    ids=["limited", "budget"],
)
def test_a_partial_run_is_labeled(reason: dict[str, Any], text: str) -> None:
    assert "partial run" not in dict(facts(card()))
    assert text in dict(facts(card(run={"is_whole": False, **reason})))["partial run"]
