from __future__ import annotations

import pkgutil
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

import pytest
from pydantic import ValidationError

from assay.checks import build_scorer, builtin, parameter_errors, scorer_version
from assay.checks.builtin.length import Length
from assay.checks.builtin.numeric_range import NumericRange
from assay.checks.check import Check
from assay.checks.registry import CHECK_TYPES
from assay.errors import UsageError


@pytest.mark.parametrize(
    ("type", "parameters", "message"),
    [
        ("exact_mach", {}, "check type 'exact_mach' is unknown; expected one of exact_match, allowed_value"),
        ("exact_mach", {}, "did you mean 'exact_match'?"),
        (
            "exact_match",
            {},
            "exact_match: parameter 'field' is missing; expected the name or dotted path of an output field",
        ),
        (
            "exact_match",
            {"field": "a", "ignore_cas": True},
            "parameter 'ignore_cas' is unknown; expected field, ignore_case, strip, classes; did you mean 'ignore_case'?",
        ),
        (
            "exact_match",
            {"field": "a", "strip": "yes"},
            "exact_match: parameter 'strip': expected true or false, found 'yes'",
        ),
        (
            "exact_match",
            {"field": ["a"]},
            "parameter 'field': expected the name or dotted path of an output field, found ['a']",
        ),
        ("valid_schema", {"field": "a"}, "valid_schema: parameter 'field' is unknown; expected no parameters"),
        (
            "allowed_value",
            {"field": "a", "values": []},
            "expected a list of strings, numbers, true, false or null, found []",
        ),
        ("contains", {"field": "a", "values": "x"}, "expected a list of strings, found 'x'"),
        ("regex", {"field": "a", "pattern": "("}, "found '(' (missing ): ()"),
        (
            "regex",
            {"field": "a", "pattern": "a{99999999999}"},
            "expected a repetition of at most 1,000; use the check `length`",
        ),
        ("numeric_range", {"field": "a"}, "numeric_range: expected at least one of min and max, found neither"),
        ("numeric_range", {"field": "a", "min": True}, "parameter 'min': expected a number, found True"),
        ("length", {"field": "a", "min": 5, "max": 2}, "length: expected min to be at most max, found min 5 and max 2"),
        ("length", {"field": "a", "max": 2, "unit": "bytes"}, "expected 'characters' or 'words', found 'bytes'"),
        (
            "custom",
            {"function": "../other.py:name"},
            "expected 'file.py:function' in the task folder, found '../other.py:name'",
        ),
    ],
)
def test_an_issue_is_named_with_what_was_expected_and_found(
    type: str, parameters: dict[str, object], message: str
) -> None:
    assert any(message in str(error) for error in parameter_errors(type, parameters))


def test_every_issue_is_reported_at_once() -> None:
    assert len(parameter_errors("regex", {"feild": "a", "must_match": 1})) == 4


def test_right_parameters_have_no_errors() -> None:
    assert parameter_errors("length", {"field": "a", "min": 0, "max": 5, "unit": "words"}) == []


def test_building_from_wrong_parameters_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'pattern' is missing"):
        build_scorer("regex", {"field": "a"}, task_dir=tmp_path)


def test_the_version_changes_with_a_parameter_and_not_with_their_order(tmp_path: Path) -> None:
    version = scorer_version("length", {"field": "a", "max": 5}, task_dir=tmp_path)
    assert version == scorer_version("length", {"max": 5, "field": "a"}, task_dir=tmp_path)
    assert version != scorer_version("length", {"field": "a", "max": 6}, task_dir=tmp_path)


def test_the_version_of_a_custom_scorer_changes_with_its_file(tmp_path: Path) -> None:
    parameters = {"function": "scorers.py:always"}
    (tmp_path / "scorers.py").write_text("def always(subject): return True\n")
    version = scorer_version("custom", parameters, task_dir=tmp_path)
    (tmp_path / "scorers.py").write_text("def always(subject): return not False\n")
    assert scorer_version("custom", parameters, task_dir=tmp_path) != version


@pytest.mark.parametrize(
    ("type", "parameters", "version"),
    [
        ("exact_match", {"field": "a"}, "1b7a56308a46d726"),
        ("exact_match", {"field": "a", "ignore_case": True, "strip": False}, "8a81477a08efb446"),
        ("allowed_value", {"field": "a.b", "values": ["x", 1, 0.5, True, None]}, "b262720eb0dea8f7"),
        ("valid_schema", {}, "c9e420e16f70a4e6"),
        ("valid_json", {"field": "a"}, "002277d2c6b3ef83"),
        ("regex", {"field": "a", "pattern": "^\\d+$"}, "5b8f01557ed01248"),
        ("regex", {"field": "a", "pattern": "sorry", "must_match": False}, "7b02859e85da92af"),
        ("numeric_range", {"field": "a", "min": 0, "max": 1.0}, "9b4f2df48360be99"),
        ("length", {"field": "a", "max": 3}, "8ac33e686cd87f59"),
        ("length", {"field": "a", "min": 3, "unit": "words"}, "b05ddd49a0d26875"),
        ("contains", {"field": "a", "values": ["b", "ä"], "ignore_case": True}, "663018df5518dbce"),
        ("not_contains", {"field": "a", "values": ["x", "y"]}, "eb8c5342deb152a8"),
        ("custom", {"function": "scorers.py:always"}, "0c8bc944bc57b174"),
    ],
)
def test_the_version_of_an_unchanged_check_is_that_of_landed_scores(
    tmp_path: Path, type: str, parameters: dict[str, object], version: str
) -> None:
    (tmp_path / "scorers.py").write_bytes(b"def always(subject): return True\n")
    assert scorer_version(type, parameters, task_dir=tmp_path) == version


def test_every_check_states_a_version_of_its_own() -> None:
    assert [name for name, check in CHECK_TYPES.items() if vars(check).get("version", 0) < 1] == []


def test_a_new_version_of_one_check_changes_its_scorer_version_and_no_other(tmp_path: Path) -> None:
    class LaterLength(Length):
        version: ClassVar[int] = Length.version + 1

    def version(check: type[Check], **parameters: Any) -> str:
        return check.model_validate({"field": "a", "max": 3, **parameters}).scorer_version(tmp_path)

    assert (
        version(LaterLength) != version(Length) == scorer_version("length", {"field": "a", "max": 3}, task_dir=tmp_path)
    )
    assert version(NumericRange) == scorer_version("numeric_range", {"field": "a", "max": 3}, task_dir=tmp_path)


def test_every_check_of_the_package_is_registered() -> None:
    modules = [import_module(f"{builtin.__name__}.{module.name}") for module in pkgutil.iter_modules(builtin.__path__)]
    found = {item for module in modules for item in vars(module).values() if isinstance(item, type)}
    stated = {item for item in found if issubclass(item, Check) and "type" in vars(item)}
    assert stated == {check for check in CHECK_TYPES.values() if check.__module__.startswith(builtin.__name__)}


@pytest.mark.parametrize("parameters", [{}, {"min": 5, "max": 2}, {"max": 2, "other": 1}])
def test_a_check_cannot_be_made_from_wrong_parameters(parameters: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Length.model_validate({"field": "a", **parameters})


def test_a_check_does_not_change() -> None:
    check = Length.model_validate({"field": "a", "max": 2})
    with pytest.raises(ValidationError, match="frozen"):
        check.max = 3  # type: ignore[misc]
