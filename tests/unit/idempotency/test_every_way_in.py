"""A key means one answer on every route that calls providers, whole and streamed, in every dialect."""

import asyncio
from typing import Any

import pytest

from deployments.api.errors import status_of
from deployments.api.idempotency import ORIGINAL, REPLAYED
from models.idempotency import IdempotencyKeyReused
from tests.unit.api.test_every_route_pays import BILLABLE
from tests.unit.idempotency.stage import ASKED, CHAT, STREAMED, Stage, until

every_case = pytest.mark.parametrize(
    ("path", "body"),
    [
        pytest.param(path, body, id=f"{path}-{body.get('model') or body['modelId']}-{at}")
        for (_, path), bodies in BILLABLE.items()
        for at, body in enumerate(bodies)
    ],
)
CODES = {
    CHAT: lambda answer: answer["error"]["code"],
    "/v1/responses": lambda answer: answer["error"]["code"],
    "/v1/embeddings": lambda answer: answer["error"]["code"],
    "/api/chat/send-with-model": lambda answer: answer["error"]["code"],
    "/v1/messages": lambda answer: answer["error"]["details"]["error_code"],
    "/v1beta/models/{model}:generateContent": lambda answer: answer["error"]["details"][0]["reason"].lower(),
}


@every_case
async def test_m3_the_same_request_is_answered_once(path: str, body: dict[str, Any]) -> None:
    stage = Stage()
    await stage.with_conversation()
    first = await stage.ask(body, path=path)
    assert first.status == 200, first.body
    calls, records = stage.called, len(stage.ledger.records)
    assert calls
    again = await stage.ask(body, path=path)
    assert (again.status, again.body, again.ended) == (200, first.body, True)
    assert again.headers[REPLAYED.decode()] == "true"
    assert again.headers[ORIGINAL.decode()] == first.headers["x-polyvox-request-id"] == "req_1"
    assert again.headers["x-polyvox-request-id"] == "req_2"
    assert again.headers["content-type"] == first.headers["content-type"]
    assert ("content-length" in again.headers) == ("content-length" in first.headers)
    await stage.calls.settle_all()
    assert (stage.called, len(stage.ledger.records)) == (calls, records), "asked and charged once"
    assert REPLAYED.decode() not in first.headers


@pytest.mark.parametrize("body", [ASKED, STREAMED], ids=["whole", "streamed"])
async def test_m3_fifty_at_once_are_one(body: dict[str, Any]) -> None:
    stage = Stage()
    stage.may.clear()
    asking = [asyncio.create_task(stage.ask(body)) for _ in range(50)]
    await until(lambda: stage.store.asked == 50)
    stage.may.set()
    answers = await asyncio.gather(*asking)
    assert {answer.status for answer in answers} == {200}
    assert len({answer.body for answer in answers}) == 1
    assert sum(REPLAYED.decode() in answer.headers for answer in answers) == 49
    assert (stage.called, len(stage.ledger.records)) == (1, 1)


@pytest.mark.parametrize("path", CODES)
async def test_m3_another_body_is_refused_in_the_dialects_words(path: str) -> None:
    stage = Stage()
    await stage.with_conversation()
    one, *_ = bodies = BILLABLE[("POST", path)]
    assert (await stage.ask(one, path=path)).status == 200
    calls = stage.called
    longer = next(name for name in ("messages", "contents", "input", "message") if name in one)
    other = one | {longer: [{"role": "user", "content": "ho"}] if longer == "messages" else "ho"}
    refused = await stage.ask(other, path=path)
    assert refused.status == status_of(IdempotencyKeyReused("")) != 200
    assert CODES[path](refused.json()) == "idempotency_key_reused"
    assert stage.called == calls
    assert bodies


@pytest.mark.parametrize(
    "change",
    [
        {"path": "/v1/messages"},
        {"path": f"{CHAT}?alt=sse"},
        {"headers": {"x-polyvox-routing": "cost=1"}},
        {"headers": {"x-polyvox-cache": "on"}},
    ],
    ids=str,
)
async def test_what_is_asked_is_more_than_the_body(change: dict[str, Any]) -> None:
    stage = Stage()
    body = ASKED | {"max_tokens": 9}
    assert (await stage.ask(body)).status == 200
    refused = await stage.ask(body, **change)
    assert refused.status == status_of(IdempotencyKeyReused(""))
    assert b"idempotency_key_reused" in refused.body


async def test_who_brings_it_and_how_it_is_called_is_not_asked() -> None:
    stage = Stage()
    first = await stage.ask(ASKED, path=f"{CHAT}?key=ann", headers={"x-polyvox-priority": "low"})
    again = await stage.ask(ASKED, path=CHAT, headers={"x-polyvox-request-id": "mine"})
    assert (again.body, stage.called) == (first.body, 1)


async def test_a_key_is_its_users() -> None:
    stage = Stage()
    answers = [await stage.ask(ASKED, user=user) for user in ("ann", "bob", "ann")]
    assert answers[0].body == answers[2].body != answers[1].body
    assert stage.called == 2


async def test_other_keys_and_none_are_other_requests() -> None:
    stage = Stage()
    bodies = {(await stage.ask(ASKED, key=key)).body for key in ("k1", "k2", None, None)}
    assert (len(bodies), stage.called) == (4, 4)


async def test_without_a_key_nobody_is_asked() -> None:
    stage = Stage()
    await stage.ask(ASKED, key=None)
    assert (stage.store.asked, stage.store.rows) == (0, {})


@pytest.mark.parametrize("key", ["", "x" * 256, "tab\there", "ü"])
async def test_what_is_no_key_is_refused(key: str) -> None:
    stage = Stage()
    refused = await stage.ask(ASKED, key=key)
    assert (refused.status, refused.json()["error"]["param"]) == (400, "Idempotency-Key")
    assert (stage.called, stage.store.asked) == (0, 0)
