"""One conversation and any model, as a client sees it: the routes of switching and sending, and OpenAI's."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from deployments.api.app import Api
from deployments.api.exchange import REQUEST_ID, Receive, Scope, Send
from models.chat import (
    ChatResponse,
    Completed,
    Finished,
    Part,
    Started,
    Text,
    TextDelta,
    ToolCall,
    Usage,
)
from models.conversations import InMemoryConversations, Owner, new_conversation
from models.doubles import InMemoryLedger, Script, ScriptedProviders, in_memory_context, play
from models.gateway import Gateway, Timeouts
from models.identity import Principal
from models.model_router import ModelRouter
from models.open_calls import OpenCalls
from models.providers.call import ProviderCall
from models.routing.router import RuleRouter
from tests.asgi import Client, Response
from tests.unit.context_engine.scene import (
    ANN,
    BOB,
    CLAUDE,
    GPT,
    TINY_GPT,
    call,
    catalog,
    message,
    said,
    talk,
    user,
    words,
)

CATALOG = catalog()
SWITCH, SEND, CHAT = "/api/chat/switch-model", "/api/chat/send-with-model", "/v1/chat/completions"
USAGE = Usage(input=100, cache_read=20, output=10, reasoning=4)


def whole(*parts: Part) -> Callable[[ProviderCall], Script]:
    return play([Completed(ChatResponse(id="i", model="m", parts=parts, finish="stop", usage=USAGE))])


def streamed(*texts: str) -> Callable[[ProviderCall], Script]:
    return play([Started("i", "m")], *([TextDelta(text)] for text in texts), [Finished("stop", USAGE)])


class Keys:
    """A key is named after who it is of."""

    async def authenticate(self, presented: str) -> Principal:
        owner = {"ann": ANN, "bob": BOB}[presented]
        return Principal("k", str(owner.user_id), owner.tenant_id)


class Stage:
    def __init__(self, script: Callable[[ProviderCall], Script] | None = None) -> None:
        self.providers = ScriptedProviders(script or whole(Text("Hello")))
        self.store = InMemoryConversations()
        available = frozenset(CATALOG.models) - {"gemini-2.5-pro"}
        gateway = Gateway(
            catalog=CATALOG,
            available=available,
            providers=self.providers,
            router=ModelRouter(RuleRouter(CATALOG, available)),
            context=in_memory_context(CATALOG, store=self.store),
            calls=OpenCalls(InMemoryLedger()),
            timeouts=Timeouts(),
        )
        self.api = Api(gateway, Keys(), unready=self._unready)
        self.id = str(uuid4())
        self.requests = 0

    async def begin(self, *messages: Any) -> None:
        await self.store.create(ANN, new_conversation([said(one) for one in messages], id=self.id))

    async def post(
        self, path: str, body: dict[str, Any], *, key: str = "ann", headers: dict[str, str] | None = None
    ) -> Response:
        return await Client(self._numbered, key=key).request("POST", path, body, headers=headers)

    async def _numbered(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.requests += 1
        await self.api({**scope, REQUEST_ID: f"req_{self.requests}"}, receive, send)

    async def send(self, *, key: str = "ann", **body: Any) -> Response:
        return await self.post(SEND, {"conversationId": self.id, "message": "hi", **body}, key=key)

    async def switch(self, *, key: str = "ann", **body: Any) -> Response:
        return await self.post(SWITCH, {"conversationId": self.id, "newModelId": CLAUDE, **body}, key=key)

    async def kept(self, owner: Owner = ANN) -> list[str]:
        return words(await self.store.path(await self.store.get(owner, self.id)))

    def sent(self) -> list[str]:
        return words(self.providers.calls[-1].request.messages)

    async def _unready(self) -> dict[str, str]:
        return {}


async def test_a_message_is_answered_with_the_conversation_behind_it() -> None:
    stage = Stage()
    await stage.begin(user("I am Ida."), message("assistant", "Hello Ida."))
    response = await stage.send(message="Who am I?", modelId=CLAUDE, maxTokens=50)
    answer = response.json()
    assert response.status == 200
    assert answer == {
        "id": "req_1",
        "conversationId": stage.id,
        "modelId": CLAUDE,
        "provider": "anthropic",
        "message": {"role": "assistant", "content": "Hello"},
        "finishReason": "stop",
        "usage": {"inputTokens": 120, "cachedTokens": 20, "outputTokens": 10, "reasoningTokens": 4},
        "costUsd": answer["costUsd"],
        "preserveContext": True,
        "contextReport": None,
    }
    assert float(answer["costUsd"]) > 0
    assert response.headers["x-polyvox-model"] == CLAUDE
    assert stage.sent() == ["I am Ida.", "Hello Ida.", "Who am I?"]
    assert stage.providers.calls[0].request.max_tokens == 50
    assert await stage.kept() == ["I am Ida.", "Hello Ida.", "Who am I?", "Hello"]


async def test_tool_calls_are_shown_beside_what_was_said() -> None:
    stage = Stage(whole(Text("Let me "), call("c1"), Text("see.")))
    await stage.begin()
    answer = (await stage.send(modelId=GPT)).json()
    assert answer["message"] == {
        "role": "assistant",
        "content": "Let me see.",
        "toolCalls": [{"id": "c1", "name": "look_up", "arguments": '{"of":"x"}'}],
    }


async def test_streamed_the_answer_comes_as_openais_chunks_with_its_cost() -> None:
    stage = Stage(streamed("Hel", "lo"))
    await stage.begin()
    response = await stage.send(modelId=GPT, stream=True)
    *chunks, done = response.events()
    assert (response.status, done) == (200, "[DONE]")
    assert "".join(c["choices"][0]["delta"].get("content", "") for c in chunks if c["choices"]) == "Hello"
    assert chunks[-1]["usage"]["cost"] > 0
    assert await stage.kept() == ["hi", "Hello"]


async def test_names_in_snake_case_are_accepted() -> None:
    stage = Stage()
    await stage.begin(user("I am Ida."), message("assistant", "Hello Ida."))
    body = {
        "conversation_id": stage.id,
        "message": "hi",
        "model_id": CLAUDE,
        "preserve_context": False,
        "max_tokens": 5,
    }
    answer = (await stage.post(SEND, body)).json()
    assert (answer["modelId"], answer["preserveContext"]) == (CLAUDE, False)
    assert stage.sent() == ["hi"]
    switch = {"conversation_id": stage.id, "new_model_id": GPT, "preserve_context": True, "force": False}
    assert (await stage.post(SWITCH, switch)).json()["modelId"] == GPT


ANOTHER = str(uuid4())


@pytest.mark.parametrize("path", [SEND, SWITCH])
@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"conversationId": "x"}, "conversationId"),
        ({"conversationId": ""}, "conversationId"),
        ({"conversationId": 5}, "conversationId"),
        ({"conversationId": f"{{{ANOTHER}}}"}, "conversationId"),
        ({"conversationId": ANOTHER.replace("-", "")}, "conversationId"),
        ({"conversationId": None}, "conversationId"),
        ({"preserveContext": "yes"}, "preserveContext"),
        ({"preserveContext": 1}, "preserveContext"),
        ({"conversation_id": ANOTHER}, None),
    ],
)
async def test_a_field_at_fault_is_named(path: str, changes: dict[str, Any], param: str | None) -> None:
    stage = Stage()
    await stage.begin()
    good = {"conversationId": stage.id, "message": "hi"}
    if path == SWITCH:
        good = {"conversationId": stage.id, "newModelId": CLAUDE}
    response = await stage.post(path, good | changes)
    error = response.json()["error"]
    assert (response.status, error["code"], error["param"]) == (400, "invalid_request", param)
    assert (stage.providers.calls, await stage.kept()) == ([], [])


@pytest.mark.parametrize(
    ("path", "changes", "param"),
    [
        (SEND, {"message": ""}, "message"),
        (SEND, {"message": None}, "message"),
        (SEND, {"message": ["hi"]}, "message"),
        (SEND, {"modelId": ""}, "modelId"),
        (SEND, {"modelId": "x" * 300}, "modelId"),
        (SEND, {"maxTokens": 0}, "maxTokens"),
        (SEND, {"maxTokens": 1.5}, "maxTokens"),
        (SEND, {"max_tokens": "1"}, "maxTokens"),
        (SEND, {"stream": 1}, "stream"),
        (SEND, {"temperature": 1}, "temperature"),
        (SEND, {"force": 1}, "force"),
        (SEND, {"top_k": 1}, "top_k"),
        (SWITCH, {"newModelId": ""}, "newModelId"),
        (SWITCH, {"newModelId": None}, "newModelId"),
        (SWITCH, {"newModelId": "auto"}, "newModelId"),
        (SWITCH, {"message": "hi"}, "message"),
        (SWITCH, {"force": "no"}, "force"),
    ],
)
async def test_a_field_of_one_of_them_at_fault_is_named(path: str, changes: Any, param: str) -> None:
    stage = Stage()
    await stage.begin()
    response = await (stage.send(**changes) if path == SEND else stage.switch(**changes))
    error = response.json()["error"]
    assert (response.status, error["param"]) == (400, param)
    assert stage.providers.calls == []


@pytest.mark.parametrize("path", [SEND, SWITCH])
@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"conversationId":"\xff"}', b'"x"'])
async def test_a_body_that_is_no_object_is_refused(path: str, body: bytes) -> None:
    response = await Client(Stage().api, key="ann").request("POST", path, body)
    assert (response.status, response.json()["error"]["code"]) == (400, "invalid_request")


@pytest.mark.parametrize("path", [SEND, SWITCH])
async def test_only_post_is_taken(path: str) -> None:
    response = await Client(Stage().api, key="ann").request("GET", path)
    assert (response.status, response.headers["allow"]) == (405, "POST")


async def test_another_users_conversation_is_not_there() -> None:
    stage = Stage()
    await stage.begin(user("secret"), message("assistant", "ok"))
    for response in (await stage.send(key="bob"), await stage.switch(key="bob")):
        assert (response.status, response.json()["error"]["code"]) == (404, "not_found")
        assert "secret" not in response.body.decode()
    assert (stage.providers.calls, await stage.kept()) == ([], ["secret", "ok"])
    in_chat = {"model": GPT, "messages": [{"role": "user", "content": "hi"}]}
    headers = {"x-polyvox-conversation-id": stage.id}
    assert (await stage.post(CHAT, in_chat, key="bob", headers=headers)).status == 404
    assert (stage.providers.calls, await stage.kept()) == ([], ["secret", "ok"])


async def test_a_conversation_that_is_not_there_is_not_made_by_sending_to_it() -> None:
    stage = Stage()
    assert [(await stage.send()).status, (await stage.switch()).status] == [404, 404]


async def test_an_id_in_capitals_is_the_same() -> None:
    stage = Stage()
    await stage.begin()
    assert (await stage.send(conversationId=stage.id.upper(), modelId=GPT)).status == 200
    assert await stage.kept() == ["hi", "Hello"]


@pytest.mark.parametrize("named", [CLAUDE, CLAUDE.upper()])
async def test_a_switch_says_what_it_keeps(named: str) -> None:
    stage = Stage()
    await stage.begin(user("My budget is $731."), message("assistant", "Noted."))
    response = await stage.switch(newModelId=named)
    answer = response.json()
    assert response.status == 200
    report = answer.pop("contextReport")
    assert answer == {
        "conversationId": stage.id,
        "version": 1,
        "previousModelId": GPT,
        "modelId": CLAUDE,
        "preserveContext": True,
        "preservationScore": 1.0,
        "compressed": False,
        "parts": {"kept": 2, "converted": 0, "private": 0, "dropped": 0},
        "facts": {"stated": 1, "kept": 1},
        "shares": {"facts": 1.0, "constraints": 1.0, "openTasks": 1.0},
        "openToolCalls": [],
        "warnings": [],
    }
    assert (report["tokensBefore"], report["dropped"]) == (report["tokensAfter"], [])
    assert (await stage.send(message="And now?")).json()["modelId"] == CLAUDE


async def test_a_switch_to_a_small_model_says_what_it_drops_and_so_does_each_turn() -> None:
    stage = Stage()
    await stage.begin(*talk("My budget is $731 for the trip."))
    answer = (await stage.switch(newModelId=TINY_GPT)).json()
    assert (answer["compressed"], answer["facts"]) == (True, {"stated": 1, "kept": 1})
    assert 0 < answer["preservationScore"] < 1
    report = answer["contextReport"]
    assert report["tokensAfter"] <= report["budgetTokens"] < report["tokensBefore"]
    assert {one["reason"] for one in report["dropped"]} == {"budget"}
    response = await stage.send(message="What is my budget?")
    sent = response.json()["contextReport"]
    assert 0 < sent["preservationScore"] < 1
    tokens = f"{sent['tokensBefore']};{sent['tokensAfter']}"
    assert response.headers["x-polyvox-context-tokens"] == tokens
    assert float(response.headers["x-polyvox-preservation-score"]) == sent["preservationScore"]


async def test_tools_under_way_keep_a_switch_waiting_unless_it_is_forced() -> None:
    stage = Stage()
    await stage.begin(user("Look it up."), message("assistant", call("c1")))
    waiting = await stage.switch()
    assert (waiting.status, waiting.json()["error"]["code"]) == (409, "conflict")
    assert waiting.json()["error"]["param"] == "newModelId"
    forced = (await stage.switch(force=True)).json()
    assert forced["openToolCalls"] == ["look_up"]
    assert any(GPT in warning for warning in forced["warnings"])


@pytest.mark.parametrize(
    ("model", "status", "code"),
    [("gpt-99", 404, "model_not_found"), ("gemini-2.5-pro", 502, "provider_auth_failed")],
)
async def test_a_model_that_cannot_be_called_cannot_be_switched_to(
    model: str, status: int, code: str
) -> None:
    stage = Stage()
    await stage.begin()
    for response in (await stage.switch(newModelId=model), await stage.send(modelId=model)):
        assert response.json()["error"]["code"] == code
        assert response.status == status
    assert await stage.kept() == []


@pytest.mark.parametrize("by", ["header", "metadata", "both"])
async def test_openais_route_takes_a_conversation(by: str) -> None:
    stage = Stage()
    await stage.begin(user("I am Ida."), message("assistant", "Hello Ida."))
    body: dict[str, Any] = {"model": GPT, "messages": [{"role": "user", "content": "Who am I?"}]}
    headers = {"x-polyvox-conversation-id": stage.id.upper()} if by != "metadata" else {}
    if by != "header":
        named = stage.id if by == "metadata" else str(uuid4())
        body["metadata"] = {"conversation_id": named, "topic": "names"}
    response = await stage.post(CHAT, body, headers=headers)
    assert response.status == 200
    assert stage.sent() == ["I am Ida.", "Hello Ida.", "Who am I?"]
    assert (await stage.kept())[2:] == ["Who am I?", "Hello"]


@pytest.mark.parametrize(
    ("header", "metadata", "param"),
    [
        ("x", None, "x-polyvox-conversation-id"),
        ("x", ANOTHER, "x-polyvox-conversation-id"),
        (None, "x", "metadata.conversation_id"),
        (None, 7, "metadata.conversation_id"),
        ("\xff", None, "x-polyvox-conversation-id"),
    ],
)
async def test_openais_route_says_which_id_is_none(header: str | None, metadata: Any, param: str) -> None:
    body: dict[str, Any] = {"model": GPT, "messages": [{"role": "user", "content": "hi"}]}
    if metadata is not None:
        body["metadata"] = {"conversation_id": metadata}
    headers = {"x-polyvox-conversation-id": header} if header is not None else {}
    response = await Stage().post(CHAT, body, headers=headers)
    assert (response.status, response.json()["error"]["param"]) == (400, param)


async def test_openais_route_makes_the_conversation_and_takes_the_whole_of_it_again() -> None:
    stage = Stage(lambda call: whole(Text(f"a{len(call.request.messages)}"))(call))
    headers = {"x-polyvox-conversation-id": stage.id}
    messages = [{"role": "developer", "content": "Be brief."}]
    for number in range(3):
        messages.append({"role": "user", "content": f"q{number}"})
        response = await stage.post(CHAT, {"model": GPT, "messages": messages}, headers=headers)
        messages.append(response.json()["choices"][0]["message"])
    assert await stage.kept() == ["Be brief.", "q0", "a2", "q1", "a4", "q2", "a6"]


async def test_calls_of_tools_go_round_by_openais_route() -> None:
    answers: list[tuple[Part, ...]] = [
        (ToolCall("c1", "f", '{"a": 1}'), ToolCall("c2", "f", "{}")),
        (Text("done"),),
    ]
    stage = Stage(lambda call: whole(*answers[len(stage.providers.calls) - 1])(call))
    headers = {"x-polyvox-conversation-id": stage.id}
    asked = {"role": "user", "content": "Look it up."}
    first = await stage.post(CHAT, {"model": GPT, "messages": [asked]}, headers=headers)
    called = first.json()["choices"][0]["message"]
    results = [{"role": "tool", "tool_call_id": id, "content": f"of {id}"} for id in ("c1", "c2")]
    second = await stage.post(CHAT, {"model": GPT, "messages": [asked, called, *results]}, headers=headers)
    assert second.json()["choices"][0]["message"]["content"] == "done"
    path = await stage.store.path(await stage.store.get(ANN, stage.id))
    roles = [one.message.role for one in path for part in one.message.parts if not isinstance(part, ToolCall)]
    assert roles == ["user", "tool", "tool", "assistant"]


async def test_a_failure_of_a_stream_that_has_begun_is_told_and_nothing_is_kept() -> None:
    stage = Stage(play([Started("i", "m"), TextDelta("Hel")]))
    await stage.begin()
    response = await stage.send(modelId=GPT, stream=True)
    assert response.events()[-1]["error"]["code"] == "provider_garbled"
    assert await stage.kept() == []


@pytest.mark.parametrize("text", ["\\ud83d", "ok\\udc00"])
async def test_half_a_character_is_refused_where_it_enters(text: str) -> None:
    stage = Stage()
    await stage.begin()
    raw = f'{{"conversationId":"{stage.id}","modelId":"{GPT}","message":"{text}"}}'.encode()
    response = await Client(stage.api, key="ann").request("POST", SEND, raw)
    assert (response.status, response.json()["error"]["code"]) == (400, "invalid_request")
    assert (stage.providers.calls, await stage.kept()) == ([], [])
