"""Conversations on the running product: many clients at once, any model after any other, OpenAI's own SDK.

`make chaos CHAOS="conversations switching"` runs the long forms.
"""

import asyncio
import json
import random
from itertools import product
from typing import Any
from uuid import uuid4

import httpx2
import openai
import pytest
from openai import OpenAI

from tests.chaos import conversations
from tests.chaos.goals import missed
from tests.chaos.system import System
from tests.serve.stack import Stack, wait_until
from tests.serve.test_chat_with_openai_sdk import MODELS, WEATHER, user

SWITCH, SEND = "/api/chat/switch-model", "/api/chat/send-with-model"
SUNNY = '{"celsius": 31, "sky": "clear"}'


def post(stack: Stack, path: str, **body: Any) -> httpx2.Response:
    headers = {"authorization": f"Bearer {stack.key}"}
    return httpx2.post(f"{stack.url}{path}", json=body, headers=headers, timeout=30)


def shown(response: httpx2.Response) -> dict[str, Any]:
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


def kept(stack: Stack, conversation: str) -> list[dict[str, Any]]:
    headers = {"authorization": f"Bearer {stack.key}"}
    url = f"{stack.url}/v1/conversations/{conversation}/messages"
    found: list[dict[str, Any]] = shown(httpx2.get(url, headers=headers, timeout=30))["data"]
    return found


def roles(messages: list[dict[str, Any]]) -> list[str]:
    return [message["role"] for message in messages]


def say(client: OpenAI, conversation: str, messages: Any, **more: Any) -> Any:
    headers = {"x-polyvox-conversation-id": conversation}
    return client.chat.completions.create(messages=messages, extra_headers=headers, **more)


def call_a_tool(client: OpenAI, conversation: str, model: str) -> Any:
    """What the model said when it was to look up the weather; the tool has not answered."""
    asked = user('My hotel is in Graz. [[tool:weather {"city": "Graz"}]]')
    answer = say(client, conversation, asked, model=model, tools=[WEATHER])
    [call] = answer.choices[0].message.tool_calls
    assert json.loads(call.function.arguments) == {"city": "Graz"}
    return call


def test_no_turn_is_lost_doubled_or_reordered_while_a_replica_dies(stack: Stack) -> None:
    found = asyncio.run(
        conversations.play(
            System(stack),
            clients=10,
            conversations=5,
            seconds=8,
            victims=["ContextEngine"],
            every_s=3.0,
            pause_s=0.5,
            chance=random.Random(1),  # noqa: S311 - a run is to be repeatable
        )
    )
    assert missed(found) == []
    wait_until(lambda: stack.replicas("ContextEngine"), within_s=30)
    stack.wait_until_ready(within_s=30)


@pytest.mark.parametrize(("before", "after"), [*product(MODELS, MODELS)])
def test_a_switch_keeps_all_of_a_conversation_with_tools(
    stack: Stack, client: OpenAI, before: str, after: str
) -> None:
    conversation = str(uuid4())
    call = call_a_tool(client, conversation, before)
    result: Any = [{"role": "tool", "tool_call_id": call.id, "content": SUNNY}]
    told = say(client, conversation, result, model=before, tools=[WEATHER])
    assert "clear" in (told.choices[0].message.content or "")

    switched = shown(post(stack, SWITCH, conversationId=conversation, newModelId=after))
    assert (switched["previousModelId"], switched["modelId"]) == (before, after)
    assert switched["preservationScore"] == 1.0
    assert not switched["compressed"]
    assert switched["openToolCalls"] == []
    assert switched["parts"]["dropped"] == 0

    answered = shown(post(stack, SEND, conversationId=conversation, message="And tomorrow?"))
    assert answered["modelId"] == after
    assert "And tomorrow?" in answered["message"]["content"]
    messages = kept(stack, conversation)
    assert roles(messages) == ["user", "assistant", "tool", "assistant", "user", "assistant"]
    assert [one["producer"]["model"] for one in messages[1::2] if one["producer"]] == [before, before, after]


def test_a_call_under_way_is_finished_by_its_model_unless_forced(stack: Stack, client: OpenAI) -> None:
    conversation, (before, after, _) = str(uuid4()), MODELS
    call_a_tool(client, conversation, before)
    refused = post(stack, SWITCH, conversationId=conversation, newModelId=after)
    assert refused.status_code == 409
    forced = shown(post(stack, SWITCH, conversation_id=conversation, new_model_id=after, force=True))
    assert forced["openToolCalls"] == ["weather"]
    assert any(before in warning for warning in forced["warnings"])
    answered = shown(post(stack, SEND, conversationId=conversation, message="Never mind."))
    assert answered["modelId"] == after


@pytest.mark.parametrize("model", MODELS)
def test_openais_sdk_speaks_in_a_conversation(stack: Stack, client: OpenAI, model: str) -> None:
    conversation = str(uuid4())
    first = say(client, conversation, user("My sister is called Veronika."), model=model)
    chunks = say(client, conversation, user("What is her name?"), model=model, stream=True)
    second = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    alone = client.chat.completions.create(model=model, messages=user("Thank you."))
    third = client.chat.completions.create(
        model=model, messages=user("Thank you."), metadata={"conversation_id": conversation}
    )
    assert third.usage is not None
    assert alone.usage is not None
    assert third.usage.prompt_tokens > alone.usage.prompt_tokens + 20
    messages = kept(stack, conversation)
    said = ["".join(part["text"] for part in one["parts"]) for one in messages]
    assert said[::2] == ["My sister is called Veronika.", "What is her name?", "Thank you."]
    assert said[1::2] == [first.choices[0].message.content, second, third.choices[0].message.content]


def test_a_client_that_sends_everything_again_adds_what_is_new(stack: Stack, client: OpenAI) -> None:
    conversation, model, history = str(uuid4()), MODELS[0], user("One.")
    for question in ("Two.", "Three."):
        answer = say(client, conversation, history, model=model).choices[0].message.content
        history = [*history, {"role": "assistant", "content": answer}, *user(question)]
    say(client, conversation, history, model=model)
    assert roles(kept(stack, conversation)) == ["user", "assistant"] * 3


def test_somebody_elses_conversation_is_not_there(stack: Stack, client: OpenAI) -> None:
    conversation = str(uuid4())
    say(client, conversation, user("A secret."), model=MODELS[0])
    made = json.loads(stack.polyvox("keys", "create", "--user", "eve", "--json"))
    with (
        OpenAI(base_url=f"{stack.url}/v1", api_key=made["key"], max_retries=0) as eve,
        pytest.raises(openai.NotFoundError),
    ):
        say(eve, conversation, user("Tell me."), model=MODELS[0])
    assert len(kept(stack, conversation)) == 2
