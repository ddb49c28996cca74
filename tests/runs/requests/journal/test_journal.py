"""What a killed process had sent and was answered is known to the next one, once each, and nothing else is."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import cast

import pytest

from assay.errors import UsageError
from assay.inference.call_rows import CallFacts
from assay.inference.request import Request, RequestResult
from assay.records import Content, Prediction, Response
from assay.records.evaluation import Score
from assay.runs.requests.journal.journal import Journal, Recovered
from assay.runs.requests.journal.pages import HEAD, PAGE_BYTES
from assay.tasks.spec import RouteSpec
from tests.inference.rig import FIRST
from tests.warehouse.examples import full, sparse

WRITTEN_EARLIER = Path(__file__).with_name("written_earlier.jsonl")
"""Lines of a killed run of November 2026: a call with its response, and a call without."""
EARLIER_LAYOUT = 3554820754
ROUTE = RouteSpec(name=FIRST.name, provider=FIRST.provider, model=FIRST.model)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "run-1" / "0-of-1"


def opened(folder: Path) -> Journal:
    journal = Journal(folder)
    journal.open()
    return journal


def call(name: str) -> CallFacts:
    request = Request(
        record_id=f"r-{name}",
        position=3,
        epoch=1,
        key=f"k-{name}",
        fields={"message": "masked"},
        input_hash="h",
        tenant_id="t",
        subject_key=None,
    )
    return CallFacts(
        call_id=name,
        request=request,
        route=ROUTE,
        purpose="inference",
        attempt=2,
        trace_id="ab" * 16,
        started_at=datetime(2026, 11, 23, 12, 5, 30, 123456, UTC),
        estimate_usd=Decimal("0.000123"),
        queue_ms=1.5,
    )


def answer(name: str, *, explanation: str | None = None) -> RequestResult:
    content = cast(Content, full("contents", call_id=name))
    return RequestResult(
        cast(Prediction, full("predictions", prediction_id=f"p-{name}")),
        (cast(Response, full("responses", call_id=name)),),
        (replace(content, output_text=explanation) if explanation else content,),
    )


def left_by(folder: Path, write: Callable[[Journal], object]) -> Recovered:
    """What a process finds after another one that wrote this was killed."""
    killed(folder, write)
    journal = opened(folder)
    found = journal.recover()
    journal.close(everything_landed=False)
    return found


def killed(folder: Path, write: Callable[[Journal], object]) -> None:
    child = os.fork()
    if child == 0:
        try:
            write(opened(folder))
        finally:
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)


def names(found: Recovered) -> tuple[list[str], list[str]]:
    """Calls of the answers, and calls that broke off."""
    return (
        [response.call_id for answered in found.answers for response in answered.responses],
        [lost.call_id for lost in found.broken_off],
    )


def test_an_answer_outlives_the_process_whole(folder: Path) -> None:
    bare = RequestResult(
        None, (cast(Response, sparse("responses", call_id="b")),), (cast(Content, sparse("contents", call_id="b")),)
    )

    def write(journal: Journal) -> None:
        journal.answered(answer("a"))
        journal.answered(bare)

    assert left_by(folder, write) == Recovered((answer("a"), bare), ())


def test_what_a_judge_said_outlives_the_process_with_its_call(folder: Path) -> None:
    said = RequestResult(
        None,
        (cast(Response, full("responses", call_id="a")),),
        (cast(Content, full("contents", call_id="a")),),
        (cast(Score, full("scores", call_id="a")),),
    )

    assert left_by(folder, lambda journal: journal.answered(said)) == Recovered((said,), ())


def test_a_call_under_way_outlives_the_process_without_the_records_text(folder: Path) -> None:
    found = left_by(folder, lambda journal: journal.dispatched(call("a")))

    expected = call("a")
    assert found == Recovered((), (replace(expected, request=replace(expected.request, fields={})),))
    assert b"masked" not in b"".join(path.read_bytes() for path in folder.glob("*.journal"))


def test_a_call_that_was_answered_is_not_told_as_broken_off(folder: Path) -> None:
    def write(journal: Journal) -> None:
        for name in "abc":
            journal.dispatched(call(name))
        journal.answered(answer("b"))

    assert names(left_by(folder, write)) == (["b"], ["a", "c"])


def test_a_call_is_carried_to_the_next_page_and_told_once(folder: Path) -> None:
    def write(journal: Journal) -> None:
        journal.dispatched(call("a"))
        journal.turn_page()
        journal.turn_page()

    assert names(left_by(folder, write)) == ([], ["a"])


def test_an_answer_on_an_earlier_page_counts_for_a_call_on_a_later_one(folder: Path) -> None:
    def write(journal: Journal) -> None:
        journal.answered(answer("a"))
        journal.turn_page()
        journal.dispatched(call("a"))

    assert names(left_by(folder, write)) == (["a"], [])


def test_what_is_landed_is_forgotten_and_what_came_meanwhile_is_not(folder: Path) -> None:
    def write(journal: Journal) -> None:
        journal.dispatched(call("under way"))
        journal.answered(answer("landed"))
        page = journal.turn_page()
        journal.answered(answer("later"))
        journal.forget(page)

    assert names(left_by(folder, write)) == (["later"], ["under way"])


def test_a_flush_that_did_not_end_forgets_nothing(folder: Path) -> None:
    def write(journal: Journal) -> None:
        journal.answered(answer("a"))
        journal.turn_page()
        journal.answered(answer("b"))

    assert names(left_by(folder, write)) == (["a", "b"], [])


def test_answers_come_back_in_the_order_in_which_they_were_given_over_many_pages(folder: Path) -> None:
    given = [f"{number:03}" for number in range(120)]

    def write(journal: Journal) -> None:
        for number, name in enumerate(given):
            journal.answered(answer(name))
            if number % 9 == 8:
                journal.turn_page()

    assert names(left_by(folder, write))[0] == given


def test_files_of_landed_pages_are_used_again(folder: Path) -> None:
    journal = opened(folder)
    for number in range(50):
        journal.answered(answer(str(number)))
        journal.forget(journal.turn_page())
    files = list(folder.glob("*.journal"))
    journal.close(everything_landed=False)

    assert len(files) <= 3


def test_a_page_that_is_used_again_holds_nothing_of_before(folder: Path) -> None:
    def write(journal: Journal) -> None:
        journal.answered(answer("old", explanation="x" * 100_000))
        journal.forget(journal.turn_page())
        journal.forget(journal.turn_page())
        journal.answered(answer("new"))

    assert names(left_by(folder, write)) == (["new"], [])


def test_pages_that_are_used_again_hold_several_results_that_are_not_landed(folder: Path) -> None:
    def write(journal: Journal) -> None:
        for number in range(6):
            journal.answered(answer(str(number)))
            journal.forget(journal.turn_page())
        for name in "abc":
            journal.answered(answer(name))
            journal.turn_page()

    assert names(left_by(folder, write)) == (["a", "b", "c"], [])


@pytest.mark.parametrize("beyond", [0, 1, HEAD.size, HEAD.size + 1])
def test_a_line_that_a_used_page_has_no_room_for_is_written_to_another(
    folder: Path, tmp_path: Path, beyond: int
) -> None:
    killed(tmp_path / "one", lambda journal: journal.answered(answer("a", explanation="x")))
    [page] = (tmp_path / "one").glob("*.journal")
    _, end, _ = HEAD.unpack_from(page.read_bytes())
    filling = answer("a", explanation="x" * (1 + PAGE_BYTES - end + beyond))

    def write(journal: Journal) -> None:
        journal.answered(answer("b"))
        journal.forget(journal.turn_page())
        journal.answered(filling)

    assert left_by(folder, write).answers == (filling,)


@pytest.mark.parametrize("size", [PAGE_BYTES - 5_000, PAGE_BYTES, 2 * PAGE_BYTES])
def test_a_line_longer_than_a_page_has_a_page_of_its_own(folder: Path, size: int) -> None:
    huge = answer("huge", explanation="é" * (size // 2))

    def write(journal: Journal) -> None:
        for wanted in (answer("a"), huge, answer("b")):
            journal.answered(wanted)

    assert left_by(folder, write).answers == (answer("a"), huge, answer("b"))


def test_a_full_page_is_followed_by_the_next(folder: Path) -> None:
    long = "x" * (PAGE_BYTES // 3)

    def write(journal: Journal) -> None:
        for name in "abcdefg":
            journal.answered(answer(name, explanation=long))

    assert names(left_by(folder, write))[0] == list("abcdefg")
    assert len(list(folder.glob("*.journal"))) > 2


@pytest.mark.parametrize("lost", [1, 2, 40, 700])
def test_a_line_that_was_cut_is_none_and_those_before_it_are_whole(folder: Path, lost: int) -> None:
    def write(journal: Journal) -> None:
        journal.answered(answer("a"))
        journal.answered(answer("b"))

    killed(folder, write)
    [page] = folder.glob("*.journal")
    content = bytearray(page.read_bytes())
    number, end, layout = HEAD.unpack_from(content)
    HEAD.pack_into(content, 0, number, end - 1 - lost, layout)  # without the line's end and some of what is before it
    page.write_bytes(content)
    journal = opened(folder)

    assert journal.recover().answers == (answer("a"),)
    journal.close(everything_landed=False)


@pytest.mark.parametrize("size", [0, 1, HEAD.size - 1, HEAD.size])
def test_a_file_that_was_cut_off_holds_nothing(folder: Path, size: int) -> None:
    killed(folder, lambda journal: journal.answered(answer("a")))
    [page] = folder.glob("*.journal")
    os.truncate(page, size)
    journal = opened(folder)

    assert journal.recover() == Recovered((), ())
    journal.close(everything_landed=False)


def test_a_journal_of_another_version_is_named_and_kept(folder: Path) -> None:
    killed(folder, lambda journal: journal.answered(answer("a")))
    [page] = folder.glob("*.journal")
    content = bytearray(page.read_bytes())
    number, end, layout = HEAD.unpack_from(content)
    HEAD.pack_into(content, 0, number, end, layout + 1)
    page.write_bytes(content)
    journal = opened(folder)

    with pytest.raises(UsageError, match=rf"{page.name} was written by a different version of Assay; .*sent again"):
        journal.recover()
    journal.close(everything_landed=False)
    assert page.exists()


def test_an_empty_page_of_another_version_is_no_obstacle(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "1.journal").write_bytes(HEAD.pack(0, HEAD.size, EARLIER_LAYOUT + 1))

    assert opened(folder).recover() == Recovered((), ())


def test_a_second_process_is_refused_while_the_first_is_there(folder: Path) -> None:
    first = opened(folder)
    with pytest.raises(UsageError, match="Another process on this machine is working on run run-1"):
        Journal(folder).open()
    first.close(everything_landed=False)

    opened(folder).close(everything_landed=False)


def test_a_killed_process_locks_nobody_out(folder: Path) -> None:
    killed(folder, lambda journal: journal.answered(answer("a")))

    opened(folder).close(everything_landed=False)


def test_shards_of_a_run_are_written_side_by_side(folder: Path) -> None:
    shards = [folder.parent / f"{number}-of-2" for number in range(2)]
    both = [opened(shard) for shard in shards]
    for name, journal in zip("ab", both, strict=True):
        journal.answered(answer(name))
        journal.close(everything_landed=False)

    assert [names(left_by(shard, lambda journal: None))[0] for shard in shards] == [["a"], ["b"]]


def test_nothing_is_left_when_everything_is_landed(folder: Path) -> None:
    journal = opened(folder)
    journal.answered(answer("a"))
    journal.close(everything_landed=True)

    assert not folder.exists()


def test_what_is_not_landed_is_kept_when_the_journal_closes(folder: Path) -> None:
    journal = opened(folder)
    journal.answered(answer("a"))
    journal.close(everything_landed=False)

    assert names(left_by(folder, lambda again: None)) == (["a"], [])


def test_a_process_that_dies_while_landing_what_it_recovered_loses_nothing(folder: Path) -> None:
    killed(folder, lambda journal: journal.answered(answer("a")))

    def dies(journal: Journal) -> None:
        journal.recover()
        journal.answered(answer("b"))

    assert names(left_by(folder, dies)) == (["a", "b"], [])


def test_what_was_recovered_and_landed_is_told_no_more_and_what_came_since_is(folder: Path) -> None:
    killed(folder, lambda journal: journal.answered(answer("a")))

    def goes_on(journal: Journal) -> None:
        journal.recover()
        journal.answered(answer("b"))
        journal.forget_earlier()
        journal.dispatched(call("c"))

    assert names(left_by(folder, goes_on)) == (["b"], ["c"])


def test_files_are_for_the_owner_only(folder: Path) -> None:
    killed(folder, lambda journal: journal.answered(answer("a")))

    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


def test_a_call_tells_its_route_though_the_task_may_have_renamed_it(folder: Path) -> None:
    [lost] = left_by(folder, lambda journal: journal.dispatched(call("a"))).broken_off

    assert (lost.route.name, lost.route.provider, lost.route.model) == ("first", "openai", "gpt-5-nano")


def test_a_journal_of_an_earlier_version_of_assay_is_recovered(folder: Path) -> None:
    """An upgrade between a killed run and its resume: a response that was received is not paid for again."""
    lines = WRITTEN_EARLIER.read_bytes()
    folder.mkdir(parents=True)
    (folder / "1.journal").write_bytes(HEAD.pack(1, HEAD.size + len(lines), EARLIER_LAYOUT) + lines)

    found = opened(folder).recover()

    [answered] = found.answers
    [response], [lost] = answered.responses, found.broken_off
    assert answered.prediction is not None
    assert (answered.prediction.record_id, answered.prediction.status) == ("k-0137", "ok")
    assert (response.call_id, response.cost_usd, response.output_tokens) == (
        answered.prediction.call_id,
        Decimal("0.000095700"),
        28,
    )
    assert answered.contents[0].call_id == response.call_id
    assert (lost.request.record_id, lost.request.position, lost.estimate_usd) == ("k-0143", 143, Decimal("0.000240000"))
