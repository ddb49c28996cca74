"""Which conversation a row belongs to, and which turn of it the row is.

Belongs here: reading both from the cells of a row, and what can be wrong with them. Their order belongs to `turn_order`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

import orjson

from assay.inputs.canonical import BadId, record_id_of
from assay.records.statuses import RejectionReason

WHOLE_NUMBER = re.compile(r"(\d{1,16})(\.0+)?", re.ASCII)
LAST_TURN = 2**53 - 1
"""Beyond it JSON and stores that know only floats would take neighbours for one."""


class BadPlace(ValueError):
    """A row whose conversation or turn cannot be used: the reason, the column, and a message that names no content."""

    def __init__(self, reason: RejectionReason, column: str, explanation: str) -> None:
        super().__init__(explanation)
        self.reason = reason
        self.column = column


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnColumns:
    """Columns that hold a conversation's id, the number of the turn, and whose data it is.

    Where they are not `required`, a row may stand outside every conversation.
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
    """The row's conversation and turn, as the user named them; None for a row of no conversation.

    Raises:
        BadPlace: one of the two is missing or cannot be what it should.
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
            RejectionReason.BAD_TURN, columns.turn, f"expected a whole number from 0 in column {columns.turn!r}"
        )
    return Place(conversation, turn)


def turn_of(value: object) -> int | None:
    """The whole number that a cell stands for (3, "3", 3.0), None where it stands for none from 0 to 2^53 - 1."""
    number: int | None = None
    if isinstance(value, str):
        match = WHOLE_NUMBER.fullmatch(value.strip())
        number = int(match[1]) if match else None
    elif isinstance(value, int) and not isinstance(value, bool):
        number = value
    elif isinstance(value, float | Decimal) and math.isfinite(value) and value == value // 1:
        number = int(value)
    return number if number is not None and 0 <= number <= LAST_TURN else None


def group_of(place: Place | None, cells: Mapping[str, object], *, columns: TurnColumns, record_id: str) -> str:
    """What rows of one conversation of one tenant share; a row of no conversation has it to itself."""
    if place is None:
        return orjson.dumps([record_id]).decode()
    tenant = cells.get(columns.tenant) if columns.tenant else None
    return orjson.dumps(["" if tenant is None else str(tenant), place.conversation]).decode()
