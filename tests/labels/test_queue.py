"""Who labels what: even loads, no item twice to one person, conflicts to somebody else."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import date

import pytest

from assay.errors import UsageError
from assay.labels.questions import CANNOT_TELL, WITHDRAWN
from assay.labels.queue import ADJUDICATE, LabelQueue, SubmittedLabel, annotator_name, assign, key_of
from assay.records.evaluation import Assignment
from tests.fakes.landed_run import NOON

UNITS = [f"p{n:03}" for n in range(100)]


def assignment(prediction: str, annotator: str | None = None, **edits: object) -> Assignment:
    made = Assignment(
        data_date=date(2026, 11, 2), occurred_at=NOON, tenant_id="default", assignment_id="", sample_id="s",
        event="assigned" if annotator else "open", run_id="r", task="t", inference_version="i", prediction_id=prediction,
        record_id=prediction, epoch=0, scorer="correct", scorer_version="v", annotator=annotator, role="label", slot=0,
        is_blind=True, purpose="calibration", sampling_design="random", sampling_parameters="{}", frame="f",
        frame_size=9, frame_hash="h", position=int(prediction[1:]), seed=0,
    )  # fmt: skip
    made = replace(made, **edits)  # type: ignore[arg-type]
    return replace(made, assignment_id=f"{made.sample_id}/{made.prediction_id}/{made.role}/{made.slot}")


def queue(*assignments: Assignment) -> LabelQueue:
    made = LabelQueue({"correct": "v"})
    for each in assignments:
        made.put(each)
    return made


def says(made: LabelQueue, prediction: str, person: str, label: str, at: float = 0.0) -> None:
    made.labels[prediction, "correct", "v"][person] = SubmittedLabel(label, None, at)


@pytest.mark.parametrize(("people", "per_item"), [(2, 1), (3, 2), (5, 3), (4, 4)])
def test_loads_differ_by_one_at_most_and_nobody_has_an_item_twice(people: int, per_item: int) -> None:
    names = [f"n{number}" for number in range(people)]
    given = assign(UNITS, names, per_item=per_item, seed=1)
    load = Counter(name for chosen in given.values() for name in chosen)
    assert all(len(set(chosen)) == per_item for chosen in given.values())
    assert max(load.values()) - min(load.values()) <= 1


def test_every_pair_of_people_labels_something_together() -> None:
    given = assign(UNITS, list("abcd"), per_item=2, seed=1)
    pairs = Counter(frozenset(chosen) for chosen in given.values())
    assert len(pairs) == 6
    assert min(pairs.values()) >= 8


def test_assigning_again_gives_the_same() -> None:
    assert assign(UNITS, list("abc"), per_item=2, seed=5) == assign(UNITS, list("abc"), per_item=2, seed=5)


def test_more_labels_an_item_than_people_are_refused() -> None:
    with pytest.raises(UsageError, match="--per-item 3 requires at least 3 annotators, found 2"):
        assign(UNITS, ["a", "b"], per_item=3, seed=0)


def test_names_that_differ_in_case_and_spaces_are_one_person() -> None:
    assert annotator_name("  Ana  María ") == annotator_name("ana maría") == "ana maría"
    assert annotator_name("ana@example.org") == "ana@example.org"


@pytest.mark.parametrize("name", ["", " ", "../x", "<b>", "a/b", "-a", "x" * 65, "a\x00b"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="Invalid annotator name"):
        annotator_name(name)


def test_own_items_come_first_and_those_of_others_never() -> None:
    made = queue(assignment("p0"), assignment("p1", "ben"), assignment("p2", "ana"))
    assert [each.prediction_id for each in made.waiting_for("ana")] == ["p2", "p0"]


def test_what_others_have_before_them_is_left_to_them_as_far_as_it_has_open_slots() -> None:
    made = queue(assignment("p0"), assignment("p1"), assignment("p1", slot=1))
    held = [("p0", "correct", "v"), ("p1", "correct", "v")]
    assert [each.prediction_id for each in made.waiting_for("ana", held=held)] == ["p1"]
    assert list(made.waiting_for("ana", held=[*held, ("p1", "correct", "v")])) == []


def test_nobody_takes_both_slots_of_an_item() -> None:
    made = queue(assignment("p0", "ana"), assignment("p0", slot=1))
    assert len(list(made.waiting_for("ana"))) == 1
    says(made, "p0", "ana", "right")
    assert list(made.waiting_for("ana")) == []
    assert len(list(made.waiting_for("ben"))) == 1


def test_triage_is_read_after_calibration() -> None:
    made = queue(assignment("p0", purpose="triage"), assignment("p1"))
    assert [each.prediction_id for each in made.waiting_for("ana")] == ["p1", "p0"]


def conflict(first: str = "right", second: str = "wrong") -> LabelQueue:
    made = queue(assignment("p0", "ana"), assignment("p0", "ben", slot=1))
    says(made, "p0", "ana", first)
    says(made, "p0", "ben", second)
    return made


def test_a_conflict_goes_to_somebody_who_has_not_labelled_the_item() -> None:
    made = conflict()
    wanted = made.adjudication(("p0", "correct", "v"))
    assert wanted is not None
    made.put(wanted)
    assert [each.role for each in made.waiting_for("cleo")] == [ADJUDICATE]
    assert list(made.waiting_for("ana")) == list(made.waiting_for("ben")) == []
    assert made.adjudication(("p0", "correct", "v")) is None


@pytest.mark.parametrize(("first", "second", "differ"), [("right", "right", False), ("right", CANNOT_TELL, True), ("right", WITHDRAWN, False)])  # fmt: skip
def test_labels_are_in_conflict_when_they_count_and_differ(first: str, second: str, differ: bool) -> None:
    assert conflict(first, second).in_conflict(("p0", "correct", "v")) is differ


def test_a_conflict_that_was_settled_by_second_thoughts_needs_nobody() -> None:
    made = conflict()
    wanted = made.adjudication(("p0", "correct", "v"))
    assert wanted is not None
    made.put(wanted)
    says(made, "p0", "ben", "right")
    assert list(made.waiting_for("cleo")) == []


def test_a_withdrawn_label_makes_its_item_wait_again() -> None:
    made = queue(assignment("p0", "ana"), assignment("p1", "ana"))
    says(made, "p0", "ana", "right")
    says(made, "p0", "ana", WITHDRAWN)
    assert (made.progress_of("ana").done, made.progress_of("ana").left) == (0, 2)


def test_assignments_of_an_earlier_wording_are_counted_and_left_out() -> None:
    made = queue(assignment("p0", scorer_version="old"), assignment("p1"))
    assert made.outdated == 1
    assert [each.prediction_id for each in made.waiting_for("ana")] == ["p1"]


def test_the_trail_is_in_the_order_of_labelling() -> None:
    made = queue(*(assignment(f"p{n}", "ana") for n in range(3)))
    for at, prediction in enumerate(["p2", "p0", "p1"]):
        says(made, prediction, "ana", "right", float(at))
    assert [key_of(each)[0] for each in made.trail("ana")] == ["p2", "p0", "p1"]
