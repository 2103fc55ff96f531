"""Wishes that a model has not: which are refused, which are left out and said, and what is only told of."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from models.providers.schema_subset import strict_form
from models.providers.tiers import tier_word
from models.providers.wishes import profile_of
from tests.asgi import Response
from tests.contract.product import PDF as SHELVED
from tests.contract.product import Product, product
from tests.contract.samples import ANTHROPIC, GOOGLE, OPENAI
from tests.contract.scripted import Answer, ScriptedProvider, scripted_provider

pytestmark = pytest.mark.asyncio(loop_scope="module")

Json = dict[str, Any]
ANSWERS = {"gpt": OPENAI.answer, "claude": ANTHROPIC.answer, "gemini": GOOGLE.answer}
PDF = {"type": "file", "file": {"filename": "a.pdf", "file_data": "https://example.com/a.pdf"}}
BITMAP = {"type": "image_url", "image_url": {"url": "data:image/bmp;base64,Qk0="}}


class Stage:
    def __init__(self, product: Product, provider: ScriptedProvider) -> None:
        self.product = product
        self.provider = provider

    async def chat(
        self, model: str, *content: Json, before: tuple[Json, ...] = (), **fields: Any
    ) -> Response:
        self.provider.script = Answer(body=ANSWERS[model.split("-")[0]])
        asked = {"role": "user", "content": [{"type": "text", "text": "hi"}, *content]}
        body = {"model": model, "messages": [*before, asked], **fields}
        return await self.product.client.request("POST", "/v1/chat/completions", body)

    @property
    def sent(self) -> Json:
        body: Json = json.loads(self.provider.requests[-1].body)
        return body


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage() -> AsyncIterator[Stage]:
    async with scripted_provider() as provider:
        bases = {"openai": f"{provider.url}/v1", "anthropic": provider.url, "google": provider.url}
        async with product(bases) as made:
            await made.providers.warm()
            yield Stage(made, provider)


@pytest.mark.parametrize(
    ("model", "fields", "names"),
    [
        ("gpt-5.4-mini", {"temperature": 0.2, "top_p": 0.5, "stop": ["x"]}, "temperature, top_p, stop"),
        ("gpt-5.4-mini", {"temperature": 1, "presence_penalty": 0, "verbosity": "low"}, None),
        ("gpt-5.4-mini", {"logit_bias": {"7": 1}}, "logit_bias"),
        ("claude-sonnet-5", {"temperature": 0.2, "verbosity": "low"}, "temperature, verbosity"),
        ("claude-haiku-4-5", {"temperature": 0.2, "top_p": 0.5}, "top_p"),
        ("claude-sonnet-5", {"new_field": 1, "prediction": {"a": 1}}, "new_field, prediction"),
        ("claude-sonnet-5", {"new\r\nfield: x": 1}, "newfieldx"),
        ("claude-sonnet-5", {"generationConfig": "x", "\r\n": 1, "logprobs": False}, None),
        ("gemini-3.5-flash", {"temperature": 0.2, "stop": ["a", "b"], "seed": 7}, None),
    ],
)
async def test_what_is_left_out_is_said(stage: Stage, model: str, fields: Json, names: str | None) -> None:
    response = await stage.chat(model, **fields)
    assert response.status == 200
    assert response.headers.get("x-polyvox-parameters-left-out") == names
    assert not (set((names or "").split(", ")) & stage.sent.keys())


async def test_fields_of_responses_that_nobody_is_told_of_are_said(stage: Stage) -> None:
    stage.provider.script = Answer(body=OPENAI.answer)
    body = {"model": "gpt-5.4-mini", "input": "hi", "store": False, "reasoning": {"summary": "auto"}}
    harmless = {"truncation": "disabled", "include": ["reasoning.encrypted_content"], "metadata": {}}
    for fields, names in ((harmless, None), ({"truncation": "auto", "new\n": 1}, "truncation, new")):
        response = await stage.product.client.request("POST", "/v1/responses", body | fields)
        assert response.headers.get("x-polyvox-parameters-left-out") == names


@pytest.mark.parametrize(
    ("model", "content", "fields", "param"),
    [
        ("gpt-5.4-mini", BITMAP, {}, "messages"),
        ("claude-sonnet-5", BITMAP, {}, "messages"),
        ("claude-sonnet-5", {"type": "file", "file": {"file_id": "file-1"}}, {}, "messages"),
        ("auto", {"type": "file", "file": {"file_id": "file-1"}}, {}, "messages"),
        ("claude-sonnet-5", None, {"seed": 7}, "seed"),
        ("claude-sonnet-5", None, {"service_tier": "flex"}, "service_tier"),
        ("gpt-5.4-mini", None, {"service_tier": "fastest"}, "service_tier"),
        ("gpt-5.4-mini", None, {"logprobs": True, "reasoning_effort": "low"}, "logprobs"),
        ("gpt-5.4-mini", None, {"web_search_options": {}}, "web_search_options"),
        ("gpt-5.4-mini", None, {"top_logprobs": "many"}, "top_logprobs"),
    ],
)
async def test_what_would_make_another_answer_is_refused(
    stage: Stage, model: str, content: Json | None, fields: Json, param: str
) -> None:
    asked, held = len(stage.provider.requests), len(stage.product.ledger.asks)
    stage.provider.script = Answer(body=OPENAI.answer)
    message = {"role": "user", "content": [{"type": "text", "text": "hi"}, *([content] if content else [])]}
    body = {"model": model, "messages": [message], **fields}
    response = await stage.product.client.request("POST", "/v1/chat/completions", body)
    assert (response.status, response.json()["error"]["param"]) == (400, param)
    assert (len(stage.provider.requests), len(stage.product.ledger.asks)) == (asked, held)


async def test_what_was_shown_to_another_model_before_is_told_of(stage: Stage) -> None:
    seen = {"role": "user", "content": [BITMAP]}
    before = (seen, {"role": "assistant", "content": "A picture."})
    response = await stage.chat("gpt-5.4-mini", before=before)
    assert response.status == 200
    assert "[image not shown: image/bmp]" in json.dumps(stage.sent)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_file_by_its_address_is_fetched_for_those_who_cannot(stage: Stage, stream: bool) -> None:
    before = ({"role": "user", "content": [PDF]}, {"role": "assistant", "content": "A report."})
    await stage.chat("gpt-5.4-mini", PDF, before=before, stream=stream)
    file = {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{SHELVED}"}
    shown = [part for message in stage.sent["messages"] for part in message["content"] if "file" in part]
    assert shown == [{"type": "file", "file": file}] * 2


async def test_citations_that_were_made_of_anothers_are_not_sent_to_anthropic(stage: Stage) -> None:
    ours = {"type": "web_search_result_location", "url": "https://a.example", "title": "A", "cited_text": ""}
    said = {"type": "text", "text": "So.", "citations": [ours | {"encrypted_index": ""}]}
    theirs = {"type": "text", "text": "So.", "citations": [ours | {"encrypted_index": "e1"}]}
    hello = {"role": "user", "content": "hi"}
    stage.provider.script = Answer(body=ANTHROPIC.answer)
    for block, kept in ((said, False), (theirs, True)):
        talk = [hello, {"role": "assistant", "content": [block]}, hello]
        body = {"model": "claude-sonnet-5", "max_tokens": 9, "messages": talk}
        response = await stage.product.client.request("POST", "/v1/messages", body)
        assert response.status == 200
        assert ("citations" in stage.sent["messages"][1]["content"][0]) == kept


@pytest.mark.parametrize(
    ("provider", "model", "tier", "word"),
    [
        ("openai", "gpt-5.4-mini", None, ""),
        ("openai", "gpt-5.4-mini", "standard_only", "default"),
        ("openai", "gpt-5.4-mini", "batch", None),
        ("openai", "llama-4", "auto", ""),
        ("openai", "llama-4", "flex", None),
        ("anthropic", "claude-sonnet-5", "priority", "auto"),
        ("anthropic", "claude-sonnet-5", "scale", None),
        ("google", "gemini-3.5-flash", "FLEX", "flex"),
        ("google", "gemini-3.5-flash", "unspecified", ""),
    ],
)
async def test_a_tier_in_each_providers_words(provider: Any, model: str, tier: Any, word: str | None) -> None:
    assert tier_word(tier, profile_of(provider, model)) == word


@pytest.mark.parametrize(
    ("schema", "is_held"),
    [
        ({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}, True),
        ({"type": "object", "properties": {"a": {"type": "string"}}}, False),
        ({"type": "object"}, False),
        ({"type": "object", "properties": {}, "additionalProperties": False}, True),
        ({"type": "object", "properties": {"a": {"type": "object"}}, "required": ["a"]}, False),
        ({"type": "array", "items": {"type": "object", "properties": {"a": {}}, "required": ["a"]}}, True),
    ],
)
async def test_schemas_are_closed_where_that_says_the_same(schema: Json, is_held: bool) -> None:
    form = strict_form(schema)
    assert (form is not None) == is_held
    if form is not None:
        held = form.get("items", form)
        assert held["additionalProperties"] is False
