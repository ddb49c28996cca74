"""Maps an input row to a record of the task: fields, expected value, slices, tenant and subject.

Maps both kinds of input: source rows, according to the columns in `task.yml`, and cases of the golden set.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import orjson

from assay.errors import UsageError
from assay.guards.keys import keyed_hash
from assay.inputs.canonical import BadId, record_id_of
from assay.inputs.raw_rows import RawRow, Source
from assay.inputs.rules import InputRules
from assay.inputs.turns import Place, TurnColumns, place_of
from assay.performance.fast_init import quick_init
from assay.records.statuses import GoldenSplit, Perturbation, Population
from assay.statistics.conventions import DEFAULT_TENANT
from assay.tasks.case import Case
from assay.tasks.spec import InputSpec
from assay.tasks.task import Task

CASE_ID = "case_id"
PERTURBATION = "perturbation"
POPULATION_OF_INPUT = Population.INPUT
PERTURBED = Population.PERTURBED
POPULATION_OF_SPLIT = {GoldenSplit.DEV: Population.GOLDEN_DEV, GoldenSplit.GATE: Population.GOLDEN_GATE}
NATURAL_KEY = "assay_natural_key"
_KEYED_HASH = re.compile(r"[0-9a-f]{64}")
CASE_TURNS = TurnColumns(conversation="conversation", turn="turn", required=False)
"""Columns that make a case a turn of a conversation; other cases are independent."""


@quick_init
@dataclass(frozen=True, slots=True)
class InputRecord:
    """One record of the task, not yet masked."""

    fields: dict[str, str]
    expected: dict[str, Any] | None
    slices: dict[str, str]
    cluster: str | None
    subject: str | None
    tenant_id: str
    population: Population
    place: Place | None = None


class GoldenSource(Source):
    """The golden set of a task as a source, one row per case; `perturbation` is what changed the text of the cases."""

    def __init__(self, cases: tuple[Case, ...], *, label: str, perturbation: Perturbation | None = None) -> None:
        super().__init__(label)
        self._cases = cases
        self._perturbed: dict[str, object] = {} if perturbation is None else {PERTURBATION: perturbation.value}

    def columns(self) -> tuple[str, ...]:
        """See `Source.columns`."""
        return (CASE_ID, "split", "input", "expected", "slices", "cluster_id")

    def fingerprint(self) -> str | None:
        """None: the golden set has its own version."""
        return None

    def _read(self, max_cell_bytes: int) -> Iterator[RawRow]:
        for position, case in enumerate(self._cases):
            cells: dict[str, object] = {
                CASE_ID: case.case_id,
                "split": case.split,
                "input": dict(case.input),
                "expected": dict(case.expected) if case.expected is not None else None,
                "slices": dict(case.slices),
                "cluster_id": case.cluster_id,
                **_turn_cells(case),
                **self._perturbed,
            }
            yield RawRow(position=position, cells=cells, reason=None, explanation=None, raw=orjson.dumps(cells))


def _turn_cells(case: Case) -> dict[str, object]:
    return {} if case.conversation is None else {CASE_TURNS.conversation: case.conversation, CASE_TURNS.turn: case.turn}


def golden_rules(task: Task) -> InputRules:
    """Returns the input rules for the golden set, whose cases were validated when the task was loaded."""
    return InputRules(
        record_id=CASE_ID,
        required_columns=(CASE_ID,),
        expectations=(),
        on_duplicate="reject",
        max_rejected_share=0.0,
        max_cell_bytes=task.spec.input.max_cell_bytes,
        conversation=CASE_TURNS if task.spec.input.conversation else None,
    )


def input_rules(task: Task) -> InputRules:
    """Returns the input rules as `task.yml` declares them."""
    spec = task.spec.input
    single = not spec.has_derived_id
    return InputRules(
        record_id=spec.id_columns[0] if single else NATURAL_KEY,
        required_columns=_stored_columns(spec),
        expectations=spec.expectations,
        on_duplicate=spec.on_duplicate,
        max_rejected_share=spec.max_rejected,
        max_cell_bytes=spec.max_cell_bytes,
        conversation=turn_columns(spec),
    )


def _stored_columns(spec: InputSpec) -> tuple[str, ...]:
    """Columns of the snapshot; one that serves as hashed id only is not stored."""
    if not spec.has_derived_id:
        return spec.columns
    return (*(spec.columns_beside_id if spec.hashes_record_id else spec.columns), NATURAL_KEY)


def turn_columns(spec: InputSpec) -> TurnColumns | None:
    """Returns the columns for the conversation and the turn of a row; None if the task has no conversations."""
    stated = spec.conversation
    return TurnColumns(conversation=stated.id, turn=stated.turn, tenant=spec.tenant) if stated else None


def map_case(cells: Mapping[str, Any]) -> InputRecord:
    """Maps a row of the golden set; perturbed cases are a population of their own."""
    is_perturbed = cells.get(PERTURBATION) is not None
    place = place_of(cells, CASE_TURNS)
    return InputRecord(
        fields=dict(cells["input"]),
        expected=cells["expected"],
        slices=dict(cells["slices"]),
        cluster=cells["cluster_id"] or (place.conversation if place else None),
        subject=None,
        tenant_id=DEFAULT_TENANT,
        population=PERTURBED if is_perturbed else POPULATION_OF_SPLIT[cells["split"]],
        place=place,
    )


def map_row(cells: Mapping[str, Any], task: Task) -> InputRecord:
    """Maps a source row according to the columns in `task.yml`."""
    spec = task.spec.input
    expected = {name: cells.get(column) for name, column in spec.expected.items()}
    turns = turn_columns(spec)
    place = place_of(cells, turns) if turns else None
    return InputRecord(
        fields={name: as_text(cells.get(column)) for name, column in spec.fields.items()},
        expected={name: value for name, value in expected.items() if value not in (None, "")} or None,
        slices={name: as_text(cells.get(column)) for name, column in spec.slices.items()},
        cluster=_optional(cells, spec.cluster_id) or (place.conversation if place else None),
        subject=_optional(cells, spec.subject),
        tenant_id=_optional(cells, spec.tenant) or DEFAULT_TENANT,
        population=POPULATION_OF_INPUT,
        place=place,
    )


def as_text(value: object) -> str:
    """Returns a cell as it appears in the prompt.

    Strings are unchanged, null is an empty string, and objects and arrays are JSON.
    """
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, dict | list | bool | float):
        return orjson.dumps(value).decode()
    return str(value)


def _optional(cells: Mapping[str, Any], column: str | None) -> str | None:
    return (as_text(cells.get(column)) or None) if column else None


class NaturallyKeyed(Source):
    """Wraps a source and adds an id column: a keyed hash of the natural-key columns."""

    def __init__(self, source: Source, key_columns: tuple[str, ...], *, hash_key: bytes) -> None:
        super().__init__(source.label)
        self._source = source
        self._key_columns = key_columns
        self._hash_key = hash_key

    def columns(self) -> tuple[str, ...]:
        """See `Source.columns`."""
        return (*self._source.columns(), NATURAL_KEY)

    def fingerprint(self) -> str | None:
        """See `Source.fingerprint`."""
        return self._source.fingerprint()

    def _values(self, cells: Mapping[str, Any]) -> list[str]:
        return [as_text(cells.get(column)) for column in self._key_columns]

    def _read(self, max_cell_bytes: int) -> Iterator[RawRow]:
        for row in self._source.rows(max_cell_bytes=max_cell_bytes):
            values = self._values(row.cells or {})
            if row.reason is not None or row.cells is None or not any(values):
                yield row
                continue
            yield replace(row, cells={**row.cells, NATURAL_KEY: keyed_hash(self._hash_key, "record", *values)})


class HashedId(NaturallyKeyed):
    """Wraps a source: a keyed hash takes the place of the id in the column `key_column`, which stays if `keeps` it."""

    def __init__(self, source: Source, key_column: str, *, hash_key: bytes, keeps: bool) -> None:
        super().__init__(source, (key_column,), hash_key=hash_key)
        self._keeps = keeps

    def _read(self, max_cell_bytes: int) -> Iterator[RawRow]:
        for row in super()._read(max_cell_bytes):
            if self._keeps or row.cells is None:
                yield row
            else:
                yield replace(row, cells={n: cell for n, cell in row.cells.items() if n != self._key_columns[0]})

    def columns(self) -> tuple[str, ...]:
        """See `Source.columns`.

        Raises:
            UsageError: the column of the id does not exist.
        """
        found = self._source.columns()
        if found and self._key_columns[0] not in found:
            raise UsageError(
                f"{self.label} has no column {self._key_columns[0]!r}: found {', '.join(map(repr, found[:50]))}",
                next_step="change `input.record_id` in task.yml.",
            )
        return (*found, NATURAL_KEY) if found else ()

    def _values(self, cells: Mapping[str, Any]) -> list[str]:
        try:
            return [record_id_of(cells.get(self._key_columns[0])) or ""]
        except BadId:
            return []  # the row is rejected later, because it has no id


def identified(source: Source, spec: InputSpec, *, hash_key: bytes) -> Source:
    """The source with the id column of the task, if ids are derived from columns."""
    if spec.hashes_record_id:
        column = spec.id_columns[0]
        return HashedId(source, column, hash_key=hash_key, keeps=column in spec.columns_beside_id)
    return NaturallyKeyed(source, spec.id_columns, hash_key=hash_key) if spec.has_derived_id else source


def landed_id(spec: InputSpec, record_id: str, *, hash_key: bytes) -> str:
    """The id under which a record is landed, given its own; an id that is such a hash already is unchanged."""
    if not record_id or not spec.hashes_record_id or _KEYED_HASH.fullmatch(record_id):
        return record_id
    return keyed_hash(hash_key, "record", record_id)


def landed_examples(task: Task, *, hash_key: bytes) -> frozenset[str]:
    """The ids under which the golden cases are landed that the prompt shows as examples."""
    return frozenset(landed_id(task.spec.input, case.case_id, hash_key=hash_key) for case in task.few_shot)


class Limited(Source):
    """Limits a wrapped source to its first rows."""

    def __init__(self, source: Source, limit: int) -> None:
        super().__init__(source.label)
        self._source = source
        self._limit = limit

    def columns(self) -> tuple[str, ...]:
        """See `Source.columns`."""
        return self._source.columns()

    def fingerprint(self) -> str | None:
        """See `Source.fingerprint`."""
        return self._source.fingerprint()

    def _read(self, max_cell_bytes: int) -> Iterator[RawRow]:
        yield from islice(self._source.rows(max_cell_bytes=max_cell_bytes), self._limit)
