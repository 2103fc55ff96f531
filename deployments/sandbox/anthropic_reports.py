"""Anthropic's reports on an organisation: messages usage and costs, of the Admin API.

`/v1/organizations/usage_report/messages` and `/v1/organizations/cost_report` as platform.claude.com documents
them: costs are daily, amounts are decimal strings of cents.
"""

from collections.abc import Iterator
from datetime import UTC, datetime

from deployments.sandbox.exchange import Json, Rejected
from deployments.sandbox.reports import PAGE_DEFAULT, PAGE_MAX, Asked, Bucket, Params, Reports, Results, total
from deployments.sandbox.tally import Counts, Width
from models.money import usd_text

ADMIN_PREFIX = "sk-ant-admin"

_COMMON = frozenset({"starting_at", "ending_at", "bucket_width", "limit", "page", "group_by"})
_USAGE = _COMMON | {
    "account_ids",
    "api_key_ids",
    "context_window",
    "inference_geos",
    "models",
    "service_account_ids",
    "service_tiers",
    "speeds",
    "workspace_ids",
}
_USAGE_GROUPS = frozenset(
    {
        "account_id",
        "api_key_id",
        "context_window",
        "inference_geo",
        "model",
        "service_account_id",
        "service_tier",
        "speed",
        "workspace_id",
    }
)
_COST_GROUPS = frozenset({"workspace_id", "description"})
_TOKEN_TYPES = (
    ("uncached_input_tokens", "Input Tokens"),
    ("cache_read_input_tokens", "Input Tokens, Cache Read"),
    ("cache_creation.ephemeral_5m_input_tokens", "Input Tokens, Cache Write 5m"),
    ("cache_creation.ephemeral_1h_input_tokens", "Input Tokens, Cache Write 1h"),
    ("output_tokens", "Output Tokens"),
)
_CENT = 100


def check_admin(key: str) -> None:
    if not key.startswith(ADMIN_PREFIX):
        raise Rejected("invalid x-api-key: an Admin API key is required", status=401)


def usage(query: str, reports: Reports) -> Json:
    params = Params(query, _USAGE)
    by_model = "model" in params.many("group_by", _USAGE_GROUPS)
    asked = _asked(params, ("1m", "1h", "1d"))

    def results(bucket: Bucket) -> Iterator[Json]:
        rows = reports.rows(asked, bucket, models=params.many("models"))
        if by_model:
            yield from (_usage(model, counts) for model, counts in rows)
        elif counts := total(rows):
            yield _usage(None, counts)

    return _page(asked, reports, results)


def costs(query: str, reports: Reports) -> Json:
    params = Params(query, _COMMON)
    by_description = "description" in params.many("group_by", _COST_GROUPS)
    asked = _asked(params, ("1d",))

    def results(bucket: Bucket) -> Iterator[Json]:
        rows = [(model, counts) for model, counts in reports.rows(asked, bucket) if counts.priced]
        if not by_description:
            if rows:
                yield _cost(sum(sum(counts.cost) for _, counts in rows))
            return
        for model, counts in rows:
            for (kind, words), pico in zip(_TOKEN_TYPES, counts.cost, strict=True):
                if pico:
                    yield _cost(pico, model=model, token_type=kind, words=words)

    return _page(asked, reports, results)


def _asked(params: Params, widths: tuple[Width, ...]) -> Asked:
    width = params.width(widths=widths)
    return Asked(
        provider="anthropic",
        start=int(_time(params, "starting_at")),
        end=_time(params, "ending_at") if params.one("ending_at") else None,
        width=width,
        limit=params.limit(PAGE_DEFAULT[width], PAGE_MAX[width]),
        cursor=params.one("page"),
    )


def _time(params: Params, name: str) -> float:
    try:
        moment = datetime.fromisoformat(params.required(name))
    except ValueError:
        raise Rejected(f"{name}: Input should be a valid datetime") from None
    if moment.tzinfo is None:
        raise Rejected(f"{name}: Input should have timezone info")
    return moment.timestamp()


def _usage(model: str | None, counts: Counts) -> Json:
    fresh, read, short, long, output = counts.tokens
    return {
        "uncached_input_tokens": fresh,
        "cache_read_input_tokens": read,
        "cache_creation": {"ephemeral_5m_input_tokens": short, "ephemeral_1h_input_tokens": long},
        "output_tokens": output,
        "server_tool_use": {"web_search_requests": 0},
        "model": model,
        "api_key_id": None,
        "workspace_id": None,
        "service_tier": None,
        "context_window": None,
        "inference_geo": None,
    }


def _cost(pico: int, *, model: str | None = None, token_type: str | None = None, words: str = "") -> Json:
    grouped = model is not None
    return {
        "amount": usd_text(pico * _CENT),
        "currency": "USD",
        "description": f"{model} Usage - {words}" if grouped else None,
        "cost_type": "tokens" if grouped else None,
        "model": model,
        "token_type": token_type,
        "service_tier": "standard" if grouped else None,
        "context_window": None,
        "inference_geo": None,
        "workspace_id": None,
    }


def _page(asked: Asked, reports: Reports, results: Results) -> Json:
    page = reports.page(asked)
    data = [
        {
            "starting_at": _text(bucket.start),
            "ending_at": _text(bucket.end),
            "results": list(results(bucket)),
        }
        for bucket in page.buckets
    ]
    return {"data": data, "has_more": page.next is not None, "next_page": page.next}


def _text(moment: int) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
