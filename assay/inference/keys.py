"""Keys that recognise a repeat, and ids that name what happened.

Only how keys are built belongs here; keyed hashes of personal values come from `guards`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence

import orjson

KEY_CHARACTERS = 32
ID_BYTES = 16
DRAWN_AT_ONCE = 256

_fresh: list[str] = []
"""Ids drawn from the system's random source and not used yet: asking it for each would cost a call."""
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
    """The content key of a request: equal for equal questions after an equal history, whichever run asks.

    The inference version is that of the task with its variant applied, so it carries the variant's content.
    """
    said = [message[name] for message in history for name in ("role", "content")]
    return content_hash(inference_version, record_id, input_hash, epoch, tenant_id, *said)


def prediction_id(run_id: str, key: str) -> str:
    """The occurrence id of the answer to a request within a run."""
    return content_hash(run_id, key)


def score_id(prediction: str, scorer: str, scorer_version: str) -> str:
    """The id of a deterministic scorer's judgement: judging again replaces it."""
    return content_hash(prediction, scorer, scorer_version)


def opinion_id(prediction: str, scorer: str, scorer_version: str, *, juror: str, judge_epoch: int) -> str:
    """The id of what a juror said in one of its epochs: asking again replaces it."""
    return content_hash(prediction, scorer, scorer_version, juror, judge_epoch)


def judge_key(*, scorer_version: str, juror: str, judge_epoch: int, answer_key: str, output: str) -> str:
    """The content key of a question to a judge: equal for equal answers to equal requests, whichever run asks."""
    return content_hash("judge", scorer_version, juror, judge_epoch, answer_key, output)


def new_id() -> str:
    """A fresh id for a run, a call or a trace: 128 random bits, made before the thing happens, never reused."""
    if not _fresh:
        drawn = os.urandom(ID_BYTES * DRAWN_AT_ONCE).hex()
        _fresh.extend(drawn[start : start + 2 * ID_BYTES] for start in range(0, len(drawn), 2 * ID_BYTES))
    return _fresh.pop()


def content_hash(*parts: str | int) -> str:
    """A hash over the parts, unambiguous in their order and bounds."""
    return hashlib.sha256(orjson.dumps(parts)).hexdigest()[:KEY_CHARACTERS]
