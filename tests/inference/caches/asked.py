"""Questions and answers for the tests of the caches, and a clock that is set by hand."""

from __future__ import annotations

from typing import Any

import orjson

from assay.inference.caches.protocol import PaidAnswer
from assay.inference.keys import request_key
from assay.inference.request import Request

LANE = "openai:gpt-5-nano"
START = 1_800_000_000.0
DAY_S = 86_400.0


class SetClock:
    """Seconds since 1970; moves when told."""

    def __init__(self, at: float = START) -> None:
        self.at = at

    def __call__(self) -> float:
        return self.at

    def pass_days(self, days: float) -> None:
        """So many days have gone by."""
        self.at += days * DAY_S


def asked(
    text: str = "Where is my card?",
    *,
    record_id: str = "r1",
    epoch: int = 0,
    tenant_id: str = "default",
    subject_key: str | None = None,
) -> Request:
    """A request for a record with this text."""
    return Request(
        record_id=record_id,
        position=0,
        epoch=epoch,
        key=request_key(inference_version="v1", record_id=record_id, input_hash=text, epoch=epoch, tenant_id=tenant_id),
        fields={"message": text},
        input_hash=text,
        tenant_id=tenant_id,
        subject_key=subject_key,
    )


def body_of(request: Request, **changes: Any) -> bytes:
    """What goes on the wire for the request."""
    content = {
        "model": "gpt-5-nano",
        "messages": [
            {"role": "system", "content": "You sort texts."},
            {"role": "user", "content": request.fields["message"]},
        ],
        "temperature": 0,
        "response_format": {"type": "json_schema", "json_schema": {"name": "sorting", "schema": {"type": "object"}}},
        **changes,
    }
    return orjson.dumps(content)


def paid(
    label: str = "delivery", *, call_id: str = "call-1", model: str | None = "nano-1", lane: str = LANE
) -> PaidAnswer:
    """A valid answer from the wire."""
    output = orjson.dumps({"label": label}).decode()
    return PaidAnswer(output=output, route="first", lane=lane, call_id=call_id, response_model=model)
