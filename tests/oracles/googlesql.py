"""Google's own GoogleSQL analyzer as a test oracle: does a statement type-check, and what does it return.

Belongs here: the analyzer's start, its catalog, and the names of types as BigQuery writes them. It runs
nothing, so that a statement it accepts may still give wrong figures; those are another oracle's matter.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

KINDS = {
    "STRING": "TYPE_STRING",
    "INT64": "TYPE_INT64",
    "INTEGER": "TYPE_INT64",
    "FLOAT64": "TYPE_DOUBLE",
    "FLOAT": "TYPE_DOUBLE",
    "BOOL": "TYPE_BOOL",
    "BOOLEAN": "TYPE_BOOL",
    "NUMERIC": "TYPE_NUMERIC",
    "DATE": "TYPE_DATE",
    "TIMESTAMP": "TYPE_TIMESTAMP",
    "JSON": "TYPE_JSON",
}
NAMES = {kind: name for name, kind in KINDS.items() if name not in {"INTEGER", "FLOAT", "BOOLEAN"}}
QUOTED_PARTS = re.compile(r"`([^`]+)`\.`([^`]+)`\.`([^`]+)`")


@dataclass(frozen=True, slots=True)
class Field:
    """A column; `data_type` as in BigQuery, e.g. INT64 or ARRAY<STRING>."""

    name: str
    data_type: str


class NotGoogleSQL(AssertionError):
    """The analyzer refuses the statement; the message says where and why."""


class Analyzer:
    """Type-checks statements against the tables it was told of. Starting one costs about ten seconds."""

    def __init__(self) -> None:
        from zetasql.core.local_service import ZetaSqlLocalService
        from zetasql.types import LanguageOptions, ProductMode

        self._service = ZetaSqlLocalService.get_instance()
        self._language = LanguageOptions.maximum_features()
        self._language.product_mode = ProductMode.PRODUCT_EXTERNAL
        self._tables: dict[str, Any] = {}

    def add_table(self, name: str, fields: Iterable[Field]) -> None:
        """The catalog has the table `project.dataset.table` (or any dotted name), replacing one of that name."""
        from zetasql.api import TableBuilder

        builder = TableBuilder(name)
        for field in fields:
            builder.add_column(field.name, _type(field.data_type))
        self._tables[name] = builder.build()

    def analyze(self, sql: str, *, parameters: Mapping[str, str] | None = None) -> list[Field]:
        """The output columns of `sql` in order, none for a statement that returns no rows.

        `parameters` gives the type of each named query parameter.

        Raises:
            NotGoogleSQL: the statement does not parse or type-check.
        """
        from zetasql.api import Analyzer as StatementAnalyzer
        from zetasql.core.exceptions import ZetaSQLError

        statement = QUOTED_PARTS.sub(r"`\1.\2.\3`", sql)
        try:
            resolved = StatementAnalyzer(self._options(parameters or {}), self._catalog()).analyze_statement(statement)
        except ZetaSQLError as error:
            raise NotGoogleSQL(f"{error}\n{_numbered(statement)}") from error
        columns = getattr(resolved, "output_column_list", None) or []
        return [Field(column.name, _type_name(column.column.type)) for column in columns]

    def _options(self, parameters: Mapping[str, str]) -> Any:
        from zetasql.types import AnalyzerOptions, ErrorMessageMode

        declared = [AnalyzerOptions.QueryParameter(name=name, type=_type(kind)) for name, kind in parameters.items()]
        return AnalyzerOptions(
            language_options=self._language,
            query_parameters=declared,
            error_message_mode=ErrorMessageMode.ERROR_MESSAGE_ONE_LINE,
        )

    def _catalog(self) -> Any:
        from zetasql.api import CatalogBuilder
        from zetasql.types import ZetaSQLBuiltinFunctionOptions

        builder = CatalogBuilder("assay")
        for table in self._tables.values():
            builder.add_table(table)
        return builder.with_builtin_functions(ZetaSQLBuiltinFunctionOptions(language_options=self._language)).build()


def _type(data_type: str) -> Any:
    from zetasql.api.type_factory import TypeFactory
    from zetasql.types import TypeKind

    name = data_type.upper().replace(" ", "")
    if element := re.fullmatch(r"ARRAY<(.+)>", name):
        return TypeFactory.create_array_type(_type(element.group(1)))
    return TypeFactory.create_simple_type(getattr(TypeKind, KINDS[name]))


def _type_name(resolved: Any) -> str:
    kind: str = resolved.type_kind.name
    if kind == "TYPE_ARRAY":
        return f"ARRAY<{_type_name(resolved.array_type.element_type)}>"
    return NAMES.get(kind, kind.removeprefix("TYPE_"))


def _numbered(sql: str) -> str:
    return "\n".join(f"{number:4} {line}" for number, line in enumerate(sql.splitlines(), start=1))
