"""Anthropic's usage and cost reports on an organisation, of the Admin API, through its official SDK.

The SDK has no method for these two endpoints, so its `get` is used. Usage is told by the minute, hour or day,
costs by the day, as decimal cents. At which time a call is counted is not documented.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import TypeVar

import anthropic
import httpx2
import msgspec
from msgspec import Struct
from pydantic import SecretStr

from models.reconcile.reading import TIMEOUT_S, errors_of, in_usd, pico_of, report_client
from models.reconcile.report import ReportPage, ReportRow, Tokens, Width

PROVIDER = "anthropic"

_WIDTHS: dict[Width, str] = {"minute": "1m", "hour": "1h", "day": "1d"}
_PAGE: dict[Width, int] = {"minute": 1_440, "hour": 168, "day": 31}
_CENTS = 100
_USAGE = "/v1/organizations/usage_report/messages"
_COSTS = "/v1/organizations/cost_report"

T = TypeVar("T", bound="_UsagePage | _CostPage")


class _Written(Struct):
    ephemeral_5m_input_tokens: int = 0
    ephemeral_1h_input_tokens: int = 0


class _Used(Struct):
    uncached_input_tokens: int
    cache_read_input_tokens: int
    output_tokens: int
    cache_creation: _Written
    model: str | None = None


class _Billed(Struct):
    """A line of the bill. All but amount and currency name it."""

    amount: Decimal
    currency: str
    description: str | None = None
    cost_type: str | None = None
    model: str | None = None
    token_type: str | None = None
    service_tier: str | None = None
    context_window: str | None = None
    inference_geo: str | None = None
    workspace_id: str | None = None

    def key(self) -> tuple[str, ...]:
        names = [name for name in self.__struct_fields__ if name not in ("amount", "currency")]
        return tuple(getattr(self, name) or "" for name in names)


class _UsageBucket(Struct):
    starting_at: datetime
    results: list[_Used]


class _CostBucket(Struct):
    starting_at: datetime
    results: list[_Billed]


class _UsagePage(Struct):
    data: list[_UsageBucket]
    has_more: bool
    next_page: str | None = None


class _CostPage(Struct):
    data: list[_CostBucket]
    has_more: bool
    next_page: str | None = None


class AnthropicReports:
    """`workspace_ids` leave out what others use in the same organisation."""

    provider = PROVIDER
    usage_parts = ("messages",)

    def __init__(
        self, key: SecretStr, *, base_url: str | None = None, workspace_ids: Sequence[str] = ()
    ) -> None:
        self._sdk = anthropic.AsyncAnthropic(
            api_key=key.get_secret_value(),
            base_url=base_url,
            max_retries=0,
            timeout=TIMEOUT_S,
            http_client=report_client(),
        )
        self._workspaces = list(workspace_ids)

    async def pages(self, *, start: datetime, end: datetime, width: Width) -> AsyncIterator[ReportPage]:
        asked: dict[str, object] = {
            "starting_at": _text(start),
            "ending_at": _text(end),
            "bucket_width": _WIDTHS[width],
            "limit": _PAGE[width],
        }
        usage = asked | {"group_by": ["model"]}
        if self._workspaces:
            usage["workspace_ids"] = self._workspaces
        async for used in self._all(_USAGE, usage, _UsagePage):
            yield _page("messages", used)
        if width == "day":
            group = ["description", "workspace_id"] if self._workspaces else ["description"]
            async for billed in self._all(_COSTS, asked | {"group_by": group}, _CostPage):
                yield self._cost_page(billed)

    async def close(self) -> None:
        await self._sdk.close()

    async def _all(self, path: str, asked: dict[str, object], kind: type[T]) -> AsyncIterator[T]:
        while True:
            with errors_of(PROVIDER, anthropic.AnthropicError):
                response = await self._sdk.get(path, cast_to=httpx2.Response, options={"params": asked})
                page = msgspec.json.decode(response.content, type=kind)
            yield page
            if not page.has_more or page.next_page is None:
                return
            asked = asked | {"page": page.next_page}

    def _cost_page(self, page: _CostPage) -> ReportPage:
        """The cost report has no filter by workspace, so others' lines are left out here."""
        with errors_of(PROVIDER):
            rows = [
                ReportRow(
                    model=each.model or "",
                    start=bucket.starting_at.astimezone(UTC),
                    key=each.key(),
                    cost_pico=pico_of(in_usd(each.amount, each.currency), per_usd=_CENTS),
                )
                for bucket in page.data
                for each in bucket.results
                if not self._workspaces or each.workspace_id in self._workspaces
            ]
        return ReportPage(part="costs", starts=_starts(page), rows=tuple(rows))


def _page(part: str, page: _UsagePage) -> ReportPage:
    rows = [
        _used(each, bucket.starting_at.astimezone(UTC)) for bucket in page.data for each in bucket.results
    ]
    return ReportPage(part=part, starts=_starts(page), rows=tuple(rows))


def _used(result: _Used, start: datetime) -> ReportRow:
    model = result.model or ""
    tokens = Tokens(
        result.uncached_input_tokens,
        result.cache_read_input_tokens,
        result.cache_creation.ephemeral_5m_input_tokens,
        result.cache_creation.ephemeral_1h_input_tokens,
        result.output_tokens,
    )
    return ReportRow(model=model, start=start, key=(model,), tokens=tokens)


def _starts(page: _UsagePage | _CostPage) -> tuple[datetime, ...]:
    return tuple(bucket.starting_at.astimezone(UTC) for bucket in page.data)


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
