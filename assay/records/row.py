"""What every landing row carries; the row types are in `records.py`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import ClassVar

JsonText = str
"""A JSON document as text, the form in which the warehouse takes a JSON column."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What every landing row carries."""

    table: ClassVar[str]

    data_date: date
    occurred_at: datetime
    tenant_id: str
