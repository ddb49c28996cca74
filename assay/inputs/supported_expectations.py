"""The supported expectations with their kwargs, and the issues of an expectation that is declared in a task."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from types import MappingProxyType
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from assay.errors import did_you_mean
from assay.tasks.block import LocatedError
from assay.tasks.fields.patterns import pattern_issue
from assay.tasks.issues import TaskFinding, shown, stated

EVERY_ROW = ("mostly", "row_condition", "condition_parser")
"""Kwargs that would exempt rows from an expectation; only their defaults are accepted."""
DOCUMENTATION = frozenset({"id", "meta", "notes", "description", "severity"})
"""Keys of an expectation, and kwargs, that have no effect on a run."""
KEYS = frozenset({"type", "kwargs", *DOCUMENTATION})


def _pattern(text: str) -> str:
    if issue := pattern_issue(text):
        raise ValueError(f"invalid regular expression: {issue}")
    return text


def _time_format(text: str) -> str:
    try:
        datetime.strptime(datetime(2000, 1, 1).strftime(text), text)  # noqa: DTZ001, DTZ007 - only the format matters
    except ValueError as error:
        raise ValueError(f"invalid format of strftime: {error}") from error
    return text


Name = Annotated[str, Field(min_length=1)]
Pattern = Annotated[str, Field(min_length=1), AfterValidator(_pattern)]
Patterns = Annotated[list[Pattern], Field(min_length=1)]
Limit = Annotated[int | float | datetime | date | None, Field()]


class _Kwargs(BaseModel):
    # Converts as much as Great Expectations does, such as the number 3 to the pattern "3".
    model_config = ConfigDict(extra="forbid", coerce_numbers_to_str=True)

    columns: ClassVar[tuple[str, ...]] = ("column",)

    result_format: Any = None
    catch_exceptions: Any = None


class _Column(_Kwargs):
    column: Name


class _Pair(_Kwargs):
    columns: ClassVar[tuple[str, ...]] = ("column_A", "column_B")

    column_A: Name  # noqa: N815 - a name of Great Expectations
    column_B: Name  # noqa: N815 - a name of Great Expectations
    ignore_row_if: Any = None


class _GreaterPair(_Pair):
    or_equal: bool | None = None


class _PairSet(_Pair):
    value_pairs_set: Annotated[list[Annotated[list[Any], Field(min_length=2, max_length=2)]], Field(min_length=1)]


class _ValueSet(_Column):
    value_set: list[Any]


class _Between(_Column):
    min_value: Limit = None
    max_value: Limit = None
    strict_min: bool = False
    strict_max: bool = False

    @model_validator(mode="after")
    def _has_a_limit(self) -> _Between:
        if self.min_value is None and self.max_value is None:
            raise LocatedError(((), "expected at least one of min_value and max_value, found neither"))
        return self


class _LengthsBetween(_Between):
    min_value: int | float | None = None
    max_value: int | float | None = None


class _Length(_Column):
    value: int | float


class _Matches(_Column):
    regex: Pattern


class _MatchesAll(_Column):
    regex_list: Patterns


class _MatchesList(_MatchesAll):
    match_on: Annotated[str, Field(pattern="^(any|all)$")] = "any"


class _TimeFormat(_Column):
    strftime_format: Annotated[str, Field(min_length=1), AfterValidator(_time_format)]


SUPPORTED: Mapping[str, type[_Kwargs]] = MappingProxyType(
    {
        "expect_column_pair_values_a_to_be_greater_than_b": _GreaterPair,
        "expect_column_pair_values_to_be_equal": _Pair,
        "expect_column_pair_values_to_be_in_set": _PairSet,
        "expect_column_value_lengths_to_be_between": _LengthsBetween,
        "expect_column_value_lengths_to_equal": _Length,
        "expect_column_values_to_be_between": _Between,
        "expect_column_values_to_be_dateutil_parseable": _Column,
        "expect_column_values_to_be_in_set": _ValueSet,
        "expect_column_values_to_be_json_parseable": _Column,
        "expect_column_values_to_be_null": _Column,
        "expect_column_values_to_match_regex": _Matches,
        "expect_column_values_to_match_regex_list": _MatchesList,
        "expect_column_values_to_match_strftime_format": _TimeFormat,
        "expect_column_values_to_not_be_in_set": _ValueSet,
        "expect_column_values_to_not_be_null": _Column,
        "expect_column_values_to_not_match_regex": _Matches,
        "expect_column_values_to_not_match_regex_list": _MatchesAll,
    }
)
"""Kwargs of the supported expectations, which validate each row independently.

Other expectations need all rows at once (uniqueness, order, averages), but rows are read in chunks; or they do not
report which rows violate them.
"""


def expectation_columns(expectation: Mapping[str, object]) -> tuple[str, ...]:
    """The columns of a validated expectation."""
    kwargs = expectation["kwargs"]
    if not isinstance(kwargs, Mapping):
        return ()
    return tuple(str(kwargs[key]) for key in SUPPORTED[str(expectation["type"])].columns)


def expectation_findings(expectation: Mapping[str, object]) -> Iterator[TaskFinding]:
    """Yields every issue of an expectation; without one, Great Expectations accepts it."""
    kind, kwargs = expectation.get("type"), expectation.get("kwargs")
    for key in expectation:
        if key not in KEYS:
            yield _unknown((key,), f"key {key!r} of an expectation", KEYS)
    if not isinstance(kind, str) or kind not in SUPPORTED:
        yield _unsupported(kind)
    elif not isinstance(kwargs, Mapping):
        found = "none" if kwargs is None else shown(kwargs)
        yield TaskFinding(("kwargs",), f"`kwargs` of {kind!r}: a mapping that names its column", found)
    else:
        yield from _kwargs_findings(kind, kwargs)


def _unsupported(kind: object) -> TaskFinding:
    hint = did_you_mean(kind, SUPPORTED) or f"supported are {', '.join(SUPPORTED)}"
    expected = "an expectation that validates each row independently"
    return TaskFinding(("type",), expected, "no `type`" if kind is None else shown(kind), hint)


def _kwargs_findings(kind: str, kwargs: Mapping[Any, object]) -> Iterator[TaskFinding]:
    for key in EVERY_ROW:
        if kwargs.get(key) not in (None, 1):
            yield TaskFinding(
                ("kwargs", key),
                problem=f"{kind!r} has {key!r}, but expectations apply to every row: each row that violates one is rejected",
                next_step=f"remove {key!r}, and set the maximum share of rejected rows as `max_rejected`",
            )
    own = {key: value for key, value in kwargs.items() if key not in {*EVERY_ROW, *DOCUMENTATION}}
    model = SUPPORTED[kind]
    try:
        model.model_validate(own)
    except ValidationError as error:
        first = {str(one["loc"][:1]): one for one in reversed(error.errors(include_url=False))}
        for one in reversed(first.values()):
            yield _kwarg_finding(kind, model, one)


def _kwarg_finding(kind: str, model: type[_Kwargs], error: ErrorDetails) -> TaskFinding:
    if not error["loc"]:
        return TaskFinding(("kwargs",), problem=f"{kind!r}: {error['ctx']['error']}")
    name = error["loc"][0]
    if error["type"] == "extra_forbidden":
        return _unknown(("kwargs", name), f"kwarg {name!r} of {kind!r}", model.model_fields)
    if error["type"] == "missing":
        return TaskFinding(("kwargs",), problem=f"{kind!r} has no {name!r} in its kwargs", next_step="add it")
    return TaskFinding(("kwargs", name), problem=stated(error, f"{name!r} of {kind!r}"), found=shown(error["input"]))


def _unknown(path: tuple[str | int, ...], what: str, known: Iterable[str]) -> TaskFinding:
    names = sorted(set(known) - {"result_format", "catch_exceptions"})
    hint = did_you_mean(path[-1], names) or f"expected {', '.join(names)}"
    return TaskFinding(path, problem=f"unknown {what}", next_step=hint)
