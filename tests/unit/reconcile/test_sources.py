"""How each provider's report is read, and what becomes of one that cannot be."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import msgspec
import pytest
from pydantic import SecretStr

from models.errors import (
    ProviderAuthFailed,
    ProviderError,
    ProviderGarbled,
    ProviderRateLimited,
    ProviderRefused,
    ProviderTimeout,
    ProviderUnavailable,
)
from models.reconcile import ReportAccess, ReportPage, Tokens, UsageReportSource, Width, connect_sources
from models.reconcile.anthropic import AnthropicReports
from models.reconcile.google import GoogleBilling, Sku
from models.reconcile.openai import OpenAIReports

START = datetime(2026, 11, 20, tzinfo=UTC)
END = START + timedelta(days=1)
SECONDS = int(START.timestamp())
KEY = "sk-admin-do-not-tell"


class Provider(httpx2.AsyncBaseTransport):
    """Answers by path with what it was given, one page after another."""

    def __init__(self, **answers: list[Any]) -> None:
        self.asked: list[httpx2.Request] = []
        self._answers = answers

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(request)
        answer = self._answers[request.url.path.rpartition("/")[2]].pop(0)
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, int):
            return httpx2.Response(answer, json={"error": {"message": KEY}}, request=request)
        content = answer if isinstance(answer, bytes) else msgspec.json.encode(answer)
        return httpx2.Response(200, content=content, request=request)


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A source of a kind whose provider answers what is given."""

    def connect(kind: str, **answers: list[Any]) -> tuple[UsageReportSource, Provider]:
        provider = Provider(**answers)
        made = httpx2.AsyncClient(transport=provider)
        monkeypatch.setattr(f"models.reconcile.{kind}.report_client", lambda: made)
        match kind:
            case "openai":
                return OpenAIReports(SecretStr(KEY), project_ids=["proj_1"]), provider
            case "anthropic":
                return AnthropicReports(SecretStr(KEY), workspace_ids=["w1"]), provider
            case _:
                skus = {"AAAA-1": Sku("gemini-3.8-flash", "output")}
                return GoogleBilling("http://bill/export", key=SecretStr(KEY), skus=skus), provider

    return connect


async def read(source: UsageReportSource, width: Width = "day") -> list[ReportPage]:
    pages: AsyncIterator[ReportPage] = source.pages(start=START, end=END, width=width)
    found = [page async for page in pages]
    await source.close()
    return found


def openai_page(*results: Any, more: str | None = None) -> Any:
    bucket = {"object": "bucket", "start_time": SECONDS, "end_time": SECONDS + 86_400, "results": results}
    return {"object": "page", "data": [bucket], "has_more": more is not None, "next_page": more}


def anthropic_page(*results: Any, more: str | None = None) -> Any:
    bucket = {"starting_at": "2026-11-20T00:00:00Z", "ending_at": "2026-11-21T00:00:00Z", "results": results}
    return {"data": [bucket], "has_more": more is not None, "next_page": more}


async def test_m10_openai_counts_cached_tokens_within_input(answering: Any) -> None:
    used = {
        "object": "organization.usage.completions.result",
        "input_tokens": 100,
        "input_cached_tokens": 30,
        "input_cache_write_tokens": 20,
        "output_tokens": 7,
        "num_model_requests": 1,
        "model": "gpt-6.1-sol",
    }
    source, provider = answering(
        "openai",
        completions=[openai_page(used, more="p2"), openai_page()],
        embeddings=[openai_page({"input_tokens": 5, "num_model_requests": 1, "model": None})],
        costs=[
            openai_page(
                {"amount": {"value": 0.1, "currency": "usd"}, "line_item": "gpt-6.1-sol, output_tokens"},
                {"amount": {"value": "0.8958740000000000", "currency": "usd"}, "line_item": "Web search"},
            )
        ],
    )
    first, second, embeddings, costs = await read(source)
    assert [row.tokens for row in first.rows] == [Tokens(50, 30, 20, 0, 7)]
    assert (first.starts, second.rows, second.starts) == ((START,), (), (START,))
    assert [(row.model, row.tokens) for row in embeddings.rows] == [("", Tokens(5))]
    assert [(row.model, row.cost_pico) for row in costs.rows] == [
        ("gpt-6.1-sol", 10**11),
        ("", 895_874_000_000),
    ]
    query = dict(provider.asked[1].url.params)
    assert (query["page"], query["group_by[]"], query["project_ids[]"]) == ("p2", "model", "proj_1")
    assert provider.asked[0].headers["authorization"] == f"Bearer {KEY}"


async def test_m10_anthropic_counts_cached_tokens_beside_input(answering: Any) -> None:
    used = {
        "uncached_input_tokens": 50,
        "cache_read_input_tokens": 30,
        "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 4},
        "output_tokens": 7,
        "server_tool_use": {"web_search_requests": 2},
        "model": "claude-sonnet-5-5",
    }
    line = {
        "currency": "USD",
        "model": "claude-sonnet-5-5",
        "token_type": "output_tokens",
        "workspace_id": "w1",
    }
    source, provider = answering(
        "anthropic",
        messages=[anthropic_page(used, more="p2"), anthropic_page()],
        cost_report=[
            anthropic_page(
                {**line, "amount": "123.78912"},
                {**line, "amount": "1", "workspace_id": "w2"},
                {"currency": "USD", "amount": "2.5", "cost_type": "web_search", "workspace_id": "w1"},
            )
        ],
    )
    first, _, costs = await read(source)
    assert [row.tokens for row in first.rows] == [Tokens(50, 30, 20, 4, 7)]
    assert [(row.model, row.cost_pico) for row in costs.rows] == [
        ("claude-sonnet-5-5", 1_237_891_200_000),
        ("", 25_000_000_000),
    ]
    query = dict(provider.asked[1].url.params)
    assert (query["page"], query["group_by[]"], query["workspace_ids[]"]) == ("p2", "model", "w1")
    assert provider.asked[0].headers["authorization"] == f"Bearer {KEY}"


async def test_m10_googles_rows_are_read_by_what_their_skus_stand_for(answering: Any) -> None:
    row = {
        "usage_start_time": "2026-11-20T03:00:00Z",
        "usage_end_time": "2026-11-20T04:00:00Z",
        "usage": {"amount": 70.0, "unit": "count"},
        "currency": "USD",
    }
    source, _ = answering(
        "google",
        export=[
            {
                "buckets": ["2026-11-20T00:00:00Z"],
                "rows": [
                    {**row, "sku": {"id": "AAAA-1"}, "cost": 0.25},
                    {**row, "sku": {"id": "BBBB-2"}, "cost": 0.5},
                    {**row, "sku": {"id": "BBBB-2"}, "cost": 0.1, "cost_type": "tax"},
                ],
            }
        ],
    )
    (page,) = await read(source)
    assert [(each.model, each.start, each.tokens, each.cost_pico) for each in page.rows] == [
        ("gemini-3.8-flash", START, Tokens(output=70), 25 * 10**10),
        ("", START, None, 5 * 10**11),
    ]


FIRST = {"openai": "completions", "anthropic": "messages", "google": "export"}
FAILURES: dict[str, tuple[Any, type[ProviderError]]] = {
    "unauthenticated": (401, ProviderAuthFailed),
    "forbidden": (403, ProviderAuthFailed),
    "not there": (404, ProviderRefused),
    "too many": (429, ProviderRateLimited),
    "broken": (500, ProviderUnavailable),
    "elsewhere": (302, ProviderRefused),
    "no connection": (httpx2.ConnectError("no"), ProviderUnavailable),
    "too slow": (httpx2.ReadTimeout("slow"), ProviderTimeout),
    "no JSON": (b"<html>", ProviderGarbled),
    "another shape": ({"data": [{"results": 5}]}, ProviderGarbled),
    "nothing": (b"", ProviderGarbled),
}


@pytest.mark.parametrize("kind", FIRST)
@pytest.mark.parametrize("failure", FAILURES)
async def test_m10_what_cannot_be_read_is_a_provider_error_without_the_key(
    answering: Any, kind: str, failure: str
) -> None:
    answer, expected = FAILURES[failure]
    source, _ = answering(kind, **{FIRST[kind]: [answer]})
    with pytest.raises(expected) as raised:
        await read(source)
    assert type(raised.value) is expected
    assert raised.value.provider == kind
    assert KEY not in str(raised.value)


@pytest.mark.parametrize(
    ("kind", "answers"),
    [
        (
            "openai",
            {
                "completions": [openai_page()],
                "embeddings": [openai_page()],
                "costs": [openai_page({"amount": {"value": 1, "currency": "eur"}})],
            },
        ),
        (
            "anthropic",
            {
                "messages": [anthropic_page()],
                "cost_report": [anthropic_page({"amount": "1", "currency": "EUR", "workspace_id": "w1"})],
            },
        ),
    ],
)
async def test_m10_amounts_in_another_currency_are_not_taken_for_dollars(
    answering: Any, kind: str, answers: dict[str, list[Any]]
) -> None:
    source, _ = answering(kind, **answers)
    with pytest.raises(ProviderGarbled):
        await read(source)


@pytest.mark.parametrize("width", ["minute", "hour"])
async def test_m10_costs_are_only_asked_for_by_the_day(answering: Any, width: Width) -> None:
    source, provider = answering("anthropic", messages=[anthropic_page()])
    await read(source, width)
    assert [request.url.path for request in provider.asked] == ["/v1/organizations/usage_report/messages"]


@pytest.mark.parametrize(
    ("environment", "configured"),
    [
        ({}, set()),
        ({"OPENAI_ADMIN_KEY": KEY}, {"openai"}),
        ({"ANTHROPIC_ADMIN_KEY": KEY}, {"anthropic"}),
        ({"ANTHROPIC_ADMIN_API_KEY": KEY}, {"anthropic"}),
        ({"GOOGLE_BILLING_EXPORT_URL": "http://x/"}, {"google"}),
    ],
)
async def test_m10_only_providers_with_a_key_are_asked(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], configured: set[str]
) -> None:
    for name in (
        "OPENAI_ADMIN_KEY",
        "ANTHROPIC_ADMIN_KEY",
        "ANTHROPIC_ADMIN_API_KEY",
        "GOOGLE_BILLING_EXPORT_URL",
    ):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    access = ReportAccess()
    assert KEY not in repr(access)
    sources = connect_sources(access)
    assert {name for name, source in sources.items() if source is not None} == configured
    for source in sources.values():
        if source is not None:
            await source.close()
