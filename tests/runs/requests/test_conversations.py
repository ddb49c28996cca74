"""Turns of conversations: in order within one, many at a time, with what was said before, also tomorrow."""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from assay.errors import UsageError
from assay.pipeline import answer
from assay.runs.run import Run
from assay.runs.shards import Shard
from assay.runs.summary import open_requests
from tests.end_to_end.workplace import CONCURRENCY, Workplace, until
from tests.fakes.model_endpoint import Asked, ModelEndpoint, Reaction, failing, well
from tests.redis_server import needs_redis, running_redis
from tests.runs.bench import Bench, Told

INPUT = {"record_id": "id", "fields": {"text": "text"}, "max_rejected": 0.5}
TURNS = {"id": "talk", "turn": "turn"}
Row = dict[str, str]


def said(talk: str, turn: int) -> Row:
    """The row of one turn, in words that occur once."""
    return {"id": f"{talk}-{turn}", "talk": talk, "turn": str(turn), "text": f"{talk} says {turn}"}


def talks(count: int, turns: int) -> list[Row]:
    return [said(f"t{number:03}", turn) for number in range(count) for turn in range(1, turns + 1)]


def scattered(rows: Sequence[Row]) -> list[Row]:
    return random.Random(7).sample(rows, len(rows))


def task(place: Workplace, name: str, *, conversation: Mapping[str, Any] | None = None, **edits: Any) -> str:
    spec = {**INPUT, "conversation": {**TURNS, **(conversation or {})}, **edits.pop("input", {})}
    return place.task(name, input=spec, **edits)


def echo(asked: Asked) -> Reaction:
    """An answer that names the question, so that a history can be told from another."""
    return Reaction(text=json.dumps({"label": "question", "note": f"to: {question(asked)}"}))


def question(asked: Asked) -> str:
    return str(asked.body["messages"][-1]["content"])


def history(asked: Asked) -> list[str]:
    """What the request holds beside its own question: user messages and the notes of answers, in their order."""
    earlier = asked.body["messages"][:-1]
    assert [message["role"] for message in earlier] == ["user", "assistant"] * (len(earlier) // 2)
    return [
        message["content"] if message["role"] == "user" else json.loads(message["content"])["note"]
        for message in earlier
    ]


def whole_history(text: str, *, since: int = 1) -> list[str]:
    """The history that the turn with this text should have, if all turns before it were answered."""
    talk, turn = text.split(" says ")
    return [
        line for number in range(since, int(turn)) for line in (f"{talk} says {number}", f"to: {talk} says {number}")
    ]


def predictions(place: Workplace, run_id: str) -> dict[str, dict[str, Any]]:
    rows = place.query("select * from predictions where run_id = @run", run=run_id)
    assert len(rows) == len({(row["record_id"], row["epoch"]) for row in rows})
    return {row["record_id"]: row for row in rows}


@pytest.fixture
def model() -> Iterator[ModelEndpoint]:
    with ModelEndpoint(echo) as endpoint:
        yield endpoint


def test_each_turn_is_asked_with_what_was_said_before_wherever_its_row_stands(
    bench: Bench, model: ModelEndpoint, name: str
) -> None:
    place = bench.place
    summary = bench.run(task(place, name), input=place.rows("in.csv", scattered(talks(12, 5))))
    assert (summary.status, summary.predictions, model.count) == ("completed", 60, 60)
    assert all(history(asked) == whole_history(question(asked)) for asked in model.asked)
    turns = {record: row["history_turns"] for record, row in predictions(place, summary.run_id).items()}
    assert turns == {f"t{number:03}-{turn}": turn - 1 for number in range(12) for turn in range(1, 6)}


def test_many_conversations_are_under_way_at_once_and_no_two_turns_of_one(
    bench: Bench, model: ModelEndpoint, name: str
) -> None:
    under_way: Counter[str] = Counter()
    most: Counter[str] = Counter()
    lock = threading.Lock()

    def react(asked: Asked) -> Reaction:
        talk = question(asked).split()[0]
        with lock:
            under_way[talk] += 1
            most[talk] = max(most[talk], under_way[talk])
        time.sleep(0.02)
        with lock:
            under_way[talk] -= 1
        return echo(asked)

    model.react = react
    bench.run(task(bench.place, name), input=bench.place.rows("in.csv", scattered(talks(20, 4))))
    assert 1 < model.most_at_a_time <= CONCURRENCY
    assert set(most.values()) == {1}


def test_a_conversation_longer_than_a_piece_is_one_conversation_all_the_same(
    bench: Bench, model: ModelEndpoint, name: str
) -> None:
    rows = [*talks(1, 120), *[said("short", turn) for turn in (1, 2)]]
    made = task(bench.place, name, conversation={"keep": 3})
    summary = bench.run(made, input=bench.place.rows("in.csv", scattered(rows)))
    assert summary.predictions == 122
    for asked in model.asked:
        assert history(asked) == whole_history(question(asked))[-6:]


def test_a_turn_without_an_answer_is_left_out_and_the_next_goes_on_with_what_there_is(
    bench: Bench, model: ModelEndpoint, name: str
) -> None:
    model.react = lambda asked: failing(400)(asked) if question(asked) == "t000 says 2" else echo(asked)
    summary = bench.run(task(bench.place, name), input=bench.place.rows("in.csv", talks(1, 4)))
    assert summary.statuses == {"ok": 3, "failed": 1}
    last = next(asked for asked in model.asked if question(asked) == "t000 says 4")
    assert history(last) == ["t000 says 1", "to: t000 says 1", "t000 says 3", "to: t000 says 3"]
    assert predictions(bench.place, summary.run_id)["t000-4"]["history_turns"] == 2


def test_a_repaired_answer_is_shown_as_it_was_kept(bench: Bench, model: ModelEndpoint, name: str) -> None:
    def react(asked: Asked) -> Reaction:
        is_first_try = len(asked.body["messages"]) == 1
        return (
            Reaction(text="no JSON") if is_first_try else Reaction(text=json.dumps({"label": "praise", "note": "kept"}))
        )

    model.react = react
    summary = bench.run(task(bench.place, name), input=bench.place.rows("in.csv", talks(1, 2)))
    assert summary.statuses == {"repaired": 1, "ok": 1}
    assert history(model.asked[-1]) == ["t000 says 1", "kept"]


def test_each_epoch_has_a_conversation_of_its_own(bench: Bench, model: ModelEndpoint, name: str) -> None:
    numbers = defaultdict[str, list[str]](list)

    def react(asked: Asked) -> Reaction:
        note = f"answer {asked.number}"
        numbers[question(asked)].append(note)
        return Reaction(text=json.dumps({"label": "question", "note": note}))

    model.react = react
    bench.run(task(bench.place, name), input=bench.place.rows("in.csv", talks(1, 2)), epochs=2)
    seconds = [asked for asked in model.asked if question(asked) == "t000 says 2"]
    assert sorted(history(asked)[1] for asked in seconds) == sorted(numbers["t000 says 1"])


def test_turns_that_cannot_be_placed_are_rejected_with_a_reason(bench: Bench, name: str) -> None:
    rows = [
        said("a", 1),
        said("b", 1),
        {**said("a", 2), "turn": "two"},
        {**said("a", 3), "turn": "-1"},
        {**said("a", 4), "turn": ""},
        {**said("a", 5), "talk": " "},
        {**said("b", 2), "id": "one"},
        {**said("b", 2), "id": "other"},
    ]
    run = bench.admit(task(bench.place, name, input={"max_rejected": 1.0}), input=bench.place.rows("in.csv", rows))
    sql = "select position, reason, column_name from rejected_records where run_id = @run order by position"
    found = [tuple(row.values()) for row in bench.place.query(sql, run=run.run_id)]
    assert found == [
        (2, "bad_turn", "turn"),
        (3, "bad_turn", "turn"),
        (4, "bad_turn", "turn"),
        (5, "missing_conversation", "talk"),
        (6, "duplicate_turn", "turn"),
        (7, "duplicate_turn", "turn"),
    ]
    assert bench.end(run).predictions == 2


def test_tenants_do_not_share_conversations(bench: Bench, model: ModelEndpoint, name: str) -> None:
    rows = [
        {**said("same", turn), "id": f"{tenant}-{turn}", "text": f"{tenant} says {turn}", "tenant": tenant}
        for turn in (1, 2)
        for tenant in ("north", "south")
    ]
    made = task(bench.place, name, input={"tenant": "tenant"})
    assert bench.run(made, input=bench.place.rows("in.csv", rows)).predictions == 4
    assert all(history(asked) == whole_history(question(asked)) for asked in model.asked)


def test_turns_of_a_conversation_are_one_cluster(bench: Bench, name: str) -> None:
    run = bench.admit(task(bench.place, name), input=bench.place.rows("in.csv", talks(2, 3)))
    sql = "select turn, conversation_key, cluster_id from records where run_id = @run order by position"
    rows = bench.place.query(sql, run=run.run_id)
    assert [row["turn"] for row in rows] == [1, 2, 3, 1, 2, 3]
    assert len({row["conversation_key"] for row in rows}) == len({row["cluster_id"] for row in rows}) == 2
    assert all(len({row[name] for row in rows[:3]}) == 1 for name in ("conversation_key", "cluster_id"))


def test_an_unchanged_second_run_asks_nothing(bench: Bench, model: ModelEndpoint, name: str) -> None:
    made, file = task(bench.place, name), bench.place.rows("in.csv", scattered(talks(4, 4)))
    bench.run(made, input=file)
    summary = bench.run(made, input=file)
    assert (summary.predictions, summary.reused, model.count) == (16, 16, 16)


def test_a_turn_that_failed_keeps_its_first_outcome(bench: Bench, model: ModelEndpoint, name: str) -> None:
    made, file = task(bench.place, name), bench.place.rows("in.csv", talks(2, 3))
    react, model.react = (
        model.react,
        lambda asked: Reaction(status=400) if question(asked) == "t001 says 3" else react(asked),
    )
    bench.run(made, input=file)
    model.react = react
    again = bench.run(made, input=file)

    sql = "select status, first_status, answer_source from predictions where run_id = @run and first_status = 'failed'"
    [row] = bench.place.query(sql, run=again.run_id)
    assert (row["status"], row["answer_source"], again.reused, model.count) == ("ok", "wire", 5, 7)


def test_a_changed_turn_is_asked_again_and_so_are_those_after_it(bench: Bench, model: ModelEndpoint, name: str) -> None:
    made = task(bench.place, name)
    bench.run(made, input=bench.place.rows("in.csv", talks(1, 4)))
    rows = [{**row, "text": f"{row['text']}!"} if row["turn"] == "2" else row for row in talks(1, 4)]
    summary = bench.run(made, input=bench.place.rows("in.csv", rows))
    assert summary.reused == 1
    assert [question(asked) for asked in model.asked[4:]] == ["t000 says 2!", "t000 says 3", "t000 says 4"]


def test_a_later_run_goes_on_with_what_was_said_the_day_before(bench: Bench, model: ModelEndpoint, name: str) -> None:
    made = task(bench.place, name)
    bench.run(made, input=bench.place.rows("monday.csv", talks(3, 3)))
    later = [said(f"t{number:03}", 4) for number in range(3)]
    summary = bench.run(made, input=bench.place.rows("tuesday.csv", later))
    assert summary.predictions == 3
    assert all(history(asked) == whole_history(question(asked)) for asked in model.asked)


def test_a_turn_between_earlier_ones_is_asked_with_those_before_it_only(
    bench: Bench, model: ModelEndpoint, name: str
) -> None:
    made = task(bench.place, name)
    bench.run(made, input=bench.place.rows("first.csv", [said("t", turn) for turn in (1, 2, 4)]))
    bench.run(made, input=bench.place.rows("second.csv", [said("t", turn) for turn in (3, 5)]))
    assert history(model.asked[3]) == whole_history("t says 3")
    assert history(model.asked[4]) == whole_history("t says 5")


def test_only_so_many_turns_of_earlier_runs_are_kept(bench: Bench, model: ModelEndpoint, name: str) -> None:
    made = task(bench.place, name, conversation={"keep": 2})
    bench.run(made, input=bench.place.rows("first.csv", talks(1, 5)))
    bench.run(made, input=bench.place.rows("second.csv", [said("t000", 6)]))
    assert history(model.asked[-1]) == whole_history("t000 says 6", since=4)


def test_a_canary_listens_to_a_conversation_and_leaves_no_trace_in_it(
    bench: Bench, model: ModelEndpoint, name: str
) -> None:
    made = task(bench.place, name)
    bench.run(made, input=bench.place.rows("first.csv", [said("t", 1)]))
    bench.run(made, input=bench.place.rows("second.csv", [said("t", 2)]), purpose="canary")
    bench.run(made, input=bench.place.rows("third.csv", [said("t", 3)]))
    assert history(model.asked[1]) == whole_history("t says 2")
    assert history(model.asked[2]) == whole_history("t says 2")


def test_placeholders_of_earlier_turns_are_told_from_the_turns_own(
    bench: Bench, model: ModelEndpoint, name: str
) -> None:
    model.react = lambda asked: Reaction(text=json.dumps({"label": "question", "note": "wrote <EMAIL_1>"}))
    rows = [{**said("t", turn), "text": f"I am {who}@example.com"} for turn, who in ((1, "ann"), (2, "bob"))]
    made = task(bench.place, name, masking={"enabled": True})
    bench.run(made, input=bench.place.rows("in.csv", rows))
    assert question(model.asked[1]) == "I am <EMAIL_1>"
    assert history(model.asked[1]) == ["I am <EMAIL_1_OF_TURN_1>", "wrote <EMAIL_1_OF_TURN_1>"]


def test_a_stopped_run_goes_on_with_the_answers_it_has(bench: Bench, model: ModelEndpoint, name: str) -> None:
    run = bench.admit(task(bench.place, name), input=bench.place.rows("in.csv", scattered(talks(6, 6))))
    model.react = lambda asked: echo(asked) if asked.number < 15 else failing(401)(asked)
    with pytest.raises(UsageError, match="HTTP 401"):
        bench.end(run)
    stopped_at = model.count
    model.react = echo
    summary = bench.go_on(run.run_id)
    assert (summary.status, summary.predictions) == ("completed", 36)
    assert all(history(asked) == whole_history(question(asked)) for asked in model.asked[stopped_at:])
    assert not list((bench.place.root / ".assay" / "snapshots" / run.run_id / "conversations").iterdir())


def test_a_conversation_lies_in_one_shard_as_the_warehouse_counts_it(
    bench: Bench, model: ModelEndpoint, name: str
) -> None:
    run = bench.admit(task(bench.place, name), input=bench.place.rows("in.csv", scattered(talks(12, 3))))
    project, shards = bench.project, [Shard(index, 2) for index in (0, 1)]
    seen = []
    for shard in shards:
        expected, before = open_requests(project.warehouse, run, shard=shard), model.count
        answer(project, run, Told(), shard=shard, handle_signals=False)
        seen.append({question(asked).split()[0] for asked in model.asked[before:]})
        assert (model.count - before, open_requests(project.warehouse, run, shard=shard)) == (expected, 0)
    assert all(seen)
    assert not seen[0] & seen[1]
    assert all(history(asked) == whole_history(question(asked)) for asked in model.asked)
    assert model.count == 36


def killed_in_the_middle(place: Workplace, name: str, file: str, *, sent: int) -> str:
    """A run in a process that is killed when so many requests have arrived; returns its id."""
    model = place.model
    model.react = lambda asked: Reaction(text=echo(asked).text, delay_s=0.05)
    with place.start("run", name, "--input", file) as process:
        until(lambda: model.count >= sent)
        process.kill()
    [row] = place.query("select distinct run_id from runs where task = @task", task=name)
    model.react = echo
    return str(row["run_id"])


def test_a_killed_run_loses_no_turn_and_asks_none_without_those_before_it(
    bench: Bench, model: ModelEndpoint, name: str
) -> None:
    place = bench.place
    file = place.rows("in.csv", scattered(talks(30, 8)))
    run_id = killed_in_the_middle(place, task(place, name), file, sent=100)
    time.sleep(0.5)  # the warehouse may still be at the last append
    summary = bench.go_on(run_id)
    assert (summary.status, summary.predictions) == ("completed", 240)
    assert all(history(asked) == whole_history(question(asked)) for asked in model.asked)
    # What was answered when the process died is in its journal: only calls under way are sent again.
    assert model.count - 240 <= CONCURRENCY
    calls = place.query("select count(*) as n from predictions where run_id = @run and calls > 0", run=run_id)
    assert calls == [{"n": 240}]


@contextmanager
def with_redis(place: Workplace) -> Iterator[Callable[[], None]]:
    """Commands of the place share a Redis; gives what stops it."""
    with running_redis() as server:
        place.environment["ASSAY_REDIS_URL"] = server.url
        yield server.stop


@needs_redis
def test_redis_tells_another_run_what_has_not_landed_yet(bench: Bench, model: ModelEndpoint, name: str) -> None:
    place, made = bench.place, task(bench.place, name)
    with with_redis(place):
        first: Run = bench.admit(made, input=place.rows("first.csv", [said("t", 1)]))
        second: Run = bench.admit(made, input=place.rows("second.csv", [said("t", 2)]))
        bench.end(first)
        place.query("delete from predictions where run_id = @run", run=first.run_id)  # as if it were still to land
        bench.end(second)
    assert history(model.asked[1]) == whole_history("t says 2")


@needs_redis
def test_what_redis_has_lost_is_read_from_the_warehouse(bench: Bench, model: ModelEndpoint, name: str) -> None:
    place, made = bench.place, task(bench.place, name)
    with with_redis(place) as stop:
        bench.run(made, input=place.rows("first.csv", talks(2, 2)))
        stop()
        bench.run(made, input=place.rows("second.csv", [said(f"t{number:03}", 3) for number in range(2)]))
    assert all(history(asked) == whole_history(question(asked)) for asked in model.asked)


def test_a_batch_of_turns_is_refused_before_anything_is_read(bench: Bench, name: str) -> None:
    with pytest.raises(UsageError, match=r"its rows are turns of conversations .*run without --batch"):
        bench.admit(task(bench.place, name), input="nowhere.csv", batch=True)


def test_golden_cases_may_be_turns_and_hear_nothing_of_earlier_runs(
    bench: Bench, model: ModelEndpoint, name: str
) -> None:
    def case(case_id: str, **more: Any) -> dict[str, Any]:
        return {"case_id": case_id, "split": "gate", "input": {"text": case_id.replace("_", " ")}, **more}

    cases = [
        case("g_says_2", conversation="g", turn=2),
        case("alone_says_1"),
        case("g_says_1", conversation="g", turn=1),
    ]
    made = task(bench.place, name, cases=cases)
    for _ in range(2):
        assert bench.run(made, input="golden", reuse="never").predictions == 3
    assert all(history(asked) == whole_history(question(asked)) for asked in model.asked)
    assert model.count == 6


def test_a_task_without_conversations_asks_as_before(bench: Bench, model: ModelEndpoint, name: str) -> None:
    model.react = well
    summary = bench.run(bench.place.task(name), input=bench.place.rows("in.csv", talks(2, 2)))
    assert {row["history_turns"] for row in predictions(bench.place, summary.run_id).values()} == {None}
    assert all(history(asked) == [] for asked in model.asked)
