"""A Great Expectations suite carried out on one chunk of rows at a time.

Belongs here: all that knows Great Expectations. Which expectations are allowed belongs to the rules.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.errors import UsageError
from assay.inputs.rules import expectation_columns

if TYPE_CHECKING:
    import great_expectations as gx

CHUNK_ROWS = 20_000


@dataclass(frozen=True, slots=True)
class Violation:
    """Row `index` of a chunk breaks an expectation; `explanation` names it, without content."""

    index: int
    column: str
    explanation: str


class Suite:
    """Expectations of one task, ready to judge chunks."""

    def __init__(self, expectations: Sequence[Mapping[str, object]]) -> None:
        """Raises UsageError where Great Expectations does not accept a configuration."""
        self._expectations = list(expectations)
        self.columns = tuple(dict.fromkeys(column for one in expectations for column in expectation_columns(one)))
        self._definitions = _definitions(self._expectations)

    def violations(self, cells: Mapping[str, list[object]]) -> list[Violation]:
        """The first violation of each row of a chunk that has one.

        `cells` holds a list per column of `columns`, all of the same length.
        """
        rows = len(next(iter(cells.values())))
        first: dict[int, Violation] = {}
        for expectation, definition in zip(self._expectations, self._definitions, strict=True):
            for violation in _judge(expectation, definition, cells, indexes=list(range(rows))):
                first.setdefault(violation.index, violation)
        return list(first.values())


def _definitions(expectations: Sequence[Mapping[str, object]]) -> list[gx.ValidationDefinition]:
    """One validation per expectation, so that one that breaks off does not hide the others."""
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
    batch = asset.add_batch_definition_whole_dataframe("chunk")
    definitions = []
    for number, expectation in enumerate(expectations):
        suite = context.suites.add(gx.ExpectationSuite(name=f"suite_{number}", expectations=[_load(expectation)]))
        definition = gx.ValidationDefinition(name=f"validation_{number}", data=batch, suite=suite)
        definitions.append(context.validation_definitions.add(definition))
    return definitions


def _load(expectation: Mapping[str, object]) -> Any:
    from great_expectations.exceptions.exceptions import GreatExpectationsError
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    kind, kwargs = str(expectation["type"]), expectation["kwargs"]
    try:
        return ExpectationConfiguration(type=kind, kwargs=dict(kwargs)).to_domain_obj()  # type: ignore[call-overload]
    except (GreatExpectationsError, ValueError, TypeError) as error:
        raise UsageError(
            f"Input rules: expectation {kind!r} is not accepted: {' '.join(str(error).split())}; correct its kwargs."
        ) from error


def _judge(
    expectation: Mapping[str, object],
    definition: gx.ValidationDefinition,
    cells: Mapping[str, list[object]],
    *,
    indexes: list[int],
) -> Iterator[Violation]:
    columns = expectation_columns(expectation)
    kind, column = str(expectation["type"]), columns[0]
    broken = _unexpected(definition, cells, indexes)
    if broken is not None:
        for index in broken:
            yield Violation(index, column, f"{kind} does not hold for column {column!r}")
        return
    # It raised: some type of value cannot be judged. Values of other types still can.
    for types, group in _by_types(cells, columns, indexes).items():
        judged = _unexpected(definition, cells, group)
        explanation = f"{kind} does not hold for column {column!r}"
        if judged is None:
            explanation = f"{kind} cannot judge values of type {' and '.join(types)} in column {column!r}{_hint(types)}"
        for index in group if judged is None else judged:
            yield Violation(index, column, explanation)


def _hint(types: tuple[str, ...]) -> str:
    return "; cells of CSV and TSV are text: match a pattern, or give the input as Parquet" if "str" in types else ""


def _by_types(
    cells: Mapping[str, list[object]], columns: tuple[str, ...], indexes: list[int]
) -> dict[tuple[str, ...], list[int]]:
    groups: dict[tuple[str, ...], list[int]] = {}
    for index in indexes:
        types = tuple(type(cells[column][index]).__name__ for column in columns)
        groups.setdefault(types, []).append(index)
    return groups


def _unexpected(
    definition: gx.ValidationDefinition, cells: Mapping[str, list[object]], indexes: list[int]
) -> list[int] | None:
    """Those of `indexes` whose rows break the expectation; None if it could not be carried out."""
    import pandas as pd

    # Object columns keep each value as it is: no type is guessed, no integer becomes a float.
    frame = pd.DataFrame(
        {name: pd.Series([values[index] for index in indexes], dtype=object) for name, values in cells.items()}
    )
    outcome = definition.run(
        batch_parameters={"dataframe": frame},
        result_format={"result_format": "COMPLETE", "partial_unexpected_count": 0},
    ).results[0]
    found = outcome.result.get("unexpected_index_list")
    if found is None:
        return [] if outcome.success else None
    return [indexes[place] for place in found]
