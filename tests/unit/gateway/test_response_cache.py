"""Answers that are given again: to whom, of what, and at which price."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from msgspec.structs import replace

from models.caller import Caller
from models.catalog import Catalog, load_catalog
from models.chat import (
    ChatRequest,
    ChatResponse,
    Chunk,
    Citation,
    Completed,
    Finished,
    Message,
    Opaque,
    OpaqueDelta,
    Started,
    Text,
    TextDelta,
    Thinking,
    ThinkingDelta,
    Tool,
    ToolCall,
    Usage,
)
from models.doubles import InMemoryLedger, Script, ScriptedProviders, in_memory_context, play
from models.gateway import Gateway, Timeouts
from models.identity import Principal
from models.ledger.memory import Budget
from models.model_router import ModelRouter
from models.open_calls import OpenCalls
from models.providers.assembly import Assembly
from models.providers.call import ProviderCall
from models.reply import Reply
from models.response_cache import HITS, InMemoryCache, ResponseCache
from models.routing.router import RuleRouter

CATALOG = load_catalog()
EVERY = frozenset(CATALOG.models)
GPT = "gpt-5.4-mini"
USAGE = Usage(input=100, output=10)
SIGNED = Opaque("anthropic", "signature", "c2ln")
ASKED = ChatRequest(model=GPT, messages=(Message("user", (Text("hi"),)),))


def whole(*parts: Any, finish: Any = "stop") -> list[Chunk]:
    return [Completed(ChatResponse(id="i", model="m", parts=parts, finish=finish, usage=USAGE))]


STREAM: list[Chunk] = [Started("i", "m"), ThinkingDelta("Hm."), OpaqueDelta(SIGNED), TextDelta("Hel")]
ENDING: list[Chunk] = [TextDelta("lo"), Finished("stop", USAGE)]


class Stage:
    def __init__(self, script: Callable[[ProviderCall], Script], *budgets: Budget) -> None:
        self.providers = ScriptedProviders(script)
        self.ledger = InMemoryLedger(budgets)
        self.calls = OpenCalls(self.ledger)
        self.store = InMemoryCache()
        self.catalog = CATALOG
        self.gateway = Gateway(
            catalog=CATALOG,
            available=EVERY,
            providers=self.providers,
            router=ModelRouter(RuleRouter(CATALOG, EVERY)),
            context=in_memory_context(),
            calls=self.calls,
            timeouts=Timeouts(),
            cache=self.cache(b"secret"),
        )

    def cache(self, secret: bytes) -> ResponseCache:
        return ResponseCache(self.store, self.calls, catalog=lambda: self.catalog, secret=secret, ttl_s=60)

    async def ask(self, request: ChatRequest = ASKED, *, user: str = "u", wanted: bool = True) -> Reply:
        caller = Caller(
            Principal("k", user, "t"), request_id=f"req_{uuid4()}", endpoint="/", reads_cache=wanted
        )
        reply = await self.gateway.chat(request, caller)
        self.said = Assembly()
        async for batch in reply.chunks:
            self.said.add(batch)
        await self.calls.settle_all()
        return reply


@pytest.mark.parametrize("first", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("second", [False, True], ids=["whole", "streamed"])
async def test_the_same_request_gets_the_same_answer_whole_and_streamed(first: bool, second: bool) -> None:
    parts = (Thinking("Hm.", (SIGNED,)), Text("Hello"))
    stage = Stage(lambda call: iter([STREAM, ENDING] if call.request.stream else [whole(*parts)]))
    assert not (await stage.ask(replace(ASKED, stream=first))).from_cache
    again = await stage.ask(replace(ASKED, stream=second))
    assert (again.from_cache, again.attempts, again.model.id) == (True, 0, GPT)
    assert stage.said.parts == parts
    assert len(stage.providers.calls) == 1


async def test_it_costs_nothing_and_shows_what_it_saved() -> None:
    stage = Stage(play(whole(Text("Hello"))), Budget("user", "u", 10**12))
    first, again = await stage.ask(), await stage.ask()
    paid, hit = stage.ledger.records
    assert (again.cost_pico, hit.cost_pico, hit.saved_pico) == (0, 0, paid.cost_pico)
    assert (hit.status, hit.usage_details, hit.output_tokens) == ("completed", {HITS: 1}, 0)
    assert first.cost_pico == stage.ledger.store.budgets[0].posted_pico == paid.cost_pico > 0
    assert len(stage.ledger.asks) == 1, "nothing is held for it"


async def test_a_spent_budget_has_what_it_paid_for_before() -> None:
    stage = Stage(play(whole(Text("Hello"))), Budget("user", "u", 10**12))
    await stage.ask()
    stage.ledger.store.budgets[0].limit_pico = 0
    assert (await stage.ask()).from_cache


@pytest.mark.parametrize(
    "changes",
    [
        {"temperature": 0.5},
        {"model": "gpt-5.5"},
        {"max_tokens": 99},
        {"messages": (Message("user", (Text("hi!"),)),)},
        {"end_user": "somebody"},
        {"provider_options": {"openai": {"logit_bias": {"1": 1.0}}}},
    ],
    ids=str,
)
async def test_another_request_is_asked_anew(changes: dict[str, Any]) -> None:
    stage = Stage(play(whole(Text("Hello"))))
    await stage.ask()
    assert not (await stage.ask(replace(ASKED, **changes))).from_cache


async def test_others_and_other_prices_are_asked_anew() -> None:
    stage = Stage(play(whole(Text("Hello"))))
    await stage.ask()
    assert not (await stage.ask(user="somebody else")).from_cache
    assert not (await stage.ask(wanted=False)).from_cache
    stage.catalog = Catalog(
        hosts=CATALOG.hosts, models=CATALOG.models, aliases={}, prefixes={}, snapshot="another"
    )
    assert not (await stage.ask()).from_cache


@pytest.mark.parametrize(
    "answer",
    [
        whole(Text("Hel"), finish="length"),
        whole(ToolCall("c", "f", "{}"), finish="tool_calls"),
        whole(Text("See."), ToolCall("c", "f", "{}")),
        whole(Text("So it says.", citations=(Citation("x"),))),
        whole(Text("x" * 300_000)),
        whole(),
    ],
    ids=["cut", "call", "text and call", "cited", "long", "empty"],
)
async def test_what_is_no_plain_answer_is_not_kept(answer: list[Chunk]) -> None:
    stage = Stage(play(answer))
    await stage.ask()
    assert (stage.store.kept, (await stage.ask()).from_cache) == ({}, False)


async def test_with_tools_on_offer_nothing_is_kept() -> None:
    stage = Stage(play(whole(Text("Hello"))))
    for _ in range(2):
        assert not (await stage.ask(replace(ASKED, tools=(Tool("f"),)))).from_cache


async def test_an_answer_that_was_left_is_not_kept() -> None:
    stage = Stage(play(STREAM, ENDING))
    caller = Caller(Principal("k", "u", "t"), request_id="req_1", endpoint="/", reads_cache=True)
    reply = await stage.gateway.chat(replace(ASKED, stream=True), caller)
    await anext(reply.chunks)
    await reply.chunks.aclose()
    await stage.calls.settle_all()
    assert stage.store.kept == {}
    assert stage.ledger.records[0].status == "cancelled"


async def test_what_is_kept_is_sealed_for_its_place_and_its_installation() -> None:
    stage = Stage(play(whole(Text("a secret of theirs"))))
    await stage.ask()
    ((key, (value, until)),) = stage.store.kept.items()
    assert b"secret of theirs" not in value
    assert "hi" not in key
    stage.store.kept[key] = (value[:-1] + bytes([value[-1] ^ 1]), until)
    assert not (await stage.ask()).from_cache, "changed by somebody"
    stage.gateway.cache = stage.cache(b"another secret")
    assert not (await stage.ask()).from_cache
