"""A stream that breaks off goes on with another model, where its client wants that."""

from uuid import uuid4

import pytest
from msgspec.structs import replace

from models.chat import (
    ChatRequest,
    Chunk,
    Finished,
    Message,
    OpaqueDelta,
    ResponseFormat,
    Started,
    Text,
    TextDelta,
    ThinkingDelta,
    ToolCallStarted,
    Usage,
)
from models.continuation import GO_ON
from models.doubles import Script
from models.errors import Overloaded, PolyvoxError, ProviderUnavailable
from models.ledger import UsageRecord
from models.ledger.memory import Budget
from models.providers.call import ProviderCall
from models.resilience import Resilience
from tests.unit.gateway.stage import MODEL, Stage, ask, caller, said, streamed

OTHER = "claude-haiku-5-5"
WISH = Resilience(fallback=(OTHER,), continues=True)
GOES_ON = caller(WISH)
cut = ProviderUnavailable("the connection broke in the middle of the answer")
USAGE = Usage(input=200, output=7)


def breaking(*first: Chunk, error: PolyvoxError = cut, rest: str = " and two") -> Stage:
    """The first call says so much and breaks; the next one says the rest."""

    def script(_: ProviderCall) -> Script:
        if len(stage.providers.calls) == 1:
            yield [Started("a", "m", Usage(input=100))]
            yield list(first)
            yield error
        yield [Started("b", "n"), TextDelta(rest)]
        yield [Finished("stop", USAGE)]

    stage = Stage(script)
    return stage


async def read_all(stage: Stage, request: ChatRequest) -> tuple[list[Chunk], PolyvoxError | None]:
    reply = await stage.gateway.chat(request, GOES_ON)
    chunks: list[Chunk] = []
    try:
        async for batch in reply.chunks:
            chunks += batch
    except PolyvoxError as error:
        return chunks, error
    return chunks, None


async def test_u5_another_goes_on_where_it_broke_off_and_both_are_paid_for_and_shown() -> None:
    stage = breaking(TextDelta("One"))
    reply, chunks = await stage.read(ask(), GOES_ON)
    assert said(chunks) == "One and two"
    assert sum(isinstance(chunk, Started) for chunk in chunks) == 1
    assert sum(isinstance(chunk, Finished) for chunk in chunks) == 1
    first, second = sorted(stage.ledger.records, key=lambda record: record.attempt)
    assert [(r.model_id, r.status) for r in (first, second)] == [(MODEL, "failed"), (OTHER, "completed")]
    assert first.cost_pico > 0
    assert first.estimated
    assert reply.cost_pico == first.cost_pico + second.cost_pico
    end = chunks[-1]
    assert isinstance(end, Finished)
    assert end.usage == Usage(input=300, output=7 + first.output_tokens, estimated=True)
    shown = [chunk.opaque.value for chunk in chunks if isinstance(chunk, OpaqueDelta)]
    assert all(MODEL in value and OTHER in value for value in shown)
    assert {chunk.opaque.provider for chunk in chunks if isinstance(chunk, OpaqueDelta)} == {
        "openai",
        "anthropic",
        "google",
    }


async def test_u5_it_is_told_what_was_said() -> None:
    stage = breaking(ThinkingDelta("hm"), TextDelta("One"))
    await stage.read(ask("Count"), GOES_ON)
    assert [message.parts for message in stage.providers.calls[1].request.messages] == [
        (Text("Count"),),
        (Text("One"),),
        (GO_ON,),
    ]


async def test_u5_without_leave_a_stream_that_breaks_off_ends_in_its_error() -> None:
    stage = breaking(TextDelta("One"))
    reply = await stage.gateway.chat(ask(), caller(Resilience(fallback=(OTHER,))))
    with pytest.raises(ProviderUnavailable):
        _ = [batch async for batch in reply.chunks]
    assert stage.asked == [MODEL]
    assert [status for _, status, _ in await stage.outcomes()] == ["failed"]


@pytest.mark.parametrize(
    ("first", "request_"),
    [
        ([TextDelta("Let me look."), ToolCallStarted(0, "c", "look", '{"wh')], ask()),
        ([TextDelta('{"one": ')], replace(ask(), response_format=ResponseFormat("json_object"))),
    ],
    ids=["a call", "a document"],
)
async def test_u5_what_cannot_be_halved_is_not(first: list[Chunk], request_: ChatRequest) -> None:
    stage = breaking(*first)
    chunks, error = await read_all(stage, request_)
    assert error is cut
    assert [chunk for chunk in chunks if not isinstance(chunk, Started)] == first
    assert len(stage.asked) == 1


async def test_u5_it_goes_on_again_and_in_the_end_says_what_it_first_broke_off_with() -> None:
    def script(_: ProviderCall) -> Script:
        yield [Started("a", "m"), TextDelta(f" {len(stage.providers.calls)}")]
        yield cut if len(stage.providers.calls) == 1 else ProviderUnavailable("another", status=500)

    stage = Stage(script)
    chunks, error = await read_all(stage, ask())
    assert said(chunks).split() == ["1", "2", "3"]
    assert error is not None
    assert len(stage.asked) == 3
    assert {status for _, status, _ in await stage.outcomes()} == {"failed"}


async def test_u5_the_same_model_goes_on_where_it_is_the_only_one() -> None:
    stage = breaking(TextDelta("One"))
    _, chunks = await stage.read(ask(), caller(Resilience(continues=True)))
    assert said(chunks) == "One and two"
    assert stage.asked == [MODEL, MODEL]


async def test_u5_without_money_for_another_call_the_break_is_the_end() -> None:
    stage = breaking(TextDelta("One"))
    stage.ledger.store.budgets = [budget := Budget("key", "k", 10**15)]
    reply = await stage.gateway.chat(ask(), GOES_ON)
    budget.limit_pico = 1
    with pytest.raises(ProviderUnavailable):
        _ = [batch async for batch in reply.chunks]
    assert stage.asked == [MODEL]


async def test_u5_a_conversation_keeps_the_answer_as_one() -> None:
    stage = breaking(TextDelta("One"))
    conversation_id = str(uuid4())
    await stage.read(ask("Count"), caller(WISH, conversation_id=conversation_id))
    again = caller(WISH, conversation_id=conversation_id, request_id="req_2")
    await stage.read(ask("Go on"), again)
    told = stage.providers.calls[-1].request.messages
    assert [message.parts[0] for message in told][:2] == [Text("Count"), Text("One and two")]


async def test_u5_a_client_that_leaves_the_second_half_is_recorded() -> None:
    stage = breaking(TextDelta("One"))
    reply = await stage.gateway.chat(ask(), GOES_ON)
    said_: list[Chunk] = []
    async for batch in reply.chunks:
        said_ += batch
        if " and two" in said(said_):
            break
    await reply.chunks.aclose()
    outcomes = {(model, status) for model, status, _ in await stage.outcomes()}
    assert outcomes == {(MODEL, "failed"), (OTHER, "cancelled")}
    assert len(stage.providers.left) == 1


async def test_u5_one_that_takes_beginnings_is_given_one() -> None:
    stage = breaking(TextDelta("One"))
    wish = Resilience(fallback=("claude-haiku-4-5",), continues=True)
    _, chunks = await stage.read(ask("Count"), caller(wish))
    assert said(chunks) == "One and two"
    assert stage.providers.calls[1].request.messages[-1] == Message("assistant", (Text("One"),))


async def test_u5_an_answer_that_is_whole_but_cannot_be_written_down_is_not_gone_on_with() -> None:
    async def lost(record: UsageRecord) -> None:
        raise Overloaded(f"the ledger is away: {record.status}")

    stage = Stage(lambda _: streamed())
    reply = await stage.gateway.chat(ask(), GOES_ON)
    keep, stage.ledger.settle = stage.ledger.settle, lost  # type: ignore[method-assign]
    with pytest.raises(Overloaded):
        _ = [batch async for batch in reply.chunks]
    stage.ledger.settle = keep  # type: ignore[method-assign]
    assert stage.asked == [MODEL]
