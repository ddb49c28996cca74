"""Prices equal those of the list they are compiled from, class by class, bracket by bracket, for every model on it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from genai_prices import Usage, calc_price, extract_usage
from genai_prices.data import providers

from assay.inference.dialects.openai_chat import token_usage
from assay.inference.prices import RATES_KEPT, PriceBook
from assay.inference.usage import TokenUsage
from tests.paths import SHARED

PAYLOADS = SHARED / "data" / "prices" / "genai_usage_payloads_with_prices.jsonl"
DAY = date(2026, 11, 1)
BILLIONTH = Decimal("0.000000001")
TIERS: list[dict[str, Any]] = [{}, {"tier": "default"}, {"tier": "flex"}, {"tier": "priority"}]


def tokens(**classes: int) -> TokenUsage:
    none = dict.fromkeys(("uncached_input", "cached_input", "cache_write", "answer", "reasoning"), 0)
    return TokenUsage(**{**none, **classes})


def list_price(usage: TokenUsage, *, provider: str, model: str, on: date, context: dict[str, str]) -> Decimal | None:
    """What the list itself says, asked afresh."""
    counts = Usage(
        input_tokens=usage.input,
        cache_read_tokens=usage.cached_input,
        cache_write_tokens=usage.cache_write,
        output_tokens=usage.output,
        output_reasoning_tokens=usage.reasoning,
    )
    when = datetime.combine(on, time(12), UTC)
    try:
        found = calc_price(
            counts,
            model_ref=model,
            provider_id=provider,
            genai_request_timestamp=when,
            price_context=context or None,
        )
    except LookupError:
        return None
    return found.total_price.quantize(BILLIONTH)


def anything(rng: Random) -> TokenUsage:
    """Any usage: small, large enough for every bracket of the list, and with some classes empty."""
    most = rng.choice([10, 1_000, 300_000, 2_000_000])
    return TokenUsage(*(rng.choice([0, rng.randrange(most)]) for _ in range(5)))


def models() -> Iterator[tuple[str, str]]:
    return ((provider.id, model.id) for provider in providers for model in provider.models)


def test_every_model_of_the_list_costs_what_the_list_says_whatever_the_usage_day_and_tier() -> None:
    book, rng, priced = PriceBook(), Random(20), 0
    for provider, model in models():
        usage, tier = anything(rng), rng.choice(TIERS)
        on = date(2023, 1, 1) + timedelta(days=rng.randrange(1500))
        context = {"service_tier": tier["tier"]} if tier else {}
        expected = list_price(usage, provider=provider, model=model, on=on, context=context)

        found = book.price(usage, provider=provider, model=model, on=on, **tier)

        assert found.usd == expected, (provider, model, usage, on, tier)
        priced += expected is not None
    assert priced > 2000


def test_a_bracket_begins_just_above_its_number_of_input_tokens() -> None:
    book = PriceBook()
    for count in (199_999, 200_000, 200_001):
        usage = tokens(uncached_input=count, answer=1000)
        expected = list_price(usage, provider="google", model="gemini-2.5-pro", on=DAY, context={})

        assert book.price(usage, provider="google", model="gemini-2.5-pro", on=DAY).usd == expected


def test_a_price_asked_again_is_the_price_of_its_own_usage() -> None:
    book = PriceBook()
    first = book.price(tokens(uncached_input=1_000_000), provider="openai", model="gpt-5-nano", on=DAY)
    again = book.price(tokens(uncached_input=2_000_000), provider="openai", model="gpt-5-nano", on=DAY)

    assert (first.usd, again.usd) == (Decimal("0.05"), Decimal("0.10"))


def test_a_model_with_a_price_of_its_own_for_reasoning_is_charged_it() -> None:
    book = PriceBook()
    answer, reasoning = (
        book.price(usage, provider="perplexity", model="sonar-deep-research", on=DAY).usd
        for usage in (tokens(answer=1_000_000), tokens(reasoning=1_000_000))
    )

    assert (answer, reasoning) == (Decimal(8), Decimal(3))


@pytest.mark.parametrize("model", ["gpt-4o-mini", "gpt-5-nano", "gpt-4o-audio-preview"])
def test_the_batch_tier_halves_the_price(model: str) -> None:
    usage, book = tokens(uncached_input=1_000_000, answer=1_000_000), PriceBook()
    online = book.price(usage, provider="openai", model=model, on=DAY)
    batch = book.price(usage, provider="openai", model=model, on=DAY, is_batch=True)

    assert batch.usd is not None
    assert batch.usd * 2 == online.usd


def test_a_batch_share_of_ours_is_told_with_its_source() -> None:
    usage, book = tokens(uncached_input=1_000_000), PriceBook()
    listed = book.price(usage, provider="openai", model="gpt-4o-mini", on=DAY, is_batch=True).source or ""
    ours = book.price(usage, provider="openai", model="gpt-4o-audio-preview", on=DAY, is_batch=True).source or ""

    assert "batch at" not in listed
    assert "batch at 0.5 of it (https://platform.openai.com/docs/guides/batch" in ours


def test_every_batch_rate_of_the_list_stands_before_our_share() -> None:
    book, usage, compared = PriceBook(), tokens(uncached_input=90_000, cached_input=10_000, answer=500), 0
    for provider, model in models():
        online = list_price(usage, provider=provider, model=model, on=DAY, context={})
        batch = list_price(usage, provider=provider, model=model, on=DAY, context={"processing": "batch"})
        if online == batch:
            continue
        assert book.price(usage, provider=provider, model=model, on=DAY, is_batch=True).usd == batch, (provider, model)
        compared += 1
    assert compared > 80


def test_a_provider_without_a_known_batch_rate_is_charged_the_list_price() -> None:
    usage, book = tokens(uncached_input=1_000_000), PriceBook()
    online, batch = (
        book.price(usage, provider="deepseek", model="deepseek-chat", on=DAY, is_batch=is_batch)
        for is_batch in (False, True)
    )

    assert batch == online


def test_tiers_that_an_endpoint_makes_up_do_not_fill_the_memory() -> None:
    book, usage = PriceBook(), tokens(uncached_input=1)
    for number in range(RATES_KEPT + 2):
        book.price(usage, provider="nobody", model="nothing", on=DAY, tier=f"tier-{number}")

    assert len(book._rates) <= RATES_KEPT


def published() -> Iterator[tuple[dict[str, Any], dict[str, Any], Decimal]]:
    """Payload, extractor and price, for the extractor whose API the payload's shape is and which counts all of it."""
    for line in PAYLOADS.read_text("utf-8").splitlines():
        payload = json.loads(line)
        usage = payload["body"].get("usage") or {}
        flavours = {"chat"} if "prompt_tokens" in usage else {"responses"}
        if "cache_read_input_tokens" in usage:
            flavours = {"anthropic"}
        for extractor in (one for extracted in payload["extracted"] for one in extracted["extractors"]):
            native = (
                extractor["provider_id"] in ("anthropic", "groq", "mistral") and extractor["api_flavor"] == "default"
            )
            if usage and "input_price" in extractor and (native or extractor["api_flavor"] in flavours):
                yield payload, extractor, Decimal(extractor["input_price"]) + Decimal(extractor["output_price"])


def has_other_than_text(usage: dict[str, Any]) -> bool:
    """Audio has a price of its own, and no task sends any."""
    return any(details.get("audio_tokens") for details in usage.values() if isinstance(details, dict))


@pytest.mark.skipif(not PAYLOADS.is_file(), reason="the public data sets are not beside the checkout (../shared/data)")
def test_published_usage_payloads_cost_what_their_publisher_recorded() -> None:
    """The records are of an earlier list: one counts where today's list, read by its own publisher, still says the same."""
    book, when, compared = PriceBook(), datetime.combine(DAY, time(12), UTC), 0
    for payload, extractor, recorded in published():
        provider, body = extractor["provider_id"], payload["body"]
        if has_other_than_text(body["usage"]):
            continue
        theirs = extract_usage(body, provider_id=provider, api_flavor=extractor["api_flavor"])
        if abs(theirs.calc_price(genai_request_timestamp=when).total_price - recorded) > BILLIONTH:
            continue
        usage = token_usage(body["usage"])
        assert usage is not None, payload
        found = book.price(usage, provider=provider, model=payload["model"], on=DAY)

        assert found.usd == pytest.approx(recorded, abs=BILLIONTH), (payload, extractor)
        compared += 1
    assert compared > 900


def counts(raw: dict[str, Any]) -> tuple[int, int]:
    total_in = raw.get("prompt_tokens", raw.get("input_tokens"))
    total_out = raw.get("completion_tokens", raw.get("output_tokens"))
    return total_in or 0, total_out or 0


@pytest.mark.skipif(not PAYLOADS.is_file(), reason="the public data sets are not beside the checkout (../shared/data)")
def test_the_classes_of_published_payloads_add_up_to_the_totals_they_state() -> None:
    compared = 0
    for line in PAYLOADS.read_text("utf-8").splitlines():
        raw = json.loads(line)["body"].get("usage") or {}
        usage = token_usage(raw)
        if usage is None:
            continue
        beside = sum(raw.get(name) or 0 for name in ("cache_read_input_tokens", "cache_creation_input_tokens"))
        total_in, total_out = counts(raw)

        assert (usage.input, usage.output) == (total_in + beside, total_out), raw
        assert min(usage.uncached_input, usage.answer) >= 0
        compared += 1
    assert compared > 400
