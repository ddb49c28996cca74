"""The output schema: it is sent with each request, and each response is validated against it."""

from typing import Literal

from pydantic import BaseModel, ConfigDict


class Answer(BaseModel):
    """One label for one text."""

    model_config = ConfigDict(extra="forbid")

    label: Literal["question", "complaint", "praise"]
