"""A turn of a conversation, and where turns are kept: a small Protocol.

A store may lose turns and says so; it never makes one up. Texts are masked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Talk:
    """One conversation, asked for the `epoch`-th time; `key` is the keyed hash of its id and tenant."""

    key: str
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PastTurn:
    """A turn that was asked: the user message as it was sent, and the answer's JSON, empty where it has no answer.

    `answered_at` is when that was final, in seconds since 1970 UTC.
    """

    number: int
    question: str
    answer: str
    answered_at: float


class ConversationStore(Protocol):
    """Answered turns by conversation."""

    async def load(self, talk: Talk) -> Sequence[PastTurn]:
        """Turns of the conversation that are kept, in their order."""
        ...

    async def append(self, talk: Talk, turn: PastTurn) -> None:
        """The turn is kept; it takes the place of an earlier answer to the same turn."""
        ...

    async def close(self) -> None:
        """The store is let go."""
        ...
