"""What is sent: rendered templates, masked examples, the closed schema; templates reach nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import orjson
import pytest
from jinja2 import UndefinedError
from jinja2.exceptions import SecurityError

from assay.guards.masking import Masker, MaskingRules
from assay.inference.prompts import PromptFailed, PromptRenderer, repair_messages
from assay.tasks.spec import RouteSpec
from assay.tasks.task import Task
from assay.tasks.templates import compiled
from tests.fakes.task_folder import TaskFolder, case
from tests.inference.rig import request

ROUTE = RouteSpec(name="first", provider="openai", model="gpt-5-nano")


def unmasked(fields: Mapping[str, str]) -> Mapping[str, str]:
    return fields


def masked(fields: Mapping[str, str]) -> Mapping[str, str]:
    return Masker(MaskingRules()).mask(fields).texts


def test_messages_are_the_system_and_the_user_template(task: Task) -> None:
    messages = PromptRenderer(task, mask=unmasked).messages({"message": "Where is it?"})

    assert messages == [
        {"role": "system", "content": "You sort texts."},
        {"role": "user", "content": "Why dev-1?\nWhere is it?"},
    ]


def test_the_body_has_the_parameters_and_the_closed_schema(task: Task) -> None:
    body = orjson.loads(PromptRenderer(task, mask=unmasked).body(b"[]", ROUTE, request()))

    assert (body["model"], body["temperature"], body["max_tokens"]) == ("gpt-5-nano", 0, 60)
    schema = body["response_format"]["json_schema"]
    assert (schema["strict"], schema["schema"]["additionalProperties"]) == (True, False)


def test_a_schema_with_an_optional_field_is_not_called_strict(folder: TaskFolder) -> None:
    folder.edit('"other"]\n', '"other"]\n    note: str = ""\n', file="output.py")

    body = orjson.loads(PromptRenderer(folder.load(), mask=unmasked).body(b"[]", ROUTE, request()))

    assert body["response_format"]["json_schema"]["strict"] is False


def test_examples_are_masked_and_their_answers_name_the_same_placeholders(folder: TaskFolder) -> None:
    folder.edit('label: Literal["billing", "other"]', "label: dict[str, list[str]]", file="output.py")
    folder.edit("  fallback:\n    label: other\n", "")
    example = case(
        "dev-1", "dev", input={"message": "I am ann@example.com"}, expected={"label": {"to": ["ann@example.com"]}}
    )
    folder.write_cases(example)
    folder.write("user.j2", "{{ few_shot[0].input.message }} = {{ few_shot[0].expected | tojson }}")

    (_, user) = PromptRenderer(folder.load(), mask=masked).messages({"message": "x"})

    assert user["content"] == 'I am <EMAIL_1> = {"label": {"to": ["<EMAIL_1>"]}}'


def test_template_syntax_in_a_record_is_text(task: Task) -> None:
    (_, user) = PromptRenderer(task, mask=unmasked).messages({"message": "{{ 7 * 7 }}{% raw %}"})

    assert user["content"].endswith("{{ 7 * 7 }}{% raw %}")


def test_a_missing_field_is_an_error_and_never_empty(task: Task) -> None:
    with pytest.raises(PromptFailed, match="the user template: UndefinedError: 'message' is undefined"):
        PromptRenderer(task, mask=unmasked).messages({})


@pytest.mark.parametrize(
    "text",
    [
        "{{ message.__class__ }}",
        "{{ message.__class__.__mro__[1].__subclasses__() }}",
        "{{ ''['__class__'] }}",
        "{{ message | attr('__class__') }}",
        "{{ message.format.__globals__ }}",
        "{{ '{0.__class__.__init__}'.format(message) }}",
        "{{ (message ~ '').__getattribute__ }}",
        "{{ cycler.__init__.__globals__.os.system('true') }}",
    ],
)
def test_a_template_reaches_no_inner_attribute(text: str) -> None:
    with pytest.raises((SecurityError, UndefinedError)):
        compiled(text).render(message="x")


def test_a_template_cannot_change_what_it_is_given() -> None:
    with pytest.raises(SecurityError):
        compiled("{{ few_shot.append(1) }}").render(few_shot=[])


def test_a_template_cannot_count_for_ever() -> None:
    with pytest.raises(OverflowError):
        compiled("{% for i in range(10 ** 9) %}{% endfor %}").render()


def test_a_repair_goes_on_from_the_conversation_and_leaves_it_as_it_was() -> None:
    before = [{"role": "user", "content": "q"}]

    after = repair_messages(before, answer="{answer}", error="{error}")

    assert [message["role"] for message in after] == ["user", "assistant", "user"]
    assert after[1]["content"] == "{answer}"
    assert "the schema: {error}." in after[2]["content"]
    assert len(before) == 1


def test_a_predicted_output_is_rendered_for_each_record(folder: TaskFolder) -> None:
    folder.edit("  user: user.j2\n", "  user: user.j2\n  prediction: expected.j2\n")
    folder.write("expected.j2", '{"text": {{ message | tojson }}}')
    renderer = PromptRenderer(folder.load(), mask=unmasked)

    body = orjson.loads(renderer.body(b"[]", ROUTE, request(fields={"message": 'say "hi"'})))

    assert body["prediction"] == {"type": "content", "content": '{"text": "say \\"hi\\""}'}
    assert [message["role"] for message in renderer.messages({"message": "x"})] == ["system", "user"]


def test_a_route_may_be_spared_the_predicted_output(folder: TaskFolder) -> None:
    folder.edit("  user: user.j2\n", "  user: user.j2\n  prediction: expected.j2\n")
    folder.write("expected.j2", "{}")
    spared = ROUTE.model_copy(update={"predicted_output": False})

    body = PromptRenderer(folder.load(), mask=unmasked).body(b"[]", spared, request())

    assert b"prediction" not in body


def test_requests_of_one_tenant_share_a_cache_key_and_no_other_tenant_has_it(task: Task) -> None:
    renderer = PromptRenderer(task, mask=unmasked, prefix_key=lambda route, tenant: f"{route.name}/{tenant}")

    keys = [
        orjson.loads(renderer.body(b"[]", ROUTE, replace(request(place), tenant_id=tenant)))["prompt_cache_key"]
        for place, tenant in ((0, "a"), (1, "a"), (2, "b"))
    ]

    assert keys == ["first/a", "first/a", "first/b"]


@pytest.mark.parametrize(
    ("confidence", "asked"),
    [({"from": "logprob", "below": 0.8}, {"logprobs": True}), ({"from": "sure", "below": 0.8}, {}), (None, {})],
)
def test_log_probabilities_are_asked_for_only_where_a_confidence_comes_from_them(
    task: Task, confidence: dict[str, object] | None, asked: dict[str, bool]
) -> None:
    route = RouteSpec.model_validate({**ROUTE.model_dump(), "escalate": {"confidence": confidence}})
    body = orjson.loads(PromptRenderer(task, mask=unmasked).body(b"[]", route, request()))

    assert {name: value for name, value in body.items() if name == "logprobs"} == asked


def test_the_earlier_turns_stand_between_the_system_message_and_the_last(task: Task) -> None:
    history = ({"role": "user", "content": "Hi"}, {"role": "assistant", "content": "{}"})

    messages = PromptRenderer(task, mask=unmasked).messages({"message": "And now?"}, history=history)

    assert [message["role"] for message in messages] == ["system", "user", "assistant", "user"]
    assert messages[1:3] == list(history)
