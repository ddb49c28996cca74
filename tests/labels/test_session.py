"""Each label is in the warehouse before it is confirmed; nothing is lost or doubled, whoever works beside whom."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from assay.labels.session import LabelingSession, NotInQueue
from assay.records.statuses import AnnotatorKind
from tests.labels.conftest import Stage

Staged = Callable[..., Stage]


def work(desk: LabelingSession, person: str, choose: Callable[[str], str] = lambda record: "right") -> list[str]:
    """The person labels until nothing is left; returns the records in their order."""
    seen = []
    while (item := desk.next_item(person)) is not None:
        desk.save(person, item.assignment_id, choose(item.record_id), None)
        seen.append(item.record_id)
    return seen


def test_a_label_lands_at_once_as_a_human_score(staged: Staged) -> None:
    stage = staged(3)
    stage.fill(annotators=("ana",))
    desk = stage.desk()
    item = desk.next_item("ana")
    assert item is not None
    assert (item.input["text"], item.output["label"], item.number, item.total) == (item.input["text"], "question", 1, 3)
    desk.save("ana", item.assignment_id, "wrong", "not a question")
    assert [(row["record_id"], row["annotator"], row["passed"], row["explanation"]) for row in stage.labels()] == [
        (item.record_id, "ana", False, "not a question")
    ]


def test_a_note_beyond_the_bound_is_refused_and_not_cut(staged: Staged) -> None:
    stage = staged(1)
    stage.fill(annotators=("ana",))
    desk = stage.desk()
    item = desk.next_item("ana")
    assert item is not None
    with pytest.raises(ValueError, match="The note has 4,001 characters: expected at most 4,000"):
        desk.save("ana", item.assignment_id, "right", "x" * 4001)
    assert stage.labels() == []
    desk.save("ana", item.assignment_id, "right", "x" * 4000)
    assert [len(row["explanation"]) for row in stage.labels()] == [4000]


def test_a_desk_opened_again_goes_on_where_the_last_one_ended(staged: Staged) -> None:
    stage = staged(5)
    stage.fill(annotators=("ana",))
    first = stage.desk()
    for _ in range(2):
        item = first.next_item("ana")
        assert item is not None
        first.save("ana", item.assignment_id, "right", None)
    again = stage.desk()
    waiting, before = again.next_item("ana"), first.next_item("ana")
    assert waiting is not None and before is not None
    assert (waiting.assignment_id, waiting.number) == (before.assignment_id, 3)
    assert len(work(again, "ana")) == 3
    assert len(stage.labels()) == 5


def test_a_later_label_replaces_the_earlier_one_and_the_same_again_lands_nothing(staged: Staged) -> None:
    stage = staged(1)
    stage.fill(annotators=("ana",))
    desk = stage.desk()
    item = desk.next_item("ana")
    assert item is not None
    for choice in ("right", "right", "wrong"):
        desk.save("ana", item.assignment_id, choice, None)
    assert [row["label"] for row in stage.labels()] == ["wrong"]
    assert stage.place.query("select count(*) as n from scores where task = @task and scorer_kind = 'human'", task=stage.name) == [{"n": 2}]  # fmt: skip


def test_undo_withdraws_the_last_label_and_shows_its_item(staged: Staged) -> None:
    stage = staged(3)
    stage.fill(annotators=("ana",))
    desk = stage.desk()
    first, last = (work_one(desk, "ana") for _ in range(2))
    undone = desk.undo("ana")
    assert undone is not None
    assert undone.record_id == last
    assert {row["record_id"]: row["label"] for row in stage.labels()} == {first: "right", last: "withdrawn"}
    assert stage.desk().next_item("ana").record_id == last  # type: ignore[union-attr]
    assert desk.undo("nobody") is None


def work_one(desk: LabelingSession, person: str) -> str:
    item = desk.next_item(person)
    assert item is not None
    desk.save(person, item.assignment_id, "right", None)
    return item.record_id


def test_looking_back_and_forward_goes_through_what_was_labelled(staged: Staged) -> None:
    stage = staged(4)
    stage.fill(annotators=("ana",))
    desk = stage.desk()
    labelled = [work_one(desk, "ana") for _ in range(3)]
    here, seen = desk.next_item("ana"), []
    for step in (-1, -1, -1, -1, 1, 1, 1):
        assert here is not None
        here = desk.adjacent_item("ana", here.assignment_id, step=step)
        assert here is not None
        seen.append(here.record_id)
    assert seen[:6] == [labelled[2], labelled[1], labelled[0], labelled[0], labelled[1], labelled[2]]
    assert here.given is None


def test_whoever_comes_takes_open_items_and_each_gets_the_labels_it_needs(staged: Staged) -> None:
    stage = staged(12)
    stage.fill(size=12, per_item=2)
    desk = stage.desk()
    with ThreadPoolExecutor(4) as people:
        done = dict(zip("abcd", people.map(lambda person: work(desk, person), "abcd"), strict=True))
    labels = stage.labels()
    assert Counter(row["record_id"] for row in labels) == dict.fromkeys((f"r{n:04}" for n in range(12)), 2)
    assert sum(len(records) for records in done.values()) == 24
    assert all(len(set(records)) == len(records) for records in done.values())


def test_an_item_that_somebody_has_just_labelled_is_offered_to_the_next_at_once(staged: Staged) -> None:
    stage = staged(1)
    stage.fill(size=1, per_item=2)
    desk = stage.desk()
    first = work_one(desk, "a")
    assert work_one(desk, "b") == first
    assert desk.next_item("c") is None


def test_two_people_are_shown_different_open_items(staged: Staged) -> None:
    stage = staged(4)
    stage.fill()
    desk = stage.desk()
    shown = {desk.next_item(person).record_id for person in ("ana", "ben", "cleo")}  # type: ignore[union-attr]
    assert len(shown) == 3


def test_an_item_that_was_left_lying_is_offered_again(staged: Staged) -> None:
    stage = staged(2)
    stage.fill()
    now = [0.0]
    desk = stage.desk(clock=lambda: now[0])
    first = desk.next_item("ana")
    now[0] += 3600
    assert desk.next_item("ben").assignment_id == first.assignment_id  # type: ignore[union-attr]


def test_a_label_for_an_item_that_was_taken_meanwhile_is_kept_as_one_more(staged: Staged) -> None:
    stage = staged(1)
    stage.fill()
    now = [0.0]
    desk = stage.desk(clock=lambda: now[0])
    seen_by_both = desk.next_item("ana")
    assert seen_by_both is not None
    assert desk.next_item("ben") is None
    now[0] += 3600
    assert desk.next_item("ben") is not None
    desk.save("ana", seen_by_both.assignment_id, "right", None)
    desk.save("ben", seen_by_both.assignment_id, "right", None)
    assert [row["annotator"] for row in stage.labels()] == ["ana", "ben"]
    assert [(row["annotator"], row["slot"]) for row in stage.queue()] == [("ana", 0), ("ben", 1)]


def test_one_person_in_two_places_has_one_label_an_item(staged: Staged) -> None:
    stage = staged(6)
    stage.fill()
    desk = stage.desk()
    with ThreadPoolExecutor(2) as places:
        list(places.map(lambda _: work(desk, "ana"), range(2)))
    assert Counter(row["record_id"] for row in stage.labels()).most_common(1)[0][1] == 1
    assert len(stage.labels()) == 6
    assert {row["annotator"] for row in stage.queue()} == {"ana"}


def test_a_conflict_becomes_an_adjudication_for_a_third_person_who_sees_no_label(staged: Staged) -> None:
    stage = staged(2)
    stage.fill(annotators=("ana", "ben"), per_item=2)
    desk = stage.desk()
    work(desk, "ana")
    work(desk, "ben", lambda record: "wrong" if record == "r0001" else "right")
    assert [(row["record_id"], row["event"]) for row in stage.queue() if row["role"] == "adjudicate"] == [
        ("r0001", "open")
    ]
    item = stage.desk().next_item("cleo")
    assert item is not None
    assert (item.record_id, item.is_adjudication, item.given) == ("r0001", True, None)
    assert desk.next_item("ana") is desk.next_item("ben") is None
    assert work(desk, "cleo") == ["r0001"]
    assert len(stage.labels()) == 5


def test_a_question_that_was_reworded_is_not_asked_any_more(staged: Staged) -> None:
    stage = staged(3)
    stage.fill()
    stage.place.task(stage.name, description="Sorts texts, in other words.")
    desk = stage.desk()
    assert (desk.outdated, desk.size) == (3, 0)
    assert desk.next_item("ana") is None


def test_a_label_for_no_item_or_no_level_is_refused(staged: Staged) -> None:
    stage = staged(1)
    stage.fill()
    desk = stage.desk()
    item = desk.next_item("ana")
    assert item is not None
    with pytest.raises(NotInQueue, match="no longer in the queue"):
        desk.save("ana", "nothing", "right", None)
    with pytest.raises(ValueError, match="expected one of wrong, right, cannot_tell, found 'maybe'"):
        desk.save("ana", item.assignment_id, "maybe", None)
    assert stage.labels() == []
    assert [row["event"] for row in stage.queue()] == ["open"]


def test_notes_are_scrubbed_as_the_task_masks(staged: Staged) -> None:
    stage = staged(1, masking={"enabled": True})
    stage.fill()
    desk = stage.desk()
    item = desk.next_item("ana")
    assert item is not None
    desk.save("ana", item.assignment_id, "right", "ask bo@example.org")
    assert [row["explanation"] for row in stage.labels()] == ["ask <EMAIL>"]


def test_a_user_labels_beside_the_experts_and_takes_nothing_from_them(staged: Staged) -> None:
    stage = staged(3)
    stage.fill(per_item=1)
    users = stage.desk(kind=AnnotatorKind.USER)
    assert len(work(users, "u17", lambda record: "wrong")) == 3
    experts = stage.desk()
    assert len(work(experts, "ana")) == 3, "every item is still open to an expert"
    kinds = stage.place.query(
        "select annotator, annotator_kind from scores where task = @task and scorer_kind = 'human'", task=stage.name
    )
    assert {(row["annotator"], row["annotator_kind"]) for row in kinds} == {("u17", "user"), ("ana", "expert")}
    assert [row for row in stage.queue() if row["role"] == "adjudicate"] == [], (
        "an expert needs no adjudicator against a user"
    )
    users.undo("u17")
    assert stage.desk().next_item("ben") is None
