"""The decision at the door."""

from __future__ import annotations

from assay.inputs.gate import decide
from assay.inputs.rules import InputRules
from tests.inputs.conftest import Desk

TEN_ROWS = "id,n\n" + "".join(f"{n},a\n" for n in range(8)) + "8\n,secret\n"


def rules(share: float) -> InputRules:
    return InputRules(record_id="id", max_rejected_share=share)


def test_an_input_without_fault_passes_without_warning(desk: Desk) -> None:
    decision = decide(desk.spool(desk.write("a.csv", "id\n1\n")), rules(0.0))
    assert (decision.passed, decision.warned) == (True, False)


def test_a_share_of_exactly_the_limit_passes_with_a_warning(desk: Desk) -> None:
    decision = decide(desk.spool(desk.write("a.csv", TEN_ROWS)), rules(0.2))
    assert (decision.passed, decision.warned) == (True, True)


def test_a_share_over_the_limit_does_not_pass(desk: Desk) -> None:
    decision = decide(desk.spool(desk.write("a.csv", TEN_ROWS)), rules(0.19))
    assert (decision.passed, decision.warned) == (False, False)


def test_no_record_left_does_not_pass_at_any_share(desk: Desk) -> None:
    decision = decide(desk.spool(desk.write("a.csv", "id\n1\n1\n")), rules(1.0))
    assert not decision.passed
    assert "no records remain" in decision.message


def test_the_message_names_counts_positions_and_the_file_but_no_content(desk: Desk) -> None:
    snapshot = desk.spool(desk.write("a.csv", TEN_ROWS))
    message = decide(snapshot, rules(0.0)).message
    assert "a.csv: 2 of 10 rows rejected (20.00%; at most 0.00% allowed):" in message
    assert "missing_id 1 in column 'id' (first at position 9)" in message
    assert "ragged_row 1 (first at position 8): line 10: expected 2 cells as in the header, found 1" in message
    assert str(snapshot.directory / "rejected.parquet") in message
    assert "secret" not in message
