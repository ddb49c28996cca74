"""Files of other tools that are damaged, hostile or of unexpected types: one message with the place, no traceback."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from assay.adoption import foreign_json
from assay.adoption.inspect_log import inspect_answers
from assay.adoption.openai_batch import is_openai_batch, openai_batch_answers
from assay.errors import UsageError
from tests.adoption.test_other_tools import sample

CHOICE = {"message": {"role": "assistant", "content": "a"}, "stop_reason": "stop"}


def found_in(path: Path, *, scorer: str | None = None, notes: list[str] | None = None) -> list[Any]:
    """The answers of an Inspect log."""
    told = [] if notes is None else notes
    return list(inspect_answers(path, label="log", scorer=scorer, note=told.append))


def json_log(folder: Path, samples: Any, **more: Any) -> Path:
    """A `.json` log with the samples."""
    path = folder / "log.json"
    path.write_text(json.dumps({"version": 2, "status": "success", **more, "samples": samples}), "utf-8")
    return path


def eval_log(folder: Path, content: bytes, *, method: int = zipfile.ZIP_DEFLATED) -> Path:
    """An `.eval` log with one sample."""
    path = folder / "log.eval"
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("header.json", json.dumps({"version": 2, "status": "success"}))
        archive.writestr("samples/0.json", content)
    return path


@pytest.mark.parametrize(
    ("edits", "scorer", "says"),
    [
        ({"metadata": ["a"]}, None, "`metadata` to be an object, found a list"),
        ({"output": ["a"]}, None, "`output` to be an object, found a list"),
        ({"output": "abc"}, None, "`output` to be an object, found text"),
        ({"output": {"choices": "abc"}}, None, "`output.choices` to be a list, found text"),
        ({"output": {"choices": {"a": 1}}}, None, "`output.choices` to be a list, found an object"),
        ({"output": {"choices": [3]}}, None, r"`output.choices\[0\]` to be an object, found a number"),
        ({"output": {"choices": [CHOICE], "usage": [1]}}, None, "`output.usage` to be an object, found a list"),
        ({"output": {"completion": 5}}, None, "`output.completion` to be text, found a number"),
        ({"output": {"model": ["m"]}}, None, "`output.model` to be text, found a list"),
        (
            {"output": {"choices": [{"message": "a"}]}},
            None,
            r"`output.choices\[0\].message` to be an object, found text",
        ),
        (
            {"output": {"choices": [{"message": {"content": 5}}]}},
            None,
            r"`output.choices\[0\].message.content` to be text or a list, found a number",
        ),
        ({"error": "died"}, None, "`error` to be an object, found text"),
        ({"input": {"a": 1}}, None, "`input` to be text or a list, found an object"),
        ({"input": ["a"]}, None, r"`input\[0\]` to be an object, found text"),
        ({"scores": ["x"]}, "x", "`scores` to be an object, found a list"),
        ({"scores": {"x": "abc"}}, "x", "`scores.x` to be an object, found text"),
    ],
)
def test_a_part_of_a_sample_of_another_type_is_named(
    tmp_path: Path, edits: dict[str, Any], scorer: str | None, says: str
) -> None:
    bad = {**sample(2, 1, "a", scores={"x": {"answer": "a"}}), **edits}
    good = sample(1, 1, "a", scores={"x": {"answer": "a"}})
    with pytest.raises(UsageError, match=f"^log, sample 2: expected {says}"):
        found_in(json_log(tmp_path, [good, bad]), scorer=scorer)
    with pytest.raises(UsageError, match=f"^log, sample 1: expected {says}"):
        found_in(eval_log(tmp_path, json.dumps(bad).encode()), scorer=scorer)


@pytest.mark.parametrize("epoch", [0, 101, 2**63, "1"])
def test_an_epoch_outside_its_range_is_refused(tmp_path: Path, epoch: Any) -> None:
    with pytest.raises(UsageError, match="an epoch of at least 1 and at most 100"):
        found_in(json_log(tmp_path, [{**sample(1, 1, "a"), "epoch": epoch}]))


@pytest.mark.parametrize(("samples", "found"), [(5, "a number"), ("abc", "text"), ({"a": 1}, "an object")])
def test_samples_that_are_no_list_are_named(tmp_path: Path, samples: Any, found: str) -> None:
    with pytest.raises(UsageError, match=f"^log: expected `samples` to be a list, found {found}"):
        found_in(json_log(tmp_path, samples))


def test_a_damaged_compressed_stream_is_refused(tmp_path: Path) -> None:
    path = eval_log(tmp_path, json.dumps(sample(1, 1, "word " * 2000)).encode())
    with zipfile.ZipFile(path) as archive:
        start = archive.getinfo("samples/0.json").header_offset + 30 + len("samples/0.json")
    content = bytearray(path.read_bytes())
    content[start : start + 20] = b"\xff" * 20
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"cannot be read as an Inspect log \(error: Error -3"):
        found_in(path)


def test_an_encrypted_archive_is_refused(tmp_path: Path) -> None:
    path = eval_log(tmp_path, json.dumps(sample(1, 1, "a")).encode())
    content = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):  # the flags of each file in both of its headers
        place = content.rindex(signature)
        content[place + offset] |= 1
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"RuntimeError: File .*samples/0.json.* is encrypted"):
        found_in(path)


def test_a_zip_bomb_is_refused_before_it_is_decompressed(tmp_path: Path) -> None:
    path = tmp_path / "log.eval"
    blanks = b" " * 1_000_000
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("header.json", '{"version": 2, "status": "success"}')
        with archive.open("samples/0.json", "w") as file:
            for _ in range(501):
                file.write(blanks)
    assert path.stat().st_size < 1_000_000
    with pytest.raises(UsageError, match=r"samples/0\.json has 501,000,000 bytes when decompressed: expected at most"):
        found_in(path)


def test_an_archive_that_states_too_small_a_size_is_read_no_further(tmp_path: Path) -> None:
    path = eval_log(tmp_path, b" " * 10_000_000)
    content = bytearray(path.read_bytes())
    place = content.rindex(b"PK\x01\x02")
    content[place + 24 : place + 28] = (10).to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(UsageError, match="cannot be read as an Inspect log"):
        found_in(path)


@pytest.mark.parametrize(
    ("header", "says"),
    [
        ({"status": "error"}, "found 'error'"),
        ({"status": "cancelled"}, "found 'cancelled'"),
        ({"status": None}, "none"),
    ],
)
def test_the_status_of_an_evaluation_that_did_not_succeed_is_noted(
    tmp_path: Path, header: dict[str, Any], says: str
) -> None:
    notes: list[str] = []
    assert len(found_in(json_log(tmp_path, [sample(1, 1, "a")], **header), notes=notes)) == 1
    assert len(notes) == 1 and notes[0].startswith("log: expected the status 'success'") and says in notes[0]
    notes.clear()
    found_in(json_log(tmp_path, [sample(1, 1, "a")]), notes=notes)
    assert notes == []


@pytest.mark.parametrize(
    ("edits", "says"),
    [
        ({"usage": [1]}, "`response.body.usage` to be an object, found a list"),
        ({"output": 5}, "`response.body.output` to be a list, found a number"),
        ({"output": ["a"]}, r"`response.body.output\[0\]` to be an object, found text"),
        (
            {"output": [{"type": "message", "content": 5}]},
            r"`response.body.output\[0\].content` to be a list, found a number",
        ),
        ({"error": "bad"}, "`response.body.error` to be an object, found text"),
    ],
)
def test_a_part_of_a_response_of_another_type_is_named(tmp_path: Path, edits: dict[str, Any], says: str) -> None:
    body = {"object": "response", "model": "m", "usage": {"input_tokens": 5, "output_tokens": 1}, "output": [], **edits}
    path = tmp_path / "batch.jsonl"
    path.write_text(json.dumps({"custom_id": "x", "response": {"status_code": 200, "body": body}}), "utf-8")
    with pytest.raises(UsageError, match=f"^batch, line 1: expected {says}"):
        list(openai_batch_answers(path, label="batch"))


def test_a_response_that_is_no_object_is_named(tmp_path: Path) -> None:
    path = tmp_path / "batch.jsonl"
    path.write_text('{"custom_id": "x", "response": [1]}\n', "utf-8")
    with pytest.raises(UsageError, match="line 1: expected `response` to be an object, found a list"):
        list(openai_batch_answers(path, label="batch"))


@pytest.mark.parametrize("is_first", [True, False])
def test_a_line_beyond_the_bound_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_first: bool) -> None:
    monkeypatch.setattr(foreign_json, "MOST_LINE_BYTES", 1000)
    monkeypatch.setattr("assay.adoption.openai_batch.MOST_LINE_BYTES", 1000)
    short, long = ({"custom_id": name, "error": {"message": "m" * size}} for name, size in (("x", 5), ("y", 2000)))
    path = tmp_path / "batch.jsonl"
    path.write_text("".join(f"{json.dumps(line)}\n" for line in ([long] if is_first else [short, long])), "utf-8")
    assert is_openai_batch(path)
    with pytest.raises(
        UsageError, match=f"line {1 if is_first else 2}: expected at most 1,000 bytes, found a longer line"
    ):
        list(openai_batch_answers(path, label="batch"))
