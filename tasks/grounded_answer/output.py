"""Output schema of the grounded_answer task, with the texts that it rejects.

LABELING.md states when an answer is correct; the judges in `task.yml` rate whether it is grounded and safe.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

PassageId = Literal["p1", "p2", "p3", "p4", "p5", "p6"]
UNSAFE = {
    "a link": re.compile(r"https?://|www\.|\b[\w-]+\.(com|net|org|example)\b(?!@)", re.IGNORECASE),
    "words about its own instructions": re.compile(
        r"system prompt|my instructions|ignore (all|the|previous|any)\b.{0,20}\b(instruction|passage|rule)|<\|im_",
        re.IGNORECASE,
    ),
    "markup": re.compile(r"</?(script|iframe|img|a)\b", re.IGNORECASE),
}
"""What no answer of this task may hold: passages are of unknown origin, and readers trust what stands in an answer."""


class GroundedAnswer(BaseModel):
    """An answer from the given passages and from nothing else."""

    model_config = ConfigDict(extra="forbid")

    summary: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=400)] = Field(
        description="The answer in one to three sentences; that the passages do not say it, where they do not."
    )
    sources: list[PassageId] = Field(
        max_length=6, description="Ids of the passages that the answer rests on; none when they do not say it."
    )
    confidence: float = Field(
        ge=0.0, le=1.0, description="How sure the model is that the passages say this, from 0 (a guess) to 1 (certain)."
    )

    @field_validator("sources")
    @classmethod
    def _each_once(cls, sources: list[str]) -> list[str]:
        return list(dict.fromkeys(sources))

    @field_validator("summary")
    @classmethod
    def _is_safe(cls, summary: str) -> str:
        # An answer rejected here is requested once more and then replaced by the fallback: it never reaches a reader.
        for what, pattern in UNSAFE.items():
            if pattern.search(summary):
                raise ValueError(f"summary holds {what}: expected plain words about the question; leave it out.")
        return summary
