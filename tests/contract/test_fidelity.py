"""In its own dialect a provider is heard and told all that it and the caller say, known here or not."""

import json
import re
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import pytest
import pytest_asyncio

from tests.asgi import Response
from tests.contract.product import Product, product
from tests.contract.samples import ANTHROPIC, GOOGLE, OPENAI
from tests.contract.scripted import Answer, ScriptedProvider, Stream, scripted_provider

pytestmark = pytest.mark.asyncio(loop_scope="module")

Json = dict[str, Any]
USAGE = {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}
HELLO = [{"role": "user", "content": "hi"}]
CHAT: Json = {"model": "gpt-5.4-mini", "messages": HELLO}
MESSAGES: Json = {"model": "claude-haiku-4-5", "messages": HELLO, "max_tokens": 99}
CONTENTS: Json = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
GEMINI = "/v1beta/models/gemini-3.5-flash"


class Stage(NamedTuple):
    product: Product
    provider: ScriptedProvider

    async def whole(self, path: str, body: Json, answer: Json, **headers: str) -> Json:
        self.provider.script = Answer(body=json.dumps(answer).encode())
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        response = await self.product.client.request("POST", path, body, headers=named)
        assert response.status == 200, response.body
        said: Json = response.json()
        return said

    async def events(self, path: str, body: Json, *events: Json) -> list[Json]:
        pieces = [_event(event) for event in events]
        self.provider.script = Stream(pieces)
        response = await self.product.client.request("POST", path, body)
        assert response.status == 200, response.body
        return _events(response)

    @property
    def sent(self) -> Json:
        body: Json = json.loads(self.provider.requests[-1].body)
        return body


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage() -> AsyncIterator[Stage]:
    async with scripted_provider() as provider:
        bases = {"openai": f"{provider.url}/v1", "anthropic": provider.url, "google": provider.url}
        async with product(bases) as made:
            yield Stage(made, provider)


def _event(event: Json) -> bytes:
    named = f"event: {event['type']}\n" if "type" in event else ""
    return f"{named}data: {json.dumps(event)}\n\n".encode()


def _events(response: Response) -> list[Json]:
    said = re.findall(rb"^data: (\{.*\})\r?$", response.body, re.MULTILINE)
    return [json.loads(one) for one in said] or response.json()


async def test_what_openai_answers(stage: Stage) -> None:
    answer = json.loads(OPENAI.answer)
    answer |= {"system_fingerprint": "fp", "new": {"a": [1, None]}}
    tokens = [{"token": "Paris", "logprob": -0.1, "bytes": None, "top_logprobs": []}]
    answer["choices"][0] |= {"logprobs": {"content": tokens}, "filtered": {"hate": False}}
    answer["choices"][0]["message"] |= {"mood": "calm"}
    answer["usage"] |= {"energy": 3, "prompt_tokens_details": {"audio_tokens": 0, "cached_tokens": 1}}
    asked = {"logprobs": True, "top_logprobs": 2, "reasoning_effort": "none"}
    said = await stage.whole("/v1/chat/completions", CHAT | asked, answer)
    assert (said["system_fingerprint"], said["new"]) == ("fp", {"a": [1, None]})
    choice = said["choices"][0]
    assert (choice["logprobs"], choice["filtered"]) == ({"content": tokens}, {"hate": False})
    assert (choice["message"]["mood"], choice["message"]["content"]) == ("calm", "Paris.")
    assert said["usage"]["energy"] == 3
    assert said["usage"]["prompt_tokens_details"] == {"cached_tokens": 1, "audio_tokens": 0}
    assert said["model"] == "gpt-5.4-mini"


def _chunk(delta: Json, finish: str | None = None, **beside: Any) -> Json:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]} | (
        beside
    )


async def test_what_openai_streams(stage: Stage) -> None:
    noted = _chunk({"mood": "calm"})
    probable = _chunk({"content": "is"})
    probable["choices"][0]["logprobs"] = {"content": [1]}
    body = CHAT | {"stream": True, "stream_options": {"include_usage": True}}
    events = await stage.events(
        "/v1/chat/completions",
        body,
        _chunk({"role": "assistant", "content": ""}, system_fingerprint="fp", padding="x"),
        _chunk({"content": "Par"}, system_fingerprint="fp", padding="yy"),
        noted,
        probable,
        _chunk({"content": "."}),
        _chunk({}, "stop", padding="z"),
        _chunk({}) | {"choices": [], "usage": USAGE | {"energy": 3}, "system_fingerprint": "fp"},
    )
    assert [event.get("padding") for event in events] == ["x", "yy", None, None, None, "z", "z"]
    assert [event.get("system_fingerprint") for event in events[:2]] == ["fp", "fp"]
    assert events[2]["choices"][0]["delta"] == {"mood": "calm"}
    assert [e["choices"][0]["logprobs"] for e in events[2:5]] == [None, {"content": [1]}, None]
    assert "".join(e["choices"][0]["delta"].get("content", "") for e in events[:-1]) == "Paris."
    assert events[-1]["usage"]["energy"] == 3
    assert (events[-1]["choices"], events[-2]["choices"][0]["finish_reason"]) == ([], "stop")


async def test_what_anthropic_answers(stage: Stage) -> None:
    answer = json.loads(ANTHROPIC.answer)
    answer |= {"stop_reason": "pause_turn", "context_management": {"applied_edits": []}, "new": [1]}
    answer["content"][0] |= {"mood": "calm"}
    answer["content"].append({"type": "novelty", "x": {"y": 1}})
    answer["usage"] |= {"server_tool_use": {"web_search_requests": 0}, "energy": 3}
    said = await stage.whole("/v1/messages", MESSAGES, answer)
    assert said["content"] == [
        {"type": "text", "text": "Paris.", "citations": None, "mood": "calm"},
        {"type": "novelty", "x": {"y": 1}},
    ]
    assert (said["stop_reason"], said["new"]) == ("pause_turn", [1])
    assert said["context_management"] == {"applied_edits": []}
    assert (said["usage"]["energy"], said["usage"]["server_tool_use"]) == (3, {"web_search_requests": 0})


async def test_what_anthropic_streams(stage: Stage) -> None:
    message = {"id": "m", "type": "message", "role": "assistant", "model": "m", "content": [], "new": 1}
    usage = {"input_tokens": 9, "output_tokens": 1, "energy": 3}
    delta = {"type": "content_block_delta", "index": 0}
    events = await stage.events(
        "/v1/messages",
        MESSAGES | {"stream": True},
        {"type": "message_start", "message": message | {"usage": usage}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "", "mood": 1}},
        delta | {"delta": {"type": "text_delta", "text": "Par", "tone": "high"}},
        delta | {"delta": {"type": "novel_delta", "sound": "x"}},
        delta | {"delta": {"type": "text_delta", "text": "is."}},
        {"type": "content_block_stop", "index": 0},
        {"type": "content_block_start", "index": 1, "content_block": {"type": "compaction", "content": None}},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "compaction_delta", "content": "so"}},
        {"type": "content_block_stop", "index": 1},
        {"type": "novelty", "x": 1},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "pause_turn", "stop_sequence": None, "more": 2},
            "usage": {"output_tokens": 2, "energy": 4},
            "context_management": {"applied_edits": []},
        },
        {"type": "message_stop", "metrics": {"ms": 1}},
    )
    kinds = [event["type"] for event in events]
    assert events[0]["message"]["new"] == 1
    assert events[0]["message"]["usage"]["energy"] == 3
    by_kind = {kind: [e for e in events if e["type"] == kind] for kind in kinds}
    assert by_kind["content_block_start"][0]["content_block"]["mood"] == 1
    deltas = [event["delta"] for event in by_kind["content_block_delta"]]
    assert deltas == [
        {"type": "text_delta", "text": "Par", "tone": "high"},
        {"type": "novel_delta", "sound": "x"},
        {"type": "text_delta", "text": "is."},
    ]
    assert by_kind["content_block_start"][1]["content_block"] == {"type": "compaction", "content": "so"}
    assert by_kind["novelty"] == [{"type": "novelty", "x": 1}]
    [end] = by_kind["message_delta"]
    assert (end["delta"]["stop_reason"], end["delta"]["more"]) == ("pause_turn", 2)
    assert (end["usage"]["energy"], end["context_management"]) == (4, {"applied_edits": []})
    assert by_kind["message_stop"] == [{"type": "message_stop", "metrics": {"ms": 1}}]


async def test_what_gemini_answers(stage: Stage) -> None:
    answer = json.loads(GOOGLE.answer)
    grounding = {"groundingChunks": [{"maps": {"uri": "u"}}], "searchEntryPoint": {"renderedContent": "x"}}
    answer["candidates"][0] |= {"avgLogprobs": -0.1, "logprobsResult": {"a": 1}, "finishReason": "RECITATION"}
    answer["candidates"][0] |= {"groundingMetadata": grounding}
    answer["candidates"][0]["content"]["parts"][0] |= {"mood": "calm"}
    answer["usageMetadata"] |= {"promptTokensDetails": [{"modality": "TEXT", "tokenCount": 9}]}
    answer |= {"promptFeedback": {"safetyRatings": []}, "new": {"a": 1}}
    config = {"generationConfig": {"responseLogprobs": True, "logprobs": 2}}
    said = await stage.whole(f"{GEMINI}:generateContent", CONTENTS | config, answer)
    candidate = said["candidates"][0]
    assert (candidate["avgLogprobs"], candidate["logprobsResult"]) == (-0.1, {"a": 1})
    assert (candidate["finishReason"], candidate["groundingMetadata"]) == ("RECITATION", grounding)
    assert candidate["content"]["parts"] == [{"text": "Paris.", "mood": "calm"}]
    assert said["usageMetadata"]["promptTokensDetails"] == [{"modality": "TEXT", "tokenCount": 9}]
    assert (said["promptFeedback"], said["new"]) == ({"safetyRatings": []}, {"a": 1})
    assert stage.sent["generationConfig"]["responseLogprobs"] is True


async def test_what_gemini_streams(stage: Stage) -> None:
    first, last = (json.loads(event.removeprefix(b"data: ")) for event in GOOGLE.events)
    first["candidates"][0]["safetyRatings"] = ["low"]
    first["new"] = last["new"] = 1
    last["candidates"][0] |= {"avgLogprobs": -0.2, "finishReason": "RECITATION"}
    last["usageMetadata"]["promptTokensDetails"] = [1]
    events = await stage.events(f"{GEMINI}:streamGenerateContent", CONTENTS, first, last)
    if len(events) == 1:
        events = events[0] if isinstance(events[0], list) else events
    said = [part["text"] for e in events for part in e["candidates"][0]["content"]["parts"]]
    assert "".join(said) == "Paris."
    assert events[0]["candidates"][0]["safetyRatings"] == ["low"]
    assert {event["new"] for event in events} == {1}
    end = events[-1]
    assert (end["candidates"][0]["avgLogprobs"], end["candidates"][0]["finishReason"]) == (-0.2, "RECITATION")
    assert end["usageMetadata"]["promptTokensDetails"] == [1]


async def test_what_others_models_alone_say_is_not_heard_in_a_foreign_dialect(stage: Stage) -> None:
    answer = json.loads(ANTHROPIC.answer) | {"new": 1}
    answer["content"][0] |= {"mood": "calm"}
    said = await stage.whole("/v1/chat/completions", CHAT | {"model": "claude-haiku-4-5"}, answer)
    assert "new" not in said
    assert "mood" not in json.dumps(said)


async def test_fields_of_requests_that_nobody_here_knows(stage: Stage) -> None:
    unknown = {"new_field": {"a": [1]}, "other_field": 2}
    await stage.whole("/v1/chat/completions", CHAT | unknown, json.loads(OPENAI.answer))
    assert {name: stage.sent[name] for name in unknown} == unknown
    foreign = {"models": ["a"], "provider": {}, "store": True, "metadata": {"a": "b"}}
    await stage.whole("/v1/chat/completions", CHAT | foreign, json.loads(OPENAI.answer))
    assert stage.sent.keys() & foreign.keys() == set()
    other = CHAT | unknown | {"model": "claude-haiku-4-5"}
    await stage.whole("/v1/chat/completions", other, json.loads(ANTHROPIC.answer))
    assert stage.sent.keys() & unknown.keys() == set()


@pytest.mark.parametrize(
    ("model", "answer", "expected"),
    [
        ("claude-haiku-4-5", ANTHROPIC.answer, ("a-2026-01-01,b-2", "2023-06-01")),
        ("gpt-5.4-mini", OPENAI.answer, (None, None)),
        ("gemini-3.5-flash", GOOGLE.answer, (None, None)),
    ],
)
async def test_betas_go_to_anthropic_alone(
    stage: Stage, model: str, answer: bytes, expected: tuple[str | None, str | None]
) -> None:
    headers = {"anthropic_beta": "a-2026-01-01, b-2,a-2026-01-01", "anthropic_version": "2023-06-01"}
    edits = {"context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]}}
    await stage.whole("/v1/messages", MESSAGES | edits | {"model": model}, json.loads(answer), **headers)
    told = stage.provider.requests[-1].headers
    assert (told.get("anthropic-beta"), told.get("anthropic-version")) == expected
    assert ("context_management" in stage.sent) == (model == "claude-haiku-4-5")
    await stage.whole("/v1/chat/completions", CHAT | {"model": model}, json.loads(answer), **headers)
    told = stage.provider.requests[-1].headers
    assert told.get("anthropic-beta") is None


@pytest.mark.parametrize("betas", ["a\tb", "x" * 65, ",".join(f"b{n}" for n in range(33)), "a;b", "ü"])
async def test_betas_that_are_none_are_refused(stage: Stage, betas: str) -> None:
    asked = len(stage.provider.requests)
    headers = {"anthropic-beta": betas}
    response = await stage.product.client.request("POST", "/v1/messages", MESSAGES, headers=headers)
    assert (response.status, response.json()["error"]["type"]) == (400, "invalid_request_error")
    assert len(stage.provider.requests) == asked


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/chat/completions", CHAT | {"logprobs": True, "model": "claude-haiku-4-5"}),
        ("/v1/chat/completions", CHAT | {"top_logprobs": 2, "model": "auto"}),
        ("/v1/chat/completions", CHAT | {"logprobs": True}),
        ("/v1/chat/completions", CHAT | {"modalities": ["text", "audio"]}),
        ("/v1/chat/completions", CHAT | {"moderation": {"model": "omni-moderation-latest"}}),
        ("/v1/models/gpt-5.4-mini:generateContent", CONTENTS | {"generationConfig": {"logprobs": 2}}),
        ("/v1/messages", MESSAGES | {"context_management": {"edits": [{"type": "compact_20260112"}]}}),
    ],
)
async def test_what_another_cannot_do_is_refused_before_anybody_is_asked(
    stage: Stage, path: str, body: Json
) -> None:
    asked = len(stage.provider.requests)
    response = await stage.product.client.request("POST", path, body)
    assert response.status == 400
    assert b"unsupported_parameter" in response.body.lower()
    assert len(stage.provider.requests) == asked


async def test_prompts_that_will_be_sent_again_are_cached_unasked(stage: Stage) -> None:
    talk = [*HELLO, {"role": "assistant", "content": "Hello"}, {"role": "user", "content": "and?"}]
    answer = json.loads(ANTHROPIC.answer)
    await stage.whole("/v1/messages", MESSAGES, answer)
    assert "cache_control" not in json.dumps(stage.sent)
    await stage.whole("/v1/chat/completions", CHAT | {"model": "claude-haiku-4-5", "messages": talk}, answer)
    assert stage.sent["messages"][-1]["content"][-1]["cache_control"] == {"type": "ephemeral"}
    await stage.whole("/v1/messages", MESSAGES | {"system": "be brief " * 1_000}, answer)
    assert stage.sent["system"][-1]["cache_control"] == {"type": "ephemeral"}
    marked = [{"type": "text", "text": "be brief", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]
    await stage.whole("/v1/messages", MESSAGES | {"system": marked, "messages": talk}, answer)
    assert json.dumps(stage.sent).count("cache_control") == 1
