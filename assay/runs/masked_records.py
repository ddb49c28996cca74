"""The masked records of a run, in the order of the input.

Masking is deterministic, so each stage derives the same masked records from the snapshot; no unmasked value is landed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from assay.guards.keys import input_hash, keyed_hash
from assay.guards.masking import Masked, Masker, MaskingFailed
from assay.inputs.stored import SnapshotRow
from assay.performance.fast_init import quick_init
from assay.project import StageContext, masker
from assay.records.statuses import Population
from assay.runs.adopted_answers import (
    AdoptedAnswer,
    adopted_answers,
    masked_texts,
    with_masked_texts,
    with_output,
)
from assay.runs.record_mapping import map_case, map_row
from assay.runs.run import Run
from assay.runs.shards import WHOLE, Shard

REMEMBERED = 4096
EXPECTED_PREFIX = "expected:"
ANSWER_PREFIX = "\U0010ffff:"
"""Sorts after every field, so that answers do not change the placeholders of the input."""


@quick_init
@dataclass(frozen=True, slots=True)
class MaskedRecord:
    """One record after masking; `placeholders` maps them to the originals and never leaves the process."""

    position: int
    record_id: str
    fields: dict[str, str]
    expected: dict[str, Any] | None
    slices: tuple[str, ...]
    cluster_id: str | None
    subject_key: str | None
    tenant_id: str
    population: Population
    input_hash: str
    placeholders: Mapping[str, str]
    raw_expected: dict[str, Any] | None
    conversation_key: str | None = None
    turn: int | None = None
    answers: tuple[AdoptedAnswer, ...] = ()
    """Adopted answers, one per epoch, masked like the expected value; empty in a run that makes its own requests."""

    @property
    def masked_entities(self) -> int:
        """Number of distinct values that were replaced."""
        return len(self.placeholders)


@dataclass(frozen=True, slots=True)
class MaskingError:
    """A record that could not be masked; it is not processed further."""

    position: int
    record_id: str
    explanation: str


class RecordMasker:
    """Masks the records of one run."""

    def __init__(self, run: Run, context: StageContext) -> None:
        self._run = run
        self._key = context.settings.hash_key
        self.masker: Masker = masker(run.task)
        self._scrub_slice = lru_cache(maxsize=REMEMBERED)(self.masker.scrub)

    def records(
        self, *, wanted: Callable[[int], bool] | None = None, shard: Shard = WHOLE
    ) -> Iterator[MaskedRecord | MaskingError]:
        """Yields the shard's admitted rows, masked, in order of position; if given, `wanted` selects the positions."""
        for row in self._run.snapshot.records(holds=None if shard == WHOLE else shard.holds):
            if wanted is not None and not wanted(row.position):
                continue
            yield self.masked(row)

    def masked(self, row: SnapshotRow) -> MaskedRecord | MaskingError:
        """Returns one row of the snapshot, masked."""
        try:
            return self._masked(row)
        except MaskingFailed as error:
            return MaskingError(row.position, row.record_id, str(error))

    def mask_fields(self, fields: Mapping[str, str]) -> Mapping[str, str]:
        """Returns the fields of a few-shot example, masked independently of any record."""
        return self.masker.mask(fields).texts

    def _masked(self, row: SnapshotRow) -> MaskedRecord:
        shaped = map_case(row.cells) if self._run.is_golden else map_row(row.cells, self._run.task)
        answers = self._answers(row)
        masked, expected, outputs = mask_record(
            self.masker, shaped.fields, shaped.expected, [answer.output for answer in answers]
        )
        conversation = (shaped.tenant_id, shaped.place.conversation) if shaped.place else None
        return MaskedRecord(
            position=row.position,
            record_id=row.record_id,
            fields={name: masked.texts[name] for name in shaped.fields},
            expected=expected,
            slices=tuple(f"{name}={self._scrub_slice(value)}" for name, value in shaped.slices.items()),
            cluster_id=keyed_hash(self._key, "cluster", shaped.cluster) if shaped.cluster else None,
            subject_key=keyed_hash(self._key, "subject", shaped.subject) if shaped.subject else None,
            tenant_id=shaped.tenant_id,
            population=shaped.population,
            input_hash=input_hash(self._key, shaped.fields),
            placeholders=masked.placeholders,
            raw_expected=shaped.expected,
            conversation_key=keyed_hash(self._key, "conversation", *conversation) if conversation else None,
            turn=shaped.place.turn if shaped.place else None,
            answers=tuple(with_output(answer, output) for answer, output in zip(answers, outputs, strict=True)),
        )

    def _answers(self, row: SnapshotRow) -> tuple[AdoptedAnswer, ...]:
        adoption = self._run.options.adoption
        if adoption is None:
            return ()
        task, epochs = self._run.task, self._run.options.epochs
        return adopted_answers(row.cells, adoption, task.output_model, epochs=epochs)


def mask_pair(
    guard: Masker, fields: Mapping[str, str], expected: Mapping[str, Any] | None
) -> tuple[Masked, dict[str, Any] | None]:
    """Masks the fields and the expected value together, so that equal values share a placeholder.

    Raises:
        MaskingFailed: one of them cannot be masked; neither may be used.
    """
    masked, expected, _ = mask_record(guard, fields, expected, ())
    return masked, expected


def mask_record(
    guard: Masker,
    fields: Mapping[str, str],
    expected: Mapping[str, Any] | None,
    outputs: Sequence[Mapping[str, Any] | None],
) -> tuple[Masked, dict[str, Any] | None, list[dict[str, Any] | None]]:
    """Masks the fields, the expected value and adopted outputs together, so that equal values share a placeholder.

    Raises:
        MaskingFailed: one of them cannot be masked; none may be used.
    """
    leaves = {f"{EXPECTED_PREFIX}{number:06}": str(leaf) for number, leaf in enumerate(_leaves(expected))}
    answers = {f"{ANSWER_PREFIX}{number:06}": str(text) for number, text in enumerate(masked_texts(outputs))}
    masked = guard.mask({**fields, **leaves, **answers})
    replaced = iter([masked.texts[name] for name in leaves])
    shown = None if expected is None else {name: _with_leaves(value, replaced) for name, value in expected.items()}
    return masked, shown, with_masked_texts(outputs, iter([masked.texts[name] for name in answers]))


def _leaves(value: Any) -> Iterator[Any]:
    """Yields every text and number in a JSON value, in order; keys belong to the schema, not to the record."""
    if isinstance(value, Mapping | list | tuple):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from _leaves(item)
    elif value is not None and not isinstance(value, bool):
        yield value


def _with_leaves(value: Any, texts: Iterator[str]) -> Any:
    """Returns the value with the next text for each leaf; a number in which nothing was masked stays a number."""
    if isinstance(value, Mapping):
        return {name: _with_leaves(item, texts) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_with_leaves(item, texts) for item in value]
    if value is None or isinstance(value, bool):
        return value
    text = next(texts)
    return value if text == str(value) else text
