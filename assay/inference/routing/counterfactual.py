"""Computes what a request would have cost if only the last route had been called."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from assay.inference.prices import PriceBook
from assay.inference.usage import TokenUsage
from assay.records import Response
from assay.records.statuses import CallPurpose
from assay.tasks.spec import RouteSpec

ANSWER = CallPurpose.ANSWER


def counterfactual_cost(
    responses: Sequence[Response], *, route: str | None, last: RouteSpec, prices: PriceBook
) -> Decimal | None:
    """Cost in USD if only the last route had been called: the tokens of the kept response at that model's price.

    `route` is the route whose response was kept. If the response was repaired, the first call counts, because the last
    route might not have needed a repair. The tokens are those counted on `route`; the tokenizer of a different model may
    count differently. Returns None if no response was kept, if it has no usage (a cached response), or if the last
    route's model has no price.
    """
    first = [row for row in responses if row.route == route and row.purpose == ANSWER and row.input_tokens is not None]
    usage = _usage(first[-1]) if first else None
    if usage is None:
        return None
    kept = first[-1]
    priced = prices.price(
        usage, provider=last.provider, model=last.model, on=kept.started_at.date(), is_batch=kept.is_batch
    )
    return priced.usd


def _usage(row: Response) -> TokenUsage | None:
    classes = (
        row.uncached_input_tokens,
        row.cached_input_tokens,
        row.cache_write_tokens,
        row.answer_tokens,
        row.reasoning_tokens,
    )
    if any(count is None for count in classes):
        return None
    uncached, cached, written, answer, reasoning = (count or 0 for count in classes)
    return TokenUsage(
        uncached_input=uncached, cached_input=cached, cache_write=written, answer=answer, reasoning=reasoning
    )
