"""Renders the routing and caching section of a scorecard: the sources of its predictions, and the savings of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from assay.formatting import NOTHING, percent, usd

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
MartRow = Mapping[str, Any]


def source_rows(routing: Sequence[MartRow], caching: MartRow | None) -> list[tuple[str, ...]]:
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


def _route_row(row: MartRow, caching: MartRow) -> tuple[str, ...]:
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


def _cache_rows(caching: MartRow) -> Iterator[tuple[str, ...]]:
    for name, count, saved in CACHES:
        is_semantic = name == "semantic cache"
        embedded = is_semantic and caching["n_embedding_calls"]
        if caching[count] or embedded:
            cost = f"{usd(caching['embedding_cost_usd'])} (embeddings)" if embedded else NOTHING
            paid = _signed(caching[saved])
            yield (name, f"{caching[count]:,}", _share(caching[count], caching["n_sourced"]), NOTHING, cost, paid)


def _provider_row(caching: MartRow) -> Iterator[tuple[str, ...]]:
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
