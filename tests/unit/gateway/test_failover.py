"""Who answers when the one that was to answer cannot."""

import asyncio
from uuid import uuid4

import pytest
from msgspec.structs import replace

from models.breaker import IN_A_ROW, OPEN_S
from models.breakers import Breakers
from models.caller import Caller
from models.chat import (
    ChatRequest,
    ChatResponse,
    Completed,
    Finished,
    Message,
    Started,
    Text,
    TextDelta,
    Tool,
    ToolCall,
    ToolResult,
)
from models.conditions import Conditions
from models.doubles import Script, play
from models.errors import (
    ContextLengthExceeded,
    Overloaded,
    PermissionDenied,
    PolyvoxError,
    ProviderAuthFailed,
    ProviderOverloaded,
    ProviderRateLimited,
    ProviderRefused,
    ProviderTimeout,
    ProviderUnavailable,
    ReplicaLost,
    UnknownModel,
)
from models.identity import Principal
from models.providers.call import ProviderCall
from models.resilience import Resilience
from models.response_cache import InMemoryCache, ResponseCache
from models.routing.constraints import Constraints
from models.routing.performance import LivePerformance
from models.routing.policies import RoutingPolicy
from tests.unit.gateway.stage import (
    ANN,
    CATALOG,
    EVERY,
    MODEL,
    USAGE,
    Stage,
    ask,
    caller,
    failing_first,
    streamed,
    whole,
)
from tests.unit.resilience.clock import Clock

OTHER, THIRD = "claude-haiku-5-5", "gemini-3.5-flash"
TO_OTHER = caller(Resilience(fallback=(OTHER, THIRD)))
TO_ANY = caller(Resilience(fallback=("auto",)))
down = ProviderUnavailable("broken", status=500)


def only(*answering: str, error: PolyvoxError = down) -> Stage:
    """Where these models answer, and the others fail like that."""

    def script(call: ProviderCall) -> Script:
        if call.model not in answering:
            yield error
        yield from streamed() if call.request.stream else whole()

    return Stage(script)


@pytest.mark.parametrize("stream", [True, False])
async def test_u1_a_model_that_is_named_falls_back_to_those_that_the_caller_allows(stream: bool) -> None:
    stage = only(CATALOG.models[THIRD].wire_name)
    reply = await stage.gateway.chat(ask(stream=stream), TO_OTHER)
    assert (reply.model.id, reply.attempts, reply.fallback_from) == (THIRD, 3, MODEL)
    _ = [batch async for batch in reply.chunks]
    assert await stage.outcomes() == [
        (MODEL, "failed", 0),
        (OTHER, "failed", 0),
        (THIRD, "completed", stage.ledger.records[-1].cost_pico),
    ]


async def test_or_to_those_that_the_router_would_ask() -> None:
    stage = only("gemini-4-argon", *(m.wire_name for m in CATALOG.models.values() if m.host == "anthropic"))
    reply, _ = await stage.read(ask(), TO_ANY)
    assert reply.fallback_from == MODEL
    assert reply.model.host != "openai"
    assert reply.plan is None  # the request named its model


async def test_without_leave_nobody_else_is_asked() -> None:
    stage = only(CATALOG.models[OTHER].wire_name)
    with pytest.raises(ProviderUnavailable):
        await stage.gateway.chat(ask(), caller())
    assert set(stage.asked) == {MODEL}


async def test_who_answers_at_once_has_no_fallback() -> None:
    reply, _ = await Stage(lambda _: streamed()).read(ask(), TO_OTHER)
    assert (reply.attempts, reply.fallback_from) == (1, None)


@pytest.mark.parametrize(
    ("fallback", "error"), [("gpt-17", UnknownModel), ("claude-sonnet-5", PermissionDenied)]
)
async def test_a_fallback_is_held_to_the_policy_too(fallback: str, error: type[PolyvoxError]) -> None:
    stage = Stage(lambda _: streamed())
    denied = RoutingPolicy(constraints=Constraints(denied_models=frozenset({"claude-sonnet-5"})))
    by = Caller(
        Principal("k", "u", "t"),
        request_id="r",
        endpoint="/",
        routing=denied,
        resilience=Resilience(fallback=(fallback,)),
    )
    with pytest.raises(error):
        await stage.gateway.chat(ask(), by)
    assert stage.asked == []


async def test_a_fallback_that_could_not_serve_the_request_is_left_out() -> None:
    models = [model for model in CATALOG.models.values() if model.kind == "chat"]
    small = min(models, key=lambda model: model.max_output)
    assert small.max_output < CATALOG.models[MODEL].max_output
    stage = Stage(play(down))
    long = ask(max_tokens=small.max_output + 1)
    with pytest.raises(ProviderUnavailable):
        await stage.gateway.chat(long, caller(Resilience(fallback=(small.id,))))
    assert set(stage.asked) == {MODEL}


async def test_a_router_that_cannot_be_asked_is_no_reason_not_to_ask_the_model() -> None:
    stage = Stage(lambda _: streamed())
    huge = ask("hi", max_tokens=10**9)  # nobody's window
    reply, _ = await stage.read(huge, TO_ANY)
    assert reply.model.id == MODEL


async def test_tools_under_way_are_finished_by_the_model_that_called_them() -> None:
    call = ToolCall("c1", "look", "{}")

    def script(_: ProviderCall) -> Script:
        if len(stage.providers.calls) > 1:
            yield down
        answer = ChatResponse(id="i", model="m", parts=(call,), finish="tool_calls", usage=USAGE)
        yield [Completed(answer)]

    stage = Stage(script)
    conversation_id = str(uuid4())
    by = caller(Resilience(fallback=(OTHER,)), conversation_id=conversation_id)
    asked = ask(stream=False)
    tools = (Tool("look"),)
    reply = await stage.gateway.chat(replace(asked, tools=tools), by)
    await reply.response()
    results = ChatRequest(
        model=MODEL, messages=(Message("tool", (ToolResult("c1", (Text("seen"),)),)),), tools=tools
    )
    by = caller(Resilience(fallback=(OTHER,)), conversation_id=conversation_id, request_id="req_2")
    with pytest.raises(ProviderUnavailable):
        await stage.gateway.chat(results, by)
    assert set(stage.asked) == {MODEL}


@pytest.mark.parametrize(
    ("error", "calls"),
    [
        (ProviderRateLimited("slow down", status=429), 2),
        (ProviderOverloaded("busy", status=529), 2),
        (ProviderUnavailable("no connection", sent=False), 2),
        (ReplicaLost("died"), 2),
        (ProviderRateLimited("slow down", status=429, retry_after_s=30), 1),
        (ProviderUnavailable("the connection broke before an answer"), 1),
        (ProviderTimeout("silence"), 1),
        (ProviderRefused("your request is wrong", status=400), 1),
        (ProviderAuthFailed("the key", status=401), 1),
        (ContextLengthExceeded("too long", status=400), 1),
    ],
    ids=lambda value: f"{type(value).__name__}" if isinstance(value, PolyvoxError) else "",
)
async def test_u1_a_model_alone_is_asked_once_more_where_it_turned_the_call_down(
    error: PolyvoxError, calls: int
) -> None:
    stage = Stage(play(error))
    with pytest.raises(type(error)):
        await stage.gateway.chat(ask(), caller())
    assert stage.asked == [MODEL] * calls
    again = Stage(failing_first(error))
    if calls > 1:
        reply, _ = await again.read(ask())
        assert (reply.attempts, reply.fallback_from) == (2, None)


async def test_u1_a_primary_that_is_dead_is_hardly_asked_and_nobody_notices() -> None:
    """300 requests that name it: all are answered, and it was asked no more than its breaker allows."""
    stage = only(CATALOG.models[OTHER].wire_name)
    attempts = 0
    for number in range(300):
        reply, _ = await stage.read(ask(), caller(Resilience(fallback=(OTHER,)), request_id=f"req_{number}"))
        attempts += reply.attempts
        assert reply.fallback_from == MODEL
    assert stage.asked.count(MODEL) == IN_A_ROW
    assert attempts <= 1.2 * 300


async def test_u1_a_retry_after_keeps_everybody_away_until_then() -> None:
    clock = Clock()
    conditions = Conditions(breakers=Breakers(clock=clock))
    limited = ProviderRateLimited("slow down", status=429, retry_after_s=20)
    stage = Stage(play(limited), conditions=conditions)
    with pytest.raises(ProviderRateLimited):
        await stage.gateway.chat(ask(), caller())
    clock.pass_(1)  # one call a second sees whether that is so for smaller requests too
    with pytest.raises(ProviderRateLimited):
        await stage.gateway.chat(ask(), caller(request_id="req_2"))
    clock.pass_(0.5)
    with pytest.raises(Overloaded) as refused:
        await stage.gateway.chat(ask(), caller(request_id="req_3"))
    assert refused.value.retry_after_s == pytest.approx(19.5, abs=0.1)
    assert stage.asked == [MODEL] * 2
    assert stage.conditions.status(MODEL).state == "unavailable"


async def test_u4_an_error_before_any_content_is_nobodys_answer() -> None:
    def script(call: ProviderCall) -> Script:
        yield [Started("i", "m")]
        if call.model == MODEL:
            yield ProviderOverloaded("overloaded", status=529)
        yield from streamed()

    stage = Stage(script)
    reply, chunks = await stage.read(ask(), TO_OTHER)
    assert (reply.model.id, reply.attempts) == (OTHER, 2)
    assert [chunk for chunk in chunks if isinstance(chunk, TextDelta)] == [TextDelta("Hel"), TextDelta("lo")]


async def test_a_conversation_goes_on_with_a_fallback_that_knows_all_of_it() -> None:
    stage = only(CATALOG.models[OTHER].wire_name)
    by = caller(Resilience(fallback=(OTHER,)), conversation_id=str(uuid4()))
    reply, _ = await stage.read(ask("first"), by)
    assert reply.model.id == OTHER
    by = caller(Resilience(fallback=(OTHER,)), conversation_id=by.conversation_id, request_id="req_2")
    await stage.read(ask("second"), by)
    assert len(stage.providers.calls[-1].request.messages) == 3


async def test_a_model_that_is_tried_in_vain_is_seen_to_be() -> None:
    performance = LivePerformance()
    broken = ProviderUnavailable("the connection broke before an answer")
    stage = Stage(play(broken), conditions=Conditions(performance))
    for number in range(IN_A_ROW):
        with pytest.raises(ProviderUnavailable):
            await stage.gateway.chat(ask(), caller(request_id=f"req_{number}"))
    said = stage.conditions.status(MODEL)
    assert (said.breaker, said.state) == ("open", "unavailable")


async def test_a_model_without_credentials_is_answered_for_by_its_fallback() -> None:
    stage = Stage(lambda _: streamed(), available=EVERY - {MODEL})
    reply, _ = await stage.read(ask(), TO_OTHER)
    assert (reply.model.id, reply.attempts, reply.fallback_from) == (OTHER, 1, MODEL)
    with pytest.raises(ProviderAuthFailed):
        await stage.gateway.chat(ask(), caller())


async def test_what_a_fallback_answered_is_not_kept_for_those_who_name_the_model() -> None:
    stage = only(CATALOG.models[OTHER].wire_name)
    store = InMemoryCache()
    stage.gateway.cache = ResponseCache(
        store, stage.calls, catalog=lambda: CATALOG, secret=b"secret", ttl_s=60
    )
    by = Caller(ANN, request_id="r", endpoint="/", reads_cache=True, resilience=Resilience(fallback=(OTHER,)))
    reply, _ = await stage.read(ask(), by)
    assert reply.model.id == OTHER
    await stage.calls.settle_all()
    assert store.kept == {}


async def test_u2_a_probe_closes_the_breaker_as_soon_as_it_has_begun() -> None:
    clock, may_end = Clock(), asyncio.Event()
    broken: list[PolyvoxError] = [down] * IN_A_ROW

    def script(_: ProviderCall) -> Script:
        if broken:
            yield broken.pop()
        yield [Started("i", "m"), TextDelta("Hel")]
        yield may_end
        yield [Finished("stop", USAGE)]

    stage = Stage(script, conditions=Conditions(breakers=Breakers(clock=clock, draw=lambda: 0.5)))
    stage.gateway.patience_s = 0.0
    for number in range(IN_A_ROW):
        with pytest.raises(ProviderUnavailable):
            await stage.gateway.chat(ask(), caller(request_id=f"req_{number}"))
    assert stage.conditions.status(MODEL).breaker == "open"
    clock.pass_(OPEN_S)
    reply = await stage.gateway.chat(ask(), caller(request_id="probe"))
    assert stage.conditions.status(MODEL).breaker == "closed"
    may_end.set()
    _ = [batch async for batch in reply.chunks]
