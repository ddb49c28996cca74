"""The commands as a user types them: quick to answer, clear when refused, exact in what they print."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys

import pytest

from tests.end_to_end.stage import endpoints, model, name, place
from tests.end_to_end.workplace import ASSAY, Workplace, numbered_rows
from tests.fakes.model_endpoint import ModelEndpoint

__all__ = ["endpoints", "model", "name", "place"]

HEAVY = ("openai", "google", "duckdb", "presidio_analyzer", "great_expectations", "dagster", "dbt", "pandas", "pyarrow", "scipy", "rich")  # fmt: skip
COMMANDS = (
    "check",
    "demo",
    "down",
    "init",
    "labels",
    "query",
    "report",
    "review",
    "run",
    "runs",
    "status",
    "up",
    "warehouse",
)
LOADED = """
import sys
before = set(sys.modules)  # some packages put themselves there when any interpreter starts
from assay.cli.application import cli
cli.main(args={arguments!r}, standalone_mode=False)
print("loaded:", *sorted({heavy!r} & {{name.partition(".")[0] for name in set(sys.modules) - before}}))
"""


def result(place: Workplace, *arguments: str, code: int = 0, **variables: str) -> str:
    done = place.command(*arguments, **variables)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout if code in (0, 1) else done.stderr


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["warehouse", "diff", "--help"]])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    script = LOADED.format(arguments=arguments, heavy=set(HEAVY))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines()[-1] == "loaded:"


def test_help_names_every_command_and_version_the_package(place: Workplace) -> None:
    text = result(place, "--help")
    assert [command for command in COMMANDS if f"\n  {command} " not in text] == []
    assert result(place, "--version").startswith("assay, version ")


def test_help_needs_no_project(place: Workplace) -> None:
    assert "Usage: assay run" in result(place, "run", "--help", ASSAY_ROOT="/no/such/folder")


VALUES = """
select
    12345678901 as whole, 0.1 + 0.2 as ratio, numeric '1.10' as money, 'a,"b"' as text, cast(null as string) as nothing,
    date '2024-02-29' as day, timestamp '2024-02-29 01:02:03+00' as moment, time '10:00:00' as hour, b'abc' as raw,
    [1, 2] as list, json '{"k": [1, null]}' as doc, true as yes
"""


def test_query_prints_json_with_exact_values(place: Workplace) -> None:
    [row] = json.loads(result(place, "query", VALUES, "--format", "json"))
    assert row == {
        "whole": 12345678901, "ratio": 0.1 + 0.2, "money": "1.1", "text": 'a,"b"', "nothing": None, "day": "2024-02-29",
        "moment": "2024-02-29T01:02:03+00:00", "hour": "10:00:00", "raw": "YWJj", "list": [1, 2], "doc": {"k": [1, None]},
        "yes": True,
    }  # fmt: skip


def test_query_prints_csv_that_a_reader_takes_back(place: Workplace) -> None:
    [row] = csv.DictReader(io.StringIO(result(place, "query", VALUES, "--format", "csv")))
    assert (row["whole"], row["ratio"], row["money"], row["nothing"]) == ("12345678901", repr(0.1 + 0.2), "1.1", "")
    assert (row["text"], row["list"], row["doc"]) == ('a,"b"', "[1,2]", '{"k":[1,null]}')


def test_query_prints_a_table_in_which_nothing_is_markup_or_a_control_character(place: Workplace) -> None:
    text = result(
        place, "query", "select '[/b] [red]x' as `column`, concat('a', code_points_to_string([27]), '[31m') as red"
    )
    assert "[/b] [red]x" in text
    assert "\x1b" not in text


def test_query_takes_a_statement_that_begins_with_a_comment(place: Workplace) -> None:
    assert json.loads(result(place, "query", "-- first\nselect 1 as n", "--format", "json")) == [{"n": 1}]


def test_query_of_nothing_prints_an_empty_result(place: Workplace) -> None:
    sql = "select task from dev_landing.runs where task = 'no such task'"
    assert json.loads(result(place, "query", sql, "--format", "json")) == []
    assert result(place, "query", sql, "--format", "csv") == "task\n"


@pytest.mark.parametrize("sql", ["drop table dev_landing.runs", "select 1; drop table dev_landing.runs", ""])
def test_query_refuses_what_is_no_select_and_does_not_do_it(place: Workplace, sql: str) -> None:
    assert "assay query: expected a single SELECT statement, found" in result(place, "query", sql, code=3)
    assert place.query("select count(*) as n from runs")[0]["n"] >= 0


def test_query_keeps_the_warehouse_s_words_when_it_refuses(place: Workplace) -> None:
    message = result(place, "query", "select nope from dev_landing.runs", code=3)
    assert "nope" in message
    assert "Job ID" not in message


def test_query_ends_quietly_when_its_reader_has_enough(place: Workplace) -> None:
    sql = "select n, repeat('x', 200) as text from unnest(generate_array(1, 20000)) as n"
    with place.start("query", sql, "--format", "csv") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(60) == 0


def test_check_lists_every_issue_of_every_task_at_once(place: Workplace) -> None:
    place.task("good")
    place.task("bad", routes=[{"name": "first", "provider": "nobody", "model": "m"}], correct=["unknown_check"])
    place.task("worse", prompt="{{ missing }}", output={"model": "output.py:Nope"})
    message = result(place, "check", code=3)
    assert "tasks/bad/task.yml:" in message
    assert "unknown_check" in message
    assert "tasks/worse/user.j2:1:" in message
    assert "tasks/worse/output.py:" in message
    assert "tasks/good" not in message
    assert "Traceback" not in message


def test_check_prints_json_for_machines(place: Workplace, name: str) -> None:
    place.task(name, variants={"warm": {"parameters": {"temperature": 1}}})
    found = json.loads(result(place, "check", name, "--format", "json"))
    assert found["mistakes"] == []
    assert [(task["task"], task["variants"]) for task in found["tasks"]] == [(name, ["default", "warm"])]


def test_check_without_a_task_says_how_to_begin(place: Workplace) -> None:
    assert "run `assay init TASK` to create one" in result(place, "check", code=3)


def test_a_new_task_passes_its_check_and_runs_as_it_is(place: Workplace, model: ModelEndpoint, name: str) -> None:
    place.write("providers.yml", f"local: {{base_url: '{model.url}', api_key_env: null, concurrency: 4}}\n")
    assert f"assay run {name}" in result(place, "init", name)
    result(place, "check", name)
    summary = place.run(name)
    assert (summary["status"], summary["statuses"]) == ("completed", {"ok": 6})
    assert "already exists" in result(place, "init", name, code=3)


def test_a_task_s_name_that_is_none_is_refused(place: Workplace) -> None:
    assert "expected lowercase letters" in result(place, "init", "../Up", code=3)


def test_a_run_prints_its_counts_for_people_and_its_next_step(place: Workplace, name: str) -> None:
    place.rows("in.csv", numbered_rows(3))
    done = place.command("run", place.task(name), "--input", "in.csv")
    assert done.returncode == 0
    assert "3 of 3" in done.stdout
    assert f"next: assay report {name}" in done.stderr
    assert max(map(len, done.stderr.splitlines())) <= 120


def test_report_without_a_completed_run_says_what_to_start(place: Workplace, name: str) -> None:
    assert f"run it with `assay run {place.task(name)}`" in result(place, "report", name, code=3)


def test_diff_exits_1_until_migrate_made_the_tables(place: Workplace) -> None:
    staging = {"ASSAY_ENV": "staging"}
    missing = json.loads(result(place, "warehouse", "diff", "--format", "json", code=1, **staging))
    assert {difference["what"] for difference in missing} == {"the table is missing"}
    assert "created predictions" in result(place, "warehouse", "migrate", **staging)
    assert "match the schema files" in result(place, "warehouse", "diff", **staging)
    place.warehouse().query("drop table staging_landing.scores")
    assert result(place, "warehouse", "diff", code=1, **staging) == "scores: the table is missing\n"


def test_the_command_answers_without_arguments(place: Workplace) -> None:
    done = subprocess.run([str(ASSAY)], capture_output=True, text=True, timeout=60, check=False, env=place.variables())
    assert "Usage: assay" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
