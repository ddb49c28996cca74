"""How an error is shown: what is wrong, then what to do, then how the work that it cut off is continued."""

from __future__ import annotations

import pickle

import pytest

from assay.errors import AssayError, InputRejected, ServiceUnreachable, UsageError, foreign_text


def test_the_next_step_follows_the_message_in_its_line() -> None:
    error = UsageError("in.csv has no rows: expected at least one", next_step="check the file.")
    assert str(error) == "in.csv has no rows: expected at least one; check the file."
    assert (error.message, error.next_step) == ("in.csv has no rows: expected at least one", "check the file.")


def test_the_next_step_has_a_line_of_its_own_below_a_list() -> None:
    assert str(AssayError("They differ:\n  a\n  b", next_step="write a migration.")).splitlines() == [
        "They differ:",
        "  a",
        "  b",
        "Write a migration.",
    ]


def test_an_error_without_advice_is_its_message() -> None:
    assert (
        str(AssayError("ASSAY_ENV is 'x': expected one of dev, prod."))
        == "ASSAY_ENV is 'x': expected one of dev, prod."
    )


@pytest.mark.parametrize("next_step", ["", "wait."])
def test_how_the_work_is_continued_is_the_last_line(next_step: str) -> None:
    error = ServiceUnreachable("It is away", next_step=next_step)
    error.then = "go on with: assay run x --resume 1"
    assert str(error).splitlines()[1:] == ["go on with: assay run x --resume 1"]


def test_the_exit_code_is_that_of_the_kind_or_of_the_one_error() -> None:
    kinds = [
        AssayError("x"),
        UsageError("x"),
        InputRejected("x"),
        ServiceUnreachable("x"),
        AssayError("x", exit_code=5),
    ]
    assert [error.exit_code for error in kinds] == [3, 3, 4, 5, 5]


def test_an_error_comes_whole_out_of_another_process() -> None:
    error = InputRejected("Too many rows", next_step="fix them.", run_id="r1")
    error.then = "go on"
    other = pickle.loads(pickle.dumps(error))
    assert (str(other), other.message, other.next_step, other.run_id) == (
        str(error),
        "Too many rows",
        "fix them.",
        "r1",
    )


def test_what_another_program_says_is_one_line_of_a_bounded_length() -> None:
    assert foreign_text(ValueError("one\n  two")) == "one two"
    assert foreign_text(ValueError()) == "ValueError"
    assert len(foreign_text("x" * 10_000)) == 2000
