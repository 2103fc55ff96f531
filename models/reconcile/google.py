"""Google's bill. The Gemini API has no report of usage or cost: what it bills is in the Cloud Billing export.

That export goes into BigQuery, whose rows have to be brought to an address that this can read: JSON as the
sandbox serves it, `{"buckets": [...], "rows": [...], "next_page": ...}` with rows of the export's standard
schema, whose `usage_start_time` lies in one of the buckets. Google says neither when a row is the last one
nor how its SKUs are to be read, so what an SKU stands for is told here as data; the sandbox's SKUs say it
themselves.
"""

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Literal

import msgspec
from msgspec import Struct
from pydantic import SecretStr

from models.reconcile.reading import errors_of, in_usd, pico_of, report_client
from models.reconcile.report import SPAN, ReportPage, ReportRow, Tokens, Width

PROVIDER = "google"

_WIDTHS: dict[Width, str] = {"minute": "1m", "hour": "1h", "day": "1d"}
_SANDBOX = "sandbox/"

Kind = Literal["input", "cache_read", "cache_write_5m", "cache_write_1h", "output"]


class Sku(Struct, frozen=True):
    """What a line of the bill is for: `kind` tokens of `model`."""

    model: str
    kind: Kind


class _Sku(Struct):
    id: str


class _Usage(Struct):
    amount: Decimal


class _Row(Struct):
    """A row of the standard usage cost export, as far as it is used."""

    sku: _Sku
    usage_start_time: datetime
    usage_end_time: datetime
    usage: _Usage
    currency: str
    cost: Decimal | None = None
    cost_type: str = "regular"


class _Page(Struct):
    buckets: list[datetime]
    rows: list[_Row]
    next_page: str | None = None


class GoogleBilling:
    """Reads the rows of the billing export at `url`. `skus` by id."""

    provider = PROVIDER
    usage_parts = ("export",)

    def __init__(
        self, url: str, *, key: SecretStr | None = None, skus: Mapping[str, Sku] | None = None
    ) -> None:
        self._url = url
        self._headers = {} if key is None else {"authorization": f"Bearer {key.get_secret_value()}"}
        self._skus = dict(skus or {})
        self._http = report_client()

    async def pages(self, *, start: datetime, end: datetime, width: Width) -> AsyncIterator[ReportPage]:
        asked: dict[str, str | int] = {
            "start": int(start.timestamp()),
            "end": int(end.timestamp()),
            "width": _WIDTHS[width],
        }
        while True:
            with errors_of(PROVIDER):
                response = await self._http.get(self._url, params=asked, headers=self._headers)
                response.raise_for_status()
                page = msgspec.json.decode(response.content, type=_Page)
                rows = [self._row(row, width) for row in page.rows if row.cost_type == "regular"]
            starts = tuple(bucket.astimezone(UTC) for bucket in page.buckets)
            yield ReportPage(part="export", starts=starts, rows=tuple(rows))
            if page.next_page is None:
                return
            asked["page"] = page.next_page

    async def close(self) -> None:
        await self._http.aclose()

    def _row(self, row: _Row, width: Width) -> ReportRow:
        began = row.usage_start_time.astimezone(UTC)
        start = began - (began - datetime(1970, 1, 1, tzinfo=UTC)) % SPAN[width]
        sku = self._skus.get(row.sku.id) or _own_sku(row.sku.id)
        cost = None if row.cost is None else pico_of(in_usd(row.cost, row.currency))
        tokens = None if sku is None else Tokens(**{sku.kind: int(row.usage.amount)})
        key = (row.sku.id, began.isoformat(), row.usage_end_time.isoformat())
        return ReportRow(model=sku.model if sku else "", start=start, key=key, tokens=tokens, cost_pico=cost)


def _own_sku(name: str) -> Sku | None:
    """The sandbox's: `sandbox/MODEL/KIND`. None for others, which are billed under no model."""
    if not name.startswith(_SANDBOX):
        return None
    model, _, kind = name.removeprefix(_SANDBOX).rpartition("/")
    return msgspec.convert({"model": model, "kind": kind}, Sku)
