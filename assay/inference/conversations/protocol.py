"""A turn of a conversation, and the Protocol of a store of turns.

A store may lose turns, which it reports; it never returns a turn that was not stored. Texts are masked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ConversationId:
    """One conversation in one epoch; `key` is the keyed hash of its id and tenant."""

    key: str
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PastTurn:
    """An earlier turn: `question` is the user message as sent; `answer` is the output as JSON, empty if not valid.

    `answered_at` is the time of the prediction, in Unix seconds.
    """

    number: int
    question: str
    answer: str
    answered_at: float


class ConversationStore(Protocol):
    """Stores and finds the turns of conversations."""

    async def load(self, talk: ConversationId) -> Sequence[PastTurn]:
        """The stored turns of the conversation, in order."""
        ...

    async def append(self, talk: ConversationId, turn: PastTurn) -> None:
        """Stores the turn; it replaces an earlier version of the same turn."""
        ...

    async def close(self) -> None:
        """Closes the store."""
        ...
