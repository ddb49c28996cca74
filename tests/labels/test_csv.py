"""Labels come in from a spreadsheet whole or not at all, with a message for each invalid row."""

from __future__ import annotations

import csv
import io
import random
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from assay.errors import UsageError
from assay.formatting.spreadsheet import defused, restored
from assay.labels.csv_export import export_labels
from assay.labels.csv_import import ImportSummary, import_labels
from assay.records.evaluation import Score
from assay.warehouse.landing import LandingWriter
from tests.fakes.landed_run import Answer, answers, land_run, prediction_of
from tests.labels.conftest import Stage

FORMULA_CELL = re.compile("[=+\\-@\uff1d]")
"""A cell that may be computed."""
Staged = Callable[..., Stage]


def taken(stage: Stage, text: str, **options: str | None) -> ImportSummary:
    path = stage.place.write("labels.csv", text)
    return import_labels(stage.project, stage.task, path, **options)


def refusal(stage: Stage, text: str, **options: str | None) -> str:
    with pytest.raises(UsageError) as refused:
        taken(stage, text, **options)
    assert stage.labels() == [], "all or nothing"
    return str(refused.value)


def test_labels_of_a_sheet_land_as_human_scores(staged: Staged) -> None:
    stage = staged(4)
    done = taken(
        stage,
        "\ufeffRecord ID,Scorer,Passed,Annotator,Note,Reviewed text\r\n"
        'r0000,correct,TRUE,Ana,"fine, really",abc\r\n'
        "r0001,correct,FALSE,Ana,,abc\r\n"
        ",,,,,\r\n",
    )
    assert (done.rows, done.new, done.replaced, done.unchanged) == (2, 2, 0, 0)
    assert done.remarks == ("ignored columns: reviewed_text",)
    assert [(row["record_id"], row["annotator"], row["label"], row["passed"], row["explanation"]) for row in stage.labels()] == [
        ("r0000", "ana", "right", True, "fine, really"), ("r0001", "ana", "wrong", False, None),
    ]  # fmt: skip


@pytest.mark.parametrize("cells", ["right,,", ",yes,", ",,1", ",,1.0", '"Right",TRUE,"1,0"', ",1,1"])
def test_a_level_is_named_by_label_passed_or_value(staged: Staged, cells: str) -> None:
    stage = staged(1)
    taken(stage, f"record_id,label,passed,value,annotator\nr0000,{cells},ana\n")
    assert [row["label"] for row in stage.labels()] == ["right"]


def test_what_cannot_be_told_is_unscored(staged: Staged) -> None:
    stage = staged(1)
    taken(stage, "record_id,label,annotator\nr0000,cannot tell,ana\n")
    assert [(row["status"], row["value"], row["passed"]) for row in stage.labels()] == [("unscored", None, None)]


def test_importing_again_lands_nothing_and_a_change_replaces(staged: Staged) -> None:
    stage = staged(2)
    text = "record_id,passed,annotator\nr0000,true,ana\nr0001,true,ana\n"
    assert taken(stage, text).new == 2
    assert taken(stage, text) == ImportSummary(rows=2, new=0, replaced=0, unchanged=2, remarks=())
    again = taken(stage, text.replace("r0001,true", "r0001,false"))
    assert (again.new, again.replaced, again.unchanged) == (0, 1, 1)
    assert [row["passed"] for row in stage.labels()] == [True, False]


def test_an_exported_file_comes_back_as_it_was(staged: Staged, tmp_path: Path) -> None:
    given = [
        *answers(2),
        Answer(record_id="=1+1", input={"text": "x"}, output={"label": "praise", "note": ""}),
        Answer(record_id="'quoted", input={"text": "x"}, output={"label": "praise", "note": ""}),
    ]
    stage = staged(given)
    note = '@home: "so", he said\nand left'
    stage.fill(annotators=("ana",))
    desk = stage.desk()
    for choice in ("right", "wrong", "cannot_tell", "right"):
        item = desk.next_item("ana")
        assert item is not None
        desk.save("ana", item.assignment_id, choice, note)
    before = stage.labels()
    path = tmp_path / "labels.csv"
    assert export_labels(stage.project.warehouse, stage.name, path, run_id=None) == 4
    assert "\n=1+1" not in path.read_text("utf-8"), "a spreadsheet would compute it"
    assert import_labels(stage.project, stage.task, path).unchanged == 4
    assert stage.labels() == before


@pytest.mark.parametrize("text", ["plain", "=1", "'=1", "''-x", "'plain", "@", "", "'"])
def test_what_a_spreadsheet_would_compute_is_quoted_and_comes_back(text: str) -> None:
    from assay.labels.csv_export import _cell

    assert restored(_cell(text)) == text
    assert not _cell(text).startswith(("=", "@", "-", "+"))


def _cells(raw: str, separator: str) -> list[str]:
    """The cells of a file in the eyes of a spreadsheet whose separator is another one than that of the file."""
    return [cell for row in csv.reader(io.StringIO(raw, newline=""), delimiter=separator) for cell in row]


@pytest.mark.parametrize("first", ["r1", "1", ""])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_no_text_is_a_formula_behind_any_separator_and_all_come_back(first: str, separator: str) -> None:
    """Random texts of signs, separators and quotes, each read with the separators of other languages."""
    chance = random.Random(7)
    for _ in range(3000):
        text = "".join(chance.choices("=+-@\uff1d;,|\t\n\r\"' a12.e]", k=chance.randint(1, 9)))
        assert restored(defused(text)) == text
        file = io.StringIO(newline="")
        csv.writer(file).writerow([first, defused(text)])
        if separator != ",":
            found = [cell for cell in _cells(file.getvalue(), separator)[1:] if FORMULA_CELL.match(cell)]
            assert found == [], (text, file.getvalue())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x;=1+1", "x;'=1+1"), ('x;"=1+1";', "x;'\"=1+1\";"), ("x\t@a", "x\t'@a"), ("x|+1+1", "x|'+1+1"), ("x\n-1+a", "x\n'-1+a"),
        ("x,=1", "x,'=1"), ("x;'=1", "x;''=1"), ("x;-1", "x;'-1"), ("[1,-2.5,-1e3]", "[1,-2.5,-1e3]"), ("x; yes", "x; yes"),
        ('["a","-b"]', '["a","-b"]'), ("x,-2+a", "x,'-2+a"), ("x;\uff1d1", "x;'\uff1d1"),
    ],
)  # fmt: skip
def test_an_apostrophe_is_only_where_a_formula_would_begin(text: str, expected: str) -> None:
    assert (defused(text), restored(expected)) == (expected, text)


def test_withdrawn_labels_are_not_exported(staged: Staged, tmp_path: Path) -> None:
    stage = staged(1)
    stage.fill(annotators=("ana",))
    desk = stage.desk()
    item = desk.next_item("ana")
    assert item is not None
    desk.save("ana", item.assignment_id, "right", None)
    desk.undo("ana")
    assert export_labels(stage.project.warehouse, stage.name, tmp_path / "labels.csv", run_id=None) == 0


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ("r9999,,,right,,,ana", "row 3: record_id 'r9999' is not in run run-"),
        (",nothing,,right,,,ana", "row 3: prediction_id 'nothing' is not a prediction of this task"),
        (",,,right,,,ana", "row 3: record_id and prediction_id are empty; set one of them"),
        ("r0001,,tone,right,,,ana", "row 3: unknown scorer 'tone'; expected one of correct"),
        ("r0001,,,maybe,,,ana", "row 3: invalid label 'maybe'; expected one of wrong, right, cannot_tell"),
        ("r0001,,,,perhaps,,ana", "row 3: invalid passed 'perhaps'; expected true or false"),
        ("r0001,,,,,0.5,ana", "row 3: invalid value '0.5'; expected one of 0, 1"),
        ("r0001,,,,,nan,ana", "row 3: invalid value 'nan'; expected one of 0, 1"),
        ("r0001,,,right,false,,ana", "row 3: label 'right' and passed 'false' contradict each other"),
        ("r0001,,,,,,ana", "row 3: label, passed and value are empty; expected one of wrong, right, cannot_tell"),
        ("r0001,,,right,,,", "row 3: annotator is empty; set a name, or pass --annotator NAME"),
        ("r0001,,,right,,,a/b", "row 3: Invalid annotator name 'a/b': expected"),
        ("r0000,,,wrong,,,Ana", "row 3: label wrong for record 'r0000', correct, ana contradicts label right in row 2; keep one of them"),
        ("failed,,,right,,,ana", "row 3: the prediction for record 'failed' has no output, so it cannot be labeled"),
    ],
)  # fmt: skip
def test_each_fault_has_its_row_and_nothing_lands(staged: Staged, row: str, fault: str) -> None:
    stage = staged([*answers(2), Answer(record_id="failed", input={"text": "x"}, output=None, passed=None)])
    header = "record_id,prediction_id,scorer,label,passed,value,annotator"
    message = refusal(stage, f"{header}\nr0000,,,right,,,ana\n{row}\n")
    assert "no labels were imported; invalid rows: 1 of 2" in message
    assert fault in message


def test_every_fault_is_told_at_once_up_to_fifty(staged: Staged) -> None:
    rows = "".join(f"no{n},true,ana\n" for n in range(60))
    message = refusal(staged(1), f"record_id,passed,annotator\n{rows}")
    assert message.count("\nrow ") == 50
    assert message.endswith("… invalid rows not shown: 10")


def test_rows_are_counted_as_a_spreadsheet_counts_them(staged: Staged) -> None:
    text = 'record_id,passed,annotator,note\nr0000,true,ana,"two\nlines"\nnope,true,ana,\n'
    assert "\nrow 3: record_id 'nope'" in refusal(staged(1), text)


def test_the_same_row_twice_is_counted_once_and_said(staged: Staged) -> None:
    done = taken(staged(1), "record_id,passed,annotator\nr0000,true,ana\nr0000,TRUE,ANA\n")
    assert (done.rows, done.new) == (2, 1)
    assert done.remarks == ("row 3: duplicate of row 2 (record 'r0000', correct, ana); counted once",)


def test_a_record_with_several_epochs_needs_its_epoch(staged: Staged) -> None:
    given = [
        Answer(record_id="a", input={"text": "x"}, output={"label": "praise", "note": ""}, epoch=n) for n in (0, 1)
    ]
    stage = staged(given)
    message = refusal(stage, "record_id,passed,annotator\na,true,ana\n")
    assert "record_id 'a' has 2 predictions in run" in message
    assert "set epoch or prediction_id" in message
    assert taken(stage, "record_id,epoch,passed,annotator\na,1,true,ana\n").new == 1


def test_another_run_is_named_and_predictions_of_any_run_are_known(staged: Staged, name: str) -> None:
    stage = staged(2)
    earlier = land_run(stage.place.warehouse(), name, [Answer(record_id="old", input={"text": "x"}, output={"label": "praise", "note": ""})], run_id=f"old-{name}")  # fmt: skip
    assert taken(stage, "record_id,passed,annotator\nold,true,ana\n", run_id=earlier).new == 1
    assert taken(stage, f"prediction_id,passed,annotator\n{prediction_of(earlier, 'old')},true,ben\n").new == 1


def test_a_label_of_an_earlier_wording_is_refused(staged: Staged) -> None:
    message = refusal(staged(1), "record_id,passed,annotator,scorer_version\nr0000,true,ana,abc\n")
    assert "scorer_version abc is outdated" in message
    assert "the question has been reworded" in message


def test_one_name_for_all_rows_that_have_none(staged: Staged) -> None:
    stage = staged(1)
    assert taken(stage, "record_id,passed\nr0000,true\n", annotator="Ana").new == 1
    assert [row["annotator"] for row in stage.labels()] == ["ana"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "the header has no columns; add record_id or prediction_id"),
        (
            "record_id,annotator\nr0000,ana\n",
            "the header has record_id, annotator; add record_id or prediction_id, and at least one of label, passed and value",
        ),
        ("record_id,passed,passed\n", "duplicate column names in the header: passed"),
        ("record_id,passed\n", "contains no rows below the header"),
        ("record_id,passed\nr0000,true,too,many\n", "row 2 has 4 cells, but the header has 2"),
        ('record_id,passed\n"r0000,true\n', "is not valid CSV"),
        ("record_id;passed\nr0000;true\n", "the header has record_id;passed"),
    ],
)
def test_a_file_that_is_no_sheet_of_labels_is_refused(staged: Staged, content: str, message: str) -> None:
    assert message in refusal(staged(1), content)


def test_a_file_that_is_not_utf8_is_refused(staged: Staged) -> None:
    stage = staged(1)
    path = stage.place.write("labels.csv", "record_id,passed\nr\xe9,true\n".encode("latin-1"))
    with pytest.raises(UsageError, match="is not UTF-8 text"):
        import_labels(stage.project, stage.task, path)


def test_a_file_that_is_not_there_is_said(staged: Staged) -> None:
    stage = staged(1)
    with pytest.raises(UsageError, match="cannot be read: No such file or directory"):
        import_labels(stage.project, stage.task, stage.place.root / "none.csv")


def test_the_kind_of_an_annotator_is_read_and_written_and_an_empty_cell_is_an_expert(
    staged: Staged, tmp_path: Path
) -> None:
    stage = staged(3)
    text = "record_id,passed,annotator,annotator_kind\nr0000,true,ana,\nr0001,true,u17,User\nr0002,true,bot,model\n"
    assert taken(stage, text).new == 3
    sql = "select record_id, annotator_kind from scores where task = @task and scorer_kind = 'human' order by record_id"
    assert [row["annotator_kind"] for row in stage.place.query(sql, task=stage.name)] == ["expert", "user", "model"]
    assert taken(stage, text).unchanged == 3
    path = tmp_path / "labels.csv"
    assert export_labels(stage.project.warehouse, stage.name, path, run_id=None) == 3
    assert import_labels(stage.project, stage.task, path).unchanged == 3
    assert taken(stage, text.replace("User", "expert")).replaced == 1


def test_an_old_label_without_a_kind_is_that_of_an_expert(staged: Staged) -> None:
    stage = staged(1)
    text = "record_id,passed,annotator,annotator_kind\nr0000,true,ana,expert\n"
    taken(stage, text)
    (row,) = stage.place.query("select * from scores where task = @task and scorer_kind = 'human'", task=stage.name)
    old = Score(**{name: row[name] for name in Score.__dataclass_fields__ if name in row and name != "annotator_kind"})
    LandingWriter(stage.place.warehouse()).append([replace(old, occurred_at=old.occurred_at + timedelta(seconds=1))])
    assert taken(stage, text).unchanged == 1


def test_a_kind_that_does_not_exist_is_an_error_of_its_row(staged: Staged) -> None:
    message = refusal(staged(1), "record_id,passed,annotator,annotator_kind\nr0000,true,ana,boss\n")
    assert "row 2: invalid annotator_kind 'boss'; expected expert, user, model, or an empty cell" in message
