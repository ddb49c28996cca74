"""`assay adopt` on tables: what lands, what a hostile answer becomes, what is refused."""

from __future__ import annotations

import json
import shlex
from decimal import Decimal
from typing import Any

import pytest

from assay.errors import AssayError, InputRejected, UsageError
from assay.inference.keys import content_hash
from tests.adoption.scenario import INPUT, adopted, label_task, labelled_rows, lines, outcomes
from tests.adoption.test_evaluation import cases as golden_cases
from tests.end_to_end.workplace import Workplace
from tests.fakes.model_endpoint import ModelEndpoint
from tests.runs.bench import Bench


def test_each_answer_column_is_a_scored_run_of_its_own_and_nothing_is_called(
    bench: Bench, place: Workplace, name: str, model: ModelEndpoint
) -> None:
    label_task(place, name)
    rows = labelled_rows(12, first=lambda _: "a", other=lambda n: "ab"[n % 2])
    runs = adopted(bench, name, "first", "second=other", input=lines(place, "in.jsonl", rows))

    assert {variant: run.reliability and run.reliability["value"] for variant, run in runs.items()} == {
        "first": 0.5,
        "second": 1.0,
    }
    for variant, run in runs.items():
        assert run.summary.status == "completed" and run.summary.calls == 0 and run.summary.records == 12
        landed = outcomes(place, run.summary.run_id)
        assert {(row["variant"], row["answer_source"], row["calls"]) for row in landed.values()} == {
            (variant, "adopted", 0)
        }
        assert place.query("select * from responses where run_id = @id", id=run.summary.run_id) == []
    assert model.asked == []


HOSTILE: dict[str, tuple[Any, str, str | None]] = {
    "a label": ("a", "ok", None),
    "a JSON object as text": ('{"label": "a"}', "ok", None),
    "a JSON object": ({"label": "a"}, "ok", None),
    "a JSON object in a fence": ('```json\n{"label": "a"}\n```', "ok", None),
    "a JSON object in prose": ('Sure: {"label": "a"}.', "repaired", None),
    "null": (None, "failed", "no_answer"),
    "an empty text": ("", "failed", "no_answer"),
    "blanks": (" \t", "failed", "no_answer"),
    "a label with a blank": (" a", "invalid_output", "invalid_output"),
    "an unknown label": ("c", "invalid_output", "invalid_output"),
    "a truncated object": ('{"label": "a', "invalid_output", "invalid_output"),
    "an object with another key": ({"label": "a", "more": 1}, "invalid_output", "invalid_output"),
    "a number": (3, "invalid_output", "invalid_output"),
    "a list": (["a"], "invalid_output", "invalid_output"),
    "true": (True, "invalid_output", "invalid_output"),
    "the text NaN": ("NaN", "invalid_output", "invalid_output"),
    "control characters": ("a\x00\x1b[2J", "invalid_output", "invalid_output"),
    "a placeholder": ("<EMAIL_1>", "invalid_output", "invalid_output"),
    "a huge cell": ("x" * 5000, "invalid_output", "invalid_output"),
}


def test_hostile_answers_have_a_clear_outcome_and_no_record_is_lost(bench: Bench, place: Workplace, name: str) -> None:
    label_task(place, name, input={**INPUT, "max_cell_bytes": 2000})
    kinds = list(HOSTILE)
    rows = labelled_rows(len(kinds), answer=lambda n: HOSTILE[kinds[n]][0])
    run = adopted(bench, name, "answer", input=lines(place, "in.jsonl", rows))["answer"]

    landed = outcomes(place, run.summary.run_id)
    found = {kind: (row["status"], row["error_type"]) for kind, row in zip(kinds, landed.values(), strict=True)}
    assert found == {kind: (status, error) for kind, (_, status, error) in HOSTILE.items()}
    assert run.without_answer == 3
    assert (run.summary.records, run.summary.predictions, run.summary.rejected) == (len(kinds), len(kinds), 0)
    huge = landed[f"r{kinds.index('a huge cell'):05}"]
    assert huge["error_message"] == "it is larger than `input.max_cell_bytes`" and huge["output"] is None
    unknown = landed[f"r{kinds.index('an unknown label'):05}"]["error_message"]
    assert unknown == "label: Input should be 'a' or 'b'; the answer begins 'c'"


def test_a_fallback_is_never_applied(bench: Bench, place: Workplace, name: str) -> None:
    label_task(place, name, output={"model": "output.py:Answer", "fallback": {"label": "a"}})
    rows = labelled_rows(4, answer=lambda n: None if n else "a")
    run = adopted(bench, name, "answer", input=lines(place, "in.jsonl", rows))["answer"]
    assert run.summary.statuses == {"failed": 3, "ok": 1}


@pytest.mark.parametrize("value", ["Infinity", "-inf", "NaN"])
def test_a_number_that_is_not_finite_is_invalid(bench: Bench, place: Workplace, name: str, value: object) -> None:
    label_task(place, name, label="float", checks=[{"name": "kept", "type": "valid_schema"}], correct=["kept"])
    rows = labelled_rows(2, answer=lambda n: value if n else 1.5)
    run = adopted(bench, name, "answer", input=lines(place, "in.jsonl", rows))["answer"]
    landed = outcomes(place, run.summary.run_id)
    assert landed["r00000"]["output"] == {"label": 1.5}
    assert landed["r00001"]["output"] is None and landed["r00001"]["status"] in ("invalid_output", "failed")


def test_identifiers_in_answers_are_masked_with_those_of_the_input_and_scored_as_they_were(
    bench: Bench, place: Workplace, name: str
) -> None:
    label_task(place, name, label="str", more="    extra: dict[str, str] = {}\n", masking={"enabled": True})
    mail, other = "jane@example.com", "joe@example.org"
    answers = [mail, other, "<EMAIL_1>", {"label": mail, "extra": {other: "x"}}, f"{{broken {other}"]
    rows = [
        {"id": f"r{n}", "text": f"write to {mail}", "gold": mail, "answer": answer} for n, answer in enumerate(answers)
    ]
    run = adopted(bench, name, "answer", input=lines(place, "in.jsonl", rows))["answer"]

    landed = outcomes(place, run.summary.run_id)
    tables = [place.query(f"select * from {table} where run_id = @id", id=run.summary.run_id) for table in TABLES]
    assert mail not in str(tables) and other not in str(tables)
    assert [row["output"] and row["output"]["label"] for row in landed.values()] == [
        "<EMAIL_1>",
        "<EMAIL_2>",
        "<EMAIL_1>",
        "<EMAIL_1>",
        None,
    ]
    scores = {row["record_id"]: row["passed"] for row in tables[2] if row["scorer"] == "label_right"}
    assert scores == {"r0": True, "r1": False, "r2": False, "r3": True, "r4": None}
    inputs = {row["record_id"]: row["input"]["text"] for row in tables[1]}
    assert (inputs["r0"], inputs["r2"]) == ("write to <EMAIL_1>", "write to <EMAIL_2>")


TABLES = ("predictions", "records", "scores", "runs", "estimates")


def test_stated_cost_latency_tokens_and_model_land_and_unreadable_ones_are_counted(
    bench: Bench, place: Workplace, name: str
) -> None:
    label_task(place, name)
    cost = [0.25, "0.5", None, "free", -1, "1e400"]
    rows = labelled_rows(
        6, answer=lambda _: "a", usd=lambda n: cost[n], ms=lambda n: n * 10, tokens=lambda _: 7, llm=lambda _: "m-1"
    )
    stated = {"cost_usd": "usd", "latency_ms": "ms", "input_tokens": "tokens", "model": "llm"}
    run = adopted(bench, name, "answer", input=lines(place, "in.jsonl", rows), stated=stated)["answer"]

    landed = list(outcomes(place, run.summary.run_id).values())
    assert [row["adopted_cost_usd"] for row in landed] == [Decimal("0.25"), Decimal("0.5"), None, None, None, None]
    assert run.unreadable == {"cost_usd": 3}
    assert (landed[3]["adopted_latency_ms"], landed[3]["adopted_input_tokens"], landed[3]["adopted_output_tokens"]) == (
        30.0,
        7,
        None,
    )
    assert {row["adopted_model"] for row in landed} == {"m-1"}


def test_answers_for_golden_cases_take_input_and_expected_value_from_the_golden_set(
    bench: Bench, place: Workplace, name: str
) -> None:
    cases = [
        {"case_id": f"c{n}", "split": "gate", "input": {"text": f"t {n}"}, "expected": {"label": "a"}} for n in range(5)
    ]
    label_task(place, name, cases=cases)
    rows = [{"id": f"c{n}", "answer": "a" if n < 2 else "b"} for n in range(4)] + [{"id": "elsewhere", "answer": "a"}]
    notes: list[str] = []
    run = adopted(bench, name, "answer", input=lines(place, "in.jsonl", rows), golden="gate", notes=notes)["answer"]

    assert run.summary.statuses == {"ok": 4, "failed": 1} and run.without_answer == 1
    assert run.reliability is not None and run.reliability["value"] == 0.4
    (started,) = place.query("select * from runs where run_id = @id and event = 'started'", id=run.summary.run_id)
    assert started["input_source"].startswith("golden:gate@") and started["purpose"] == "eval"
    assert "answer: 1 ids with an answer are ids of no record, and are ignored" in notes


def test_two_answers_for_one_case_are_refused(bench: Bench, place: Workplace, name: str) -> None:
    case = {"case_id": "c0", "split": "gate", "input": {"text": "t"}, "expected": {"label": "a"}}
    label_task(place, name, cases=[case])
    rows = [{"id": "c0", "answer": "a"}, {"id": "c0", "answer": "b"}]
    with pytest.raises(UsageError, match="row 2 and row 1 answer the same record"):
        adopted(bench, name, "answer", input=lines(place, "in.jsonl", rows), golden="gate")


def test_duplicate_record_ids_are_rejected_like_those_of_a_run(bench: Bench, place: Workplace, name: str) -> None:
    label_task(place, name)
    rows = [*labelled_rows(4, answer=lambda _: "a"), *labelled_rows(1, answer=lambda _: "b")]
    run = adopted(bench, name, "answer", input=lines(place, "in.jsonl", rows))["answer"]
    assert (run.summary.rows_read, run.summary.rejected, run.summary.records) == (5, 2, 3)


def test_an_input_with_too_many_rejected_rows_lands_them_and_exits_4(bench: Bench, place: Workplace, name: str) -> None:
    label_task(place, name, input={**INPUT, "max_rejected": 0})
    rows = [*labelled_rows(2, answer=lambda _: "a"), *labelled_rows(1, answer=lambda _: "b")]
    for _ in range(2):  # a rejected adoption is not resumed
        with pytest.raises(InputRejected) as found:
            adopted(bench, name, "answer", input=lines(place, "in.jsonl", rows))
        assert len(place.query("select * from rejected_records where run_id = @id", id=found.value.run_id)) == 2


def test_repeating_an_adoption_lands_nothing_and_changed_answers_land_as_a_new_run(
    bench: Bench, place: Workplace, name: str
) -> None:
    label_task(place, name)
    file = lines(place, "in.jsonl", labelled_rows(4, answer=lambda _: "a"))
    first = adopted(bench, name, "answer", input=file)["answer"]
    again = adopted(bench, name, "answer", input=file)["answer"]
    lines(place, "in.jsonl", labelled_rows(4, answer=lambda _: "b"))
    changed = adopted(bench, name, "answer", input=file)["answer"]

    assert again.is_known and again.summary.run_id == first.summary.run_id
    assert again.reliability == first.reliability
    assert changed.summary.run_id != first.summary.run_id
    assert len(place.query("select * from runs where task = @task and event = 'started'", task=name)) == 2


def test_predictions_of_calls_never_reuse_adopted_ones(
    bench: Bench, place: Workplace, name: str, model: ModelEndpoint
) -> None:
    label_task(place, name)
    file = lines(place, "in.jsonl", labelled_rows(4, answer=lambda _: "a"))
    run = adopted(bench, name, "answer", input=file)["answer"]
    called = bench.run(name, input=file, reuse="always")

    assert len(model.asked) >= 4 and called.reused == 0
    versions = place.query("select distinct inference_version from runs where task = @task", task=name)
    assert len(versions) == 2
    assert content_hash(run.summary.run_id, "") != called.run_id


def test_an_adopted_run_is_not_resumed_by_assay_run(bench: Bench, place: Workplace, name: str) -> None:
    label_task(place, name)
    file = lines(place, "in.jsonl", labelled_rows(2, answer=lambda _: "a"))
    run = adopted(bench, name, "answer", input=file)["answer"]
    with pytest.raises(UsageError, match="holds adopted predictions"):
        bench.go_on(run.summary.run_id)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"answers": ("warm=answer",)}, "The variant name 'warm' is taken: task .* has the variants default, warm"),
        ({"answers": ("default=answer",)}, "The variant name 'default' is taken"),
        ({"answers": ("answr",)}, "in.jsonl has no column 'answr'.*did you mean 'answer'"),
        ({"answers": ("a b=answer",)}, "'a b' cannot be the name of a variant"),
        ({"answers": ("answer", "answer=gold")}, "Two answers have the variant name 'answer'"),
        ({"answers": ()}, "Nothing to adopt"),
        ({"answers": ("answer",), "field": "lable"}, "--field 'lable' is not a field of the output"),
        ({"answers": ("answer",), "input": "nowhere.csv"}, "does not exist"),
        ({"answers": ("answer",), "input": None}, "has no input with answers"),
        ({"answers": ("answer",), "golden": "gate", "limit": 1}, "--golden cannot be combined with --limit"),
        ({"answers": ("answer",), "id_column": "id"}, "--id has no effect"),
        ({"answers": ("answer",), "files": ("x.jsonl",)}, "cannot be combined"),
        ({"answers": ("answer", "gold"), "stated": {"model": "text"}}, "expected NAME=COLUMN, where NAME is one of"),
    ],
)
def test_a_wrong_option_is_refused_before_anything_lands(
    bench: Bench, place: Workplace, name: str, options: dict[str, Any], says: str
) -> None:
    label_task(place, name, variants={"warm": {"parameters": {"temperature": 1}}})
    given = {"input": lines(place, "in.jsonl", labelled_rows(2, answer=lambda _: "a")), **options}
    with pytest.raises(UsageError, match=says):
        adopted(bench, name, *given.pop("answers"), **given)
    assert place.query("select * from runs where task = @task", task=name) == []


def test_the_command_shows_missing_answers_and_fails_where_no_answer_is_valid(place: Workplace, name: str) -> None:
    label_task(place, name)
    rows = labelled_rows(10, one=lambda n: None if n < 3 else "a", two=lambda _: "nonsense")
    place.rows("in.csv", [{**row, "one": row["one"] or ""} for row in rows])

    done = place.command("adopt", name, "--input", "in.csv", "--answer", "one", "--format", "json")
    assert done.returncode == 0, done.stderr
    (found,) = json.loads(done.stdout)
    assert (found["without_answer"], found["answered"]) == (3, 7)
    assert "3 of 10 records have no answer (NULL or empty)" in done.stderr

    failed = place.command("adopt", name, "--input", "in.csv", "--answer", "two")
    assert failed.returncode == AssayError.exit_code
    assert "none of 10 answers is valid for the output schema (invalid_output 10)" in failed.stderr


def test_answers_are_adopted_from_sql(bench: Bench, place: Workplace, name: str) -> None:
    label_task(place, name)
    sql = (
        "select concat('r', cast(n as string)) as id, 'text' as text, 'a' as gold, "
        "if(n < 2, null, if(n < 4, 'a', 'b')) as answer, json '{\"label\": \"a\"}' as document "
        "from unnest(generate_array(0, 9)) as n"
    )
    runs = adopted(bench, name, "answer", "document", input=sql)
    assert runs["answer"].summary.statuses == {"ok": 8, "failed": 2}
    assert runs["answer"].reliability is not None and runs["answer"].reliability["value"] == 0.2
    assert runs["document"].summary.statuses == {"ok": 10}


def test_the_column_with_the_expected_values_is_refused_and_an_equal_column_is_not(
    bench: Bench, place: Workplace, name: str
) -> None:
    label_task(place, name)
    rows = lines(place, "in.jsonl", labelled_rows(4, copied=lambda n: "ab"[n % 2]))
    with pytest.raises(UsageError, match=r"column 'gold' contains the expected values of `input\.expected\.label`"):
        adopted(bench, name, "copied", "mine=gold", input=rows)
    assert place.query("select * from runs where task = @task", task=name) == []
    assert adopted(bench, name, "copied", input=rows)["copied"].answered == 4


@pytest.mark.parametrize("keyword", ["all", "adopted"])
def test_a_keyword_of_an_evaluation_is_no_name_of_a_variant(
    bench: Bench, place: Workplace, name: str, keyword: str
) -> None:
    label_task(place, name)
    rows = lines(place, "in.jsonl", labelled_rows(4, first=lambda _: "a"))
    with pytest.raises(UsageError, match=f"'{keyword}' is a keyword of `assay eval --variants`"):
        adopted(bench, name, f"{keyword}=first", input=rows)


def test_the_next_step_after_several_answers_is_a_command_that_compares_them(place: Workplace, name: str) -> None:
    label_task(place, name)
    place.write(f"tasks/{name}/cases.jsonl", "".join(f"{json.dumps(case)}\n" for case in golden_cases(20)))
    rows = lines(place, "in put.jsonl", labelled_rows(20, first=lambda n: "ab"[n % 2], second=lambda _: "a"))
    answers = ["--answer", "first", "--answer", "second"]

    one = place.command("adopt", name, "--input", rows, "--answer", "only=first")
    assert f"next: assay report {name} --variant only\n" in one.stderr, one.stderr
    part = place.command("adopt", name, "--input", rows, *answers, "--limit", "5")
    assert f"next: assay report {name} --variant first\n" in part.stderr, part.stderr
    for more, said in ((), " --input 'in put.jsonl'"), (("--golden", "gate", "--id", "id"), ""):
        done = place.command("adopt", name, "--input", rows, *answers, *more)
        following = f"assay eval {name} --variants adopted{said}"
        assert f"next: {following}\n" in done.stderr, done.stderr
        compared = place.command(*shlex.split(following)[1:], timeout_s=120)
        assert compared.returncode == 0 and "second" in compared.stdout, compared.stderr

    shown = place.command("report", name, "--variant", "@adopted:second")
    assert shown.returncode == 0 and "second" in shown.stdout, shown.stderr
    unknown = place.command("eval", name, "--candidate", "frist", "--champion", "second", "--input", rows)
    assert unknown.returncode == 3
    assert "has no variant 'frist': expected one of default; adopted: first, only, second" in unknown.stderr
    assert "did you mean 'first'?" in unknown.stderr
