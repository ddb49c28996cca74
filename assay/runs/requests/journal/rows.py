"""Converts rows to journal lines, without field names, and back.

Values are in the order of the row types' fields, so a journal is readable only by code with the same fields; `LAYOUT`
identifies them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from operator import attrgetter
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from assay.inference.call_rows import CallFacts
from assay.inference.request import Request
from assay.records import Content, Prediction, Response
from assay.records.evaluation import Score
from assay.records.row import Row
from assay.tasks.spec import RouteSpec

KINDS: dict[str, type[Row]] = {kind.table: kind for kind in (Prediction, Response, Content, Score)}
NAMES = {table: tuple(field.name for field in fields(kind)) for table, kind in KINDS.items()}
OF_A_CALL = ("call_id", "purpose", "attempt", "trace_id", "started_at", "estimate_usd", "queue_ms")
OF_ITS_REQUEST = ("record_id", "position", "epoch", "key", "input_hash", "tenant_id", "subject_key")
"""Fields in the journal line of a dispatched call, in addition to its route."""
ADOPTED = frozenset(name for name in NAMES[Prediction.table] if name.startswith("adopted_"))
ADDED: tuple[Mapping[str, frozenset[str]], ...] = (
    {Score.table: frozenset({"gives"})},
    {Prediction.table: ADOPTED, Score.table: frozenset({"expected_label", "gives"})},
    {
        Prediction.table: ADOPTED | {"first_prediction_id", "first_status", "first_finished_at"},
        Score.table: frozenset({"expected_label", "annotator_kind", "gives"}),
    },
)
"""Fields that journals of each earlier version lack, newest version first; their rows have the default."""
NAMES_EARLIER = tuple(
    {table: tuple(name for name in names if name not in added.get(table, ())) for table, names in NAMES.items()}
    for added in ADDED
)


def _layout(names: Mapping[str, tuple[str, ...]]) -> int:
    content = repr((2, names, OF_A_CALL, OF_ITS_REQUEST)).encode()
    return int.from_bytes(hashlib.sha256(content).digest()[:4], "big")


LAYOUT = _layout(NAMES)
LAYOUTS = frozenset({LAYOUT, *map(_layout, NAMES_EARLIER)})
"""Layouts of the journals that can be read."""
READERS: dict[Any, Callable[[Any], Any]] = {
    datetime: datetime.fromisoformat,
    date: date.fromisoformat,
    Decimal: Decimal,
    tuple: tuple,
}
_PICK_CALL, _PICK_REQUEST = attrgetter(*OF_A_CALL), attrgetter(*OF_ITS_REQUEST)
_PICKS = {table: attrgetter(*names) for table, names in NAMES.items()}


def values_of(row: Row) -> tuple[Any, ...]:
    """Returns the row's values in the order of its fields."""
    values: tuple[Any, ...] = _PICKS[row.table](row)
    return values


def call_line(call: CallFacts) -> dict[str, Any]:
    """Returns the journal line of a dispatched call."""
    route = call.route
    return {
        "route": (route.name, route.provider, route.model),
        "call": _PICK_CALL(call),
        "request": _PICK_REQUEST(call.request),
    }


def call_from(line: Mapping[str, Any]) -> CallFacts:
    """Returns the call with the route it used, which the task may have renamed since."""
    name, provider, model = line["route"]
    call = dict(zip(OF_A_CALL, line["call"], strict=True))
    call |= {"started_at": datetime.fromisoformat(call["started_at"]), "estimate_usd": Decimal(call["estimate_usd"])}
    request = Request(**dict(zip(OF_ITS_REQUEST, line["request"], strict=True)), fields={})
    return CallFacts(**call, request=request, route=RouteSpec(name=name, provider=provider, model=model))


def record_from(table: str, values: Sequence[Any]) -> Row:
    """Returns the row that was written as these JSON values."""
    readers = _readers(table)
    known = (NAMES[table], *(earlier[table] for earlier in NAMES_EARLIER))
    names = next((found for found in known if len(found) == len(values)), NAMES[table])
    named = zip(names, values, strict=True)
    return KINDS[table](**{name: _read(readers.get(name), value) for name, value in named})


def _read(reader: Callable[[Any], Any] | None, value: Any) -> Any:
    return value if reader is None or value is None else reader(value)


@lru_cache(maxsize=16)
def _readers(table: str) -> dict[str, Callable[[Any], Any]]:
    """Converters from JSON values to dates, times, decimals and tuples, by field, from the type annotations."""
    hints = get_type_hints(KINDS[table])
    named = ((name, _plain(hint)) for name, hint in hints.items())
    return {name: READERS[plain] for name, plain in named if plain in READERS}


def _plain(hint: Any) -> Any:
    """Returns the type without `| None` and without the item type of a tuple."""
    if isinstance(hint, UnionType):
        hint = next(part for part in get_args(hint) if part is not type(None))
    return get_origin(hint) or hint
