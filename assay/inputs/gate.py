"""Input gate: decides whether a run continues with the rows that were not rejected."""

from __future__ import annotations

from dataclasses import dataclass

from assay.inputs.manifest import REJECTED
from assay.inputs.rules import InputRules
from assay.inputs.stored import InputSnapshot, RejectedRow
from assay.records.statuses import RejectionReason

POSITIONS_SHOWN = 3
ADVICE: dict[str, str] = {
    RejectionReason.UNDECODABLE_TEXT: "save the input as UTF-8, e.g. `iconv -f WINDOWS-1252 -t UTF-8 FILE > NEW`",
    RejectionReason.OVERSIZE_CELL: "shorten the cells or raise max_cell_bytes",
    RejectionReason.RAGGED_ROW: "quote cells that contain the delimiter or a line break",
    RejectionReason.UNREADABLE_ROW: "write one JSON object per line",
    RejectionReason.MISSING_ID: "fill in the record id",
    RejectionReason.DUPLICATE_ID: "make ids unique, across tenants too (`record_id: [TENANT, ID]`), or set on_duplicate: "
    "first to keep the first copy",
    RejectionReason.MISSING_CONVERSATION: "fill in the conversation id",
    RejectionReason.BAD_TURN: "number the turns of each conversation 1, 2, 3, …",
    RejectionReason.DUPLICATE_TURN: "give each turn of a conversation a unique number",
    RejectionReason.VALUE_NOT_ALLOWED: "fix the values, or change the expectations of the task",
}


@dataclass(frozen=True, slots=True)
class GateDecision:
    """Decision of the input gate; `warned` if the run may continue although rows were rejected.

    `message` is for the user and contains no cell content.
    """

    passed: bool
    warned: bool
    message: str


def decide(snapshot: InputSnapshot, rules: InputRules) -> GateDecision:
    """Passed if at least one record remains and the share of rejected rows is at most `max_rejected_share`."""
    if not snapshot.rows_rejected:
        return GateDecision(
            passed=True,
            warned=False,
            message=f"{snapshot.source_label}: all {snapshot.rows_read:,} rows became records.",
        )
    share = snapshot.rows_rejected / snapshot.rows_read
    passed = snapshot.record_count > 0 and share <= rules.max_rejected_share
    headline = (
        f"{snapshot.source_label}: {snapshot.rows_rejected:,} of {snapshot.rows_read:,} rows rejected "
        f"({share:.2%}; at most {rules.max_rejected_share:.2%} allowed)"
    )
    if not snapshot.record_count:
        headline += ", no records remain"
    lines = [f"{headline}:", *_reason_lines(snapshot), f"All rejected rows: {snapshot.directory / REJECTED}"]
    return GateDecision(passed=passed, warned=passed, message="\n".join(lines))


def _reason_lines(snapshot: InputSnapshot) -> list[str]:
    """A line per reason, the most frequent first: count, first position, finding and fix."""
    lines = []
    examples = _first_rows(snapshot)
    for reason, count in sorted(snapshot.rejected_by_reason.items(), key=lambda item: (-item[1], item[0])):
        rows = examples[reason]
        positions = ", ".join(str(row.position) for row in rows)
        column = f" in column {rows[0].column_name!r}" if rows[0].column_name else ""
        advice = ADVICE.get(reason, "see the explanation of each row")
        lines.append(f"  {reason} {count:,}{column} (first at position {positions}): {rows[0].explanation}; {advice}")
    return lines


def _first_rows(snapshot: InputSnapshot) -> dict[str, list[RejectedRow]]:
    found: dict[str, list[RejectedRow]] = {reason: [] for reason in snapshot.rejected_by_reason}
    wanted = {reason: min(count, POSITIONS_SHOWN) for reason, count in snapshot.rejected_by_reason.items()}
    for row in snapshot.rejected():
        if len(found[row.reason]) < wanted[row.reason]:
            found[row.reason].append(row)
        if all(len(found[reason]) == wanted[reason] for reason in wanted):
            break
    return found
