"""Batches as OpenAI's SDK sees them, whoever dies while they are run."""

import asyncio
import json
from collections.abc import Callable, Iterable
from typing import Any

import httpx2
import openai
import pytest

from models.batches import CaretakerStore, Limits
from models.batches.files import CHUNK_BYTES
from models.errors import BudgetHeld, PolyvoxError, ProviderRateLimited, ProviderTimeout
from models.providers.call import ProviderCall
from models.store import Database
from tests.services.batches import Stage, answer, asked_of, line

WINDOW: Any = "24h"
CHAT: Any = "/v1/chat/completions"


@pytest.fixture
def stage(database: Database) -> Callable[..., Stage]:
    return lambda script=lambda _: [answer()]: Stage(database, script)


async def _key(stage: Stage, user: str = "ann") -> str:
    return (await stage.ring.create_key(user, tenant="acme")).key


async def _begun(client: openai.AsyncOpenAI, lines: Iterable[str], **options: Any) -> Any:
    content = "\n".join(lines).encode()
    file = await client.files.create(file=("in.jsonl", content), purpose="batch")
    return await client.batches.create(
        input_file_id=file.id, endpoint=CHAT, completion_window=WINDOW, **options
    )


async def _results(client: openai.AsyncOpenAI, file_id: str | None) -> dict[str, Any]:
    assert file_id is not None
    content = await client.files.content(file_id)
    told = [json.loads(text) for text in content.text.splitlines()]
    assert len({one["custom_id"] for one in told}) == len(told)
    return {one["custom_id"]: one for one in told}


async def test_a_batch_is_answered_through_every_way_in(stage: Callable[..., Stage]) -> None:
    scene = stage(lambda call: [answer(f"{asked_of(call)}!")])
    client = scene.openai(await _key(scene))
    batch = await _begun(
        client,
        [
            line("chat", "one"),
            line("claude", "two", url="/v1/messages", model="claude-haiku-4-5", max_tokens=10),
            line("responses", "", url="/v1/responses", messages=None, input="three", store=False),
            line("vector", url="/v1/embeddings", model="text-embedding-3-small", input="four"),
            line("bad", "five", model="no-such-model"),
        ],
        metadata={"job": "night"},
    )
    assert (batch.status, batch.endpoint, batch.metadata) == ("validating", CHAT, {"job": "night"})
    caretaker, runner = scene.caretaker(), scene.runner()
    await caretaker.run_once()
    begun = await client.batches.retrieve(batch.id)
    assert begun.request_counts is not None
    assert (begun.status, begun.request_counts.total) == ("in_progress", 5)
    await runner.run_once()
    assert await _counts(client, batch.id) == (4, 1)
    await caretaker.run_once()
    done = await client.batches.retrieve(batch.id)
    assert done.status == "completed"
    assert done.completed_at is not None
    good = await _results(client, done.output_file_id)
    assert [(name, one["response"]["status_code"]) for name, one in good.items()] == [
        ("chat", 200),
        ("claude", 200),
        ("responses", 200),
        ("vector", 200),
    ]
    assert good["chat"]["response"]["body"]["choices"][0]["message"]["content"] == "one!"
    assert good["claude"]["response"]["body"]["content"][0]["text"] == "two!"
    assert good["responses"]["response"]["body"]["output"][0]["content"][0]["text"] == "three!"
    assert good["vector"]["response"]["body"]["object"] == "list"
    bad = (await _results(client, done.error_file_id))["bad"]
    assert (bad["response"]["status_code"], bad["error"]) == (404, None)
    assert bad["response"]["body"]["error"]["code"] == "model_not_found"
    charged = await scene.charges()
    assert set(charged) == {one["response"]["request_id"] for one in good.values()}
    assert all(charged.values())
    assert await scene.said(b"SELECT FROM batch_lines") == []
    assert await scene.said(b"SELECT FROM holds") == []


async def test_a_file_with_bad_lines_fails_with_each_of_them(stage: Callable[..., Stage]) -> None:
    scene = stage()
    client = scene.openai(await _key(scene))
    batch = await _begun(client, ["nonsense", line("a"), line("a"), line("b", stream=True)])
    await scene.caretaker().run_once()
    await scene.runner().run_once()
    failed = await client.batches.retrieve(batch.id)
    assert failed.status == "failed"
    assert failed.errors is not None
    assert failed.errors.data is not None
    assert [(error.line, error.code) for error in failed.errors.data] == [
        (1, "invalid_json_line"),
        (3, "duplicate_custom_id"),
        (4, "invalid_request"),
    ]
    assert scene.providers.calls == []
    assert await scene.said(b"SELECT FROM batch_lines") == []


async def test_a_runner_that_dies_loses_and_doubles_nothing(stage: Callable[..., Stage]) -> None:
    """It is gone in the middle of four lines; another one takes them over and ends the batch."""
    never = asyncio.Event()
    begun = asyncio.Event()
    calls: list[str] = []
    dies = True

    def script(call: ProviderCall) -> Any:
        calls.append(asked_of(call))
        if dies and int(asked_of(call)) > 16:
            if len(calls) == 20:
                begun.set()
            return [never, answer("too late")]
        return [answer(asked_of(call))]

    scene = stage(script)
    client = scene.openai(await _key(scene))
    batch = await _begun(client, [line(str(n), str(n)) for n in range(1, 41)])
    await scene.caretaker().run_once()
    doomed = scene.runner(limits=Limits(most=20, most_of_batch=20), lease_s=0.5)
    # Nobody renews what it holds, and it says nothing more: so is a process that was killed.
    task = asyncio.create_task(doomed.run_once())
    await asyncio.wait_for(begun.wait(), 10)
    while len([one for one in await scene.charges() if one]) < 16:
        await asyncio.sleep(0.01)
    task.cancel()
    stuck = [one for one in calls if int(one) > 16]
    dies = False
    other = scene.runner()
    while sum(await _counts(client, batch.id)) < 40:
        await other.run_once()
        await asyncio.sleep(0.05)
    never.set()
    await doomed.drain()
    await scene.caretaker().run_once()
    done = await client.batches.retrieve(batch.id)
    good = await _results(client, done.output_file_id)
    assert (done.status, done.error_file_id) == ("completed", None)
    assert await _counts(client, batch.id) == (40, 0)
    said = {name: one["response"]["body"]["choices"][0]["message"]["content"] for name, one in good.items()}
    assert said == {str(n): str(n) for n in range(1, 41)}
    again = [one for one in good.values() if one["response"]["request_id"].endswith("_2")]
    assert sorted(one["custom_id"] for one in again) == sorted(stuck)
    charged = await scene.charges()
    # Each run that called its provider is on the ledger once, and no other one.
    assert len(charged) == 40 + len(stuck) == len(calls)
    assert {one["response"]["request_id"] for one in good.values()} <= set(charged)
    assert await scene.said(b"SELECT FROM holds") == []


async def test_runners_at_the_same_time_answer_each_line_once(stage: Callable[..., Stage]) -> None:
    scene = stage()
    client = scene.openai(await _key(scene))
    batches = [await _begun(client, [line(str(n), f"{b} {n}") for n in range(60)]) for b in range(2)]
    await asyncio.gather(*(scene.caretaker(name).run_once() for name in ("one", "two")))
    await asyncio.gather(*(scene.runner().run_once() for _ in range(3)))
    await asyncio.gather(*(scene.caretaker(name).run_once() for name in ("one", "two")))
    for batch in batches:
        done = await client.batches.retrieve(batch.id)
        assert done.status == "completed"
        assert await _counts(client, batch.id) == (60, 0)
        assert len(await _results(client, done.output_file_id)) == 60
    assert len(scene.providers.calls) == 120
    assert len(await scene.charges()) == 120


async def test_no_more_of_a_batch_is_under_way_than_allowed(stage: Callable[..., Stage]) -> None:
    under_way = most = 0
    go_on = asyncio.Event()
    full = asyncio.Event()

    def script(_: ProviderCall) -> Any:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        if under_way == 3:
            full.set()
        yield go_on
        under_way -= 1
        yield answer()

    scene = stage(script)
    client = scene.openai(await _key(scene))
    await _begun(client, [line(str(n)) for n in range(12)])
    await scene.caretaker().run_once()
    limits = Limits(most=50, most_of_batch=3)
    running = [asyncio.create_task(scene.runner(limits=limits).run_once()) for _ in range(2)]
    await asyncio.wait_for(full.wait(), 10)
    go_on.set()
    await asyncio.gather(*running)
    while len(await scene.charges()) < 12:
        await scene.runner(limits=limits).run_once()
    assert most == 3


@pytest.mark.parametrize(
    "error",
    [
        ProviderRateLimited("slow down", status=429, retry_after_s=0.1),
        ProviderTimeout("silence", sent=True),
        BudgetHeld("later", sent=False),
    ],
    ids=["turned away", "silence", "held"],
)
async def test_a_line_that_may_fare_better_is_run_again(
    stage: Callable[..., Stage], error: PolyvoxError
) -> None:
    failing = True

    def script(_: ProviderCall) -> Any:
        return [error] if failing else [answer()]

    scene = stage(script)
    client = scene.openai(await _key(scene))
    batch = await _begun(client, [line("a")])
    await scene.caretaker().run_once()
    await scene.runner().run_once()
    assert await _counts(client, batch.id) == (0, 0)
    failing = False
    while await _counts(client, batch.id) == (0, 0):
        await scene.runner().run_once()
        await asyncio.sleep(0.05)
    await scene.caretaker().run_once()
    done = await client.batches.retrieve(batch.id)
    good = await _results(client, done.output_file_id)
    assert good["a"]["response"]["request_id"].endswith("_2")


async def test_a_budget_holds_for_a_batch_as_for_any_request(stage: Callable[..., Stage]) -> None:
    scene = stage()
    key = (await scene.ring.create_key("ann", tenant="acme", budget_pico=100_000_000)).key
    client = scene.openai(key)
    batch = await _begun(client, [line(str(n), max_tokens=5) for n in range(30)])
    await scene.caretaker().run_once()
    while sum(await _counts(client, batch.id)) < 30:
        await scene.runner().run_once()
        await asyncio.sleep(0.05)
    await scene.caretaker().run_once()
    done = await client.batches.retrieve(batch.id)
    bad = await _results(client, done.error_file_id)
    assert {one["response"]["body"]["error"]["code"] for one in bad.values()} == {"budget_exceeded"}
    assert 0 < len(bad) < 30
    assert 0 < sum((await scene.charges()).values()) <= 100_000_000


async def _counts(client: openai.AsyncOpenAI, id: str) -> tuple[int, int]:
    counts = (await client.batches.retrieve(id)).request_counts
    assert counts is not None
    return counts.completed, counts.failed


async def test_a_key_that_is_revoked_pays_for_nothing_more(stage: Callable[..., Stage]) -> None:
    scene = stage()
    paying = await scene.ring.create_key("ann", tenant="acme")
    batch = await _begun(scene.openai(paying.key), [line("a")])
    await scene.ring.revoke_key(paying.record.id)
    await scene.caretaker().run_once()
    await scene.runner().run_once()
    await scene.caretaker().run_once()
    client = scene.openai(await _key(scene))
    done = await client.batches.retrieve(batch.id)
    assert (await _results(client, done.error_file_id))["a"]["response"]["status_code"] == 401
    assert scene.providers.calls == []


async def test_a_cancelled_batch_keeps_what_was_answered(stage: Callable[..., Stage]) -> None:
    hold = asyncio.Event()
    begun = asyncio.Event()

    def script(call: ProviderCall) -> Any:
        if asked_of(call) == "1":
            begun.set()
            return [hold, answer()]
        return [answer()]

    scene = stage(script)
    client = scene.openai(await _key(scene))
    batch = await _begun(client, [line(str(n), str(n)) for n in range(4)])
    await scene.caretaker().run_once()
    running = asyncio.create_task(scene.runner(limits=Limits(most=2, most_of_batch=2)).run_once())
    await asyncio.wait_for(begun.wait(), 10)
    cancelled = await client.batches.cancel(batch.id)
    assert cancelled.status == "cancelling"
    await scene.caretaker().run_once()
    assert (await client.batches.retrieve(batch.id)).status == "cancelling"  # a line is still under way
    hold.set()
    await running
    await scene.caretaker().run_once()
    done = await client.batches.retrieve(batch.id)
    assert (done.status, done.cancelled_at is not None) == ("cancelled", True)
    good = await _results(client, done.output_file_id)
    assert "1" in good
    left = await _results(client, done.error_file_id)
    assert {one["error"]["code"] for one in left.values()} == {"batch_cancelled"}
    assert set(good) | set(left) == {"0", "1", "2", "3"}
    with pytest.raises(openai.ConflictError):
        await client.batches.cancel((await _ended(scene, client)).id)


async def _ended(scene: Stage, client: openai.AsyncOpenAI) -> Any:
    batch = await _begun(client, [line("a")])
    for _ in range(2):
        await scene.caretaker().run_once()
        await scene.runner().run_once()
    return batch


async def test_a_batch_whose_time_is_up_says_which_lines_were_not_run(stage: Callable[..., Stage]) -> None:
    scene = stage()
    client = scene.openai(await _key(scene))
    batch = await _begun(client, [line("a")])
    await scene.caretaker().run_once()
    await scene.said(b"UPDATE batches SET expires_at = now() RETURNING id")
    await scene.runner().run_once()
    await scene.caretaker().run_once()
    done = await client.batches.retrieve(batch.id)
    assert (done.status, done.output_file_id) == ("expired", None)
    assert (await _results(client, done.error_file_id))["a"]["error"]["code"] == "batch_expired"


async def test_a_caretaker_that_dies_is_followed_by_another(
    stage: Callable[..., Stage], database: Database
) -> None:
    """Whatever it had done is done again, and what it says later is not heard."""
    scene = stage()
    client = scene.openai(await _key(scene))
    batch = await _begun(client, [line(str(n)) for n in range(3)])
    late = CaretakerStore(database, holder="late", lease_s=0)
    assert await late.take() is not None
    await scene.caretaker().run_once()
    await late.fail(batch.id, [], total=0)
    await scene.runner().run_once()
    assert await late.take() is not None
    await late.close(batch.id)
    await scene.caretaker().run_once()
    await late.end(batch.id, output_file_id="x", error_file_id=None, sizes={})
    done = await client.batches.retrieve(batch.id)
    assert done.status == "completed"
    assert len(await _results(client, done.output_file_id)) == 3


async def test_a_runner_gives_up_what_another_has_taken_over(stage: Callable[..., Stage]) -> None:
    never = asyncio.Event()
    begun = asyncio.Event()

    def script(_: ProviderCall) -> Any:
        begun.set()
        return [never, answer()]

    scene = stage(script)
    client = scene.openai(await _key(scene))
    await _begun(client, [line("a")])
    await scene.caretaker().run_once()
    runner = scene.runner()
    running = asyncio.create_task(runner.run_once())
    await asyncio.wait_for(begun.wait(), 10)
    await runner.renew()
    assert runner.in_flight == 1
    await scene.said(b"UPDATE batch_lines SET run = run + 1 RETURNING number")
    await runner.renew()
    await asyncio.wait_for(runner.drain(), 10)
    await running
    assert len(scene.providers.left) == 1


async def test_files_are_listed_fetched_and_deleted(stage: Callable[..., Stage]) -> None:
    scene = stage()
    client = scene.openai(await _key(scene))
    content = bytes(range(256)) * 3_000  # more than a chunk
    assert len(content) > CHUNK_BYTES
    made = [await client.files.create(file=(f"{n}.jsonl", content), purpose="batch") for n in range(3)]
    assert (made[0].bytes, made[0].filename, made[0].purpose) == (len(content), "0.jsonl", "batch")
    assert [one.id async for one in client.files.list(limit=2)] == [one.id for one in reversed(made)]
    assert [one.id async for one in client.files.list(limit=2, order="asc")] == [one.id for one in made]
    assert [one async for one in client.files.list(purpose="batch_output")] == []
    assert (await client.files.content(made[1].id)).content == content
    assert (await client.files.delete(made[1].id)).deleted
    with pytest.raises(openai.NotFoundError):
        await client.files.retrieve(made[1].id)
    assert len(await scene.said(b"SELECT DISTINCT file_id FROM file_chunks")) == 2


async def test_nobody_sees_what_is_somebody_elses(stage: Callable[..., Stage]) -> None:
    scene = stage()
    ann, bob = scene.openai(await _key(scene)), scene.openai(await _key(scene, "bob"))
    batch = await _begun(ann, [line("a")])
    file_id = batch.input_file_id
    for attempt in (
        bob.files.retrieve(file_id),
        bob.files.content(file_id),
        bob.files.delete(file_id),
        bob.batches.retrieve(batch.id),
        bob.batches.cancel(batch.id),
    ):
        with pytest.raises(openai.NotFoundError):
            await attempt
    with pytest.raises(openai.BadRequestError):
        await bob.batches.create(input_file_id=file_id, endpoint=CHAT, completion_window=WINDOW)
    assert [one async for one in bob.files.list()] == []
    assert [one async for one in bob.batches.list()] == []
    assert [one async for one in bob.batches.list(after=batch.id)] == []


async def test_batches_are_listed_page_by_page(stage: Callable[..., Stage]) -> None:
    scene = stage()
    client = scene.openai(await _key(scene))
    made = [(await _begun(client, [line("a")])).id for _ in range(5)]
    assert [one.id async for one in client.batches.list(limit=2)] == made[::-1]


async def test_an_idempotency_key_makes_one_batch(stage: Callable[..., Stage]) -> None:
    scene = stage()
    client = scene.openai(await _key(scene))
    again: Any = {"extra_headers": {"idempotency-key": "night"}}
    first = await _begun(client, [line("a")], **again)
    fields: Any = {"endpoint": CHAT, "completion_window": WINDOW}
    same = await client.batches.create(input_file_id=first.input_file_id, **fields, **again)
    assert same.id == first.id
    with pytest.raises(openai.ConflictError):
        await _begun(client, [line("b")], **again)


@pytest.mark.parametrize(
    ("fields", "filename", "param"),
    [
        ({"purpose": "batch"}, None, "file"),
        ({}, "a", "purpose"),
        ({"purpose": "vision"}, "a", "purpose"),
        ({"purpose": "batch", "expires_after[seconds]": "5"}, "a", "expires_after.seconds"),
        ({"purpose": "batch", "expires_after[seconds]": "²"}, "a", "expires_after.seconds"),
        ({"purpose": "batch", "expires_after[anchor]": "now"}, "a", "expires_after.anchor"),
    ],
)
async def test_an_upload_that_is_wrong_leaves_nothing(
    stage: Callable[..., Stage], fields: dict[str, str], filename: str | None, param: str
) -> None:
    scene = stage()
    async with scene.http(await _key(scene)) as http:
        files = {"other" if filename is None else "file": (filename or "x", b"{}")}
        response = await http.post("/v1/files", data=fields, files=files)
    assert (response.status_code, response.json()["error"]["param"]) == (400, param)
    assert await scene.said(b"SELECT FROM files") == []


async def test_a_file_is_bounded_and_kept_as_long_as_is_said(database: Database) -> None:
    scene = Stage(database, lambda _: [answer()], most_bytes=100)
    key = await _key(scene)
    async with scene.http(key) as http:
        form = {"purpose": "batch", "expires_after[anchor]": "created_at", "expires_after[seconds]": "3600"}
        large = await http.post("/v1/files", data=form, files={"file": ("a", b"x" * 101)})
        assert (large.status_code, large.headers["connection"]) == (413, "close")
        small = (await http.post("/v1/files", data=form, files={"file": ("../b", b"x" * 100)})).json()
        assert (small["filename"], small["expires_at"] - small["created_at"]) == ("b", 3_600)
        await scene.said(b"UPDATE files SET expires_at = now() RETURNING id")
        gone = await http.get(f"/v1/files/{small['id']}")
        assert gone.status_code == 404
    await scene.caretaker().sweep()
    assert await scene.said(b"SELECT FROM file_chunks") == []


async def test_a_client_that_leaves_in_the_middle_of_an_upload_leaves_nothing(
    stage: Callable[..., Stage],
) -> None:
    scene = stage()
    key = await _key(scene)
    head = b"--x\r\ncontent-disposition: form-data; name=file; filename=a\r\n\r\n"
    said = iter([{"type": "http.request", "body": head + b"y" * CHUNK_BYTES * 2, "more_body": True}])
    told: list[Any] = []

    async def receive() -> Any:
        return next(said, {"type": "http.disconnect"})

    async def send(message: Any) -> None:
        told.append(message)

    headers = [
        (b"authorization", f"Bearer {key}".encode()),
        (b"content-type", b"multipart/form-data; boundary=x"),
    ]
    scope = {"type": "http", "method": "POST", "path": "/v1/files", "headers": headers, "query_string": b""}
    await scene.app({**scope, "polyvox.request_id": "req_1"}, receive, send)
    assert told == []
    assert await scene.said(b"SELECT FROM files") == []


async def test_what_a_batch_is_asked_with_is_checked(stage: Callable[..., Stage]) -> None:
    scene = stage()
    key = await _key(scene)
    client = scene.openai(key)
    file = await client.files.create(file=("a", line("a").encode()), purpose="batch")
    good = {"input_file_id": file.id, "endpoint": CHAT, "completion_window": "24h"}
    async with scene.http(key) as http:
        for change in (
            {"endpoint": "/v1/keys"},
            {"completion_window": "1h"},
            {"input_file_id": "file-none"},
            {"metadata": {"a": "x" * 513}},
            {"metadata": {"a": "\0"}},
            {"tenant_id": "other"},
        ):
            response: httpx2.Response = await http.post("/v1/batches", json={**good, **change})
            assert response.status_code == 400, change
        assert (await http.post("/v1/batches", json=good)).status_code == 200


async def test_a_tenant_has_room_for_so_much(database: Database) -> None:
    scene = Stage(database, lambda _: [answer()], most_tenant_bytes=10)
    client = scene.openai(await _key(scene))
    await client.files.create(file=("a", b"x" * 10), purpose="batch")
    with pytest.raises(openai.BadRequestError):
        await client.files.create(file=("a", b"x"), purpose="batch")
