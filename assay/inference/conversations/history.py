"""Builds the conversation history that is sent with a turn."""

from __future__ import annotations

from collections.abc import Iterable

import orjson
from pydantic import BaseModel

from assay.guards.masking import of_turn
from assay.inference.conversations.protocol import PastTurn
from assay.inference.validation import Valid, validate

Message = dict[str, str]


class History:
    """The turns of one conversation, each with its latest prediction.

    `before` must be called with ascending turn numbers, because it drops turns that are no longer needed.
    """

    def __init__(self, turns: Iterable[PastTurn] = (), *, keep: int) -> None:
        self._keep = keep
        self._turns: dict[int, PastTurn] = {}
        for turn in turns:
            known = self._turns.get(turn.number)
            if known is None or known.answered_at <= turn.answered_at:
                self._turns[turn.number] = turn

    def add(self, turn: PastTurn) -> None:
        """Adds a turn, or replaces an earlier version of it."""
        self._turns[turn.number] = turn

    def before(self, number: int) -> list[Message]:
        """The user and assistant messages of the last `keep` turns before turn `number` that have a prediction.

        Placeholders for personal values are renamed to include their turn, e.g. `<EMAIL_1_OF_TURN_3>`.
        """
        earlier = sorted(known for known, turn in self._turns.items() if known < number and turn.answer)
        for forgotten in earlier[: -self._keep]:
            del self._turns[forgotten]
        return [message for known in earlier[-self._keep :] for message in _messages(self._turns[known])]


def answer_text(output: str, model: type[BaseModel]) -> str:
    """The output as JSON, with its fields in the order of the output model.

    The warehouse may return fields in a different order; equal outputs must still give equal texts, because the content
    key of a request includes its history.
    """
    found = validate(output, model)
    if isinstance(found, Valid):
        return orjson.dumps(found.output).decode()
    return orjson.dumps(orjson.loads(output), option=orjson.OPT_SORT_KEYS).decode()


def _messages(turn: PastTurn) -> tuple[Message, Message]:
    return (
        {"role": "user", "content": of_turn(turn.question, turn.number)},
        {"role": "assistant", "content": of_turn(turn.answer, turn.number)},
    )
