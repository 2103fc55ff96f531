"""Requests that are turns of a conversation, and switches, over doubles of the ports."""

import asyncio
from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest

from models.caller import Caller
from models.chat import (
    ChatRequest,
    ChatResponse,
    Chunk,
    Completed,
    Finished,
    Message,
    Started,
    Text,
    TextDelta,
    ToolCall,
    ToolCallStarted,
    Usage,
)
from models.conversations import InMemoryConversations, Owner, new_conversation
from models.doubles import InMemoryLedger, Script, ScriptedProviders, in_memory_context, play
from models.errors import (
    BudgetExceeded,
    Conflict,
    ContextLengthExceeded,
    InvalidRequest,
    NotFound,
    Overloaded,
    PolyvoxError,
    ProviderAuthFailed,
    ProviderOverloaded,
    ProviderUnavailable,
    ReplicaLost,
    UnknownModel,
)
from models.gateway import Gateway, Reply, Timeouts
from models.identity import Principal
from models.ledger.memory import Budget
from models.model_router import ModelRouter
from models.open_calls import OpenCalls
from models.providers.call import ProviderCall
from models.routing.router import RuleRouter
from tests.unit.context_engine.scene import (
    ANN,
    BOB,
    CLAUDE,
    GPT,
    TINY_CLAUDE,
    TINY_GPT,
    answer,
    call,
    catalog,
    message,
    said,
    talk,
    user,
    words,
)

CATALOG = catalog()
EVERY = frozenset(CATALOG.models)
USAGE = Usage(input=100, cache_read=20, output=10)


def streamed(*texts: str) -> Script:
    yield [Started("id", "m")]
    for text in texts:
        yield [TextDelta(text)]
    yield [Finished("stop", USAGE)]


def hello(_: ProviderCall) -> Script:
    return streamed("Hel", "lo")


def after(*errors: PolyvoxError) -> Callable[[ProviderCall], Script]:
    """Fails so many times before it says hello."""
    left = list(errors)

    def script(_: ProviderCall) -> Iterator[list[Chunk] | PolyvoxError]:
        if left:
            yield left.pop(0)
        yield from streamed("Hello")  # type: ignore[misc]

    return script


class Stage:
    def __init__(
        self,
        script: Callable[[ProviderCall], Script] = hello,
        *,
        available: frozenset[str] = EVERY,
        budgets: tuple[Budget, ...] = (),
    ) -> None:
        self.providers = ScriptedProviders(script)
        self.ledger = InMemoryLedger(budgets)
        self.calls = OpenCalls(self.ledger)
        self.store = InMemoryConversations()
        self.context = in_memory_context(CATALOG, store=self.store)
        self.gateway = Gateway(
            catalog=CATALOG,
            available=available,
            providers=self.providers,
            router=ModelRouter(RuleRouter(CATALOG, available)),
            context=self.context,
            calls=self.calls,
            timeouts=Timeouts(),
        )
        self.id = str(uuid4())

    async def begin(self, *messages: Message, by: str = GPT) -> None:
        await self.store.create(ANN, new_conversation([said(one, by=by) for one in messages], id=self.id))

    def caller(
        self, *, owner: Owner = ANN, create: bool = True, preserve: bool = True, take_over: bool = True
    ) -> Caller:
        return Caller(
            Principal("k", str(owner.user_id), owner.tenant_id),
            request_id=f"req_{uuid4()}",
            endpoint="/v1/chat/completions",
            conversation_id=self.id,
            may_create_conversation=create,
            preserve_context=preserve,
            may_take_over=take_over,
        )

    async def ask(
        self, *messages: Message, model: str = GPT, stream: bool = True, caller: Caller | None = None
    ) -> Reply:
        request = ChatRequest(model=model, messages=messages, stream=stream)
        return await self.gateway.chat(request, caller or self.caller())

    async def read(self, *messages: Message, model: str = GPT, caller: Caller | None = None) -> Reply:
        reply = await self.ask(*messages, model=model, caller=caller)
        async for _ in reply.chunks:
            pass
        return reply

    async def switch(self, model: str, *, preserve: bool = True, force: bool = False) -> None:
        await self.gateway.switch_model(self.caller(preserve=preserve), model, force=force)

    async def kept(self) -> list[str]:
        return words(await self.store.path(await self.store.get(ANN, self.id)))

    async def statuses(self) -> list[str]:
        await self.calls.settle_all()
        return [record.status for record in self.ledger.records]

    def sent(self) -> list[str]:
        """The texts of what the last call was sent."""
        return words(self.providers.calls[-1].request.messages)


async def test_a_turn_is_sent_with_the_conversation_and_kept_before_its_end_is_handed_out() -> None:
    stage = Stage()
    await stage.begin(user("I am Ida."), message("assistant", "Hello Ida."))
    reply = await stage.ask(user("Who am I?"))
    async for batch in reply.chunks:
        ended = isinstance(batch[-1], Finished)
        assert len(await stage.kept()) == (4 if ended else 2)
    assert stage.sent() == ["I am Ida.", "Hello Ida.", "Who am I?"]
    assert (await stage.kept())[2:] == ["Who am I?", "Hello"]
    [record] = stage.ledger.records
    assert record.conversation_id == stage.id
    assert reply.context is None


async def test_a_whole_answer_is_kept_too() -> None:
    said = ChatResponse(id="i", model="m", parts=(Text("Hello"),), finish="stop", usage=USAGE)
    stage = Stage(play([Completed(said)]))
    reply = await stage.ask(user("hi"), stream=False)
    assert (await reply.response()).parts == (Text("Hello"),)
    assert await stage.kept() == ["hi", "Hello"]


async def test_turn_after_turn_whichever_way_the_client_sends_them() -> None:
    stage = Stage(lambda call: streamed(f"a{len(call.request.messages)}"))
    system, first = message("system", "Be brief."), user("q1")
    await stage.read(system, first)
    await stage.read(user("q2"), model=CLAUDE)
    await stage.read(system, user("q3"))
    everything = [one.message for one in await stage.store.path(await stage.store.get(ANN, stage.id))]
    await stage.read(*everything, user("q4"))
    assert await stage.kept() == ["Be brief.", "q1", "a2", "q2", "a4", "q3", "a6", "q4", "a8"]
    assert stage.sent() == (await stage.kept())[:-1]


@pytest.mark.parametrize("create", [False, True])
async def test_only_who_may_make_a_conversation_makes_one(create: bool) -> None:
    stage = Stage()
    caller = stage.caller(create=create)
    if create:
        await stage.read(user("hi"), caller=caller)
        assert await stage.kept() == ["hi", "Hello"]
    else:
        with pytest.raises(NotFound):
            await stage.read(user("hi"), caller=caller)
        assert (stage.providers.calls, stage.ledger.asks) == ([], [])


@pytest.mark.parametrize("create", [False, True])
async def test_another_users_conversation_is_theirs(create: bool) -> None:
    stage = Stage()
    await stage.begin(user("secret"), message("assistant", "ok"))
    with pytest.raises(NotFound):
        await stage.read(user("hi"), caller=stage.caller(owner=BOB, create=create))
    assert (stage.providers.calls, await stage.kept()) == ([], ["secret", "ok"])
    with pytest.raises(NotFound):
        await stage.gateway.switch_model(stage.caller(owner=BOB), CLAUDE, force=True)


async def test_who_goes_on_where_nobody_is_named() -> None:
    stage = Stage()
    await stage.begin(user("hi"), message("assistant", "hello"), by=CLAUDE)
    assert (await stage.read(user("a"), model="")).model.id == CLAUDE
    await stage.read(user("b"), model=GPT)
    assert (await stage.read(user("c"), model="")).model.id == GPT
    await stage.switch("claude-sonnet-5")
    assert (await stage.read(user("d"), model="")).model.id == "claude-sonnet-5"


async def test_the_router_chooses_where_nobody_has_answered_whom_the_catalogue_knows() -> None:
    stage = Stage()
    assert (await stage.read(user("hi"), model="")).plan is not None
    stage.id = str(uuid4())
    await stage.begin(user("hi"), message("assistant", call("c1")), by="of-old")
    assert (await stage.read(answer("c1"), model="")).plan is not None


async def test_the_model_whose_tools_are_under_way_goes_on_where_the_choice_is_the_routers() -> None:
    stage = Stage(play([ToolCallStarted(0, "c1", "f", "{}")], [Finished("tool_calls", USAGE)]))
    await stage.read(user("Look it up."), model=CLAUDE)
    reply = await stage.read(answer("c1"), model="auto")
    assert reply.plan is not None
    assert (reply.model.id, reply.plan.seat) == (CLAUDE, "locked")
    with pytest.raises(Conflict):
        await stage.switch(GPT)
    await stage.switch(GPT, force=True)
    assert (await stage.read(answer("c1"), model="")).model.id == GPT


async def test_a_model_that_is_named_takes_over_where_it_may() -> None:
    stage = Stage(play([ToolCallStarted(0, "c1", "f", "{}")], [Finished("tool_calls", USAGE)]))
    await stage.read(user("Look it up."), model=CLAUDE)
    with pytest.raises(Conflict):
        await stage.read(user("Never mind."), model=GPT, caller=stage.caller(take_over=False))
    assert (
        await stage.read(user("Never mind."), model=CLAUDE, caller=stage.caller(take_over=False))
    ).attempts
    assert (await stage.read(user("Never mind."), model=GPT)).model.id == GPT


async def test_what_does_not_fit_is_compressed_and_said_so() -> None:
    stage = Stage()
    await stage.begin(*talk("My budget is $731 for the trip."))
    reply = await stage.read(user("What is my budget?"), model=TINY_GPT)
    assert reply.context is not None
    assert reply.context.tokens_after < reply.context.tokens_before
    assert "$731" in "".join(stage.sent())
    assert len(await stage.kept()) == len(talk("x")) + 2, "the store has it whole"


async def test_what_is_too_long_by_itself_is_refused_before_it_costs_anything() -> None:
    stage = Stage()
    await stage.begin(*talk())
    with pytest.raises(ContextLengthExceeded):
        await stage.read(user("word " * 2_000), model=TINY_CLAUDE)
    assert (stage.providers.calls, stage.ledger.asks) == ([], [])


@pytest.mark.parametrize(
    ("text", "error"),
    [("half \ud83d", InvalidRequest), ("x" * 16 * 1024 * 1024, InvalidRequest)],
    ids=["half a character", "long"],
)
async def test_what_could_not_be_kept_is_refused_before_it_costs_anything(
    text: str, error: type[PolyvoxError]
) -> None:
    stage = Stage()
    with pytest.raises(error):
        await stage.read(user(text))
    assert (stage.providers.calls, stage.ledger.asks, await stage.kept()) == ([], [], [])


async def test_a_request_with_nothing_new_in_it_is_refused() -> None:
    stage = Stage()
    await stage.begin(user("hi"), message("assistant", "hello"))
    with pytest.raises(InvalidRequest) as caught:
        await stage.read(user("hi"), message("assistant", "hello"))
    assert (caught.value.param, stage.providers.calls) == ("messages", [])


async def test_the_context_can_be_left_out_of_one_turn() -> None:
    stage = Stage()
    await stage.begin(message("system", "Be brief."), user("I am Ida."), message("assistant", "Hello Ida."))
    await stage.read(user("Who am I?"), caller=stage.caller(preserve=False))
    assert stage.sent() == ["Be brief.", "Who am I?"]
    await stage.read(user("Sure?"))
    assert len(stage.sent()) == 6


async def test_a_switch_without_the_context_holds_until_one_with_it() -> None:
    stage = Stage()
    await stage.begin(user("I am Ida."), message("assistant", "Hello Ida."))
    await stage.switch(CLAUDE, preserve=False)
    await stage.read(user("Who am I?"), model="")
    assert stage.sent() == ["Who am I?"]
    await stage.switch(GPT)
    await stage.read(user("Sure?"), model="")
    assert stage.sent() == ["I am Ida.", "Hello Ida.", "Who am I?", "Hello", "Sure?"]


async def test_a_failure_keeps_nothing_and_trying_again_works() -> None:
    stage = Stage(after(*[ProviderUnavailable("down", provider="openai")] * 3))
    await stage.begin(user("hi"), message("assistant", "hello"))
    for _ in range(3):
        with pytest.raises(ProviderUnavailable):
            await stage.read(user("again"))
        assert await stage.kept() == ["hi", "hello"]
    await stage.read(user("again"))
    assert await stage.kept() == ["hi", "hello", "again", "Hello"]


async def test_an_answer_that_breaks_off_keeps_nothing() -> None:
    stage = Stage(play([TextDelta("Hel")], ProviderUnavailable("cut", provider="openai")))
    with pytest.raises(ProviderUnavailable):
        await stage.read(user("hi"))
    assert (await stage.statuses(), await stage.kept()) == (["failed"], [])


@pytest.mark.parametrize("error", [ReplicaLost("died"), ProviderOverloaded("busy", provider="openai")])
async def test_a_second_attempt_is_sent_the_conversation_too_and_the_turn_is_kept_once(
    error: PolyvoxError,
) -> None:
    stage = Stage(after(error))
    await stage.begin(user("I am Ida."), message("assistant", "Hello Ida."))
    await stage.read(user("Who am I?"), model="auto")
    assert len(stage.providers.calls) == 2
    assert stage.sent() == ["I am Ida.", "Hello Ida.", "Who am I?"]
    assert (await stage.kept())[2:] == ["Who am I?", "Hello"]


async def test_a_spent_budget_keeps_nothing() -> None:
    budget = Budget("user", str(ANN.user_id), 1)
    stage = Stage(budgets=(budget,))
    with pytest.raises(BudgetExceeded):
        await stage.read(user("hi"))
    assert (await stage.kept(), stage.providers.calls) == ([], [])


async def test_a_client_that_leaves_finds_what_had_come_when_it_comes_back() -> None:
    stage = Stage(play([TextDelta("Hel")], [TextDelta("lo")], asyncio.Event(), [TextDelta(" there")]))
    reply = await stage.ask(user("hi"))
    assert await anext(reply.chunks) == [TextDelta("Hel")]
    assert await anext(reply.chunks) == [TextDelta("lo")]
    await reply.chunks.aclose()
    assert (await stage.statuses(), await stage.kept()) == (["cancelled"], ["hi", "Hello"])


async def test_calls_of_tools_that_a_client_did_not_stay_for_are_not_kept() -> None:
    stage = Stage(play([TextDelta("Let me see."), ToolCallStarted(0, "c", "f")], asyncio.Event()))
    reply = await stage.ask(user("hi"))
    await anext(reply.chunks)
    await reply.chunks.aclose()
    await stage.statuses()
    path = await stage.store.path(await stage.store.get(ANN, stage.id))
    assert [one.message.parts for one in path] == [(Text("hi"),), (Text("Let me see."),)]


async def test_a_client_that_leaves_before_anything_came_leaves_nothing() -> None:
    stage = Stage(play(asyncio.Event()))
    await stage.begin(user("hi"), message("assistant", "hello"))
    task = asyncio.create_task(stage.ask(user("again")))
    while not stage.providers.calls:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await stage.statuses(), await stage.kept()) == (["cancelled"], ["hi", "hello"])


async def test_a_client_that_leaves_at_the_very_end_finds_the_whole_answer() -> None:
    stage = Stage(
        play([TextDelta("Hello"), ToolCallStarted(0, "c1", "f", "{}")], [Finished("tool_calls", USAGE)])
    )
    reply = await stage.ask(user("hi"))
    await anext(reply.chunks)
    end = asyncio.ensure_future(anext(reply.chunks))
    await asyncio.sleep(0)
    end.cancel()
    with pytest.raises(asyncio.CancelledError):
        await end
    assert await stage.statuses() == ["completed"]
    path = await stage.store.path(await stage.store.get(ANN, stage.id))
    assert path[-1].message.parts == (Text("Hello"), ToolCall("c1", "f", "{}"))


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.dialogue._AGAIN_AFTER_S", 0.001)
    monkeypatch.setattr("models.dialogue.KEEP_S", 0.01)


@pytest.mark.usefixtures("impatient")
async def test_a_store_that_is_away_at_the_end_is_told_and_what_was_paid_is_recorded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stage = Stage()

    async def away(*_: object, **__: object) -> None:
        raise Overloaded("the store is away")

    monkeypatch.setattr(stage.store, "append", away)
    reply = await stage.ask(user("hi"))
    said: list[Chunk] = []
    with pytest.raises(Overloaded, match="the store is away"):
        async for batch in reply.chunks:
            said += batch
    assert said == [Started("id", "m"), TextDelta("Hel"), TextDelta("lo")]
    assert await stage.statuses() == ["completed"]
    monkeypatch.undo()
    await stage.read(user("hi"))
    assert await stage.kept() == ["hi", "Hello"]


async def test_turns_at_once_are_all_kept_each_with_its_answer() -> None:
    stage = Stage(lambda call: streamed("re: ", words(call.request.messages)[-1]))
    await stage.begin()
    await asyncio.gather(*(stage.read(user(f"q{n}")) for n in range(10)))
    kept = await stage.kept()
    assert sorted(kept[::2]) == sorted(f"q{n}" for n in range(10))
    assert [f"re: {question}" for question in kept[::2]] == ["".join(one.split("|")) for one in kept[1::2]]


@pytest.mark.parametrize(
    ("model", "error", "param"),
    [
        ("auto", InvalidRequest, "newModelId"),
        ("auto:cheap", InvalidRequest, "newModelId"),
        ("gpt-99", UnknownModel, "model"),
        ("text-embedding-3-small", UnknownModel, "model"),
    ],
)
async def test_a_switch_is_to_a_chat_model(model: str, error: type[PolyvoxError], param: str) -> None:
    stage = Stage()
    await stage.begin()
    with pytest.raises(error) as caught:
        await stage.switch(model)
    assert caught.value.param == param


async def test_a_switch_to_a_model_without_credentials_is_refused() -> None:
    stage = Stage(available=frozenset({GPT}))
    await stage.begin(user("hi"), message("assistant", "hello"))
    with pytest.raises(ProviderAuthFailed):
        await stage.switch(CLAUDE)
    assert (await stage.read(user("a"), model="")).model.id == GPT


async def test_a_request_of_no_conversation_asks_the_engine_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage()
    monkeypatch.setattr(stage.context, "open_conversation", None)
    stage.id = ""
    await stage.read(user("hi"))
    assert stage.sent() == ["hi"]


async def test_tools_answers_come_after_their_calls() -> None:
    stage = Stage()
    await stage.begin(user("Look it up."), message("assistant", call("c1"), call("c2")))
    await stage.read(answer("c1"), answer("c2"))
    sent = stage.providers.calls[-1].request.messages
    assert [one.role for one in sent] == ["user", "assistant", "tool", "tool"]
    path = await stage.store.path(await stage.store.get(ANN, stage.id))
    assert [one.message.role for one in path] == ["user", "assistant", "tool", "tool", "assistant"]
