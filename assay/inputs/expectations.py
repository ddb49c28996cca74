"""Great Expectations suites, applied to one chunk of rows at a time."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from assay.errors import UsageError, foreign_text
from assay.inputs.supported_expectations import expectation_columns
from assay.tasks.fields.patterns import Pattern, compiled_pattern

CHUNK_ROWS = 20_000
REGEX, NO_REGEX = "_match_regex", "_to_not_match_regex"
"""Part of the names of expectations that match patterns, and of those whose patterns must not match."""


@dataclass(frozen=True, slots=True)
class Violation:
    """Row `index` of a chunk violates an expectation; `explanation` names the expectation and contains no cell content."""

    index: int
    column: str
    explanation: str


class Suite:
    """Expectations of one task, ready to validate chunks."""

    def __init__(self, expectations: Sequence[Mapping[str, object]]) -> None:
        """Raises UsageError if Great Expectations rejects a configuration."""
        self.columns = tuple(dict.fromkeys(column for one in expectations for column in expectation_columns(one)))
        chunks = _chunks()
        self._validators = [_validator(one, chunks) for one in expectations]

    def violations(self, cells: Mapping[str, list[object]]) -> list[Violation]:
        """The first violation of each row in a chunk that has one.

        `cells` holds a list per column of `columns`, all of the same length.
        """
        first: dict[int, Violation] = {}
        for validator in self._validators:
            for violation in validator.violations(cells):
                first.setdefault(violation.index, violation)
        return list(first.values())


class _Validator(Protocol):
    def violations(self, cells: Mapping[str, list[object]]) -> Iterator[Violation]:
        """Yields the rows of a chunk that violate one expectation."""
        ...


def _validator(expectation: Mapping[str, object], chunks: Any) -> _Validator:
    kind, columns, loaded = str(expectation["type"]), expectation_columns(expectation), _load(expectation)
    if REGEX not in kind:
        return _FrameValidator(kind, columns, loaded, chunks)
    kwargs: Any = expectation["kwargs"]
    patterns = [compiled_pattern(str(text)) for text in kwargs.get("regex_list") or [kwargs["regex"]]]
    wanted = NO_REGEX not in kind
    return _PatternValidator(kind, columns[0], patterns, wanted, is_any=not wanted or kwargs.get("match_on") != "all")


@dataclass(frozen=True, slots=True)
class _PatternValidator:
    """An expectation that matches patterns anywhere in the text of a value; nulls hold.

    Great Expectations would match with Python's `re`, whose time on hostile text may be exponential. RE2's is linear.
    """

    kind: str
    column: str
    patterns: Sequence[Pattern]
    wanted: bool
    """True if the patterns must match, False if they must not."""
    is_any: bool
    """True if one matching pattern decides, False if all must match."""

    def violations(self, cells: Mapping[str, list[object]]) -> Iterator[Violation]:
        combined = any if self.is_any else all
        for index, value in enumerate(cells[self.column]):
            if value is None or value != value:  # NaN
                continue
            text = str(value)
            if combined(pattern.search(text) is not None for pattern in self.patterns) is not self.wanted:
                yield Violation(index, self.column, f"{self.kind} does not hold for column {self.column!r}")


@dataclass(frozen=True, slots=True)
class _FrameValidator:
    """One expectation of Great Expectations, and the definition of the chunks it validates."""

    kind: str
    columns: tuple[str, ...]
    expectation: Any
    chunks: Any

    def violations(self, cells: Mapping[str, list[object]]) -> Iterator[Violation]:
        indexes = list(range(len(cells[self.columns[0]])))
        broken = self._unexpected(cells, indexes)
        if broken is not None:
            yield from self._broken(broken)
            return
        # It fails for values of some type; values of other types can still be validated.
        for types, group in _by_types(cells, self.columns, indexes).items():
            unexpected = self._unexpected(cells, group)
            if unexpected is not None:
                yield from self._broken(unexpected)
                continue
            column = self.columns[0]
            explanation = f"{self.kind} cannot validate values of type {' and '.join(types)} in column {column!r}"
            yield from (Violation(index, column, explanation + _hint(types)) for index in group)

    def _broken(self, indexes: list[int]) -> Iterator[Violation]:
        column = self.columns[0]
        return (Violation(index, column, f"{self.kind} does not hold for column {column!r}") for index in indexes)

    def _unexpected(self, cells: Mapping[str, list[object]], indexes: list[int]) -> list[int] | None:
        """Those of `indexes` whose rows violate the expectation; None if it could not be evaluated."""
        import pandas as pd

        # Object columns keep each value unchanged: no type inference, no integer becomes a float.
        columns = {name: [cells[name][index] for index in indexes] for name in self.columns}
        frame = pd.DataFrame({name: pd.Series(values, dtype=object) for name, values in columns.items()})
        # A validation definition would keep every result in memory; a batch does not.
        outcome = self.chunks.get_batch({"dataframe": frame}).validate(
            self.expectation, result_format={"result_format": "COMPLETE", "partial_unexpected_count": 0}
        )
        found = outcome.result.get("unexpected_index_list")
        if found is None:
            return [] if outcome.success else None
        return [indexes[place] for place in found]


def _chunks() -> Any:
    """A batch definition for data frames that sends no telemetry and writes nothing to disk."""
    import great_expectations as gx
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )

    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    config = DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
        analytics_enabled=False,
        progress_bars=ProgressBarsConfig(globally=False),
    )
    context = gx.get_context(mode="ephemeral", project_config=config)
    asset = context.data_sources.add_pandas("input").add_dataframe_asset("rows")
    return asset.add_batch_definition_whole_dataframe("chunk")


def _load(expectation: Mapping[str, object]) -> Any:
    from great_expectations.exceptions.exceptions import GreatExpectationsError
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    kind, kwargs = str(expectation["type"]), expectation["kwargs"]
    try:
        return ExpectationConfiguration(type=kind, kwargs=dict(kwargs)).to_domain_obj()  # type: ignore[call-overload]
    except (GreatExpectationsError, ValueError, TypeError) as error:
        raise UsageError(
            f"Input rules: expectation {kind!r} is invalid: {foreign_text(error)}",
            next_step="fix its kwargs in task.yml.",
        ) from error


def _hint(types: tuple[str, ...]) -> str:
    return "; cells of CSV and TSV are text: match a pattern, or provide the input as Parquet" if "str" in types else ""


def _by_types(
    cells: Mapping[str, list[object]], columns: tuple[str, ...], indexes: list[int]
) -> dict[tuple[str, ...], list[int]]:
    groups: dict[tuple[str, ...], list[int]] = {}
    for index in indexes:
        types = tuple(type(cells[column][index]).__name__ for column in columns)
        groups.setdefault(types, []).append(index)
    return groups
