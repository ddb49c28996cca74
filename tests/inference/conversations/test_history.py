"""What a turn is asked with."""

from __future__ import annotations

from pydantic import BaseModel

from assay.inference.conversations.history import History, answer_text
from assay.inference.conversations.protocol import PastTurn


def turn(number: int, answer: str = "yes", *, at: float = 0.0) -> PastTurn:
    return PastTurn(
        number=number, question=f"question {number}", answer=answer and f'"{answer} {number}"', answered_at=at
    )


def heard(history: History, number: int) -> list[str]:
    return [message["content"] for message in history.before(number)]


def test_turns_before_stand_in_their_order_question_and_answer() -> None:
    history = History([turn(3), turn(1), turn(2)], keep=10)
    assert history.before(3) == [
        {"role": "user", "content": "question 1"},
        {"role": "assistant", "content": '"yes 1"'},
        {"role": "user", "content": "question 2"},
        {"role": "assistant", "content": '"yes 2"'},
    ]


def test_the_latest_answer_to_a_turn_is_the_one_that_was_said() -> None:
    history = History([turn(1, "new", at=2.0), turn(1, "old", at=1.0)], keep=10)
    assert heard(history, 2)[1] == '"new 1"'
    history.add(turn(1, "now"))
    assert heard(history, 2)[1] == '"now 1"'


def test_a_turn_that_was_asked_without_an_answer_hides_an_earlier_answer() -> None:
    history = History([turn(1), turn(2)], keep=10)
    history.add(turn(1, ""))
    assert heard(history, 3) == ["question 2", '"yes 2"']


def test_only_the_last_turns_are_kept_and_those_without_an_answer_do_not_count() -> None:
    history = History(keep=2)
    for number, answer in enumerate(["yes", "yes", "yes", "", "yes"], start=1):
        assert len(history.before(number)) <= 4
        history.add(turn(number, answer))
    assert heard(history, 6)[::2] == ["question 3", "question 5"]


def test_placeholders_carry_the_turn_they_are_of() -> None:
    past = PastTurn(number=7, question="I am <EMAIL_1>", answer='{"to": "<EMAIL_1>"}', answered_at=0.0)
    assert heard(History([past], keep=1), 8) == ["I am <EMAIL_1_OF_TURN_7>", '{"to": "<EMAIL_1_OF_TURN_7>"}']


class Answer(BaseModel):
    reason: str
    label: str
    share: float


def test_an_answer_is_the_same_text_in_whatever_order_the_warehouse_gives_it() -> None:
    said = '{"reason":"r","label":"l","share":1.0}'
    assert answer_text(said, Answer) == answer_text('{"share": 1, "label": "l", "reason": "r"}', Answer) == said


def test_an_answer_that_the_model_does_not_take_is_kept_as_it_is() -> None:
    assert answer_text('{"b": 1, "a": 2}', Answer) == '{"a":2,"b":1}'
