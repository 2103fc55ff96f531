"""One turn of a conversation, from where it stands to what is kept of it."""

from typing import Any

import pytest
from msgspec.structs import replace

from models.caller import Caller
from models.chat import (
    ChatRequest,
    Chunk,
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
    ToolCallDelta,
    ToolCallStarted,
)
from models.conversations import Fork, Written
from models.conversing import Interaction
from models.dialogue import Dialogue
from models.errors import Conflict, InvalidRequest, NotFound, Overloaded, PolyvoxError, ReplicaLost
from models.identity import Principal
from tests.ledger_samples import record
from tests.unit.context_engine.scene import ANN, GPT, TINY_GPT, Scene, message, talk, user, words

PRINCIPAL = Principal("k", str(ANN.user_id), ANN.tenant_id)


SIGNED = Opaque("anthropic", "signature", "sig")


def caller(scene: Scene, **said: Any) -> Caller:
    return Caller(PRINCIPAL, request_id="req_1", endpoint="/x", conversation_id=scene.id, **said)


async def begun(scene: Scene, *messages: Message, **said: Any) -> Dialogue:
    """A turn with something new in it."""
    dialogue = await Dialogue.begin(scene.engine, caller(scene, **said))
    request = ChatRequest(model=GPT, messages=messages or (user("hi"),))
    await dialogue.fit(request, [scene.catalog.models[GPT]])
    return dialogue


async def kept(scene: Scene) -> list[Message]:
    return [stored.message for stored in await scene.path()]


async def test_each_model_is_sent_the_request_with_the_conversation_before_it() -> None:
    scene = Scene()
    await scene.begin(talk())
    dialogue = await Dialogue.begin(scene.engine, caller(scene))
    asked = ChatRequest(model="auto", messages=(user("go on"),), temperature=0.3, tools=(Tool("f"),))
    models = [scene.catalog.models[name] for name in (TINY_GPT, GPT)]
    fitted = await dialogue.fit(asked, models)
    assert fitted[GPT] == replace(asked, messages=(*talk(), user("go on")))
    assert fitted[TINY_GPT] == replace(asked, messages=fitted[TINY_GPT].messages)
    assert len(fitted[TINY_GPT].messages) < 40
    assert dialogue.reports.keys() == {TINY_GPT}


async def test_what_is_said_already_is_refused() -> None:
    scene = Scene()
    await scene.begin([user("hi"), message("assistant", "hello")])
    with pytest.raises(InvalidRequest) as caught:
        await begun(scene, user("hi"), message("assistant", "hello"))
    assert caught.value.param == "messages"


async def test_a_conversation_that_may_not_be_made_has_to_be_there() -> None:
    scene = Scene()
    scene.id = "5b0fb8f4-4a0b-4a52-9b0a-6d3a3d1c2f10"
    with pytest.raises(NotFound):
        await begun(scene, may_create_conversation=False)
    await begun(scene)
    assert (await scene.store.get(ANN, scene.id)).messages == 0


THOUGHT: list[Chunk] = [Started("i", "m"), ThinkingDelta("hm"), OpaqueDelta(SIGNED)]
THINKING = Thinking("hm", (SIGNED,))
CALLING: list[Chunk] = [ToolCallStarted(0, "c1", "f"), ToolCallDelta(0, '{"a":'), ToolCallDelta(0, "1}")]


@pytest.mark.parametrize(
    ("heard", "status", "answer"),
    [
        ([TextDelta("Hel"), TextDelta("lo")], "completed", (Text("Hello"),)),
        ([*THOUGHT, TextDelta("Yes")], "completed", (THINKING, Text("Yes"))),
        (CALLING, "completed", (ToolCall("c1", "f", '{"a":1}'),)),
        ([Started("i", "m")], "completed", ()),
        ([TextDelta("Hel")], "cancelled", (Text("Hel"),)),
        ([*THOUGHT, TextDelta("Yes"), *CALLING[:2]], "cancelled", (THINKING, Text("Yes"))),
        (CALLING, "cancelled", None),
        (THOUGHT, "cancelled", None),
        ([Started("i", "m"), TextDelta("")], "cancelled", None),
        ([], "cancelled", None),
    ],
    ids=[
        "text",
        "thoughts",
        "calls",
        "nothing to say",
        "cut",
        "cut in a call",
        "calls cut",
        "thoughts cut",
        "text cut at once",
        "nothing came",
    ],
)
async def test_what_is_kept_of_a_turn(
    heard: list[Chunk], status: Any, answer: tuple[Any, ...] | None
) -> None:
    scene = Scene()
    await scene.begin([user("first"), message("assistant", "ok")])
    dialogue = await begun(scene, message("system", "New rule."), user("hi"))
    dialogue.heard(heard)
    await dialogue.keep(record(status=status), api="openai")
    new = [] if answer is None else [message("system", "New rule."), user("hi"), Message("assistant", answer)]
    assert (await kept(scene))[2:] == new


async def test_an_answer_is_kept_with_who_gave_it_and_what_it_took() -> None:
    scene = Scene()
    await scene.begin()
    dialogue = await begun(scene)
    dialogue.heard([TextDelta("Hello")])
    took = record(cache_read_tokens=3, cache_write_5m_tokens=4, cache_write_1h_tokens=5, reasoning_tokens=15)
    await dialogue.keep(took, api="openai")
    asked, answered = await scene.path()
    assert asked.producer is None
    assert answered.producer is not None
    assert (answered.producer.model, answered.producer.provider, answered.producer.api) == (
        GPT,
        "openai",
        "openai",
    )
    assert (answered.producer.request_id, answered.producer.cost_pico) == ("req_1", 300)
    assert (answered.producer.input_tokens, answered.producer.output_tokens, answered.tokens) == (22, 20, 5)
    conversation = await scene.store.get(ANN, scene.id)
    assert conversation.cost_tracking.total.cost_pico == "300"
    assert [run.model for run in conversation.model_history] == [GPT]


async def test_a_turn_goes_to_the_branch_that_it_began_in() -> None:
    scene = Scene()
    await scene.begin([user("first"), message("assistant", "ok")])
    dialogue = await begun(scene)
    first = (await scene.path())[0]
    await scene.store.fork(ANN, scene.id, Fork(instead_of=first.id))
    dialogue.heard([TextDelta("Hello")])
    await dialogue.keep(record(), api="openai")
    assert words(await scene.path(1)) == ["first", "ok", "hi", "Hello"]
    assert words(await scene.path(2)) == []


class Failing(Scene):
    """Its store is away so many times; what was written before it went is there."""

    def __init__(self, *failures: PolyvoxError, after_writing: bool = False) -> None:
        super().__init__()
        self.failures = list(failures)
        self.after_writing = after_writing
        self.told: list[Interaction] = []
        self._update = self.engine.update_context
        self.engine.update_context = self._failing  # type: ignore[method-assign]

    async def _failing(self, interaction: Interaction) -> Written:
        self.told.append(interaction)
        if self.failures:
            if self.after_writing:
                await self._update(interaction)
            raise self.failures.pop(0)
        return await self._update(interaction)


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.dialogue._AGAIN_AFTER_S", 0.001)


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("after_writing", [False, True])
async def test_a_store_that_is_away_is_tried_again_and_the_turn_kept_once(after_writing: bool) -> None:
    scene = Failing(Overloaded("away"), ReplicaLost("died"), Overloaded("away"), after_writing=after_writing)
    await scene.begin()
    dialogue = await begun(scene)
    dialogue.heard([TextDelta("Hello")])
    await dialogue.keep(record(), api="openai")
    assert words(await scene.path()) == ["hi", "Hello"]
    assert {interaction.key for interaction in scene.told} == {"turn:req_1"}


@pytest.mark.usefixtures("soon")
async def test_a_store_that_stays_away_is_told_to_the_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.dialogue.KEEP_S", 0.02)
    scene = Failing(*[Overloaded("away")] * 10_000)
    await scene.begin()
    dialogue = await begun(scene)
    dialogue.heard([TextDelta("Hello")])
    with pytest.raises(Overloaded):
        await dialogue.keep(record(), api="openai")
    assert len(scene.told) > 1
    assert await kept(scene) == []


async def test_what_trying_again_does_not_mend_is_not_tried_again() -> None:
    scene = Failing(Conflict("no"))
    await scene.begin()
    dialogue = await begun(scene)
    dialogue.heard([TextDelta("Hello")])
    with pytest.raises(Conflict):
        await dialogue.keep(record(), api="openai")
    assert len(scene.told) == 1
