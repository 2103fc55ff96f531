"""What becomes of a key whose request waits, fails, is left, is too much, or dies with its process."""

import asyncio
from itertools import count
from typing import Any

import pytest

from deployments.api.idempotency import REPLAYED
from models.errors import Overloaded, ProviderRefused
from models.idempotency import Again, Asked, Overheard, Recording, Run
from models.idempotency.runs import RENEW_AFTER_S
from models.idempotency.store import LEASE_S
from tests.asgi import Response
from tests.unit.idempotency.stage import ASKED, CHAT, STREAMED, Stage, until

OTHER = {"model": "gpt-5.4-mini", "messages": [{"role": "user", "content": "ho"}]}
LONG_AGO_S = 10 * LEASE_S


def is_again(response: Response) -> bool:
    return REPLAYED.decode() in response.headers


async def test_who_waits_too_long_is_told_when_to_come_back() -> None:
    stage = Stage(wait_s=0.05)
    stage.may.clear()
    first = asyncio.create_task(stage.ask(ASKED))
    await until(lambda: stage.called)
    busy = await stage.ask(ASKED)
    assert (busy.status, busy.json()["error"]["code"]) == (409, "idempotency_key_in_use")
    assert (busy.headers["retry-after"], busy.headers["retry-after-ms"]) == ("1", "1000")
    stage.may.set()
    assert (await stage.ask(ASKED)).body == (await first).body
    assert stage.called == 1


async def test_not_too_many_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.idempotency.runs.MAX_WAITING", 2)
    stage = Stage()
    stage.may.clear()
    asking = [asyncio.create_task(stage.ask(ASKED)) for _ in range(5)]
    await until(lambda: sum(task.done() for task in asking) == 2)
    stage.may.set()
    assert sorted([answer.status for answer in await asyncio.gather(*asking)]) == [200, 200, 200, 409, 409]


@pytest.mark.parametrize("body", [ASKED, STREAMED], ids=["whole", "streamed"])
async def test_what_failed_is_answered_anew(body: dict[str, Any]) -> None:
    stage = Stage()
    stage.failures = [ProviderRefused("no", status=400)]
    assert (await stage.ask(body)).status == 400
    second = await stage.ask(body)
    assert (second.status, is_again(second)) == (200, False)
    assert is_again(await stage.ask(body))
    assert stage.called == 2


async def test_a_request_that_is_wrong_leaves_its_key_as_good_as_new() -> None:
    stage = Stage()
    for wrong in ({"model": "no such model"}, {"messages": 7}):
        assert (await stage.ask(ASKED | wrong)).status in (400, 404)
    assert stage.store.rows == {}
    assert (await stage.ask(ASKED)).status == 200


async def test_a_key_stays_with_its_request_when_that_failed() -> None:
    stage = Stage()
    stage.failures = [ProviderRefused("no", status=400)]
    await stage.ask(ASKED)
    assert b"idempotency_key_reused" in (await stage.ask(OTHER)).body


@pytest.mark.parametrize("body", [ASKED, STREAMED], ids=["whole", "streamed"])
async def test_a_client_that_leaves_before_the_first_byte_finds_the_answer(body: dict[str, Any]) -> None:
    stage = Stage()
    stage.may.clear()
    assert (await stage.ask(body, leave_after=0)).status == 0
    stage.may.set()
    again = await stage.ask(body)
    assert (again.status, is_again(again), again.ended) == (200, True, True)
    await stage.once.settle()
    assert (stage.called, len(stage.ledger.records)) == (1, 1)


async def test_one_that_left_and_whose_request_failed_is_answered_anew() -> None:
    stage = Stage()
    stage.may.clear()
    stage.failures = [ProviderRefused("no", status=400)]
    await stage.ask(ASKED, leave_after=0)
    stage.may.set()
    await stage.once.settle()
    second = await stage.ask(ASKED)
    assert (second.status, is_again(second), stage.called) == (200, False, 2)


async def test_not_too_many_go_on_without_their_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deployments.api.idempotency.MAX_GOING_ON", 2)
    stage = Stage()
    stage.may.clear()
    for n in range(4):
        await stage.ask(ASKED, key=f"k{n}", leave_after=0)
    await until(lambda: len(stage.chat.left) == 2)
    stage.may.set()
    await stage.once.settle()
    answers = [is_again(await stage.ask(ASKED, key=f"k{n}")) for n in range(4)]
    assert answers == [True, True, False, False]


async def test_a_stream_that_was_cut_is_charged_and_answered_anew() -> None:
    stage = Stage()
    stage.may_end.clear()
    cut = await stage.ask(STREAMED, leave_after=1)
    assert (cut.status, cut.ended) == (200, False)
    stage.may_end.set()
    await stage.once.settle()
    await stage.calls.settle_all()
    second = await stage.ask(STREAMED)
    assert (second.status, second.ended, is_again(second)) == (200, True, False)
    assert second.body != cut.body
    assert [record.status for record in stage.ledger.records] == ["cancelled", "completed"]
    assert len({record.op_key for record in stage.ledger.records}) == 2
    assert all(record.cost_pico > 0 for record in stage.ledger.records)
    assert (await stage.ask(STREAMED)).body == second.body


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (CHAT, STREAMED),
        ("/v1/messages", STREAMED | {"max_tokens": 9}),
        ("/v1/responses", {"model": "gpt-5.4-mini", "input": "hi", "stream": True}),
        ("/v1beta/models/{model}:streamGenerateContent", {"model": "gpt-5.4-mini", "contents": "hi"}),
    ],
)
async def test_a_stream_that_ends_in_an_error_is_charged_and_answered_anew(
    path: str, body: dict[str, Any]
) -> None:
    stage = Stage()
    stage.may_end.clear()
    asking = asyncio.create_task(stage.ask(body, path=path))
    await stage.begun.wait()
    stage.failures = [ProviderRefused("no", status=400)]
    stage.may_end.set()
    broken = await asking
    assert (broken.status, broken.ended, b"Hello 1" in broken.body) == (200, True, True)
    second = await stage.ask(body, path=path)
    assert (is_again(second), b"Hello 2" in second.body, stage.called) == (False, True, 2)
    await stage.calls.settle_all()
    assert [record.status for record in stage.ledger.records] == ["failed", "completed"]
    assert (await stage.ask(body, path=path)).body == second.body


async def test_an_answer_that_is_too_large_is_given_once() -> None:
    stage = Stage()
    stage.said = "x" * 2_000_000
    first = await stage.ask(ASKED)
    assert len(first.body) > 2_000_000
    second = await stage.ask(ASKED)
    assert (second.status, second.json()["error"]["code"]) == (409, "idempotent_answer_not_kept")
    assert second.headers["x-should-retry"] == "false"
    assert stage.called == 1
    assert stage.idempotency.overheard.bytes == 0


def test_what_is_overheard_is_bounded_for_all_together() -> None:
    overheard = Overheard(most_bytes=10)
    one, other = Recording(overheard), Recording(overheard)
    one.add(b"123456")
    other.add(b"1234")
    other.add(b"5")
    assert (one.body(), other.body(), overheard.bytes) == (b"123456", None, 6)
    one.close()
    assert overheard.bytes == 0


async def test_with_the_store_away_nothing_begins() -> None:
    stage = Stage()
    stage.store.away = True
    assert (await stage.ask(ASKED)).status == 503
    assert stage.called == 0
    assert (await stage.ask(ASKED, key=None)).status == 200


async def test_an_answer_whose_store_went_away_is_given_and_kept_later() -> None:
    stage = Stage()
    stage.may.clear()
    asking = asyncio.create_task(stage.ask(ASKED))
    await until(lambda: stage.called)
    stage.store.away = True
    stage.may.set()
    first = await asking
    assert first.status == 200
    with pytest.raises(Overloaded):
        await stage.idempotency.run_once()
    stage.store.away = False
    await stage.idempotency.run_once()
    again = await stage.ask(ASKED)
    assert (is_again(again), again.body) == (True, first.body)
    assert stage.called == 1


async def test_what_is_kept_is_sealed_for_its_place_and_its_installation() -> None:
    stage = Stage()
    stage.said = "a secret of theirs"
    await stage.ask(ASKED)
    ((place, row),) = stage.store.rows.items()
    assert row.answer is not None
    assert b"secret of theirs" not in row.answer
    assert b"k1" not in place.name
    asked = Asked(place, row.digest)
    assert isinstance(await stage.idempotency.begin(asked, "r"), Again)
    for changed in (row.answer[:-1] + bytes([row.answer[-1] ^ 1]), b""):
        row.answer = changed
        assert b"idempotent_answer_not_kept" in (await stage.ask(ASKED)).body


class Crash:
    """A request is begun by a process that then says nothing any more."""

    def __init__(self, *, paid: bool) -> None:
        self.now = 1_000.0
        self.stage = Stage(clock=lambda: self.now, wait_s=0)
        self._paid = paid
        self._numbers = count(1)

    async def happens(self, body: dict[str, Any]) -> None:
        dead = f"dead_{next(self._numbers)}"
        self.stage.may.clear()
        called = self.stage.called
        asking = asyncio.create_task(self.stage.ask(body))
        await until(lambda: self.stage.called > called)
        ((place, row),) = self.stage.store.rows.items()
        self.stage.failures = [ProviderRefused("gone with it", status=400)]
        self.stage.may.set()
        row.request_id, sent = dead, row.request_id
        await asking
        assert (row.state, row.request_id, sent != dead) == ("in_flight", dead, True)
        if self._paid:
            self.stage.store.paid.add(dead)
        self.stage.ledger.records.clear()
        assert await self.stage.store.is_under_way(place)


@pytest.mark.parametrize("body", [ASKED, STREAMED], ids=["whole", "streamed"])
@pytest.mark.parametrize("paid", [False, True], ids=["unpaid", "paid"])
async def test_m3_a_crash_frees_the_key_and_nobody_pays_twice(paid: bool, body: dict[str, Any]) -> None:
    crash = Crash(paid=paid)
    stage = crash.stage
    await crash.happens(body)
    assert (await stage.ask(body)).status == 409
    crash.now += LEASE_S + 1
    answer = await stage.ask(body)
    assert (answer.status, is_again(answer)) == (200, False)
    (record,) = stage.ledger.records
    assert (record.cost_pico == 0, record.discount_pico > 0) == (paid, paid)
    assert is_again(await stage.ask(body))


async def test_what_was_paid_is_answered_free_once_whoever_cuts_that() -> None:
    crash = Crash(paid=True)
    stage = crash.stage
    await crash.happens(STREAMED)
    crash.now += LEASE_S + 1
    stage.may_end.clear()
    await stage.ask(STREAMED, leave_after=1)
    stage.may_end.set()
    await stage.once.settle()
    await stage.ask(STREAMED)
    await stage.calls.settle_all()
    assert [record.cost_pico > 0 for record in stage.ledger.records] == [False, True]


async def test_what_was_paid_stays_so_where_the_next_one_could_not_begin() -> None:
    crash = Crash(paid=True)
    stage = crash.stage
    await crash.happens(ASKED)
    for _ in range(2):
        crash.now += LEASE_S + 1
        stage.failures = [ProviderRefused("no", status=400)]
        assert (await stage.ask(ASKED)).status == 400
    await stage.ask(ASKED)
    assert [record.cost_pico for record in stage.ledger.records] == [0, 0, 0]


async def test_a_request_that_takes_long_keeps_its_key() -> None:
    now = 0.0
    stage = Stage(clock=lambda: now)
    asked = stage.idempotency.asked("t", "ann", b"k1", b"said")
    stage.idempotency.clock = lambda: now
    run = await stage.idempotency.begin(asked, "req_1")
    for _ in range(10):
        now += LEASE_S - 1
        await stage.idempotency.run_once()
        assert await stage.store.is_under_way(asked.place)
    assert isinstance(run, Run)
    await run.failed(answered=False)
    now += RENEW_AFTER_S + 1
    await stage.idempotency.run_once()
    assert not await stage.store.is_under_way(asked.place)


async def test_who_comes_back_to_a_key_that_was_taken_over_changes_nothing() -> None:
    now = 0.0
    stage = Stage(clock=lambda: now)
    asked = stage.idempotency.asked("t", "ann", b"k1", b"said")
    slow = await stage.idempotency.begin(asked, "slow")
    now += LONG_AGO_S
    quick = await stage.replica().begin(asked, "quick")
    assert isinstance(slow, Run)
    assert isinstance(quick, Run)
    await slow.done(200, (), is_stream=False)
    quick.recording.add(b"quick's")
    await quick.done(200, (), is_stream=False)
    again = await stage.idempotency.begin(asked, "third")
    assert isinstance(again, Again)
    assert (again.request_id, again.answer.body) == ("quick", b"quick's")


async def test_a_day_later_a_key_is_new() -> None:
    now = 0.0
    stage = Stage(clock=lambda: now)
    first = await stage.ask(ASKED)
    now += 24 * 3_600 - 1
    assert (await stage.ask(ASKED)).body == first.body
    now += 2
    assert (await stage.ask(OTHER)).status == 200
    assert stage.called == 2


async def test_who_leaves_while_the_key_is_claimed_leaves_it_free() -> None:
    stage = Stage()
    asked = stage.idempotency.asked("t", "ann", b"k1", b"said")
    claim, reached = stage.store.claim, asyncio.Event()

    async def slowly(*args: Any, **said: Any) -> Any:
        claimed = await claim(*args, **said)
        reached.set()
        await asyncio.sleep(60)
        return claimed

    stage.store.claim = slowly  # type: ignore[method-assign]
    asking = asyncio.create_task(stage.idempotency.begin(asked, "req_1"))
    await reached.wait()
    asking.cancel()
    await asyncio.wait([asking])
    await stage.idempotency.settle()
    assert stage.store.rows == {}
