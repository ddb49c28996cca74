"""The rows of a snapshot by conversation, in the order of their turns, in little memory."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby

import pytest

from assay.errors import UsageError
from assay.inputs.snapshot import InputSnapshot, open_snapshot
from assay.inputs.turn_order import turn_pieces
from assay.inputs.turns import TurnColumns
from tests.inputs.conftest import Desk

TURNS = TurnColumns(conversation="talk", turn="n")
Reasons = Callable[[InputSnapshot], Mapping[int, str]]


def spooled(desk: Desk, places: Sequence[tuple[str, object]], *, filler: str = "", **rules: object) -> InputSnapshot:
    """A snapshot of rows with these conversations and turns, ids by position."""
    lines = [f"{position},{talk},{turn},{filler}" for position, (talk, turn) in enumerate(places)]
    desk.write("a.csv", "id,talk,n,text\n" + "\n".join(lines) + "\n")
    return desk.spool("a.csv", **{"conversation": TURNS, "max_rejected_share": 1.0, **rules})


def order(snapshot: InputSnapshot, desk: Desk, *, most: int = 50) -> list[tuple[list[tuple[str, str]], bool]]:
    """Conversation and turn of each row, piece by piece, and whether the piece is the last."""
    pieces = turn_pieces(snapshot, scratch=desk.root / "scratch", most=most)
    return [([(str(row.cells["talk"]), str(row.cells["n"])) for row in piece.rows], piece.is_last) for piece in pieces]


def test_scattered_turns_come_by_conversation_in_the_order_of_numbers_not_of_texts(desk: Desk) -> None:
    places: list[tuple[str, object]] = [("a", 10), ("b", 1), ("a", 9), ("b", 0), ("a", 2)]
    assert order(spooled(desk, places), desk) == [
        ([("a", "2"), ("a", "9"), ("a", "10")], True),
        ([("b", "0"), ("b", "1")], True),
    ]


def test_first_pieces_of_all_conversations_come_before_second_ones(desk: Desk) -> None:
    places: list[tuple[str, object]] = [(talk, turn) for turn in (3, 2, 1) for talk in ("long", "other")] + [
        ("short", 1)
    ]
    assert order(spooled(desk, places), desk, most=2) == [
        ([("long", "1"), ("long", "2")], False),
        ([("other", "1"), ("other", "2")], False),
        ([("short", "1")], True),
        ([("long", "3")], True),
        ([("other", "3")], True),
    ]


def test_rejected_rows_are_no_turns(desk: Desk, reasons: Reasons) -> None:
    snapshot = spooled(desk, [("a", 1), ("a", "x"), ("", 3), ("a", 2), ("b", 7), ("b", 7)])
    assert reasons(snapshot) == {1: "bad_turn", 2: "missing_conversation", 4: "duplicate_turn", 5: "duplicate_turn"}
    assert order(snapshot, desk) == [([("a", "1"), ("a", "2")], True)]
    assert {row.explanation for row in snapshot.rejected() if row.reason == "duplicate_turn"} == {
        "expected one row per turn of a conversation, found 2, first at position 4"
    }


def test_the_first_of_several_copies_of_a_turn_stays_if_asked(desk: Desk, reasons: Reasons) -> None:
    snapshot = spooled(desk, [("a", 1), ("a", 1), ("a", 2)], on_duplicate="first")
    assert reasons(snapshot) == {1: "duplicate_turn"}


def test_a_copy_that_is_rejected_for_its_id_does_not_cost_the_turn(desk: Desk, reasons: Reasons) -> None:
    desk.write("a.csv", "id,talk,n\none,a,1\none,a,2\ntwo,a,2\n")
    snapshot = desk.spool("a.csv", conversation=TURNS, max_rejected_share=1.0, on_duplicate="first")
    assert reasons(snapshot) == {1: "duplicate_id"}


def test_the_same_turn_of_two_tenants_is_no_duplicate(desk: Desk) -> None:
    desk.write("a.csv", "id,talk,n,who\n1,a,1,north\n2,a,1,south\n")
    columns = TurnColumns(conversation="talk", turn="n", tenant="who")
    assert desk.spool("a.csv", conversation=columns).record_count == 2


def test_a_missing_column_of_turns_is_told_at_once(desk: Desk) -> None:
    desk.write("a.csv", "id,talk\n1,a\n")
    with pytest.raises(UsageError, match="has no column 'n'"):
        desk.spool("a.csv", conversation=TURNS, required_columns=("talk", "n"))


def test_a_snapshot_of_turns_is_opened_and_verified_as_any_other(desk: Desk) -> None:
    snapshot = spooled(desk, [("a", 2), ("a", 1)])
    assert [row.position for row in open_snapshot(snapshot.directory).records()] == [0, 1]


def test_every_row_comes_once_and_a_fraction_of_them_is_held_at_a_time(desk: Desk) -> None:
    rng = random.Random(1)
    places: list[tuple[str, object]] = [(f"t{number % 4_000}", number // 4_000) for number in range(24_000)]
    rng.shuffle(places)
    lines = (f"{position},{talk},{turn},{rng.randbytes(1_000).hex()}" for position, (talk, turn) in enumerate(places))
    desk.write("a.csv", "id,talk,n,text\n" + "\n".join(lines) + "\n")
    snapshot = desk.spool("a.csv", conversation=TURNS)
    tracemalloc.start()
    pieces = turn_pieces(snapshot, scratch=desk.root / "scratch")
    seen = [(str(row.cells["talk"]), int(str(row.cells["n"]))) for piece in pieces for row in piece.rows]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sorted(seen) == sorted(places)
    assert all([n for _, n in turns] == list(range(6)) for _, turns in groupby(seen, key=lambda place: place[0]))
    assert peak < len(places) * 2_000 / 8
    assert not (desk.root / "scratch").exists()


def test_a_folder_that_cannot_be_made_is_told(desk: Desk) -> None:
    with pytest.raises(UsageError, match=r"cannot be sorted \(FileNotFoundError\): this needs 128MB"):
        next(turn_pieces(spooled(desk, [("a", 1)]), scratch=desk.root / "no" / "folder"))
