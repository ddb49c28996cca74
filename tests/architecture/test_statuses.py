"""A status is a member of an enum: code holds no literal of one, and SQL and dbt name no other.

Two nets. Any word that an enum has as a value is a literal, wherever it stands, but for the words and places listed here.
And in a place that says status (a comparison with `.status`, an argument `state=`, a key "billing") any literal is one.
"""

from __future__ import annotations

import ast
import re
from dataclasses import fields

import pytest

from assay.records import LANDING_RECORDS, statuses
from tests.architecture.source import Module, modules
from tests.architecture.status_literals import (
    StatusFinder,
    accepted_values,
    names_of_fields,
    statements,
    statuses_in_sql,
    values_of_enums,
)

ORDINARY = {
    "answer": "a variable of prompts, a column, a stage in spans",
    "batch": "an option, a service tier",
    "calibration": "a column of estimates, a domain of a hash",
    "check": "a column of the scorecard",
    "dev": "an environment",
    "embedding": "a column",
    "error": "a field of a provider's JSON, a column of the scorecard",
    "evaluation": "an asset, a domain of a hash",
    "gate": "a block of task.yml, an asset check",
    "golden_cases": "a table",
    "import": "a command",
    "input": "a block of task.yml, a column, an option",
    "judge": "a field of task.yml, a domain of a hash",
    "label": "a column",
    "latency": "a row of the scorecard",
    "length": "a type of check",
    "missing": "a type of error of pydantic",
    "model": "a field of task.yml, a column, an option",
    "none": "what a list without members reads as, a method of intervals",
    "number": "a type of JSON, a word of reasons",
    "random": "a folder of /proc",
    "robustness": "a block of task.yml, a key of an evaluation",
    "run": "a command, a row of the scorecard",
    "score": "a stage in spans",
    "semantic_cache": "a table",
    "timeout": "an argument of an HTTP client",
    "unknown": "what a commit, a person or a price reads as that nobody knows",
    "warning": "a level of logs",
}
"""Values of enums that are words of something else too: a literal only where a place says status."""

PLACES = {
    ("assay/adoption/inspect_log.py", "max_tokens"): "a stop reason, in the words of Inspect",
    ("assay/adoption/inspect_log.py", "model_length"): "a stop reason, in the words of Inspect",
    ("assay/adoption/render.py", "answered"): "the name of a field of the JSON output",
    ("assay/adoption/variants.py", "adopted"): "a key of the content whose hash is the inference version",
    ("assay/checks/__init__.py", "failed"): "the name of a function, in `__all__`",
    ("assay/checks/__init__.py", "unscored"): "the name of a function, in `__all__`",
    ("assay/cli/evals/evaluate.py", "eval"): "the name of the command",
    ("assay/cli/evals/evaluate.py", "golden:gate"): "the default of an option; a member costs 0.1 s at start-up",
    ("assay/cli/evals/labels.py", "expert"): "a choice of an option; a member costs 0.1 s at start-up",
    ("assay/cli/evals/labels.py", "stratified"): "a choice of an option; a member costs 0.1 s at start-up",
    ("assay/cli/evals/labels.py", "triage"): "a choice of an option; a member costs 0.1 s at start-up",
    ("assay/cli/evals/labels.py", "user"): "a choice of an option; a member costs 0.1 s at start-up",
    ("assay/cli/opening.py", "beta"): "a choice of an option; a member costs 0.1 s at start-up",
    ("assay/cli/opening.py", "ga"): "a choice of an option; a member costs 0.1 s at start-up",
    ("assay/cli/opening.py", "shadow"): "a choice of an option; a member costs 0.1 s at start-up",
    ("assay/cli/runs/run.py", "scored"): "the word of a progress line",
    ("assay/evaluation/power/render.py", "inconclusive"): "the name of a column",
    ("assay/evaluation/render.py", "unscored"): "the name of a field of a comparison",
    ("assay/evaluation/sides.py", "scored"): "the word of a progress line",
    (
        "assay/inference/dialects/openai_batches.py",
        "batch",
    ): "the purpose of a file, in the words of the provider's API",
    ("assay/inference/caches/sqlite_store.py", "ok"): "what SQLite answers to a check",
    ("assay/inference/conversations/history.py", "assistant"): "the role of a message",
    ("assay/inference/conversations/history.py", "user"): "the role of a message",
    ("assay/inference/prompts.py", "assistant"): "the role of a message",
    ("assay/inference/prompts.py", "user"): "the role of a message",
    ("assay/inference/telemetry/events.py", "failed"): "the name of a field of an event",
    ("assay/inputs/manifest.py", "does not exist"): "words of a message",
    ("assay/labels/csv_rows.py", "fail"): "what a person may write in a CSV file",
    ("assay/labels/csv_rows.py", "failed"): "what a person may write in a CSV file",
    ("assay/labels/csv_rows.py", "pass"): "what a person may write in a CSV file",
    ("assay/report/intervals.py", "clustered"): "a word of the scorecard",
    ("assay/report/blocks/scorers.py", "failed"): "the name of a column",
    ("assay/report/blocks/scorers.py", "unscored"): "the name of a column",
    ("assay/request_guard.py", "server"): "a field of an ASGI scope",
    ("assay/runs/forecast/forecast.py", "unpriced"): "a word of the forecast",
    ("assay/scoring/judges/prompts.py", "system"): "the role of a message",
    ("assay/scoring/judges/prompts.py", "user"): "the role of a message",
    ("assay/tasks/adopt_spec.py", "adopted"): "a keyword of an option",
    ("assay/tasks/gate_spec.py", "any"): "the name of all kinds of perturbation in a rule",
    ("assay/tasks/gate_spec.py", "cost_per_correct"): "pydantic tells blocks of task.yml apart by a literal",
    ("assay/tasks/gate_spec.py", "flaky_share"): "pydantic tells blocks of task.yml apart by a literal",
    ("assay/tasks/gate_spec.py", "judge_calibrated"): "pydantic tells blocks of task.yml apart by a literal",
    ("assay/tasks/gate_spec.py", "lower_bound"): "pydantic tells blocks of task.yml apart by a literal",
    ("assay/tasks/gate_spec.py", "no_regression"): "pydantic tells blocks of task.yml apart by a literal",
    ("assay/tasks/loader.py", "fallback"): "the name of a field of task.yml",
    ("assay/tasks/validation/gate.py", "cost_per_correct"): "pydantic tells blocks of task.yml apart by a literal",
    ("assay/tasks/validation/gate.py", "lower_bound"): "pydantic tells blocks of task.yml apart by a literal",
    ("assay/tasks/validation/gate.py", "no_regression"): "pydantic tells blocks of task.yml apart by a literal",
    ("assay/tasks/spec.py", "user"): "the role of a message",
    ("assay/terminal/output.py", "unpriced"): "a word of the summary",
    ("assay/warehouse/client.py", "STRING"): "a type of BigQuery",
    ("orchestration/adoption_asset.py", "adopted"): "the name of an asset",
    ("orchestration/metadata.py", "reused"): "the name of a figure in Dagster",
}
"""File and word that are no status there, with the reason."""

MADE_BY_DBT = {
    "average": "the beginning of the name of a metric",
    "reason_kind": "the kinds of reasons that `routing.escalations` has, told apart by their beginning",
}
"""Columns of marts with values that no row of the engine has."""

FREE_TEXT = frozenset({"fault", "reason"})
"""Names of fields that hold an enum in one place and free text in others."""


def fields_of_enums() -> dict[str, frozenset[str]]:
    """Fields of landing rows that hold an enum, each with the values that some table allows."""
    found: dict[str, frozenset[str]] = {}
    for record in LANDING_RECORDS.values():
        for field in fields(record):
            values = ENUMS.get(str(field.type).removesuffix(" | None"))
            if values is not None:
                found[field.name] = found.get(field.name, frozenset()) | values
    return found


SOURCES = modules()
ENUMS = values_of_enums(*SOURCES)
COLUMNS = fields_of_enums() | {
    "run_status": ENUMS["RunStatus"],
    "design": ENUMS["SamplingDesign"],
    "sampling_design": ENUMS["SamplingDesign"],
    "rule_type": ENUMS["RuleKind"],
    "interval_status": ENUMS["Status"] | ENUMS["MartIntervalStatus"],
    "cost_status": ENUMS["CostStatus"],
}
COLUMNS["status"] |= ENUMS["Status"]
STATUS_NAMES = (frozenset(COLUMNS) | names_of_fields(SOURCES, ENUMS)) - FREE_TEXT
WORDS = frozenset[str]().union(*ENUMS.values()) - ORDINARY.keys()
FINDER = StatusFinder(words=WORDS, names=STATUS_NAMES)


def test_no_status_literal_stands_outside_the_enums() -> None:
    found = {
        (module.name, word): f"{module.name}:{line} {word!r}"
        for module in SOURCES
        for word, line in FINDER.literals(module)
    }
    assert [place for key, place in found.items() if key not in PLACES] == []
    assert PLACES.keys() - found.keys() == set()


@pytest.mark.parametrize(
    "code",
    [
        'if prediction.status == "ok": pass',
        'if row["state"] in ("never_heard_of",): pass',
        'kept = frozenset({"completed"})',
        'rows.append(Prediction(status="skipped_budget"))',
        'rows.append(Prediction(status="never_heard_of" if found else OK))',
        'columns = {"billing": "unknown"}',
        'def f(*, status: str = "ok") -> None: ...',
        'def f(*, status: str = "never_heard_of") -> None: ...',
        'class Row:\n    status: Literal["scored", "unscored"]',
        'def f() -> str:\n    return "refused"',
        'status = "never_heard_of"',
        'EXIT_CODES = {"confirmed": 0}',
    ],
)
def test_a_planted_literal_is_found(code: str) -> None:
    assert list(FINDER.literals(planted(code))) != []


@pytest.mark.parametrize(
    "code",
    [
        '"""ok"""',
        'class Kind(StrEnum):\n    OK = "ok"\n    """ok"""',
        'found = row["failed"]',
        "said = f\"{count} failed, {row['status']}\"",
        'rows.append(Prediction(status=PredictionStatus.OK, explanation="of the check"))',
        'columns = {"status": row["status"], "input": text}',
        'status = found.get("failures")',
    ],
)
def test_other_text_is_no_status(code: str) -> None:
    assert list(FINDER.literals(planted(code))) == []


def test_every_status_in_sql_is_a_value_of_its_column() -> None:
    found = [(column, word) for text in statements(SOURCES) for column, word in statuses_in_sql(text, COLUMNS)]
    assert len(found) > 60
    assert [(column, word) for column, word in found if word not in COLUMNS[column]] == []


def test_a_planted_status_in_sql_is_found() -> None:
    planted_sql = "select 'bad_row' as reason from runs where runs.event != 'ended' and status in ('ok', 'okay')"
    unknown = [word for column, word in statuses_in_sql(planted_sql, COLUMNS) if word not in COLUMNS[column]]
    assert sorted(unknown) == ["bad_row", "ended", "okay"]


def test_dbt_accepts_the_values_of_an_enum() -> None:
    known = [*ENUMS.values(), COLUMNS["interval_status"], COLUMNS["interval_status"] - {"none"}]
    known.append(ENUMS["RuleState"] - {"waived"})  # what a rule would be without its waiver
    accepted = list(accepted_values())
    assert len(accepted) > 15
    assert [name for name, values in accepted if values not in known and name not in MADE_BY_DBT] == []


def test_every_enum_of_statuses_is_used_and_its_members_are_named_as_their_values() -> None:
    here = [module for module in SOURCES if module.name == "assay/records/statuses.py"]
    defined, text = values_of_enums(*here), "\n".join(module.text for module in SOURCES if module not in here)
    assert [name for name in defined if not re.search(rf"\b{name}\b", text)] == []
    for name in defined:
        assert all(member.name == re.sub(r"\W", "_", member.value).upper() for member in getattr(statuses, name))


def planted(code: str) -> Module:
    """The code as a module of the engine."""
    return Module("assay/planted.py", code, ast.parse(code))
