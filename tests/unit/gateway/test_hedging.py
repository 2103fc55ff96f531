"""A second call where the first content is late: one answers, both are paid for."""

import asyncio
from uuid import uuid4

import pytest

from models.chat import Finished, Started, Text, TextDelta
from models.conditions import Conditions
from models.doubles import Script
from models.errors import ProviderUnavailable
from models.ledger.memory import Budget
from models.providers.call import ProviderCall
from models.resilience import Resilience
from models.routing.performance import LivePerformance, Sample
from tests.unit.gateway.stage import CATALOG, MODEL, USAGE, Stage, ask, caller, said, streamed

OTHER = "claude-haiku-5-5"
HEDGED = caller(Resilience(fallback=(OTHER,), hedges=True, hedge_after_s=0.03))


class Late:
    """The first call says nothing until it is released."""

    def __init__(self, then: Script = ()) -> None:
        self.released = asyncio.Event()
        self.begun = 0
        self._then = then

    def __call__(self, call: ProviderCall) -> Script:
        self.begun += 1
        if self.begun == 1:
            yield [Started("id", "m", USAGE)]
            yield self.released
            yield from self._then
            yield from streamed()
        yield [Started("id", "m"), TextDelta("quick")]
        yield [Finished("stop", USAGE)]


async def test_u9_the_quicker_one_answers_and_the_other_is_hung_up_on() -> None:
    stage = Stage(Late())
    reply, chunks = await stage.read(ask(), HEDGED)
    assert said(chunks) == "quick"
    assert (reply.model.id, reply.attempts, reply.fallback_from) == (OTHER, 2, MODEL)
    assert [call.model for call in stage.providers.left] == [MODEL]
    assert {(model, status) for model, status, _ in await stage.outcomes()} == {
        (MODEL, "cancelled"),
        (OTHER, "completed"),
    }
    lost = next(record for record in stage.ledger.records if record.status == "cancelled")
    assert lost.cost_pico > 0  # it had been sent
    assert (lost.input_tokens, lost.cache_read_tokens) == (USAGE.input, USAGE.cache_read)  # as it had said
    assert len(stage.ledger.asks) == 2


async def test_u9_the_same_model_is_asked_twice_where_there_is_no_other() -> None:
    stage = Stage(Late())
    reply, _ = await stage.read(ask(), caller(Resilience(hedges=True, hedge_after_s=0.03)))
    assert (reply.model.id, reply.attempts, reply.fallback_from) == (MODEL, 2, None)
    assert stage.asked == [MODEL, MODEL]
    assert len({call.request_id for call in stage.providers.calls}) == 2


async def test_u9_an_answer_in_time_has_no_second_call() -> None:
    stage = Stage(lambda _: streamed())
    reply, _ = await stage.read(ask(), HEDGED)
    assert (reply.attempts, stage.asked) == (1, [MODEL])


async def test_u9_nobody_is_asked_twice_who_did_not_ask_for_it() -> None:
    late = Late()
    stage = Stage(late)
    task = asyncio.create_task(stage.read(ask(), caller(Resilience(fallback=(OTHER,)))))
    await asyncio.sleep(0.1)
    assert stage.asked == [MODEL]
    late.released.set()
    reply, _ = await task
    assert reply.attempts == 1


@pytest.mark.parametrize(("limit_pico", "calls"), [(10**15, 2), (1, 1)])
async def test_u9_only_if_a_second_hold_fits(limit_pico: int, calls: int) -> None:
    late = Late()
    stage = Stage(late, budgets=[budget := Budget("key", "k", 10**15)])
    task = asyncio.create_task(stage.read(ask(max_tokens=50), HEDGED))
    while not stage.providers.calls:
        await asyncio.sleep(0)
    budget.limit_pico = min(budget.limit_pico, stage.ledger.asks[0].most_pico + limit_pico)
    await asyncio.sleep(0.1)
    late.released.set()
    reply, _ = await task
    assert (reply.attempts, len(stage.asked)) == (calls, calls)


async def test_u9_no_more_than_a_twentieth_of_requests_have_a_second_call() -> None:
    def script(call: ProviderCall) -> Script:
        if call.request_id.endswith("/0"):
            slow = asyncio.Event()
            asyncio.get_running_loop().call_later(0.04, slow.set)
            yield slow
        yield from streamed()

    stage = Stage(script)
    wish = Resilience(hedges=True, hedge_after_s=0.02)
    await asyncio.gather(*(stage.read(ask(), caller(wish, request_id=f"req_{n}")) for n in range(100)))
    assert 4 <= len(stage.asked) - 100 <= 7


async def test_u9_the_models_own_95th_percentile_says_what_is_late() -> None:
    performance = LivePerformance()
    for _ in range(20):
        performance.record(Sample(model_id=MODEL, ending="ok", response_ms=100, first_token_ms=40))
    stage = Stage(Late(), conditions=Conditions(performance))
    reply, _ = await stage.read(ask(), caller(Resilience(fallback=(OTHER,), hedges=True)))
    assert reply.attempts == 2
    unknown = Late()
    stage = Stage(unknown)
    task = asyncio.create_task(stage.read(ask(), caller(Resilience(fallback=(OTHER,), hedges=True))))
    await asyncio.sleep(0.1)
    assert len(stage.asked) == 1  # of a model that nobody has measured it is not known
    unknown.released.set()
    await task


async def test_u9_a_first_that_fails_leaves_the_answer_to_the_second() -> None:
    late = Late(then=[ProviderUnavailable("broken", status=500)])
    gone_on = asyncio.Event()

    def script(call: ProviderCall) -> Script:
        if call.model == CATALOG.models[OTHER].wire_name:
            late.released.set()
            yield gone_on
        yield from late(call)

    stage = Stage(script)
    task = asyncio.create_task(stage.read(ask(), HEDGED))
    while not late.released.is_set():
        await asyncio.sleep(0.005)
    await asyncio.sleep(0.02)
    gone_on.set()
    _, chunks = await task
    assert said(chunks) == "quick"
    assert {(model, status) for model, status, _ in await stage.outcomes()} == {
        (MODEL, "failed"),
        (OTHER, "completed"),
    }


async def test_u9_a_client_that_leaves_while_both_are_asked_leaves_both() -> None:
    never = asyncio.Event()

    def script(_: ProviderCall) -> Script:
        yield never

    stage = Stage(script)
    task = asyncio.create_task(stage.read(ask(), HEDGED))
    while len(stage.providers.calls) < 2:
        await asyncio.sleep(0.005)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert {status for _, status, _ in await stage.outcomes()} == {"cancelled"}
    assert len(stage.providers.left) == len(stage.ledger.records) == 2


async def test_u9_a_conversation_keeps_the_answer_of_the_one_that_won() -> None:
    goes_on = asyncio.Event()

    def script(call: ProviderCall) -> Script:
        if call.request_id == "req_1/0":
            yield asyncio.Event()
        yield [Started("id", "m"), TextDelta("quick")]
        yield goes_on
        yield [TextDelta(" and whole")]
        yield [Finished("stop", USAGE)]

    stage = Stage(script)
    conversation_id = str(uuid4())
    reply = await stage.gateway.chat(ask("first"), caller(HEDGED.resilience, conversation_id=conversation_id))
    assert said(await anext(reply.chunks)) == "quick"
    await stage.outcomes()  # the one that lost is done with
    goes_on.set()
    _ = [batch async for batch in reply.chunks]
    await stage.read(ask("second"), caller(conversation_id=conversation_id, request_id="req_2"))
    told = [message.parts[0] for message in stage.providers.calls[-1].request.messages]
    assert told == [Text("first"), Text("quick and whole"), Text("second")]
