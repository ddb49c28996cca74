"""What a call costs: a dated price book over `genai-prices` and `prices.yml`.

A model without a price has cost None and says so; it is never 0. Budgets and marts are elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict

from assay.inference.usage import TokenUsage

PRICES_FILE = Path(__file__).parent / "prices.yml"
MILLION = Decimal(1_000_000)
PLACES = Decimal("0.000000001")
BATCH_CONTEXT = {"processing": "batch"}


class _Fixed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    provider: str
    model: str
    input_usd_per_million: Decimal
    output_usd_per_million: Decimal
    source: str
    checked: date


class _Reference(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    provider: str
    model: str


class _PriceFile(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    models: tuple[_Fixed, ...]
    reference: _Reference


@dataclass(frozen=True, slots=True)
class Price:
    """What a call costs in USD, and where the price comes from; both None when the model has none."""

    usd: Decimal | None
    source: str | None


UNPRICED = Price(None, None)


class PriceBook:
    """Prices of calls by provider, model, tier and day."""

    def __init__(self, path: Path = PRICES_FILE) -> None:
        content = _PriceFile.model_validate(yaml.safe_load(path.read_text("utf-8")))
        self._fixed = {(entry.provider, entry.model): entry for entry in content.models}
        self._reference = content.reference

    @property
    def reference_model(self) -> str:
        """The hosted model that the same tokens are priced at for comparison."""
        return f"{self._reference.provider}:{self._reference.model}"

    def price(
        self, usage: TokenUsage, *, provider: str, model: str, on: date, tier: str | None = None, is_batch: bool = False
    ) -> Price:
        """The price of `usage`; `UNPRICED` when neither list knows the model."""
        if fixed := self._fixed.get((provider, model)):
            usd = (usage.input * fixed.input_usd_per_million + usage.output * fixed.output_usd_per_million) / MILLION
            return Price(_rounded(usd), f"prices.yml ({fixed.source}), checked {fixed.checked}")
        return _listed(usage, provider=provider, model=model, on=on, tier=tier, is_batch=is_batch)

    def reference_price(self, usage: TokenUsage, *, on: date) -> Price:
        """What the same tokens cost at the list price of the reference model."""
        return _listed(usage, provider=self._reference.provider, model=self._reference.model, on=on)


def _listed(
    usage: TokenUsage, *, provider: str, model: str, on: date, tier: str | None = None, is_batch: bool = False
) -> Price:
    from genai_prices import Usage, calc_price

    known = _price_context(provider, model)
    if known is None:
        return UNPRICED
    context: dict[str, Any] = dict(BATCH_CONTEXT) if is_batch else {"service_tier": tier} if tier else {}
    priced = calc_price(
        Usage(
            input_tokens=usage.input,
            cache_read_tokens=usage.cached_input,
            cache_write_tokens=usage.cache_write,
            output_tokens=usage.output,
        ),
        model_ref=model,
        provider_id=provider,
        genai_request_timestamp=datetime.combine(on, time(12), UTC),
        price_context=context or None,
    )
    return Price(_rounded(priced.total_price), f"genai-prices {version('genai-prices')}, {known}, on {on}")


@lru_cache(maxsize=1024)
def _price_context(provider: str, model: str) -> str | None:
    """The list's own id of the model, or None when it is not on the list."""
    from genai_prices import Usage, calc_price

    try:
        found = calc_price(Usage(input_tokens=1, output_tokens=1), model_ref=model, provider_id=provider)
    except LookupError:
        return None
    return f"{found.provider.id}:{found.model.id}"


def _rounded(usd: Decimal) -> Decimal:
    return usd.quantize(PLACES)
