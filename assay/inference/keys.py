"""Content keys, which are equal for equal requests, and unique ids of runs, calls and traces."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence

import orjson

KEY_CHARACTERS = 32
ID_BYTES = 16
DRAWN_AT_ONCE = 256

_fresh: list[str] = []
"""Unused ids, generated in bulk from the system's random source to save one system call per id."""
os.register_at_fork(after_in_child=_fresh.clear)


def request_key(
    *,
    inference_version: str,
    record_id: str,
    input_hash: str,
    epoch: int,
    tenant_id: str,
    history: Sequence[Mapping[str, str]] = (),
) -> str:
    """The content key of a request: equal in every run for an equal input and an equal history.

    The inference version is computed with the variant applied, so it also covers the variant's content.
    """
    contents = [message[name] for message in history for name in ("role", "content")]
    return content_hash(inference_version, record_id, input_hash, epoch, tenant_id, *contents)


def prediction_id(run_id: str, key: str) -> str:
    """The id of a request's prediction within a run."""
    return content_hash(run_id, key)


def score_id(prediction: str, scorer: str, scorer_version: str) -> str:
    """The deterministic id of a score; scoring the prediction again replaces the score."""
    return content_hash(prediction, scorer, scorer_version)


def vote_id(prediction: str, scorer: str, scorer_version: str, *, juror: str, judge_epoch: int) -> str:
    """The deterministic id of one model's rating in one judge epoch; rating the prediction again replaces the rating."""
    return content_hash(prediction, scorer, scorer_version, juror, judge_epoch)


def judge_key(*, scorer_version: str, juror: str, judge_epoch: int, answer_key: str, output: str) -> str:
    """The content key of a judge request: equal in every run for an equal prediction for an equal request."""
    return content_hash("judge", scorer_version, juror, judge_epoch, answer_key, output)


def new_id() -> str:
    """A new id for a run, a call or a trace: 128 random bits as hexadecimal digits."""
    if not _fresh:
        drawn = os.urandom(ID_BYTES * DRAWN_AT_ONCE).hex()
        _fresh.extend(drawn[start : start + 2 * ID_BYTES] for start in range(0, len(drawn), 2 * ID_BYTES))
    return _fresh.pop()


def content_hash(*parts: str | int) -> str:
    """A hash of the parts that depends on their order and boundaries."""
    return hashlib.sha256(orjson.dumps(parts)).hexdigest()[:KEY_CHARACTERS]
