"""Routing and caching: the sources of the run's predictions, and the savings of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from assay.formatting import NOTHING, percent, usd
from assay.records.statuses import AnswerSource
from assay.report.block import Scorecard, ScorecardBlock, Section
from assay.report.estimates import share
from assay.report.queries.calls import CALL_COSTS, ROUTES, SAVINGS
from assay.report.queries.runs import PREDICTION_COUNTS
from assay.report.source import Rows, RunSource

TITLE = "Routing and caching"
COLUMNS = ("source", "predictions", "share", "escalated", "cost", "saved")
CACHES = (
    ("exact cache", "n_exact_cache", "exact_cache_saved_usd"),
    ("semantic cache", "n_semantic_cache", "semantic_cache_saved_usd"),
    ("earlier runs", "n_reused", "reused_saved_usd"),
)
KINDS = (
    ("n_escalated_no_valid_answer", "no valid response"),
    ("n_escalated_check", "check"),
    ("n_escalated_confidence", "confidence"),
)
COUNTED = ("n_sourced", "n_wire", "n_exact_cache", "n_semantic_cache", "n_reused")
PAID = ("input_tokens", "cached_input_tokens")
EMBEDDED = ("n_embedding_calls", "embedding_cost_usd")
SOURCES = (AnswerSource.EXACT_CACHE, AnswerSource.SEMANTIC_CACHE, AnswerSource.REUSED)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcesBlock:
    """A row per route with the columns of `rpt_routing`, and the row of `rpt_caching`, None without predictions."""

    routing: Rows = ()
    caching: dict[str, Any] | None = None


def read(source: RunSource) -> SourcesBlock:
    """Returns the sources of the run's predictions."""
    counts = source.aggregate(PREDICTION_COUNTS)
    caching = _caching(source, counts) if counts["landed_predictions"] else None
    return SourcesBlock(routing=source.rows(ROUTES), caching=caching)


def sections(card: Scorecard) -> Iterator[Section]:
    """Yields a row per source of predictions and one for the provider's prompt cache; none if one route made all."""
    block = card.of(SourcesBlock)
    yield Section(TITLE, COLUMNS, _source_rows(block.routing, block.caching))


def _caching(source: RunSource, counts: Mapping[str, Any]) -> dict[str, Any]:
    paid = source.aggregate(CALL_COSTS)
    savings = {row["answer_source"]: row for row in source.rows(SAVINGS)} if counts["n_not_wire"] else {}
    saved = {f"{name}_saved_usd": _saved(savings.get(name)) for name in SOURCES}
    known = [usd for usd in saved.values() if usd is not None]
    total = sum(known, Decimal(0)) if len(known) == len(saved) else None
    embedding = paid["embedding_cost_usd"]
    return {
        **{name: counts[name] for name in COUNTED},
        **{name: paid[name] for name in PAID},
        "cached_input_share": share(paid["cached_input_tokens"], paid["input_tokens"]),
        **saved,
        "saved_usd": total,
        "n_unpriced_savings": sum(row["n_unpriced"] for row in savings.values()),
        **{name: paid[name] for name in EMBEDDED},
        "net_saved_usd": None if total is None or embedding is None else total - Decimal(embedding),
    }


def _saved(row: Mapping[str, Any] | None) -> Decimal | None:
    """Returns what a source saved; None if the price of a response is missing."""
    if row is None:
        return Decimal(0)
    return None if row["n_unpriced"] else Decimal(row["saved_usd"])


def _source_rows(routing: Rows, caching: Mapping[str, Any] | None) -> list[tuple[str, ...]]:
    """Returns a row per source of predictions and one for the provider's prompt cache; none if one route made all.

    The saving of a route is relative to the cost if only the last route had been called; the saving of a cache is the
    cost of the responses it returned.
    """
    if caching is None:
        return []
    routes = [row for row in routing if row["n_asked"] or row["n_wire"] or row["n_escalated"]]
    cached = list(_cache_rows(caching))
    provider = list(_provider_row(caching))
    if len(routes) < 2 and not cached and not provider:
        return []
    return [*(_route_row(row, caching) for row in routes), *cached, *provider]


def _route_row(row: Mapping[str, Any], caching: Mapping[str, Any]) -> tuple[str, ...]:
    reasons = ", ".join(f"{words} {row[name]:,}" for name, words in KINDS if row[name])
    escalated = f"{row['n_escalated']:,} ({reasons})" if row["n_escalated"] else NOTHING
    saved = NOTHING
    if row["n_compared"]:
        unknown = f" ({row['n_uncompared']:,} unknown)" if row["n_uncompared"] else ""
        saved = f"{_signed(row['routing_saved_usd'])}{unknown}"
    return (
        f"route {row['route']}",
        f"{row['n_wire']:,}",
        _share(row["n_wire"], caching["n_sourced"]),
        escalated,
        usd(row["cost_usd"]),
        saved,
    )


def _cache_rows(caching: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    for name, count, saved in CACHES:
        is_semantic = name == "semantic cache"
        embedded = is_semantic and caching["n_embedding_calls"]
        if caching[count] or embedded:
            cost = f"{usd(caching['embedding_cost_usd'])} (embeddings)" if embedded else NOTHING
            paid = _signed(caching[saved])
            yield (name, f"{caching[count]:,}", _share(caching[count], caching["n_sourced"]), NOTHING, cost, paid)


def _provider_row(caching: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    if caching["cached_input_tokens"]:
        tokens = f"{caching['cached_input_tokens']:,} tokens"
        share = percent(caching["cached_input_share"])
        yield ("provider's cache", tokens, share, NOTHING, "included above", NOTHING)


def _share(count: int, of: int) -> str:
    return percent(count / of) if of else NOTHING


def _signed(value: Any) -> str:
    """Formats an amount that may be negative."""
    if value is not None and value < 0:
        return f"-{usd(-value)}"
    return usd(value)


BLOCK = ScorecardBlock(
    kind=SourcesBlock, read=read, statements=(PREDICTION_COUNTS, CALL_COSTS, ROUTES), sections=sections
)
