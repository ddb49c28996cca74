"""Cost of a call: a dated price book, based on `genai-prices` and `prices.yml`.

The cost of a model without a price is None, never 0.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field

from assay.inference.usage import TokenUsage
from assay.performance.fast_init import quick_init

if TYPE_CHECKING:
    from genai_prices.types import ModelPrice, PriceCalculation

PRICES_FILE = Path(__file__).parent / "prices.yml"
ADD_PRICE = "add one to assay/inference/prices.yml"
"""What to do about a model without a price."""
MILLION = 1_000_000
MILLIONTH = Decimal("0.000001")
PLACES = Decimal("0.000000001")
BATCH_CONTEXT = {"processing": "batch"}
RATES_KEPT = 4096
"""Maximum number of cached rates; the tier is free text from the endpoint, so the number of keys is unbounded."""


class _Block(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Fixed(_Block):
    provider: str
    model: str
    input_usd_per_million: Decimal
    output_usd_per_million: Decimal
    source: str
    checked: date


class _BatchShare(_Block):
    provider: str
    share: Annotated[Decimal, Field(gt=0, le=1)]
    source: str
    checked: date


class _Reference(_Block):
    provider: str
    model: str


class _PriceFile(_Block):
    models: tuple[_Fixed, ...]
    batch: tuple[_BatchShare, ...] = ()
    reference: _Reference


@quick_init
@dataclass(frozen=True, slots=True)
class Price:
    """Cost of a call in USD and the source of the price; both are None if the model has no price."""

    usd: Decimal | None
    source: str | None


UNPRICED = Price(None, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _UnitPrices:
    """USD per million tokens of each disjoint class, and USD per call."""

    call: Decimal
    uncached_input: Decimal
    cached_input: Decimal
    cache_write: Decimal
    answer: Decimal
    reasoning: Decimal

    def usd(self, usage: TokenUsage) -> Decimal:
        tokens = (
            self.uncached_input * usage.uncached_input
            + self.cached_input * usage.cached_input
            + self.cache_write * usage.cache_write
            + self.answer * usage.answer
            + self.reasoning * usage.reasoning
        )
        return tokens * MILLIONTH + self.call


@dataclass(frozen=True, slots=True)
class _Rates:
    """Prices of one model, day and tier: `brackets[i]` applies to calls with more than `starts[i - 1]` input tokens."""

    starts: tuple[int, ...]
    brackets: tuple[_UnitPrices, ...]
    share: Decimal
    source: str

    def price(self, usage: TokenUsage) -> Price:
        bracket = self.brackets[bisect_left(self.starts, usage.input) if self.starts else 0]
        return Price((bracket.usd(usage) * self.share).quantize(PLACES), self.source)


class PriceBook:
    """Prices of calls by provider, model, tier and day; each combination is looked up once."""

    def __init__(self, path: Path = PRICES_FILE) -> None:
        content = _PriceFile.model_validate(yaml.safe_load(path.read_text("utf-8")))
        self._fixed = {(entry.provider, entry.model): entry for entry in content.models}
        self._batch = {entry.provider: entry for entry in content.batch}
        self._reference = content.reference
        self._rates: dict[tuple[str, str, date, str | None, bool], _Rates | None] = {}

    @property
    def reference_model(self) -> str:
        """The hosted model whose price for the same tokens is reported for comparison."""
        return f"{self._reference.provider}:{self._reference.model}"

    def load(self) -> None:
        """Reads what a lookup needs, which would otherwise delay the first one, or fail after a call that is paid for."""
        self.reference_price(TokenUsage(1, 1, 1, 1, 1), on=datetime.now(UTC).date())

    def price(
        self, usage: TokenUsage, *, provider: str, model: str, on: date, tier: str | None = None, is_batch: bool = False
    ) -> Price:
        """The price of `usage`; `UNPRICED` if neither source lists the model."""
        key = (provider, model, on, tier, is_batch)
        try:
            rates = self._rates[key]
        except KeyError:
            rates = self._look_up(key)
        return rates.price(usage) if rates is not None else UNPRICED

    def reference_price(self, usage: TokenUsage, *, on: date) -> Price:
        """The cost of the same tokens at the list price of the reference model."""
        key = (self._reference.provider, self._reference.model, on, None, False)
        try:
            rates = self._rates[key]
        except KeyError:
            rates = self._look_up(key, listed=True)
        return rates.price(usage) if rates is not None else UNPRICED

    def _look_up(self, key: tuple[str, str, date, str | None, bool], *, listed: bool = False) -> _Rates | None:
        provider, model, on, tier, is_batch = key
        batch = self._batch.get(provider) if is_batch else None
        fixed = None if listed else self._fixed.get((provider, model))
        if fixed:
            rates: _Rates | None = _fixed_rates(fixed, batch)
        else:
            context = dict(BATCH_CONTEXT) if is_batch else {"service_tier": tier} if tier else {}
            try:
                rates = _listed_rates(provider, model, on=on, context=context, batch=batch)
            except OSError:  # of the files of the price list; a call that is paid for is kept, with an unknown cost
                return None
        if len(self._rates) >= RATES_KEPT:
            self._rates.clear()
        self._rates[key] = rates
        return rates


@cache
def _version() -> str:
    return version("genai-prices")


def _fixed_rates(entry: _Fixed, batch: _BatchShare | None) -> _Rates:
    inputs, outputs = entry.input_usd_per_million, entry.output_usd_per_million
    prices = _UnitPrices(
        call=Decimal(0),
        uncached_input=inputs,
        cached_input=inputs,
        cache_write=inputs,
        answer=outputs,
        reasoning=outputs,
    )
    source = f"prices.yml ({entry.source}), checked {entry.checked}"
    return _Rates((), (prices,), batch.share if batch else Decimal(1), source + _share_source(batch))


def _listed_rates(
    provider: str, model: str, *, on: date, context: Mapping[str, str], batch: _BatchShare | None
) -> _Rates | None:
    """The rates of `genai-prices`; `batch` applies only if they include no batch rate for the model on that day."""
    try:
        found = _listed(provider, model, on=on, context=context)
        has_own = batch is not None and found.model_price != _listed(provider, model, on=on, context={}).model_price
    except LookupError:
        return None
    share = None if has_own else batch
    starts = _bracket_starts(found.model_price)
    source = f"genai-prices {_version()}, {found.provider.id}:{found.model.id}, on {on}"
    return _Rates(
        starts,
        tuple(_unit_prices(_in_bracket(found.model_price, above)) for above in (-1, *starts)),
        share.share if share else Decimal(1),
        source + _share_source(share),
    )


def _share_source(batch: _BatchShare | None) -> str:
    return f"; batch at {batch.share} of it ({batch.source}), checked {batch.checked}" if batch else ""


def _listed(provider: str, model: str, *, on: date, context: Mapping[str, str]) -> PriceCalculation:
    from genai_prices import Usage, calc_price

    return calc_price(
        Usage(input_tokens=0, output_tokens=0),
        model_ref=model,
        provider_id=provider,
        genai_request_timestamp=datetime.combine(on, time(12), UTC),
        price_context=context or None,
    )


def _stored(prices: ModelPrice) -> dict[str, Any]:
    return {name: value for name, value in vars(prices).items() if value is not None}


def _bracket_starts(prices: ModelPrice) -> tuple[int, ...]:
    """Numbers of input tokens above which a rate changes; a bracket's rates apply to all tokens of a call in it."""
    tiers = (tier for rate in _stored(prices).values() if not isinstance(rate, Decimal) for tier in rate.tiers)
    return tuple(sorted({tier.start for tier in tiers}))


def _in_bracket(prices: ModelPrice, above: int) -> ModelPrice:
    """The prices of a call with `above` + 1 input tokens."""
    from genai_prices.types import ModelPrice

    def plain(rate: Any) -> Decimal:
        if isinstance(rate, Decimal):
            return rate
        reached = [tier.price for tier in rate.tiers if tier.start <= above]
        price: Decimal = reached[-1] if reached else rate.base
        return price

    return ModelPrice(**{name: plain(rate) for name, rate in _stored(prices).items()})


def _unit_prices(prices: ModelPrice) -> _UnitPrices:
    """Prices of Assay's token classes, computed by `genai-prices`: without tiers, its cost is linear in each class."""
    from genai_prices import Usage

    call = prices.calc_price(Usage(input_tokens=0, output_tokens=0))["total_price"]

    def million(**tokens: int) -> Decimal:
        return prices.calc_price(Usage(**{"input_tokens": 0, "output_tokens": 0, **tokens}))["total_price"] - call

    return _UnitPrices(
        call=call,
        uncached_input=million(input_tokens=MILLION),
        cached_input=million(input_tokens=MILLION, cache_read_tokens=MILLION),
        cache_write=million(input_tokens=MILLION, cache_write_tokens=MILLION),
        answer=million(output_tokens=MILLION),
        reasoning=million(output_tokens=MILLION, output_reasoning_tokens=MILLION),
    )
