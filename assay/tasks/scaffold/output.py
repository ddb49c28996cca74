"""The answer: the model is made to keep this schema, and its answer is checked against it."""

from typing import Literal

from pydantic import BaseModel, ConfigDict


class Answer(BaseModel):
    """One label for one text."""

    model_config = ConfigDict(extra="forbid")

    label: Literal["question", "complaint", "praise"]
