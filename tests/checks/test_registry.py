from __future__ import annotations

from pathlib import Path

import pytest

from assay.checks import build_scorer, parameter_errors, scorer_version
from assay.errors import UsageError


@pytest.mark.parametrize(
    ("type", "parameters", "message"),
    [
        ("exact_mach", {}, "check type 'exact_mach' is not known: expected one of exact_match, allowed_value"),
        ("exact_mach", {}, "did you mean 'exact_match'?"),
        (
            "exact_match",
            {},
            "exact_match: parameter 'field' is missing: expected the name or dotted path of an output field, found nothing",
        ),
        (
            "exact_match",
            {"field": "a", "ignore_cas": True},
            "parameter 'ignore_cas' is not known: expected field, ignore_case, strip; did you mean 'ignore_case'?",
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
        ("valid_schema", {"field": "a"}, "valid_schema: parameter 'field' is not known: expected no parameters"),
        (
            "allowed_value",
            {"field": "a", "values": []},
            "expected a list of texts, numbers, true, false or null, found []",
        ),
        ("contains", {"field": "a", "values": "x"}, "expected a list of texts, found 'x'"),
        ("regex", {"field": "a", "pattern": "("}, "found '(' (missing ), unterminated subpattern at position 0)"),
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
def test_a_mistake_is_named_with_what_was_expected_and_found(
    type: str, parameters: dict[str, object], message: str
) -> None:
    assert any(message in error for error in parameter_errors(type, parameters))


def test_every_mistake_is_reported_at_once() -> None:
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
