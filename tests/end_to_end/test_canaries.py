"""No personal value of a record reaches the endpoint, the warehouse, a log or the terminal; the answers get it back."""

from __future__ import annotations

import json
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from assay.records import LANDING_RECORDS
from tests.end_to_end.canary import Canary, canary, leaks
from tests.end_to_end.workplace import Workplace
from tests.fakes.model_endpoint import Asked, ModelEndpoint, Reaction

GOOD = [canary(number) for number in range(30)]
REJECTED = [canary(number) for number in range(30, 36)]
EXAMPLES = [canary(number) for number in range(36, 40)]
ALL = [*GOOD, *REJECTED, *EXAMPLES]

INPUT = {
    "record_id": "id",
    "fields": {"text": "text", "remark": "remark"},
    "expected": {"note": "right"},
    "subject": "person",
    "cluster_id": "person",
    "slices": {"channel": "channel"},
    "expectations": [{"type": "expect_column_value_lengths_to_be_between", "kwargs": {"column": "remark", "min_value": 2}}],
    "max_rejected": 0.5,
}  # fmt: skip


def echoing(asked: Asked) -> Reaction:
    """Gives its input back, in one way or another."""
    words = " | ".join(message["content"] for message in asked.body["messages"])
    if asked.number % 10 == 7:
        return Reaction(status=400, message=f"I cannot take: {words}")
    if asked.number % 10 == 3:
        return Reaction(text=f"not JSON: {words}")
    if asked.number % 10 == 5:
        return Reaction(text=json.dumps({"label": words, "note": words}))
    return Reaction(text=json.dumps({"label": "question", "note": words}))


def row(number: int, one: Canary, **cells: str) -> dict[str, str]:
    return {
        "id": f"r{number:03}",
        "text": one.sentence,
        "remark": f"again: {one.phone}, {one.email}",
        "right": f"Answer to {one.email} about {one.card}",
        "person": one.email,
        "channel": f"mail to {one.email}",
        **cells,
    }


@dataclass(frozen=True, slots=True)
class Ran:
    """A run over canaries, and what it said."""

    place: Workplace
    task: str
    said: str


def ran(place: Workplace, name: str, *arguments: str, code: int = 0) -> Ran:
    place.model.react = echoing
    done = place.command("run", name, *arguments, timeout_s=90)
    assert done.returncode == code, done.stderr
    return Ran(place, name, done.stdout + done.stderr)


@pytest.fixture
def task(place: Workplace, name: str) -> str:
    """A task with masking on, whose golden cases and example hold canaries too, also deep in the expected answer."""
    cases: list[dict[str, Any]] = [
        {
            "case_id": f"g{number}",
            "split": split,
            "input": {"text": one.sentence, "remark": one.iban},
            "expected": {"note": one.sentence},
            "slices": {"from": one.email},
            "cluster_id": one.email,
        }
        for number, (one, split) in enumerate(zip(EXAMPLES, ("dev", "gate", "gate", "gate"), strict=True))
    ]
    prompt = "{% for example in few_shot %}{{ example.input.text }} {{ example.expected | tojson }}{% endfor %}{{ text }} / {{ remark }}"
    return place.task(
        name,
        input=INPUT,
        cases=cases,
        masking={"enabled": True},
        prompts={"user": "user.j2", "few_shot": ["g0"]},
        prompt=prompt,
        checks=[
            {"name": "schema_kept", "type": "valid_schema"},
            {"name": "note_right", "type": "exact_match", "field": "note"},
        ],
    )


def nothing_leaked(run: Ran) -> None:
    assert leaks(ALL, json.dumps([asked.body for asked in run.place.model.asked])) == []
    assert leaks(ALL, run.said) == []
    for table in LANDING_RECORDS:
        rows = run.place.query(f"select * from {table} where task = @task", task=run.task)
        assert leaks(ALL, json.dumps(rows, default=str, ensure_ascii=False)) == [], table
    state = run.place.root / ".assay"
    for path in (path for path in state.rglob("*") if path.is_file() and "snapshots" not in path.parts):
        assert leaks(ALL, path.read_text("utf-8", errors="replace")) == [], path


def test_canaries_are_what_they_pretend_to_be() -> None:
    """Else nothing would be masked, and nothing proved."""
    import phonenumbers
    from presidio_analyzer.predefined_recognizers import CreditCardRecognizer, IbanRecognizer

    for one in ALL:
        assert phonenumbers.is_possible_number(phonenumbers.parse(one.phone))
        assert CreditCardRecognizer().validate_result(one.card)
        assert IbanRecognizer().validate_result(one.iban)
        assert len(leaks([one], one.sentence)) == 8
    assert len({value for one in ALL for value in one.values}) == 5 * len(ALL)


def open_to_others(folder: Path) -> list[Path]:
    """The folder and what is in it, where other users of the machine have any right."""
    return [path for path in (folder, *folder.rglob("*")) if stat.S_IMODE(path.lstat().st_mode) & 0o077]


def test_a_run_with_failures_and_rejected_rows_leaks_nothing_and_restores_the_answers(
    place: Workplace, task: str, model: ModelEndpoint
) -> None:
    good = [row(number, one) for number, one in enumerate(GOOD)]
    twins = [row(100, one) for one in REJECTED[:2]]
    short = [row(200 + number, one, remark="x") for number, one in enumerate(REJECTED[2:4])]
    nameless = [row(300, one, id="") for one in REJECTED[4:5]]
    mails = [row(400, one, id=one.email, remark="x") for one in REJECTED[5:]]
    file = place.rows("in.csv", [*good, *twins, *short, *nameless, *mails])
    run = ran(place, task, "--input", file, "--output", "out.jsonl")
    nothing_leaked(run)
    [counts] = place.query(
        "select count(*) as n, countif(status = 'ok') as ok from predictions where task = @task", task=task
    )
    assert counts["n"] == len(GOOD)
    assert 0 < counts["ok"] < len(GOOD)
    assert len(place.query("select position from rejected_records where task = @task", task=task)) == len(REJECTED)
    path = place.root / "out.jsonl"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    answers = [json.loads(line) for line in path.read_bytes().splitlines()]
    assert [answer["record_id"] for answer in answers] == [line["id"] for line in good]
    assert open_to_others(place.root / ".assay") == []
    restored = [answer for answer in answers if answer["status"] == "ok"]
    assert len(restored) == counts["ok"]
    for answer in restored:
        one = GOOD[int(answer["record_id"][1:])]
        assert one.sentence in answer["output"]["note"]


def test_a_run_over_golden_cases_leaks_nothing(place: Workplace, task: str) -> None:
    nothing_leaked(ran(place, task, "--input", "golden"))
    rows = place.query("select expected, slices from golden_cases where task = @task order by case_id", task=task)
    assert len(rows) == len(EXAMPLES)
    assert "<CARD_1>" in rows[0]["expected"]["note"]
    assert rows[0]["slices"] == ["from=<EMAIL>"]


def test_a_run_that_is_stopped_at_the_door_leaks_nothing(place: Workplace, task: str) -> None:
    file = place.rows("in.csv", [row(1, one) for one in GOOD])
    nothing_leaked(ran(place, task, "--input", file, code=4))
    # The copy of the input is the one place where the values are, for its owner only.
    assert list((place.root / ".assay" / "snapshots").rglob("*"))
    assert open_to_others(place.root / ".assay") == []


def test_a_run_whose_key_is_refused_with_an_echo_leaks_nothing(place: Workplace, task: str) -> None:
    file = place.rows("in.csv", [row(number, one) for number, one in enumerate(GOOD)])

    def refusing(asked: Asked) -> Reaction:
        return Reaction(status=401, message=f"no key for {asked.prompt}")

    place.model.react = refusing
    done = place.command("run", task, "--input", file)
    assert done.returncode == 3
    nothing_leaked(Ran(place, task, done.stdout + done.stderr))
