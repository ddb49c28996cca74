"""Fields of every landing row."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import ClassVar

JsonText = str
"""A JSON document as text, the form in which the warehouse accepts a value of a JSON column."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Base class of the row types, with the fields of every landing row."""

    table: ClassVar[str]

    data_date: date
    occurred_at: datetime
    tenant_id: str
