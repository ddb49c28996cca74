"""The history that a turn is asked with.

Which turns belong to it, and in which words, is decided here; where they come from does not matter.
"""

from __future__ import annotations

from collections.abc import Iterable

import orjson
from pydantic import BaseModel

from assay.guards.masking import of_turn
from assay.inference.conversations.protocol import PastTurn
from assay.inference.validation import Valid, validate

Message = dict[str, str]


class History:
    """Turns of one conversation, each as it was asked last; turns must be asked about in ascending order."""

    def __init__(self, turns: Iterable[PastTurn] = (), *, keep: int) -> None:
        self._keep = keep
        self._turns: dict[int, PastTurn] = {}
        for turn in turns:
            known = self._turns.get(turn.number)
            if known is None or known.answered_at <= turn.answered_at:
                self._turns[turn.number] = turn

    def add(self, turn: PastTurn) -> None:
        """The turn was asked now, whatever was known of it."""
        self._turns[turn.number] = turn

    def before(self, number: int) -> list[Message]:
        """What was said before the turn, the last `keep` answered turns of it: a user and an assistant message for each.

        Placeholders of personal details carry the turn they are of.
        """
        earlier = sorted(known for known, turn in self._turns.items() if known < number and turn.answer)
        for forgotten in earlier[: -self._keep]:
            del self._turns[forgotten]
        return [message for known in earlier[-self._keep :] for message in _said(self._turns[known])]


def answer_text(output: str, model: type[BaseModel]) -> str:
    """The answer's JSON in the order of the output model, whatever order a warehouse gives it back in.

    The same answer must be the same text, or a later run would take its history for another one.
    """
    found = validate(output, model)
    if isinstance(found, Valid):
        return orjson.dumps(found.output).decode()
    return orjson.dumps(orjson.loads(output), option=orjson.OPT_SORT_KEYS).decode()


def _said(turn: PastTurn) -> tuple[Message, Message]:
    return (
        {"role": "user", "content": of_turn(turn.question, turn.number)},
        {"role": "assistant", "content": of_turn(turn.answer, turn.number)},
    )
