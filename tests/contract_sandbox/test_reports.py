"""The providers' usage and cost reports, read as their customers read them, and how they can be wrong."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import msgspec
import openai
import pytest
import pytest_asyncio

from deployments.sandbox.exchange import Provider
from deployments.sandbox.meter import Line
from tests.contract_sandbox.conftest import Sandbox, start

pytestmark = pytest.mark.asyncio(loop_scope="session")

DAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=2)
HOUR = timedelta(hours=1)
AT = int(DAY.timestamp())
NAMES: dict[Provider, str] = {
    "openai": "gpt-6.1-sol",
    "anthropic": "claude-sonnet-5-5",
    "google": "gemini-3.8-flash",
}


def line(provider: Provider, hour: int, **fields: Any) -> Line:
    values: dict[str, Any] = {
        "ts": (DAY + hour * HOUR).timestamp() + 60,
        "provider": provider,
        "model": NAMES[provider],
        "endpoint": "chat",
        "request_id": "req",
        "stream": False,
        "status": 200,
        "input_tokens": 100,
        "cache_read_tokens": 40,
        "cache_write_tokens": 30,
        "cache_write_1h_tokens": 10,
        "output_tokens": 50,
        "reasoning_tokens": 20,
        "completed": True,
        "aborted": False,
        "client_request_id": "",
        "idempotency": "",
    }
    return Line(**(values | fields))


LINES = [
    *(line(provider, hour) for provider in NAMES for hour in (0, 1, 1, 5)),
    line("openai", 1, model="gpt-6-luna"),
    line("openai", 1, model="text-embedding-3-small", endpoint="embeddings", output_tokens=0),
]


@pytest.fixture(scope="module")
def reporting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    directory = tmp_path_factory.mktemp("reports")
    (directory / "meter.jsonl").write_bytes(msgspec.json.Encoder().encode_lines(LINES))
    running = start(directory)
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="module")
def openai_usage(reporting: Sandbox, http: httpx2.AsyncClient) -> Any:
    client = openai.AsyncOpenAI(
        admin_api_key="sk-admin-1",
        base_url=f"{reporting.url}/openai/v1",
        max_retries=0,
        http_client=http,
    )
    return client.admin.organization.usage


@pytest_asyncio.fixture(loop_scope="session")
async def distort(reporting: Sandbox, http: httpx2.AsyncClient) -> AsyncIterator[Any]:
    async def put(**directives: str) -> httpx2.Response:
        return await http.put(f"{reporting.url}/sandbox/reports", json=directives)

    yield put
    (await put(openai="", anthropic="", google="")).raise_for_status()


async def anthropic_get(
    sandbox: Sandbox, http: httpx2.AsyncClient, path: str, key: str = "sk-ant-admin01-1", **asked: Any
) -> Any:
    client = anthropic.AsyncAnthropic(
        api_key=key, base_url=f"{sandbox.url}/anthropic", max_retries=0, http_client=http
    )
    response = await client.get(
        f"/v1/organizations/{path}", cast_to=httpx2.Response, options={"params": asked}
    )
    return response.json()


def iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


async def test_openai_tells_usage_by_hour_and_model_with_empty_hours_between(openai_usage: Any) -> None:
    page = await openai_usage.completions(
        start_time=AT, end_time=AT + 6 * 3_600, bucket_width="1h", group_by=["model"]
    )
    assert [(bucket.start_time, bucket.end_time) for bucket in page.data] == [
        (AT + n * 3_600, AT + (n + 1) * 3_600) for n in range(6)
    ]
    assert [len(bucket.results) for bucket in page.data] == [1, 2, 0, 0, 0, 1]
    luna, sol = page.data[1].results
    assert (luna.model, luna.num_model_requests) == ("gpt-6-luna", 1)
    assert (sol.model, sol.num_model_requests, sol.input_tokens) == ("gpt-6.1-sol", 2, 340)
    assert (sol.input_uncached_tokens, sol.input_cached_tokens) == (200, 80)
    assert (sol.input_cache_write_tokens, sol.output_tokens) == (60, 100)
    assert (page.has_more, page.next_page) == (False, None)


async def test_openai_tells_all_models_as_one_where_they_are_not_asked_apart(openai_usage: Any) -> None:
    page = await openai_usage.completions(start_time=AT, end_time=AT + 86_400)
    (total,) = page.data[0].results
    assert (total.model, total.num_model_requests) == (None, 5)


async def test_openai_tells_embeddings_apart(openai_usage: Any) -> None:
    page = await openai_usage.embeddings(start_time=AT, end_time=AT + 86_400, group_by=["model"])
    (only,) = page.data[0].results
    assert (only.object, only.model, only.input_tokens) == (
        "organization.usage.embeddings.result",
        "text-embedding-3-small",
        100,
    )


@pytest.mark.parametrize("limit", [1, 4, 24])
async def test_pages_hold_every_bucket_once(openai_usage: Any, limit: int) -> None:
    starts: list[int] = []
    asked: dict[str, Any] = {}
    while True:
        page = await openai_usage.completions(
            start_time=AT, end_time=AT + 86_400, bucket_width="1h", limit=limit, **asked
        )
        starts += [bucket.start_time for bucket in page.data]
        if not page.has_more:
            break
        asked = {"page": page.next_page}
    assert starts == [AT + n * 3_600 for n in range(24)]


async def test_openai_tells_costs_of_a_day_by_line_item(openai_usage: Any) -> None:
    page = await openai_usage.costs(start_time=AT, end_time=AT + 86_400, group_by=["line_item"])
    items = {result.line_item: result for result in page.data[0].results}
    output = items["gpt-6.1-sol, output_tokens"]
    assert (output.amount.value, output.amount.currency, output.quantity) == (0.002, "usd", 200)
    assert len(items) == 14
    whole = await openai_usage.costs(start_time=AT, end_time=AT + 86_400)
    (total,) = whole.data[0].results
    assert total.amount.value == pytest.approx(sum(item.amount.value for item in items.values()))


async def test_anthropic_tells_usage_and_costs(reporting: Sandbox, http: httpx2.AsyncClient) -> None:
    asked = {"starting_at": iso(DAY), "ending_at": iso(DAY + timedelta(days=1))}
    usage = await anthropic_get(
        reporting, http, "usage_report/messages", **asked, bucket_width="1d", group_by=["model"]
    )
    ((used,),) = [bucket["results"] for bucket in usage["data"]]
    assert (used["model"], used["uncached_input_tokens"]) == ("claude-sonnet-5-5", 400)
    assert used["cache_creation"] == {"ephemeral_5m_input_tokens": 80, "ephemeral_1h_input_tokens": 40}
    assert (used["cache_read_input_tokens"], used["output_tokens"]) == (160, 200)
    costs = await anthropic_get(reporting, http, "cost_report", **asked, group_by=["description"])
    (lines,) = [bucket["results"] for bucket in costs["data"]]
    cents = {each["token_type"]: each["amount"] for each in lines}
    assert cents == {
        "uncached_input_tokens": "0.08",
        "cache_read_input_tokens": "0.0016",
        "cache_creation.ephemeral_5m_input_tokens": "0.02",
        "cache_creation.ephemeral_1h_input_tokens": "0.016",
        "output_tokens": "0.2",
    }
    assert {each["currency"] for each in lines} == {"USD"}


async def test_googles_bill_is_labelled_as_simulated(reporting: Sandbox, http: httpx2.AsyncClient) -> None:
    asked: dict[str, str | int] = {"start": AT, "end": AT + 86_400, "width": "1h"}
    answer = await http.get(f"{reporting.url}/sandbox/google/billing_export", params=asked)
    told = answer.json()
    assert told["simulated"] is True
    assert len(told["buckets"]) == 24
    assert {row["sku"]["id"] for row in told["rows"]} == {
        f"sandbox/gemini-3.8-flash/{kind}"
        for kind in ("input", "cache_read", "cache_write_5m", "cache_write_1h", "output")
    }
    assert sum(row["usage"]["amount"] for row in told["rows"]) == 4 * 220


async def test_a_call_is_reported_as_soon_as_it_is_metered(
    reporting: Sandbox, http: httpx2.AsyncClient, openai_usage: Any
) -> None:
    body = {"model": "gpt-5.5", "messages": [{"role": "user", "content": "Hi"}]}
    headers = {"authorization": "Bearer k", "x-client-request-id": "req_reported/0"}
    await http.post(f"{reporting.url}/v1/chat/completions", json=body, headers=headers)
    metered = await reporting.line(client_request_id="req_reported/0")
    page = await openai_usage.completions(
        start_time=int(metered.ts), bucket_width="1m", group_by=["model"], models=["gpt-5.5"]
    )
    found = [result for bucket in page.data for result in bucket.results]
    assert [(result.model, result.output_tokens) for result in found] == [("gpt-5.5", metered.output_tokens)]


async def test_reports_take_an_administrators_key(reporting: Sandbox, http: httpx2.AsyncClient) -> None:
    url = f"{reporting.url}/openai/v1"
    client = openai.AsyncOpenAI(admin_api_key="sk-proj-1", base_url=url, max_retries=0, http_client=http)
    with pytest.raises(openai.PermissionDeniedError, match=r"api\.usage\.read"):
        await client.admin.organization.usage.completions(start_time=AT)
    with pytest.raises(anthropic.AuthenticationError):
        await anthropic_get(reporting, http, "cost_report", "sk-ant-api03-1", starting_at=iso(DAY))


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"start_time": "yesterday"},
        {"start_time": AT, "bucket_width": "1w"},
        {"start_time": AT, "limit": 32},
        {"start_time": AT, "limit": 0},
        {"start_time": AT, "group_by": "colour"},
        {"start_time": AT, "page": "2"},
        {"start_time": AT, "colour": "red"},
    ],
)
async def test_a_report_that_cannot_be_is_refused(
    reporting: Sandbox, http: httpx2.AsyncClient, asked: dict[str, Any]
) -> None:
    answer = await http.get(
        f"{reporting.url}/v1/organization/usage/completions",
        params=asked,
        headers={"authorization": "Bearer sk-admin-1"},
    )
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    "asked",
    [{}, {"starting_at": "soon"}, {"starting_at": "2026-11-20T00:00:00"}, {"starting_at": iso(DAY), "x": 1}],
)
async def test_anthropics_too(reporting: Sandbox, http: httpx2.AsyncClient, asked: dict[str, Any]) -> None:
    with pytest.raises(anthropic.BadRequestError):
        await anthropic_get(reporting, http, "usage_report/messages", **asked)


async def hours(openai_usage: Any, **asked: Any) -> Any:
    return await openai_usage.completions(
        start_time=AT, end_time=AT + 2 * 3_600, bucket_width="1h", group_by=["model"], **asked
    )


async def test_rows_can_be_late(openai_usage: Any, distort: Any) -> None:
    await distort(openai="late=864000 model=gpt-6-luna")
    page = await hours(openai_usage)
    assert [[result.model for result in bucket.results] for bucket in page.data] == [["gpt-6.1-sol"]] * 2


async def test_buckets_can_come_twice_on_two_pages(openai_usage: Any, distort: Any) -> None:
    await distort(openai="duplicate=1")
    first = await hours(openai_usage)
    second = await hours(openai_usage, page=first.next_page)
    assert first.data == second.data
    assert (first.has_more, second.has_more) == (True, False)


async def test_a_bucket_can_be_missing(openai_usage: Any, distort: Any) -> None:
    await distort(openai=f"missing={AT}")
    assert [bucket.start_time for bucket in (await hours(openai_usage)).data] == [AT + 3_600]


async def test_counts_can_drift(openai_usage: Any, distort: Any) -> None:
    await distort(openai="drift=50")
    (sol,) = (await hours(openai_usage)).data[0].results
    assert (sol.input_uncached_tokens, sol.output_tokens) == (150, 75)


@pytest.mark.parametrize("directive", ["late=-1", "drift=x", "colour=red", "duplicate=2", "late"])
async def test_a_distortion_that_is_none_is_refused(distort: Any, directive: str) -> None:
    assert (await distort(openai=directive)).status_code == 400
    assert (await distort(nobody="late=1")).status_code == 400


async def test_distortions_hold_for_all_workers_and_are_forgotten_with_the_run(tmp_path: Path) -> None:
    running = start(tmp_path, "--workers", "3")
    async with httpx2.AsyncClient(verify=False, base_url=running.url) as client:
        (await client.put("/sandbox/reports", json={"openai": "late=1"})).raise_for_status()
    for _ in range(8):
        async with httpx2.AsyncClient(verify=False, base_url=running.url) as client:
            assert (await client.get("/sandbox/reports")).json() == {"openai": "late=1"}
    assert running.stop() == 0
    again = start(tmp_path)
    async with httpx2.AsyncClient(verify=False, base_url=again.url) as client:
        assert (await client.get("/sandbox/reports")).json() == {}
    assert again.stop() == 0
