"""Google's bill, simulated: rows as Cloud Billing exports them to BigQuery.

The Gemini API has no usage or cost report, so there is no path of Google's to speak at. The sandbox serves
rows of the export's standard schema (`gcp_billing_export_v1_…`) at a path that says it is the sandbox's. SKU
ids are the sandbox's too: `sandbox/MODEL/KIND`.
"""

from collections.abc import Iterator
from datetime import UTC, datetime

import orjson

from deployments.sandbox.exchange import Json, Rejected
from deployments.sandbox.reports import Asked, Bucket, Params, Reports
from deployments.sandbox.tally import KINDS, Counts
from models.money import usd_text

PATH = "/sandbox/google/billing_export"

_PARAMS = frozenset({"start", "end", "width", "limit", "page"})
_PAGE = (24, 1_440)


def export(query: str, reports: Reports) -> Json:
    """`start` and `end` are Unix seconds; `buckets` are those that the rows of this page are from."""
    params = Params(query, _PARAMS)
    start, end = params.required("start"), params.required("end")
    if not (start.isdecimal() and end.isdecimal()):
        raise Rejected("'start' and 'end' have to be Unix times in seconds.", param="start")
    asked = Asked(
        provider="google",
        start=int(start),
        end=int(end),
        width=params.width("width"),
        limit=params.limit(*_PAGE),
        cursor=params.one("page"),
    )
    page = reports.page(asked)
    rows = [
        row
        for bucket in page.buckets
        for model, counts in reports.rows(asked, bucket)
        for row in _rows(bucket, model, counts)
    ]
    buckets = [_text(bucket.start) for bucket in page.buckets]
    return {"simulated": True, "buckets": buckets, "rows": rows, "next_page": page.next}


def _rows(bucket: Bucket, model: str, counts: Counts) -> Iterator[Json]:
    for kind, tokens, pico in zip(KINDS, counts.tokens, counts.cost, strict=True):
        if tokens:
            yield {
                "service": {"id": "sandbox", "description": "Gemini API"},
                "sku": {"id": f"sandbox/{model}/{kind}", "description": f"{model} {kind} tokens (simulated)"},
                "usage_start_time": _text(bucket.start),
                "usage_end_time": _text(bucket.end),
                "usage": {"amount": tokens, "unit": "count", "pricing_unit": "count"},
                "cost": orjson.Fragment(usd_text(pico)) if counts.priced else None,
                "cost_type": "regular",
                "currency": "USD",
                "credits": [],
            }


def _text(moment: int) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
