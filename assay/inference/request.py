"""What the engine is given and what it gives back.

Only the shapes belong here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from assay.records import Content, Prediction, Response


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """What all rows of one run share."""

    run_id: str
    task: str
    data_date: date
    variant: str
    stage: str
    inference_version: str
    masking_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One record asked once; `fields` are masked, `key` is its content key."""

    record_id: str
    position: int
    epoch: int
    key: str
    fields: Mapping[str, str]
    input_hash: str
    tenant_id: str
    subject_key: str | None


@dataclass(frozen=True, slots=True)
class Answered:
    """The final answer to a request with the rows of its calls; no prediction where the run was stopped over it."""

    prediction: Prediction | None
    responses: tuple[Response, ...] = ()
    contents: tuple[Content, ...] = ()
