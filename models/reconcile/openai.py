"""OpenAI's usage and cost reports on an organisation, by its official SDK.

Usage is told by the minute, hour or day, costs by the day. At which time a call is counted is not documented.
Where the two differ it is the costs, OpenAI says, that are billed.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Literal, Protocol

import msgspec
import openai
from msgspec import Struct
from pydantic import SecretStr

from models.reconcile.reading import TIMEOUT_S, at, errors_of, in_usd, pico_of, report_client
from models.reconcile.report import ReportPage, ReportRow, Tokens, Width

PROVIDER = "openai"

_WIDTHS: dict[Width, Literal["1m", "1h", "1d"]] = {"minute": "1m", "hour": "1h", "day": "1d"}
_PAGE: dict[Width, int] = {"minute": 1_440, "hour": 168, "day": 31}
_COSTS_PAGE = 180


class _Used(Struct):
    """A result of completions or embeddings. Input includes what caches served and stored."""

    input_tokens: int
    output_tokens: int = 0
    input_cached_tokens: int | None = None
    input_cache_write_tokens: int | None = None
    model: str | None = None


class _Amount(Struct):
    value: Decimal
    currency: str


class _Billed(Struct):
    amount: _Amount
    line_item: str | None = None
    """`MODEL, KIND`; something else where it is not about a model."""


class _UsageBucket(Struct):
    start_time: int
    results: list[_Used]


class _CostBucket(Struct):
    start_time: int
    results: list[_Billed]


class _UsagePage(Struct):
    data: list[_UsageBucket]
    has_more: bool
    next_page: str | None = None


class _CostPage(Struct):
    data: list[_CostBucket]
    has_more: bool
    next_page: str | None = None


class _Answer(Protocol):
    """Of the SDK, unread: it does not check what it parses."""

    @property
    def content(self) -> bytes: ...


_Ask = Callable[[str | openai.Omit], Awaitable[_Answer]]


class OpenAIReports:
    """`project_ids` and `api_key_ids` leave out what others use in the same organisation."""

    provider = PROVIDER
    usage_parts = ("completions", "embeddings")

    def __init__(
        self,
        key: SecretStr,
        *,
        base_url: str | None = None,
        project_ids: Sequence[str] = (),
        api_key_ids: Sequence[str] = (),
    ) -> None:
        self._sdk = openai.AsyncOpenAI(
            admin_api_key=key.get_secret_value(),
            base_url=base_url,
            max_retries=0,
            timeout=TIMEOUT_S,
            http_client=report_client(),
        )
        self._projects = list(project_ids) or openai.omit
        self._keys = list(api_key_ids) or openai.omit

    async def pages(self, *, start: datetime, end: datetime, width: Width) -> AsyncIterator[ReportPage]:
        usage = self._sdk.admin.organization.usage.with_raw_response
        first, last = int(start.timestamp()), int(end.timestamp())

        async def completions(page: str | openai.Omit) -> _Answer:
            return await usage.completions(
                start_time=first,
                end_time=last,
                bucket_width=_WIDTHS[width],
                group_by=["model"],
                limit=_PAGE[width],
                page=page,
                project_ids=self._projects,
                api_key_ids=self._keys,
            )

        async def embeddings(page: str | openai.Omit) -> _Answer:
            return await usage.embeddings(
                start_time=first,
                end_time=last,
                bucket_width=_WIDTHS[width],
                group_by=["model"],
                limit=_PAGE[width],
                page=page,
                project_ids=self._projects,
                api_key_ids=self._keys,
            )

        async def costs(page: str | openai.Omit) -> _Answer:
            return await usage.costs(
                start_time=first,
                end_time=last,
                bucket_width="1d",
                group_by=["line_item"],
                limit=_COSTS_PAGE,
                page=page,
                project_ids=self._projects,
                api_key_ids=self._keys,
            )

        for part, ask in zip(self.usage_parts, (completions, embeddings), strict=True):
            async for told in _usage(part, ask):
                yield told
        if width == "day":
            async for told in _costs(costs):
                yield told

    async def close(self) -> None:
        await self._sdk.close()


async def _usage(part: str, ask: _Ask) -> AsyncIterator[ReportPage]:
    page: str | openai.Omit | None = openai.omit
    while page is not None:
        with errors_of(PROVIDER, openai.OpenAIError):
            answer = msgspec.json.decode((await ask(page)).content, type=_UsagePage)
        rows = [_used(each, at(bucket.start_time)) for bucket in answer.data for each in bucket.results]
        starts = tuple(at(bucket.start_time) for bucket in answer.data)
        yield ReportPage(part=part, starts=starts, rows=tuple(rows))
        page = answer.next_page if answer.has_more else None


async def _costs(ask: _Ask) -> AsyncIterator[ReportPage]:
    page: str | openai.Omit | None = openai.omit
    while page is not None:
        with errors_of(PROVIDER, openai.OpenAIError):
            answer = msgspec.json.decode((await ask(page)).content, type=_CostPage)
            rows = [_billed(each, at(bucket.start_time)) for bucket in answer.data for each in bucket.results]
        starts = tuple(at(bucket.start_time) for bucket in answer.data)
        yield ReportPage(part="costs", starts=starts, rows=tuple(rows))
        page = answer.next_page if answer.has_more else None


def _used(result: _Used, start: datetime) -> ReportRow:
    """All that the cache stored counts as stored for the shorter time, as it does in the answers to calls."""
    read, written = result.input_cached_tokens or 0, result.input_cache_write_tokens or 0
    tokens = Tokens(result.input_tokens - read - written, read, written, 0, result.output_tokens)
    model = result.model or ""
    return ReportRow(model=model, start=start, key=(model,), tokens=tokens)


def _billed(result: _Billed, start: datetime) -> ReportRow:
    item = result.line_item or ""
    model, comma, _ = item.rpartition(", ")
    amount = in_usd(result.amount.value, result.amount.currency)
    return ReportRow(model=model if comma else "", start=start, key=(item,), cost_pico=pico_of(amount))
