"""Conversation and turn of a row, from its cells."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

import orjson

from assay.inputs.canonical import BadId, record_id_of
from assay.records.statuses import RejectionReason

INTEGER = re.compile(r"(\d{1,16})(\.0+)?", re.ASCII)
LAST_TURN = 2**53 - 1
"""Largest turn number; above it, JSON and stores that use floats cannot distinguish neighboring integers."""


class BadPlace(ValueError):
    """A row has an invalid conversation or turn; the message contains no cell content."""

    def __init__(self, reason: RejectionReason, column: str, explanation: str) -> None:
        super().__init__(explanation)
        self.reason = reason
        self.column = column


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnColumns:
    """Columns of the conversation id, the turn number and the tenant.

    If they are not `required`, a row may be outside every conversation.
    """

    conversation: str
    turn: str
    tenant: str | None = None
    required: bool = True


@dataclass(frozen=True, slots=True)
class Place:
    """A turn of a conversation."""

    conversation: str
    turn: int


def place_of(cells: Mapping[str, object], columns: TurnColumns) -> Place | None:
    """The row's conversation and turn, as in the input; None for a row outside conversations.

    Raises:
        BadPlace: one of the two is missing or invalid.
    """
    if not columns.required and cells.get(columns.conversation) is None:
        return None
    try:
        conversation = record_id_of(cells.get(columns.conversation), called="conversation id")
    except BadId as error:
        raise BadPlace(RejectionReason.MISSING_CONVERSATION, columns.conversation, str(error)) from None
    if not conversation:
        explanation = f"expected a conversation id in column {columns.conversation!r}, found none"
        raise BadPlace(RejectionReason.MISSING_CONVERSATION, columns.conversation, explanation)
    turn = turn_of(cells.get(columns.turn))
    if turn is None:
        raise BadPlace(
            RejectionReason.BAD_TURN, columns.turn, f"expected a non-negative integer in column {columns.turn!r}"
        )
    return Place(conversation, turn)


def turn_of(value: object) -> int | None:
    """The integer in a cell (3, "3", 3.0); None if it is not an integer from 0 to 2^53 - 1."""
    number: int | None = None
    if isinstance(value, str):
        match = INTEGER.fullmatch(value.strip())
        number = int(match[1]) if match else None
    elif isinstance(value, int) and not isinstance(value, bool):
        number = value
    elif isinstance(value, float | Decimal) and math.isfinite(value) and value == value // 1:
        number = int(value)
    return number if number is not None and 0 <= number <= LAST_TURN else None


def group_of(place: Place | None, cells: Mapping[str, object], *, columns: TurnColumns, record_id: str) -> str:
    """Key shared by the rows of one tenant's conversation; a row outside conversations has its own key."""
    if place is None:
        return orjson.dumps([record_id]).decode()
    tenant = cells.get(columns.tenant) if columns.tenant else None
    return orjson.dumps(["" if tenant is None else str(tenant), place.conversation]).decode()
