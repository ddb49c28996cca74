"""Output schema of the support_triage task.

LABELING.md states when a label applies; the instructions for the model are in prompts/.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

Intent = Literal[
    "billing",
    "refund",
    "delivery",
    "account_access",
    "technical_problem",
    "cancellation",
    "product_question",
    "other",
]
Urgency = Literal["low", "normal", "high"]


class Triage(BaseModel):
    """One support message, sorted for the team that will answer it."""

    model_config = ConfigDict(extra="forbid")

    intent: Intent = Field(description="What the customer wants done first.")
    urgency: Urgency = Field(
        description="high: harm or a deadline within two days; low: nothing is wrong or it can wait; normal: all else."
    )
    summary: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=160)] = Field(
        description="What the message says, in one line of at most 160 characters."
    )
    confidence: float = Field(
        ge=0.0, le=1.0, description="How sure the model is of the intent, from 0 (a guess) to 1 (certain)."
    )

    @field_validator("summary")
    @classmethod
    def _is_one_line(cls, summary: str) -> str:
        # A validator and not a pattern: grammars made from a schema drop the length limits beside a pattern.
        if len(summary.splitlines()) > 1:
            raise ValueError("summary has line breaks: expected one line; put it in one sentence.")
        return summary
