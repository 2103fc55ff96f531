"""The Context Preservation Engine: what models are sent of a conversation, over a store in memory."""

import asyncio
from collections.abc import Mapping
from itertools import pairwise
from uuid import uuid4

import msgspec
import pytest
from msgspec.structs import replace

from models.chat import ChatRequest, File, Image, Message, Opaque, Text, Thinking
from models.context.sending import ABOUT, BEFORE
from models.conversations import Change, Fork, InMemoryConversations, Owner, StoredMessage, new_conversation
from models.conversations.writing import MAX_MESSAGE_BYTES
from models.conversing import Optimized, Summary, SummaryDue
from models.errors import (
    Conflict,
    ContextLengthExceeded,
    InvalidRequest,
    NotFound,
    Overloaded,
    PayloadTooLarge,
    PolyvoxError,
)
from models.ledger.estimates import size_of
from tests.unit.context_engine.scene import (
    ANN,
    BOB,
    CLAUDE,
    GEMINI,
    GPT,
    TINY_CLAUDE,
    TINY_GEMINI,
    TINY_GPT,
    Scene,
    answer,
    call,
    catalog,
    message,
    said,
    talk,
    user,
    words,
)

BUDGET, TOPIC = "My budget is $731 for the trip.", "The hotel is called the Quill."
PICTURE = Image(media_type="image/png", data="aGk=")


async def of_turn(scene: Scene, *messages: Message, to: str = TINY_GPT) -> tuple[Message, ...]:
    """What one model is sent."""
    [variant] = (await scene.turn(*messages, to=[to])).variants
    assert variant.model_ids == (to,)
    return variant.messages


def shared(one: tuple[Message, ...], other: tuple[Message, ...]) -> int:
    """How many messages both begin with."""
    return next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), len(one))


async def test_what_fits_is_sent_as_it_is_and_nothing_is_said_of_it() -> None:
    scene = Scene()
    history = [message("system", "Be brief."), user("hi"), message("assistant", Thinking("hm"), "hello")]
    await scene.begin(history)
    optimized = await scene.turn(user("and now?"), to=[TINY_GPT, GPT, TINY_CLAUDE])
    [variant] = optimized.variants
    assert variant.messages == (*history, user("and now?"))
    assert (variant.model_ids, variant.report) == ((TINY_GPT, GPT, TINY_CLAUDE), None)
    assert optimized.new == (0,)


async def test_each_window_gets_what_fits_it() -> None:
    scene = Scene()
    history = talk(BUDGET, TOPIC)
    await scene.begin(history)
    asked = user("What is my budget, and the name of the hotel?")
    optimized = await scene.turn(asked, to=[TINY_GPT, GPT, TINY_CLAUDE, TINY_GEMINI, CLAUDE])
    by_model = {model: variant for variant in optimized.variants for model in variant.model_ids}
    assert by_model.keys() == {TINY_GPT, GPT, TINY_CLAUDE, TINY_GEMINI, CLAUDE}
    assert by_model[GPT].messages == by_model[CLAUDE].messages == (*history, asked)
    for model in (TINY_GPT, TINY_CLAUDE, TINY_GEMINI):
        variant = by_model[model]
        sent = "\n".join(words(variant.messages))
        assert "$731" in sent
        assert "the Quill" in sent
        assert variant.messages[0] == history[0]
        assert variant.messages[-1].role == "user"
        assert variant.messages[-1].parts[-1] == asked.parts[0]
        assert variant.report is not None
        assert variant.report.tokens_after <= variant.report.budget_tokens < 1_200
        assert 0 < variant.report.preservation.score < 1
        assert variant.report.preservation.stale == 0


async def test_what_is_new_alone_has_to_fit() -> None:
    scene = Scene()
    await scene.begin(talk(BUDGET))
    long = user("word " * 1_200)
    with pytest.raises(ContextLengthExceeded) as caught:
        await scene.turn(long, to=[TINY_GPT, TINY_CLAUDE])
    assert caught.value.param == "messages"
    optimized = await scene.turn(long, to=[TINY_GPT, GPT])
    assert [variant.model_ids for variant in optimized.variants] == [(GPT,)]


async def test_tools_and_a_long_answer_leave_less_room() -> None:
    scene = Scene(catalog(max_output=900))
    await scene.begin(talk(exchanges=20))
    assert (await scene.turn(user("go on"), max_tokens=100)).variants[0].report is None
    assert (await scene.turn(user("go on"), max_tokens=900)).variants[0].report is not None
    with pytest.raises(ContextLengthExceeded):
        await scene.turn(user("go on"), other_tokens=1_100)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.75, 0.9])
async def test_instructions_are_sent_beside_however_long_a_question(share: float) -> None:
    scene = Scene()
    await scene.begin(talk(BUDGET))
    sent = await of_turn(scene, user("word " * int(1_200 / 1.1 * share - 8)))
    assert sent[0] == message("system", "You are a patient assistant.")
    assert len(sent) > 2 or share > 0.8


async def test_what_was_cut_once_is_sent_word_for_word_again_while_it_fits() -> None:
    """A provider's prompt cache keeps what it has been sent before."""
    scene = Scene()
    await scene.begin(talk(BUDGET, TOPIC))
    sent: list[tuple[Message, ...]] = []
    for number, question in enumerate(
        ("What is my budget?", "Which hotel was it, and how do bridges get tested?", "And the moon?")
    ):
        sent.append(await of_turn(scene, user(question)))
        await scene.keep(user(question), message("assistant", f"Answer {number}."))
    for before, after in pairwise(sent):
        common = shared(before, after)
        assert common == len(before) - 1, "all but the last message, which had the reminder"
        assert any(text.startswith(BEFORE) for text in words(before[:common]))


async def test_a_reminder_stands_in_the_last_message_of_the_user_alone() -> None:
    scene = Scene()
    await scene.begin(talk(BUDGET, TOPIC))
    question = user("What is my budget?")
    sent = await of_turn(scene, user("Let me think."), question, message("system", "Answer in French."))
    assert [ABOUT in text for text in words(sent)].count(True) == 1
    assert words(sent)[-2].startswith(ABOUT)
    assert sent[-2].parts[-1] == question.parts[0]
    assert words(sent)[-1] == "Answer in French."
    assert words(sent)[-3] == "Let me think."


async def test_what_tools_answer_comes_without_a_reminder_and_with_its_calls_and_thoughts() -> None:
    scene = Scene()
    signed = Thinking("I should look.", (Opaque("openai", "reasoning", "sealed"),))
    old = message("assistant", Thinking("old thought"), "Old answer.")
    calls = message("assistant", signed, call("c1"), call("c2"))
    await scene.begin([*talk(BUDGET), user("u"), old, user("Look it up."), calls])
    for new in ([answer("c1"), answer("c2")], [answer("c1"), answer("c2"), user("and hurry")]):
        sent = await of_turn(scene, *new)
        assert calls in sent
        thoughts = [p.text for one in sent for p in one.parts if isinstance(p, Thinking)]
        assert thoughts == ["I should look."]
    assert ABOUT not in "".join(words(await of_turn(scene, answer("c1"), answer("c2"))))


async def test_half_of_the_answers_of_parallel_calls_keep_the_lock() -> None:
    scene = Scene()
    await scene.begin([user("Look it up."), message("assistant", call("c1"), call("c2"))])
    await scene.store.append(ANN, scene.id, [said(answer("c1"))])
    standing = await scene.engine.open_conversation(ANN, scene.id, create=False)
    assert standing.locked_by == GPT
    with pytest.raises(Conflict, match=f"{GPT} waits for its tools") as caught:
        await scene.switch(CLAUDE)
    assert caught.value.param == "newModelId"
    assert (await scene.switch(GPT)).warnings == ()
    forced = await scene.switch(CLAUDE, force=True)
    assert any(GPT in warning for warning in forced.warnings)
    assert forced.report.open_calls == ("look_up",)


async def test_pictures_take_room_and_the_oldest_are_named_instead() -> None:
    scene = Scene(catalog(window=12_000))
    shown = [message("user", f"Picture {n}", PICTURE) for n in range(20)]
    history = [one for picture in shown for one in (picture, message("assistant", "I see."))]
    await scene.begin(history)
    [variant] = (await scene.turn(user("Which was the last?"))).variants
    pictures = [n for n, one in enumerate(variant.messages) if PICTURE in one.parts]
    assert 1 <= len(pictures) <= 7
    assert pictures == list(range(40))[pictures[0] :: 2]
    assert "[image]" in words(variant.messages)[0]


async def test_more_pictures_than_any_request_may_have_are_named_too() -> None:
    scene = Scene()
    big = replace(PICTURE, data="A" * (3 * 1024 * 1024))
    await scene.begin([one for _ in range(5) for one in (message("user", big), message("assistant", "ok"))])
    sent = await of_turn(scene, user("Which was the last?"), to=GPT)
    assert [big in one.parts for one in sent[0:10:2]] == [False, False, False, True, True]
    assert words(sent)[0] == "[image]"


async def test_a_document_counts_by_its_length() -> None:
    scene = Scene()
    document = File(media_type="application/pdf", filename="a.pdf", data="A" * 200_000)
    await scene.begin([message("user", "Read this.", document), message("assistant", "I have.")])
    sent = await of_turn(scene, user("What does it say?"))
    assert words(sent)[0] == "Read this.|[file a.pdf]"


async def test_thoughts_that_go_home_take_room() -> None:
    scene = Scene()
    sealed = Thinking("", (Opaque("anthropic", "redacted_thinking", "A" * 20_000),))
    await scene.begin([user("hi"), message("assistant", sealed, "hello")], by=TINY_CLAUDE)
    optimized = await scene.turn(user("and?"), to=[TINY_CLAUDE, TINY_GPT])
    left_out = {model: v.report is not None for v in optimized.variants for model in v.model_ids}
    assert left_out == {TINY_CLAUDE: True, TINY_GPT: False}
    [compressed] = [v for v in optimized.variants if v.report is not None]
    assert not any(isinstance(part, Thinking) for one in compressed.messages for part in one.parts)


async def test_without_the_context_only_instructions_are_sent_and_the_next_turn_has_it_all() -> None:
    scene = Scene()
    history = [message("system", "Be brief."), user("I am Ida."), message("assistant", "Hello Ida.")]
    await scene.begin(history)
    alone = await scene.turn(user("Who am I?"), preserve=False)
    assert words(alone.variants[0].messages) == ["Be brief.", "Who am I?"]
    await scene.keep(user("Who am I?"), message("assistant", "I do not know."))
    assert words(await of_turn(scene, user("Sure?"))) == [
        *words(history),
        "Who am I?",
        "I do not know.",
        "Sure?",
    ]


async def test_no_summary_of_what_is_not_to_be_sent_is_sent() -> None:
    scene = Scene()
    system = message("system", "Be careful, and " + "keep to the rules. " * 100)
    await scene.begin([system, *talk(BUDGET)[1:]])
    await scene.store.note(ANN, scene.id, {"summary": {"1": {"through": 82, "text": "They met in Porto."}}})
    asked = user("word " * 700)
    assert "Porto" in "".join(words((await scene.turn(asked)).variants[0].messages))
    for optimized in (await scene.turn(asked, preserve=False), await left_behind(scene, asked)):
        assert "Porto" not in "".join(words(optimized.variants[0].messages))


async def left_behind(scene: Scene, asked: Message) -> Optimized:
    await scene.switch(GPT, preserve=False)
    return await scene.turn(asked)


async def test_a_switch_that_leaves_the_context_behind_holds_until_one_that_does_not() -> None:
    scene = Scene()
    history = [message("system", "Be brief."), user("I am Ida."), message("assistant", "Hello Ida.")]
    await scene.begin(history)
    left = await scene.switch(CLAUDE, preserve=False)
    assert (left.score < 0.5, left.preserve_context, left.from_model_id) == (True, False, GPT)
    assert any("left behind" in warning for warning in left.warnings)
    await scene.keep(user("Hello."), message("assistant", "Good day."), by=CLAUDE)
    assert words(await of_turn(scene, user("Who am I?"))) == ["Be brief.", "Hello.", "Good day.", "Who am I?"]
    await scene.store.fork(ANN, scene.id, Fork(after=(await scene.path())[4].id))
    forked = await scene.turn(user("Who am I?"), branch=2)
    assert words(forked.variants[0].messages) == ["Be brief.", "Hello.", "Good day.", "Who am I?"]
    await scene.store.change(ANN, scene.id, Change(head=1))
    back = await scene.switch(GPT)
    assert (back.score, back.from_model_id) == (1.0, CLAUDE)
    assert len(await of_turn(scene, user("Who am I?"))) == 6
    assert len((await scene.turn(user("Who am I?"), branch=2)).variants[0].messages) == 6


async def test_a_switch_says_what_it_keeps_and_the_next_turn_is_sent_that() -> None:
    scene = Scene()
    await scene.begin(talk(BUDGET, TOPIC))
    whole = await scene.switch(CLAUDE)
    assert (whole.score, whole.compressed, whole.report.dropped) == (1.0, False, ())
    assert (whole.report.facts_kept, whole.parts.dropped) == (whole.report.facts, 0)
    tiny = await scene.switch(TINY_GEMINI)
    assert (tiny.compressed, tiny.from_model_id, tiny.to_model_id) == (True, CLAUDE, TINY_GEMINI)
    assert 0.3 < tiny.score < 1
    assert tiny.report.facts_kept == tiny.report.facts > 0
    assert tiny.report.tokens_after <= tiny.report.budget_tokens < tiny.report.tokens_before
    assert (await scene.engine.open_conversation(ANN, scene.id, create=False)).model_id == TINY_GEMINI
    kinds = [(e.kind, e.payload["from_model"], e.payload["to_model"]) for e in scene.events.events]
    assert kinds == [
        ("conversation.model_switched", GPT, CLAUDE),
        ("conversation.model_switched", CLAUDE, TINY_GEMINI),
    ]
    assert scene.events.events[0].subject == {"conversation_id": scene.id, "user_id": ANN.user_id}
    assert scene.events.events[0].tenant_id == ANN.tenant_id


async def test_a_switch_counts_what_only_the_other_provider_can_read() -> None:
    scene = Scene()
    thought = Thinking("hm", (Opaque("openai", "reasoning", "sealed"),))
    document = File(media_type="video/mp4", data="AAAA")
    await scene.begin([message("user", "Look.", document), message("assistant", thought, "Nice.")])
    to_claude, to_gemini = await scene.switch(CLAUDE), await scene.switch(GEMINI)
    assert (to_claude.parts.private, to_claude.parts.converted, to_claude.parts.kept) == (1, 1, 2)
    assert (to_gemini.parts.private, to_gemini.parts.converted, to_gemini.parts.kept) == (1, 0, 3)
    assert any("described in words" in warning for warning in to_claude.warnings)
    assert to_claude.score == to_gemini.score == 1.0


async def test_an_empty_conversation_can_be_switched() -> None:
    scene = Scene()
    await scene.begin()
    for preserve in (True, False):
        switched = await scene.switch(CLAUDE, preserve=preserve)
        assert (switched.score, switched.report.turns) == (1.0, 0)


@pytest.mark.parametrize("act", ["turn", "switch"])
async def test_a_model_that_the_catalogue_here_does_not_have_yet_is_to_be_tried_again(act: str) -> None:
    scene = Scene()
    await scene.begin(talk(exchanges=1))
    with pytest.raises(Overloaded, match="gpt-99"):
        await (scene.turn(user("hi"), to=["gpt-99"]) if act == "turn" else scene.switch("gpt-99"))
    assert scene.events.events == []


async def test_another_users_conversation_is_neither_read_nor_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene = Scene()
    id = await scene.begin([user("secret"), message("assistant", "ok")])
    for stranger in (BOB, Owner(str(uuid4()), str(ANN.user_id))):
        for create in (False, True):
            with pytest.raises(NotFound):
                await scene.engine.open_conversation(stranger, id, create=create)
    theirs = scene.store
    monkeypatch.setattr("tests.unit.context_engine.scene.ANN", BOB)
    with pytest.raises(NotFound):
        await scene.turn(user("What was said?"))
    with pytest.raises(NotFound):
        await scene.keep(user("mine"), message("assistant", "now"))
    with pytest.raises(NotFound):
        await scene.switch(CLAUDE)
    assert words(await theirs.path(await theirs.get(ANN, id))) == ["secret", "ok"]
    assert (await theirs.get(ANN, id)).context_metadata == {}


@pytest.mark.parametrize("id", ["x", "5B0FB8F4-4A0B-4A52-9B0A-6D3A3D1C2F10", "\ud800"])
async def test_an_id_that_is_none_makes_no_conversation(id: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await Scene().engine.open_conversation(ANN, id, create=True)
    assert caught.value.param == "id"


async def test_a_conversation_is_made_once_by_however_many() -> None:
    scene, id = Scene(), str(uuid4())
    opened = await asyncio.gather(*(scene.engine.open_conversation(ANN, id, create=True) for _ in range(8)))
    assert {(one.version, one.branch, one.model_id, one.locked_by) for one in opened} == {(1, 1, None, None)}


@pytest.mark.parametrize(
    ("new", "error"),
    [(user("half \ud83d of it"), InvalidRequest), (user("x" * MAX_MESSAGE_BYTES), PayloadTooLarge)],
    ids=["half a character", "long"],
)
async def test_what_cannot_be_kept_is_refused_before_anybody_answers_it(
    new: Message, error: type[PolyvoxError]
) -> None:
    scene = Scene()
    await scene.begin(talk(exchanges=1))
    with pytest.raises(error):
        await scene.turn(new, to=[GPT])


async def test_two_turns_at_once_are_both_kept_in_order() -> None:
    scene = Scene()
    await scene.begin()
    await asyncio.gather(*(scene.keep(user(f"q{n}"), message("assistant", f"a{n}")) for n in range(20)))
    kept = words(await scene.path())
    assert sorted(kept[::2]) == sorted(f"q{n}" for n in range(20))
    assert [text.replace("q", "a") for text in kept[::2]] == kept[1::2]


async def test_a_turn_told_again_under_its_key_is_kept_once() -> None:
    scene = Scene()
    await scene.begin()
    for _ in range(3):
        await scene.keep(user("q"), message("assistant", "a"), key="turn:req_1")
    assert words(await scene.path()) == ["q", "a"]


class Meaning:
    """Says that one message is close to every question; once it `may`."""

    def __init__(self) -> None:
        self.close: dict[str, float] = {}
        self.asked: list[tuple[str, str]] = []
        self.fails: PolyvoxError | None = None
        self.may = asyncio.Event()
        self.may.set()

    async def __call__(self, conversation_id: str, question: str) -> Mapping[str, float]:
        self.asked.append((conversation_id, question))
        await self.may.wait()
        if self.fails is not None:
            raise self.fails
        return self.close


def holding(path: list[StoredMessage], text: str) -> str:
    return next(one.id for one in path if text in words([one])[0])


async def test_what_is_close_in_meaning_is_found_in_other_words() -> None:
    meaning = Meaning()
    scene = Scene(catalog(window=700, max_output=100), closeness=meaning)
    odd = "Zanzibar ferries depart hourly from quay four."
    history = talk(exchanges=40)
    await scene.begin([*history[:30], message("assistant", odd), *history[30:]])
    question = user("Which vessel sails tomorrow?")
    without = "".join(words(await of_turn(scene, question)))
    meaning.close = {holding(await scene.path(), "Zanzibar"): 1.0}
    with_it = "".join(words(await of_turn(scene, question)))
    assert ("Zanzibar" in without, "Zanzibar" in with_it) == (False, True)
    assert meaning.asked == [(scene.id, "Which vessel sails tomorrow?")] * 2


@pytest.mark.parametrize("failure", ["error", "late"])
async def test_a_meaning_that_nobody_can_tell_in_time_is_done_without(
    failure: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    meaning = Meaning()
    meaning.fails = Overloaded("busy") if failure == "error" else None
    if failure == "late":
        meaning.may.clear()
        monkeypatch.setattr("models.context_engine.MEANING_S", 0.01)
    scene = Scene(closeness=meaning)
    await scene.begin(talk(BUDGET))
    assert "$731" in "".join(words(await of_turn(scene, user("What is my budget?"))))
    assert len(meaning.asked) == 1


async def test_a_summary_that_a_model_wrote_goes_before_the_extractive_one() -> None:
    scene = Scene()
    await scene.begin(talk(BUDGET))
    path = await scene.path()
    through = path[70].seq
    due = SummaryDue(conversation_id=scene.id, branch=1, through=through, text="")
    assert not await scene.engine.take_summary(Summary(due=due, owner=ANN, text="They spent 9999 euros."))
    assert await scene.engine.take_summary(
        Summary(due=due, owner=ANN, text="They talked of tides and bread.")
    )
    sent = "".join(words(await of_turn(scene, user("What is my budget?"))))
    assert "They talked of tides and bread." in sent
    assert "$731" in sent


async def test_new_conversations_begin_with_their_first_turn() -> None:
    scene = Scene()
    standing = await scene.engine.open_conversation(ANN, str(uuid4()), create=True)
    scene.id = standing.conversation_id
    first = (message("developer", "Be kind."), user("hi"))
    optimized = await scene.turn(*first)
    assert (optimized.variants[0].messages, optimized.new) == (first, (0, 1))


async def test_a_conversation_made_anew_under_an_old_id_has_nothing_of_the_old_one() -> None:
    """Not even where as many messages have been read of it."""
    store = InMemoryConversations()
    scene = Scene(store=store)
    id = await scene.begin(talk(BUDGET))
    await of_turn(scene, user("What is my budget?"))
    del store._kept[id]
    others = [replace(one, parts=(Text("something else " * 9),)) for one in talk(BUDGET)]
    await store.create(ANN, new_conversation([said(one) for one in others], id=id))
    assert "$731" not in "".join(words(await of_turn(scene, user("What is my budget?"))))


@pytest.mark.parametrize("model", [TINY_GPT, TINY_CLAUDE, TINY_GEMINI])
@pytest.mark.parametrize("window", [700, 2_000, 6_000])
async def test_nothing_sent_is_longer_than_the_window(model: str, window: int) -> None:
    scene = Scene(catalog(window=window, max_output=100))
    await scene.begin(talk(BUDGET, TOPIC))
    for question in ("What is my budget?", "go on", "word " * 200):
        sent = await of_turn(scene, user(question), to=model)
        size = size_of(ChatRequest(model=model, messages=sent)).text_bytes
        assert size / 3 < window - 100, "English has more than three characters a token"


async def test_what_is_said_between_gateway_and_engine_survives_the_way() -> None:
    scene = Scene()
    await scene.begin(talk(BUDGET))
    for told in (
        await scene.turn(user("What is my budget?"), to=[TINY_GPT, GPT]),
        await scene.switch(TINY_CLAUDE),
        await scene.switch(GPT, preserve=False),
        await scene.engine.open_conversation(ANN, scene.id, create=False),
    ):
        packed = msgspec.msgpack.encode(told)
        assert msgspec.msgpack.decode(packed, type=type(told)) == told
