"""Files of requests keep their limits; results are read in any order, whatever is missing or strange."""

from __future__ import annotations

import stat
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest

from assay.inference.batch.chunk import Chunk, ChunkFile, names_of, read_names
from assay.inference.batch.results import BatchResults
from assay.inference.dialects.openai_chat import OpenAIChat
from assay.inference.endpoint.batch_dialect import CustomId, read_custom_id
from assay.inference.endpoint.body_limit import MOST_BODY_BYTES
from assay.inference.endpoint.failures import CallFailure, FailureKind
from assay.inference.endpoint.replies import Reply
from assay.inference.providers import BatchLimits
from tests.fakes.endpoint import USAGE

BATCHES = OpenAIChat().batches
NAMES = [CustomId(position, 0, f"{position:032x}") for position in range(4)]


def written(folder: Path, names: Sequence[CustomId] = NAMES, *, run_id: str = "r", **limits: int) -> Chunk:
    file = ChunkFile(folder, run_id=run_id, lane="openai:m", limits=BatchLimits(**limits))
    for name in names:
        file.add(name, key=f"key{name.position}", line=BATCHES.request_line(name, b"{}"), estimate_usd=Decimal("0.5"))
    chunk = file.close()
    assert chunk is not None
    return chunk


def answer(name: CustomId | str, text: str = "well", status: int = 200) -> dict[str, Any]:
    body = {"id": "c", "model": "m", "choices": [{"finish_reason": "stop", "message": {"content": text}}]}
    return {"custom_id": str(name), "response": {"status_code": status, "body": {**body, "usage": USAGE}}}


def error(name: CustomId, code: str) -> dict[str, Any]:
    return {"custom_id": str(name), "response": None, "error": {"code": code, "message": "why"}}


def results(folder: Path, *files: Sequence[dict[str, Any] | bytes], names: Sequence[CustomId] | None) -> BatchResults:
    paths = []
    for number, lines in enumerate(files):
        paths.append(folder / f"{number}.jsonl")
        encoded = [line if isinstance(line, bytes) else orjson.dumps(line) for line in lines]
        paths[-1].write_bytes(b"\n".join(encoded))
    return BatchResults(BATCHES, paths, names=names)


def test_a_file_knows_what_is_in_it_and_is_its_owners_alone(tmp_path: Path) -> None:
    chunk = written(tmp_path / "new")
    assert (chunk.requests, chunk.first, chunk.last, chunk.estimate_usd) == (4, (0, 0), (3, 0), Decimal("2.0"))
    assert read_names(chunk.path) == NAMES
    for path in (chunk.path, names_of(chunk.path)):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(list(chunk.path.parent.iterdir())) == 2


def test_the_chunk_hash_tells_runs_requests_and_calls_apart(tmp_path: Path) -> None:
    again = [CustomId(name.position, name.epoch, "f" * 32) for name in NAMES]
    chunks = [
        written(tmp_path),
        written(tmp_path, run_id="other"),
        written(tmp_path, NAMES[:3]),
        written(tmp_path, again),
    ]
    assert len({chunk.chunk_hash for chunk in chunks}) == 4
    assert written(tmp_path).chunk_hash == chunks[0].chunk_hash


@pytest.mark.parametrize(
    "limits", [{"max_requests": 2}, {"max_file_bytes": 2 * len(BATCHES.request_line(NAMES[0], b"{}"))}]
)
def test_a_full_file_takes_no_more(tmp_path: Path, limits: dict[str, int]) -> None:
    file, line = (
        ChunkFile(tmp_path, run_id="r", lane="l", limits=BatchLimits(**limits)),
        BATCHES.request_line(NAMES[0], b"{}"),
    )
    for name in NAMES[:2]:
        assert file.takes(line)
        file.add(name, key="k", line=line, estimate_usd=None)
    assert not file.takes(line)
    file.discard()


def test_a_discarded_file_leaves_nothing(tmp_path: Path) -> None:
    file = ChunkFile(tmp_path, run_id="r", lane="l", limits=BatchLimits())
    file.add(NAMES[0], key="k", line=b"{}\n", estimate_usd=None)
    file.discard()
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_list_of_names_is_none(tmp_path: Path) -> None:
    path = written(tmp_path).path
    names_of(path).write_text("0.0.aa\nhalf a na")
    assert read_names(path) is None


@pytest.mark.parametrize("text", ["", "1.0", "1.0.XYZ", "-1.0.ab", "1.0.ab\n", "request-1", None, 7])
def test_a_foreign_name_is_not_read(text: object) -> None:
    assert read_custom_id(text) is None


def test_lines_are_found_in_whatever_order_they_come(tmp_path: Path) -> None:
    lines = [answer(name, text=f"text {name.position} ü") for name in reversed(NAMES)]
    with results(tmp_path, lines, names=NAMES) as found:
        texts = [found.outcome(name.place)[1] for name in NAMES]
    assert [reply.text for reply in texts if isinstance(reply, Reply)] == [f"text {n} ü" for n in range(4)]


def test_a_reply_of_a_batch_is_read_as_one_of_the_wire(tmp_path: Path) -> None:
    with results(tmp_path, [answer(NAMES[0])], names=NAMES) as found:
        call_id, reply = found.outcome((0, 0))
    assert call_id == NAMES[0].call_id
    assert isinstance(reply, Reply)
    assert (reply.text, reply.response_model, reply.usage) == ("well", "m", USAGE)


def test_a_request_without_a_line_has_no_outcome_and_its_call_is_still_known(tmp_path: Path) -> None:
    with results(tmp_path, [answer(NAMES[0])], names=NAMES) as found:
        assert found.outcome((2, 0)) == (NAMES[2].call_id, None)
        assert sorted(found.places()) == [(n, 0) for n in range(4)]


def test_without_the_list_of_names_the_lines_tell_of_themselves(tmp_path: Path) -> None:
    with results(tmp_path, [answer(NAMES[3])], [error(NAMES[1], "batch_expired")], names=None) as found:
        assert sorted(found.places()) == [(1, 0), (3, 0)]
        assert found.outcome((3, 0))[0] == NAMES[3].call_id


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("batch_expired", FailureKind.SERVER),
        ("insufficient_quota", FailureKind.OUT_OF_QUOTA),
        ("content_filter", FailureKind.CONTENT_FILTER),
    ],
)
def test_an_error_line_is_a_failure_that_costs_nothing(tmp_path: Path, code: str, kind: FailureKind) -> None:
    with results(tmp_path, [error(NAMES[0], code)], names=NAMES) as found:
        failure = found.outcome((0, 0))[1]
    assert isinstance(failure, CallFailure)
    assert (failure.kind, failure.billing_known, failure.message) == (kind, True, f"{code}: why")


@pytest.mark.parametrize(
    ("status", "kind"), [(400, FailureKind.BAD_REQUEST), (429, FailureKind.RATE_LIMITED), (500, FailureKind.SERVER)]
)
def test_a_line_with_an_error_status_fails_as_the_status_does_on_the_wire(
    tmp_path: Path, status: int, kind: FailureKind
) -> None:
    with results(tmp_path, [answer(NAMES[0], status=status)], names=NAMES) as found:
        failure = found.outcome((0, 0))[1]
    assert isinstance(failure, CallFailure)
    assert (failure.kind, failure.http_status) == (kind, status)


def test_strange_lines_are_passed_over(tmp_path: Path) -> None:
    strange = [b"", b"no json", b"[]", answer("0.0.ffff", "of another call"), answer("9.0.ffff"), answer("foreign")]
    with results(tmp_path, [*strange, answer(NAMES[0]), b'{"custom_id": "1.0'], names=NAMES) as found:
        outcomes = [found.outcome(name.place)[1] for name in NAMES]
    assert [isinstance(outcome, Reply) for outcome in outcomes] == [True, False, False, False]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ([error(NAMES[0], "batch_expired"), answer(NAMES[0])], []),
        ([answer(NAMES[0], "", 500), answer(NAMES[0]), answer(NAMES[0], "later")], [error(NAMES[0], "batch_expired")]),
        ([answer(NAMES[0]), error(NAMES[0], "batch_expired")], []),
        ([error(NAMES[0], "batch_expired")], [error(NAMES[0], "batch_expired"), answer(NAMES[0])]),
    ],
)
def test_the_first_answer_of_several_lines_counts_wherever_errors_stand(
    tmp_path: Path, first: list[dict[str, Any]], second: list[dict[str, Any]]
) -> None:
    with results(tmp_path, [*first, answer(NAMES[1])], second, names=NAMES) as found:
        outcomes = [found.outcome(name.place) for name in NAMES[:2]]
    assert [call_id for call_id, _ in outcomes] == [name.call_id for name in NAMES[:2]]
    assert [outcome.text for _, outcome in outcomes if isinstance(outcome, Reply)] == ["well", "well"]


def test_an_answer_beside_an_error_stands(tmp_path: Path) -> None:
    with results(tmp_path, [answer(NAMES[0])], [error(NAMES[0], "batch_expired")], names=NAMES) as found:
        assert isinstance(found.outcome((0, 0))[1], Reply)


def test_a_line_beyond_the_limit_of_a_response_counts_as_no_line(tmp_path: Path) -> None:
    huge = orjson.dumps(answer(NAMES[0], "x" * (MOST_BODY_BYTES + 10)))
    many = orjson.dumps(answer(NAMES[1], "")).replace(b'"id"', b'"x":[' + b"[]," * 2_000_000 + b'0],"id"')
    with results(tmp_path, [huge, many, answer(NAMES[2])], names=NAMES) as found:
        outcomes = [found.outcome(name.place)[1] for name in NAMES[:3]]
    assert outcomes[:2] == [None, None]
    assert isinstance(outcomes[2], Reply)
