"""Keys: a repeat has the same one however it is written, and whatever is not a repeat has another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest

from assay.inference.caches.keys import CacheKeys
from assay.inference.caches.provider_prompt import prompt_cache_key
from tests.inference.caches.asked import LANE, asked, body_of

KEYS = CacheKeys(b"k" * 32)
BODY = body_of(asked())
CHANGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "a word": lambda content: content["messages"][1].update(content="Where is my Card?"),
    "a space in a text": lambda content: content["messages"][1].update(content="Where is my card? "),
    "the role": lambda content: content["messages"][0].update(role="developer"),
    "the order of messages": lambda content: content["messages"].reverse(),
    "one message more": lambda content: content["messages"].append({"role": "user", "content": ""}),
    "the model": lambda content: content.update(model="gpt-5-mini"),
    "a number": lambda content: content.update(temperature=1),
    "a parameter's type": lambda content: content.update(temperature="0"),
    "one parameter more": lambda content: content.update(seed=None),
    "one parameter less": lambda content: content.pop("temperature"),
    "the schema": lambda content: content["response_format"]["json_schema"]["schema"].update(required=[]),
}


def entry(body: bytes = BODY, *, keys: CacheKeys = KEYS, lane: str = LANE, **of: Any) -> bytes:
    return keys.entry(asked(**of), body, lane=lane)


def parts_of(body: bytes, keys: CacheKeys = KEYS) -> dict[str, str]:
    """What explains a miss of the body."""
    return keys.parts(body).messages | keys.frame_parts(body)


def changed(change: Callable[[dict[str, Any]], object]) -> bytes:
    content = orjson.loads(BODY)
    change(content)
    return orjson.dumps(content)


def test_the_order_of_names_and_the_space_between_them_do_not_matter() -> None:
    content = orjson.loads(BODY)
    turned = {name: content[name] for name in reversed(content)}
    turned["messages"] = [dict(reversed(message.items())) for message in turned["messages"]]
    written = orjson.dumps(turned, option=orjson.OPT_INDENT_2)
    assert written != BODY
    assert entry(written) == entry()


@pytest.mark.parametrize("name", CHANGES)
def test_any_other_change_of_the_body_is_another_question(name: str) -> None:
    assert entry(changed(CHANGES[name])) != entry()


def test_the_record_does_not_matter_but_tenant_epoch_and_lane_do() -> None:
    assert entry(record_id="r2", subject_key="s") == entry()
    keys = {entry(), entry(tenant_id="t"), entry(epoch=1), entry(lane="other:gpt-5-nano")}
    assert len(keys) == 4


def test_parts_that_read_alike_when_joined_make_different_keys() -> None:
    assert entry(tenant_id="a", lane="bc") != entry(tenant_id="ab", lane="c")
    assert KEYS.named("a", "bc") != KEYS.named("ab", "c")
    assert KEYS.named("trace", 1) != KEYS.named("trace", "1")


def test_a_key_stays_right_when_there_have_been_more_tenants_than_are_remembered() -> None:
    keys = CacheKeys(b"k" * 32)
    for number in range(10_002):
        keys.entry(asked(tenant_id=f"t{number}"), BODY, lane=LANE)
    assert entry(keys=keys) == entry()
    assert len(keys._scopes) < 10_000


def test_who_does_not_know_the_secret_can_make_neither_key_nor_seal_nor_part() -> None:
    other = CacheKeys(b"K" * 32)
    assert entry(keys=other) != entry()
    assert other.mac(b"key", b"value") != KEYS.mac(b"key", b"value")
    mine, theirs = (parts_of(BODY, keys) for keys in (KEYS, other))
    assert mine.keys() == theirs.keys()
    assert not mine.items() & theirs.items()


def test_an_empty_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="hash key is empty"):
        CacheKeys(b"")


def test_a_seal_is_over_the_value_and_its_key() -> None:
    seals = {KEYS.mac(b"a" * 20, b"v"), KEYS.mac(b"a" * 20, b"w"), KEYS.mac(b"b" * 20, b"v")}
    assert len(seals) == 3


def test_parts_name_every_message_and_parameter_and_hide_what_they_say() -> None:
    parts = parts_of(BODY)
    assert parts.keys() == {
        "model", "message 1 (system)", "message 2 (user)", "parameter temperature", "output schema",
    }  # fmt: skip
    assert not any("card" in hashed for hashed in parts.values())


@pytest.mark.parametrize(
    ("name", "part"),
    [("a word", "message 2 (user)"), ("the model", "model"), ("a number", "parameter temperature"), ("the schema", "output schema")],
)  # fmt: skip
def test_only_the_part_that_changed_has_another_hash(name: str, part: str) -> None:
    before, after = (parts_of(body) for body in (BODY, changed(CHANGES[name])))
    assert {name for name in before if before[name] != after[name]} == {part}


@pytest.mark.parametrize("text", ['a },{"role":"system" b', '"}]', '[{"role":', '\\"},{"role":"', ""])
def test_a_text_that_looks_like_the_end_of_a_message_is_one_part_of_it(text: str) -> None:
    roles, before = ["system", "user"], parts_of(BODY)
    after = parts_of(body_of(asked(text)))
    names = [f"message {number} ({role})" for number, role in enumerate(roles, start=1)]
    assert [name for name in after if name.startswith("message")] == names
    assert before[names[0]] == after[names[0]]


def test_a_message_has_the_same_part_whether_others_follow_or_not() -> None:
    content = orjson.loads(BODY)
    content["messages"].append({"role": "assistant", "content": "Yes."})
    longer = parts_of(orjson.dumps(content))
    assert longer.items() >= parts_of(BODY).items()
    assert longer.keys() - parts_of(BODY).keys() == {"message 3 (assistant)"}


@pytest.mark.parametrize("messages", [None, [], "text", [1, 2], [{"content": "no role"}]])
def test_messages_that_are_none_have_parts_that_break_nothing(messages: object) -> None:
    assert parts_of(orjson.dumps({"model": "m", "messages": messages}))["model"]


def test_the_providers_prompt_cache_is_shared_by_one_tenants_requests_of_one_version_only() -> None:
    def key(**changes: str) -> str:
        return prompt_cache_key(b"s" * 32, **{"task": "t", "inference_version": "v", "tenant_id": "acme", **changes})

    assert key() == key()
    assert len({key(), key(task="u"), key(inference_version="w"), key(tenant_id="other")}) == 4
    assert prompt_cache_key(b"S" * 32, task="t", inference_version="v", tenant_id="acme") != key()
    assert "acme" not in key() and len(key()) == 32
