"""The life of a request, over doubles of its ports."""

import asyncio
from datetime import date

import pytest
from msgspec.structs import replace

from models import open_calls
from models.caller import Caller
from models.catalog import Catalog, Rates
from models.chat import (
    ChatRequest,
    ChatResponse,
    Completed,
    Finished,
    Started,
    Text,
    TextDelta,
    ToolCall,
    Usage,
)
from models.doubles import Script, ScriptedChunks, play
from models.errors import (
    BudgetExceeded,
    ContextLengthExceeded,
    Overloaded,
    PolyvoxError,
    ProviderAuthFailed,
    ProviderGarbled,
    ProviderOverloaded,
    ProviderRateLimited,
    ProviderRefused,
    ProviderTimeout,
    ProviderUnavailable,
    ReplicaLost,
    UnknownModel,
    UnknownPrice,
)
from models.identity import Principal
from models.ledger import Ask, UsageRecord
from models.ledger.memory import Budget
from models.lineup import MAX_ATTEMPTS
from models.providers.call import ProviderCall
from tests.unit.gateway.stage import (
    CALLER,
    CATALOG,
    EVERY,
    MODEL,
    USAGE,
    Stage,
    ask,
    failing_first,
    streamed,
    whole,
)


def rates() -> Rates:
    found = CATALOG.models[MODEL].prices[-1].rates_for("standard", total_input=0)
    assert found is not None
    return found


async def cancelled_before_its_first_chunk(stage: Stage, request: ChatRequest) -> None:
    task = asyncio.create_task(stage.gateway.chat(request, CALLER))
    while not stage.providers.calls:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_chunks_come_as_the_provider_sends_them() -> None:
    stage = Stage(lambda _: streamed())
    _, chunks = await stage.read(ask())
    assert chunks == [c for batch in streamed() if isinstance(batch, list) for c in batch]
    call = stage.providers.calls[0]
    assert (call.host, call.model, call.request_id) == ("openai", MODEL, "req_1/0")


async def test_a_whole_answer_is_one_response() -> None:
    stage = Stage(lambda _: whole())
    reply = await stage.gateway.chat(ask(stream=False), CALLER)
    assert (await reply.response()).parts == (Text("Hello"),)


async def test_the_usage_is_recorded_before_the_last_chunk_is_handed_out() -> None:
    stage = Stage(lambda _: streamed())
    reply = await stage.gateway.chat(ask(), CALLER)
    async for batch in reply.chunks:
        ends = isinstance(batch[-1], Finished)
        assert len(stage.ledger.records) == ends
    record = stage.ledger.records[0]
    assert (record.input_tokens, record.cache_read_tokens, record.output_tokens) == (100, 20, 10)
    assert record.reasoning_tokens == 4
    assert record.cost_pico == reply.cost_pico
    assert (record.tenant_id, record.user_id, record.key_id) == ("t", "u", "k")
    assert record.price_snapshot == CATALOG.snapshot


async def test_the_cost_is_that_of_the_catalogue() -> None:
    stage = Stage(lambda _: streamed())
    reply, _ = await stage.read(ask())
    rates = CATALOG.models[MODEL].prices[-1].rates_for("standard", total_input=120)
    assert rates is not None
    assert reply.cost_pico == 100 * rates.input + 20 * rates.cache_read + 10 * rates.output


async def test_a_stream_that_is_left_hangs_up_and_is_charged_as_an_estimate() -> None:
    stage = Stage(lambda _: streamed())
    reply = await stage.gateway.chat(ask("x" * 300), CALLER)
    await anext(reply.chunks)
    await reply.chunks.aclose()
    assert stage.providers.left == stage.providers.calls
    [(model, status, cost)] = await stage.outcomes()
    assert (model, status) == (MODEL, "cancelled")
    assert cost > 0
    assert stage.ledger.records[0].estimated


async def test_a_call_cancelled_before_its_first_chunk_is_recorded() -> None:
    stage = Stage(play(asyncio.Event()))
    await cancelled_before_its_first_chunk(stage, ask())
    [(_, status, cost)] = await stage.outcomes()
    assert status == "cancelled"
    assert cost > 0
    assert stage.providers.left == stage.providers.calls


async def test_an_answer_without_usage_is_charged_as_an_estimate() -> None:
    stage = Stage(play([TextDelta("x" * 30), Finished("stop", Usage(estimated=True))]))
    reply, _ = await stage.read(ask("y" * 300))
    record = stage.ledger.records[0]
    assert record.estimated
    assert record.output_tokens == 8
    assert record.input_tokens == 75
    assert reply.cost_pico == record.cost_pico > 0


async def test_an_error_after_the_first_chunk_is_raised_and_charged() -> None:
    broken = ProviderUnavailable("cut", provider="openai")
    stage = Stage(play([TextDelta("Hello")], broken))
    reply = await stage.gateway.chat(ask(), CALLER)
    assert await anext(reply.chunks) == [TextDelta("Hello")]
    with pytest.raises(ProviderUnavailable):
        await anext(reply.chunks)
    [(_, status, cost)] = await stage.outcomes()
    assert status == "failed"
    assert cost > 0
    assert stage.ledger.records[0].error_code == "provider_unavailable"


@pytest.mark.parametrize(
    ("error", "charged"),
    [
        (ProviderRateLimited("no", status=429), False),
        (ProviderRefused("no", status=400), False),
        (ProviderUnavailable("no connection", sent=False), False),
        (ProviderTimeout("nothing came"), True),
        (ReplicaLost("died"), True),
    ],
)
async def test_a_failed_attempt_costs_nothing_only_if_the_provider_turned_it_down(
    error: PolyvoxError, charged: bool
) -> None:
    stage = Stage(play(error))
    with pytest.raises(type(error)):
        await stage.gateway.chat(ask(), CALLER)
    outcomes = await stage.outcomes()
    assert {status for _, status, _ in outcomes} == {"failed"}
    assert all((cost > 0) is charged for _, _, cost in outcomes)


async def test_a_named_model_is_tried_again_only_when_its_replica_died() -> None:
    lost = Stage(failing_first(ReplicaLost("died")))
    reply, _ = await lost.read(ask())
    assert reply.attempts == 2
    assert sorted(status for _, status, _ in await lost.outcomes()) == ["completed", "failed"]

    limited = Stage(failing_first(ProviderRateLimited("slow down", retry_after_s=2)))
    with pytest.raises(ProviderRateLimited):
        await limited.gateway.chat(ask(), CALLER)
    assert len(limited.providers.calls) == 1


async def test_auto_walks_on_to_the_next_candidate() -> None:
    stage = Stage(failing_first(ProviderRateLimited("slow down", status=429)))
    reply, _ = await stage.read(ask(model="auto"))
    first, second = (call.model for call in stage.providers.calls)
    assert first != second
    assert reply.model.wire_name == second
    assert reply.plan is not None
    assert [c.model_id for c in reply.plan.candidates][1] == reply.model.id


async def test_what_the_provider_refuses_is_not_tried_elsewhere() -> None:
    stage = Stage(failing_first(ProviderRefused("your request is wrong", status=400)))
    with pytest.raises(ProviderRefused):
        await stage.gateway.chat(ask(model="auto"), CALLER)
    assert len(stage.providers.calls) == 1


@pytest.mark.parametrize(
    ("request_", "available", "error"),
    [
        (ask(model="gpt-17"), EVERY, UnknownModel),
        (ask(model=MODEL), frozenset[str](), ProviderAuthFailed),
        (ask(model="auto"), frozenset[str](), Overloaded),
        (ask("long " * 3_000_000, model="auto"), EVERY, ContextLengthExceeded),
        (ask(model="auto", max_tokens=10**9), EVERY, ContextLengthExceeded),
    ],
)
async def test_a_request_that_no_model_can_serve_calls_nobody(
    request_: ChatRequest, available: frozenset[str], error: type[PolyvoxError]
) -> None:
    stage = Stage(lambda _: streamed(), available=available)
    with pytest.raises(error):
        await stage.gateway.chat(request_, CALLER)
    assert stage.providers.calls == []


async def test_auto_asks_elsewhere_until_there_is_content() -> None:
    busy = ProviderOverloaded("busy", status=529)

    def script(_: ProviderCall) -> Script:
        yield [Started("i", "m")]
        yield busy if len(stage.providers.calls) == 1 else [TextDelta("Hello")]
        yield [Finished("stop", USAGE)]

    stage = Stage(script)
    reply, _ = await stage.read(ask(model="auto"))
    assert reply.attempts == 2


async def test_a_host_that_fails_is_not_asked_for_another_of_its_models() -> None:
    stage = Stage(failing_first(ProviderAuthFailed("the account is empty", status=402)))
    await stage.read(ask(model="auto"))
    first, second = (call.host for call in stage.providers.calls)
    assert first != second


async def test_no_more_than_three_are_asked() -> None:
    stage = Stage(play(ProviderRateLimited("slow down", status=429)))
    with pytest.raises(ProviderRateLimited):
        await stage.gateway.chat(ask(model="auto"), CALLER)
    assert len(stage.providers.calls) == MAX_ATTEMPTS == 3


async def test_an_answer_without_an_end_is_an_error() -> None:
    stage = Stage(play([TextDelta("Hel")]))
    with pytest.raises(ProviderGarbled):
        await stage.read(ask())
    [(_, status, cost)] = await stage.outcomes()
    assert status == "failed"
    assert cost > 0


@pytest.mark.parametrize("usage", [Usage(input=-1, output=5), Usage(input=10**19), Usage(estimated=True)])
async def test_a_usage_that_cannot_be_is_estimated_and_the_client_sees_the_estimate(usage: Usage) -> None:
    stage = Stage(play([TextDelta("x" * 30)], [Finished("stop", usage, service_tier="de\0fault")]))
    _, chunks = await stage.read(ask("y" * 300))
    [record] = stage.ledger.records
    assert record.estimated
    assert record.service_tier == "default"
    assert isinstance(chunks[-1], Finished)
    assert chunks[-1].usage.output == record.output_tokens == 8
    assert chunks[-1].usage.input == record.input_tokens == 75


async def test_a_cut_stream_is_charged_for_the_input_that_the_provider_counted() -> None:
    told = Usage(input=7, cache_read=90_000)
    stage = Stage(play([Started("i", "m", told), TextDelta("x" * 30)], ProviderUnavailable("cut")))
    reply = await stage.gateway.chat(ask(), CALLER)
    with pytest.raises(ProviderUnavailable):
        _ = [batch async for batch in reply.chunks]
    await stage.calls.settle_all()
    [record] = stage.ledger.records
    assert (record.input_tokens, record.cache_read_tokens, record.output_tokens) == (7, 90_000, 8)


async def test_tool_calls_count_in_an_estimate() -> None:
    call = ToolCall("c", "look", "x" * 396)
    response = ChatResponse(
        id="i", model="m", parts=(call,), finish="tool_calls", usage=Usage(estimated=True)
    )
    stage = Stage(play([Completed(response)]))
    reply = await stage.gateway.chat(ask(stream=False), CALLER)
    assert (await reply.response()).usage.output == 100


async def test_a_client_that_leaves_while_the_usage_is_recorded_loses_no_record() -> None:
    stage = Stage(lambda _: whole())
    release = asyncio.Event()
    keep = stage.ledger.settle

    async def slowly(record: UsageRecord) -> None:
        await release.wait()
        await keep(record)

    stage.ledger.settle = slowly  # type: ignore[method-assign]
    reply = await stage.gateway.chat(ask(stream=False), CALLER)
    reading = asyncio.create_task(reply.response())
    await asyncio.sleep(0.01)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    release.set()
    assert [status for _, status, _ in await stage.outcomes()] == ["completed"]


async def test_a_model_without_a_price_is_not_called() -> None:
    stage = Stage(lambda _: streamed())
    model = CATALOG.models[MODEL]
    unpriced = replace(model, prices=(replace(model.prices[0], start=date(9999, 1, 1)),))
    stage.gateway.catalog = Catalog(
        hosts=CATALOG.hosts, models={MODEL: unpriced}, aliases={}, prefixes={}, snapshot="s"
    )
    with pytest.raises(UnknownPrice):
        await stage.gateway.chat(ask(), CALLER)
    assert stage.providers.calls == []


async def test_without_the_ledger_nobody_is_called() -> None:
    stage = Stage(lambda _: streamed())
    stage.ledger.away = Overloaded("the ledger is away", sent=False)
    with pytest.raises(Overloaded):
        await stage.gateway.chat(ask(), CALLER)
    assert stage.providers.calls == []


async def test_an_answer_whose_cost_is_kept_nowhere_does_not_end_well() -> None:
    stage = Stage(lambda _: streamed())
    reply = await stage.gateway.chat(ask(), CALLER)
    stage.ledger.away = Overloaded("the ledger is away")
    with pytest.raises(Overloaded):
        _ = [batch async for batch in reply.chunks]
    stage.ledger.away = None


# Money


async def test_what_a_call_may_cost_is_held_before_it_is_made() -> None:
    stage = Stage(lambda _: streamed(), budgets=[budget := Budget("key", "k", 10**15)])
    reply = await stage.gateway.chat(ask(max_tokens=100), CALLER)
    [held] = stage.ledger.asks
    assert budget.pending_pico == held.most_pico >= 100 * rates().output
    _ = [batch async for batch in reply.chunks]
    assert (budget.pending_pico, budget.posted_pico) == (0, reply.cost_pico)


async def test_the_longest_answer_is_what_the_budget_affords() -> None:
    budget = Budget("key", "k", 200 * rates().output)
    stage = Stage(lambda _: streamed(), budgets=[budget])
    reply, _ = await stage.read(ask(max_tokens=1_000))
    sent = stage.providers.calls[0].request.max_tokens
    assert sent is not None
    assert 100 < sent < 200
    assert reply.clamped_max_tokens == sent


async def test_a_spent_budget_calls_nobody_and_says_so() -> None:
    stage = Stage(lambda _: streamed(), budgets=[Budget("tenant", "t", 1_000)])
    with pytest.raises(BudgetExceeded) as refused:
        await stage.gateway.chat(ask(), CALLER)
    assert refused.value.retry_after_s is None
    assert stage.providers.calls == []
    assert stage.ledger.records == []


async def test_auto_takes_the_next_model_that_the_budget_affords() -> None:
    plenty = Stage(lambda _: streamed())
    dear, _ = await plenty.read(ask(model="auto:quality"))
    budget = Budget("key", "k", plenty.ledger.asks[0].least_pico - 1)
    stage = Stage(lambda _: streamed(), budgets=[budget])
    reply, _ = await stage.read(ask(model="auto:quality"))
    assert reply.model.id != dear.model.id
    assert [call.model for call in stage.providers.calls] == [reply.model.wire_name]


async def test_every_attempt_is_held_and_charged_by_itself() -> None:
    timeout = ProviderTimeout("nothing came")
    stage = Stage(failing_first(timeout), budgets=[budget := Budget("key", "k", 10**15)])
    reply, _ = await stage.read(ask(model="auto"))
    assert [a.op_key for a in stage.ledger.asks] == ["req_1/0", "req_1/1"]
    lost, answered = stage.ledger.records
    assert lost.counted_pico is not None
    assert lost.counted_pico > lost.cost_pico > 0
    assert (budget.pending_pico, budget.posted_pico) == (0, lost.counted_pico + answered.cost_pico)
    assert reply.cost_pico == answered.cost_pico


async def test_a_budget_for_one_call_allows_the_next_attempt() -> None:
    stage = Stage(failing_first(ReplicaLost("died", sent=False)))
    await stage.read(ask(max_tokens=1_000))
    once = stage.ledger.asks[0].most_pico
    stage = Stage(failing_first(ReplicaLost("died", sent=False)), budgets=[Budget("key", "k", once)])
    reply, _ = await stage.read(ask(max_tokens=1_000))
    assert reply.attempts == 2
    assert [a.most_pico for a in stage.ledger.asks] == [once, once]


async def test_m4_whoever_leaves_while_money_is_held_for_him_releases_it() -> None:
    stage = Stage(lambda _: streamed(), budgets=[budget := Budget("key", "k", 10**15)])
    reserve, reached = stage.ledger.reserve, asyncio.Event()

    async def slowly(ask: Ask) -> int:
        await reserve(ask)
        reached.set()
        await asyncio.Event().wait()
        return 0

    stage.ledger.reserve = slowly  # type: ignore[method-assign]
    task = asyncio.create_task(stage.gateway.chat(ask(), CALLER))
    await reached.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert await stage.outcomes() == [(MODEL, "cancelled", 0)]
    assert (budget.pending_pico, budget.posted_pico) == (0, 0)
    assert stage.providers.calls == []


async def test_a_model_that_bills_on_is_seen_out_and_charged_what_it_says() -> None:
    stage = Stage(lambda _: streamed())
    reply = await stage.gateway.chat(ask(model="gemini-3.5-flash"), CALLER)
    await anext(reply.chunks)
    await reply.chunks.aclose()
    [(_, status, cost)] = await stage.outcomes()
    [record] = stage.ledger.records
    assert (status, record.estimated) == ("cancelled", False)
    assert (record.input_tokens, record.cache_read_tokens, record.output_tokens) == (100, 20, 10)
    assert cost > 0
    assert stage.providers.left == []


async def test_a_client_that_leaves_before_the_first_chunk_of_a_model_that_bills_on() -> None:
    more = asyncio.Event()
    stage = Stage(play(more, [TextDelta("Hello")], [Finished("stop", USAGE)]))
    await cancelled_before_its_first_chunk(stage, ask(model="gemini-3.5-flash"))
    more.set()
    await stage.calls.settle_all()
    [record] = stage.ledger.records
    assert (record.status, record.output_tokens, record.estimated) == ("cancelled", 10, False)


async def test_what_has_arrived_by_the_time_of_hanging_up_is_charged() -> None:
    class Slow(ScriptedChunks):
        def hang_up(self) -> None:
            """What is under way still comes."""

    stage = Stage(play([TextDelta("x" * 400)], [TextDelta("y" * 400)]))
    stage.providers.stream = lambda call: Slow(stage.providers, call)  # type: ignore[method-assign]
    reply = await stage.gateway.chat(ask(), CALLER)
    await anext(reply.chunks)
    await reply.chunks.aclose()
    await stage.calls.settle_all()
    [record] = stage.ledger.records
    assert (record.status, record.output_tokens, record.estimated) == ("cancelled", 200, True)


async def test_holds_of_calls_under_way_are_renewed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(open_calls, "RENEW_AFTER_S", 0.0)
    stage = Stage(play([TextDelta("x" * 400)], [TextDelta("y" * 400)], [Finished("stop", USAGE)]))
    reply = await stage.gateway.chat(ask(), CALLER)
    began = stage.ledger.store.holds["req_1/0"].lease_until
    await anext(reply.chunks)
    await anext(reply.chunks)
    await stage.calls.renew()
    renewed = stage.ledger.store.holds["req_1/0"]
    assert renewed.lease_until > began
    assert renewed.record.status == "expired"
    _ = [batch async for batch in reply.chunks]
    await stage.calls.renew()
    assert stage.ledger.store.holds == {}


@pytest.mark.parametrize("error", [ReplicaLost("died"), ProviderTimeout("late"), ProviderUnavailable("cut")])
@pytest.mark.parametrize("limit", [None, 300])
async def test_m1_what_nobody_knows_the_end_of_counts_as_held_and_is_charged_as_others_are(
    error: PolyvoxError, limit: int | None
) -> None:
    budget = Budget("key", "k", 5_000 * rates().output)
    stage = Stage(play(error), budgets=[budget])
    with pytest.raises(type(error)):
        await stage.read(ask(max_tokens=limit))
    await stage.calls.settle_all()
    charged = stage.ledger.records[0]
    assert (charged.status, charged.estimated) == ("failed", True)
    assert charged.output_tokens == (limit or 400)
    assert charged.counted_pico is not None
    assert charged.counted_pico > (limit or 4_096) * rates().output
    assert budget.posted_pico == sum(r.counted_pico or 0 for r in stage.ledger.records) <= budget.limit_pico


async def test_m1_a_stream_whose_adapter_died_counts_as_held_and_is_charged_what_came_of_it() -> None:
    budget = Budget("key", "k", 5_000 * rates().output)
    stage = Stage(play([TextDelta("x" * 40)], [TextDelta("y" * 40)], ReplicaLost("died")), budgets=[budget])
    with pytest.raises(ReplicaLost):
        await stage.read(ask(max_tokens=300))
    await stage.calls.settle_all()
    [record] = stage.ledger.records
    assert record.output_tokens == 20
    assert budget.posted_pico == record.counted_pico == stage.ledger.asks[0].most_pico


@pytest.mark.parametrize("chars", [0, 40, 40_000])
async def test_m4_what_is_said_of_a_call_under_way_is_no_less_than_came_of_it(chars: int) -> None:
    stage = Stage(play([TextDelta("x" * chars)], asyncio.Event()))
    reply = await stage.gateway.chat(ask(), CALLER)
    await anext(reply.chunks)
    attempt = stage.calls._held["req_1/0"].call
    record = attempt.progress()
    assert (record.status, record.output_tokens) == ("expired", max(400, chars // 4))
    if chars == 40_000:
        assert record.counted_pico is None  # no more than is charged
    else:
        assert record.counted_pico is not None
        assert record.counted_pico > 4_096 * rates().output
    await reply.chunks.aclose()
    await stage.calls.settle_all()


async def test_m1_what_the_provider_counted_at_the_start_bounds_what_counts() -> None:
    told = Usage(input=7, cache_read=3)
    stage = Stage(play([Started("i", "m", told), TextDelta("x")], ReplicaLost("died")))
    with pytest.raises(ReplicaLost):
        await stage.read(ask("z" * 100_000, max_tokens=300))
    await stage.calls.settle_all()
    [record] = stage.ledger.records
    inputs = 7 * rates().input + 3 * rates().cache_read
    assert record.counted_pico == inputs + 300 * rates().output


async def test_a_discount_is_taken_off_the_list_price() -> None:
    stage = Stage(lambda _: streamed())
    list_price, _ = await stage.read(ask())
    caller = Caller(Principal("k", "u", "t", discount_basis_points=2_500), request_id="r", endpoint="/")
    reply = await stage.gateway.chat(ask(), caller)
    _ = [batch async for batch in reply.chunks]
    [_, record] = stage.ledger.records
    assert list_price.cost_pico is not None
    assert record.cost_pico + record.discount_pico == list_price.cost_pico
    assert record.discount_pico == list_price.cost_pico // 4
    assert reply.cost_pico == record.cost_pico


async def test_what_caches_saved_is_shown() -> None:
    stage = Stage(lambda _: streamed())
    await stage.read(ask())
    [record] = stage.ledger.records
    assert record.saved_pico == 20 * (rates().input - rates().cache_read)
