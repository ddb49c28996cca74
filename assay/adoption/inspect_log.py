"""Reads evaluation logs of Inspect: `.eval`, a ZIP archive with one JSON file per sample, and `.json`.

Source: the page "Log Files" of Inspect's documentation; checked with logs of format version 2.
"""

from __future__ import annotations

import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from assay.adoption.answer_store import FoundAnswer
from assay.adoption.foreign_json import MOST_JSON_BYTES, ForeignObject
from assay.bounds import MOST_EPOCHS
from assay.errors import UsageError, foreign_text
from assay.inference.endpoint.failures import FailureKind
from assay.inputs.canonical import BadId, record_id_of
from assay.records.statuses import PredictionStatus

VERSION = 2
SUCCESS = "success"
"""Inspect's word for the status of an evaluation that ended without an error."""
DAMAGES = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, RuntimeError, ValueError, OSError, EOFError)
"""What reading a damaged, encrypted or unsupported archive, or JSON in it, raises."""
SAMPLES, HEADERS = "samples/", ("header.json", "_journal/start.json")
REFUSED, FAILED = PredictionStatus.REFUSED.value, PredictionStatus.FAILED.value
FILTERED = FailureKind.CONTENT_FILTER.value
"""Also Inspect's word for it."""
SAMPLE_ERROR = "sample_error"
"""Value of `predictions.error_type`: the sample ended with an error in Inspect."""


@dataclass(frozen=True, slots=True)
class _Log:
    """The label of the log, and the scorer whose extracted answer is read instead of the completion, if any."""

    label: str
    scorer: str | None
    note: Callable[[str], None]


def is_inspect_log(path: Path) -> bool:
    """True if the file is a ZIP archive, or JSON that begins like an Inspect log."""
    if zipfile.is_zipfile(path):
        return True
    with path.open("rb") as file:
        start = file.read(200).lstrip()
    return start.startswith(b"{") and b'"version"' in start and b'"custom_id"' not in start


def inspect_answers(
    path: Path, *, label: str, scorer: str | None, note: Callable[[str], None]
) -> Iterator[FoundAnswer]:
    """Yields the answer of every sample with the sample itself as a record: `id`, `input`, `target`, `metadata.…`.

    Epochs of Inspect start at 1, those of Assay at 0. `note` gets a message if the evaluation did not succeed.

    Raises:
        UsageError: the file is not a log of a known version, is damaged, has a part of an unexpected type, or has no
            such scorer.
    """
    log = _Log(label, scorer, note)
    samples = _zipped(path, log) if zipfile.is_zipfile(path) else _listed(path, log)
    for number, sample in enumerate(samples, start=1):
        yield _found(sample, number, log)


def _zipped(path: Path, log: _Log) -> Iterator[Any]:
    try:
        with zipfile.ZipFile(path) as archive:
            _check_header(_entry(archive, _header(archive, log), log), log)
            names = (name for name in archive.namelist() if name.startswith(SAMPLES) and name.endswith(".json"))
            yield from (_entry(archive, name, log) for name in names)
    except DAMAGES as error:
        raise UsageError(
            f"{log.label} cannot be read as an Inspect log ({type(error).__name__}: {foreign_text(error)})",
            next_step="convert it with `inspect log convert --to json` and adopt the result.",
        ) from error


def _header(archive: zipfile.ZipFile, log: _Log) -> str:
    names = archive.namelist()
    found = next((name for name in HEADERS if name in names), None)
    if found is None:
        raise UsageError(
            f"{log.label} is a ZIP archive without {HEADERS[0]}: expected an Inspect log", next_step="check the file."
        )
    return found


def _entry(archive: zipfile.ZipFile, name: str, log: _Log) -> Any:
    """The JSON of one file in the archive; no more than the bound is decompressed, whatever the archive states."""
    size = archive.getinfo(name).file_size
    if size > MOST_JSON_BYTES:
        raise UsageError(
            f"{log.label}: {name} has {size:,} bytes when decompressed: expected at most {MOST_JSON_BYTES:,}",
            next_step="check where the file is from.",
        )
    with archive.open(name) as file:
        return orjson.loads(file.read(size))


def _listed(path: Path, log: _Log) -> Iterator[Any]:
    size = path.stat().st_size
    if size > MOST_JSON_BYTES:
        raise UsageError(
            f"{log.label} has {size:,} bytes: expected at most {MOST_JSON_BYTES:,} of a JSON log",
            next_step="convert it with `inspect log convert --to eval`, which is read sample by sample.",
        )
    try:
        content = orjson.loads(path.read_bytes())
    except orjson.JSONDecodeError as error:
        raise UsageError(
            f"{log.label} is not JSON ({error.msg} at character {error.pos})", next_step="check that it is complete."
        ) from error
    _check_header(content, log)
    yield from (sample.values for sample in ForeignObject(content, log.label).objects("samples"))


def _check_header(content: Any, log: _Log) -> None:
    """Checks the version of the log, and notes a status other than success."""
    version = content.get("version") if isinstance(content, dict) else None
    if version != VERSION:
        raise UsageError(
            f"{log.label}: expected an Inspect log of version {VERSION}, found version {version!r}",
            next_step="convert it with `inspect log convert`.",
        )
    status = content.get("status")
    if status != SUCCESS:
        stated = "none, as of an evaluation that has not ended" if status is None else repr(status)
        log.note(
            f"{log.label}: expected the status '{SUCCESS}' of the evaluation, found {stated}; samples may be missing"
        )


def _found(values: Any, number: int, log: _Log) -> FoundAnswer:
    place = f"sample {number:,}"
    epoch = values.get("epoch") if isinstance(values, dict) else None
    if not isinstance(epoch, int) or not 1 <= epoch <= MOST_EPOCHS:
        raise UsageError(
            f"{log.label}, {place}: expected an object with an epoch of at least 1 and at most {MOST_EPOCHS}",
            next_step="check it.",
        )
    sample = ForeignObject(values, f"{log.label}, {place}")
    try:
        record_id = record_id_of(sample.get("id"))
    except BadId as error:
        raise UsageError(f"{log.label}, {place}: {error}", next_step="check the log.") from error
    if record_id is None:
        raise UsageError(f"{log.label}, {place}: expected an id, found none", next_step="check the log.")
    cells = {
        "id": record_id,
        "input": _text_in(sample, "input"),
        "target": sample.get("target"),
        "choices": sample.get("choices"),
        **{f"metadata.{name}": value for name, value in sample.object("metadata").values.items()},
    }
    return FoundAnswer(record_id, epoch - 1, place, _item(sample, log), cells)


def _item(sample: ForeignObject, log: _Log) -> dict[str, Any]:
    """The answer, with model, tokens and seconds of the model call that produced it."""
    output = sample.object("output")
    usage, seconds = output.object("usage"), output.get("time")
    stated: dict[str, Any] = {
        "model": output.text("model") or None,
        "input_tokens": usage.get("input_tokens"),
        "output_tokens": usage.get("output_tokens"),
        "cost_usd": usage.get("total_cost"),
        "latency_ms": seconds * 1000 if isinstance(seconds, int | float) else None,
    }
    if sample.get("error") is not None:
        message = str(sample.object("error").get("message") or "no message")
        return {**stated, "status": FAILED, "error_type": SAMPLE_ERROR, "error_message": message}
    choice = next(iter(output.objects("choices")), ForeignObject({}, sample.place))
    stop = choice.text("stop_reason")
    if stop == FILTERED:
        return {**stated, "status": REFUSED, "error_type": FILTERED, "error_message": f"stop_reason {stop}"}
    if log.scorer is not None:
        return {**stated, "answer": _extracted(sample, log.scorer)}
    answer = output.text("completion") or _text_in(choice.object("message"), "content")
    return {**stated, "answer": answer, "is_truncated": stop in ("max_tokens", "model_length")}


def _extracted(sample: ForeignObject, scorer: str) -> Any:
    scores = sample.object("scores")
    if scorer not in scores.values:
        raise UsageError(
            f"{sample.place}: no score of '{scorer}'; scorers: {', '.join(scores.values) or 'none'}",
            next_step="pass --scorer with one of them, or omit it to read the completion.",
        )
    return scores.object(scorer).get("answer")


def _text_in(item: ForeignObject, name: str) -> Any:
    """The text of a message, of its parts, or of an input of one message; other inputs are a list of role and text."""
    content = item.get(name)
    if content is None or isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise item.unexpected(name, "text or a list", content)
    parts = item.objects(name)
    if parts and "role" in parts[0].values:
        return _text_of_messages(parts)
    return "".join(part.text("text") or "" for part in parts if part.get("type") == "text")


def _text_of_messages(messages: Sequence[ForeignObject]) -> Any:
    if len(messages) == 1:
        return _text_in(messages[0], "content")
    return [{"role": message.get("role"), "content": _text_in(message, "content")} for message in messages]
