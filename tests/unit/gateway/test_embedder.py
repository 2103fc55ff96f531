"""The life of a request for embeddings, over doubles of its ports."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import date

import pytest
from msgspec.structs import replace

from models import open_calls
from models.caller import Caller
from models.catalog import Catalog, load_catalog
from models.chat import Usage
from models.doubles import InMemoryLedger, ScriptedEmbeddings
from models.embedder import Embedded, Embedder
from models.embedding import EmbeddingCall, EmbeddingRequest, EmbeddingResponse
from models.errors import (
    BudgetExceeded,
    DeadlineExceeded,
    InvalidRequest,
    Overloaded,
    PolyvoxError,
    ProviderAuthFailed,
    ProviderGarbled,
    ProviderRateLimited,
    ProviderRefused,
    ProviderTimeout,
    ProviderUnavailable,
    ReplicaLost,
    UnknownModel,
    UnknownPrice,
    UnsupportedParameter,
)
from models.gateway import Timeouts
from models.identity import Principal
from models.ledger import Ask
from models.ledger.memory import Budget
from models.open_calls import OpenCalls

CATALOG = load_catalog()
EVERY = frozenset(CATALOG.models)
SMALL = "text-embedding-3-small"
GEMINI = "gemini-embedding-001"
RATE = 20_000
"""Pico-USD of a token of `SMALL`."""

Script = Callable[[EmbeddingCall], EmbeddingResponse | PolyvoxError]


def ask(*inputs: str | tuple[int, ...], model: str = SMALL) -> EmbeddingRequest:
    return EmbeddingRequest(model=model, inputs=inputs or ("hello",))


def answers(usage: Usage | None = None) -> Script:
    """Each vector names its input; a text of four letters is a token."""

    def script(call: EmbeddingCall) -> EmbeddingResponse:
        inputs = call.request.inputs
        tokens = Usage(input=sum(-(-len(each) // 4) for each in inputs))
        return EmbeddingResponse(vectors=tuple(str(each).encode() for each in inputs), usage=usage or tokens)

    return script


def failing_first(*errors: PolyvoxError) -> Script:
    left = list(errors)
    return lambda call: left.pop(0) if left else answers()(call)


class Stage:
    def __init__(
        self,
        script: Script,
        *,
        budgets: Sequence[Budget] = (),
        available: frozenset[str] = EVERY,
        timeouts: Timeouts | None = None,
    ) -> None:
        self.providers = ScriptedEmbeddings(script)
        self.ledger = InMemoryLedger(budgets)
        self.calls = OpenCalls(self.ledger)
        self.embedder = Embedder(
            catalog=CATALOG,
            available=available,
            providers=self.providers,
            calls=self.calls,
            timeouts=timeouts or Timeouts(),
        )

        self._asked = 0

    async def embed(self, request: EmbeddingRequest, *, discount: int = 0) -> Embedded:
        """As the request `req_1`, `req_2`, and so on."""
        self._asked += 1
        principal = Principal("k", "u", "t", discount_basis_points=discount)
        caller = Caller(principal, request_id=f"req_{self._asked}", endpoint="/v1/embeddings")
        return await self.embedder.embed(request, caller)

    async def leave(self, request: EmbeddingRequest, *, once: Callable[[], object]) -> None:
        """Ask, and go as soon as `once` is so."""
        task = asyncio.create_task(self.embed(request))
        while not once():
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_every_input_has_its_vector_and_the_call_is_recorded() -> None:
    stage = Stage(answers())
    made = await stage.embed(ask("aaaa", "bbbbb"))
    assert (made.model.id, made.vectors, made.attempts) == (SMALL, (b"aaaa", b"bbbbb"), 1)
    assert (made.usage, made.cost_pico) == (Usage(input=3), 3 * RATE)
    [call], [record] = stage.providers.calls, stage.ledger.records
    assert (call.host, call.model, call.request_id) == ("openai", SMALL, "req_1/0")
    assert (record.status, record.endpoint, record.stream) == ("completed", "/v1/embeddings", False)
    assert (record.input_tokens, record.output_tokens, record.cost_pico) == (3, 0, 3 * RATE)
    assert (record.tenant_id, record.user_id, record.key_id) == ("t", "u", "k")
    assert (record.price_snapshot, record.estimated) == (CATALOG.snapshot, False)


async def test_m7_what_is_held_bounds_what_a_call_can_cost() -> None:
    texts = ("a", "漢字", "🏳️‍🌈" * 9, "\u0301" * 50, "\0\x7f", " ")
    worst = Usage(input=sum(len(text.encode()) for text in texts) + 2 * len(texts))
    stage = Stage(answers(worst), budgets=[budget := Budget("key", "k", 10**15)])
    stage.providers.may_answer.clear()
    task = asyncio.create_task(stage.embed(ask(*texts)))
    while not stage.providers.calls:
        await asyncio.sleep(0)
    held = budget.pending_pico
    stage.providers.may_answer.set()
    made = await task
    assert held == stage.ledger.asks[0].least_pico == stage.ledger.asks[0].most_pico >= made.cost_pico
    assert (budget.pending_pico, budget.posted_pico) == (0, made.cost_pico)


@pytest.mark.parametrize("model", [SMALL, GEMINI])
async def test_a_spent_budget_calls_nobody(model: str) -> None:
    stage = Stage(answers(), budgets=[Budget("tenant", "t", 1)])
    with pytest.raises(BudgetExceeded):
        await stage.embed(ask(model=model))
    assert (stage.providers.calls, stage.ledger.records) == ([], [])


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (ask(model="text-embedding-3"), UnknownModel),
        (ask(model="gpt-5.4-mini"), UnknownModel),
        (ask(model="auto"), UnknownModel),
        (ask((1, 2), model=GEMINI), UnsupportedParameter),
    ],
)
async def test_what_cannot_be_asked_holds_nothing(
    request_: EmbeddingRequest, error: type[PolyvoxError]
) -> None:
    stage = Stage(answers())
    with pytest.raises(error):
        await stage.embed(request_)
    assert (stage.providers.calls, stage.ledger.asks) == ([], [])


async def test_a_host_without_credentials_is_not_asked() -> None:
    stage = Stage(answers(), available=EVERY - {SMALL})
    with pytest.raises(ProviderAuthFailed):
        await stage.embed(ask())
    assert stage.ledger.asks == []


async def test_a_model_without_a_price_is_not_called() -> None:
    stage = Stage(answers())
    model = CATALOG.models[SMALL]
    unpriced = replace(model, prices=(replace(model.prices[0], start=date(9999, 1, 1)),))
    stage.embedder.catalog = Catalog(
        hosts=CATALOG.hosts, models={SMALL: unpriced}, aliases={}, prefixes={}, snapshot="s"
    )
    with pytest.raises(UnknownPrice):
        await stage.embed(ask())
    assert (stage.providers.calls, stage.ledger.asks) == ([], [])


@pytest.mark.parametrize("usage", [Usage(estimated=True), Usage(input=-1), Usage(input=10**10)])
async def test_u6_what_the_provider_does_not_tell_is_estimated(usage: Usage) -> None:
    stage = Stage(answers(usage))
    made = await stage.embed(ask("x" * 400))
    [record] = stage.ledger.records
    assert (record.status, record.estimated, record.input_tokens) == ("completed", True, 100)
    assert (made.usage, made.cost_pico) == (Usage(input=100, estimated=True), record.cost_pico)


async def test_an_estimate_goes_by_what_the_model_has_counted_before() -> None:
    told = [Usage(input=500_000), Usage(estimated=True)]
    stage = Stage(lambda call: answers(told.pop(0))(call))
    await stage.embed(ask("x" * 1_000_000))
    made = await stage.embed(ask("x" * 1_000))
    assert made.usage.input == pytest.approx(500, abs=1)


async def test_token_ids_are_counted_and_teach_nothing() -> None:
    told = [Usage(estimated=True), Usage(input=10_000), Usage(estimated=True)]
    stage = Stage(lambda call: answers(told.pop(0))(call))
    assert (await stage.embed(ask((1, 2), (3,)))).usage == Usage(input=3, estimated=True)
    await stage.embed(ask((1, 2, 3)))
    assert (await stage.embed(ask("x" * 400))).usage.input == 100


@pytest.mark.parametrize(
    ("error", "charged"),
    [
        (ProviderRateLimited("no", status=429), False),
        (ProviderRefused("no", status=400), False),
        (ProviderUnavailable("no connection", sent=False), False),
        (InvalidRequest("an integer beyond 64 bits", sent=False), False),
        (ProviderTimeout("nothing came"), True),
        (ProviderGarbled("what"), True),
        (DeadlineExceeded("late"), True),
    ],
)
async def test_a_call_that_fails_is_free_only_if_the_provider_turned_it_down(
    error: PolyvoxError, charged: bool
) -> None:
    stage = Stage(failing_first(error))
    with pytest.raises(type(error)):
        await stage.embed(ask())
    [record] = stage.ledger.records
    assert (record.status, record.error_code) == ("failed", error.code)
    assert (record.cost_pico > 0) is charged is record.estimated
    assert len(stage.providers.calls) == 1


async def test_a_lost_replica_is_tried_once_more_and_each_attempt_is_held_and_charged() -> None:
    stage = Stage(failing_first(ReplicaLost("died")), budgets=[budget := Budget("key", "k", 10**15)])
    made = await stage.embed(ask("aaaa"))
    assert [call.request_id for call in stage.providers.calls] == ["req_1/0", "req_1/1"]
    assert [a.op_key for a in stage.ledger.asks] == ["req_1/0", "req_1/1"]
    lost, answered = stage.ledger.records
    assert (lost.status, lost.estimated, answered.status) == ("failed", True, "completed")
    assert (made.attempts, made.cost_pico) == (2, answered.cost_pico)
    # The provider may have read all of what the lost one was given.
    assert lost.counted_pico == stage.ledger.asks[0].most_pico > lost.cost_pico
    assert (budget.pending_pico, budget.posted_pico) == (0, lost.counted_pico + answered.cost_pico)

    stage = Stage(failing_first(ReplicaLost("died"), ReplicaLost("died")))
    with pytest.raises(ReplicaLost):
        await stage.embed(ask())
    assert len(stage.providers.calls) == 2


async def test_a_budget_for_one_call_allows_the_next_attempt() -> None:
    once = Stage(answers())
    await once.embed(ask())
    budget = Budget("key", "k", once.ledger.asks[0].most_pico)
    made = await Stage(failing_first(ReplicaLost("died", sent=False)), budgets=[budget]).embed(ask())
    assert (made.attempts, budget.pending_pico) == (2, 0)


async def test_more_inputs_than_google_takes_are_several_calls_each_paid_for() -> None:
    texts = tuple(f"text {i}" for i in range(250))
    stage = Stage(answers(), budgets=[budget := Budget("key", "k", 10**15)])
    made = await stage.embed(ask(*texts, model=GEMINI))
    assert [len(call.request.inputs) for call in stage.providers.calls] == [100, 100, 50]
    assert [call.request_id for call in stage.providers.calls] == ["req_1/0", "req_1/1", "req_1/2"]
    assert made.vectors == tuple(text.encode() for text in texts)
    assert made.attempts == 3
    assert made.usage.input == sum(record.input_tokens for record in stage.ledger.records)
    assert made.cost_pico == sum(record.cost_pico for record in stage.ledger.records) == budget.posted_pico


async def test_calls_before_one_that_the_budget_does_not_afford_have_been_paid_for() -> None:
    texts = ("x" * 400,) * 200
    plenty = Stage(answers())
    await plenty.embed(ask(*texts, model=GEMINI))
    budget = Budget("key", "k", plenty.ledger.asks[0].most_pico)
    stage = Stage(answers(), budgets=[budget])
    with pytest.raises(BudgetExceeded):
        await stage.embed(ask(*texts, model=GEMINI))
    [paid] = stage.ledger.records
    assert (budget.pending_pico, budget.posted_pico) == (0, paid.cost_pico)
    assert len(stage.providers.calls) == 1


async def test_nobody_is_called_when_the_time_is_up() -> None:
    stage = Stage(answers(), timeouts=Timeouts(total_s=0.0))
    with pytest.raises(DeadlineExceeded):
        await stage.embed(ask())
    assert (stage.providers.calls, stage.ledger.asks) == ([], [])


async def test_e1_a_call_whose_client_left_is_seen_out_and_charged_what_it_cost() -> None:
    stage = Stage(answers(), budgets=[budget := Budget("key", "k", 10**15)])
    stage.providers.may_answer.clear()
    await stage.leave(ask("aaaa"), once=lambda: stage.providers.calls)
    assert budget.pending_pico > 0
    stage.providers.may_answer.set()
    await stage.calls.settle_all()
    [record] = stage.ledger.records
    assert (record.status, record.estimated, record.cost_pico) == ("cancelled", False, RATE)
    assert (budget.pending_pico, budget.posted_pico) == (0, RATE)


async def test_e1_a_call_whose_client_left_and_that_then_fails_is_charged_as_an_estimate() -> None:
    stage = Stage(failing_first(ProviderTimeout("nothing came")))
    stage.providers.may_answer.clear()
    await stage.leave(ask("x" * 400), once=lambda: stage.providers.calls)
    stage.providers.may_answer.set()
    await stage.calls.settle_all()
    [record] = stage.ledger.records
    assert (record.status, record.estimated, record.input_tokens) == ("cancelled", True, 100)
    assert len(stage.providers.calls) == 1


async def test_m4_whoever_leaves_while_money_is_held_for_him_releases_it() -> None:
    stage = Stage(answers(), budgets=[budget := Budget("key", "k", 10**15)])
    reserve, reached = stage.ledger.reserve, asyncio.Event()

    async def slowly(ask: Ask) -> int:
        await reserve(ask)
        reached.set()
        await asyncio.Event().wait()
        return 0

    stage.ledger.reserve = slowly  # type: ignore[method-assign]
    await stage.leave(ask(), once=reached.is_set)
    await stage.calls.settle_all()
    assert [(record.status, record.cost_pico) for record in stage.ledger.records] == [("cancelled", 0)]
    assert (budget.pending_pico, budget.posted_pico, stage.providers.calls) == (0, 0, [])


async def test_without_the_ledger_nobody_is_called() -> None:
    stage = Stage(answers())
    stage.ledger.away = Overloaded("the ledger is away", sent=False)
    with pytest.raises(Overloaded):
        await stage.embed(ask())
    assert stage.providers.calls == []


async def test_an_answer_whose_cost_is_kept_nowhere_is_none() -> None:
    stage = Stage(answers())
    stage.providers.may_answer.clear()
    task = asyncio.create_task(stage.embed(ask()))
    while not stage.providers.calls:
        await asyncio.sleep(0)
    stage.ledger.away = Overloaded("the ledger is away")
    stage.providers.may_answer.set()
    with pytest.raises(Overloaded):
        await task


async def test_a_bug_leaves_nothing_held() -> None:
    def bug(_: EmbeddingCall) -> EmbeddingResponse:
        raise RuntimeError("a bug")

    stage = Stage(bug, budgets=[budget := Budget("key", "k", 10**15)])
    with pytest.raises(RuntimeError):
        await stage.embed(ask())
    [record] = stage.ledger.records
    assert (record.status, record.error_code, record.estimated) == ("failed", "internal_error", True)
    assert budget.pending_pico == 0


async def test_m4_holds_of_calls_under_way_are_renewed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_calls, "RENEW_AFTER_S", 0.0)
    stage = Stage(answers())
    stage.providers.may_answer.clear()
    task = asyncio.create_task(stage.embed(ask("x" * 400)))
    while not stage.providers.calls:
        await asyncio.sleep(0)
    hold = stage.ledger.store.holds["req_1/0"]
    lease_until = hold.lease_until
    await stage.calls.renew()
    assert hold.lease_until > lease_until
    assert (hold.record.status, hold.record.estimated, hold.record.input_tokens) == ("expired", True, 100)
    stage.providers.may_answer.set()
    await task
    await stage.calls.renew()
    assert stage.ledger.store.holds == {}


async def test_m5_a_call_that_costs_more_than_was_held_is_an_alarm(caplog: pytest.LogCaptureFixture) -> None:
    stage = Stage(answers(Usage(input=10**6)))
    with caplog.at_level(logging.ERROR):
        await stage.embed(ask())
    assert "were held" in caplog.text


async def test_a_discount_is_taken_off_the_list_price() -> None:
    stage = Stage(answers())
    made = await stage.embed(ask("aaaa"), discount=2_500)
    [record] = stage.ledger.records
    assert (record.cost_pico, record.discount_pico) == (RATE * 3 // 4, RATE // 4)
    assert made.cost_pico == record.cost_pico
